//! Trace context: the published cases, the grammars said a second time, boundaries, environments and allocations.
//!
//! The cases of `traceparent` and `tracestate` are those of the W3C's test suite for Trace Context, at the revision in which
//! it follows Level 2 (`test/test.py`); earlier revisions refuse keys in which an `@` stands elsewhere than Level 1 wants it.
//! Those of `baggage` are from the specification and its tests. Header lines are given one by one, and joined with a comma
//! as RFC 9110 says in section 5.3.
#![allow(unsafe_code, reason = "an allocator that counts is an unsafe impl")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;

use cnv::trace::{
    Baggage, BaggageBuf, BaggageFault, Boundary, Environment, Headers, IdGenerator, Incoming,
    SpanId, TraceContext, TraceFlags, TraceId, TraceParent, TraceParentFault, TraceState,
    TraceStateFault, TraceStateMember,
};
use proptest::prelude::*;

const TRACE: &str = "12345678901234567890123456789012";
const GOOD: &str = "00-12345678901234567890123456789012-1234567890123456-00";
const CONTINUE: Boundary<'_> = Boundary::new(Incoming::Continue).allow_all_baggage();

fn ids() -> IdGenerator {
    IdGenerator::from_seed([7; 24])
}

fn extract(traceparent: &[&str], tracestate: &[&str], test: impl FnOnce(TraceContext<'_>)) {
    let joined = |lines: &[&str]| (!lines.is_empty()).then(|| lines.join(","));
    let (traceparent, tracestate) = (joined(traceparent), joined(tracestate));
    let headers = Headers {
        traceparent: traceparent.as_deref().map(str::as_bytes),
        tracestate: tracestate.as_deref().map(str::as_bytes),
        baggage: None,
    };
    test(TraceContext::extract(headers, CONTINUE, &ids()));
}

#[test]
fn published_traceparents_that_are_continued() {
    let cases = [
        "00-12345678901234567890123456789012-1234567890123456-01",
        "00-12345678901234567890123456789012-1234567890123456-02",
        "00-12345678901234567890123456789012-1234567890123456-ff",
        "cc-12345678901234567890123456789012-1234567890123456-01",
        "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
        " 00-12345678901234567890123456789012-1234567890123456-01",
        "\t00-12345678901234567890123456789012-1234567890123456-01",
        "00-12345678901234567890123456789012-1234567890123456-01 ",
        "00-12345678901234567890123456789012-1234567890123456-01\t",
        "\t 00-12345678901234567890123456789012-1234567890123456-01 \t",
    ];
    for case in cases {
        extract(&[case], &[], |context| {
            let here = context.traceparent();
            assert_eq!(here.trace_id().to_string(), TRACE, "{case}");
            assert_ne!(here.span_id().to_string(), "1234567890123456", "{case}");
            assert_eq!(context.parent().unwrap().to_string(), "1234567890123456");
            assert_eq!(
                here.flags().is_random(),
                case.contains("-02") || case.contains("-ff")
            );
            assert_eq!(here.flags().is_sampled(), !case.contains("-02"));
            assert_eq!(here.to_string().len(), 55, "version 00 is sent");
            assert_eq!(context.left_out().traceparent, None);
        });
    }
}

#[test]
fn published_traceparents_that_begin_a_trace() {
    use TraceParentFault::{Dash, Digit, SpanId, TooLong, TooShort, TraceId, Version};
    let cases = [
        (
            "00-12345678901234567890123456789012-1234567890123456-01.",
            55,
            TooLong,
        ),
        (
            "00-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
            55,
            TooLong,
        ),
        (
            "cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-be-like",
            55,
            Dash,
        ),
        (
            "ff-12345678901234567890123456789012-1234567890123456-01",
            0,
            Version,
        ),
        (
            ".0-12345678901234567890123456789012-1234567890123456-01",
            0,
            Digit,
        ),
        (
            "0.-12345678901234567890123456789012-1234567890123456-01",
            1,
            Digit,
        ),
        (
            "000-12345678901234567890123456789012-1234567890123456-01",
            2,
            Dash,
        ),
        (
            "0000-12345678901234567890123456789012-1234567890123456-01",
            2,
            Dash,
        ),
        (
            "0-12345678901234567890123456789012-1234567890123456-01",
            1,
            Digit,
        ),
        (
            "00-00000000000000000000000000000000-1234567890123456-01",
            3,
            TraceId,
        ),
        (
            "00-.2345678901234567890123456789012-1234567890123456-01",
            3,
            Digit,
        ),
        (
            "00-1234567890123456789012345678901.-1234567890123456-01",
            34,
            Digit,
        ),
        (
            "00-123456789012345678901234567890123-1234567890123456-01",
            35,
            Dash,
        ),
        (
            "00-1234567890123456789012345678901-1234567890123456-01",
            34,
            Digit,
        ),
        (
            "00-12345678901234567890123456789012-0000000000000000-01",
            36,
            SpanId,
        ),
        (
            "00-12345678901234567890123456789012-.234567890123456-01",
            36,
            Digit,
        ),
        (
            "00-12345678901234567890123456789012-123456789012345.-01",
            51,
            Digit,
        ),
        (
            "00-12345678901234567890123456789012-12345678901234567-01",
            52,
            Dash,
        ),
        (
            "00-12345678901234567890123456789012-123456789012345-01",
            51,
            Digit,
        ),
        (
            "00-12345678901234567890123456789012-1234567890123456-.0",
            53,
            Digit,
        ),
        (
            "00-12345678901234567890123456789012-1234567890123456-0.",
            54,
            Digit,
        ),
        (
            "00-12345678901234567890123456789012-1234567890123456-001",
            55,
            TooLong,
        ),
        (
            "00-12345678901234567890123456789012-1234567890123456-1",
            54,
            TooShort,
        ),
        // Not in the suite: the grammar has lower-case digits only.
        (
            "00-1234567890123456789012345678901A-1234567890123456-01",
            34,
            Digit,
        ),
        (
            "CC-12345678901234567890123456789012-1234567890123456-01",
            0,
            Digit,
        ),
    ];
    for (case, at, fault) in cases {
        let error = TraceParent::parse(case).unwrap_err();
        assert_eq!((error.at(), error.fault()), (at, fault), "{case}");
        extract(&[case], &["foo=1"], |context| {
            assert_ne!(
                context.traceparent().trace_id().to_string(),
                TRACE,
                "{case}"
            );
            assert_eq!(context.parent(), None);
            assert!(context.tracestate().is_empty());
            assert_eq!(context.left_out().traceparent, Some(error));
        });
    }
    // Two lines, no line, and a state alone.
    extract(&[GOOD, GOOD], &[], |context| {
        assert_ne!(context.traceparent().trace_id().to_string(), TRACE);
    });
    for state in [&[][..], &["foo=1"], &["foo=1,bar=2"]] {
        extract(&[], state, |context| {
            assert_eq!(context.parent(), None);
            assert!(context.tracestate().is_empty());
        });
    }
}

/// Keys and values as they are to be sent on.
#[test]
fn published_tracestates_that_are_kept() {
    let allowed: String = (' '..='~').filter(|c| !",=".contains(*c)).collect();
    let all = format!("abcdefghijklmnopqrstuvwxyz0123456789_-*/={allowed}");
    let vendor = format!("abcdefghijklmnopqrstuvwxyz0123456789_-*/@a-z0-9_-*/={allowed}");
    let long = [
        "z".repeat(256),
        format!("{}@{}", "t".repeat(241), "v".repeat(14)),
    ]
    .map(|key| format!("{key}=1"));
    let tenant = [
        format!("{}@v=1", "t".repeat(242)),
        format!("t@{}=1", "v".repeat(15)),
    ];
    let numbered = |from: u32, to| {
        (from..=to)
            .map(|n| format!("bar{n:02}={n:02}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let bars = [
        numbered(1, 10),
        numbered(11, 20),
        numbered(21, 30),
        numbered(31, 32),
    ];
    let bars = bars.each_ref().map(String::as_str);
    let cases: &[(&[&str], &str)] = &[
        (&["foo=1,bar=2"], "foo=1,bar=2"),
        (&[""], ""),
        (&["foo=1", ""], "foo=1"),
        (&["", "foo=1"], "foo=1"),
        (
            &["foo=1,bar=2", "rojo=1,congo=2", "baz=3"],
            "foo=1,bar=2,rojo=1,congo=2,baz=3",
        ),
        (&[&all], &all),
        (&[&vendor], &vendor),
        (&["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
        (&["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], "foo=1,bar=2,baz=3"),
        (&[" foo=1"], "foo=1"),
        (&["\tfoo=1"], "foo=1"),
        (&["foo=1 "], "foo=1"),
        (&["foo=1\t"], "foo=1"),
        (&["\t foo=1 \t"], "foo=1"),
        (&["foo@=1,bar=2"], "foo@=1,bar=2"),
        (&["foo@@bar=1,bar=2"], "foo@@bar=1,bar=2"),
        (&["foo@bar@baz=1,bar=2"], "foo@bar@baz=1,bar=2"),
        (&bars, &bars.join(",")),
        (&["foo=1", &long[0]], &format!("foo=1,{}", long[0])),
        (&["foo=1", &long[1]], &format!("foo=1,{}", long[1])),
        (&["foo=1", &tenant[0]], &format!("foo=1,{}", tenant[0])),
        (&["foo=1", &tenant[1]], &format!("foo=1,{}", tenant[1])),
        // Not in the suite: a key may begin with a digit, and a value with a space.
        (&["1a=1,foo=  2"], "1a=1,foo=  2"),
    ];
    for (lines, sent) in cases {
        extract(&[GOOD], lines, |context| {
            assert_eq!(context.traceparent().trace_id().to_string(), TRACE);
            assert_eq!(context.left_out().tracestate, None, "{lines:?}");
            assert_eq!(context.tracestate().to_string(), *sent);
        });
    }
}

#[test]
fn published_tracestates_that_are_left_out() {
    use TraceStateFault::{
        KeyCharacter, KeyTooLong, KeyTwice, NoValue, TooManyMembers, ValueCharacter, ValueTooLong,
    };
    let key = format!("{}=1", "z".repeat(257));
    let value = format!("foo={}", "x".repeat(257));
    let members: Vec<String> = (1..=33).map(|n| format!("bar{n:02}={n:02}")).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let cases: &[(&[&str], usize, TraceStateFault)] = &[
        (&["foo=1,foo=1"], 6, KeyTwice),
        (&["foo=1,foo=2"], 6, KeyTwice),
        (&["foo=1", "foo=1"], 6, KeyTwice),
        (&["foo=1", " foo=2"], 7, KeyTwice),
        (&["foo =1"], 3, KeyCharacter),
        (&["FOO=1"], 0, KeyCharacter),
        (&["foo.bar=1"], 3, KeyCharacter),
        (&["@foo=1,bar=2"], 0, KeyCharacter),
        (&members, 32 * 9, TooManyMembers),
        (&["foo=1", &key], 6 + 256, KeyTooLong),
        (&["foo=bar=baz"], 7, ValueCharacter),
        (&["foo=,bar=3"], 4, NoValue),
        // Of the helper library's tests.
        (&["foobarbaz"], 9, NoValue),
        (&["=abc"], 0, KeyCharacter),
        (&[&value], 4 + 256, ValueTooLong),
        // Not in the suite.
        (&["a=1,b=\u{e9}"], 6, ValueCharacter),
        (&["a=1,b=\t2"], 6, ValueCharacter),
    ];
    for (lines, at, fault) in cases {
        extract(&[GOOD], lines, |context| {
            assert_eq!(context.traceparent().trace_id().to_string(), TRACE);
            assert!(context.tracestate().is_empty());
            let error = context.left_out().tracestate.unwrap();
            assert_eq!((error.at(), error.fault()), (*at, *fault), "{lines:?}");
        });
    }
}

#[test]
fn a_tracestate_that_is_too_long_loses_whole_members() {
    let member = |key: char, len: usize| format!("{key}={}", "x".repeat(len - 2));
    // 130 + 100 + 129 + 128 + 25 and four commas are 516.
    let lens = [('a', 130), ('b', 100), ('c', 129), ('d', 128), ('e', 25)];
    let text = lens.map(|(key, len)| member(key, len)).join(",");
    let keys = |text: &str| {
        let sent = TraceState::parse(text).unwrap().to_string();
        assert!(sent.len() <= 512);
        let sent = TraceState::parse(&sent).unwrap();
        sent.members()
            .map(|member| member.key().to_owned())
            .collect::<String>()
    };
    assert_eq!(keys(&text), "abde", "the last of the long ones first");
    let short = lens.map(|(key, _)| member(key, 102)).join(",");
    assert_eq!(
        (short.len(), keys(&short)),
        (514, "abcd".to_owned()),
        "then from the end"
    );
    assert_eq!(keys(&short[..512]), "abcde", "512 characters are sent");

    // Its own comes first, in place of the one that it had, and is one of 32.
    let own = TraceStateMember::new("b", "2").unwrap();
    let state = TraceState::parse("a=1,b=1,c=3").unwrap().with_member(own);
    assert_eq!(state.to_string(), "b=2,a=1,c=3");
    assert_eq!(state.get("b"), Some("2"));
    let full = (0..32)
        .map(|n| format!("k{n}=1"))
        .collect::<Vec<_>>()
        .join(",");
    let state = TraceState::parse(&full).unwrap().with_member(own);
    assert_eq!(state.members().count(), 32);
    assert!(TraceState::parse(&state.to_string()).is_ok());
    let error = TraceStateMember::new("ab", "2 ").unwrap_err();
    assert_eq!(
        (error.at(), error.fault()),
        (4, TraceStateFault::ValueCharacter)
    );
}

/// Of each member its key, its value and its properties.
fn read_baggage(text: &str) -> Vec<(String, String, Vec<String>)> {
    let baggage = Baggage::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let property = |property: cnv::trace::BaggageProperty<'_>| match property.value() {
        Some(value) => format!("{}={value}", property.key()),
        None => property.key().to_owned(),
    };
    let members = baggage.members().map(|member| {
        let properties = member.properties().map(property).collect();
        (
            member.key().to_owned(),
            member.value().into_owned(),
            properties,
        )
    });
    members.collect()
}

#[test]
fn published_baggage() {
    type Members<'a> = &'a [(&'a str, &'a str, &'a [&'a str])];
    let escaped = "%09%20%22%27%3B%3Dasdf%21%40%23%24%25%5E%26%2A%28%29";
    let decoded = "\t \"';=asdf!@#$%^&*()";
    let cases: &[(&str, Members<'_>)] = &[
        (
            "key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue",
            &[
                ("key1", "value1", &["property1", "property2"]),
                ("key2", "value2", &[]),
                ("key3", "value3", &["propertyKey=propertyValue"]),
            ],
        ),
        (
            "userId=alice,serverNode=DF%2028,isProduction=false",
            &[
                ("userId", "alice", &[]),
                ("serverNode", "DF 28", &[]),
                ("isProduction", "false", &[]),
            ],
        ),
        (
            "userId =   alice,serverNode = DF%2028, isProduction = false",
            &[
                ("userId", "alice", &[]),
                ("serverNode", "DF 28", &[]),
                ("isProduction", "false", &[]),
            ],
        ),
        ("SomeKey=SomeValue", &[("SomeKey", "SomeValue", &[])]),
        (
            "SomeKey \t = \t SomeValue \t ; \t SomeProp \t , \t SomeKey2 \t = \t SomeValue2 \t ; \t ValueProp \t = \t PropVal",
            &[
                ("SomeKey", "SomeValue", &["SomeProp"]),
                ("SomeKey2", "SomeValue2", &["ValueProp=PropVal"]),
            ],
        ),
        (
            "SomeKey \t = \t SomeValue \t , \t SomeKey2 \t = \t SomeValue2 \t ",
            &[
                ("SomeKey", "SomeValue", &[]),
                ("SomeKey2", "SomeValue2", &[]),
            ],
        ),
        (
            "SomeKey=SomeValue;SomeProp;SecondProp=PropValue",
            &[(
                "SomeKey",
                "SomeValue",
                &["SomeProp", "SecondProp=PropValue"],
            )],
        ),
        (
            "SomeKey=SomeValue=equals",
            &[("SomeKey", "SomeValue=equals", &[])],
        ),
        (&format!("SomeKey={escaped}"), &[("SomeKey", decoded, &[])]),
        (
            &format!("SomeKey \t = \t {escaped} \t "),
            &[("SomeKey", decoded, &[])],
        ),
        // An empty value, the same key twice, escapes that are no UTF-8 and no escapes.
        ("a=,a=2", &[("a", "", &[]), ("a", "2", &[])]),
        (
            "k=aa%ffcc;p=d%fff",
            &[("k", "aa\u{fffd}cc", &["p=d\u{fffd}f"])],
        ),
        (
            "k=100%,l=%4,m=%+1",
            &[("k", "100%", &[]), ("l", "%4", &[]), ("m", "%+1", &[])],
        ),
    ];
    for (text, expected) in cases {
        let expected: Vec<_> = expected
            .iter()
            .map(|(key, value, properties)| {
                let properties = properties.iter().map(|p| (*p).to_owned()).collect();
                ((*key).to_owned(), (*value).to_owned(), properties)
            })
            .collect();
        assert_eq!(read_baggage(text), expected);
        // What is sent says the same.
        let sent = Baggage::parse(text).unwrap().to_string();
        assert!(!sent.contains([' ', '\t']), "{sent}");
        assert_eq!(read_baggage(&sent), expected);
    }
    assert_eq!(
        Baggage::parse("a=1,b=2,a=3").unwrap().get("a").as_deref(),
        Some("3")
    );
}

#[test]
fn baggage_that_is_refused_and_the_limits() {
    use BaggageFault::{KeyCharacter, NoValue, TooLong, TooManyMembers, ValueCharacter};
    let members = |count| {
        (0..count)
            .map(|n| format!("key{n}=value"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let long = format!("a={}", "0123456789".repeat(819));
    assert_eq!(long.len(), 8192);
    assert!(Baggage::parse(&long).is_ok());
    assert_eq!(Baggage::parse(&members(64)).unwrap().members().count(), 64);
    let cases: &[(&str, usize, BaggageFault)] = &[
        ("", 0, KeyCharacter),
        ("a", 1, NoValue),
        ("a=1,", 4, KeyCharacter),
        ("a=1, b ", 6, NoValue),
        ("=1", 0, KeyCharacter),
        ("a b=1", 1, KeyCharacter),
        ("a=1 2", 3, ValueCharacter),
        ("a= \"1\"", 3, ValueCharacter),
        ("a=1\\", 3, ValueCharacter),
        ("a=1;", 4, KeyCharacter),
        ("a=1; p=\u{e9}", 7, ValueCharacter),
        ("a=1;p(=2", 5, KeyCharacter),
        (&members(65), members(64).len() + 1, TooManyMembers),
        (&(long + "0"), 8192, TooLong),
    ];
    for (text, at, fault) in cases {
        let error = Baggage::parse(*text).unwrap_err();
        assert_eq!((error.at(), error.fault()), (*at, *fault), "{text}");
    }

    let mut own = BaggageBuf::new();
    own.push("tenant", "a,b; c\u{e9}%").unwrap();
    own.push("empty", "").unwrap();
    assert_eq!(
        own.as_baggage().to_string(),
        "tenant=a%2Cb%3B%20c%C3%A9%25,empty="
    );
    assert_eq!(
        own.as_baggage().get("tenant").as_deref(),
        Some("a,b; c\u{e9}%")
    );
    let before = own.clone();
    for key in ["", "a b", "a=b", "a,b=1", " a"] {
        assert_eq!(
            own.push(key, "1").unwrap_err().fault(),
            KeyCharacter,
            "{key}"
        );
    }
    assert_eq!(
        own.push("a", &"x".repeat(9000)).unwrap_err().fault(),
        TooLong
    );
    assert_eq!(own, before);
}

#[test]
fn a_boundary_decides_what_comes_in() {
    let traceparent = GOOD.replace("-00", "-03");
    let headers = Headers {
        traceparent: Some(traceparent.as_bytes()),
        tracestate: Some(b"foo=1"),
        baggage: Some(b"tenant=acme,password=1234"),
    };
    let ids = ids();
    let into = |boundary| TraceContext::extract(headers, boundary, &ids);

    let continued = into(Boundary::new(Incoming::Continue));
    assert_eq!(continued.traceparent().trace_id().to_string(), TRACE);
    assert!(continued.traceparent().flags().is_sampled());
    assert!(
        continued.baggage().is_empty(),
        "none is let in unless it is named"
    );
    assert_eq!(continued.link(), None);

    let keys = ["tenant"];
    let restarted = into(Boundary::new(Incoming::RestartWithLink).allow_baggage(&keys));
    assert_ne!(restarted.traceparent().trace_id().to_string(), TRACE);
    assert_eq!(restarted.link().unwrap().to_string(), traceparent);
    assert_eq!(
        (restarted.parent(), restarted.tracestate().is_empty()),
        (None, true)
    );
    assert!(
        !restarted.traceparent().flags().is_sampled(),
        "the caller does not decide that"
    );
    assert_eq!(restarted.baggage().to_string(), "tenant=acme");
    assert_eq!(restarted.baggage().get("password"), None);

    let ignored = into(Boundary::new(Incoming::Ignore).allow_all_baggage());
    assert_eq!((ignored.link(), ignored.parent()), (None, None));
    assert_eq!(ignored.baggage().to_string(), "tenant=acme,password=1234");

    // What is not let in is not looked at.
    let bad = Headers {
        traceparent: Some(b"?"),
        tracestate: Some(b"?"),
        baggage: Some(b"?"),
    };
    let context = TraceContext::extract(bad, Boundary::new(Incoming::Ignore), &ids);
    assert_eq!(context.left_out(), Default::default());
    let context = TraceContext::extract(bad, CONTINUE, &ids);
    assert!(context.left_out().traceparent.is_some() && context.left_out().baggage.is_some());

    let child = continued.child(&ids);
    assert_eq!(child.parent(), Some(continued.traceparent().span_id()));
    assert_eq!(
        child.traceparent().trace_id(),
        continued.traceparent().trace_id()
    );
    assert_eq!(child.tracestate().to_string(), "foo=1");
    assert!(!child.with_sampled(false).traceparent().flags().is_sampled());
}

#[test]
fn a_process_is_told_through_its_environment() {
    let environment = Environment::from_fn(|name| match name {
        "TRACEPARENT" => Some(GOOD.into()),
        "BAGGAGE" => Some("a=1".into()),
        _ => None,
    });
    let ids = ids();
    let context = TraceContext::extract(environment.headers(), CONTINUE, &ids);
    let mut command = Command::new("true");
    command.env("TRACESTATE", "old=1");
    context.write_to(&mut command);
    let sent = |name: &str| {
        let mut variables = command.get_envs();
        variables
            .find(|(key, _)| *key == OsStr::new(name))
            .map(|(_, value)| value)
    };
    let text = context.traceparent().to_string();
    assert_eq!(sent("TRACEPARENT"), Some(Some(text.as_ref())));
    assert_eq!(sent("BAGGAGE"), Some(Some("a=1".as_ref())));
    assert_eq!(sent("TRACESTATE"), Some(None), "of another trace");
    assert!(text.starts_with(&GOOD[..35]));
}

#[cfg(unix)]
#[test]
fn a_started_process_has_the_context_and_nothing_old() {
    let ids = IdGenerator::new().unwrap();
    let context = TraceContext::fresh(&ids);
    let mut command = Command::new("env");
    command.env("BAGGAGE", "secret=1");
    context.write_to(&mut command);
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let line = format!("TRACEPARENT={}", context.traceparent());
    assert!(output.lines().any(|found| found == line), "{output}");
    assert!(!output.contains("secret"));
}

#[test]
fn ids_are_distinct_and_spread() {
    let ids = IdGenerator::new().unwrap();
    let mut traces = HashSet::new();
    let mut spans = HashSet::new();
    let mut ones = [0_u32; 64];
    for _ in 0..10_000 {
        let trace = ids.trace_id();
        assert!(traces.insert(trace) && spans.insert(ids.span_id()));
        let low = u64::from_be_bytes(trace.to_bytes()[8..].try_into().unwrap());
        for (bit, ones) in ones.iter_mut().enumerate() {
            *ones += u32::from(low >> bit & 1 == 1);
        }
    }
    // Ten standard deviations around the half.
    assert!(
        ones.iter().all(|ones| (4500..5500).contains(ones)),
        "{ones:?}"
    );
    let other = IdGenerator::new().unwrap();
    assert!(!traces.contains(&other.trace_id()));
}

/// The grammar of `traceparent`, said a second time.
fn is_traceparent(text: &[u8]) -> bool {
    let is_hex = |part: &[u8]| part.iter().all(|byte| b"0123456789abcdef".contains(byte));
    let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let parts: Vec<&[u8]> = text.splitn(5, |byte| *byte == b'-').collect();
    let [version, trace, span, flags, rest @ ..] = &parts[..] else {
        return false;
    };
    let lens = [version.len(), trace.len(), span.len(), flags.len()];
    lens == [2, 32, 16, 2]
        && parts[..4].iter().all(|part| is_hex(part))
        && !(is_zero(trace) || is_zero(span) || *version == b"ff")
        && (rest.is_empty() || *version != b"00")
}

/// The grammar of `tracestate`, said a second time: its keys and values.
fn tracestate(text: &str) -> Option<Vec<(String, String)>> {
    let pieces: Vec<&str> = text.split(',').collect();
    let mut members: Vec<(String, String)> = Vec::new();
    for piece in &pieces {
        let piece = piece.trim_matches(|c| c == ' ' || c == '\t');
        if piece.is_empty() {
            continue;
        }
        let parts: Vec<&str> = piece.split('=').collect();
        let [key, value] = parts[..] else { return None };
        let is_start = key.starts_with(|c: char| matches!(c, 'a'..='z' | '0'..='9'));
        let is_key = key
            .chars()
            .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-' | '*' | '/' | '@'));
        let is_value = value.chars().all(|c| matches!(c, ' '..='~'));
        let lens = (1..=256).contains(&key.len()) && (1..=256).contains(&value.len());
        let is_new = members.iter().all(|(other, _)| other != key);
        if !(is_start && is_key && is_value && lens && is_new) {
            return None;
        }
        members.push((key.into(), value.into()));
    }
    (pieces.len() <= 32).then_some(members)
}

/// The grammar of `baggage`, said a second time: character by character, as a machine whose states are what was read last.
fn is_baggage(text: &str) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum Last {
        /// A separator. Whether a member, and not a property, has to come.
        Separator(bool),
        Key(bool),
        AfterKey(bool),
        Equals,
        Value,
        AfterValue,
    }
    let mut last = Last::Separator(true);
    for c in text.chars() {
        let is_token = c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let is_octet = matches!(c, '!' | '#'..='+' | '-'..=':' | '<'..='[' | ']'..='~');
        last = match (last, c) {
            (
                Last::Separator(_) | Last::Equals | Last::AfterKey(_) | Last::AfterValue,
                ' ' | '\t',
            ) => last,
            (Last::Key(member), ' ' | '\t') => Last::AfterKey(member),
            (Last::Value, ' ' | '\t') => Last::AfterValue,
            (Last::Separator(member) | Last::Key(member), _) if is_token => Last::Key(member),
            (Last::Key(_) | Last::AfterKey(_), '=') => Last::Equals,
            (Last::Key(false) | Last::AfterKey(false), ',' | ';') => Last::Separator(c == ','),
            (Last::Equals | Last::Value | Last::AfterValue, ',' | ';') => Last::Separator(c == ','),
            (Last::Equals | Last::Value, _) if is_octet => Last::Value,
            _ => return false,
        };
    }
    !matches!(
        last,
        Last::Separator(_) | Last::Key(true) | Last::AfterKey(true)
    ) && text.len() <= 8192
        && text.split(',').count() <= 64
}

/// A good text with some bytes changed, put in or taken out.
fn changed(good: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let change = (
        any::<prop::sample::Index>(),
        0..3,
        any::<u8>(),
        prop::sample::select(&b"0f-Fgz=,; \t@"[..]),
    );
    prop::collection::vec(change, 0..3).prop_map(move |changes| {
        let mut bytes = good.as_bytes().to_vec();
        for (at, kind, any, likely) in changes {
            let byte = if any < 64 { any } else { likely };
            let at = at.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at.min(bytes.len()), byte),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_printed_is_read(trace in 1_u128.., span in 1_u64.., flags in 0_u8..4) {
        let trace_id = TraceId::from_bytes(trace.to_be_bytes()).unwrap();
        let span_id = SpanId::from_bytes(span.to_be_bytes()).unwrap();
        let printed = TraceParent::new(trace_id, span_id, TraceFlags::from_bits(flags));
        prop_assert_eq!(TraceParent::parse(printed.to_text().as_bytes()), Ok(printed));
        prop_assert_eq!(printed.to_string(), format!("00-{trace:032x}-{span:016x}-{flags:02x}"));
        prop_assert_eq!(trace_id.to_string().parse(), Ok(trace_id));
        prop_assert_eq!(span_id.to_string().parse(), Ok(span_id));
    }

    #[test]
    fn a_traceparent_is_taken_if_the_grammar_says_so(
        text in prop_oneof![
            changed(GOOD),
            changed("cc-12345678901234567890123456789012-1234567890123456-01-x"),
            changed("00-00000000000000000000000000000001-0000000000000001-00"),
            changed("ff-12345678901234567890123456789012-1234567890123456-01"),
            prop::collection::vec(any::<u8>(), 0..80),
        ],
    ) {
        let read = TraceParent::parse(&text);
        prop_assert_eq!(read.is_ok(), is_traceparent(&text), "{:?}", read);
        if let Err(error) = read {
            // What stands before the byte that is wrong would do, or do as a beginning.
            let before = TraceParent::parse(&text[..error.at()]);
            prop_assert!(before.is_ok_and(|_| error.at() == 55) || before.is_err_and(|before| before.at() == error.at()));
        }
    }

    #[test]
    fn a_tracestate_is_taken_if_the_grammar_says_so(
        text in prop_oneof![
            "([a-c][a1@]{0,2}[ \t]?=[a ]{0,3}[ \t]?,?[ \t]?){0,5}",
            "[a1@=, \t.é~]{0,16}",
            "(a{0,2}=1,){30,34}",
            "([a-z]{3}=[a-z]{2},){29,32}",
            "a{255,258}=b{255,258}",
            any::<String>(),
        ],
    ) {
        let expected = tracestate(&text);
        let read = TraceState::parse(&text);
        prop_assert_eq!(read.is_ok(), expected.is_some(), "{:?}", read);
        match (read, expected) {
            (Ok(state), Some(expected)) => {
                let members: Vec<_> = state.members()
                    .map(|member| (member.key().to_owned(), member.value().to_owned())).collect();
                prop_assert_eq!(&members, &expected);
                let sent = state.to_string();
                prop_assert!(sent.len() <= 512);
                let again = tracestate(&sent).unwrap();
                if expected.iter().map(|(key, value)| key.len() + value.len() + 2).sum::<usize>() <= 513 {
                    prop_assert_eq!(again, expected);
                } else {
                    prop_assert!(again.len() < expected.len());
                }
            }
            (Err(error), _) => prop_assert!(error.at() <= text.len()),
            _ => {}
        }
    }

    #[test]
    fn baggage_is_taken_if_the_grammar_says_so(
        text in prop_oneof![
            "([a-c][ \t]?=[ ]?[a%=]{0,3}(;[ab]=?[ab]?)?[ \t]?,?[ \t]?){0,5}",
            "[a=,; %\t\"]{0,14}",
            "(a=1,){62,65}a=1",
            any::<String>(),
        ],
    ) {
        let read = Baggage::parse(&text);
        prop_assert_eq!(read.is_ok(), is_baggage(&text), "{:?}", read);
        match read {
            Ok(baggage) => {
                let sent = baggage.to_string();
                prop_assert!(is_baggage(&sent));
                prop_assert_eq!(read_baggage(&sent), read_baggage(&text));
            }
            Err(error) => prop_assert!(error.at() <= text.len()),
        }
    }

    #[test]
    fn own_baggage_says_what_it_was_told(members in prop::collection::vec(("[a-z!#~]{1,5}", any::<String>()), 1..8)) {
        let mut own = BaggageBuf::new();
        for (key, value) in &members {
            own.push(key, value).unwrap();
        }
        let read = read_baggage(&own.as_baggage().to_string());
        let read: Vec<_> = read.into_iter().map(|(key, value, _)| (key, value)).collect();
        prop_assert_eq!(read, members);
    }

    #[test]
    fn random_bytes_never_fail_a_call(parts in prop::array::uniform3(prop::option::of(prop::collection::vec(any::<u8>(), 0..100)))) {
        let [traceparent, tracestate, baggage] = parts.each_ref().map(Option::as_deref);
        let context = TraceContext::extract(Headers { traceparent, tracestate, baggage }, CONTINUE, &ids());
        prop_assert!(is_traceparent(context.traceparent().to_text().as_bytes()));
    }
}

/// The system's allocator, and how often this thread asked it for memory.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to `System` with the arguments that the caller vouches for; the count is a plain number
// of the thread, whose access allocates nothing. `realloc` and `alloc_zeroed` are the trait's own, which call these.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller vouches; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn reading_and_printing_allocate_nothing() {
    let ids = ids();
    let mut sent = String::with_capacity(4096);
    let mut baggage = BaggageBuf::new();
    for n in 0..64 {
        baggage.push(&format!("key{n}"), "value").unwrap();
    }
    let baggage = baggage.as_baggage().to_string();
    let state = (0..32)
        .map(|n| format!("key{n}=1"))
        .collect::<Vec<_>>()
        .join(" , ");
    let work = |traceparent: &str, state: &str, baggage: &str, sent: &mut String| {
        let headers = Headers {
            traceparent: Some(traceparent.as_bytes()),
            tracestate: Some(state.as_bytes()),
            baggage: Some(baggage.as_bytes()),
        };
        let context = TraceContext::extract(headers, CONTINUE, &ids).child(&ids);
        sent.clear();
        let (here, state, baggage) = (
            context.traceparent(),
            context.tracestate(),
            context.baggage(),
        );
        write!(sent, "{here} {state} {baggage}").unwrap();
        black_box(state.get("key7").is_some() && baggage.get("key7").is_some());
    };
    let before = ALLOCATIONS.get();
    black_box(Box::new(1));
    assert_eq!(ALLOCATIONS.get() - before, 1);

    let before = ALLOCATIONS.get();
    work(
        black_box(GOOD),
        black_box(&state),
        black_box(&baggage),
        &mut sent,
    );
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert!(
        sent.starts_with(&GOOD[..35]) && sent.contains("key31=1") && sent.contains("key63=value")
    );

    let before = ALLOCATIONS.get();
    work(black_box("00-?"), black_box("?"), black_box("?"), &mut sent);
    assert_eq!(ALLOCATIONS.get() - before, 0);
}
