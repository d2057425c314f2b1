//! A pool that threads share: nothing is admitted beyond it, and nothing is lost.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use cnv::quota::{
    Budget, BudgetExceeded, BudgetPool, LargeBudget, Limits, MediumBudget, Reservation, Resource,
    UNLIMITED, charge_io, measure,
};
use proptest::prelude::*;

const fn all(amount: u64) -> Limits {
    Limits {
        memory_bytes: amount,
        cpu_ns: amount,
        io_ops: amount,
        network_bytes: amount,
    }
}

fn used(pool: &BudgetPool) -> [u64; 4] {
    let stats = pool.stats();
    Resource::ALL.map(|resource| stats.used(resource))
}

#[test]
fn a_reservation_gives_its_memory_back_and_keeps_the_rest_spent() -> Result<(), BudgetExceeded> {
    let pool = BudgetPool::from_budget(&LargeBudget::default());
    let reservation = pool.try_reserve(MediumBudget::LIMITS)?;
    assert_eq!(reservation.limits(), MediumBudget::LIMITS);
    assert_eq!(used(&pool), [1_000_000, 1_000_000, 100, 100_000]);
    drop(reservation);
    assert_eq!(used(&pool), [0, 1_000_000, 100, 100_000]);
    Ok(())
}

#[test]
fn a_request_takes_all_or_nothing() {
    let pool = BudgetPool::from_limits(all(10));
    let held = pool.try_reserve(all(4)).unwrap();
    for resource in Resource::ALL {
        let mut asked = all(6);
        match resource {
            Resource::Memory => asked.memory_bytes = 7,
            Resource::Cpu => asked.cpu_ns = 7,
            Resource::Io => asked.io_ops = 7,
            _ => asked.network_bytes = 7,
        }
        let refused = pool.try_reserve(asked).unwrap_err();
        assert_eq!(refused.resource, resource);
        assert_eq!((refused.limit, refused.used, refused.requested), (10, 4, 7));
        assert_eq!(used(&pool), [4; 4]);
    }
    assert!(pool.try_reserve(all(6)).is_ok());
    drop(held);
}

#[test]
fn what_was_not_used_is_given_back() {
    let pool = BudgetPool::from_limits(all(100));
    let mut reservation = pool.try_reserve(all(50)).unwrap();
    reservation.settle_with(all(20)).unwrap();
    assert_eq!(used(&pool), [20; 4]);
    // What counts is the last.
    reservation.settle_with(all(30)).unwrap();
    assert_eq!(used(&pool), [30; 4]);
    drop(reservation);
    assert_eq!(used(&pool), [0, 30, 30, 30]);
}

#[test]
fn what_was_used_beyond_is_counted_and_said() {
    let pool = BudgetPool::from_limits(all(100));
    let mut reservation = pool.try_reserve(all(50)).unwrap();
    let over = reservation.settle_with(Limits {
        io_ops: 130,
        ..all(50)
    });
    let over = over.unwrap_err();
    assert_eq!(over.to_string(), "over budget: io: 130 used, 50 allowed");
    let stats = pool.stats();
    assert_eq!(stats.first_over(), Some(Resource::Io));
    assert_eq!(
        (stats.used(Resource::Io), stats.remaining(Resource::Io)),
        (130, 0)
    );
    assert_eq!(stats.io_utilization(), 1.3);
    assert_eq!(pool.consume_io(1).unwrap_err().remaining(), 0);
    // What needs none of it goes on.
    drop(reservation);
    let rest = Limits {
        io_ops: 0,
        ..all(50)
    };
    assert!(pool.try_reserve(rest).is_ok());
}

#[test]
fn metered_work_is_settled() -> Result<(), BudgetExceeded> {
    let pool = BudgetPool::from_budget(&LargeBudget::default());
    let mut reservation = pool.try_reserve(MediumBudget::LIMITS)?;
    let (result, usage) = measure("work", reservation.limits(), || charge_io(7));
    result?;
    reservation.settle(&usage)?;
    let [memory, cpu, io, network] = used(&pool);
    // Nobody meters memory in this program, so it stays as it was reserved.
    assert_eq!((memory, io, network), (1_000_000, 7, 0));
    assert_eq!(cpu, usage.cpu_ns);
    Ok(())
}

#[test]
fn what_has_no_limit_is_counted_when_it_is_settled() {
    let pool = BudgetPool::from_limits(Limits {
        io_ops: 10,
        ..Limits::unlimited()
    });
    let refused = pool.try_reserve(Limits::unlimited()).unwrap_err();
    assert_eq!(refused.resource, Resource::Io);
    let mut reservation = pool
        .try_reserve(Limits {
            io_ops: 10,
            ..Limits::unlimited()
        })
        .unwrap();
    assert_eq!(used(&pool), [0, 0, 10, 0]);
    reservation.settle_with(all(7)).unwrap();
    assert_eq!(used(&pool), [7; 4]);
}

