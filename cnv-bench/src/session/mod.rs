//! `session`: streams and calls over a unix socket between two processes, beside the bare socket, yamux and HTTP/2; and what
//! a session that waits takes.

mod calls;
mod idle;
mod peers;
mod served;
mod streams;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub use served::serve;

use crate::environment::Environment;
use crate::report::{Goal, Run, Wanted};
use crate::rounds::{Ratio, Settings};

/// The hidden subcommand of the process that serves.
pub const SERVER: &str = "session-server";

/// What is measured. The server is a process of its own.
pub fn run(settings: Settings) -> io::Result<Run> {
    let settings = settings.at_most(31);
    // The process that serves gets the same.
    idle::open_more_files();
    let server = Server::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut groups, mut goals) = streams::run(settings, &runtime, &server.folder)?;
    let (group, goal) = calls::run(settings, &runtime, &server.folder)?;
    groups.push(group);
    goals.push(goal);
    goals.extend(idle::run(&runtime, &server)?);
    Ok(Run {
        environment: Environment::here(),
        launches: 1,
        rounds: settings.rounds,
        groups,
        goals,
    })
}

/// The process that serves, with its sockets in a folder of its own.
struct Server {
    folder: PathBuf,
    child: Child,
    /// Taken away with it.
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> io::Result<Self> {
        let held = tempfile::tempdir()?;
        let folder = held.path().to_owned();
        let child = Command::new(std::env::current_exe()?)
            .arg(SERVER)
            .arg(&folder)
            .stdin(Stdio::null())
            .spawn()?;
        let server = Self {
            folder,
            child,
            _folder: held,
        };
        // The last socket that it makes.
        for _ in 0..1000 {
            if served::last_socket(&server.folder).exists() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(io::Error::other("the server did not begin"))
    }

    fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn socket(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.sock"))
}

fn goal(number: u8, text: &str, part: impl Into<String>, wanted: Wanted, measured: Ratio) -> Goal {
    Goal {
        number,
        text: text.into(),
        part: part.into(),
        wanted,
        measured,
    }
}
