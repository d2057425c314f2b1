//! The walk-through of `docs/recovery.md` as processes: a service fails, is left alone, and works again.
#![cfg(unix)]

mod programs;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use programs::{Ended, Folder, cnv, expect, expect_of, ops_alone, program, programs};
use serde_json::Value;

/// After this time something that is waited for is taken for lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The service that fails on command.
struct Flaky {
    address: String,
    _program: Running,
}

impl Flaky {
    fn start() -> Self {
        let mut command = program(&programs().ops.with_file_name("flaky"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("flaky listens at http://");
        Self {
            address: url.unwrap().to_owned(),
            _program: Running(child),
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The body of its answer.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{request} HTTP/1.1\r\nhost: {}\r\n\r\n",
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        body.to_owned()
    }

    fn mode(&self, mode: &str) {
        self.ask(&format!("POST /mode/{mode}"));
    }

    /// How many requests came to `/`.
    fn requests(&self) -> u64 {
        let stats: Value = serde_json::from_str(&self.ask("GET /stats")).unwrap();
        stats["requests"].as_u64().unwrap()
    }
}

/// `ops serve`, which keeps what its calls learn of the service.
struct Server {
    address: String,
    program: Running,
}

impl Server {
    fn start(socket: &Path) -> Self {
        let mut command = ops_alone(["serve", "--unix"]);
        let child = command.arg(socket).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let mut line = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut line).unwrap();
        assert!(line.contains("serving at unix:"), "{line}");
        Self {
            address: format!("unix:{}", socket.display()),
            program: Running(child),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = cnv(["-q", "call", &self.address]);
        command.args(words);
        command
    }

    /// One call for a program, and the code that it ended with.
    fn call(&self, words: &[&str]) -> (i32, Ended) {
        ended(cnv(["-q", "--json", "call", &self.address]).args(words))
    }

    /// The same for a person.
    fn call_in_words(&self, words: &[&str]) -> (i32, Ended) {
        ended(&mut self.command(words))
    }

    /// How the policy of `http get` stands.
    fn policy(&self) -> Value {
        let (code, shown) = self.call(&["recovery", "show"]);
        assert_eq!(code, 0);
        let rows = shown.json();
        assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
        assert_eq!(rows[0]["policy"], "http get");
        rows[0].clone()
    }
}

fn ended(command: &mut Command) -> (i32, Ended) {
    let output = command.output().unwrap();
    let code = output.status.code().unwrap();
    (code, expect_of(code, output))
}

/// A text without what differs from run to run: numbers, and how wide they are.
fn in_general(text: &str) -> String {
    let mut general = String::new();
    for word in text.split_whitespace() {
        for part in word.split_inclusive(|c: char| !c.is_ascii_digit()) {
            let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
            if rest.len() < part.len() {
                general.push('0');
            }
            general.push_str(rest);
        }
        general.push(' ');
    }
    general
}

/// Every line that a program wrote is on the page, apart from numbers.
#[track_caller]
fn page_shows(ended: &Ended) {
    let page = include_str!("../../docs/recovery.md");
    let lines: Vec<String> = page.lines().map(in_general).collect();
    let written = ended.text().lines().chain(ended.stderr.lines());
    let mut shown = 0;
    for line in written {
        assert!(
            lines.contains(&in_general(line)),
            "the page has no `{line}`"
        );
        shown += 1;
    }
    assert!(shown > 0, "nothing was written");
}

/// Tries until something comes of it.
fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(start.elapsed() < PATIENCE, "it was never {what}");
    }
}

fn count(row: &Value, what: &str) -> u64 {
    row[what].as_u64().unwrap()
}

#[test]
fn a_service_that_fails_is_left_alone_until_it_works_again() {
    let folder = Folder::new();
    let flaky = Flaky::start();
    let server = Server::start(&folder.path("ops.sock"));
    let url = flaky.url();
    let get = || server.call(&["http", "get", &url]);

    // All is well.
    let (code, answer) = get();
    assert_eq!((code, &answer.json()["body"]), (0, &"all is well".into()));
    assert_eq!(flaky.requests(), 1);
    assert_eq!(server.policy()["breaker"], "closed");
    page_shows(&server.call_in_words(&["http", "get", &url]).1);
    assert_eq!(flaky.requests(), 2);

    // It fails, and is asked again.
    flaky.mode("panic-connection");
    let (code, failed) = get();
    assert_eq!(code, 1);
    failed.says("the exchange broke off");
    assert_eq!(flaky.requests(), 5, "three attempts");
    assert_eq!(count(&server.policy(), "retries"), 2);

    // It goes on failing, and is not asked any more.
    let refused = until("left alone", || {
        let before = flaky.requests();
        let (code, ended) = get();
        assert!([1, 10].contains(&code), "{}", ended.stderr);
        let is_refused = code == 10;
        if is_refused {
            assert_eq!(flaky.requests(), before, "nobody asks it");
        }
        is_refused.then_some(ended)
    });
    let error = refused.error();
    assert_eq!(error["code"], "unavailable");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("`http get` did not answer: the circuit breaker is open; try again in "),
        "{message}"
    );
    let told = until("refused in words", || {
        let (code, ended) = server.call_in_words(&["http", "get", &url]);
        (code == 10).then_some(ended)
    });
    page_shows(&told);
    page_shows(&server.call_in_words(&["recovery", "show"]).1);
    let open = server.policy();
    assert_eq!(open["breaker"], "open");
    assert!(
        count(&open, "opened") >= 1 && count(&open, "refused") >= 1,
        "{open}"
    );

