//! Goals 2 to 6: what metering takes of a running program, over the same without. And what a shared pool takes.

use std::hint::black_box;
use std::io::Read;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cnv::quota::{BudgetPool, LargeBudget, Limits, Metered, Operation, Resource, measure as meter};
use cnv::{budget, run};

use super::goal;
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Settings, measure};

/// Calls, polls or reads of a pass.
const ITEMS: usize = 64;

const PLAIN: &str = "plain";
const BUDGET: &str = "#[budget]";
const BOUND: &str = "measure, below 100 us";
const EXACT: &str = "measure, 1 ms";
const METERED: &str = "metered";
const RESERVE: &str = "try_reserve and drop";
const BY_HAND: &str = "allocate_memory and release_memory";
const LOCK: &str = "a Mutex twice";

/// Measures them.
pub fn run(settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    let parts = [
        calls(settings),
        long_body(settings),
        polls(settings),
        reads(settings),
        pool(settings),
    ];
    let mut all: (Vec<Group>, Vec<Goal>) = Default::default();
    for (group, goals) in parts {
        all.0.push(group);
        all.1.extend(goals);
    }
    all
}

fn plain(value: u64) -> u64 {
    black_box(value).wrapping_mul(3)
}

#[budget(memory = "1KB")]
fn budgeted(value: u64) -> u64 {
    plain(value)
}

/// With a limit on processor time and none on anything else.
const fn cpu(cpu_ns: u64) -> Limits {
    Limits {
        cpu_ns,
        ..Limits::unlimited()
    }
}

/// A contender that does `call` so often.
fn repeated<'a>(name: &'static str, mut call: impl FnMut(u64) -> u64 + 'a) -> Contender<'a> {
    Contender::new(name, move || {
        let mut sum = 0;
        for item in 0..ITEMS as u64 {
            sum ^= call(item);
        }
        sum
    })
}

fn calls(settings: Settings) -> (Group, Vec<Goal>) {
    let contenders = vec![
        repeated(PLAIN, plain),
        repeated(BUDGET, |item| run!(budgeted(item))),
        repeated(BOUND, |item| {
            let (value, usage) = meter("call", cpu(50_000), || plain(item));
            value ^ usage.cpu_ns
        }),
        repeated(EXACT, |item| {
            let (value, usage) = meter("call", cpu(1_000_000), || plain(item));
            value ^ usage.cpu_ns
        }),
    ];
    let measured = measure("a call", ITEMS, settings, contenders);
    let goals = vec![
        goal(
            2,
            "a scope, ns",
            "memory: #[budget] without a clock",
            Wanted::AtMost(5.0),
            measured.ns_over(BUDGET, PLAIN),
        ),
        goal(
            3,
            "a scope, ns",
            "and processor time, an upper bound",
            Wanted::AtMost(35.0),
            measured.ns_over(BOUND, PLAIN),
        ),
        goal(
            4,
            "a scope, % of 100 us",
            "and processor time, exact, of a body of nothing",
            Wanted::ForInformation,
            measured.ns_over(EXACT, PLAIN).map(|ns| ns / 1_000.0),
        ),
    ];
    (Group::from(&measured), goals)
}

/// Arithmetic of which each step waits for the one before.
fn body(steps: u64) -> u64 {
    (0..steps).fold(black_box(1), |value, step| {
        black_box(value.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ step)
    })
}

/// So many steps that the body takes 100 us.
fn steps_of_100_us() -> u64 {
    let mut steps = 1_000;
    loop {
        // The fastest of several, since others have turns on this processor.
        let fastest = (0..7).map(|_| {
            let start = Instant::now();
            black_box(body(steps));
            start.elapsed()
        });
        let fastest = fastest.min().unwrap_or_default();
        if fastest >= Duration::from_micros(100) {
            return (steps as f64 * 1e-4 / fastest.as_secs_f64()) as u64;
        }
        steps *= 2;
    }
}

fn long_body(settings: Settings) -> (Group, Vec<Goal>) {
    let steps = steps_of_100_us();
    let settings = Settings {
        slice: Duration::from_millis(1),
        ..settings
    };
    let contenders = vec![
        Contender::new(PLAIN, || body(steps)),
        Contender::new(EXACT, || {
            let (value, usage) = meter("body", cpu(1_000_000), || body(steps));
            value ^ usage.cpu_ns
        }),
    ];
    let measured = measure("a body of 100 us", 1, settings, contenders);
    let goals = vec![goal(
        4,
        "a scope, % of a body of 100 us",
        "and processor time, exact",
        Wanted::AtMost(1.5),
        measured
            .time_over(EXACT, &[PLAIN])
            .map(|ratio| (ratio - 1.0) * 100.0),
    )];
    (Group::from(&measured), goals)
}

/// Pending the first time it is polled.
#[derive(Default)]
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Ready at the poll number `polls`.
async fn plain_future(polls: usize) -> usize {
    for _ in 1..polls {
        Yield::default().await;
    }
    black_box(polls)
}

#[budget(memory = "1KB")]
async fn budgeted_future(polls: usize) -> usize {
    plain_future(polls).await
}

