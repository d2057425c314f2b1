//! An application whose handlers tell what becomes of them, served over real sockets; a proxy that breaks connections; and
//! a client that writes whatever frames it is told to.

#![allow(dead_code, reason = "each test uses some of it")]

pub mod proxy;
pub mod raw;

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use cnv::command::{Drained, SessionServer};
use cnv::prelude::*;
use cnv::session::{Address, Client, ClientOptions, SessionError, SessionLimits};
use tokio::sync::oneshot;

/// What a handler has done so far.
#[derive(Debug, Default)]
pub struct Probe {
    pub begun: AtomicUsize,
    pub sent: AtomicUsize,
    pub dropped: AtomicUsize,
    pub may_end: AtomicBool,
}

impl Probe {
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    pub fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }
}

/// The probe of this name, which a test and its handlers share.
pub fn probe(name: &str) -> Arc<Probe> {
    static PROBES: OnceLock<Mutex<HashMap<String, Arc<Probe>>>> = OnceLock::new();
    let mut probes = PROBES.get_or_init(Mutex::default).lock().unwrap();
    Arc::clone(probes.entry(name.to_owned()).or_default())
}

/// Counts a handler that ends, however it does.
struct Running(Arc<Probe>);

impl Running {
    fn of(name: &str) -> Self {
        let probe = probe(name);
        probe.begun.fetch_add(1, Ordering::SeqCst);
        Self(probe)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Streams numbered items of a size.
#[verb(noun = "job", effect = "pure")]
async fn count(cx: Context, name: String, items: usize, size: usize) -> Result<usize, Failure> {
    let running = Running::of(&name);
    for item in 0..items {
        cx.stdout().send(&format!("{item:0>size$}")).await?;
        running.0.sent.fetch_add(1, Ordering::SeqCst);
    }
    Ok(items)
}

/// Never returns, whatever it is asked.
#[verb(noun = "job", effect = "pure")]
async fn hang(name: String) -> Result<(), Failure> {
    let _running = Running::of(&name);
    std::future::pending().await
}

/// Waits until it may end, or is asked to stop, and says what it was.
#[verb(noun = "job", effect = "pure")]
async fn wait(cx: Context, name: String) -> Result<&'static str, Failure> {
    let running = Running::of(&name);
    while !running.0.may_end.load(Ordering::SeqCst) {
        if cx.checkpoint().is_err() {
            return Ok("what there is");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok("all")
}

/// Panics.
#[verb(noun = "job", effect = "pure")]
async fn panic() -> Result<(), Failure> {
    panic!("as it is meant to");
}

/// Fails with a long text.
#[verb(noun = "job", effect = "pure")]
fn fail(length: usize) -> Result<(), Failure> {
    Err(Failure::failed("\u{1}é".repeat(length)))
}

/// Returns what it is given.
#[verb(noun = "job", effect = "pure")]
fn echo(text: String) -> Result<String, Failure> {
    Ok(text)
}

pub fn app() -> App {
    App::new("jobs").verbs(verbs![count, hang, wait, panic, fail, echo])
}

/// Runs a test on tokio. One that hangs fails.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let ended = runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(120), test)
            .await
            .is_ok()
    });
    runtime.shutdown_background();
    assert!(ended, "the test hangs");
}

/// Waits for a condition that has to come true.
#[track_caller]
pub fn until(what: &'static str, is_so: impl Fn() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        for _ in 0..6000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{caller}: {what} did not come true");
    }
}

/// A server at a unix socket.
pub struct Served {
    folder: tempfile::TempDir,
    pub address: Address,
    shutdown: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<Drained>,
}

impl Served {
    pub async fn start(limits: SessionLimits) -> Self {
        Self::of(app(), limits).await
    }

    pub async fn of(app: App, limits: SessionLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("jobs.sock"));
        let server = SessionServer::new(app).unwrap().limits(limits);
        let server = server.listen(&address).await.unwrap();
        let (shutdown, asked) = oneshot::channel();
        let ended = tokio::spawn(server.run(async {
            let _ = asked.await;
        }));
        Self {
            folder,
            address,
            shutdown,
            ended,
        }
    }

    pub fn path(&self) -> &Path {
        match &self.address {
            Address::Unix(path) => path,
            _ => unreachable!(),
        }
    }

    /// A path for another socket.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn connect(&self, limits: SessionLimits) -> Result<Client, SessionError> {
        Client::connect(&self.address, ClientOptions::new().limits(limits)).await
    }

    pub async fn client(&self) -> Client {
        self.connect(SessionLimits::default()).await.unwrap()
    }

    /// Asks the server to end, and says how it did.
    pub fn shut_down(self) -> tokio::task::JoinHandle<Drained> {
        let _ = self.shutdown.send(());
        // The socket's folder is there for as long as the server.
        tokio::spawn(async move {
            let drained = self.ended.await.unwrap();
            drop(self.folder);
            drained
        })
    }
}

/// Windows that are soon full.
pub fn small() -> SessionLimits {
    SessionLimits {
        window_bytes: 32 << 10,
        call_window_bytes: 16 << 10,
        max_frame_bytes: 16 << 10,
        ..SessionLimits::default()
    }
}

/// Takes the whole of a `job count`, and checks that each item came once and in order.
pub async fn take_all(call: &mut cnv::session::Call, items: usize) {
    use cnv::session::Channel;

    let mut next = 0;
    while let Some(item) = call.next().await.unwrap() {
        if item.channel() == Channel::Result {
            assert_eq!(item.json::<usize>().unwrap(), items);
            assert_eq!(next, items, "the result came before the last item");
            next += 1;
            continue;
        }
        let text: String = item.json().unwrap();
        assert_eq!(text.parse::<usize>().unwrap(), next);
        next += 1;
    }
    assert_eq!(next, items + 1);
}
