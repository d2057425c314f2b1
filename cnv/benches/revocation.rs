//! A revocation set of a million links: ns a question, bytes an entry, and what it takes to make one.
//!
//! `cargo bench -p cnv --bench revocation`. The questions take turns within each round, so that a busy machine slows all
//! of them alike; what is printed is the median over the rounds. "One after the other" waits for each answer before it
//! asks the next question, as a caller does who asks about one link.

use std::hint::black_box;
use std::time::Instant;

use cnv::attestation::revocation::{
    RevocationEntries, RevocationEntry, RevocationList, RevocationSet,
};
use cnv::attestation::{AttestationId, KeyId, PrivateKey, Timestamp};

const ENTRIES: usize = 1_000_000;
/// As many as stay in the second-level cache: a caller has the id that it asks about at hand.
const QUESTIONS: usize = 8192;
const ROUNDS: usize = 101;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const NEXT_UPDATE: Timestamp = Timestamp::from_unix_seconds(1_800_003_600);

/// SplitMix64: as evenly spread as digests are.
struct Ids(u64);

impl Ids {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn id(&mut self) -> AttestationId {
        let mut bytes = [0; 32];
        for chunk in bytes.as_chunks_mut::<8>().0 {
            *chunk = self.number().to_be_bytes();
        }
        AttestationId::from_bytes(bytes)
    }
}

fn main() {
    let (key, public) = PrivateKey::generate();
    let mut ids = Ids(1);
    let revoked: Vec<AttestationId> = (0..ENTRIES).map(|_| ids.id()).collect();
    let entries: RevocationEntries = revoked
        .iter()
        .map(|&id| RevocationEntry::Link(id))
        .collect();
    let list = timed("sign", || {
        RevocationList::sign(entries, 1, NOW, NEXT_UPDATE, &key)
    })
    .expect("a list");
    let bytes = timed("write", || list.to_bytes());
    let list = timed("read", || RevocationList::from_bytes(&bytes)).expect("a list");
    let set = timed("verify and index", || {
        RevocationSet::new(list, &public, NOW)
    })
    .expect("a set");
    println!(
        "{:<24} {:8.2} bytes an entry",
        "size",
        set.size_bytes() as f64 / ENTRIES as f64
    );

    let hits: Vec<AttestationId> = (0..QUESTIONS)
        .map(|_| revoked[(ids.number() % ENTRIES as u64) as usize])
        .collect();
    let misses: Vec<AttestationId> = (0..QUESTIONS).map(|_| ids.id()).collect();
    let issuer = KeyId::from_bytes([7; 16]);
    let find = |id: &AttestationId| set.find(id, &issuer, NOW, Some(&issuer)).is_some();

    let mut times = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        for (questions, times) in [&misses, &hits].into_iter().zip(times.chunks_mut(2)) {
            let start = Instant::now();
            for id in questions {
                black_box(find(id));
            }
            times[0].push(start.elapsed());
            let start = Instant::now();
            let mut place = 0;
            for _ in 0..QUESTIONS {
                // The answer decides the next question.
                place = (place * 5 + 1 + 4 * usize::from(find(&questions[place]))) % QUESTIONS;
            }
            black_box(place);
            times[1].push(start.elapsed());
        }
    }
    let labels = [
        "miss",
        "miss, one after the other",
        "hit",
        "hit, one after the other",
    ];
    for (label, times) in labels.into_iter().zip(&mut times) {
        times.sort_unstable();
        let ns = times[ROUNDS / 2].as_secs_f64() * 1e9 / QUESTIONS as f64;
        println!("{label:<24} {ns:8.1} ns");
    }
}

fn timed<T>(label: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let made = work();
    println!("{label:<24} {:8.1} ms", start.elapsed().as_secs_f64() * 1e3);
    made
}
