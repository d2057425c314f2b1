//! Both ends of a session, connected by bytes in memory, against a model that only knows what was asked for: whatever
//! breaks and in whatever order bytes move, each caller takes what its handler sent, in order and once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::client_core::{ClientCore, Next, Opened};
use super::close::CloseCode;
use super::limits::SessionLimits;
use super::link::ACK_DELAY;
use super::server_core::{Event, Offer, ServerCore};
use super::wire::{self, Channel, Kind, LINE_BYTES};

/// What the server keeps of a call beside what its handler sent last.
const PENDING_BYTES: usize = 128 << 10;

/// Frames that are put together at a time, and a frame beyond the last that fits.
const KEPT_BEYOND_BYTES: u64 = (64 << 10) + (16 << 10) + 64;

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

#[derive(Debug, Clone)]
enum Step {
    Open,
    Cancel(usize),
    Reset(usize),
    Take(usize, usize),
    Offer(usize, Channel, usize),
    OfferMany(usize, usize),
    End(usize),
    Drain,
    Write(Side, usize),
    Arrive(Side, usize),
    MoveAll,
    Break,
    Ping,
    Pass(u64),
}

/// Who sends the bytes that are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

fn step() -> impl Strategy<Value = Step> {
    let call = 0..6_usize;
    let side = prop_oneof![Just(Side::Client), Just(Side::Server)];
    let channel = prop::sample::select(Channel::ALL.to_vec());
    let item = prop_oneof![
        4 => 0..80_usize,
        2 => 80..5000_usize,
        1 => 5000..50_000_usize,
    ];
    let bytes = prop_oneof![0..100_usize, 100..20_000_usize, Just(usize::MAX)];
    prop_oneof![
        6 => Just(Step::Open),
        1 => call.clone().prop_map(Step::Cancel),
        1 => call.clone().prop_map(Step::Reset),
        8 => (call.clone(), 1..20_usize).prop_map(|(call, items)| Step::Take(call, items)),
        12 => (call.clone(), channel, item).prop_map(|(call, channel, len)| Step::Offer(call, channel, len)),
        2 => (call.clone(), 1..200_usize).prop_map(|(call, items)| Step::OfferMany(call, items)),
        3 => call.prop_map(Step::End),
        1 => prop::bool::weighted(0.1).prop_map(|is_drain| if is_drain { Step::Drain } else { Step::MoveAll }),
        8 => (side.clone(), bytes.clone()).prop_map(|(side, len)| Step::Write(side, len)),
        8 => (side, bytes).prop_map(|(side, len)| Step::Arrive(side, len)),
        4 => Just(Step::MoveAll),
        2 => Just(Step::Break),
        2 => Just(Step::Ping),
        2 => (1..200_u64).prop_map(Step::Pass),
    ]
}

/// What is known of a call without looking at either end.
#[derive(Debug, Default)]
struct Expected {
    request: Bytes,
    /// What its handler sent, and the caller has not taken.
    sent: VecDeque<(Channel, Bytes)>,
    items: u32,
    largest: usize,
    end: Option<Bytes>,
    is_running: bool,
    has_begun: bool,
    is_reset: bool,
    is_cancelled: bool,
    was_asked_to_stop: bool,
    is_taken: bool,
}

impl Expected {
    /// An item that no other is the same as.
    fn item(&mut self, call: u32, len: usize) -> Bytes {
        self.items += 1;
        self.largest = self.largest.max(len);
        let seed = (call << 16 | self.items).to_le_bytes();
        let mut item = seed.repeat(len / 4 + 1);
        item.truncate(len);
        item.into()
    }
}

/// Bytes on their way: what the sender has prepared, what the connection holds, and what has arrived of a frame.
#[derive(Debug, Default)]
struct Way {
    outgoing: VecDeque<Bytes>,
    wire: BytesMut,
    arrived: BytesMut,
}

