//! What the other end must not do: each is refused with a reason that names it, and nothing panics.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::client_core::{ClientCore, Opened};
use super::close::{Close, CloseCode};
use super::error::SessionError;
use super::handshake::{Handshake, check_answer, common_version};
use super::limits::SessionLimits;
use super::message::{
    Auth, ClientHello, Ending, MAX_HANDSHAKE_BYTES, Ready, Request, ServerHello, decode, encode,
};
use super::server_core::{Offer, ServerCore};
use super::wire::{self, Channel, Frame, Head, Kind, LINE_BYTES};
use crate::frame::FrameEnum as _;

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

fn nobody() -> Waker {
    Waker::from(Arc::new(Nobody))
}

fn limits() -> SessionLimits {
    SessionLimits {
        max_calls: 4,
        window_bytes: 32 << 10,
        call_window_bytes: 16 << 10,
        max_item_bytes: 20_000,
        max_request_bytes: 100,
        ..SessionLimits::default()
    }
}

fn frame(kind: Kind, call: u32, number: u64) -> Frame {
    Frame {
        head: Head::of_call(kind, call, number),
        payload: Bytes::new(),
    }
}

fn with(mut frame: Frame, payload: impl Into<Bytes>) -> Frame {
    frame.payload = payload.into();
    frame
}

fn part(mut frame: Frame, channel: Channel, has_more: bool) -> Frame {
    frame.head.channel = channel;
    frame.head.has_more = has_more;
    frame
}

/// A server that `opened` calls were made of.
fn server(opened: u32) -> ServerCore {
    let now = Instant::now();
    let mut core = ServerCore::new(&limits(), true, now);
    for call in 1..=opened {
        core.receive(frame(Kind::Open, call, call.into()), now)
            .unwrap();
    }
    core
}

fn open(core: &mut ClientCore) -> Opened {
    core.open(Bytes::new, None, &mut None, &nobody())
}

/// A client that has made this many calls.
fn client(opened: u32) -> ClientCore {
    let mut core = ClientCore::new(&limits(), true, 4, Instant::now());
    for _ in 0..opened {
        open(&mut core);
    }
    core
}

/// Hands over all frames; the last one has to be refused.
macro_rules! refused {
    ($core:expr, $frames:expr) => {{
        let (mut core, frames) = ($core, $frames);
        let now = Instant::now();
        let mut refused = None;
        for frame in frames {
            assert!(refused.is_none(), "{refused:?} came too early");
            refused = core.receive(frame, now).err();
        }
        refused.expect("nothing was refused")
    }};
}

#[track_caller]
fn assert_says(close: &Close, code: CloseCode, message: &str) {
    assert_eq!(close.code(), code, "{close}");
    assert_eq!(close.to_string(), message);
}

#[test]
fn a_server_names_what_a_client_must_not_do() {
    let data_from_client = [
        (Kind::Hello, 0),
        (Kind::Auth, 0),
        (Kind::Ready, 0),
        (Kind::Data, 1),
        (Kind::End, 1),
        (Kind::Calls, 0),
        (Kind::Drain, 0),
    ];
    for (kind, number) in data_from_client {
        let close = refused!(server(0), [frame(kind, 1, number)]);
        let message = format!("a client sends no {kind:?} here");
        assert_says(&close, CloseCode::Protocol, &message);
    }
    let made = |number| frame(Kind::Open, 1, number);
    for (frames, message) in [
        (vec![made(2)], "frame 2 follows frame 0"),
        (
            vec![made(u64::MAX)],
            "frame 18446744073709551615 follows frame 0",
        ),
        (vec![frame(Kind::Open, 2, 1)], "call 2 follows call 0"),
        (vec![frame(Kind::Open, 0, 1)], "call 0 follows call 0"),
        (
            vec![frame(Kind::Open, u32::MAX, 1)],
            "call 4294967295 follows call 0",
        ),
        (
            vec![made(1), frame(Kind::Open, 1, 2)],
            "call 1 follows call 1",
        ),
        (
            vec![frame(Kind::Cancel, 1, 1)],
            "call 1 is taken back, and was never made",
        ),
        (
            vec![frame(Kind::Reset, 0, 1)],
            "call 0 is taken back, and was never made",
        ),
        (
            vec![frame(Kind::Reset, u32::MAX, 1)],
            "call 4294967295 is taken back, and was never made",
        ),
        (
            vec![frame(Kind::Ack, 0, 1)],
            "frame 1 is acknowledged, and 0 were sent",
        ),
        (
            vec![frame(Kind::Ack, 0, u64::MAX)],
            "frame 18446744073709551615 is acknowledged, and 0 were sent",
        ),
        (
            vec![with(frame(Kind::Close, 0, 0), "{")],
            "the reason of its end cannot be read: EOF while parsing an object at line 1 column 1",
        ),
        (
            vec![with(frame(Kind::Close, 0, 0), "7")],
            "the reason of its end cannot be read: invalid type: integer `7`, expected struct Close at line 1 column 1",
        ),
    ] {
        assert_says(&refused!(server(0), frames), CloseCode::Protocol, message);
    }
    let message = "call 5 is one more than the 4 that a session may have at a time";
    let close = refused!(server(4), [frame(Kind::Open, 5, 5)]);
    assert_says(&close, CloseCode::Calls, message);
    let message = "a request of 101 bytes is over the limit of 100";
    let close = refused!(server(0), [with(made(1), vec![b' '; 101])]);
    assert_says(&close, CloseCode::Request, message);
}

