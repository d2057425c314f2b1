//! What accounts add up to, and what they say where that is too much.

use super::*;

/// The caller of every test: 1 MB, 1 ms, 10 operations, no network.
const HANDLER: Limits = Limits {
    memory_bytes: 1_000_000,
    cpu_ns: 1_000_000,
    io_ops: 10,
    network_bytes: 0,
};

const NOTHING: Limits = Limits {
    memory_bytes: 0,
    cpu_ns: 0,
    io_ops: 0,
    network_bytes: 0,
};

/// A call that keeps all of its memory.
fn keeps(limits: Limits) -> Cost {
    let retained = limits.memory_bytes;
    Cost {
        limits,
        retained,
        timeout_ns: UNLIMITED,
    }
}

fn step(account: Account, callee: &'static str, limits: Limits, times: u64) -> Account {
    super::step(account, callee, keeps(limits), times)
}

#[track_caller]
fn message(account: Account, limits: Limits, times: u64) -> String {
    refusal(account, keeps(limits), times)
}

#[track_caller]
fn refusal(account: Account, cost: Cost, times: u64) -> String {
    match charge(account, "fetch", cost, times) {
        Ok(account) => panic!("accepted: {account:?}"),
        Err(call) => call.message(&account).as_str().to_owned(),
    }
}

fn memory(memory_bytes: u64) -> Limits {
    Limits {
        memory_bytes,
        ..NOTHING
    }
}

fn cpu(cpu_ns: u64) -> Limits {
    Limits { cpu_ns, ..NOTHING }
}

fn io(io_ops: u64) -> Limits {
    Limits { io_ops, ..NOTHING }
}

fn network(network_bytes: u64) -> Limits {
    Limits {
        network_bytes,
        ..NOTHING
    }
}

#[test]
fn a_sequence_adds_up_and_says_what_is_left() {
    let account = step(open("handler", HANDLER), "load", memory(600_000), 1);
    assert_eq!(
        message(account, memory(600_000), 1),
        "over budget: `fetch` needs 600 KB of memory but `handler` has 400 KB left of its 1 MB"
    );
    let account = step(account, "fetch", memory(400_000), 1);
    assert_eq!(
        message(account, memory(1), 1),
        "over budget: `fetch` needs 1 B of memory but `handler` has none left of its 1 MB"
    );
}

#[test]
fn an_unlimited_callee_needs_an_unlimited_caller() {
    let account = step(open("handler", HANDLER), "load", memory(600_000), 1);
    assert_eq!(
        message(account, memory(UNLIMITED), 1),
        "over budget: `fetch` may use unlimited memory but `handler` has 400 KB left of its \
         1 MB; give `fetch` a memory limit"
    );
    assert_eq!(
        message(account, network(UNLIMITED), 1),
        "over budget: `fetch` may use unlimited network but `handler` declares none; \
         give `fetch` a network limit"
    );
    let free = open("handler", Limits::unlimited());
    let free = step(free, "fetch", Limits::unlimited(), u64::MAX);
    let _ = step(free, "fetch", Limits::unlimited(), 1);
}

#[test]
fn an_undeclared_resource_is_named_with_what_to_write() {
    let silent = Limits {
        io_ops: 0,
        ..HANDLER
    };
    let account = open("handler", silent);
    assert_eq!(
        message(account, io(4), 1),
        "over budget: `fetch` needs 4 I/O operations but `handler` declares none; \
         write `io = 4` in its budget"
    );
    assert_eq!(
        message(account, io(1), 1),
        "over budget: `fetch` needs 1 I/O operation but `handler` declares none; \
         write `io = 1` in its budget"
    );
    assert_eq!(
        message(account, io(50_000), 2),
        "over budget: 2 calls of `fetch` need 100k I/O operations but `handler` declares none; \
         write `io = \"100k\"` in its budget"
    );
    assert_eq!(
        message(account, network(4_000), 1),
        "over budget: `fetch` needs 4 KB of network but `handler` declares none; \
         write `network = \"4KB\"` in its budget"
    );
}

#[test]
fn a_caller_keeps_a_nanosecond_for_itself() {
    let account = open("handler", HANDLER);
    let _ = step(account, "fetch", cpu(999_999), 1);
    assert_eq!(
        message(account, cpu(1_000_000), 1),
        "over budget: `fetch` needs 1 ms of cpu but `handler` has 1 ms left of its 1 ms, \
         and needs at least 1 ns for itself"
    );
    assert_eq!(
        message(account, cpu(2_000_000), 1),
        "over budget: `fetch` needs 2 ms of cpu but `handler` has 1 ms left of its 1 ms"
    );
    assert_eq!(
        message(open("handler", NOTHING), NOTHING, 1),
        "over budget: `handler` declares no cpu but needs at least 1 ns for itself"
    );
}

