//! Goal 4: what a session that waits takes of its server's memory.

use std::io;

use cnv::session::{Address, Client, ClientOptions};
use tokio::runtime::Runtime;

use super::served::last_socket;
use super::{Server, goal};
use crate::report::{Goal, Wanted};
use crate::rounds::Ratio;

/// Sessions that wait, as far as the process may have as many files open, and calls that go on beside them.
const IDLE: usize = 10_000;
const BUSY: usize = 500;

pub fn run(runtime: &Runtime, server: &Server) -> io::Result<Vec<Goal>> {
    runtime.block_on(async {
        let address = Address::Unix(last_socket(&server.folder));
        let before = resident_bytes(server.id())?;
        let mut sessions = Vec::with_capacity(IDLE);
        for _ in 0..IDLE {
            let client = Client::connect(&address, ClientOptions::new()).await;
            sessions.push(client.map_err(io::Error::other)?);
        }
        let after = resident_bytes(server.id())?;
        let each = after.saturating_sub(before) as f64 / IDLE as f64 / 1024.0;
        let mut busy = Vec::with_capacity(BUSY);
        for client in &sessions[..BUSY] {
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
        assert_eq!(items, BUSY * 1001);
        Ok(vec![goal(
            4,
            "KiB of the server's memory a session",
            format!("{IDLE} that wait"),
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
