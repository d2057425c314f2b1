//! What an application counts of its calls, and the endpoint that Prometheus scrapes, over real sockets.
#![cfg(unix)]

mod sessions;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cnv::attestation::PrivateKey;
use cnv::audit::{AuditLog, AuditOptions};
use cnv::command::{Drained, FailureCode, ServeError, SessionServer};
use cnv::prelude::*;
use cnv::recovery::{Bulkhead, CircuitBreaker, Mode, Policy, Settings};
use cnv::session::{Address, Client, ClientOptions};
use cnv::trace::metrics::{Family, MetricsServer, Point, Points, Snapshot, Source};
use cnv::trace::{SpanFile, Tracer};
use sessions::{probe, run, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Counts what every call allocates.
#[global_allocator]
static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();

static STORE: Policy = Policy::new(
    "store",
    Settings::new()
        .circuit_breaker(CircuitBreaker::new().consecutive(1))
        .bulkhead(Bulkhead::new(4)),
);

/// Reads what only some may.
#[verb(noun = "vault", effect = "read")]
#[requires_attestation(read_only)]
fn open(cx: Context) -> Result<(), Failure> {
    Ok(cx.checkpoint()?)
}

/// Does what it may, and says how much that was.
#[verb(noun = "vault", effect = "read")]
#[budget(memory = "10MB", cpu = "10s", io = 10)]
fn work(operations: u64) -> Result<u64, Failure> {
    cnv::quota::charge_io(operations)?;
    Ok(operations)
}

fn app() -> App {
    sessions::app().verbs(verbs![open, work]).policy(&STORE)
}

/// The line of a sample, without its value.
fn value(text: &str, sample: &str) -> Option<f64> {
    let of = |line: &str| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(of)
}

#[track_caller]
fn is(text: &str, sample: &str, expected: f64) {
    assert_eq!(value(text, sample), Some(expected), "{sample} in:\n{text}");
}

fn calls(noun: &str, verb: &str, outcome: &str) -> String {
    format!("cnv_calls_total{{noun=\"{noun}\",verb=\"{verb}\",outcome=\"{outcome}\"}}")
}

#[test]
fn every_end_of_a_call_is_counted() {
    run(async {
        let app = app();
        app.call(["job", "echo", "a"]).await.result.unwrap();
        app.call(["job", "echo", "b"]).await.result.unwrap();
        let code = |reply: cnv::command::Reply| reply.result.unwrap_err().code();
        let words: [(&[&str], _); 4] = [
            (&["job", "fail", "3"], FailureCode::Failed),
            (&["job", "panic"], FailureCode::Panicked),
            (
                &["job", "hang", "counted", "--timeout", "1ms"],
                FailureCode::Deadline,
            ),
            (&["vault", "open"], FailureCode::Attestation),
        ];
        for (words, expected) in words {
            assert_eq!(code(app.call(words.iter().copied()).await), expected);
        }
        // What is not understood has no verb to be counted under.
        assert_eq!(code(app.call(["job", "none"]).await), FailureCode::Usage);
        assert_eq!(code(app.call(["job", "echo"]).await), FailureCode::Usage);
        // Nobody waits for this one any more.
        let dropped = tokio::time::timeout(Duration::ZERO, app.call(["job", "hang", "dropped"]));
        assert!(dropped.await.is_err());

        let text = app.snapshot().to_prometheus_text();
        is(&text, &calls("job", "echo", "ok"), 2.0);
        is(&text, &calls("job", "echo", "failed"), 0.0);
        is(&text, &calls("job", "fail", "failed"), 1.0);
        is(&text, &calls("job", "panic", "panicked"), 1.0);
        is(&text, &calls("job", "hang", "deadline"), 1.0);
        is(&text, &calls("job", "hang", "cancelled"), 1.0);
        is(&text, &calls("vault", "open", "attestation"), 1.0);
        is(&text, "cnv_handler_panics_total", 1.0);
        is(&text, "cnv_requests_refused_total{outcome=\"usage\"}", 2.0);
        is(&text, "cnv_call_active{noun=\"job\",verb=\"hang\"}", 0.0);
        let echo = "{noun=\"job\",verb=\"echo\"";
        is(
            &text,
            &format!("cnv_call_duration_seconds_count{echo}}}"),
            2.0,
        );
        is(
            &text,
            &format!("cnv_call_duration_seconds_bucket{echo},le=\"+Inf\"}}"),
            2.0,
        );
        let sum = value(&text, &format!("cnv_call_duration_seconds_sum{echo}}}"));
        assert!(sum.is_some_and(|sum| sum > 0.0 && sum < 60.0), "{sum:?}");
    });
}

#[test]
fn what_calls_use_of_their_budget_is_added_up() {
    run(async {
        let app = app();
        for operations in ["1", "4", "2"] {
            app.call(["vault", "work", operations])
                .await
                .result
                .unwrap();
        }
        let over = app.call(["vault", "work", "11"]).await;
        assert_eq!(over.result.unwrap_err().code(), FailureCode::Budget);
        let text = app.snapshot().to_prometheus_text();
        let work = "{noun=\"vault\",verb=\"work\"";
        is(&text, &format!("cnv_budget_used_io_total{work}}}"), 7.0);
        let share =
            |resource| format!("cnv_budget_share_max_ratio{work},resource=\"{resource}\"}}");
        is(&text, &share("io"), 0.4);
        let memory = value(&text, &share("memory"));
        assert!(
            memory.is_some_and(|share| share > 0.0 && share < 1.0),
            "{memory:?}"
        );
        is(&text, &calls("vault", "work", "budget"), 1.0);
    });
}

struct Disk;

impl Source for Disk {
    fn collect(&self) -> Vec<Family> {
        let own = Points::Gauge(vec![Point::new([("of", "disk")], 5_u64)]);
        let taken = Points::Gauge(vec![Point::alone(7_u64)]);
        vec![
            Family::new("disk.free", "By", "Free space.", own),
            Family::new("cnv.calls", "{call}", "Something else.", taken),
        ]
    }
}

#[test]
fn a_source_adds_metrics_and_changes_none() {
    let text = app().metrics_of(Disk).snapshot().to_prometheus_text();
    is(&text, "disk_free_bytes{of=\"disk\"}", 5.0);
    assert!(!text.contains("Something else."));
    is(&text, &calls("job", "echo", "ok"), 0.0);
}

/// All metrics that there are.
fn table() -> Vec<String> {
    let page = include_str!("../../docs/tracing.md");
    let (_, section) = page.split_once("\n## Metrics\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let name = |line: &str| {
        let name = line.strip_prefix("| `cnv.")?.split('`').next()?;
        Some(format!("cnv.{name}"))
    };
    section.lines().filter_map(name).collect()
}

#[test]
fn the_page_has_every_metric_that_there_is() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let key = PrivateKey::from_seed(&[7; 32]);
        let log = AuditLog::open(folder.path(), key, AuditOptions::new("jobs")).unwrap();
        let spans = SpanFile::open(folder.path().join("spans"), "jobs").unwrap();
        let tracer = Tracer::builder().exporter(spans).build().unwrap();
        let server = Running::start(app().audit(Arc::new(log)).trace(tracer)).await;
        server
            .client()
            .await
            .call(["vault", "work", "1"])
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        let text = scrape(server.metrics).await;
        let mut expected = Vec::new();
        for name in table() {
            let exposed = name.replace('.', "_");
            let is_there = |line: &&str| {
                line.strip_prefix("# TYPE ")
                    .and_then(|rest| rest.split(' ').next())
                    .is_some_and(|other| {
                        let end = other.strip_prefix(&*exposed);
                        end.is_some_and(|end| UNITS.contains(&end))
                    })
            };
            let line = text.lines().find(is_there);
            expected.push(line.unwrap_or_else(|| panic!("{name} is not in:\n{text}")));
        }
        for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
            assert!(expected.contains(&line), "docs/tracing.md has no {line}");
        }
    });
}

