//! Calls with an idempotency key: made once, however often they are asked for.

mod sessions;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cnv::attestation::{
    AttestationChain, CapabilityAttestation, Clock, Denied, ManualClock, PrivateKey, Timestamp,
    TrustStore,
};
use cnv::audit::{AuditEntry, AuditLog, AuditOptions, AuditReader};
use cnv::capability::CapabilityContract;
use cnv::circuit_breaker;
use cnv::command::SessionServer;
use cnv::prelude::*;
use cnv::recovery::{CircuitBreaker, Mode, Policy, Settings};
use cnv::session::{
    Address, CallError, CallRequest, Channel, Client, ClientOptions, Collected, RemoteFailure,
    SessionLimits,
};

use sessions::{Served, app, probe, run, until};

fn request(words: &[&str], key: &str) -> CallRequest {
    CallRequest::new(words.iter().copied())
        .unwrap()
        .idempotency_key(key)
}

async fn ask(client: &Client, words: &[&str], key: &str) -> Result<Collected, CallError> {
    let call = client.start_call(request(words, key)).await?;
    call.collect().await
}

/// What a call failed with.
fn failure<T: std::fmt::Debug>(result: Result<T, CallError>) -> RemoteFailure {
    match result {
        Err(CallError::Failed(failure)) => failure,
        other => panic!("not the server's own failure: {other:?}"),
    }
}

async fn refused(client: &Client, words: &[&str], key: &str) -> RemoteFailure {
    failure(ask(client, words, key).await)
}

#[test]
fn a_call_that_ended_gives_the_same_reply_again() {
    run(async {
        let served = Served::of(app(), SessionLimits::default()).await;
        let client = served.client().await;
        let words = ["job", "count", "once", "3", "4"];
        for _ in 0..2 {
            // On another connection, as after one that was lost.
            let other = served.client().await;
            for client in [&client, &other] {
                let reply = ask(client, &words, "k1").await.unwrap();
                assert_eq!(reply.result.json::<usize>().unwrap(), 3);
                let items = reply.items.iter();
                let items = items.filter(|item| item.channel() == Channel::Stdout);
                let items: Vec<String> = items.map(|item| item.json().unwrap()).collect();
                assert_eq!(items, ["0000", "0001", "0002"]);
            }
        }
        assert_eq!(probe("once").begun(), 1);
        ask(&client, &words, "k2").await.unwrap();
        assert_eq!(probe("once").begun(), 2, "another key is another call");
    });
}

#[test]
fn a_call_that_runs_is_waited_for() {
    run(async {
        let served = Served::of(app(), SessionLimits::default()).await;
        let (one, other) = (served.client().await, served.client().await);
        let words = ["job", "wait", "waited"];
        let first = one.start_call(request(&words, "k")).await.unwrap();
        until("it runs", || probe("waited").begun() == 1).await;
        let late = request(&words, "k").timeout(Duration::from_millis(20));
        let late = other.start_call(late).await.unwrap().collect().await;
        assert_eq!(failure(late).code, "deadline");
        let second = other.start_call(request(&words, "k")).await.unwrap();
        probe("waited").may_end.store(true, Ordering::SeqCst);
        for call in [first, second] {
            let reply = call.collect().await.unwrap();
            assert_eq!(reply.result.json::<String>().unwrap(), "all");
        }
        assert_eq!(probe("waited").begun(), 1);
    });
}

#[test]
fn failures_are_replies_and_a_cut_off_call_is_one() {
    run(async {
        let served = Served::of(app(), SessionLimits::default()).await;
        let client = served.client().await;
        for _ in 0..2 {
            let failed = refused(&client, &["job", "panic"], "p").await;
            assert_eq!(failed.code, "panicked");
        }
        let call = client
            .start_call(request(&["job", "hang", "cut"], "c"))
            .await
            .unwrap();
        until("it runs", || probe("cut").begun() == 1).await;
        drop(call);
        until("it is dropped", || probe("cut").dropped() == 1).await;
        let cut_off = refused(&client, &["job", "hang", "cut"], "c").await;
        assert_eq!(cut_off.code, "cancelled");
        assert!(cut_off.message.contains("not known"), "{}", cut_off.message);
        assert_eq!(probe("cut").begun(), 1);
    });
}

