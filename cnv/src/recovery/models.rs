//! Small programs around a gate, run in every order that their threads can take with a few preemptions:
//! `RUSTFLAGS="--cfg loom" cargo test -p cnv --lib --no-default-features --features attestation loom`.

use core::time::Duration;
use std::sync::Arc;
use std::task::Waker;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::breaker::{Outcome, Pass};
use super::counters::Event;
use super::gate::{Entry, Gate};
use super::queue::Ticket;
use super::settings::{Bulkhead, CircuitBreaker, Settings};
use super::slots;

/// Within the first bucket of a window.
const NOW: u64 = 1;

struct Model {
    settings: Settings,
    gate: Gate,
    running: AtomicUsize,
}

impl Model {
    /// The gate as the short way, too, finds it.
    fn enter(&self, waker: Option<Waker>) -> Entry {
        match self.gate.enter(NOW) {
            Some(pass) => Entry::Admitted(pass),
            None => self.gate.enter_slow(&self.settings, NOW, waker),
        }
    }

    fn try_enter(&self) -> Option<Pass> {
        match self.enter(None) {
            Entry::Admitted(pass) => Some(pass),
            Entry::Refused(_) => None,
            Entry::Queued(_) => unreachable!("nobody is queued without a waker"),
        }
    }

    /// Runs beside no more than `max - 1` others.
    fn run(&self, max: usize) {
        let others = self.running.fetch_add(1, Ordering::SeqCst);
        assert!(others < max, "over-admitted: {others} are running");
        self.running.fetch_sub(1, Ordering::SeqCst);
    }

    fn succeed(&self, pass: Pass) {
        self.gate.succeed(pass, false, &self.settings, NOW, || NOW);
    }
}

/// Runs `threads` on a gate that `before` prepared, and `afterwards` on what they returned.
fn in_every_order<T: Send + 'static, B: Send + Sync + Copy + 'static>(
    settings: Settings,
    preemptions: usize,
    before: fn(&Model) -> B,
    threads: &'static [fn(&Model, B) -> T],
    afterwards: fn(&Model, Vec<T>),
) {
    let mut orders = loom::model::Builder::new();
    orders.preemption_bound = Some(preemptions);
    orders.check(move || {
        let model = Arc::new(Model {
            settings,
            gate: Gate::new(&settings),
            running: AtomicUsize::new(0),
        });
        slots::thread::set_number(0);
        let prepared = before(&model);
        let running: Vec<_> = threads
            .iter()
            .enumerate()
            .map(|(index, &run)| {
                let model = Arc::clone(&model);
                thread::spawn(move || {
                    slots::thread::set_number(index + 1);
                    run(&model, prepared)
                })
            })
            .collect();
        let returned = running
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        let returned = returned.collect();
        afterwards(&model, returned);
    });
}

const fn bulkhead(max: u32, queue: u32) -> Settings {
    Settings::new().bulkhead(Bulkhead::new(max).queue(queue))
}

fn nothing(_: &Model) {}

fn take_all(model: &Model) -> Pass {
    model.try_enter().expect("nobody else has it")
}

/// Neither more than may, nor a permit that is gone for good.
#[test]
fn loom_a_bulkhead_admits_no_more_than_it_may_and_loses_no_permit() {
    fn work(model: &Model, _: ()) -> bool {
        let Some(pass) = model.try_enter() else {
            return false;
        };
        model.run(1);
        model.succeed(pass);
        true
    }
    in_every_order(
        bulkhead(1, 0),
        3,
        nothing,
        &[work, work],
        |model, admitted| {
            assert!(admitted.contains(&true));
            let pass = model.try_enter().expect("both have left");
            assert!(model.try_enter().is_none());
            model.succeed(pass);
        },
    );
}

