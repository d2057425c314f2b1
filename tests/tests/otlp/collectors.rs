//! Collectors that others wrote. `tests/collectors` installs them, and `CNV_TEST_OTEL_BIN` says where. Where it does not, a
//! test that needs them is skipped and says so; with `CNV_TEST_OTEL=1` it fails.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::wait_until;

/// Where the collectors are, if they are anywhere.
pub fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("CNV_TEST_OTEL_BIN");
    if folder.is_none() {
        let is_needed = std::env::var_os("CNV_TEST_OTEL").is_some_and(|value| value == "1");
        assert!(
            !is_needed,
            "`CNV_TEST_OTEL_BIN` does not say where they are"
        );
        eprintln!("!!! SKIPPED: no collectors: `CNV_TEST_OTEL_BIN` does not say where they are");
    }
    folder.map(PathBuf::from)
}

/// A port that nobody listens at.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn wait_for(port: u16) {
    wait_until("a collector listens", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
}

/// A process that ends with its test.
pub struct Collector(Child);

impl Collector {
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `oteltap` wrote: a line for each span, record of a log and metric, over all that ran at its port.
pub struct OtelTap {
    folder: PathBuf,
    port: u16,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl OtelTap {
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            port: free_port(),
            lines: Arc::default(),
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts it, again if it ran before.
    pub fn start(&self) -> Collector {
        let mut child = Command::new(self.folder.join("oteltap"))
            .args(["--port", &self.port.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let written = BufReader::new(child.stdout.take().unwrap());
        let lines = Arc::clone(&self.lines);
        thread::spawn(move || {
            for line in written.lines().map_while(Result::ok) {
                // One that was cut off by its end is none.
                if let Ok(value) = serde_json::from_str(&line) {
                    lines.lock().unwrap().push(value);
                }
            }
        });
        wait_for(self.port);
        Collector(child)
    }

    pub fn received(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }
}

/// Starts `rotel`, which sends on by HTTP what comes in by gRPC and by HTTP: its URLs of both.
pub fn rotel(folder: &std::path::Path, to: &str) -> (Collector, String, String) {
    let [grpc, http] = [(); 2].map(|()| free_port());
    let child = Command::new(folder.join("rotel-agent"))
        .arg("start")
        .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")])
        .args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")])
        .args(["--batch-timeout", "50ms"])
        .args(["--exporter", "otlp", "--otlp-exporter-protocol", "http"])
        .args(["--otlp-exporter-endpoint", to])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let collector = Collector(child.unwrap());
    wait_for(grpc);
    wait_for(http);
    let [grpc, http] = [grpc, http].map(|port| format!("http://127.0.0.1:{port}"));
    (collector, grpc, http)
}
