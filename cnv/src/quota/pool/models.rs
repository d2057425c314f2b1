//! Small programs around a pool, run in every order that their threads can take with a few preemptions:
//! `RUSTFLAGS="--cfg loom" cargo test -p cnv --lib --no-default-features --features attestation loom`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use loom::thread;

use super::*;

const LIMITS: Limits = all(10);

const fn all(amount: u64) -> Limits {
    Limits {
        memory_bytes: amount,
        cpu_ns: amount,
        io_ops: amount,
        network_bytes: amount,
    }
}

/// Runs `threads` on a pool of `LIMITS`, and `afterwards` on what they returned.
fn in_every_order<T: Send + 'static>(
    preemptions: usize,
    threads: &'static [fn(&Arc<BudgetPool>) -> T],
    afterwards: fn(&BudgetPool, Vec<T>),
) {
    let mut orders = loom::model::Builder::new();
    orders.preemption_bound = Some(preemptions);
    orders.check(move || {
        let pool = Arc::new(BudgetPool::from_limits(LIMITS));
        let running: Vec<_> = threads
            .iter()
            .map(|&run| {
                let pool = Arc::clone(&pool);
                thread::spawn(move || run(&pool))
            })
            .collect();
        let returned = running
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        let returned = returned.collect();
        afterwards(&pool, returned);
    });
}

fn is_admitted<T>(reservation: &Result<T, BudgetExceeded>) -> bool {
    reservation.is_ok()
}

/// Neither two nor none.
#[test]
fn loom_of_two_that_do_not_fit_together_one_is_admitted() {
    fn six(pool: &Arc<BudgetPool>) -> Result<Reservation<'static>, BudgetExceeded> {
        let reservation = pool.try_reserve_owned(all(6));
        assert_eq!(pool.stats().first_over(), None);
        reservation
    }
    in_every_order(3, &[six, six], |pool, reservations| {
        let admitted = reservations.iter().filter(|each| is_admitted(each)).count();
        assert_eq!(admitted, 1);
        assert_eq!(pool.stats().used, all(6));
        drop(reservations);
        assert_eq!(
            pool.stats().used,
            Limits {
                memory_bytes: 0,
                ..all(6)
            }
        );
    });
}

/// It asks for memory that is there and network that is not, and holds the memory at no moment.
#[test]
fn loom_a_request_that_is_refused_stands_in_nobodys_way() {
    fn refused(pool: &Arc<BudgetPool>) -> bool {
        let asked = Limits {
            network_bytes: 11,
            ..all(6)
        };
        pool.try_reserve(asked).is_ok()
    }
    fn admitted(pool: &Arc<BudgetPool>) -> bool {
        pool.try_reserve(all(10)).is_ok()
    }
    in_every_order(3, &[refused, admitted], |_, returned| {
        assert_eq!(returned, [false, true]);
    });
}

/// Whoever is refused beside work that ends finds room after it.
#[test]
fn loom_no_permit_is_lost() {
    fn work(pool: &Arc<BudgetPool>) -> u64 {
        u64::from(pool.try_reserve(all(4)).is_ok())
    }
    in_every_order(2, &[work, work], |pool, returned| {
        assert_eq!(returned, [1, 1]);
        assert_eq!(
            pool.stats().used,
            Limits {
                memory_bytes: 0,
                ..all(8)
            }
        );
        let rest = Limits {
            memory_bytes: 10,
            ..all(2)
        };
        assert!(pool.try_reserve(rest).is_ok());
    });
}

/// One has room only after the other gave back what it did not use.
#[test]
fn loom_what_was_not_used_is_for_others() {
    fn settle(pool: &Arc<BudgetPool>) -> u64 {
        let mut reservation = pool.try_reserve(all(8)).expect("the other takes 2");
        assert_eq!(reservation.settle_with(all(1)), Ok(()));
        core::mem::forget(reservation);
        1
    }
    fn take(pool: &Arc<BudgetPool>) -> u64 {
        if pool.consume_io(2).is_ok() { 2 } else { 0 }
    }
    in_every_order(2, &[settle, take], |pool, returned| {
        let io_ops = returned.iter().sum();
        assert_eq!(pool.stats().used, Limits { io_ops, ..all(1) });
        assert_eq!(pool.consume_io(10 - io_ops), Ok(()));
    });
}

/// More threads than there are drafts to write: one is in force, so the third waits for one of the others.
#[test]
fn loom_by_hand_sums_are_exact_and_drafts_are_enough() {
    fn take(pool: &Arc<BudgetPool>) -> u64 {
        u64::from(pool.consume_io(4).is_ok())
    }
    in_every_order(1, &[take, take, take], |pool, returned| {
        assert_eq!(returned.iter().sum::<u64>(), 2);
        assert_eq!(
            pool.stats().used,
            Limits {
                io_ops: 8,
                ..NOTHING
            }
        );
    });
}

/// Also while the drafts that it reads are written again.
#[test]
fn loom_what_is_read_was_in_force_at_one_moment() {
    fn change(pool: &Arc<BudgetPool>) {
        let taken = pool.charge(&all(3)).expect("nobody else takes any");
        pool.recharge(&taken, &all(5));
    }
    fn read(pool: &Arc<BudgetPool>) {
        let used = pool.stats().used;
        assert!([0, 3, 5].map(all).contains(&used), "torn: {used:?}");
    }
    in_every_order(2, &[change, read], |pool, _| {
        assert_eq!(pool.stats().used, all(5))
    });
}

/// Also where a draft is written again by another thread than the one that set it free.
#[test]
fn loom_what_is_read_beside_two_changes_was_in_force_at_one_moment() {
    fn take(pool: &Arc<BudgetPool>) {
        assert!(pool.charge(&all(3)).is_ok());
    }
    fn read(pool: &Arc<BudgetPool>) {
        let used = pool.stats().used;
        assert!([0, 3, 6].map(all).contains(&used), "torn: {used:?}");
    }
    in_every_order(1, &[take, take, read], |pool, _| {
        assert_eq!(pool.stats().used, all(6));
    });
}