/// Whoever is queued beside a call that ends has its turn, whichever was first.
#[test]
fn loom_nobody_waits_beside_a_free_permit() {
    fn end(model: &Model, pass: Pass) -> Option<Ticket> {
        model.succeed(pass);
        None
    }
    fn leave(model: &Model, _: Pass) -> Option<Ticket> {
        model.gate.leave();
        None
    }
    fn wait(model: &Model, _: Pass) -> Option<Ticket> {
        match model.enter(Some(Waker::noop().clone())) {
            Entry::Queued(ticket) => Some(ticket),
            Entry::Admitted(pass) => {
                model.succeed(pass);
                None
            }
            Entry::Refused(_) => unreachable!("there is a place in the queue"),
        }
    }
    fn afterwards(model: &Model, tickets: Vec<Option<Ticket>>) {
        for ticket in tickets.into_iter().flatten() {
            assert!(
                model.gate.poll_queue(ticket, Waker::noop()),
                "it waits for nobody"
            );
            model.gate.leave();
        }
        assert!(model.try_enter().is_some(), "a permit was lost");
    }
    in_every_order(bulkhead(1, 1), 3, take_all, &[end, wait], afterwards);
    in_every_order(bulkhead(1, 1), 3, take_all, &[leave, wait], afterwards);
}

/// A wait that ends just when it is granted hands the permit on.
#[test]
fn loom_a_wait_that_is_given_up_loses_no_permit() {
    fn end(model: &Model, pass: Pass) {
        model.succeed(pass);
    }
    fn give_up(model: &Model, _: Pass) {
        match model.enter(Some(Waker::noop().clone())) {
            Entry::Queued(ticket) => model.gate.cancel(ticket, false),
            Entry::Admitted(pass) => model.succeed(pass),
            Entry::Refused(_) => unreachable!("there is a place in the queue"),
        }
    }
    in_every_order(bulkhead(1, 2), 2, take_all, &[end, give_up], |model, _| {
        let pass = model.try_enter().expect("a permit was lost");
        assert!(model.try_enter().is_none(), "there are two");
        model.succeed(pass);
    });
}

const BREAKER: Settings = Settings::new().circuit_breaker(
    CircuitBreaker::new()
        .consecutive(1)
        .open(Duration::from_nanos(1))
        .half_open(Duration::from_secs(1))
        .probes(2),
);

/// Long after it opened.
const LATER: u64 = 100;

fn open(model: &Model) {
    let pass = model.try_enter().expect("it is closed");
    model.gate.fail(
        pass,
        Outcome::Failure,
        false,
        &model.settings,
        NOW,
        Event::Failure,
    );
}

fn probe(model: &Model) -> Option<Pass> {
    model.gate.attempt(&model.settings, LATER).ok()
}

/// Of three that ask at the same time two are let through.
#[test]
fn loom_half_open_lets_exactly_its_probes_through() {
    fn ask(model: &Model, (): ()) -> Option<Pass> {
        probe(model)
    }
    in_every_order(BREAKER, 2, open, &[ask, ask, ask], |_, passes| {
        let passes: Vec<Pass> = passes.into_iter().flatten().collect();
        assert_eq!(passes.len(), 2);
        assert!(passes.iter().all(|pass| pass.is_probe));
        assert_eq!(passes[0].epoch, passes[1].epoch);
    });
}

/// A probe that is dropped is there for others, and those that succeed close it.
#[test]
fn loom_a_probe_that_is_dropped_comes_back() {
    fn drop_one(model: &Model, (): ()) -> usize {
        let pass = probe(model).expect("there are two probes");
        let (settings, gate) = (&model.settings, &model.gate);
        gate.fail(
            pass,
            Outcome::Nothing,
            false,
            settings,
            LATER,
            Event::Abandoned,
        );
        0
    }
    fn succeed(model: &Model, (): ()) -> usize {
        let pass = probe(model).expect("there are two probes");
        model
            .gate
            .succeed(pass, false, &model.settings, LATER, || LATER);
        1
    }
    in_every_order(
        BREAKER,
        2,
        open,
        &[drop_one, succeed],
        |model, succeeded| {
            assert_eq!(succeeded.iter().sum::<usize>(), 1);
            let pass = probe(model).expect("one more is wanted");
            assert!(probe(model).is_none(), "one was enough");
            model
                .gate
                .succeed(pass, false, &model.settings, LATER, || LATER);
            let pass = probe(model).expect("it is closed");
            assert!(!pass.is_probe);
        },
    );
}
