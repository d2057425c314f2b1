//! `ops serve`, as a process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::ops_alone;

/// A server that ends with the test.
pub struct Server(pub Child);

impl Server {
    /// Serves at a socket where nothing is set up, once it says so.
    pub fn start(socket: &Path) -> Self {
        Self::of(&mut ops_alone(["serve"]), socket)
    }

    /// As [`start`](Self::start), by a command that ends in `serve`.
    pub fn of(command: &mut Command, socket: &Path) -> Self {
        let command = command.arg("--unix").arg(socket);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut line).unwrap();
        assert!(line.contains("serving at unix:"), "{line}");
        Self(child)
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.0.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
