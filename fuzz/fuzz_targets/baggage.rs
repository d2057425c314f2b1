//! `baggage`: what is read is printed as the same members, and what an application says comes out as it went in.
#![no_main]

use arbitrary::Arbitrary;
use cnv::trace::{
    Baggage, BaggageBuf, BaggageMember, Boundary, Headers, IdGenerator, Incoming, TraceContext,
};
use cnv_fuzz::Change;
use libfuzzer_sys::fuzz_target;

const GOOD: &[u8] = b"key1=value1;property1;property2, key2 = DF%2028, key3=a=b; p=%ff";

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    bytes: &'a [u8],
    own: Vec<(&'a str, &'a str)>,
    changes: Vec<Change<'a>>,
}

fn members<'a>(baggage: &Baggage<'a>) -> Vec<(&'a str, String, Vec<(&'a str, Option<String>)>)> {
    let of = |member: BaggageMember<'a>| {
        let properties = member.properties();
        let properties =
            properties.map(|property| (property.key(), property.value().map(Into::into)));
        (member.key(), member.value().into(), properties.collect())
    };
    baggage.members().map(of).collect()
}

fn check(bytes: &[u8]) {
    let baggage = match Baggage::parse(bytes) {
        Ok(baggage) => baggage,
        Err(error) => return assert!(error.at() <= bytes.len()),
    };
    let all = members(&baggage);
    assert!((1..=64).contains(&all.len()) && bytes.len() <= 8192);
    let text = baggage.to_string();
    assert!(text.len() <= bytes.len());
    assert_eq!(members(&Baggage::parse(&text).expect("it is good")), all);
    let only = [all[0].0];
    let headers = Headers {
        baggage: Some(bytes),
        ..Headers::default()
    };
    let boundary = Boundary::new(Incoming::Ignore).allow_baggage(&only);
    let ids = IdGenerator::from_seed([7; 24]);
    let some = members(&TraceContext::extract(headers, boundary, &ids).baggage());
    assert!(some.iter().all(|member| member.0 == only[0]) && !some.is_empty());
}

fuzz_target!(|input: Input<'_>| {
    check(input.bytes);
    check(&Change::apply_all(&input.changes, GOOD));
    let mut own = BaggageBuf::new();
    let mut expected = Vec::new();
    for (key, value) in input.own {
        if own.push(key, value).is_ok() {
            expected.push((key, value.to_owned(), Vec::new()));
        }
    }
    assert_eq!(members(&own.as_baggage()), expected);
});