    // It works again: two probes have to succeed.
    flaky.mode("ok");
    let mut states = vec!["open".to_owned()];
    until("closed", || {
        let (code, ended) = get();
        assert!([0, 10].contains(&code), "{}", ended.stderr);
        let state = server.policy()["breaker"].as_str().unwrap().to_owned();
        if states.last() != Some(&state) {
            if state == "half_open" {
                page_shows(&server.call_in_words(&["recovery", "show"]).1);
            }
            states.push(state);
        }
        states
            .last()
            .is_some_and(|state| state == "closed")
            .then_some(())
    });
    assert_eq!(states[states.len() - 2], "half_open", "{states:?}");
    let (code, _) = get();
    assert_eq!(code, 0);

    // What was counted is what came there.
    let closed = server.policy();
    let answered = count(&closed, "successes") + count(&closed, "failures");
    let most = answered + count(&closed, "timeouts");
    assert!((answered..=most).contains(&flaky.requests()), "{closed}");
    assert_eq!(count(&closed, "running") + count(&closed, "waiting"), 0);
}

#[test]
fn somebody_watches() {
    let folder = Folder::new();
    let flaky = Flaky::start();
    let mut server = Server::start(&folder.path("ops.sock"));
    let mut watch = cnv(["-q", "--json", "--timeout", "1min", "call", &server.address]);
    watch.args(["recovery", "watch", "--every", "100ms"]);
    let mut watch = Running(watch.stdout(Stdio::piped()).spawn().unwrap());
    let mut rows = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    let mut seen = |state: &str| {
        until(state, || {
            let row = rows.next().expect("the watch ended").unwrap();
            let row: Value = serde_json::from_str(&row).unwrap();
            (row["breaker"] == state).then_some(())
        });
    };
    seen("closed");
    flaky.mode("fail");
    until("refused", || {
        let (code, _) = server.call(&["http", "get", &flaky.url()]);
        (code == 10).then_some(())
    });
    seen("open");
    flaky.mode("ok");
    let mut call_until = |state: &str| {
        until(state, || {
            server.call(&["http", "get", &flaky.url()]);
            (server.policy()["breaker"] == state).then_some(())
        });
        seen(state);
    };
    call_until("half_open");
    call_until("closed");

    // Whoever watches ends it, and the server as well.
    signal(&watch, "-INT");
    assert_eq!(watch.0.wait().unwrap().code(), Some(0));
    signal(&server.program, "-TERM");
    assert_eq!(server.program.0.wait().unwrap().code(), Some(0));
}

fn signal(running: &Running, signal: &str) {
    let process = running.0.id().to_string();
    let status = Command::new("kill").args([signal, &process]).status();
    assert!(status.unwrap().success());
}

/// What the policies decided in a call, as its receipt has it.
fn decisions(ended: &Ended) -> Vec<String> {
    let objects = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let receipt = objects
        .filter_map(|mut object| Some(object.get_mut("receipt")?.take()))
        .next();
    let decided = &receipt.unwrap()["recovery"][0];
    assert_eq!(decided["policy"], "http get");
    let decisions = decided["decisions"].as_array().unwrap();
    decisions
        .iter()
        .map(|decision| decision.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_service_that_says_when_to_come_back_is_asked_then() {
    let flaky = Flaky::start();
    flaky.mode("fail");
    let get = expect(1, &mut ops_alone(["http", "get", &flaky.url(), "--json"]));
    assert!(
        get.error()["message"]
            .as_str()
            .unwrap()
            .ends_with("answered 503")
    );
    assert_eq!(decisions(&get)[..2], ["failed", "backed_off 1000 ms"]);
    // A third attempt has no second left.
    assert!(flaky.requests() <= 2);
    page_shows(&expect(
        1,
        &mut ops_alone(["-q", "http", "get", &flaky.url()]),
    ));
}

#[test]
fn the_caller_has_less_time_than_the_policy() {
    let flaky = Flaky::start();
    flaky.mode("hang");
    let mut get = ops_alone(["-q", "http", "get", &flaky.url(), "--timeout", "300ms"]);
    let late = expect(7, &mut get);
    late.says("its deadline passed");
    page_shows(&late);
    assert!(flaky.requests() <= 1);
}

#[test]
fn what_is_the_callers_fault_is_not_tried_again() {
    let flaky = Flaky::start();
    let url = format!("{}/nothing", flaky.url());
    let get = expect(1, &mut ops_alone(["http", "get", &url, "--json"]));
    assert_eq!(decisions(&get), ["ignored"]);
    let elsewhere = expect(2, &mut ops_alone(["http", "get", "http://10.0.0.1:80/"]));
    elsewhere.says("10.0.0.1:80 is not on this machine");
}

#[test]
fn the_page_has_the_attributes_of_the_example() {
    let bare = |text: &str| {
        text.split_whitespace()
            .collect::<String>()
            .replace(",)", ")")
    };
    let page = include_str!("../../docs/recovery.md");
    let source = bare(include_str!("../../examples/src/bin/ops/http.rs"));
    let start = page.find("#[verb(").unwrap();
    let attributes = bare(page[start..].split("(cx:").next().unwrap());
    assert!(source.contains(&attributes), "{attributes}");
}
