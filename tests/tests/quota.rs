//! `cnv::quota`, as a downstream crate uses it.

use std::hint::black_box;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::{fs, thread};

use cnv::quota::*;

#[global_allocator]
static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();

type MyBudget = ResourceBudget<
    MemoryQuota<1_000_000>,
    CpuQuota<1_000_000>,
    IoQuota<100>,
    NetworkQuota<100_000>,
>;

const MB: usize = 1_000_000;

require_budget_fit!(SmallBudget, MediumBudget);

fn io_limit(io_ops: u64) -> Limits {
    Limits {
        io_ops,
        ..Limits::unlimited()
    }
}

fn network_limit(network_bytes: u64) -> Limits {
    Limits {
        network_bytes,
        ..Limits::unlimited()
    }
}

fn exceeded(error: &io::Error) -> BudgetExceeded {
    assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
    *BudgetExceeded::in_chain(error).expect("a typed refusal")
}

fn peak(usage: &Usage) -> u64 {
    usage
        .memory_peak_bytes
        .expect("the metered allocator is installed")
}

fn allocate(bytes: usize) -> Vec<u8> {
    black_box(Vec::with_capacity(bytes))
}

#[track_caller]
fn assert_about(bytes: u64, expected: usize) {
    let expected = expected as u64;
    assert!(
        bytes >= expected && bytes < expected + expected / 10,
        "{bytes} is not about {expected}"
    );
}

mod budgets {
    use super::*;

    #[test]
    fn budget_values() {
        let limits = |memory_bytes, cpu_ns, io_ops, network_bytes| Limits {
            memory_bytes,
            cpu_ns,
            io_ops,
            network_bytes,
        };
        assert_eq!(TinyBudget::LIMITS, limits(1_000, 1_000, 1, 100));
        assert_eq!(SmallBudget::LIMITS, limits(10_000, 10_000, 10, 1_000));
        assert_eq!(
            MediumBudget::LIMITS,
            limits(1_000_000, 1_000_000, 100, 100_000)
        );
        assert_eq!(
            LargeBudget::LIMITS,
            limits(10_000_000, 10_000_000, 1_000, 1_000_000)
        );
        assert_eq!(UnlimitedBudget::LIMITS, Limits::unlimited());
        assert_eq!(MyBudget::LIMITS, MediumBudget::LIMITS);
        assert_eq!(<IoQuota<7> as Quota>::RESOURCE, Resource::Io);
        assert_eq!(<IoQuota<7> as Quota>::LIMIT, 7);
    }

    #[test]
    fn budgets_are_zero_sized() {
        assert_eq!(size_of::<MyBudget>(), 0);
        assert_eq!(size_of::<MemoryQuota<1>>(), 0);
        let budget = MyBudget::default();
        assert_eq!(
            format!("{budget:?}"),
            "ResourceBudget(memory 1 MB, cpu 1 ms, io 100, network 100 KB)"
        );
    }

    #[test]
    fn budget_fit() {
        require_budget_fit::<SmallBudget, MediumBudget>();
        require_budget_fit::<MediumBudget, MyBudget>();
        require_budget_fit::<LargeBudget, UnlimitedBudget>();
        const { <TinyBudget as FitsWithinBudget<SmallBudget>>::FITS }

        let tiers = [
            TinyBudget::LIMITS,
            SmallBudget::LIMITS,
            MediumBudget::LIMITS,
            LargeBudget::LIMITS,
            UnlimitedBudget::LIMITS,
        ];
        for (i, a) in tiers.iter().enumerate() {
            for (j, b) in tiers.iter().enumerate() {
                assert_eq!(a.fits_within(b), i <= j, "{a} within {b}");
            }
        }
    }

    #[test]
    fn budget_info() {
        let info = Operation::<SmallBudget>::new("test").budget_info();
        assert_eq!(info, BudgetInfo::of::<SmallBudget>());
        assert_eq!(info.tier(), Some("SmallBudget"));
        assert_eq!(info.limits(), SmallBudget::LIMITS);
        assert_eq!(
            info.to_string(),
            "SmallBudget (memory 10 KB, cpu 10 us, io 10, network 1 KB)"
        );

        type Own = ResourceBudget<MemoryQuota<5>, CpuQuota<5>, IoQuota<0>, NetworkQuota<UNLIMITED>>;
        let own = BudgetInfo::of::<Own>();
        assert_eq!(own.tier(), None);
        assert_eq!(
            own.to_string(),
            "memory 5 B, cpu 5 ns, io none, network unlimited"
        );
    }
}

mod operations {
    use super::*;

