//! Goals 1 to 3: reading what is published, beside `arc-swap`.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Cache};
use cnv::grammar::Published;

use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Measured, Ratio, Settings, measure};

const READER: &str = "reader";
const PEER: &str = "arc-swap's cache";
const LOCKED: &str = "a lock and a clone";

/// Of a full run; a short one, with fewer rounds than the default, makes a hundredth of it.
const READS: u64 = 1_000_000_000;
const SWAPS: u64 = 10_000_000;
const FULL_ROUNDS: usize = 101;

/// Every part is the same number, so that half of one value and half of another are seen.
struct Value([u64; 8]);

struct Pair {
    published: Arc<Published<Value>>,
    peer: Arc<ArcSwap<Value>>,
}

impl Pair {
    fn new() -> Self {
        Self {
            published: Arc::new(Published::new(Value([0; 8]))),
            peer: Arc::new(ArcSwap::from_pointee(Value([0; 8]))),
        }
    }

    fn publish(&self, number: u64) {
        let value = Arc::new(Value([number; 8]));
        self.published.publish(Arc::clone(&value));
        self.peer.store(value);
    }

    fn measure(&self, name: &str, settings: Settings) -> Measured {
        let mut reader = self.published.reader();
        let mut cache = Cache::new(Arc::clone(&self.peer));
        let contenders = vec![
            Contender::new(READER, move || reader.current().0[0]),
            Contender::new(PEER, move || cache.load().0[0]),
            Contender::new(LOCKED, || self.published.current().0[0]),
        ];
        measure(name, 1, settings, contenders)
    }
}

/// Measures them.
pub fn run(settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    let pair = Pair::new();
    let idle = pair.measure("a read, nothing published", settings);
    let is_over = AtomicBool::new(false);
    let swaps = AtomicU64::new(0);
    let (busy, rate) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let begin = Instant::now();
            while !is_over.load(Ordering::Relaxed) {
                // What a busy machine made it miss, it makes up for.
                while u128::from(swaps.load(Ordering::Relaxed)) < begin.elapsed().as_millis() {
                    pair.publish(swaps.fetch_add(1, Ordering::Relaxed));
                }
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        let begin = Instant::now();
        let busy = pair.measure("a read, 1000 published a second", settings);
        let rate = swaps.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64();
        is_over.store(true, Ordering::Relaxed);
        (busy, rate)
    });
    let share = if settings.rounds < FULL_ROUNDS {
        100
    } else {
        1
    };
    let torn = torn(READS / share, SWAPS / share);
    let goal = |number, text: &str, part: &str, wanted, measured| Goal {
        number,
        text: text.into(),
        part: part.into(),
        wanted,
        measured,
    };
    let ns = "a read of what is published, ns";
    let goals = vec![
        goal(
            1,
            ns,
            "nothing published",
            Wanted::AtMost(1.5),
            idle.ns(READER),
        ),
        goal(
            1,
            ns,
            "arc-swap's cache",
            Wanted::ForInformation,
            idle.ns(PEER),
        ),
        goal(
            2,
            ns,
            "1000 published a second",
            Wanted::AtMost(10.0),
            busy.ns(READER),
        ),
        goal(
            2,
            ns,
            "arc-swap's cache then",
            Wanted::ForInformation,
            busy.ns(PEER),
        ),
        goal(
            2,
            "published",
            "a second",
            Wanted::ForInformation,
            Ratio::exact(rate),
        ),
        goal(
            3,
            "torn or older than the one before",
            &format!("of {} reads during {} exchanges", torn.reads, torn.swaps),
            Wanted::AtMost(0.0),
            Ratio::exact(torn.found as f64),
        ),
    ];
    (vec![Group::from(&idle), Group::from(&busy)], goals)
}

struct Torn {
    reads: u64,
    swaps: u64,
    found: u64,
}

/// Reads while another thread publishes as fast as it can.
fn torn(reads: u64, swaps: u64) -> Torn {
    let published = Arc::new(Published::new(Value([0; 8])));
    let mut reader = published.reader();
    let done = AtomicU64::new(0);
    let (made, found) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut number = 0;
            while number < swaps || done.load(Ordering::Relaxed) < reads {
                number += 1;
                published.publish(Arc::new(Value([number; 8])));
            }
            number
        });
        let (mut found, mut last) = (0, 0);
        for read in 0..reads {
            let Value(parts) = &**black_box(reader.current());
            let is_whole = parts.iter().all(|part| *part == parts[0]);
            found += u64::from(!is_whole || parts[0] < last);
            last = parts[0];
            if read % 4096 == 0 {
                done.store(read, Ordering::Relaxed);
            }
        }
        done.store(reads, Ordering::Relaxed);
        let made = writer.join().expect("it does not panic");
        // What was published last is there.
        found += u64::from(reader.current().0[0] != made);
        (made, found)
    });
    Torn {
        reads,
        swaps: made,
        found,
    }
}
