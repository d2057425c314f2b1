//! A server that is killed while it serves: its callers hear that they do not know what became of their calls, and the next
//! server has its place.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use cnv::attestation::{CapabilityAttestation, PrivateKey};
use cnv::capability::CapabilityContract;
use cnv::session::{
    Address, Call, CallError, Client, ClientOptions, CloseCode, SessionError, SessionLimits,
};

use crate::programs::server::Server;
use crate::programs::{Folder, cnv, expect, ops_alone};
use crate::sessions;

const LINE: &str =
    "192.0.2.7 - - [10/Oct/2025:13:55:36 +0000] \"GET /a HTTP/1.1\" 200 7 \"-\" \"x\"\n";

/// A log that has one line, and `ops` to follow it until somebody makes it stop.
struct Parties {
    folder: Folder,
    token: String,
}

impl Parties {
    fn new() -> Self {
        let folder = Folder::new();
        let root = PrivateKey::from_seed(&[1; 32]);
        let token = CapabilityAttestation::new(CapabilityContract::read_only(), "x", 600, &root);
        folder.file("roots", format!("{}  root\n", root.public_key()));
        folder.file("access.log", LINE);
        let token = token.to_string();
        Self { folder, token }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path("ops.sock")
    }

    fn serve(&self) -> Server {
        let mut command = ops_alone(["serve"]);
        command.env("CNV_TRUST", self.folder.path("roots"));
        Server::of(&mut command, &self.socket())
    }

    fn follow(&self) -> [String; 4] {
        let log = self.folder.path("access.log").display().to_string();
        ["log", "tail", &log, "--from-start"].map(str::to_owned)
    }

    async fn connect(&self, limits: SessionLimits) -> Client {
        let options = ClientOptions::new().attest(&*self.token, None);
        let address = Address::Unix(self.socket());
        Client::connect(&address, options.limits(limits))
            .await
            .unwrap()
    }

    /// A call that is being carried out: its first item is there.
    async fn begin(&self, client: &Client) -> Call {
        let mut call = client.call(self.follow()).await.unwrap();
        assert!(call.next().await.unwrap().is_some());
        call
    }
}

/// How the session of a call ended.
async fn end(mut call: Call) -> SessionError {
    match call.next().await {
        Err(error @ CallError::Session(_)) => {
            let told = error.to_string();
            assert!(told.contains("whether it was carried out is not known"));
            let CallError::Session(error) = error else {
                unreachable!();
            };
            error
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_calls_of_a_killed_server_end_and_their_outcome_is_unknown() {
    sessions::run(async {
        let parties = Parties::new();
        let server = parties.serve();
        // One gives up soon, and the other one waits for a server.
        let impatient = SessionLimits {
            resume_window: Duration::from_millis(300),
            ..SessionLimits::default()
        };
        let impatient = parties.connect(impatient).await;
        let patient = parties.connect(SessionLimits::default()).await;
        let (first, second) = (
            parties.begin(&impatient).await,
            parties.begin(&patient).await,
        );
        server.signal("-KILL");
        drop(server);
        let ended = end(first).await;
        assert!(matches!(ended, SessionError::Io(_)), "{ended:?}");
        let refused = impatient.call(parties.follow()).await;
        assert!(matches!(refused, Err(SessionError::Io(_))), "{refused:?}");

        // The next server has the path, and knows of no session of the one before.
        let _server = parties.serve();
        match end(second).await {
            SessionError::Closed(close) => assert_eq!(close.code(), CloseCode::Resume),
            other => panic!("{other:?}"),
        }
        let client = parties.connect(SessionLimits::default()).await;
        drop(parties.begin(&client).await);
    });
}

#[test]
fn a_command_line_whose_server_is_killed_fails_and_says_what_is_unknown() {
    let parties = Parties::new();
    let server = parties.serve();
    let address = format!("unix:{}", parties.socket().display());
    let call = || {
        let mut command = cnv(["-q", "--json", "call", &address]);
        command.env("CNV_ATTESTATION", &parties.token);
        command
    };
    let mut caller = call()
        .args(parties.follow())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut row = String::new();
    let mut stdout = BufReader::new(caller.stdout.take().unwrap());
    stdout.read_line(&mut row).unwrap();
    assert!(row.contains("192.0.2.7"), "{row}");
    server.signal("-KILL");
    drop(server);
    let _server = parties.serve();
    let mut told = String::new();
    let mut stderr = caller.stderr.take().unwrap();
    stderr.read_to_string(&mut told).unwrap();
    assert_eq!(caller.wait().unwrap().code(), Some(1), "{told}");
    let is_said = told.contains("whether it was carried out is not known");
    assert!(is_said, "{told}");
    let mut again = call();
    let again = again.args(parties.follow()).args(["--count", "1"]);
    assert_eq!(expect(0, again).json_lines().len(), 2);
}
