//! Goal 4: what a session that waits takes of its server's memory.

use std::io;

use cnv::session::{Address, Client, ClientOptions};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::runtime::Runtime;

use super::served::last_socket;
use super::{Server, goal};
use crate::report::{Goal, Wanted};
use crate::rounds::Ratio;

/// Sessions that wait, as far as the process may have as many files open, and calls that go on beside them.
const IDLE: usize = 10_000;

/// Files that the process has open for other things.
const OTHER_FILES: usize = 100;

/// Lets this process and those that it starts open as many files as they may.
pub fn open_more_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Otherwise there are fewer sessions.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// As many sessions as this process may have.
fn idle() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let idle = IDLE.min(files.saturating_sub(OTHER_FILES));
    if idle < IDLE {
        eprintln!(
            "!!! {idle} sessions that wait, and not {IDLE}: this process may not open more files\n"
        );
    }
    idle
}
const BUSY: usize = 500;

pub fn run(runtime: &Runtime, server: &Server) -> io::Result<Vec<Goal>> {
    runtime.block_on(async {
        let address = Address::Unix(last_socket(&server.folder));
        let before = resident_bytes(server.id())?;
        let idle = idle();
        let mut sessions = Vec::with_capacity(idle);
        for _ in 0..idle {
            let client = Client::connect(&address, ClientOptions::new()).await;
            sessions.push(client.map_err(io::Error::other)?);
        }
        let after = resident_bytes(server.id())?;
        let each = after.saturating_sub(before) as f64 / idle as f64 / 1024.0;
        let mut busy = Vec::with_capacity(BUSY);
        for client in &sessions[..BUSY.min(idle)] {
            let call = client.call(["items", "send", "1000", "64"]).await;
            busy.push(call.map_err(io::Error::other)?);
        }
        let mut items = 0;
        for mut call in busy {
            while call.next().await.map_err(io::Error::other)?.is_some() {
                items += 1;
            }
        }
        // The result of each is an item, too.
        assert_eq!(items, BUSY.min(idle) * 1001);
        Ok(vec![goal(
            4,
            "KiB of the server's memory a session",
            format!("{idle} that wait"),
            Wanted::AtMost(8.0),
            Ratio::exact(each),
        )])
    })
}

/// The resident memory of a process.
fn resident_bytes(process: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kib: Option<u64> = kib.and_then(|number| number.trim().parse().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("/proc does not tell the resident memory"))
}
