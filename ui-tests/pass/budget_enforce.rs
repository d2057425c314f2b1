//! `enforce = "cooperative"`: a body that goes over is stopped, in every shape that it can have.
#![deny(warnings, missing_docs, unsafe_code, clippy::pedantic)]
#![allow(clippy::missing_errors_doc)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cnv::quota::{BudgetExceeded, Resource, RoundsExceeded};
use cnv::{budget, run, spend};

/// Room for both.
#[derive(Debug)]
enum Error {
    Budget(BudgetExceeded),
    Rounds,
}

impl From<BudgetExceeded> for Error {
    fn from(exceeded: BudgetExceeded) -> Self {
        Self::Budget(exceeded)
    }
}

impl From<RoundsExceeded> for Error {
    fn from(_: RoundsExceeded) -> Self {
        Self::Rounds
    }
}

fn is_stopped<T>(result: &Result<T, Error>, operation: &str) -> bool {
    match result {
        Err(Error::Budget(exceeded)) => {
            exceeded.resource == Resource::Cpu && exceeded.operation == Some(operation)
        }
        _ => false,
    }
}

/// Takes longer than 10 us by the wall clock, which is what limits under 100 us go by.
fn work() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(20) {}
}

#[budget(cpu = "10us", enforce = "cooperative")]
fn with_for(rounds: u32) -> Result<u32, Error> {
    let mut done = 0;
    for _ in 0..rounds {
        work();
        done += 1;
    }
    Ok(done)
}

#[budget(cpu = "10us", enforce = "cooperative")]
fn with_while() -> Result<(), Error> {
    while !std::hint::black_box(false) {
        work();
    }
    Ok(())
}

#[budget(cpu = "10us", enforce = "cooperative")]
fn with_loop() -> Result<(), Error> {
    'outer: loop {
        work();
        loop {
            if std::hint::black_box(false) {
                break 'outer;
            }
        }
    }
    Ok(())
}

#[budget(cpu = "10us", enforce = "cooperative")]
fn with_a_bound() -> Result<(), Error> {
    #[repeat(max = 1)]
    for _ in 0..9 {
        work();
    }
    Ok(())
}

#[budget(cpu = "1us", io = 1)]
fn callee() -> u32 {
    1
}

#[budget(cpu = "10us", io = 3, enforce = "cooperative")]
fn with_spends(reached: &mut u32) -> Result<u32, Error> {
    *reached += spend!(callee());
    work();
    Ok(match *reached {
        1 => {
            *reached += 10;
            spend!(callee())
        }
        _ => 0,
    } + spend!(callee()))
}

/// Loops of a closure and of a block inside are not the function's own; it is not stopped in them.
#[budget(cpu = "10us", enforce = "cooperative")]
fn with_a_closure() -> Result<u32, Error> {
    fn nested() -> u32 {
        for _ in 0..2 {
            work();
        }
        1
    }
    let closure = || -> u32 {
        let mut sum = nested();
        for _ in 0..2 {
            work();
            sum += 1;
        }
        sum
    };
    let future = async {
        for _ in 0..2 {
            work();
        }
    };
    drop(future);
    Ok(closure())
}

#[budget(cpu = "10us", enforce = "observe")]
fn observed() -> u32 {
    for _ in 0..2 {
        work();
    }
    2
}

async fn turn() {
    let mut is_ready = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut is_ready, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Nothing but awaits: one that waits is a checkpoint.
#[budget(cpu = "10us", enforce = "cooperative")]
async fn with_awaits() -> Result<u32, Error> {
    work();
    turn().await;
    unreachable!()
}

#[budget(cpu = "10us", enforce = "cooperative")]
async fn with_a_loop<T: Copy>(item: T) -> Result<T, Error> {
    for _ in 0..9 {
        work();
    }
    Ok(item)
}

struct Store;

#[budget(cpu = "10us", enforce = "cooperative")]
impl Store {
    fn scan(&self) -> Result<(), Error> {
        for _ in 0..9 {
            work();
        }
        Ok(())
    }
}

#[budget]
trait Source {
    #[budget(cpu = "10us")]
    fn fetch(&self) -> Result<(), Error>;
}

#[budget]
impl Source for Store {
    #[budget(enforce = "cooperative")]
    fn fetch(&self) -> Result<(), Error> {
        for _ in 0..9 {
            work();
        }
        Ok(())
    }
}

fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return output;
        }
    }
}

fn main() {
    assert!(is_stopped(&run!(with_for(u32::MAX)), "with_for"));
    assert!(matches!(run!(with_for(0)), Ok(0)));
    assert!(is_stopped(&run!(with_while()), "with_while"));
    assert!(is_stopped(&run!(with_loop()), "with_loop"));
    assert!(matches!(run!(with_a_bound()), Err(Error::Rounds)));
    let mut reached = 0;
    assert!(is_stopped(&run!(with_spends(&mut reached)), "with_spends"));
    assert_eq!(reached, 1, "stopped before the second");
    assert!(matches!(run!(with_a_closure()), Ok(3)));
    assert_eq!(run!(observed()), 2);
    assert!(is_stopped(&finish(run!(with_awaits())), "with_awaits"));
    assert!(is_stopped(&finish(run!(with_a_loop(1))), "with_a_loop"));
    assert!(is_stopped(&run!(Store.scan()), "scan"));
    assert!(is_stopped(&run!(Store.fetch()), "fetch"));
}