const UNITS: [&str; 8] = [
    "",
    "_total",
    "_seconds",
    "_seconds_total",
    "_bytes",
    "_bytes_total",
    "_ratio",
    "_ratio_total",
];

/// A server at a unix socket, with its metrics at a port of its own.
struct Running {
    folder: tempfile::TempDir,
    address: Address,
    metrics: SocketAddr,
    shutdown: tokio::sync::oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<Drained>,
}

impl Running {
    async fn start(app: App) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("jobs.sock"));
        let server = SessionServer::new(app).unwrap();
        let server = server.metrics(([127, 0, 0, 1], 0).into()).unwrap();
        let metrics = server.metrics_address().unwrap();
        let server = server.listen(&address).await.unwrap();
        let (shutdown, asked) = tokio::sync::oneshot::channel();
        let ended = tokio::spawn(server.run(async {
            let _ = asked.await;
        }));
        Self {
            folder,
            address,
            metrics,
            shutdown,
            ended,
        }
    }

    async fn client(&self) -> Client {
        let client = Client::connect(&self.address, ClientOptions::new()).await;
        client.unwrap()
    }
}

/// What comes back over one connection, to its end.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other end may have heard enough before all is sent.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

const GET: &str = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn scrape(address: SocketAddr) -> String {
    let answer = exchange(address, GET).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let kind = "content-type: text/plain; version=0.0.4; charset=utf-8";
    assert!(head.contains(kind), "{head}");
    body.to_owned()
}