#[test]
fn a_client_names_what_a_server_must_not_do() {
    for kind in [
        Kind::Hello,
        Kind::Auth,
        Kind::Ready,
        Kind::Open,
        Kind::Cancel,
        Kind::Reset,
        Kind::Credit,
    ] {
        let number = u64::from(kind.is_sequenced());
        let close = refused!(client(1), [frame(kind, 1, number)]);
        let message = format!("a server sends no {kind:?} here");
        assert_says(&close, CloseCode::Protocol, &message);
    }
    let data = |call, number| frame(Kind::Data, call, number);
    let end = |call, number| frame(Kind::End, call, number);
    let large = |call, number| with(data(call, number), vec![0; 15_000]);
    for (frames, message) in [
        (vec![data(1, 2)], "frame 2 follows frame 0"),
        (vec![data(1, 1), data(1, 3)], "frame 3 follows frame 1"),
        (vec![data(0, 1)], "an item of call 0, which was never made"),
        (vec![data(4, 1)], "an item of call 4, which was never made"),
        (vec![end(0, 1)], "the end of call 0, which was never made"),
        (
            vec![end(u32::MAX, 1)],
            "the end of call 4294967295, which was never made",
        ),
        (
            vec![end(1, 1), data(1, 2)],
            "an item of call 1, which has ended",
        ),
        (
            vec![end(1, 1), end(1, 2)],
            "call 1 ends within an item, or twice",
        ),
        (
            vec![part(data(1, 1), Channel::Logs, true), end(1, 2)],
            "call 1 ends within an item, or twice",
        ),
        (
            vec![
                part(data(1, 1), Channel::Logs, true),
                part(data(1, 2), Channel::Stdout, false),
            ],
            "two items' frames are mixed",
        ),
        (
            vec![frame(Kind::Ack, 0, 4)],
            "frame 4 is acknowledged, and 3 were sent",
        ),
    ] {
        assert_says(&refused!(client(3), frames), CloseCode::Protocol, message);
    }
    for (frames, code, message) in [
        (
            vec![large(1, 1), large(1, 2)],
            CloseCode::Window,
            "call 1 has more bytes in flight than granted",
        ),
        (
            vec![large(1, 1), large(2, 2), large(3, 3)],
            CloseCode::Window,
            "more bytes are in flight than were granted",
        ),
        (
            vec![
                part(large(1, 1), Channel::Custom, true),
                part(large(1, 2), Channel::Custom, true),
            ],
            CloseCode::Item,
            "an item of call 1 is over the limit of 20000 bytes",
        ),
    ] {
        assert_says(&refused!(client(3), frames), code, message);
    }
    let whole = SessionLimits {
        max_item_bytes: 10,
        ..limits()
    };
    let mut core = ClientCore::new(&whole, true, 4, Instant::now());
    open(&mut core);
    let close = refused!(core, [with(data(1, 1), vec![0; 11])]);
    let message = "an item of call 1 is over the limit of 10 bytes";
    assert_says(&close, CloseCode::Item, message);
}

/// What changes nothing is free so many times, and again after a while.
#[test]
fn floods_are_cut_off_at_both_ends() {
    let useless = [
        frame(Kind::Ping, 0, 0),
        frame(Kind::Pong, 0, u64::MAX),
        frame(Kind::Ack, 0, 0),
        // A frame that has been here before.
        frame(Kind::Cancel, 1, 1),
    ];
    let of_clients = [frame(Kind::Credit, 0, 0), frame(Kind::Credit, 9, u64::MAX)];
    let of_servers = [frame(Kind::Calls, 0, 0)];
    for sent in useless.iter().chain(&of_clients) {
        let mut core = server(1);
        assert_floods(sent, |now| core.receive(sent.clone(), now).err());
    }
    for sent in useless.iter().chain(&of_servers) {
        let mut core = client(1);
        core.receive(frame(Kind::End, 1, 1), Instant::now())
            .unwrap();
        assert_floods(sent, |now| core.receive(sent.clone(), now).err());
    }
    for kind in [Kind::Cancel, Kind::Reset] {
        let mut core = server(1);
        let mut number = 1;
        assert_floods(&frame(kind, 1, 0), |now| {
            number += 1;
            core.receive(frame(kind, 1, number), now).err()
        });
    }
}