#[test]
fn counters_stop_at_their_end_and_come_back_from_it() {
    let pool = BudgetPool::from_limits(all(100));
    let first = pool.try_reserve(all(5)).unwrap();
    let mut second = pool.try_reserve(all(5)).unwrap();
    second.settle_with(all(u64::MAX)).unwrap_err();
    assert_eq!(used(&pool), [u64::MAX; 4]);
    drop(first);
    assert!(
        pool.allocate_memory(96).is_err(),
        "more was used than there is"
    );
    drop(second);
    assert_eq!(pool.stats().used(Resource::Memory), 0);
    pool.release_memory(1);
    assert_eq!(pool.stats().used(Resource::Memory), 0);
}

#[test]
fn a_task_takes_its_reservation_along() {
    let pool = Arc::new(BudgetPool::from_limits(all(10)));
    let reservation = pool.try_reserve_owned(all(10)).unwrap();
    assert!(pool.try_reserve_owned(all(1)).is_err());
    thread::spawn(move || drop(reservation)).join().unwrap();
    assert_eq!(used(&pool), [0, 10, 10, 10]);
    assert_eq!(Arc::strong_count(&pool), 1);
}

#[test]
fn a_panic_gives_the_memory_back() {
    let pool = BudgetPool::from_limits(all(10));
    let worker = thread::scope(|scope| {
        let work = || {
            let _reservation = pool.try_reserve(all(10)).unwrap();
            panic!("the work's own fault");
        };
        scope.spawn(work).join()
    });
    assert!(worker.is_err());
    assert_eq!(pool.stats().used(Resource::Memory), 0);
}

/// What is held at any moment is kept beside the pool by those who hold it: raised after a reservation is there and
/// lowered before it ends, so it is never more than the pool's.
#[test]
fn eight_threads_are_admitted_no_more_than_there_is() {
    const ROUNDS: u64 = 20_000;
    let limits = Limits {
        memory_bytes: 20,
        cpu_ns: 8 * ROUNDS * 3 / 2,
        io_ops: UNLIMITED,
        network_bytes: 8 * ROUNDS,
    };
    let pool = BudgetPool::from_limits(limits);
    let held = AtomicU64::new(0);
    let work = |number: u64| {
        let (mut admitted, mut cpu_ns, mut io_ops) = (0, 0, 0);
        for round in 0..ROUNDS {
            let memory_bytes = 1 + (round + number) % 7;
            let asked = Limits {
                memory_bytes,
                cpu_ns: 3,
                io_ops: 2,
                network_bytes: 1,
            };
            let Ok(mut reservation) = pool.try_reserve(asked) else {
                continue;
            };
            let now = held.fetch_add(memory_bytes, Ordering::SeqCst) + memory_bytes;
            assert!(now <= limits.memory_bytes, "{now} bytes held");
            admitted += 1;
            let really = if round % 2 == 0 { 1 } else { 3 };
            let settled = reservation.settle_with(Limits {
                cpu_ns: really,
                io_ops: really,
                ..asked
            });
            // Of I/O one more than was reserved, which this pool does not limit.
            assert_eq!(settled.is_err(), really == 3);
            cpu_ns += really;
            io_ops += really;
            let stats = pool.stats();
            assert_eq!(stats.first_over(), None);
            assert!(stats.used(Resource::Memory) >= memory_bytes);
            held.fetch_sub(memory_bytes, Ordering::SeqCst);
        }
        [admitted, cpu_ns, io_ops]
    };
    let sums = thread::scope(|scope| {
        let threads = [0, 1, 2, 3, 4, 5, 6, 7].map(|number| scope.spawn(move || work(number)));
        let sums = threads.map(|thread| thread.join().unwrap());
        sums.into_iter().fold([0; 3], |sum, of| {
            [sum[0] + of[0], sum[1] + of[1], sum[2] + of[2]]
        })
    });
    let [admitted, cpu_ns, io_ops] = sums;
    assert!(admitted > 0);
    assert_eq!(used(&pool), [0, cpu_ns, io_ops, admitted]);
}

