//! Who may begin a session, and who may go on with one.

mod sessions;

use std::path::Path;
use std::sync::Arc;

use cnv::attestation::{CapabilityAttestation, PrivateKey, Timestamp, TrustStore, key_file};
use cnv::audit::{AuditLog, AuditOptions, AuditReader, Decision};
use cnv::capability::CapabilityContract;
use cnv::command::SessionServer;
use cnv::prelude::*;
use cnv::session::{Address, Client, ClientOptions, CloseCode, SessionError, SessionLimits};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use sessions::raw::{self, Raw};
use sessions::{Served, app, run};

fn root() -> PrivateKey {
    PrivateKey::from_seed(&[1; 32])
}

fn agent() -> PrivateKey {
    PrivateKey::from_seed(&[2; 32])
}

fn guarded() -> App {
    let mut trust = TrustStore::new();
    trust.add("root", root().public_key()).unwrap();
    app().trust(trust).without_revocation()
}

/// A token of the agent's.
fn token(audience: &str, issued_at: Timestamp) -> String {
    CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
        .issued_at(issued_at)
        .ttl(600)
        .audience(audience)
        .held_by(&agent().public_key())
        .sign(&root())
        .unwrap()
        .to_string()
}

fn options() -> ClientOptions {
    ClientOptions::new().application("jobs")
}

async fn listen(app: App) -> (SessionServer, Address) {
    let server = SessionServer::new(app).unwrap();
    let server = server.listen(&"tcp:127.0.0.1:0".parse().unwrap()).await;
    let server = server.unwrap();
    let address = server.addresses().remove(0);
    (server, address)
}

async fn serve(app: App) -> Address {
    let (server, address) = listen(app).await;
    tokio::spawn(server.run(std::future::pending()));
    address
}

/// Has a server deny so many sessions, and ends it.
async fn deny(app: App, sessions: usize) {
    let (server, address) = listen(app).await;
    let (shutdown, asked) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(server.run(async {
        let _ = asked.await;
    }));
    for _ in 0..sessions {
        let refused = Client::connect(&address, options()).await;
        assert_eq!(code(refused), CloseCode::Attestation);
    }
    drop(shutdown);
    served.await.unwrap();
}

#[track_caller]
fn code(refused: Result<Client, SessionError>) -> CloseCode {
    match refused {
        Err(SessionError::Closed(close)) => close.code(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn over_tcp_nobody_begins_without_a_proof() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::open(
            folder.path(),
            PrivateKey::from_seed(&[3; 32]),
            AuditOptions::new("example.com/audit/sessions"),
        );
        let address = serve(guarded().audit(Arc::new(log.unwrap()))).await;
        let now = Timestamp::now();

        let good = options().attest(token("jobs", now), Some(agent()));
        let client = Client::connect(&address, good).await.unwrap();
        let call = client
            .call(["job", "echo", "who goes there"])
            .await
            .unwrap();
        assert!(call.collect().await.is_ok());

        let refused = |options| Client::connect(&address, options);
        assert_eq!(code(refused(options()).await), CloseCode::Attestation);
        let expired = Timestamp::from_unix_seconds(1_600_000_000);
        let another = CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
            .issued_at(now)
            .ttl(600)
            .audience("jobs")
            .held_by(&agent().public_key())
            .sign(&agent())
            .unwrap();
        let bearer = CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
            .issued_at(now)
            .ttl(600)
            .audience("jobs")
            .bearer()
            .sign(&root())
            .unwrap();
        let tokens = [
            token("jobs", expired),
            token("others", now),
            another.to_string(),
            bearer.to_string(),
        ];
        for token in &tokens {
            let options = options().attest(token, Some(agent()));
            assert_eq!(code(refused(options).await), CloseCode::Attestation);
        }
        let other_name = ClientOptions::new()
            .application("others")
            .attest(token("jobs", now), Some(agent()));
        assert_eq!(code(refused(other_name).await), CloseCode::Application);
        // What the client sees for itself it does not ask.
        let wrong_key = options().attest(token("jobs", now), Some(root()));
        let no_key = options().attest(token("jobs", now), None);
        for options in [wrong_key, no_key] {
            let refused = refused(options).await;
            let is_seen = matches!(refused, Err(SessionError::Attestation(_)));
            assert!(is_seen, "{refused:?}");
        }

        // With the one who presented nothing.
        let all = tokens.len() + 1;
        let denials = || denials(folder.path());
        sessions::until("each denial is in the log", || denials().len() == all).await;
        assert!(denials()[0].contains("presented no attestation"));
    });
}

/// Why sessions were denied, as the log in a folder has it.
fn denials(log: &Path) -> Vec<String> {
    denials_of(log, "session open")
}

fn denials_of(log: &Path, what: &str) -> Vec<String> {
    let entries = AuditReader::new(log).entries();
    let entries = entries.into_iter().flatten().filter_map(|read| read.ok());
    let opened = entries.filter(|(_, entry)| entry.verb == what);
    let denied = opened.filter_map(|(_, entry)| match entry.decision {
        Decision::Denied(reason) => Some(reason.detail().to_owned()),
        _ => None,
    });
    denied.collect()
}

/// However many strangers are denied, the log has few entries of it, which say how many there were.
#[test]
fn strangers_do_not_fill_the_audit_log() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let origin = AuditOptions::new("example.com/audit/strangers");
        let log = AuditLog::open(folder.path(), PrivateKey::from_seed(&[3; 32]), origin);
        deny(guarded().audit(Arc::new(log.unwrap())), 90).await;
        let denials = denials(folder.path());
        let left_out = denials.iter().filter_map(|detail| {
            let (before, _) = detail.split_once(" denials before this one were left out")?;
            before.rsplit('(').next()?.parse::<usize>().ok()
        });
        let left_out: usize = left_out.sum();
        assert!(left_out > 0, "{denials:?}");
        // The last of them only says so.
        assert_eq!(denials.len() - 1 + left_out, 90, "{denials:?}");
    });
}