#[test]
fn sessions_and_their_calls_are_scraped_as_they_come_and_go() {
    run(async {
        let server = Running::start(app()).await;
        let client = server.client().await;
        client
            .call(["job", "echo", "a"])
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        let failed = client
            .call(["vault", "open"])
            .await
            .unwrap()
            .collect()
            .await;
        assert!(failed.is_err());
        let failed = client.call(["job", "none"]).await.unwrap().collect().await;
        assert!(failed.is_err());
        let waiting = client.call(["job", "wait", "scraped"]).await.unwrap();
        until("the call began", || probe("scraped").begun() == 1).await;
        STORE.set_mode(Mode::ForcedOpen);

        let text = scrape(server.metrics).await;
        is(&text, &calls("job", "echo", "ok"), 1.0);
        is(&text, &calls("vault", "open", "attestation"), 1.0);
        is(&text, "cnv_requests_refused_total{outcome=\"usage\"}", 1.0);
        let active = "cnv_call_active{noun=\"job\",verb=\"wait\"}";
        is(&text, active, 1.0);
        is(&text, "cnv_session_active", 1.0);
        is(&text, "cnv_session_opened_total", 1.0);
        is(&text, "cnv_connection_active{kind=\"known\"}", 1.0);
        is(&text, "cnv_handler_blocking_queue", 0.0);
        let state = |state| format!("cnv_breaker_state{{policy=\"store\",state=\"{state}\"}}");
        is(&text, &state("forced_open"), 1.0);
        is(&text, &state("closed"), 0.0);
        is(&text, "cnv_bulkhead_queue{policy=\"store\"}", 0.0);

        probe("scraped")
            .may_end
            .store(true, std::sync::atomic::Ordering::SeqCst);
        waiting.collect().await.unwrap();
        is(&scrape(server.metrics).await, active, 0.0);
    });
}

#[test]
fn the_endpoint_is_there_until_the_server_has_drained() {
    run(async {
        let server = Running::start(app()).await;
        let client = server.client().await;
        let waiting = client.call(["job", "wait", "drained"]).await.unwrap();
        until("the call began", || probe("drained").begun() == 1).await;
        let Running {
            folder,
            address,
            metrics,
            shutdown,
            ended,
        } = server;
        shutdown.send(()).unwrap();
        while Client::connect(&address, ClientOptions::new())
            .await
            .is_ok()
        {
            tokio::task::yield_now().await;
        }
        let active = "cnv_call_active{noun=\"job\",verb=\"wait\"}";
        is(&scrape(metrics).await, active, 1.0);
        probe("drained")
            .may_end
            .store(true, std::sync::atomic::Ordering::SeqCst);
        waiting.collect().await.unwrap();
        assert_eq!(ended.await.unwrap().cut_off, 0);
        assert!(TcpStream::connect(metrics).await.is_err());
        drop(folder);
    });
}

