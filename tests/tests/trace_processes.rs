//! One trace over three processes: `cnv call`, `ops serve`, and a service that fails.
#![cfg(unix)]

mod programs;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use programs::server::Server;
use programs::{Folder, cnv, ops_alone, program, programs};
use serde_json::Value;

/// After this time something that is waited for is taken for lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// A span of a file.
#[derive(Debug, Clone)]
struct Span {
    service: String,
    json: Value,
}

impl Span {
    fn text(&self, key: &str) -> &str {
        self.json[key].as_str().unwrap_or_default()
    }

    fn attribute(&self, key: &str) -> Option<&Value> {
        let all = self.json["attributes"].as_array().unwrap();
        all.iter()
            .find(|attribute| attribute["key"] == key)
            .map(|found| &found["value"])
    }

    fn events(&self, name: &str) -> usize {
        let all = self.json["events"].as_array().unwrap();
        all.iter().filter(|event| event["name"] == name).count()
    }
}

fn read(file: &Path) -> Vec<Span> {
    let mut spans = Vec::new();
    for line in fs::read_to_string(file).unwrap_or_default().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for resource in line["resourceSpans"].as_array().unwrap() {
            let attributes = resource["resource"]["attributes"].as_array().unwrap();
            let is_service = |attribute: &&Value| attribute["key"] == "service.name";
            let service = &attributes.iter().find(is_service).unwrap()["value"]["stringValue"];
            for span in resource["scopeSpans"][0]["spans"].as_array().unwrap() {
                spans.push(Span {
                    service: service.as_str().unwrap().to_owned(),
                    json: span.clone(),
                });
            }
        }
    }
    spans
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The spans of one call of `http get`, of which each attempt fails.
fn fail_three_times(folder: &Folder, traceparent: Option<&str>) -> Vec<Span> {
    let [own, ops, flaky] =
        ["cnv", "ops", "flaky"].map(|name| folder.path(&format!("{name}.jsonl")));
    let mut service = program(&programs().ops.with_file_name("flaky"));
    service.env("CNV_TRACE_FILE", &flaky).stdout(Stdio::piped());
    let mut service = Running(service.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(service.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .trim_end()
        .strip_prefix("flaky listens at http://")
        .unwrap();
    let mut mode = TcpStream::connect(address).unwrap();
    write!(
        mode,
        "POST /mode/panic-connection HTTP/1.1\r\nhost: x\r\n\r\n"
    )
    .unwrap();
    std::io::copy(&mut mode, &mut std::io::sink()).unwrap();

    let socket = folder.path("ops.sock");
    let mut serve = ops_alone(["serve"]);
    serve.env("CNV_TRACE_FILE", &ops);
    let mut server = Server::of(&mut serve, &socket);
    let (to, url) = (
        format!("unix:{}", socket.display()),
        format!("http://{address}"),
    );
    let mut call = cnv(["-q", "call", &to, "http", "get", &url]);
    call.env("CNV_TRACE_FILE", &own);
    if let Some(traceparent) = traceparent {
        call.env("TRACEPARENT", traceparent);
    }
    assert!(!call.output().unwrap().status.success());
    // Whoever ends exports what waits first.
    server.signal("-TERM");
    server.0.wait().unwrap();
    let since = Instant::now();
    while read(&flaky).len() < 3 {
        assert!(since.elapsed() < PATIENCE, "{:?}", read(&flaky));
        std::thread::sleep(Duration::from_millis(20));
    }
    [own, ops, flaky]
        .iter()
        .flat_map(|file| read(file))
        .collect()
}

#[test]
fn three_processes_and_two_retries_are_one_trace() {
    let folder = Folder::new();
    let spans = fail_three_times(&folder, None);
    let named = |service: &str, name: &str| -> Vec<&Span> {
        let is_it = |span: &&Span| span.service == service && span.text("name") == name;
        spans.iter().filter(is_it).collect()
    };
    let root = named("cnv", "session call")[0];
    let client = named("cnv", "call")[0];
    let served = named("ops", "http get")[0];
    let attempts = named("ops", "attempt");
    let (gets, answers) = (named("ops", "GET"), named("flaky", "GET /"));
    assert_eq!(
        (attempts.len(), gets.len(), answers.len()),
        (3, 3, 3),
        "{spans:?}"
    );
    assert_eq!(spans.len(), 12);

    assert_eq!(root.text("parentSpanId"), "");
    assert_eq!(client.text("parentSpanId"), root.text("spanId"));
    assert_eq!(served.text("parentSpanId"), client.text("spanId"));
    for attempt in &attempts {
        assert_eq!(attempt.text("parentSpanId"), served.text("spanId"));
        let get = gets
            .iter()
            .find(|get| get.text("parentSpanId") == attempt.text("spanId"));
        let get = get.expect("a request of the attempt");
        let is_its = |answer: &&&Span| answer.text("parentSpanId") == get.text("spanId");
        assert_eq!(answers.iter().filter(is_its).count(), 1);
    }
    let retries: usize = attempts.iter().map(|attempt| attempt.events("retry")).sum();
    assert_eq!(retries, 2);

    let transaction = root.attribute("cnv.transaction.id").unwrap();
    for span in &spans {
        assert_eq!(span.text("traceId"), root.text("traceId"));
        assert_eq!(
            span.attribute("cnv.transaction.id"),
            Some(transaction),
            "{span:?}"
        );
    }
    // What was asked for is nobody's business but the caller's and the service's.
    assert!(!format!("{spans:?}").contains("http://"));
}

#[test]
fn the_trace_of_whoever_starts_the_first_process_goes_on() {
    let folder = Folder::new();
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let spans = fail_three_times(&folder, Some(&format!("00-{trace}-{parent}-01")));
    assert_eq!(spans.len(), 12);
    assert!(spans.iter().all(|span| span.text("traceId") == trace));
    let parents = |span: &&Span| span.text("parentSpanId") == parent;
    let root: Vec<&Span> = spans.iter().filter(parents).collect();
    assert_eq!((root.len(), root[0].text("name")), (1, "session call"));
}

#[test]
fn what_is_not_sampled_is_recorded_nowhere() {
    let folder = Folder::new();
    let file = folder.path("spans.jsonl");
    let not_sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let mut call = ops_alone(["-q", "tree", "digest"]);
    call.arg(folder.path(""))
        .env("CNV_TRACE_FILE", &file)
        .env("TRACEPARENT", not_sampled);
    assert!(call.status().unwrap().success());
    assert!(read(&file).is_empty());
    // Unless it fails: such calls `ops` keeps.
    let mut call = ops_alone(["-q", "tree", "digest", "/nowhere/at/all"]);
    call.env("CNV_TRACE_FILE", &file)
        .env("TRACEPARENT", not_sampled);
    assert!(!call.output().unwrap().status.success());
    let kept = read(&file);
    assert_eq!(kept.len(), 1);
    assert_eq!(
        kept[0].attribute("cnv.kept").unwrap()["stringValue"],
        "error"
    );
    assert!(!format!("{kept:?}").contains("nowhere"));
}

#[test]
fn a_setting_that_cannot_be_used_is_told_and_fails_no_call() {
    let folder = Folder::new();
    let mut call = ops_alone(["tree", "digest"]);
    call.arg(folder.path(""))
        .env("CNV_TRACE_FILE", folder.path("no/such/folder/file"));
    let output = call.output().unwrap();
    assert!(output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("CNV_TRACE_FILE"), "{told}");
}