    #[test]
    fn operation() {
        let operation = Operation::<MyBudget>::new("test");
        assert_eq!(operation.name(), "test");
        assert_eq!(operation.execute(|| 21 * 2), 42);
        let (bytes, usage) = operation.measure(|| allocate(2 * MB));
        assert_eq!(bytes.capacity(), 2 * MB);
        assert_about(peak(&usage), 2 * MB);
        assert_eq!(
            usage.first_over(&MyBudget::LIMITS),
            Some(Resource::Memory),
            "{usage}"
        );
        let overrun = usage.check(&MyBudget::LIMITS).unwrap_err().of("test");
        assert_eq!(
            overrun.to_string(),
            "over budget in `test`: memory: 2 MB used, 1 MB allowed"
        );
    }

    #[test]
    fn execute_holds_io_to_the_budget() {
        let operation = Operation::<TinyBudget>::new("peek");
        let result = operation.execute(|| {
            let mut input = Metered::new(&b"abc"[..]);
            let mut byte = [0];
            input.read_exact(&mut byte)?;
            input.read_exact(&mut byte)
        });
        let refused = exceeded(&result.unwrap_err());
        assert_eq!(refused.operation, Some("peek"));
        assert_eq!((refused.limit, refused.used, refused.requested), (1, 1, 1));
    }
}

mod memory {
    use super::*;

    #[test]
    fn the_allocator_is_found() {
        assert!(is_memory_metered());
        assert!(thread::spawn(is_memory_metered).join().unwrap());
    }

    #[test]
    fn a_scope_shows_its_peak() {
        let ((), usage) = measure("test", Limits::unlimited(), || {
            drop(allocate(MB));
            drop(allocate(MB / 2));
        });
        assert_about(peak(&usage), MB);
        assert_about(usage.memory_gross_bytes.unwrap(), MB + MB / 2);
    }

    #[test]
    fn what_was_held_before_does_not_count() {
        let before = allocate(MB);
        let ((), usage) = measure("test", Limits::unlimited(), || ());
        assert_eq!(peak(&usage), 0);
        drop(before);
    }

    #[test]
    fn an_inner_scope_counts_in_the_outer_one() {
        let inner = |bytes| {
            let ((), usage) = measure("inner", Limits::unlimited(), || drop(allocate(bytes)));
            assert_about(peak(&usage), bytes);
        };
        let ((), outer) = measure("outer", Limits::unlimited(), || {
            drop(allocate(3 * MB));
            let held = allocate(MB);
            inner(MB);
            drop(held);
        });
        assert_about(peak(&outer), 3 * MB);

        let ((), outer) = measure("outer", Limits::unlimited(), || {
            drop(allocate(3 * MB));
            let held = allocate(MB);
            inner(MB);
            inner(4 * MB);
            drop(held);
        });
        assert_about(peak(&outer), 5 * MB);
    }

    #[test]
    fn growth_counts_as_the_difference() {
        let ((), usage) = measure("test", Limits::unlimited(), || {
            let (mut bytes, usage) = measure("grow", Limits::unlimited(), || {
                let mut bytes = allocate(MB);
                bytes.reserve_exact(2 * MB);
                bytes
            });
            assert_about(peak(&usage), 2 * MB);
            bytes.shrink_to(MB / 2);
            drop(black_box(vec![0_u8; MB]));
        });
        assert_about(peak(&usage), 2 * MB);
        assert_about(usage.memory_gross_bytes.unwrap(), 3 * MB);
    }

    #[test]
    fn frees_of_another_thread_s_memory_stop_at_nothing() {
        let (other, usage) = measure("test", Limits::unlimited(), || {
            let bytes = allocate(10 * MB);
            let other = thread::spawn(move || {
                drop(bytes);
                let ((), usage) = measure("other", Limits::unlimited(), || drop(allocate(20 * MB)));
                usage
            });
            other.join().unwrap()
        });
        assert_about(peak(&other), 20 * MB);
        assert_about(peak(&usage), 10 * MB);
    }

    #[test]
    fn allocation_in_a_thread_s_teardown_is_safe() {
        struct Late;
        impl Drop for Late {
            fn drop(&mut self) {
                drop(allocate(1_000));
            }
        }
        thread_local!(static LATE: Late = const { Late });
        thread::spawn(|| LATE.with(|_| drop(allocate(10))))
            .join()
            .unwrap();
    }

    #[test]
    fn a_panic_leaves_the_scope() {
        let ((), usage) = measure("outer", io_limit(5), || {
            let panicked = catch_unwind(|| {
                measure("inner", io_limit(1), || {
                    charge_io(1).unwrap();
                    std::panic::resume_unwind(Box::new("stop"));
                })
            });
            assert!(panicked.is_err());
            charge_io(4).unwrap();
            assert_eq!(charge_io(1).unwrap_err().operation, Some("outer"));
        });
        assert_eq!(usage.io_ops, 5);
        charge_io(1_000).unwrap();
    }
}

mod cpu {
    use super::*;