#[derive(Clone, Debug)]
enum Request {
    Reserve(Limits),
    Settle(usize, Limits),
    Drop(usize),
    TakeByHand(Resource, u64),
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0..2_000_u64,
        1 => Just(u64::MAX - 1),
        1 => Just(u64::MAX),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    [amount(), amount(), amount(), amount()].prop_map(
        |[memory_bytes, cpu_ns, io_ops, network_bytes]| Limits {
            memory_bytes,
            cpu_ns,
            io_ops,
            network_bytes,
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        limits().prop_map(Request::Reserve),
        (0..8_usize, limits()).prop_map(|(at, used)| Request::Settle(at, used)),
        (0..8_usize).prop_map(Request::Drop),
        (1..4_usize, amount()).prop_map(|(at, of)| Request::TakeByHand(Resource::ALL[at], of)),
    ]
}

/// The same in wide integers, where nothing is at its end: what each piece of work has of each resource.
struct Model {
    limits: Limits,
    /// Of work that is over and what was taken by hand.
    spent: [u128; 4],
    held: VecDeque<[u128; 4]>,
}

impl Model {
    fn used(&self) -> [u128; 4] {
        let mut sum = self.spent;
        for held in &self.held {
            for (sum, held) in sum.iter_mut().zip(held) {
                *sum += held;
            }
        }
        sum
    }

    /// What a request charges, where it fits.
    fn admit(&self, asked: Limits, counts_unlimited: bool) -> Option<[u128; 4]> {
        let mut charged = [0; 4];
        for (at, resource) in Resource::ALL.into_iter().enumerate() {
            let (asked, limit) = (asked.limit(resource), self.limits.limit(resource));
            if limit == UNLIMITED {
                let is_counted = counts_unlimited || asked != UNLIMITED;
                charged[at] = if is_counted { asked.into() } else { 0 };
                continue;
            }
            if asked > 0 && self.used()[at] + u128::from(asked) > limit.into() {
                return None;
            }
            charged[at] = asked.into();
        }
        Some(charged)
    }
}

proptest! {
    #[test]
    fn a_pool_is_what_its_work_has(
        of in limits(),
        requests in prop::collection::vec(request(), 0..40),
    ) {
        let pool = BudgetPool::from_limits(of);
        let mut model = Model { limits: of, spent: [0; 4], held: VecDeque::new() };
        let mut held: VecDeque<Reservation<'_>> = VecDeque::new();
        for request in requests {
            match request {
                Request::Reserve(asked) => {
                    let reservation = pool.try_reserve(asked);
                    let charged = model.admit(asked, false);
                    prop_assert_eq!(reservation.is_ok(), charged.is_some());
                    held.extend(reservation);
                    model.held.extend(charged);
                }
                Request::Settle(at, used) if at < held.len() => {
                    let result = held[at].settle_with(used);
                    let over = used.first_over(&held[at].limits());
                    prop_assert_eq!(result.err().map(|over| over.resource), over);
                    model.held[at] = Resource::ALL.map(|resource| used.limit(resource).into());
                }
                Request::Drop(at) if at < held.len() => {
                    drop(held.remove(at));
                    let [_, rest @ ..] = model.held.remove(at).unwrap();
                    for (spent, of) in model.spent[1..].iter_mut().zip(rest) {
                        *spent += of;
                    }
                }
                Request::TakeByHand(resource, amount) => {
                    let mut asked = all(0);
                    let taken = match resource {
                        Resource::Cpu => { asked.cpu_ns = amount; pool.consume_cpu(amount) }
                        Resource::Io => { asked.io_ops = amount; pool.consume_io(amount) }
                        _ => { asked.network_bytes = amount; pool.consume_network(amount) }
                    };
                    let charged = model.admit(asked, true);
                    prop_assert_eq!(taken.is_ok(), charged.is_some());
                    for (spent, of) in model.spent.iter_mut().zip(charged.unwrap_or_default()) {
                        *spent += of;
                    }
                }
                Request::Settle(..) | Request::Drop(_) => {}
            }
            // Where it was never more than a counter holds, the counter is the sum.
            let sums = model.used();
            if sums.iter().any(|&sum| sum > u64::MAX.into()) {
                return Ok(());
            }
            prop_assert_eq!(used(&pool).map(u128::from), sums);
        }
    }
}

/// What is taken and released by hand, without a reservation.
mod by_hand {
    use super::*;

    #[test]
    fn pool_allocation() -> Result<(), BudgetExceeded> {
        let pool = BudgetPool::from_budget(&MediumBudget::default());
        pool.allocate_memory(100_000)?;
        pool.consume_cpu(50_000)?;
        pool.consume_io(10)?;
        pool.consume_network(1)?;
        let stats = pool.stats();
        let used = Resource::ALL.map(|resource| stats.used(resource));
        assert_eq!(used, [100_000, 50_000, 10, 1]);
        assert_eq!(stats.limit(Resource::Memory), 1_000_000);
        assert_eq!(stats.remaining(Resource::Memory), 900_000);
        Ok(())
    }