/// The log that the environment names is for the sessions that a server denies as well.
#[test]
fn denials_are_in_the_log_of_the_environment() {
    if std::env::var_os("CNV_AUDIT").is_some() {
        // The process that is started below.
        return run(deny(guarded(), 1));
    }
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let key = folder.path().join("key");
    key_file::create(&key, &PrivateKey::from_seed(&[3; 32])).unwrap();
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "denials_are_in_the_log_of_the_environment"])
        .env("CNV_AUDIT", &logs)
        .env("CNV_AUDIT_KEY", &key)
        .status();
    assert!(status.unwrap().success());
    assert_eq!(denials(&logs.join("jobs")).len(), 1);
}

/// Takes a connection to the server, and keeps what the client said.
async fn overhear(address: &Address) -> Vec<u8> {
    let Address::Tcp(server) = *address else {
        unreachable!();
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let between = Address::Tcp(listener.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(server).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        let (mut heard, mut bytes) = (Vec::new(), [0; 4096]);
        while let Ok(len @ 1..) = from_client.read(&mut bytes).await {
            heard.extend(&bytes[..len]);
            let _ = to_server.write_all(&bytes[..len]).await;
        }
        heard
    });
    let good = options()
        .single_connection()
        .attest(token("jobs", Timestamp::now()), Some(agent()));
    drop(Client::connect(&between, good).await.unwrap());
    heard.await.unwrap()
}

/// The proof of one session is worth nothing in another.
#[test]
fn a_proof_that_was_overheard_begins_nothing() {
    run(async {
        let address = serve(guarded()).await;
        let heard = overhear(&address).await;
        let Address::Tcp(server) = address else {
            unreachable!();
        };
        let mut again = TcpStream::connect(server).await.unwrap();
        again.write_all(&heard).await.unwrap();
        let mut said = Vec::new();
        let _ = again.read_to_end(&mut said).await;
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains(r#""code":"attestation""#), "{said}");
        assert!(!said.contains(r#""calls""#), "{said}");
    });
}

#[test]
fn a_session_goes_on_for_whom_it_began_for() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let origin = AuditOptions::new("example.com/audit/resumed");
        let log = AuditLog::open(folder.path(), PrivateKey::from_seed(&[3; 32]), origin);
        let app = guarded().accept_bearer().audit(Arc::new(log.unwrap()));
        let served = Served::of(app, SessionLimits::default()).await;
        let first = Raw::begin(served.path(), &raw::hello()).await;
        let resume = |secret: &str| {
            let mut hello = raw::hello();
            hello["resume"] = json!({
                "session": first.ready["session"], "secret": secret, "received": 0,
            });
            hello
        };
        let secret = first.ready["secret"].as_str().unwrap().to_owned();
        let mut others = secret.clone().into_bytes();
        others[0] ^= 1;
        let others = String::from_utf8(others).unwrap();
        for wrong in [&*others, "", &secret[1..]] {
            let mut raw = Raw::connect(served.path()).await;
            let hello = resume(wrong).to_string();
            raw.send(raw::HELLO, 0, hello.as_bytes()).await;
            assert_eq!(raw.closed().await, "resume");
        }
        // Who it is counts as well as the secret.
        let bearer = CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
            .issued_at(Timestamp::now())
            .ttl(600)
            .bearer()
            .sign(&root())
            .unwrap();
        let mut attested = resume(&secret);
        attested["attests"] = true.into();
        let mut raw = Raw::connect(served.path()).await;
        raw.send(raw::HELLO, 0, attested.to_string().as_bytes())
            .await;
        let auth = json!({ "token": bearer.to_string() }).to_string();
        raw.send(1, 0, auth.as_bytes()).await;
        assert_eq!(raw.closed().await, "resume");
        // Nor has it done anything to the session.
        let again = Raw::begin(served.path(), &resume(&secret)).await;
        assert_eq!(again.ready["session"], first.ready["session"]);
        // A session that is over is nobody's, as after any restart of the server.
        let mut unknown = resume(&secret);
        unknown["resume"]["session"] = "00".repeat(16).into();
        let mut raw = Raw::connect(served.path()).await;
        raw.send(raw::HELLO, 0, unknown.to_string().as_bytes())
            .await;
        assert_eq!(raw.closed().await, "resume");
        let denials = || denials_of(folder.path(), "session resume");
        sessions::until("each denial is in the log", || denials().len() >= 4).await;
        assert_eq!(denials().len(), 4);
        let told = denials().into_iter();
        let told = told.filter(|why| why.contains("secret, user or token is another"));
        assert_eq!(told.count(), 4);
    });
}

/// A bearer's token is whose it is that has read it.
#[test]
fn a_bearers_token_stays_on_this_machine() {
    run(async {
        let bearer = CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
            .bearer()
            .sign(&root())
            .unwrap()
            .to_string();
        // A network for documentation, where nobody is.
        let elsewhere: Address = "tcp:192.0.2.1:7".parse().unwrap();
        for token in [&bearer, "no token"] {
            let options = options().attest(token, None);
            let refused = Client::connect(&elsewhere, options).await;
            let is_kept = matches!(refused, Err(SessionError::Plaintext { .. }));
            assert!(is_kept, "{refused:?}");
        }
        let address = serve(guarded().accept_bearer()).await;
        let options = options().attest(&bearer, None);
        assert!(Client::connect(&address, options).await.is_ok());
    });
}