#[test]
fn nothing_but_a_scrape_is_answered_with_metrics() {
    run(async {
        let server = Running::start(app()).await;
        let long = format!("GET /metrics HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(9000));
        for (request, status) in [
            ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "404 Not Found"),
            ("POST /other HTTP/1.1\r\nhost: a\r\n\r\n", "404 Not Found"),
            ("GET /metrics/ HTTP/1.1\r\nhost: a\r\n\r\n", "404 Not Found"),
            (
                "POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab",
                "405 Method Not Allowed",
            ),
            (
                "HEAD /metrics HTTP/1.1\r\nhost: a\r\n\r\n",
                "405 Method Not Allowed",
            ),
            ("\u{0}\u{1}\u{2}\r\n\r\n", "400 Bad Request"),
            ("GET /metrics HTTP/9.9\r\n\r\n", "400 Bad Request"),
            (&long, "431 Request Header Fields Too Large"),
        ] {
            let answer = exchange(server.metrics, request).await;
            let start = format!("HTTP/1.1 {status}\r\n");
            assert!(answer.starts_with(&start), "{request:.60?}: {answer:.200}");
            assert!(!answer.contains("cnv_"), "{request:.60?}");
            let allows = answer.contains("\r\nallow: GET\r\n");
            assert_eq!(allows, status.starts_with("405"), "{request:.60?}");
        }
        // One request a connection: the second is not answered.
        let twice = exchange(server.metrics, &GET.repeat(2)).await;
        assert_eq!(twice.matches("HTTP/1.1 200 OK").count(), 1);
        // Where a query says what is wanted, it is all that there is.
        let query = "GET /metrics?name[]=a HTTP/1.0\r\n\r\n";
        assert!(
            exchange(server.metrics, query)
                .await
                .starts_with("HTTP/1.0 200 OK")
        );
    });
}

#[test]
fn other_machines_are_not_let_in_unawares() {
    run(async {
        let server = || SessionServer::new(app()).unwrap();
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let refused = server().metrics(everywhere).unwrap_err();
        assert!(matches!(refused, ServeError::Plaintext { address } if address == everywhere));
        server().plaintext().metrics(everywhere).unwrap();
        let here = server().metrics(([127, 0, 0, 1], 0).into()).unwrap();
        let taken = here.metrics_address().unwrap();
        let refused = server().metrics(taken).unwrap_err();
        assert!(matches!(refused, ServeError::Listen { .. }), "{refused}");
    });
}

/// A server of what `text` says.
fn endpoint(text: String) -> SocketAddr {
    let server = MetricsServer::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = server.address();
    let text: Arc<str> = text.into();
    tokio::spawn(server.run(move || {
        let mut snapshot = Snapshot::new(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH);
        let point = Point::new([("text", text.to_string())], 1_u64);
        let family = Family::new("large", "", "A text.", Points::Gauge(vec![point]));
        snapshot.push(family).unwrap();
        snapshot
    }));
    address
}

/// Runs a test on a clock that goes on as soon as nobody has anything to do.
fn run_paused(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(test);
}

/// How many connections the endpoint has at a time.
const PLACES: usize = 16;

#[test]
fn a_scraper_that_says_nothing_keeps_nobody_out_for_long() {
    run_paused(async {
        let address = endpoint(String::new());
        let mut idle = Vec::new();
        for number in 0..PLACES {
            let mut stream = TcpStream::connect(address).await.unwrap();
            if number % 2 == 0 {
                stream
                    .write_all(b"GET /metrics HTTP/1.1\r\n")
                    .await
                    .unwrap();
            }
            idle.push(stream);
        }
        let since = Instant::now();
        let answer = exchange(address, GET).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let waited = since.elapsed();
        // All places were taken, and the time for a head is 2 s.
        assert!(waited >= Duration::from_secs(2), "{waited:?}");
        assert!(waited < Duration::from_secs(3), "{waited:?}");
        drop(idle);
    });
}

#[test]
fn a_scraper_that_does_not_read_keeps_nobody_out_for_long() {
    run_paused(async {
        // More than the buffers of two sockets.
        let address = endpoint("x".repeat(12 << 20));
        let mut deaf = Vec::new();
        for _ in 0..PLACES {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(GET.as_bytes()).await.unwrap();
            deaf.push(stream);
        }
        let since = Instant::now();
        let answer = exchange(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer:.200}");
        let waited = since.elapsed();
        // All places were taken, and the time for a connection is 10 s.
        assert!(waited >= Duration::from_secs(9), "{waited:?}");
        assert!(waited < Duration::from_secs(12), "{waited:?}");
        drop(deaf);
    });
}
