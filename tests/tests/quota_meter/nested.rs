//! Ceilings inside ceilings.

use super::*;

#[test]
fn an_inner_overdraft_is_the_inner_one_s_and_counts_further_out() {
    let (inner, outer) = cooperative("outer", memory(3_000), || {
        let (inner, _) = cooperative("inner", memory(1_000), || {
            drop(allocate(2_000));
            checkpoint()
        });
        checkpoint().expect("2000 of 3000 bytes");
        inner
    });
    assert_eq!(inner.unwrap_err().operation, Some("inner"));
    assert_eq!(outer.memory_peak_bytes, Some(2_000));

    let (outer, _) = cooperative("outer", memory(1_500), || {
        let _ = cooperative("inner", memory(1_000), || {
            drop(allocate(2_000));
            checkpoint().unwrap_err();
        });
        checkpoint()
    });
    let outer = outer.unwrap_err();
    assert_eq!((outer.operation, outer.used), (Some("outer"), 2_000));
    checkpoint().unwrap();
}

#[test]
fn the_nearest_ceiling_stops() {
    let (stopped, _) = cooperative("outer", memory(1_000), || {
        let held = allocate(800);
        let (stopped, _) = cooperative("inner", memory(1_000), || {
            drop(allocate(300));
            checkpoint()
        });
        drop(held);
        stopped
    });
    let stopped = stopped.unwrap_err();
    assert_eq!((stopped.operation, stopped.used), (Some("outer"), 1_100));
}

/// An overdraft from before the inner work began, which has a peak of its own.
#[test]
fn what_is_over_stays_over_in_work_that_begins_then() {
    for level in [Enforcement::Observe, Enforcement::Cooperative] {
        let ((), _) = cooperative("outer", memory(1_000), || {
            drop(allocate(1_500));
            let (stopped, usage) = measure_with("inner", memory(5_000), level, checkpoint);
            let stopped = stopped.unwrap_err();
            assert_eq!((stopped.operation, stopped.used), (Some("outer"), 1_500));
            assert_eq!(usage.memory_peak_bytes, Some(0));
        });
        checkpoint().unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn processor_time_of_inner_work_counts_further_out() {
    let (stopped, _) = cooperative("outer", cpu(2 * MS), || {
        for _ in 0..3 {
            cooperative("inner", cpu(50 * MS), || spin(MS)).0?;
        }
        Ok::<(), BudgetExceeded>(())
    });
    assert_eq!(stopped.unwrap_err().operation, Some("outer"));

    let (inner, _) = cooperative("outer", cpu(500 * MS), || {
        let (inner, _) = cooperative("inner", cpu(MS), || spin(5 * MS));
        checkpoint().expect("6 of 500 ms");
        inner
    });
    assert_eq!(inner.unwrap_err().operation, Some("inner"));
}

/// A wall ceiling inside one on the thread's clock, and the other way round: each holds.
#[test]
#[cfg(target_os = "linux")]
fn ceilings_on_both_clocks_hold_together() {
    let (inner, _) = cooperative("outer", cpu(500 * MS), || {
        let (inner, _) = cooperative("inner", cpu(50_000), || spin(5 * MS));
        checkpoint().expect("6 of 500 ms");
        inner
    });
    let inner = inner.unwrap_err();
    assert_eq!(
        (inner.operation, inner.is_upper_bound),
        (Some("inner"), true)
    );

    let (outer, _) = cooperative("outer", cpu(50_000), || {
        cooperative("inner", cpu(500 * MS), || spin(5 * MS)).0
    });
    assert_eq!(outer.unwrap_err().operation, Some("outer"));

    let (outer, _) = cooperative("outer", cpu(MS), || {
        cooperative("middle", cpu(99_999), || ());
        cooperative("inner", cpu(500 * MS), || spin(5 * MS)).0
    });
    assert_eq!(outer.unwrap_err().operation, Some("outer"));
}

/// The alarm of one clock does not silence the other's.
#[test]
#[cfg(target_os = "linux")]
fn a_ceiling_on_the_wall_clock_holds_after_the_alarm_of_the_other_clock() {
    let (stopped, _) = cooperative("outer", cpu(10 * MS), || {
        wait(30 * MS);
        let inner = || checkpoint().and_then(|()| spin(MS));
        cooperative("inner", cpu(99_999), inner).0
    });
    let stopped = stopped.unwrap_err();
    assert_eq!((stopped.operation, stopped.limit), (Some("inner"), 99_999));
}

#[test]
fn nothing_is_left_of_inner_ceilings_in_work_that_is_only_observed() {
    measure("outer", memory(1_000), || {
        let (stopped, _) = cooperative("inner", memory(1_000), || {
            drop(allocate(2_000));
            checkpoint()
        });
        stopped.unwrap_err();
        drop(allocate(2_000));
        checkpoint().expect("the outer work is not held");
    });
}

#[test]
fn a_panic_takes_the_ceilings_away() {
    let ((), _) = cooperative("outer", memory(5_000), || {
        let panicked = std::panic::catch_unwind(|| {
            cooperative("inner", memory(1_000), || {
                drop(allocate(2_000));
                std::panic::resume_unwind(Box::new("stop"));
            })
        });
        assert!(panicked.is_err());
        checkpoint().expect("2000 of 5000 bytes");
        drop(allocate(6_000));
        assert_eq!(checkpoint().unwrap_err().operation, Some("outer"));
    });
    checkpoint().unwrap();
}

#[test]
fn an_operation_enforces_its_budget() {
    // 10 KB.
    let operation = Operation::<SmallBudget>::new("load");
    let work = || {
        drop(allocate(20 * KB));
        checkpoint().map_err(|stopped| stopped.resource)
    };
    assert_eq!(operation.execute(work), Ok(()));
    assert_eq!(operation.measure(work).0, Ok(()));
    let operation = operation.enforce(Enforcement::Cooperative);
    assert_eq!(operation.execute(work), Err(Resource::Memory));
    assert_eq!(operation.measure(work).0, Err(Resource::Memory));
    checkpoint().unwrap();
}