/// As `budgeted_future` is but for the budget.
async fn nested_future(polls: usize) -> usize {
    plain_future(polls).await
}

fn poll_to_end<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = black_box(future.as_mut()).poll(&mut context) {
            return output;
        }
    }
}

fn polls(settings: Settings) -> (Group, Vec<Goal>) {
    let contenders = vec![
        Contender::new(PLAIN, || poll_to_end(nested_future(black_box(ITEMS)))),
        Contender::new(BUDGET, || {
            poll_to_end(run!(budgeted_future(black_box(ITEMS))))
        }),
    ];
    let measured = measure("a poll", ITEMS, settings, contenders);
    let goals = vec![goal(
        5,
        "a poll, ns",
        "#[budget] on an async function",
        Wanted::AtMost(12.0),
        measured.ns_over(BUDGET, PLAIN),
    )];
    (Group::from(&measured), goals)
}

/// Reads 16 bytes at a time to the end, in one call each.
fn read(mut input: impl Read) -> u64 {
    let mut bytes = [0; 16];
    let mut sum = 0;
    while let Ok(16) = input.read(black_box(&mut bytes)) {
        sum ^= u64::from(bytes[0]);
    }
    sum
}

fn reads(settings: Settings) -> (Group, Vec<Goal>) {
    let bytes: Vec<u8> = (0..16 * ITEMS).map(|at| at as u8).collect();
    let operation = Operation::<LargeBudget>::new("read");
    let contenders = vec![
        Contender::new(PLAIN, || operation.execute(|| read(black_box(&bytes[..])))),
        Contender::new(METERED, || {
            operation.execute(|| read(Metered::new(black_box(&bytes[..]))))
        }),
    ];
    let measured = measure("a read of 16 bytes", ITEMS, settings, contenders);
    let goals = vec![goal(
        6,
        "a read of 16 bytes, ns",
        "Metered over its reader",
        Wanted::AtMost(1.0),
        measured.ns_over(METERED, PLAIN),
    )];
    (Group::from(&measured), goals)
}

const REQUEST: Limits = Limits {
    memory_bytes: 100,
    cpu_ns: 0,
    io_ops: 0,
    network_bytes: 0,
};

fn pool(settings: Settings) -> (Group, Vec<Goal>) {
    let pool = BudgetPool::from_budget(&LargeBudget::default());
    let counters = Mutex::new([0_u64; 4]);
    let add = |sign: i64| {
        let mut counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
        for (counter, resource) in counters.iter_mut().zip(Resource::ALL) {
            *counter = counter.wrapping_add_signed(sign * REQUEST.limit(resource) as i64);
        }
    };
    let contenders = vec![
        repeated(RESERVE, |_| {
            pool.try_reserve(black_box(REQUEST)).is_ok().into()
        }),
        repeated(BY_HAND, |_| {
            let taken = pool.allocate_memory(black_box(100));
            pool.release_memory(100);
            taken.is_ok().into()
        }),
        repeated(LOCK, |item| {
            add(1);
            add(-1);
            item
        }),
    ];
    let measured = measure(
        "a shared pool, nobody else there",
        ITEMS,
        settings,
        contenders,
    );
    let goals = [RESERVE, BY_HAND, LOCK].map(|name| {
        let ns = measured.ns(name);
        goal(9, "a shared pool, ns", name, Wanted::ForInformation, ns)
    });
    (Group::from(&measured), goals.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnv::quota::{BudgetExceeded, charge_io};

    #[budget(io = 1)]
    fn held() -> Result<(), BudgetExceeded> {
        charge_io(1)?;
        charge_io(1)
    }

    /// What is measured here would be nothing, if this program was built without meters.
    #[test]
    fn a_budget_is_metered_here() {
        assert_eq!(run!(held()).unwrap_err().operation, Some("held"));
    }

    #[test]
    fn contenders_do_the_same_work() {
        assert_eq!(run!(budgeted(7)), plain(7));
        assert_eq!(poll_to_end(run!(budgeted_future(5))), 5);
        assert_eq!(poll_to_end(nested_future(5)), 5);
        let bytes: Vec<u8> = (0..160).collect();
        assert_eq!(read(&bytes[..]), read(Metered::new(&bytes[..])));
        assert_ne!(read(&bytes[..]), 0);
        let mut context = Context::from_waker(Waker::noop());
        let mut future = pin!(run!(budgeted_future(3)));
        assert!(future.as_mut().poll(&mut context).is_pending());
        assert!(future.as_mut().poll(&mut context).is_pending());
        assert_eq!(future.as_mut().poll(&mut context), Poll::Ready(3));
    }

    #[test]
    fn every_goal_has_a_figure() {
        let settings = Settings {
            rounds: 1,
            slice: Duration::ZERO,
        };
        let (groups, goals) = run(settings);
        assert_eq!(groups.len(), 5);
        let numbers: Vec<u8> = goals.iter().map(|goal| goal.number).collect();
        assert_eq!(numbers, [2, 3, 4, 4, 5, 6, 9, 9, 9]);
    }
}