#[test]
fn what_was_not_made_is_not_remembered() {
    run(async {
        let served = Served::of(app(), SessionLimits::default()).await;
        let client = served.client().await;
        for _ in 0..2 {
            let usage = refused(&client, &["job", "count", "few"], "u").await;
            assert_eq!(usage.code, "usage", "{}", usage.message);
        }
        let words = ["job", "echo", "a"];
        ask(&client, &words, "u").await.unwrap();
        let other = refused(&client, &["job", "echo", "b"], "u").await;
        assert!(
            other.message.contains("stands for another call"),
            "{}",
            other.message
        );
        for key in ["", "with space", "\u{e9}", &"k".repeat(129)] {
            let none = refused(&client, &words, key).await;
            assert_eq!(none.code, "usage", "{key:?}");
        }
    });
}

#[test]
fn a_reply_that_is_too_long_says_how_the_call_ended() {
    run(async {
        let served = Served::of(app(), SessionLimits::default()).await;
        let client = served.client().await;
        let words = ["job", "count", "long", "3", "30000"];
        ask(&client, &words, "l").await.unwrap();
        let again = refused(&client, &words, "l").await;
        assert!(again.message.contains("succeeded"), "{}", again.message);
        assert_eq!(probe("long").begun(), 1);
    });
}

/// Returns what it is given.
#[verb(noun = "job", effect = "pure")]
fn touch(text: String) -> Result<String, Failure> {
    Ok(text)
}

#[test]
fn no_client_has_more_keys_than_it_may() {
    run(async {
        let served = Served::of(
            App::new("jobs").verbs(verbs![touch]),
            SessionLimits::default(),
        )
        .await;
        let client = served.client().await;
        for number in 0..1024 {
            let key = number.to_string();
            ask(&client, &["job", "touch", "a"], &key).await.unwrap();
        }
        let refused = refused(&client, &["job", "touch", "a"], "one more").await;
        assert_eq!(refused.code, "usage", "a key has no spaces");
        let full = self::refused(&client, &["job", "touch", "a"], "one-more").await;
        assert_eq!(full.code, "unavailable");
        assert!(ask(&client, &["job", "touch", "a"], "7").await.is_ok());
    });
}

fn root() -> PrivateKey {
    PrivateKey::from_seed(&[1; 32])
}

fn agent(number: u8) -> PrivateKey {
    PrivateKey::from_seed(&[number; 32])
}

/// What a root lets an agent do, in that agent's own hands.
fn chain(number: u8, clock: &ManualClock) -> AttestationChain {
    CapabilityAttestation::builder(CapabilityContract::read_write(), format!("agent-{number}"))
        .issued_at(clock.now())
        .ttl(600)
        .audience("jobs")
        .held_by(&agent(number).public_key())
        .sign(&root())
        .unwrap()
        .try_into()
        .unwrap()
}

/// What an agent lets another do, which is less.
fn delegated(number: u8, to: u8, clock: &ManualClock) -> AttestationChain {
    chain(number, clock)
        .delegate(format!("agent-{to}"))
        .issued_at(clock.now())
        .ttl(300)
        .narrow_to(CapabilityContract::read_only())
        .held_by(&agent(to).public_key())
        .sign(&agent(number))
        .unwrap()
}

/// Whoever may only read is refused within.
#[verb(noun = "job", effect = "read")]
#[requires_attestation(read_only)]
async fn ask_within(cx: Context, name: String) -> Result<String, Failure> {
    probe(&name).begun.fetch_add(1, Ordering::SeqCst);
    Ok(secret(&cx)?)
}

/// Waits until it may end.
#[verb(noun = "job", effect = "read")]
#[requires_attestation(read_only)]
async fn wait_within(cx: Context, name: String) -> Result<&'static str, Failure> {
    let probe = probe(&name);
    probe.begun.fetch_add(1, Ordering::SeqCst);
    while !probe.may_end.load(Ordering::SeqCst) {
        cx.checkpoint()?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok("done")
}

