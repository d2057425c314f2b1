//! `tracestate`: what is read is printed as the same members, as far as there is room, and no key is there twice.
#![no_main]

use arbitrary::Arbitrary;
use cnv::trace::{TraceState, TraceStateMember};
use cnv_fuzz::Change;
use libfuzzer_sys::fuzz_target;

const GOOD: &[u8] = b"rojo=00f067aa0ba902b7 , congo@eu=t61rcWkgMzE,,1a=  x";

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    bytes: &'a [u8],
    key: &'a str,
    value: &'a str,
    changes: Vec<Change<'a>>,
}

fn check(bytes: &[u8], own: Option<TraceStateMember<'_>>) {
    let received = match TraceState::parse(bytes) {
        Ok(state) => state,
        Err(error) => return assert!(error.at() <= bytes.len()),
    };
    let state = own.map_or(received, |own| received.with_member(own));
    let members: Vec<_> = state.members().collect();
    assert!(members.len() <= 32);
    for (index, member) in members.iter().enumerate() {
        assert_eq!(
            TraceStateMember::new(member.key(), member.value()).as_ref(),
            Ok(member)
        );
        assert!(
            members[..index]
                .iter()
                .all(|other| other.key() != member.key())
        );
    }
    let text = state.to_string();
    assert!(text.len() <= 512);
    let sent: Vec<_> = TraceState::parse(&text)
        .expect("it is good")
        .members()
        .collect();
    let mut rest = members.iter();
    assert!(
        sent.iter().all(|member| rest.any(|other| other == member)),
        "in their order"
    );
    let needed: usize = members
        .iter()
        .map(|member| member.key().len() + member.value().len() + 2)
        .sum();
    assert_eq!(sent.len() == members.len(), needed <= 513);
}

fuzz_target!(|input: Input<'_>| {
    let own = TraceStateMember::new(input.key, input.value).ok();
    check(input.bytes, own);
    check(&Change::apply_all(&input.changes, GOOD), own);
});