#[track_caller]
fn assert_floods(sent: &Frame, mut receive: impl FnMut(Instant) -> Option<Close>) {
    let now = Instant::now();
    let refused = (1..2000).find_map(|at| receive(now).map(|close| (at, close)));
    let (at, close) = refused.unwrap_or_else(|| panic!("{sent:?} is free"));
    // A call that was opened lets four more pass.
    assert!((1024..1031).contains(&at), "{sent:?} is cut off at {at}");
    let message = "more control frames than any use of the protocol needs";
    assert_says(&close, CloseCode::Flood, message);
    let later = now + Duration::from_secs(1);
    let again = (0..1000).take_while(|_| receive(later).is_none()).count();
    assert_eq!(again, 128, "{sent:?}");
}

#[test]
fn numbers_at_their_end_are_numbers() {
    let now = Instant::now();
    let mut core = server(1);
    for call in [0, 1, u32::MAX] {
        core.receive(frame(Kind::Credit, call, u64::MAX), now)
            .unwrap();
    }
    let mut item = || Bytes::from_static(b"item");
    let offer = core.offer(1, Channel::Stdout, &mut item, None);
    assert_eq!(offer, Offer::Taken);
    core.fill();
    assert!(core.link.has_frames());
    let mut core = client(1);
    core.receive(frame(Kind::Calls, 0, u64::MAX), now).unwrap();
    core.receive(frame(Kind::Drain, u32::MAX, u64::MAX), now)
        .unwrap();
    assert_eq!(open(&mut core), Opened::Call(2));
    for received in [5, u64::MAX] {
        let close = client(1)
            .reattach(received, u64::MAX, |_, _| None)
            .unwrap_err();
        assert_eq!(close.code(), CloseCode::Protocol);
        let close = server(1).reattach(received).unwrap_err();
        assert_eq!(close.code(), CloseCode::Protocol);
    }
}

/// Any number, with those at the ends of what there is more often than by chance.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..5_u64, 30_000..40_000_u64, Just(u64::MAX), any::<u64>()]
}

prop_compose! {
    fn any_frame()(
        kind in prop::sample::select(Kind::VALUES.to_vec()).prop_map(|kind| Kind::from_byte(kind as u8).unwrap()),
        channel in prop::sample::select(Channel::ALL.to_vec()),
        call in prop_oneof![4 => 0..6_u32, 1 => Just(u32::MAX), 1 => any::<u32>()],
        number in number(),
        // Most are in sequence, or nothing behind that check would be reached.
        is_next in prop::bool::weighted(0.9),
        has_more in any::<bool>(),
        payload in prop_oneof![
            3 => prop::collection::vec(any::<u8>(), 0..40),
            1 => prop::collection::vec(Just(7), 0..17_000),
        ],
    ) -> (Frame, bool) {
        let head = Head { kind, call, channel, has_more, number };
        (Frame { head, payload: payload.into() }, is_next)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_arrives_panics(
        frames in prop::collection::vec(any_frame(), 1..60),
        offers in prop::collection::vec((0..6_u32, 0..30_000_usize), 0..20),
    ) {
        let now = Instant::now();
        let (mut server, mut client) = (server(2), client(3));
        let (mut to_server, mut to_client) = (2, 0);
        for (call, len) in offers {
            let mut item = || Bytes::from(vec![1; len]);
            server.offer(call, Channel::Stdout, &mut item, None);
        }
        let (mut server_is_over, mut client_is_over) = (false, false);
        for (mut frame, is_next) in frames {
            if !server_is_over {
                if is_next && frame.head.kind.is_sequenced() {
                    to_server += 1;
                    frame.head.number = to_server;
                }
                let received = server.receive(frame.clone(), now);
                server_is_over = received.is_err();
                server.fill();
                server.link.flush(&mut Default::default());
            }
            if !client_is_over {
                if is_next && frame.head.kind.is_sequenced() {
                    to_client += 1;
                    frame.head.number = to_client;
                }
                let received = client.receive(frame, now);
                client_is_over = received.is_err();
                client.next(1, &nobody());
                client.cancel(2);
                client.link.flush(&mut Default::default());
            }
            prop_assert!(client.untaken_bytes() <= limits().window_bytes + 3 * 20_032);
            prop_assert!(server.link.kept_bytes() <= 2 * limits().window_bytes + (64 << 10));
        }
        client.reset(3);
    }

    /// Bytes are a frame, not yet one, or no frame; and a message, or a reason why not.
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut arrived = BytesMut::from(&bytes[..]);
        let _ = wire::take(&mut arrived, 100);
        for refused in [
            decode::<ClientHello>("it", &bytes).err(),
            decode::<ServerHello>("it", &bytes).err(),
            decode::<Auth>("it", &bytes).err(),
            decode::<Ready>("it", &bytes).err(),
            decode::<Request>("it", &bytes).err(),
            decode::<Ending>("it", &bytes).err(),
            decode::<Close>("it", &bytes).err(),
        ].into_iter().flatten() {
            prop_assert_eq!(refused.code(), CloseCode::Protocol);
        }
    }
}