    #[test]
    fn pool_exhaustion() {
        let pool = BudgetPool::from_budget(&MediumBudget::default());
        pool.allocate_memory(950_000).unwrap();
        let before = pool.stats();
        let refused = pool.allocate_memory(100_000).unwrap_err();
        assert_eq!(pool.stats(), before, "a refused request takes nothing");
        assert_eq!(refused.resource, Resource::Memory);
        assert_eq!(refused.remaining(), 50_000);
        assert_eq!(
            refused.to_string(),
            "over budget: memory: 100 KB asked for, 50 KB left of 1 MB"
        );
        pool.release_memory(50_000);
        pool.allocate_memory(100_000).unwrap();
        assert!(pool.allocate_memory(u64::MAX).is_err());

        assert_eq!(
            pool.consume_cpu(1_000_001).unwrap_err().resource,
            Resource::Cpu
        );
        assert_eq!(pool.consume_io(101).unwrap_err().resource, Resource::Io);
        assert_eq!(
            pool.consume_network(100_001).unwrap_err().resource,
            Resource::Network
        );
    }

    #[test]
    fn pool_utilization() {
        let pool = BudgetPool::from_budget(&MediumBudget::default());
        assert_eq!(pool.stats().memory_utilization(), 0.0);
        pool.allocate_memory(250_000).unwrap();
        pool.consume_cpu(500_000).unwrap();
        pool.consume_io(75).unwrap();
        pool.consume_network(100_000).unwrap();
        let stats = pool.stats();
        assert_eq!(stats.memory_utilization(), 0.25);
        assert_eq!(stats.cpu_utilization(), 0.5);
        assert_eq!(stats.io_utilization(), 0.75);
        assert_eq!(stats.network_utilization(), 1.0);
    }

    #[test]
    fn utilization_is_a_number_without_a_limit_and_with_none_allowed() {
        let pool = BudgetPool::from_limits(Limits {
            network_bytes: 0,
            ..Limits::unlimited()
        });
        pool.consume_io(u64::MAX).unwrap();
        pool.consume_io(1).unwrap();
        assert!(pool.consume_network(1).is_err());
        pool.consume_network(0).unwrap();
        let stats = pool.stats();
        assert_eq!(stats.io_utilization(), 0.0);
        assert_eq!(stats.network_utilization(), 0.0);
        assert_eq!(stats.remaining(Resource::Io), UNLIMITED);
        assert_eq!(stats.remaining(Resource::Network), 0);
    }

    #[derive(Clone, Debug)]
    enum Request {
        Take(Resource, u64),
        Release(u64),
    }

    fn amount() -> impl Strategy<Value = u64> {
        prop_oneof![
            0..2_000_u64,
            Just(u64::MAX - 1),
            Just(u64::MAX),
            any::<u64>()
        ]
    }

    fn request() -> impl Strategy<Value = Request> {
        prop_oneof![
            (0..4_usize, amount()).prop_map(|(i, amount)| Request::Take(Resource::ALL[i], amount)),
            amount().prop_map(Request::Release),
        ]
    }

    proptest! {
        /// Against the same in wide integers, where nothing can overflow.
        #[test]
        fn a_pool_is_four_counters_with_a_limit(
            limits in [amount(), amount(), amount(), amount()],
            requests in prop::collection::vec(request(), 0..40),
        ) {
            let [memory_bytes, cpu_ns, io_ops, network_bytes] = limits;
            let pool = BudgetPool::from_limits(Limits { memory_bytes, cpu_ns, io_ops, network_bytes });
            let mut model = [0_u128; 4];
            for request in requests {
                match request {
                    Request::Take(resource, amount) => {
                        let taken = match resource {
                            Resource::Memory => pool.allocate_memory(amount),
                            Resource::Cpu => pool.consume_cpu(amount),
                            Resource::Io => pool.consume_io(amount),
                            _ => pool.consume_network(amount),
                        };
                        let (used, limit) = (&mut model[resource as usize], limits[resource as usize]);
                        let sum = *used + u128::from(amount);
                        let fits = limit == UNLIMITED || sum <= u128::from(limit);
                        prop_assert_eq!(taken.is_ok(), fits);
                        if fits {
                            *used = sum.min(u128::from(u64::MAX));
                        }
                    }
                    Request::Release(bytes) => {
                        pool.release_memory(bytes);
                        model[0] = model[0].saturating_sub(bytes.into());
                    }
                }
                let stats = pool.stats();
                for resource in Resource::ALL {
                    prop_assert_eq!(u128::from(stats.used(resource)), model[resource as usize]);
                    prop_assert!((0.0..=1.0).contains(&stats.utilization(resource)));
                }
            }
        }
    }
}