#[requires_attestation(read_write)]
fn secret(cx: &Context) -> Result<String, Denied> {
    Ok(format!("the secret of call {}", cx.call_id()))
}

/// A server that asks who calls, and lives by this clock.
async fn guarded(clock: &Arc<ManualClock>) -> Address {
    let mut trust = TrustStore::new();
    trust.add("root", root().public_key()).unwrap();
    let app = App::new("jobs").verbs(verbs![ask_within, wait_within]);
    let app = app.trust(trust).without_revocation();
    let app = app.clock(Arc::clone(clock) as Arc<dyn Clock>);
    let server = SessionServer::new(app).unwrap();
    let server = server.listen(&"tcp:127.0.0.1:0".parse().unwrap()).await;
    let server = server.unwrap();
    let address = server.addresses().remove(0);
    tokio::spawn(server.run(std::future::pending()));
    address
}

async fn begin(address: &Address, chain: &AttestationChain, holder: u8) -> Client {
    let options = ClientOptions::new().application("jobs");
    let options = options.attest(chain.to_string(), Some(agent(holder)));
    Client::connect(address, options).await.unwrap()
}

#[test]
fn a_reply_is_for_the_chain_that_the_call_was_made_under() {
    run(async {
        let clock = Arc::new(ManualClock::at(Timestamp::now()));
        let address = guarded(&clock).await;
        let of_first = chain(2, &clock);
        let first = begin(&address, &of_first, 2).await;
        let other = begin(&address, &chain(3, &clock), 3).await;
        let delegate = begin(&address, &delegated(2, 4, &clock), 4).await;
        let words = ["job", "ask-within", "chains"];
        let own = ask(&first, &words, "k").await.unwrap();
        let own = own.result.json::<String>().unwrap();
        let others = ask(&other, &words, "k").await.unwrap();
        assert_ne!(others.result.json::<String>().unwrap(), own);
        // A delegate of the first one gets to the guard, which does not let it in.
        assert_eq!(refused(&delegate, &words, "k").await.code, "attestation");
        assert_eq!(probe("chains").begun(), 3);
        let again = begin(&address, &of_first, 2).await;
        let again = ask(&again, &words, "k").await.unwrap();
        assert_eq!(again.result.json::<String>().unwrap(), own);
        assert_eq!(probe("chains").begun(), 3);
    });
}

#[test]
fn whoever_may_not_call_any_more_gets_no_reply_again() {
    run(async {
        let clock = Arc::new(ManualClock::at(Timestamp::now()));
        let address = guarded(&clock).await;
        let client = begin(&address, &chain(2, &clock), 2).await;
        let words = ["job", "ask-within", "expired"];
        ask(&client, &words, "k").await.unwrap();
        clock.advance_seconds(7_200);
        assert_eq!(refused(&client, &words, "k").await.code, "attestation");
        // Nor does it hear what the key stands for.
        let other = ["job", "ask-within", "other"];
        assert_eq!(refused(&client, &other, "k").await.code, "attestation");
        assert_eq!(probe("expired").begun(), 1);
    });
}

#[test]
fn whoever_may_not_call_any_more_by_the_time_of_the_reply_does_not_hear_it() {
    run(async {
        let clock = Arc::new(ManualClock::at(Timestamp::now()));
        let address = guarded(&clock).await;
        let client = begin(&address, &chain(2, &clock), 2).await;
        let words = ["job", "wait-within", "revoked"];
        let first = client.start_call(request(&words, "k")).await.unwrap();
        until("it runs", || probe("revoked").begun() == 1).await;
        let second = client.start_call(request(&words, "k")).await.unwrap();
        // By then the one before it waits as well.
        let late = request(&words, "k").timeout(Duration::from_millis(20));
        let late = client.start_call(late).await.unwrap().collect().await;
        assert_eq!(failure(late).code, "deadline");
        clock.advance_seconds(7_200);
        probe("revoked").may_end.store(true, Ordering::SeqCst);
        assert!(
            first.collect().await.is_ok(),
            "it was allowed when it began"
        );
        assert_eq!(failure(second.collect().await).code, "attestation");
        assert_eq!(probe("revoked").begun(), 1);
    });
}