fn hello() -> ClientHello {
    ClientHello {
        protocol: (1, 1),
        application: None,
        grammar: None,
        is_resumable: true,
        resume: None,
        attests: false,
        window_bytes: 1 << 20,
        call_window_bytes: 1 << 20,
        max_frame_bytes: 1 << 20,
        max_item_bytes: 1 << 20,
    }
}

#[test]
fn a_message_that_is_cut_off_or_of_another_type_says_where() {
    let whole = encode(&hello());
    for end in 0..whole.len() {
        let close = decode::<ClientHello>("the hello", &whole[..end]).unwrap_err();
        assert_eq!(close.code(), CloseCode::Protocol);
        assert!(
            close
                .to_string()
                .starts_with("the hello cannot be read: EOF")
        );
    }
    for (wrong, says) in [
        (r#"{"protocol":[1]}"#, "invalid length 1"),
        (r#"{"protocol":[1,256]}"#, "expected u8"),
        (r#"{"protocol":[1,-1]}"#, "expected u8"),
        (r#"{"protocol":"1"}"#, "expected a tuple of size 2"),
        (r#"{"protocol":[1,1]}"#, "missing field"),
        ("null", "expected struct ClientHello"),
    ] {
        let close = decode::<ClientHello>("the hello", wrong.as_bytes()).unwrap_err();
        assert!(close.to_string().contains(says), "{close}");
    }
}

#[test]
fn versions_and_windows_that_do_not_fit_are_refused() {
    for (protocol, is_common) in [((0, 0), false), ((2, 255), false), ((0, 255), true)] {
        let client = ClientHello {
            protocol,
            ..hello()
        };
        let version = common_version(&client);
        assert_eq!(version.is_ok(), is_common, "{protocol:?}");
        if let Err(close) = version {
            assert_eq!(close.code(), CloseCode::Version);
        }
    }
    let answer = ServerHello {
        protocol: 2,
        application: String::new(),
        version: None,
        grammar: String::new(),
        nonce: None,
        max_request_bytes: 0,
        window_bytes: 0,
        call_window_bytes: 0,
        max_frame_bytes: 0,
        max_item_bytes: 0,
    };
    assert_eq!(
        check_answer(&answer).unwrap_err().code(),
        CloseCode::Version
    );
    let enough = (32 << 10, 16 << 10, 16 << 10);
    let agreed =
        |(window, call_window, frame)| limits().agreed(window, call_window, frame, usize::MAX);
    assert!(agreed(enough).is_ok());
    assert_eq!(agreed((u64::MAX, u64::MAX, usize::MAX)), Ok(limits()));
    for (less, code) in [
        ((enough.0 - 1, enough.1, enough.2), CloseCode::Window),
        ((enough.0, enough.1 - 1, enough.2), CloseCode::Window),
        ((enough.0, enough.1, enough.2 - 1), CloseCode::Frame),
        ((0, 0, 0), CloseCode::Frame),
    ] {
        assert_eq!(agreed(less).unwrap_err().code(), code);
    }
}

/// The length is refused when it is stated, and not waited for.
#[test]
fn a_handshake_is_short() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(refuses_long_handshakes());
}

async fn refuses_long_handshakes() {
    use tokio::io::AsyncWriteExt as _;

    for (len, kind, code, message) in [
        (
            MAX_HANDSHAKE_BYTES + 1,
            Kind::Hello,
            CloseCode::Frame,
            "a payload of 16385 bytes is over the limit of 16384",
        ),
        (
            2,
            Kind::Open,
            CloseCode::Protocol,
            "a session begins with Hello, and this is Open",
        ),
        (
            2,
            Kind::Ready,
            CloseCode::Protocol,
            "a session begins with Hello, and this is Ready",
        ),
    ] {
        let (mut here, there) = tokio::io::duplex(1 << 10);
        let mut out = BytesMut::new();
        let payload = vec![b' '; len];
        Head::of(kind, 0).put(&payload, &mut out);
        assert_eq!(out.len(), LINE_BYTES);
        out.put_slice(&payload[..2]);
        here.write_all(&out).await.unwrap();
        let refused = Handshake::new(there).expect(Kind::Hello).await;
        let Err(SessionError::Refused(close)) = refused else {
            panic!("{refused:?}");
        };
        assert_says(&close, code, message);
    }
}