impl Way {
    fn write(&mut self, mut len: usize) {
        while let Some(chunk) = self.outgoing.front_mut().filter(|_| len > 0) {
            let part = chunk.split_to(len.min(chunk.len()));
            len -= part.len();
            self.wire.extend_from_slice(&part);
            if chunk.is_empty() {
                self.outgoing.pop_front();
            }
        }
    }
}

struct World {
    client: ClientCore,
    server: ServerCore,
    limits: SessionLimits,
    is_resumable: bool,
    to_server: Way,
    to_client: Way,
    calls: BTreeMap<u32, Expected>,
    pings: u64,
    pongs: u64,
    is_draining: bool,
    waker: Waker,
    now: Instant,
}

impl World {
    fn new(client: SessionLimits, server: SessionLimits, is_resumable: bool) -> Self {
        let (client, server) = (client.in_range(), server.in_range());
        let limits = server
            .agreed(
                client.window_bytes,
                client.call_window_bytes,
                client.max_frame_bytes,
                client.max_item_bytes,
            )
            .unwrap();
        let agreed = client
            .agreed(
                server.window_bytes,
                server.call_window_bytes,
                server.max_frame_bytes,
                server.max_item_bytes,
            )
            .unwrap();
        let now = Instant::now();
        let server = ServerCore::new(&limits, is_resumable, now);
        Self {
            client: ClientCore::new(&agreed, is_resumable, server.allowed(), now),
            server,
            limits,
            is_resumable,
            to_server: Way::default(),
            to_client: Way::default(),
            calls: BTreeMap::new(),
            pings: 0,
            pongs: 0,
            is_draining: false,
            waker: Waker::from(Arc::new(Nobody)),
            now,
        }
    }