    #[test]
    fn the_declared_time_chooses_the_clock() {
        let clock = |cpu_ns| {
            let limits = Limits {
                cpu_ns,
                ..Limits::unlimited()
            };
            measure("test", limits, || ()).1.cpu_clock
        };
        assert!(clock(99_999).is_upper_bound());
        if cfg!(target_os = "linux") {
            assert_eq!(clock(100_000), CpuClock::Thread);
            assert_eq!(clock(UNLIMITED), CpuClock::Thread);
        }
    }

    #[test]
    fn work_takes_time_on_both_clocks() {
        for cpu_ns in [1, UNLIMITED] {
            let limits = Limits {
                cpu_ns,
                ..Limits::unlimited()
            };
            let work = || (0..100_000_u64).fold(0, |a, b| black_box(a ^ b));
            let (_, usage) = measure("test", limits, work);
            assert!(usage.cpu_ns > 0);
        }
    }
}

mod held {
    use super::*;

    #[test]
    fn the_operation_after_the_last_is_refused() {
        let mut output = Metered::new(Vec::new());
        let (refused, usage) = measure("write", io_limit(3), || {
            for _ in 0..3 {
                output.write_all(b"x").unwrap();
            }
            exceeded(&output.write(b"y").unwrap_err())
        });
        assert_eq!(
            refused.to_string(),
            "over budget in `write`: io: 1 asked for, none left of 3"
        );
        assert_eq!(output.get_ref(), b"xxx", "a refused call does nothing");
        assert_eq!(usage.io_ops, 3);
        output.write_all(b"z").unwrap();
    }

    #[test]
    fn the_nearest_limit_holds_and_is_named() {
        let ((), outer) = measure("outer", io_limit(3), || {
            measure("inner", io_limit(1), || {
                charge_io(1).unwrap();
                assert_eq!(charge_io(1).unwrap_err().operation, Some("inner"));
            });
            let ((), inner) = measure("inner", io_limit(100), || {
                charge_io(1).unwrap();
                let refused = charge_io(2).unwrap_err();
                assert_eq!(refused.operation, Some("outer"));
                assert_eq!((refused.limit, refused.used, refused.requested), (3, 2, 2));
                charge_io(1).unwrap();
            });
            assert_eq!(inner.io_ops, 2);
        });
        assert_eq!(outer.io_ops, 3);
    }

    #[test]
    fn each_ceiling_comes_back_when_the_work_under_it_ends() {
        /// What refuses the next operations and bytes, with its limits.
        fn ceilings() -> [Option<(&'static str, u64)>; 2] {
            [charge_io(1_000), charge_network(1_000)].map(|charged| {
                charged
                    .err()
                    .map(|refused| (refused.operation.unwrap(), refused.limit))
            })
        }
        fn limits(io_ops: u64, network_bytes: u64) -> Limits {
            Limits {
                io_ops,
                network_bytes,
                ..Limits::unlimited()
            }
        }
        let inner_ends = || {
            measure("inner", limits(1, 2), || {
                charge_io(1).unwrap();
                charge_network(2).unwrap();
                assert_eq!(ceilings(), [Some(("inner", 1)), Some(("inner", 2))]);
            });
        };
        let inner_panics = || {
            let panicked = catch_unwind(|| {
                inner_ends();
                measure("inner", limits(0, 0), || {
                    measure("innermost", limits(0, 0), || {
                        std::panic::resume_unwind(Box::new("stop"));
                    })
                })
            });
            assert!(panicked.is_err());
        };
        for inner in [&inner_ends as &dyn Fn(), &inner_panics] {
            let ((), outer) = measure("outer", limits(7, 9), || {
                for _ in 0..2 {
                    measure("middle", limits(3, 4), || {
                        inner();
                        assert_eq!(ceilings(), [Some(("middle", 3)), Some(("middle", 4))]);
                        charge_io(2).unwrap();
                        assert_eq!(charge_io(1).unwrap_err().used, 3);
                    });
                    assert_eq!(ceilings(), [Some(("outer", 7)), Some(("outer", 9))]);
                }
                charge_io(1).unwrap();
                assert_eq!(charge_io(1).unwrap_err().operation, Some("outer"));
            });
            assert_eq!((outer.io_ops, outer.network_bytes), (7, 4));
            assert_eq!(ceilings(), [None, None]);
        }
    }

    #[test]
    fn network_counts_bytes_both_ways() {
        let ((), usage) = measure("talk", network_limit(10), || {
            let mut input = Metered::network(&b"0123456789"[..]);
            let mut buffer = [0; 8];
            assert_eq!(input.read(&mut buffer).unwrap(), 8);
            assert_eq!(
                input.read(&mut buffer).unwrap(),
                2,
                "shortened to what is left"
            );
            assert_eq!(exceeded(&input.read(&mut buffer).unwrap_err()).requested, 8);
        });
        assert_eq!((usage.network_bytes, usage.io_ops), (10, 0));

        let ((), usage) = measure("talk", network_limit(10), || {
            let mut output = Metered::network(Vec::new());
            output.write_all(b"0123456").unwrap();
            let refused = exceeded(&output.write(b"0123").unwrap_err());
            assert_eq!((refused.used, refused.requested), (7, 4));
            output.write_all(b"789").unwrap();
            assert_eq!(output.get_ref(), b"0123456789");
            assert_eq!(charge_network(1).unwrap_err().resource, Resource::Network);
        });
        assert_eq!(usage.network_bytes, 10);
    }

    #[test]
    fn a_file_counts_from_its_opening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let (rest, usage) = measure("files", Limits::unlimited(), || {
            let mut file = File::create(&path).unwrap();
            file.write_all(b"abcdef").unwrap();
            drop(file);
            let mut file = File::open(&path).unwrap();
            file.seek(SeekFrom::Start(4)).unwrap();
            let mut rest = [0; 2];
            file.read_exact(&mut rest).unwrap();
            rest
        });
        assert_eq!(&rest, b"ef");
        assert_eq!(usage.io_ops, 5);

        let (denied, _) = measure("denied", io_limit(0), || File::create(&path));
        let refused = exceeded(&denied.unwrap_err());
        assert_eq!(
            refused.to_string(),
            "over budget in `denied`: io: 1 asked for, none allowed"
        );
        assert_eq!(fs::read(&path).unwrap(), b"abcdef", "not emptied");
    }
}