/// Sends bytes of its own.
#[verb(noun = "job", effect = "pure")]
async fn shout(cx: Context, name: String) -> Result<(), Failure> {
    probe(&name).begun.fetch_add(1, Ordering::SeqCst);
    cx.custom("bytes").await
}

static DOWN: Policy = Policy::new(
    "down",
    Settings::new().circuit_breaker(CircuitBreaker::new().consecutive(1)),
);

/// Does something, and then finds a dependency's breaker open.
#[verb(noun = "job", effect = "read")]
async fn lean(cx: &Context, name: String) -> Result<(), Failure> {
    probe(&name).begun.fetch_add(1, Ordering::SeqCst);
    on_what_is_down(cx).await
}

#[circuit_breaker(on = DOWN)]
async fn on_what_is_down(cx: &Context) -> Result<(), Failure> {
    Ok(cx.checkpoint()?)
}

#[test]
fn of_a_repeat_the_bytes_are_missed_and_the_time_to_come_back_is_told() {
    run(async {
        let app = App::new("jobs").verbs(verbs![shout, lean]);
        let served = Served::of(app, SessionLimits::default()).await;
        let client = served.client().await;
        let words = ["job", "shout", "shouted"];
        let reply = ask(&client, &words, "s").await.unwrap();
        assert_eq!(reply.items[0].text(), "bytes");
        let again = refused(&client, &words, "s").await;
        assert!(again.message.contains("succeeded"), "{}", again.message);
        assert_eq!(probe("shouted").begun(), 1);

        DOWN.try_enter(DOWN.now()).unwrap().fail(DOWN.now());
        let words = ["job", "lean", "leant"];
        let first = refused(&client, &words, "l").await;
        let again = refused(&client, &words, "l").await;
        assert_eq!(
            (&*again.code, &again.message),
            ("unavailable", &first.message)
        );
        assert!(first.retry_after_ms.is_some());
        assert_eq!(again.retry_after_ms, first.retry_after_ms);
        assert_eq!(probe("leant").begun(), 1);
    });
}

static SHARED: Policy = Policy::new(
    "shared",
    Settings::new().circuit_breaker(CircuitBreaker::new()),
);

/// Asks a dependency.
#[verb(noun = "job", effect = "read")]
#[circuit_breaker(on = SHARED)]
async fn depend(cx: &Context, name: String) -> Result<String, Failure> {
    cx.checkpoint()?;
    probe(&name).begun.fetch_add(1, Ordering::SeqCst);
    Ok(name)
}

static WITHIN: Policy = Policy::new(
    "within",
    Settings::new().circuit_breaker(CircuitBreaker::new()),
);

/// Does something, and then asks a dependency under the policy that it runs under as well.
#[verb(noun = "job", effect = "read")]
#[circuit_breaker(on = WITHIN)]
async fn depend_within(cx: &Context, name: String) -> Result<String, Failure> {
    cx.checkpoint()?;
    probe(&name).begun.fetch_add(1, Ordering::SeqCst);
    WITHIN.set_mode(Mode::ForcedOpen);
    inner().await?;
    Ok(name)
}

#[circuit_breaker(on = WITHIN)]
async fn inner() -> Result<(), Failure> {
    Ok(())
}

#[test]
fn what_an_open_breaker_refused_is_asked_again_with_the_same_key() {
    run(async {
        let app = App::new("jobs").verbs(verbs![depend, depend_within]);
        let served = Served::of(app, SessionLimits::default()).await;
        let client = served.client().await;
        let words = ["job", "depend", "opened"];
        SHARED.set_mode(Mode::ForcedOpen);
        assert_eq!(refused(&client, &words, "k").await.code, "unavailable");
        SHARED.set_mode(Mode::Normal);
        assert!(ask(&client, &words, "k").await.is_ok());
        assert_eq!(probe("opened").begun(), 1);
        // Further in, something has happened before the refusal.
        let words = ["job", "depend-within", "opens"];
        for _ in 0..2 {
            assert_eq!(refused(&client, &words, "w").await.code, "unavailable");
            WITHIN.set_mode(Mode::Normal);
        }
        assert_eq!(probe("opens").begun(), 1);
    });
}