    /// The call that is meant: one of those whose end nobody has taken, from the newest on.
    fn meant(&self, index: usize) -> Option<u32> {
        let live = self.calls.iter().rev();
        let mut live = live.filter(|(_, call)| !call.is_taken && !call.is_reset);
        live.nth(index).map(|(&call, _)| call)
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Open => self.open(),
            Step::Cancel(index) => {
                if let Some(call) = self.meant(index) {
                    self.client.cancel(call);
                    self.calls.get_mut(&call).unwrap().is_cancelled = true;
                }
            }
            Step::Reset(index) => {
                if let Some(call) = self.meant(index) {
                    self.client.reset(call);
                    let expected = self.calls.get_mut(&call).unwrap();
                    expected.is_reset = true;
                    expected.sent.clear();
                }
            }
            Step::Take(index, items) => {
                if let Some(call) = self.meant(index) {
                    self.take(call, items);
                }
            }
            Step::Offer(index, channel, len) => {
                if let Some(call) = self.meant(index) {
                    self.offer(call, channel, len);
                }
            }
            Step::OfferMany(index, items) => {
                if let Some(call) = self.meant(index) {
                    (0..items).for_each(|_| self.offer(call, Channel::Stdout, 3));
                }
            }
            Step::End(index) => {
                if let Some(call) = self.meant(index) {
                    self.end(call);
                }
            }
            Step::Drain => {
                self.is_draining = true;
                self.server.drain();
            }
            Step::Write(side, len) => self.write(side, len),
            Step::Arrive(side, len) => self.arrive(side, len),
            Step::MoveAll => {
                self.move_all();
                self.check_that_control_passes();
            }
            Step::Break => self.break_off(),
            Step::Ping => {
                self.pings += 1;
                self.client.link.tell(Kind::Ping, 0, self.pings);
            }
            Step::Pass(milliseconds) => self.pass(milliseconds),
        }
        self.check_memory();
    }

    fn open(&mut self) {
        let request = Bytes::from(format!("request {}", self.calls.len() + 1));
        let made = || request.clone();
        if let Opened::Call(call) = self.client.open(made, None, &mut None, &self.waker) {
            let expected = Expected {
                request,
                ..Expected::default()
            };
            let known = self.calls.insert(call, expected);
            assert!(known.is_none(), "call {call} is made twice");
        }
    }

    /// What the handler of a call does, if it runs.
    fn offer(&mut self, call: u32, channel: Channel, len: usize) {
        let expected = self.calls.get_mut(&call).unwrap();
        if !expected.is_running {
            return;
        }
        let mut made = None;
        let mut make = || made.insert(expected.item(call, len)).clone();
        let offer = self
            .server
            .offer(call, channel, &mut make, Some(&self.waker));
        match offer {
            Offer::Taken => expected.sent.push_back((channel, made.unwrap())),
            Offer::Full => assert!(made.is_none()),
            Offer::Gone => assert!(expected.is_reset, "call {call} is not taken back"),
            Offer::TooLarge { .. } => assert!(len > self.limits.max_item_bytes),
        }
        if expected.is_reset {
            expected.sent.clear();
        }
    }

    fn end(&mut self, call: u32) {
        let expected = self.calls.get_mut(&call).unwrap();
        if std::mem::take(&mut expected.is_running) {
            let end = Bytes::from(format!("end of {call}"));
            expected.end = Some(end.clone());
            self.server.end(call, end);
        }
    }

    fn take(&mut self, call: u32, items: usize) {
        let expected = self.calls.get_mut(&call).unwrap();
        for _ in 0..items {
            match self.client.next(call, &self.waker) {
                Next::Item(item) => {
                    let sent = expected.sent.pop_front();
                    assert_eq!(Some((item.channel, item.payload)), sent, "call {call}");
                }
                Next::End(end) => {
                    assert!(expected.sent.is_empty(), "call {call} ends too early");
                    assert_eq!(Some(end), expected.end);
                    expected.is_taken = true;
                    return;
                }
                Next::Nothing => return,
                Next::Gone => panic!("call {call} is gone, and was neither taken nor reset"),
            }
        }
    }

    /// As the driver does it: more is prepared once all is written.
    fn write(&mut self, side: Side, len: usize) {
        match side {
            Side::Client => {
                if self.to_server.outgoing.is_empty() {
                    self.client.link.flush(&mut self.to_server.outgoing);
                }
                self.to_server.write(len);
            }
            Side::Server => {
                if self.to_client.outgoing.is_empty() {
                    self.server.fill();
                    self.server.link.flush(&mut self.to_client.outgoing);
                }
                self.to_client.write(len);
            }
        }
    }

    fn arrive(&mut self, side: Side, len: usize) {
        let way = match side {
            Side::Client => &mut self.to_server,
            Side::Server => &mut self.to_client,
        };
        let len = len.min(way.wire.len());
        let bytes = way.wire.split_to(len);
        way.arrived.extend_from_slice(&bytes);
        let max = self.limits.max_frame_bytes;
        match side {
            Side::Client => {
                while let Some(frame) = wire::take(&mut self.to_server.arrived, max).unwrap() {
                    let ended = self.server.receive(frame, self.now).unwrap();
                    assert_eq!(ended, None);
                    self.act();
                }
            }
            Side::Server => {
                while let Some(frame) = wire::take(&mut self.to_client.arrived, max).unwrap() {
                    if frame.head.kind == Kind::Pong {
                        self.pongs = frame.head.number;
                    }
                    assert_eq!(self.client.receive(frame, self.now).unwrap(), None);
                }
            }
        }
    }

    fn act(&mut self) {
        assert!(self.server.begin_acting());
        while let Some(event) = self.server.next_event() {
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Open { call, request } => {
                let expected = self.calls.get_mut(&call).unwrap();
                assert_eq!(request, expected.request);
                assert!(!expected.has_begun, "call {call} begins twice");
                expected.has_begun = true;
                expected.is_running = true;
            }
            Event::Cancel { call } => {
                let expected = self.calls.get_mut(&call).unwrap();
                assert!(expected.is_cancelled && !expected.was_asked_to_stop);
                expected.was_asked_to_stop = true;
            }
            Event::Reset { call } => {
                assert!(self.calls[&call].is_reset);
                // Its handler is dropped, and says so.
                if std::mem::take(&mut self.calls.get_mut(&call).unwrap().is_running) {
                    self.server.end(call, Bytes::from_static(b"cancelled"));
                }
            }
        }
    }

    /// Moves bytes until there is none to move. Nobody takes anything.
    fn move_all(&mut self) {
        loop {
            let mut has_moved = false;
            for side in [Side::Client, Side::Server] {
                self.write(side, usize::MAX);
                let way = match side {
                    Side::Client => &self.to_server,
                    Side::Server => &self.to_client,
                };
                has_moved |= !way.wire.is_empty();
                self.arrive(side, usize::MAX);
            }
            if !has_moved {
                return;
            }
        }
    }

    /// All bytes have moved, and no caller has taken any of them: what is no data got through.
    fn check_that_control_passes(&self) {
        assert_eq!(self.pongs, self.pings, "a ping without its answer");
        for (call, expected) in &self.calls {
            assert!(expected.has_begun, "call {call} did not arrive");
            let is_over = expected.end.is_some() || expected.is_reset;
            assert!(
                !expected.is_cancelled || expected.was_asked_to_stop || is_over,
                "call {call} was not asked to stop"
            );
            assert!(!(expected.is_reset && expected.is_running));
        }
        assert!(!self.is_draining || self.client.is_draining());
    }

    /// The connection is gone with all that it held; both ends go on over another one, as in the handshake.
    fn break_off(&mut self) {
        if !self.is_resumable {
            return;
        }
        self.to_server = Way::default();
        self.to_client = Way::default();
        self.pongs = self.pings;
        let received = self.client.link.received();
        self.server.reattach(received).unwrap();
        let received = self.server.link.received();
        self.client
            .reattach(received, self.server.allowed(), |_, _| None)
            .unwrap();
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        if Duration::from_millis(milliseconds) >= ACK_DELAY {
            self.client.link.acknowledge();
            self.server.link.acknowledge();
        }
    }

    fn check_memory(&self) {
        let live = self.calls.values().filter(|call| !call.is_taken);
        let largest = live.clone().map(|call| call.largest as u64);
        let largest: u64 = largest.map(|len| len + LINE_BYTES as u64).sum();
        let untaken = self.client.untaken_bytes();
        assert!(
            untaken <= self.limits.window_bytes + largest,
            "{untaken} bytes wait for their callers"
        );
        let pending = self.server.pending_bytes();
        let max = self.limits.max_calls as usize * PENDING_BYTES;
        assert!(
            pending as u64 <= max as u64 + largest,
            "{pending} bytes wait for credit"
        );
        let kept = self.server.link.kept_bytes();
        let max = 2 * self.limits.window_bytes + KEPT_BEYOND_BYTES;
        assert!(kept <= max, "the server keeps {kept} bytes");
        let kept = self.client.link.kept_bytes();
        let max = self.calls.len() as u64 * 200;
        assert!(kept <= max, "the client keeps {kept} bytes");
    }

    /// Everybody takes all that there is and every handler ends: then all is delivered, and nothing is left over.
    fn settle(&mut self) {
        let running: Vec<u32> = self.calls.keys().copied().collect();
        self.move_all();
        for &call in &running {
            self.end(call);
        }
        let mut rounds = 0;
        while self
            .calls
            .values()
            .any(|call| !call.is_taken && !call.is_reset)
        {
            self.move_all();
            for &call in &running {
                let expected = &self.calls[&call];
                if !expected.is_taken && !expected.is_reset {
                    self.take(call, usize::MAX);
                }
            }
            self.pass(60);
            self.check_memory();
            rounds += 1;
            assert!(rounds < 1000, "nothing moves any more");
        }
        // Resets arrive, and what follows from them.
        for _ in 0..3 {
            self.pass(60);
            self.move_all();
        }
        assert!(self.server.is_done());
        assert!(!self.client.has_calls());
        assert_eq!(self.client.untaken_bytes(), 0);
        assert_eq!(self.server.pending_bytes(), 0);
        assert_eq!(self.server.link.kept_bytes(), 0);
        assert_eq!(self.client.link.kept_bytes(), 0);
        let all = self.calls.len() as u64 + u64::from(self.limits.max_calls);
        assert_eq!(self.server.allowed(), all);
        let opened = self.client.open(Bytes::new, None, &mut None, &self.waker);
        assert!(matches!(opened, Opened::Call(_)), "{opened:?}");
    }
}

