//! The metrics as Prometheus takes them: its own checker, and a server of it that scrapes the endpoint.
//!
//! Where either is not installed, its test is skipped and says so; with `CNV_TEST_PROMETHEUS=1` it fails.
#![cfg(unix)]

mod sessions;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cnv::command::SessionServer;
use cnv::prelude::*;
use cnv::recovery::{Bulkhead, CircuitBreaker, Policy, Settings};
use cnv::trace::metrics::{Family, Point, Points, Snapshot, Source};
use serde_json::Value;

/// After this time something that is waited for is taken for lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts what every call allocates.
#[global_allocator]
static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();

static STORE: Policy = Policy::new(
    "store",
    Settings::new()
        .circuit_breaker(CircuitBreaker::new())
        .bulkhead(Bulkhead::new(4)),
);

/// Labels that have to be escaped.
struct Awkward;

const AWKWARD: &str = "quote \" back \\ line \n \u{e9}";

impl Source for Awkward {
    fn collect(&self) -> Vec<Family> {
        let points = Points::Gauge(vec![Point::new([("text", AWKWARD)], 0.25)]);
        vec![Family::new(
            "test.awkward",
            "1",
            "Back \\ and line \n.",
            points,
        )]
    }
}

fn app() -> App {
    sessions::app().policy(&STORE).metrics_of(Awkward)
}

/// Where the program is, if it is installed.
fn installed(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file());
    if found.is_none() {
        let is_needed = std::env::var_os("CNV_TEST_PROMETHEUS").is_some_and(|value| value == "1");
        assert!(!is_needed, "`{program}` is not installed");
        eprintln!("!!! SKIPPED: `{program}` is not installed");
    }
    found
}

#[test]
fn its_checker_finds_nothing_wrong() {
    let Some(promtool) = installed("promtool") else {
        return;
    };
    let app = app();
    app.call_blocking(["job", "echo", "a"]).result.unwrap();
    let check = |text: &str| {
        let mut child = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let text = app.snapshot().to_prometheus_text();
    assert_eq!(check(&text), (true, String::new()));
    // It looks at what it is given.
    let (is_right, said) = check(&text.replace("cnv_calls_total", "cnv_calls"));
    assert!(!is_right && said.contains("cnv_calls"), "{said}");
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Prometheus, which scrapes one address.
struct Prometheus {
    address: SocketAddr,
    _program: Running,
    folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(program: &Path, target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms }}\n\
             scrape_configs:\n\
             - {{ job_name: jobs, static_configs: [{{ targets: ['{target}'] }}] }}\n"
        );
        std::fs::write(path("prometheus.yml"), config).unwrap();
        // It does not say which port it took, so it is told one that is free.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let log = std::fs::File::create(path("log")).unwrap();
        let child = Command::new(program)
            .arg(format!("--config.file={}", path("prometheus.yml")))
            .arg(format!("--storage.tsdb.path={}", path("data")))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            address,
            _program: Running(child),
            folder,
        }
    }

    /// The values of a query, once there are some.
    fn query(&self, query: &str) -> Vec<Value> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            let answer = self.ask(query);
            let result = answer
                .as_ref()
                .and_then(|answer| answer["data"]["result"].as_array());
            if let Some(result) = result.filter(|result| !result.is_empty()) {
                return result.clone();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        panic!("no answer to {query}; it says:\n{log}");
    }

    /// The one value of a query.
    fn value(&self, query: &str) -> f64 {
        let result = self.query(query);
        assert_eq!(result.len(), 1, "{query}: {result:?}");
        result[0]["value"][1].as_str().unwrap().parse().unwrap()
    }

    fn ask(&self, query: &str) -> Option<Value> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET /api/v1/query?query={escaped} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }
}

/// The upper end of the bucket that the slowest call of `job echo` was in.
fn slowest_echo(snapshot: &Snapshot) -> f64 {
    let durations = snapshot.family("cnv.call.duration").unwrap();
    let Points::Histogram(points) = &durations.points else {
        panic!("{durations:?}");
    };
    let is_echo = |point: &&Point<_>| point.labels.iter().any(|label| label.value == "echo");
    let value = &points.iter().find(is_echo).unwrap().value;
    let last = value.counts.iter().rposition(|count| *count > 0).unwrap();
    value.bounds[last]
}

#[test]
fn it_scrapes_what_was_counted() {
    let Some(program) = installed("prometheus") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let app = app();
    for words in [
        ["job", "echo", "a"],
        ["job", "echo", "b"],
        ["job", "fail", "3"],
    ] {
        let _ = app.call_blocking(words);
    }
    let slowest = slowest_echo(&app.snapshot());
    let server = SessionServer::new(app).unwrap();
    let server = server.metrics(([127, 0, 0, 1], 0).into()).unwrap();
    let target = server.metrics_address().unwrap();
    let running = runtime.spawn(server.run(std::future::pending()));

    let prometheus = Prometheus::start(&program, target);
    assert_eq!(prometheus.value("up == 1"), 1.0);
    let echo = r#"cnv_calls_total{noun="job",verb="echo",outcome="ok"}"#;
    assert_eq!(prometheus.value(echo), 2.0);
    let failures = r#"sum(cnv_calls_total{outcome!="ok"})"#;
    assert_eq!(prometheus.value(failures), 1.0);
    let counted = r#"cnv_call_duration_seconds_count{verb="echo"}"#;
    assert_eq!(prometheus.value(counted), 2.0);
    // Out of the buckets, it finds the one that the slowest call was in.
    let quantile = r#"histogram_quantile(1, cnv_call_duration_seconds_bucket{verb="echo"})"#;
    let found = prometheus.value(quantile);
    assert!((found - slowest).abs() < 1e-9, "{found} for {slowest}");
    let state = r#"cnv_breaker_state{policy="store"} == 1"#;
    let states = prometheus.query(state);
    assert_eq!(states[0]["metric"]["state"], "closed", "{states:?}");
    let awkward = prometheus.query("test_awkward_ratio");
    assert_eq!(awkward[0]["metric"]["text"], AWKWARD);
    // Every metric has its kind and its help.
    let kinds = prometheus.metadata();
    let kind = |name: &str| kinds["data"][name][0]["type"].clone();
    assert_eq!(kind("cnv_calls_total"), "counter");
    assert_eq!(kind("cnv_call_duration_seconds"), "histogram");
    assert_eq!(kind("cnv_call_active"), "gauge");
    let help = &kinds["data"]["test_awkward_ratio"][0]["help"];
    assert_eq!(help, "Back \\ and line \n.");
    running.abort();
}

impl Prometheus {
    /// What it knows of the metrics that it scrapes.
    fn metadata(&self) -> Value {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET /api/v1/metadata HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}
