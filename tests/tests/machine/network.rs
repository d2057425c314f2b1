//! A network that goes away in the midst of calls, without a word to either end, and comes back.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use cnv::attestation::{CapabilityAttestation, PrivateKey, TrustStore};
use cnv::capability::CapabilityContract;
use cnv::command::SessionServer;
use cnv::session::{
    Address, Call, CallError, Channel, Client, ClientOptions, SessionError, SessionLimits,
};

use crate::namespaces::{folder, is_ready, run_within, succeeds};
use crate::sessions::{self, probe, until};

/// Ten times what may be in flight: most of it is still to come when the network goes.
const ITEMS: usize = 25_000;
const ITEM_BYTES: usize = 100;

/// Only an unanswered ping is soon to tell that the other end is gone.
fn limits() -> SessionLimits {
    SessionLimits {
        ping_interval: Duration::from_millis(500),
        ping_timeout: Duration::from_millis(500),
        write_timeout: Duration::from_secs(3600),
        // Nothing answers an attempt that is made while the network is away.
        handshake_timeout: Duration::from_secs(1),
        resume_window: Duration::from_secs(60),
        call_window_bytes: 128 << 10,
        window_bytes: 256 << 10,
        ..SessionLimits::default()
    }
}

fn set_network(state: &str) -> bool {
    succeeds(Command::new("ip").args(["link", "set", "lo", state]))
}

/// Ends of connections with the server that their programs still have open: two for each connection.
fn open_ends(port: u16) -> usize {
    const ESTABLISHED: &str = "01";

    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{port:04X}");
    let is_open = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words[3] == ESTABLISHED && (words[1].ends_with(&port) || words[2].ends_with(&port))
    };
    table.lines().skip(1).filter(is_open).count()
}

fn root() -> PrivateKey {
    PrivateKey::from_seed(&[1; 32])
}

fn agent() -> PrivateKey {
    PrivateKey::from_seed(&[2; 32])
}

async fn serve() -> Address {
    let mut trust = TrustStore::new();
    trust.add("root", root().public_key()).unwrap();
    let app = sessions::app().trust(trust).without_revocation();
    let server = SessionServer::new(app).unwrap().limits(limits());
    let server = server.listen(&"tcp:127.0.0.1:0".parse().unwrap()).await;
    let server = server.unwrap();
    let address = server.addresses().remove(0);
    tokio::spawn(server.run(std::future::pending()));
    address
}

async fn connect(address: &Address, limits: SessionLimits) -> Client {
    let token = CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
        .ttl(600)
        .audience("jobs")
        .held_by(&agent().public_key())
        .sign(&root())
        .unwrap();
    let options = ClientOptions::new()
        .application("jobs")
        .attest(token.to_string(), Some(agent()))
        .limits(limits);
    Client::connect(address, options).await.unwrap()
}

/// Takes the items of `job count` from one number to another.
async fn take(call: &mut Call, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let item = call.next().await.unwrap().unwrap();
        assert_eq!(item.channel(), Channel::Stdout);
        let text: String = item.json().unwrap();
        assert_eq!(text.parse::<usize>().unwrap(), number);
    }
}

/// What became of calls.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcomes {
    sent: usize,
    done: usize,
    rejected: usize,
    unknown: usize,
}

impl Outcomes {
    async fn count(&mut self, client: &Client, words: [&str; 3]) {
        let call = client.call(words).await;
        self.take(call).await;
    }

    async fn take(&mut self, call: Result<Call, SessionError>) {
        self.sent += 1;
        let Ok(call) = call else {
            self.rejected += 1;
            return;
        };
        match call.collect().await {
            Ok(_) => self.done += 1,
            Err(CallError::Failed(_)) => self.rejected += 1,
            Err(_) => self.unknown += 1,
        }
    }
}

#[test]
fn a_session_outlives_a_network_that_goes_away() {
    run_within('n', "network::network_that_goes_away");
}

#[test]
#[ignore = "another test starts it, as a process with a network of its own"]
fn network_that_goes_away() {
    if folder().is_none() || !set_network("up") {
        return;
    }
    is_ready();
    sessions::run(async {
        let address = serve().await;
        let Address::Tcp(socket) = address else {
            unreachable!();
        };
        let open = || open_ends(socket.port());
        let patient = connect(&address, limits()).await;
        // However long an attempt may take, it gives up in time.
        let impatient = SessionLimits {
            handshake_timeout: Duration::from_secs(3600),
            resume_window: Duration::from_millis(200),
            ..limits()
        };
        let impatient = connect(&address, impatient).await;

        let (items, size) = (ITEMS.to_string(), ITEM_BYTES.to_string());
        let words = ["job", "count", "streamed", &items, &size];
        let mut streamed = patient.call(words).await.unwrap();
        take(&mut streamed, 0..1000).await;
        let mut waiting = Vec::new();
        for name in ["one", "two", "three"] {
            waiting.push(impatient.call(["job", "wait", name]).await);
            until("it is being carried out", || probe(name).begun() == 1).await;
        }
        assert_eq!(open(), 4);

        assert!(set_network("down"));
        let since = Instant::now();
        // Made while nobody is there: one goes to the server once it is, and one is nothing that it has.
        let later = tokio::spawn({
            let patient = patient.clone();
            async move {
                let mut outcomes = Outcomes::default();
                outcomes.count(&patient, ["job", "echo", "later"]).await;
                outcomes.count(&patient, ["job", "nothing", "later"]).await;
                outcomes
            }
        });
        until("both ends of both have noticed", || open() == 0).await;
        let noticed = since.elapsed();
        assert!(probe("streamed").sent() < ITEMS);
        assert!(!later.is_finished());
        let mut outcomes = Outcomes::default();
        for call in waiting {
            outcomes.take(call).await;
        }
        // Its session is over, and nothing is sent any more.
        let words = ["job", "echo", "too late"];
        outcomes.count(&impatient, words).await;
        let expected = Outcomes {
            sent: 4,
            done: 0,
            rejected: 1,
            unknown: 3,
        };
        assert_eq!(outcomes, expected);

        assert!(set_network("up"));
        take(&mut streamed, 1000..ITEMS).await;
        let result = streamed.next().await.unwrap().unwrap();
        assert_eq!(result.channel(), Channel::Result);
        assert_eq!(result.json::<usize>().unwrap(), ITEMS);
        assert!(streamed.next().await.unwrap().is_none());
        let streams = probe("streamed");
        assert_eq!((streams.begun(), streams.sent()), (1, ITEMS));
        let expected = Outcomes {
            sent: 2,
            done: 1,
            rejected: 1,
            unknown: 0,
        };
        assert_eq!(later.await.unwrap(), expected);
        // What its caller knows nothing of goes on at the server, and ends there once.
        for name in ["one", "two", "three"] {
            let probe = probe(name);
            probe
                .may_end
                .store(true, std::sync::atomic::Ordering::SeqCst);
            until("it has ended", || probe.dropped() == 1).await;
            assert_eq!(probe.begun(), 1);
        }
        eprintln!("noticed after {noticed:?}, by pings that were to be answered within 1 s");
    });
}