fn limits() -> impl Strategy<Value = SessionLimits> {
    let window = prop_oneof![Just(32_u64 << 10), Just(100 << 10), Just(1 << 20)];
    let call_window = prop_oneof![Just(16_u64 << 10), Just(100 << 10)];
    let frame = prop_oneof![Just(16_usize << 10), Just(1 << 20)];
    let item = prop_oneof![Just(20_000_usize), Just(16 << 20)];
    (window, call_window, frame, item, 1..6_u32).prop_map(
        |(window_bytes, call_window_bytes, max_frame_bytes, max_item_bytes, max_calls)| {
            SessionLimits {
                max_item_bytes,
                window_bytes,
                call_window_bytes,
                max_frame_bytes,
                max_calls,
                ..SessionLimits::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_caller_takes_what_its_handler_sent(
        client in limits(),
        server in limits(),
        is_resumable in prop::bool::weighted(0.8),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new(client, server, is_resumable);
        for step in &steps {
            world.step(step);
        }
        world.settle();
    }
}

fn small() -> SessionLimits {
    SessionLimits {
        window_bytes: 32 << 10,
        call_window_bytes: 16 << 10,
        max_frame_bytes: 16 << 10,
        ..SessionLimits::default()
    }
}

/// A server with less room than half of the client's would wait for credit that the client does not think is due.
#[test]
fn ends_with_different_windows_agree_on_the_smaller_ones() {
    for (client, server) in [
        (SessionLimits::default(), small()),
        (small(), SessionLimits::default()),
    ] {
        let mut world = World::new(client, server, true);
        world.step(&Step::Open);
        world.move_all();
        for _ in 0..20 {
            world.offer(1, Channel::Stdout, 30_000);
            world.move_all();
            world.take(1, usize::MAX);
        }
        assert_eq!(world.calls[&1].items, 20);
        world.settle();
    }
}

/// Credit and acknowledgements go with every window of a long stream, and nothing of them is for later.
#[test]
fn a_client_that_takes_a_long_stream_keeps_nothing() {
    let mut world = World::new(small(), small(), true);
    world.step(&Step::Open);
    for _ in 0..2000 {
        world.move_all();
        world.offer(1, Channel::Stdout, 4000);
        world.move_all();
        world.take(1, usize::MAX);
        world.pass(60);
        world.check_memory();
    }
    assert_eq!(world.calls[&1].items, 2000);
}

/// More small frames are in a chunk than control frames are free, and the client has all of them but the last.
#[test]
fn only_what_is_lacking_is_sent_again() {
    let mut world = World::new(SessionLimits::default(), SessionLimits::default(), true);
    world.step(&Step::Open);
    world.move_all();
    for _ in 0..1800 {
        world.offer(1, Channel::Stdout, 1);
    }
    world.write(Side::Server, usize::MAX);
    let all = world.to_client.wire.len();
    world.arrive(Side::Server, all - 10);
    world.break_off();
    world.write(Side::Server, usize::MAX);
    let again = world.to_client.wire.len();
    assert!(again < 300, "{again} bytes are sent again");
    world.settle();
}

/// The items of a caller that takes nothing come in several frames each. They wait in its window all the same.
#[test]
fn items_in_several_frames_wait_for_their_caller() {
    let mut world = World::new(small(), small(), true);
    world.step(&Step::Open);
    world.move_all();
    for _ in 0..50 {
        world.offer(1, Channel::Stdout, 20_000);
        world.move_all();
        world.check_memory();
    }
    let untaken = world.client.untaken_bytes();
    assert!(untaken <= 20_000 + (16 << 10), "{untaken} bytes wait");
    world.settle();
}

/// Another call of the session goes on beside one that nobody takes from.
#[test]
fn a_call_goes_on_beside_one_with_large_items() {
    for is_resumable in [false, true] {
        let mut world = World::new(small(), SessionLimits::default(), is_resumable);
        world.step(&Step::Open);
        world.move_all();
        for _ in 0..10 {
            world.offer(1, Channel::Stdout, 60_000);
            world.step(&Step::MoveAll);
        }
        for call in 2..60 {
            world.step(&Step::Open);
            world.move_all();
            world.offer(call, Channel::Result, 30);
            world.end(call);
            world.move_all();
            world.take(call, 2);
            assert!(world.calls[&call].is_taken, "call {call} waits");
        }
        world.settle();
    }
}

/// A client that never has credit for what its calls send does not get the room for others.
#[test]
fn a_call_is_one_until_its_end_is_sent() {
    let limits = SessionLimits {
        max_calls: 2,
        ..small()
    };
    let mut world = World::new(limits.clone(), limits, true);
    for call in 1..=2 {
        world.step(&Step::Open);
        world.move_all();
        (0..4).for_each(|_| world.offer(call, Channel::Stdout, 15_000));
        world.end(call);
        world.move_all();
    }
    assert_eq!(world.server.allowed(), 2);
    world.settle();
}

/// As many calls as there may be, and each of them tells its credit anew.
#[test]
fn a_connection_begins_with_the_credit_of_every_call() {
    let limits = SessionLimits {
        max_calls: 3000,
        ..small()
    };
    let mut world = World::new(limits.clone(), limits, true);
    (0..3000).for_each(|_| world.open());
    world.move_all();
    for _ in 0..20 {
        world.break_off();
        world.move_all();
    }
    world.settle();
}

/// A handler that sends from several tasks has several that wait for room.
#[test]
fn all_that_wait_for_room_are_woken() {
    struct Count(std::sync::atomic::AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let woken = |count: &Arc<Count>| count.0.load(std::sync::atomic::Ordering::Relaxed);
    let mut world = World::new(small(), small(), true);
    world.open();
    world.open();
    world.move_all();
    let tasks: Vec<_> = (0..3).map(|_| Arc::new(Count(0.into()))).collect();
    let block = |world: &mut World, call| {
        for task in &tasks {
            let waker = Waker::from(Arc::clone(task));
            let mut item = || Bytes::from(vec![7; 100_000]);
            while world
                .server
                .offer(call, Channel::Custom, &mut item, Some(&waker))
                != Offer::Full
            {}
        }
    };
    block(&mut world, 1);
    while tasks.iter().any(|task| woken(task) == 0) {
        world.move_all();
        let next = world.client.next(1, &world.waker.clone());
        assert!(matches!(next, Next::Item(_)), "{next:?}");
    }
    // Nor does anybody wait for a call that was taken back.
    block(&mut world, 2);
    let before: Vec<_> = tasks.iter().map(woken).collect();
    world.step(&Step::Reset(0));
    world.move_all();
    assert!(
        tasks
            .iter()
            .zip(before)
            .all(|(task, before)| woken(task) > before)
    );
}

/// What is left until a deadline is said when the request is written, and again when it is written once more.
#[test]
fn a_request_that_is_sent_again_says_what_is_left() {
    for len in [10, 5000, 20_000] {
        let mut world = World::new(SessionLimits::default(), SessionLimits::default(), true);
        let deadline = world.now + Duration::from_secs(1);
        let said = |left: &'static str| Bytes::from(left.repeat(len / left.len()));
        for call in 1..=4 {
            // Every other one has none.
            let deadline = (call % 2 == 0).then_some(deadline);
            let client = &mut world.client;
            let opened = client.open(|| said("all"), deadline, &mut None, &world.waker);
            assert_eq!(opened, Opened::Call(call));
        }
        world.client.cancel(3);
        // The server has the first of them.
        world.write(Side::Client, usize::MAX);
        let way = &mut world.to_server;
        let first = wire::take(&mut way.wire, 1 << 20).unwrap().unwrap();
        world.server.receive(first, world.now).unwrap();
        let event = world.server.next_event();
        assert!(
            matches!(event, Some(Event::Open { call: 1, .. })),
            "{event:?}"
        );
        world.to_server = Way::default();
        let received = world.server.link.received();
        world.server.reattach(world.client.link.received()).unwrap();
        let left = |request: &[u8], until: Instant| {
            assert_eq!((request, until), (&*said("all"), deadline));
            Some(said("rest"))
        };
        let allowed = world.server.allowed();
        world.client.reattach(received, allowed, left).unwrap();
        (0..3).for_each(|_| world.write(Side::Client, usize::MAX));
        let mut events = Vec::new();
        while let Some(frame) = wire::take(&mut world.to_server.wire, 1 << 20).unwrap() {
            world.server.receive(frame, world.now).unwrap();
            events.extend(world.server.next_event());
        }
        let open = |call, left| Event::Open {
            call,
            request: said(left),
        };
        let expected = [
            open(2, "rest"),
            open(3, "all"),
            open(4, "rest"),
            Event::Cancel { call: 3 },
        ];
        assert_eq!(events, expected);
    }
}

#[test]
fn a_request_is_made_once_there_is_room_for_its_call() {
    let limits = SessionLimits {
        max_calls: 1,
        ..small()
    };
    let mut world = World::new(limits.clone(), limits, true);
    world.open();
    let too_early = || unreachable!("there is no room for it");
    let opened = world.client.open(too_early, None, &mut None, &world.waker);
    assert_eq!(opened, Opened::NoRoom);
    world.move_all();
    world.end(1);
    world.move_all();
    world.open();
    assert_eq!(world.calls.len(), 2);
}

/// At the end of the numbers there is a reason, and what is under way goes on.
#[test]
fn the_last_number_of_a_call_is_the_last() {
    let mut world = World::new(small(), small(), true);
    world.client.skip_to(u32::MAX - 1);
    world.server.skip_to(u32::MAX - 1);
    world.open();
    world.move_all();
    world.offer(u32::MAX, Channel::Stdout, 10);
    let client = &mut world.client;
    let opened = client.open(Bytes::new, None, &mut None, &world.waker);
    assert_eq!(opened, Opened::NoNumber);
    world.move_all();
    world.end(u32::MAX);
    world.move_all();
    world.take(u32::MAX, usize::MAX);
    assert!(world.calls[&u32::MAX].is_taken);
    // Nor does a server take one that begins again.
    let frame = wire::Frame {
        head: wire::Head::of_call(Kind::Open, 0, 2),
        payload: Bytes::new(),
    };
    let close = world.server.receive(frame, world.now).unwrap_err();
    assert_eq!(close.code(), CloseCode::NoNumber);
}

/// However much waits for a slow socket, an answer to a ping goes ahead of it, and not into the middle of a frame.
#[test]
fn what_is_urgent_does_not_wait_for_what_was_said_before() {
    let mut world = World::new(SessionLimits::default(), SessionLimits::default(), true);
    world.open();
    world.open();
    world.move_all();
    for call in [1, 2] {
        (0..6).for_each(|_| world.offer(call, Channel::Stdout, 20_000));
    }
    world.write(Side::Server, 1);
    world.client.link.tell(Kind::Ping, 0, 7);
    world.write(Side::Client, usize::MAX);
    world.arrive(Side::Client, usize::MAX);
    (0..9).for_each(|_| world.write(Side::Server, usize::MAX));
    let mut wire = world.to_client.wire.clone();
    let all = wire.len();
    assert!(all > 240_000, "{all}");
    let pong = loop {
        let before = all - wire.len();
        let frame = wire::take(&mut wire, 1 << 20).unwrap();
        if frame.expect("there is a pong").head.kind == Kind::Pong {
            break before;
        }
    };
    // What was with the socket, up to the end of a frame.
    assert!(pong < (64 << 10) + 20_100, "after {pong} bytes");
    world.pings = 7;
    world.settle();
}
