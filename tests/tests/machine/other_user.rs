//! A client of another user at a server's unix socket, as where an operator lets more than its owner reach it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use cnv::attestation::{CapabilityAttestation, PrivateKey, key_file};
use cnv::audit::{AuditReader, Decision};
use cnv::capability::CapabilityContract;

use crate::namespaces::succeeds;
use crate::programs::server::Server;
use crate::programs::{Ended, Folder, expect, ops_alone, program, programs};

/// Debian's `nobody`. Whether it has a name here does not matter.
const OTHER: u32 = 65_534;

/// A command, to be run by the other user.
fn as_other(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    let user = OTHER.to_string();
    command
        .args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"])
        .arg(program);
    command
}

/// What one of the other user's processes needs, where it can come at it.
struct Parties {
    folder: Folder,
    root: PrivateKey,
}

impl Parties {
    fn new() -> Self {
        let folder = Folder::new();
        let root = PrivateKey::from_seed(&[1; 32]);
        let open = Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(""), open.clone()).unwrap();
        fs::copy(&programs().cnv, folder.path("cnv")).unwrap();
        fs::set_permissions(folder.path("cnv"), open).unwrap();
        folder.file("roots", format!("{}  root\n", root.public_key()));
        fs::create_dir(folder.path("logs")).unwrap();
        key_file::create(folder.path("log.pem"), &PrivateKey::from_seed(&[3; 32])).unwrap();
        folder.file("access.log", "");
        Self { folder, root }
    }

    fn serve(&self) -> Server {
        let mut command = ops_alone(["serve"]);
        command
            .env("CNV_TRUST", self.folder.path("roots"))
            .env("CNV_AUDIT", self.folder.path("logs"))
            .env("CNV_AUDIT_KEY", self.folder.path("log.pem"));
        let server = Server::of(&mut command, &self.folder.path("ops.sock"));
        // As an operator does who lets others reach it.
        let all = Permissions::from_mode(0o666);
        fs::set_permissions(self.folder.path("ops.sock"), all).unwrap();
        server
    }

    /// A file that the other user alone can read, with a token for it.
    fn token(&self, subject: &str, issuer: &PrivateKey) -> String {
        let contract = CapabilityContract::read_only();
        let token = CapabilityAttestation::new(contract, subject, 600, issuer);
        let path = self.folder.file(subject, token.to_string());
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(OTHER), Some(OTHER)).unwrap();
        format!("@{}", path.display())
    }

    /// `log scan` at the server, called by the other user.
    #[track_caller]
    fn call(&self, code: i32, present: Option<&str>) -> Ended {
        let mut command = program(Path::new("setpriv"));
        let as_other = as_other(&self.folder.path("cnv"));
        command.args(as_other.get_args());
        command.args(["-q", "--json", "call"]);
        if let Some(token) = present {
            command.args(["--present", token]);
        }
        let address = format!("unix:{}", self.folder.path("ops.sock").display());
        command.args([&*address, "log", "scan"]);
        expect(code, command.arg(self.folder.path("access.log")))
    }

    /// Why sessions were denied.
    fn denials(&self) -> Vec<String> {
        let entries = AuditReader::new(self.folder.path("logs/ops")).entries();
        let entries = entries.unwrap().map(|read| read.unwrap().1);
        let denied = entries.filter(|entry| entry.verb == "session open");
        let reason = |decision| match decision {
            Decision::Denied(reason) => reason.detail().to_owned(),
            other => panic!("{other:?}"),
        };
        denied.map(|entry| reason(entry.decision)).collect()
    }
}

#[test]
fn another_user_begins_no_session_without_a_token() {
    if !succeeds(&mut as_other(Path::new("true"))) {
        eprintln!("!!! SKIPPED: no other user was tried, because this one can become none");
        return;
    }
    let parties = Parties::new();
    let mut server = parties.serve();

    let refused = parties.call(8, None);
    refused.wrote_nothing();
    assert_eq!(refused.error()["code"], "attestation");
    refused.says("this server asks who is calling: present an attestation");
    let stranger = PrivateKey::from_seed(&[2; 32]);
    let refused = parties.call(8, Some(&parties.token("stranger", &stranger)));
    refused.wrote_nothing();
    refused.says("the other end closed the session: attestation refused");
    // The server goes on, for it and for its owner.
    let good = parties.token("agent-42", &parties.root);
    let report = parties.call(0, Some(&good)).json();
    assert_eq!(report["requests"], 0, "{report}");

    server.signal("-TERM");
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
    let denials = parties.denials();
    let [nothing, untrusted] = &denials[..] else {
        panic!("{denials:?}");
    };
    assert_eq!(nothing, "the user 65534 presented no attestation");
    assert!(!untrusted.contains("no attestation"), "{untrusted}");
}