#[test]
fn the_first_resource_in_order_is_reported() {
    let everything = Limits {
        memory_bytes: 1_000_001,
        cpu_ns: UNLIMITED,
        io_ops: 11,
        network_bytes: 1,
    };
    let account = open("handler", HANDLER);
    let first = |limits| message(account, limits, 1);
    assert!(first(everything).contains("of memory"));
    let rest = Limits {
        memory_bytes: 0,
        ..everything
    };
    assert!(first(rest).contains("unlimited cpu"));
    let rest = Limits { cpu_ns: 0, ..rest };
    assert!(first(rest).contains("I/O"));
    let rest = Limits { io_ops: 0, ..rest };
    assert!(first(rest).contains("of network"));
}

#[test]
fn the_larger_branch_counts_for_each_resource() {
    let before = open("handler", HANDLER);
    let a = step(before, "a", memory(600_000), 1);
    let b = step(step(before, "b", memory(100_000), 1), "c", io(7), 1);
    for after in [larger(a, b), larger(b, a)] {
        assert_eq!(after.used.memory_bytes, 600_000);
        assert_eq!(after.used.io_ops, 7);
        assert_eq!(after.name, "handler");
    }
}

#[test]
fn products_do_not_overflow() {
    let account = open("handler", HANDLER);
    assert_eq!(
        message(account, memory(UNLIMITED - 1), u64::MAX),
        "over budget: 18446744073709551615 calls of `fetch` need \
         340282366920938463408034375210639556.61 KB of memory but `handler` has 1 MB left \
         of its 1 MB"
    );
    let huge = Limits {
        memory_bytes: UNLIMITED - 1,
        ..HANDLER
    };
    let account = step(open("handler", huge), "a", memory(UNLIMITED - 1), 1);
    assert!(charge(account, "b", keeps(memory(1)), 1).is_err());
    assert!(charge(account, "b", keeps(memory(UNLIMITED - 1)), 0).is_ok());
}

/// A call with a peak of `peak` bytes that keeps `retained` of them.
fn pair(peak: u64, retained: u64) -> Cost {
    Cost {
        limits: memory(peak),
        retained,
        timeout_ns: UNLIMITED,
    }
}

#[test]
fn only_what_a_call_keeps_is_there_during_the_next() {
    let account = super::step(open("handler", HANDLER), "a", pair(900_000, 100_000), 1);
    assert_eq!(account.used.memory_bytes, 900_000);
    assert_eq!(
        refusal(account, pair(900_001, 0), 1),
        "over budget: `fetch` needs 900.001 KB of memory but `handler` has 900 KB left of its 1 MB"
    );
    let account = super::step(account, "b", pair(900_000, 0), 1);
    assert_eq!(
        (account.used.memory_bytes, account.retained),
        (1_000_000, 100_000)
    );
}

/// Every order of peaks in every number of rounds is within what is charged.
#[test]
fn a_loop_has_at_most_what_is_charged() {
    let calls = [(7, 2), (5, 5), (9, 0), (1, 1)];
    for rounds in 1..5 {
        for first in 0..calls.len() {
            for second in 0..calls.len() {
                let calls = [calls[first], calls[second]];
                let mut account = enter_loop(open("handler", HANDLER));
                for (peak, retained) in calls {
                    account = super::step(account, "a", pair(peak, retained), rounds);
                }
                let (mut held, mut real) = (0, 0);
                for _ in 0..rounds {
                    for (peak, retained) in calls {
                        real = real.max(held + peak);
                        held += retained;
                    }
                }
                let account = leave_loop(account);
                assert!(account.used.memory_bytes >= real, "{calls:?} {rounds}");
                assert_eq!(account.retained, held);
            }
        }
    }
    let single = super::step(enter_loop(open("handler", HANDLER)), "a", pair(9, 2), 10);
    assert_eq!(single.used.memory_bytes, 27, "one call in a loop is exact");
}

#[test]
fn a_loop_says_how_often_and_what_is_left() {
    let account = super::step(open("handler", HANDLER), "a", pair(300_000, 100_000), 1);
    let account = enter_loop(account);
    assert_eq!(
        refusal(account, pair(200_000, 100_000), 9),
        "over budget: 9 calls of `fetch` need 1 MB of memory but `handler` has 900 KB left of its 1 MB"
    );
    let account = super::step(account, "b", pair(200_000, 0), 9);
    assert_eq!(
        refusal(account, pair(100_000, 100_000), 8),
        "over budget: 8 calls of `fetch` need 800 KB of memory but `handler` has 700 KB left of its 1 MB"
    );
}

#[test]
#[should_panic(
    expected = "`fetch` has a timeout of 2 s, and `handler`, which calls it, one of 1 s: write a shorter one there, or a longer one here"
)]
fn a_call_takes_no_longer_than_who_makes_it() {
    let within = |ns| within(open("handler", HANDLER), ns);
    let call = Cost {
        timeout_ns: 2_000_000_000,
        ..keeps(NOTHING)
    };
    let _ = super::step(within(2_000_000_000), "fetch", call, 1);
    let _ = super::step(within(1_000_000_000), "fetch", keeps(NOTHING), 1);
    let _ = super::step(within(1_000_000_000), "fetch", call, 1);
}
