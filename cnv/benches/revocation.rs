//! A revocation set of a million links: ns a question, bytes an entry, and what it takes to make one.
//!
//! `cargo bench -p cnv --bench revocation`. The questions take turns within each round, so that a busy machine slows all
//! of them alike; what is printed is the median over the rounds and the least, in processor time where the system tells
//! it. "One after the other" waits for each answer before it asks the next question, as a caller does who asks about one
//! link.

use std::collections::HashSet;
use std::hint::black_box;
use std::time::Duration;

use cnv::attestation::revocation::{
    RevocationEntries, RevocationEntry, RevocationList, RevocationSet,
};
use cnv::attestation::{AttestationId, KeyId, PrivateKey, Timestamp};

const ENTRIES: usize = 1_000_000;
/// So many that what one round reads of the set is not in the nearer caches for the next.
const QUESTIONS: usize = 1 << 17;
const ROUNDS: usize = 15;

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
        "{:<42} {:8.2} bytes an entry",
        "size",
        set.size_bytes() as f64 / ENTRIES as f64
    );

    let mut sorted = revoked.clone();
    sorted.sort_unstable();
    let hashed: HashSet<AttestationId> = revoked.iter().copied().collect();
    let issuer = KeyId::from_bytes([7; 16]);
    let ways: [(&str, &dyn Fn(&AttestationId) -> bool); 3] = [
        ("set", &|id| {
            set.find(id, &issuer, NOW, Some(&issuer)).is_some()
        }),
        ("HashSet", &|id| hashed.contains(id)),
        ("binary search", &|id| sorted.binary_search(id).is_ok()),
    ];
    let hits: Vec<AttestationId> = (0..QUESTIONS)
        .map(|_| revoked[(ids.number() % ENTRIES as u64) as usize])
        .collect();
    let misses: Vec<AttestationId> = (0..QUESTIONS).map(|_| ids.id()).collect();
    for (kind, questions, expected) in [("miss", &misses, false), ("hit", &hits, true)] {
        let mut times = [const { [const { Vec::new() }; 2] }; 3];
        for round in 0..ROUNDS {
            for way in 0..ways.len() {
                let way = (way + round) % ways.len();
                let ask = ways[way].1;
                let start = now();
                for id in questions {
                    black_box(ask(id));
                }
                times[way][0].push(now() - start);
                let start = now();
                let mut place = 0;
                while place < QUESTIONS {
                    // The answer decides where the next question stands.
                    place += usize::from(black_box(ask(&questions[place])) == expected);
                }
                times[way][1].push(now() - start);
            }
        }
        for ((name, _), times) in ways.iter().zip(&mut times) {
            for (how, times) in ["", ", one after the other"].into_iter().zip(times) {
                times.sort_unstable();
                let ns = |time: Duration| time.as_secs_f64() * 1e9 / QUESTIONS as f64;
                let label = format!("{kind}, {name}{how}");
                let (median, least) = (ns(times[ROUNDS / 2]), ns(times[0]));
                println!("{label:<42} {median:8.1} ns, at least {least:.1} ns");
            }
        }
    }
}

fn timed<T>(label: &str, work: impl FnOnce() -> T) -> T {
    let start = now();
    let made = work();
    println!("{label:<42} {:8.1} ms", (now() - start).as_secs_f64() * 1e3);
    made
}

/// The processor time of this thread.
#[cfg(unix)]
fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(not(unix))]
fn now() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}