#[test]
fn receipts_and_the_audit_log_tell_a_repeat() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let options = AuditOptions::new("example.com/audit/repeats");
        let log = Arc::new(AuditLog::open(&path, agent(9), options).unwrap());
        let served = Served::of(app().audit(log), SessionLimits::default()).await;
        let client = served.client().await;
        let mut receipts = Vec::new();
        for _ in 0..2 {
            let asked = request(&["job", "echo", "a"], "k");
            let mut call = client.start_call(asked).await.unwrap();
            while call.next().await.unwrap().is_some() {}
            let receipt = call.receipt().unwrap();
            receipts.push(serde_json::from_str::<serde_json::Value>(receipt).unwrap());
        }
        let [first, again] = &receipts[..] else {
            unreachable!();
        };
        assert_eq!(
            (&first["ran"], &again["ran"]),
            (&true.into(), &false.into())
        );
        assert_eq!(
            (&first["repeats"], &again["repeats"]),
            (&().into(), &first["call_id"])
        );
        let ended = || {
            let entries = AuditReader::new(&path).entries();
            let entries = entries.into_iter().flatten();
            let entries = entries.filter_map(|entry| Some(entry.ok()?.1));
            let ended = entries.filter(|entry| entry.outcome.is_some());
            ended.collect::<Vec<AuditEntry>>()
        };
        until("both ends are recorded", || ended().len() == 2).await;
        let ended = ended();
        assert_eq!(ended[0].repeats, None);
        assert_eq!(ended[1].repeats, Some(ended[0].call_id));
    });
}

/// Keeps its thread until it may end.
#[verb(noun = "job", effect = "pure")]
fn block(name: String) -> Result<&'static str, Failure> {
    let probe = probe(&name);
    probe.begun.fetch_add(1, Ordering::SeqCst);
    while !probe.may_end.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok("done")
}

#[test]
fn repeats_take_no_place_and_who_waits_for_one_has_a_deadline() {
    run(async {
        let limits = SessionLimits {
            max_calls: 200,
            ..SessionLimits::default()
        };
        let served = Served::of(App::new("jobs").verbs(verbs![block]), limits.clone()).await;
        let client = served.connect(limits).await.unwrap();
        probe("ended").may_end.store(true, Ordering::SeqCst);
        let ended = ["job", "block", "ended"];
        ask(&client, &ended, "ended").await.unwrap();
        let mut calls = Vec::new();
        let mut block = async |name, key: &str| {
            let words = ["job", "block", name];
            calls.push(client.start_call(request(&words, key)).await.unwrap());
        };
        block("first", "first").await;
        until("it runs", || probe("first").begun() == 1).await;
        for _ in 0..80 {
            block("first", "first").await;
        }
        for number in 0..63 {
            block("others", &number.to_string()).await;
        }
        until("all places are taken", || probe("others").begun() == 63).await;
        // A reply that is there already waits for no place.
        let again = request(&ended, "ended").timeout(Duration::from_secs(10));
        let again = client.start_call(again).await.unwrap().collect().await;
        assert!(again.is_ok(), "{again:?}");
        let late = || request(&["job", "block", "late"], "late").timeout(Duration::from_millis(20));
        let waited = client.start_call(late()).await.unwrap().collect().await;
        assert_eq!(failure(waited).code, "deadline");
        probe("first").may_end.store(true, Ordering::SeqCst);
        probe("others").may_end.store(true, Ordering::SeqCst);
        probe("late").may_end.store(true, Ordering::SeqCst);
        for call in calls {
            assert!(call.collect().await.is_ok());
        }
        assert_eq!(probe("first").begun(), 1);
        let words = ["job", "block", "late"];
        assert!(ask(&client, &words, "late").await.is_ok());
        assert_eq!(probe("late").begun(), 1);
    });
}