mod futures {
    use super::*;

    /// Does one thing in each of its polls.
    struct Steps<F> {
        left: u32,
        step: F,
    }

    impl<F: FnMut() + Unpin> Future for Steps<F> {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            if self.left == 0 {
                return Poll::Ready(());
            }
            self.left -= 1;
            (self.step)();
            Poll::Pending
        }
    }

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn finish<F: Future + Unpin>(future: &mut F) -> F::Output {
        loop {
            if let Poll::Ready(output) = poll(future) {
                return output;
            }
        }
    }

    #[test]
    fn interleaved_polls_are_charged_to_the_right_future() {
        let mut keep_a = Vec::new();
        let mut a = metered("a", Limits::unlimited(), async {
            let step = || {
                keep_a.push(allocate(MB));
                charge_io(1).unwrap();
            };
            Steps { left: 3, step }.await;
        });
        let mut b = metered("b", Limits::unlimited(), async {
            let step = || {
                drop(allocate(5 * MB));
                charge_io(10).unwrap();
            };
            Steps { left: 2, step }.await;
        });
        assert_eq!(a.usage().memory_peak_bytes, Some(0));
        for _ in 0..2 {
            assert!(poll(&mut a).is_pending());
            assert!(poll(&mut b).is_pending());
            drop(allocate(20 * MB));
        }
        let ((), b) = finish(&mut b);
        let ((), a) = finish(&mut a);
        assert_about(peak(&a), 3 * MB);
        assert_eq!(a.io_ops, 3);
        assert_about(peak(&b), 5 * MB);
        assert_eq!(b.io_ops, 20);
        assert_about(b.memory_gross_bytes.unwrap(), 10 * MB);
    }

    #[test]
    fn the_limit_holds_over_all_polls_and_threads() {
        let mut future = metered("steps", io_limit(3), async {
            let mut refused = Vec::new();
            let step = || refused.extend(charge_io(2).err());
            Steps { left: 3, step }.await;
            refused
        });
        assert!(poll(&mut future).is_pending());
        charge_io(100).unwrap();
        let (refused, usage) = thread::spawn(move || finish(&mut future)).join().unwrap();
        let seen: Vec<_> = refused
            .iter()
            .map(|r| (r.operation, r.limit, r.used))
            .collect();
        assert_eq!(seen, [(Some("steps"), 3, 2), (Some("steps"), 3, 2)]);
        assert_eq!(usage.io_ops, 2);
        charge_io(100).unwrap();
    }

    #[test]
    fn a_future_that_is_given_up_still_tells_its_use() {
        let mut future = metered("steps", io_limit(3), async {
            let step = || charge_io(1).unwrap();
            Steps { left: 3, step }.await;
        });
        assert!(poll(&mut future).is_pending());
        assert_eq!(future.usage().io_ops, 1);
    }

    #[test]
    fn a_panicking_poll_leaves_its_scope() {
        let mut future = metered("steps", io_limit(0), async {
            std::panic::resume_unwind(Box::new("stop"))
        });
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _: Poll<((), Usage)> = poll(&mut future);
        }));
        assert!(panicked.is_err());
        charge_io(1).unwrap();
    }
}
