//! Goal 8: a revocation set of a million links.

use std::hint::black_box;

use cnv::attestation::revocation::RevocationEntry;
use cnv::attestation::{AttestationId, KeyId, RevocationList, RevocationSet};

use super::chains::{NOON, TTL, key};
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Ratio, Settings, measure, random};

const ENTRIES: usize = 1_000_000;

/// So many that they touch every line of the filter.
const QUESTIONS: usize = 1 << 15;

const MISS: &str = "miss";
const HIT: &str = "hit";

/// As evenly spread as digests are.
fn id(state: &mut u64) -> AttestationId {
    let mut bytes = [0; AttestationId::LEN_BYTES];
    for chunk in bytes.as_chunks_mut::<8>().0 {
        *chunk = random(state).to_be_bytes();
    }
    AttestationId::from_bytes(bytes)
}

/// A pass that asks for the next of `ids`.
fn asking<'a>(
    name: &'static str,
    set: &'a RevocationSet,
    ids: &'a [AttestationId],
) -> Contender<'a> {
    let issuer = KeyId::from_bytes([7; 16]);
    let mut next = 0;
    Contender::new(name, move || {
        next = (next + 1) % QUESTIONS;
        set.find(black_box(&ids[next]), &issuer, NOON, Some(&issuer))
    })
}

/// Measures it.
pub fn run(settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    let mut state = 1;
    let revoked: Vec<_> = (0..ENTRIES).map(|_| id(&mut state)).collect();
    let entries = revoked.iter().map(|&id| RevocationEntry::Link(id));
    let next_update = NOON.checked_add_seconds(TTL).expect("in range");
    let list = RevocationList::sign(entries.collect(), 1, NOON, next_update, &key(1));
    // As a verifier has it: from its bytes.
    let list = RevocationList::from_bytes(&list.expect("short").to_bytes());
    let set = RevocationSet::new(list.expect("a list"), &key(1).public_key(), NOON);
    let set = set.expect("fresh");
    let hits: Vec<_> = (0..QUESTIONS)
        .map(|_| revoked[(random(&mut state) % ENTRIES as u64) as usize])
        .collect();
    let misses: Vec<_> = (0..QUESTIONS).map(|_| id(&mut state)).collect();
    let contenders = vec![asking(MISS, &set, &misses), asking(HIT, &set, &hits)];
    let measured = measure("a revocation set of 1e6", 1, settings, contenders);
    let goal = |part: &str, bound, measured| Goal {
        number: 8,
        text: "revocation set of 1e6".into(),
        part: part.into(),
        wanted: Wanted::AtMost(bound),
        measured,
    };
    let entry_bytes = set.size_bytes() as f64 / ENTRIES as f64;
    let goals = vec![
        goal("miss, ns", 15.0, measured.ns(MISS)),
        goal("hit, ns", 200.0, measured.ns(HIT)),
        goal("bytes an entry", 36.0, Ratio::exact(entry_bytes)),
    ];
    (vec![Group::from(&measured)], goals)
}
