//! Metering against what is known: exact bytes, operations and processor time, and who is stopped by them.

use std::collections::HashSet;
use std::hint::black_box;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread;

use cnv::quota::*;

#[cfg(not(any(feature = "jemalloc", feature = "mimalloc")))]
#[global_allocator]
static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();

#[cfg(all(feature = "jemalloc", not(feature = "mimalloc")))]
#[global_allocator]
static ALLOCATOR: MeteredAllocator<tikv_jemallocator::Jemalloc> =
    MeteredAllocator::new(tikv_jemallocator::Jemalloc);

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: MeteredAllocator<mimalloc::MiMalloc> = MeteredAllocator::new(mimalloc::MiMalloc);

const KB: usize = 1_000;
const MB: usize = 1_000_000;
const MS: u64 = 1_000_000;

fn memory(memory_bytes: u64) -> Limits {
    Limits {
        memory_bytes,
        ..Limits::unlimited()
    }
}

fn cpu(cpu_ns: u64) -> Limits {
    Limits {
        cpu_ns,
        ..Limits::unlimited()
    }
}

fn io_ops(io_ops: u64) -> Limits {
    Limits {
        io_ops,
        ..Limits::unlimited()
    }
}

fn network(network_bytes: u64) -> Limits {
    Limits {
        network_bytes,
        ..Limits::unlimited()
    }
}

fn cooperative<R>(name: &'static str, limits: Limits, work: impl FnOnce() -> R) -> (R, Usage) {
    measure_with(name, limits, Enforcement::Cooperative, work)
}

fn allocate(bytes: usize) -> Vec<u8> {
    black_box(Vec::with_capacity(bytes))
}

fn exceeded(error: &io::Error) -> BudgetExceeded {
    assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
    *BudgetExceeded::in_chain(error).expect("a typed refusal")
}

/// The thread's own processor clock.
#[cfg(target_os = "linux")]
fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).expect("it counts from 0")
}

/// Works until the thread has used that much processor time, stopping where it is told to.
#[cfg(target_os = "linux")]
fn spin(ns: u64) -> Result<(), BudgetExceeded> {
    let start = thread_cpu_ns();
    while thread_cpu_ns() - start < ns {
        checkpoint()?;
    }
    checkpoint()
}

/// Waits for a thread that works as long as that.
#[cfg(target_os = "linux")]
fn wait(ns: u64) {
    let worker = thread::spawn(move || spin(ns));
    worker.join().unwrap().expect("it has no limit");
}

mod known_allocations {
    use super::*;

    fn bytes(work: impl FnOnce()) -> (u64, u64) {
        let ((), usage) = measure("test", Limits::unlimited(), work);
        let metered = "the metered allocator is installed";
        (
            usage.memory_peak_bytes.expect(metered),
            usage.memory_gross_bytes.expect(metered),
        )
    }

    #[test]
    fn peak_and_gross_are_exact() {
        assert_eq!(bytes(|| drop(allocate(12_345))), (12_345, 12_345));
        assert_eq!(bytes(|| drop(black_box(Box::new([0_u64; 9])))), (72, 72));
        let one_after_the_other = bytes(|| {
            drop(allocate(3 * KB));
            drop(allocate(2 * KB));
        });
        assert_eq!(one_after_the_other, (3_000, 5_000));
        let together = bytes(|| {
            let first = allocate(3 * KB);
            drop(allocate(2 * KB));
            drop(first);
        });
        assert_eq!(together, (5_000, 5_000));
    }

    #[test]
    fn zeroed_memory_counts_as_any() {
        assert_eq!(bytes(|| drop(black_box(vec![0_u8; 4_096]))), (4_096, 4_096));
    }

    #[test]
    fn a_block_that_grows_or_shrinks_counts_as_the_difference() {
        let grown = bytes(|| {
            let mut block = allocate(1_000);
            block.reserve_exact(5_000);
        });
        assert_eq!(grown, (5_000, 5_000));
        let shrunk = bytes(|| {
            let mut block = allocate(5_000);
            block.shrink_to(1_000);
            drop(allocate(3_000));
        });
        assert_eq!(shrunk, (5_000, 8_000));
    }

    #[test]
    fn a_block_freed_by_another_thread_stays_with_the_one_that_allocated_it() {
        let (other, usage) = measure("test", Limits::unlimited(), || {
            let block = allocate(7_000);
            let other = thread::scope(|scope| {
                scope
                    .spawn(move || bytes(|| drop(block)))
                    .join()
                    .expect("it does not panic")
            });
            assert_eq!(other, (0, 0), "a free is no use of the thread that frees");
            drop(allocate(1_000));
            other
        });
        assert_eq!(other, (0, 0));
        // The thread's handle and stack bookkeeping are this thread's allocations, too.
        assert!(usage.memory_peak_bytes >= Some(8_000));
    }

    #[test]
    fn the_observed_peak_is_the_innermost_s_own_and_counts_further_out() {
        let ((), outer) = measure("outer", Limits::unlimited(), || {
            let held = allocate(10 * KB);
            assert_eq!(bytes(|| drop(allocate(20 * KB))), (20_000, 20_000));
            drop(held);
        });
        assert_eq!(outer.memory_peak_bytes, Some(30_000));
    }
}

/// For each of the four resources: over the limit, the next checkpoint stops the work, and the next call goes on.
mod stopped {
    use super::*;

    #[test]
    fn memory_at_the_next_checkpoint() {
        let work = |bytes| {
            move || {
                let block = allocate(bytes);
                checkpoint()?;
                Ok::<_, BudgetExceeded>(block.capacity())
            }
        };
        let (stopped, usage) = cooperative("load", memory(1_000_000), work(MB + 1));
        let stopped = stopped.unwrap_err();
        assert_eq!(stopped.resource, Resource::Memory);
        assert_eq!((stopped.limit, stopped.used), (1_000_000, 1_000_001));
        assert_eq!(stopped.operation, Some("load"));
        assert!(!stopped.is_upper_bound);
        assert_eq!(usage.memory_peak_bytes, Some(1_000_001));

        let (all_of_it, _) = cooperative("load", memory(1_000_000), work(MB));
        assert_eq!(all_of_it, Ok(MB));
        checkpoint().unwrap();
    }

    /// What was over once is over, though it was given back.
    #[test]
    fn memory_that_was_freed_again() {
        let (stopped, _) = cooperative("load", memory(1_000), || {
            drop(allocate(2_000));
            checkpoint()
        });
        assert_eq!(stopped.unwrap_err().used, 2_000);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn processor_time_at_the_next_checkpoint() {
        let (stopped, usage) = cooperative("spin", cpu(MS), || spin(5 * MS));
        let stopped = stopped.unwrap_err();
        assert_eq!(stopped.resource, Resource::Cpu);
        assert_eq!((stopped.limit, stopped.operation), (MS, Some("spin")));
        assert!(stopped.used > MS && stopped.used <= usage.cpu_ns);
        assert!(!stopped.is_upper_bound, "the thread's own clock");

        cooperative("spin", cpu(UNLIMITED), || spin(5 * MS))
            .0
            .unwrap();
        cooperative("spin", cpu(1_000 * MS), || spin(MS)).0.unwrap();
        measure("spin", cpu(MS), || spin(5 * MS)).0.unwrap();
    }

    /// Time that passes is not time that is used, and what is used after it counts all the same.
    #[test]
    #[cfg(target_os = "linux")]
    fn waiting_is_not_processor_time() {
        let (stopped, _) = cooperative("wait", cpu(10 * MS), || {
            wait(30 * MS);
            checkpoint().expect("it only waited");
            spin(20 * MS)
        });
        let stopped = stopped.unwrap_err();
        assert_eq!((stopped.limit, stopped.is_upper_bound), (10 * MS, false));
    }

    #[test]
    fn little_processor_time_by_the_wall_clock() {
        let (stopped, usage) = cooperative("spin", cpu(1_000), || {
            loop {
                if let Err(stopped) = checkpoint() {
                    return stopped;
                }
            }
        });
        assert_eq!((stopped.resource, stopped.limit), (Resource::Cpu, 1_000));
        assert!(stopped.is_upper_bound && stopped.used > 1_000);
        assert!(usage.cpu_clock.is_upper_bound());
        let message = stopped.to_string();
        assert!(message.starts_with("over budget in `spin`: cpu: at most "));
    }

    #[test]
    fn io_at_the_operation_after_the_last() {
        let (mut reader, mut writer) = pipe();
        let mut talk = |limit| {
            cooperative("talk", io_ops(limit), || {
                writer.write_all(b"ab")?;
                reader.read_exact(&mut [0; 2])
            })
        };
        let refused = exceeded(&talk(1).0.unwrap_err());
        assert_eq!((refused.resource, refused.used), (Resource::Io, 1));
        let (result, usage) = talk(2);
        result.unwrap();
        assert_eq!(usage.io_ops, 2);
    }

    #[test]
    fn network_at_the_byte_after_the_last() {
        let (mut near, mut far) = connection();
        let mut talk = |limit| {
            cooperative("talk", network(limit), || {
                near.write_all(b"four")?;
                far.read_exact(&mut [0; 4])
            })
        };
        let refused = exceeded(&talk(7).0.unwrap_err());
        assert_eq!((refused.resource, refused.used), (Resource::Network, 7));
        let (result, usage) = talk(9);
        result.unwrap();
        assert_eq!(usage.network_bytes, 8);
    }

    /// The wrappers are checkpoints: work that is over does no I/O either.
    #[test]
    fn an_overdraft_stops_io_before_it_is_done() {
        let (_reader, mut writer) = pipe();
        let (_near, mut far) = connection();
        let ((), usage) = cooperative("load", memory(1_000), || {
            drop(allocate(1_001));
            let refusals = [
                exceeded(&writer.write(b"x").unwrap_err()),
                exceeded(&far.write(b"x").unwrap_err()),
                exceeded(&far.read(&mut [0]).unwrap_err()),
                exceeded(&File::open("Cargo.toml").unwrap_err()),
                charge_io(1).unwrap_err(),
                charge_network(0).unwrap_err(),
            ];
            for refused in refusals {
                assert_eq!((refused.resource, refused.used), (Resource::Memory, 1_001));
            }
        });
        assert_eq!((usage.io_ops, usage.network_bytes), (0, 0));
    }
}

fn pipe() -> (Metered<PipeReader>, Metered<PipeWriter>) {
    let (reader, writer) = io::pipe().unwrap();
    (Metered::new(reader), Metered::new(writer))
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

mod nested {
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
}

mod threads {
    use super::*;

    #[test]
    fn each_thread_has_its_own_ceilings() {
        let both = Arc::new(Barrier::new(2));
        let other = Arc::clone(&both);
        let handle = thread::spawn(move || {
            cooperative("other", memory(1_000), || {
                drop(allocate(2_000));
                other.wait();
                other.wait();
                checkpoint()
            })
            .0
        });
        both.wait();
        checkpoint().expect("this thread has no limit");
        cooperative("this", memory(10_000), || {
            drop(allocate(2_000));
            checkpoint().expect("2000 of 10000 bytes");
        });
        both.wait();
        let other = handle.join().unwrap();
        assert_eq!(other.unwrap_err().operation, Some("other"));
    }

    /// Work that is handed over is not this work's.
    #[test]
    #[cfg(target_os = "linux")]
    fn what_another_thread_uses_is_its_own() {
        let (result, usage) = cooperative("this", cpu(20 * MS), || {
            thread::spawn(|| spin(40 * MS)).join().unwrap()?;
            checkpoint()
        });
        result.unwrap();
        assert!(usage.cpu_ns < 20 * MS);
    }
}

mod futures {
    use super::*;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Pending once.
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

    #[test]
    fn an_overdraft_of_an_earlier_poll_is_found_in_a_later_one() {
        let mut future = std::pin::pin!(
            metered("task", memory(1_000), async {
                drop(allocate(2_000));
                turn().await;
                checkpoint()
            })
            .enforce(Enforcement::Cooperative)
        );
        assert!(poll(future.as_mut()).is_pending());
        checkpoint().expect("nobody else is over");
        let Poll::Ready((stopped, usage)) = poll(future) else {
            panic!("one turn only");
        };
        assert_eq!(stopped.unwrap_err().used, 2_000);
        assert_eq!(usage.memory_peak_bytes, Some(2_000));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn processor_time_of_earlier_polls_counts() {
        let task = async {
            for _ in 0..10 {
                spin(MS)?;
                turn().await;
            }
            Ok::<(), BudgetExceeded>(())
        };
        let mut future = metered("task", cpu(3 * MS), task).enforce(Enforcement::Cooperative);
        let mut polls = 1;
        let stopped = loop {
            match poll(Pin::new(&mut future)) {
                Poll::Ready((result, _)) => break result.unwrap_err(),
                Poll::Pending => polls += 1,
            }
            spin(2 * MS).expect("what others do between is not counted");
        };
        assert_eq!((stopped.limit, stopped.operation), (3 * MS, Some("task")));
        assert!((2..=4).contains(&polls), "stopped in poll {polls}");
    }

    /// The thread's clock is read here as well, inside of what is metered and around it: whatever else the machine does,
    /// what the meter says lies between.
    #[test]
    #[cfg(target_os = "linux")]
    fn processor_time_is_that_of_the_polls_and_of_nothing_between() {
        let inside = std::cell::Cell::new(0);
        let task = async {
            for _ in 0..5 {
                let start = thread_cpu_ns();
                spin(MS).unwrap();
                inside.set(inside.get() + thread_cpu_ns() - start);
                turn().await;
            }
        };
        let mut future = metered("task", Limits::unlimited(), task);
        let mut around = 0;
        let usage = loop {
            let start = thread_cpu_ns();
            let poll = poll(Pin::new(&mut future));
            around += thread_cpu_ns() - start;
            if let Poll::Ready(((), usage)) = poll {
                break usage;
            }
            spin(10 * MS).unwrap();
        };
        let metered = inside.get()..=around;
        assert!(
            metered.contains(&usage.cpu_ns),
            "{} of {metered:?}",
            usage.cpu_ns
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn processor_time_is_that_of_the_work_and_of_no_more() {
        let mut inside = 0;
        let start = thread_cpu_ns();
        let ((), usage) = measure("work", Limits::unlimited(), || {
            let start = thread_cpu_ns();
            spin(5 * MS).unwrap();
            inside = thread_cpu_ns() - start;
        });
        let metered = inside..=thread_cpu_ns() - start;
        assert!(
            metered.contains(&usage.cpu_ns),
            "{} of {metered:?}",
            usage.cpu_ns
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_task_that_moves_between_threads_is_metered_as_one() {
        let task = async {
            let mut threads = HashSet::new();
            loop {
                threads.insert(thread::current().id());
                charge_io(1).unwrap();
                if let Err(stopped) = spin(MS) {
                    return (stopped, threads.len());
                }
                turn().await;
            }
        };
        let mut future = metered("task", cpu(4 * MS), task).enforce(Enforcement::Cooperative);
        let mut polls = 0;
        let ((stopped, threads), usage) = loop {
            polls += 1;
            let polled = thread::scope(|scope| {
                let turn = scope.spawn(|| {
                    let polled = poll(Pin::new(&mut future));
                    spin(8 * MS).expect("the thread has no limit");
                    polled
                });
                turn.join().unwrap()
            });
            if let Poll::Ready(ready) = polled {
                break ready;
            }
        };
        assert_eq!(threads, polls);
        assert!((2..=5).contains(&polls), "stopped in poll {polls}");
        assert_eq!((stopped.limit, usage.io_ops), (4 * MS, polls as u64));
        assert!(stopped.used > 4 * MS && stopped.used <= usage.cpu_ns);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn tasks_on_the_threads_of_a_runtime_do_not_count_for_each_other() {
        async fn task(rounds: u64, bytes: usize, ops: u64) {
            for _ in 0..rounds {
                drop(allocate(bytes));
                charge_io(ops).unwrap();
                spin(MS / 4).unwrap();
                tokio::task::yield_now().await;
            }
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let (counted, others) = runtime.block_on(async {
            let others = [(); 4]
                .map(|()| tokio::spawn(metered("other", Limits::unlimited(), task(20, MB, 7))));
            let counted = metered("task", Limits::unlimited(), task(20, 10 * KB, 1));
            let counted = tokio::spawn(counted).await.unwrap().1;
            let mut ended = Vec::new();
            for other in others {
                ended.push(other.await.unwrap().1);
            }
            (counted, ended)
        });
        assert_eq!(counted.io_ops, 20);
        assert!(counted.cpu_ns >= 5 * MS, "{counted}");
        assert!(counted.memory_peak_bytes < Some(100_000), "{counted}");
        assert_eq!(others.len(), 4);
        for other in others {
            assert_eq!(other.io_ops, 140);
            assert!(other.memory_gross_bytes >= Some(20_000_000), "{other}");
        }
    }

    #[test]
    fn nested_futures_are_each_held_to_their_own() {
        let inner = || {
            metered("inner", memory(1_000), async {
                drop(allocate(1_500));
                turn().await;
                checkpoint()
            })
            .enforce(Enforcement::Cooperative)
        };
        let mut outer = std::pin::pin!(
            metered("outer", memory(2_000), async {
                let first = inner().await.0;
                checkpoint().expect("1500 of 2000 bytes");
                let held = allocate(1_000);
                turn().await;
                let second = inner().await.0;
                drop(held);
                (first, second, checkpoint())
            })
            .enforce(Enforcement::Cooperative)
        );
        let mut polls = 0;
        let ((first, second, own), _) = loop {
            polls += 1;
            if let Poll::Ready(ready) = poll(outer.as_mut()) {
                break ready;
            }
            checkpoint().expect("nothing is left behind between polls");
        };
        assert_eq!(polls, 4);
        assert_eq!(first.unwrap_err().operation, Some("inner"));
        // Over both by then; what the outer work had used when the inner began is what is found first.
        assert_eq!(second.unwrap_err().operation, Some("outer"));
        let own = own.unwrap_err();
        assert_eq!(own.operation, Some("outer"));
    }
}

mod connections {
    use super::*;

    #[test]
    fn connecting_and_accepting_are_operations_and_bytes_are_network() {
        let ((near, mut far), usage) = measure("connect", Limits::unlimited(), connection);
        assert_eq!((usage.io_ops, usage.network_bytes), (3, 0));
        let ((), usage) = measure("talk", Limits::unlimited(), || {
            let mut near = near;
            near.write_all(&[7; 1_000]).unwrap();
            drop(near);
            let mut all = Vec::new();
            far.read_to_end(&mut all).unwrap();
            assert_eq!(all.len(), 1_000);
        });
        assert_eq!((usage.io_ops, usage.network_bytes), (0, 2_000));
    }

    #[test]
    fn without_an_operation_left_nobody_is_called_or_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ((), usage) = measure("connect", io_ops(0), || {
            exceeded(&TcpStream::connect(address).unwrap_err());
            let timeout = std::time::Duration::from_secs(9);
            exceeded(&TcpStream::connect_timeout(&address, timeout).unwrap_err());
            exceeded(&TcpListener::bind("127.0.0.1:0").unwrap_err());
            exceeded(&listener.accept().unwrap_err());
        });
        assert_eq!(usage.io_ops, 0);
        listener.get_ref().set_nonblocking(true).unwrap();
        let nobody = listener.accept().unwrap_err();
        assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
    }
}

mod tokios {
    use super::*;
    use cnv::quota::tokio_net::{TcpListener, TcpStream};
    use tokio::io::{
        AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt, ReadBuf, duplex,
    };

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap()
            .block_on(future)
    }

    async fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await;
        (near.unwrap(), listener.accept().await.unwrap().0)
    }

    fn poll<T>(poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn connections_count_as_those_of_the_standard_library() {
        block_on(async {
            let ((mut near, mut far), usage) =
                metered("connect", Limits::unlimited(), connection()).await;
            assert_eq!((usage.io_ops, usage.network_bytes), (3, 0));
            let (refused, usage) = metered("talk", network(1_500), async move {
                near.write_all(&[7; 1_000]).await.unwrap();
                near.shutdown().await.unwrap();
                far.read_to_end(&mut Vec::new()).await.unwrap_err()
            })
            .await;
            let refused = exceeded(&refused);
            assert_eq!((refused.resource, refused.used), (Resource::Network, 1_500));
            assert_eq!((usage.io_ops, usage.network_bytes), (0, 1_500));

            let (refused, usage) = metered("connect", io_ops(0), async {
                exceeded(&TcpStream::connect("127.0.0.1:1").await.unwrap_err());
                exceeded(&TcpListener::bind("127.0.0.1:0").await.unwrap_err())
            })
            .await;
            assert_eq!((refused.used, usage.io_ops), (0, 0));
        });
    }

    #[test]
    fn a_poll_that_is_not_ready_is_not_counted() {
        let (near, mut far) = duplex(4);
        let mut near = Metered::new(near);
        let mut buffer = [0; 4];
        let mut read = |near: &mut Metered<_>| {
            let mut buffer = ReadBuf::new(&mut buffer);
            poll(|context| Pin::new(near).poll_read(context, &mut buffer)).map(Result::unwrap)
        };
        let write = |near: &mut Metered<_>| {
            poll(|context| Pin::new(near).poll_write(context, b"abcd")).map(Result::unwrap)
        };
        let ((), usage) = measure("talk", io_ops(2), || {
            assert_eq!(read(&mut near), Poll::Pending);
            assert_eq!(read(&mut near), Poll::Pending);
            assert_eq!(write(&mut near), Poll::Ready(4));
            assert_eq!(write(&mut near), Poll::Pending, "full");
            block_on(far.write_all(b"x")).unwrap();
            assert_eq!(read(&mut near), Poll::Ready(()));
        });
        assert_eq!(usage.io_ops, 2);

        let mut near = Metered::network(near.into_inner());
        let ((), usage) = measure("talk", network(2), || {
            assert_eq!(read(&mut near), Poll::Pending);
            block_on(far.write_all(b"xy")).unwrap();
            assert_eq!(read(&mut near), Poll::Ready(()));
        });
        assert_eq!(usage.network_bytes, 2);
    }

    #[test]
    fn a_read_is_shortened_and_a_write_is_refused_whole() {
        let (mut near, far) = duplex(100);
        let mut far = Metered::network(far);
        block_on(async {
            near.write_all(b"0123456789abcdefghij").await.unwrap();
            let ((), usage) = metered("talk", network(12), async {
                let mut eight = [0; 8];
                assert_eq!(far.read(&mut eight).await.unwrap(), 8);
                assert_eq!(&eight, b"01234567");
                let refused = exceeded(&far.write(b"12345").await.unwrap_err());
                assert_eq!((refused.used, refused.requested), (8, 5));
                let parts = [io::IoSlice::new(b"123"), io::IoSlice::new(b"45")];
                exceeded(&far.write_vectored(&parts).await.unwrap_err());
                assert_eq!(far.write_vectored(&parts[1..]).await.unwrap(), 2);
                // Shortened to the two that are left, after what is there already.
                let mut bytes = [0; 9];
                let mut buffer = ReadBuf::new(&mut bytes);
                buffer.put_slice(b"> ");
                let read = poll(|context| Pin::new(&mut far).poll_read(context, &mut buffer));
                assert!(matches!(read, Poll::Ready(Ok(()))));
                assert_eq!(buffer.filled(), b"> 89");
                exceeded(&far.read(&mut [0; 20]).await.unwrap_err());
                assert_eq!(far.read(&mut []).await.unwrap(), 0, "nothing needs nothing");
            })
            .await;
            assert_eq!(usage.network_bytes, 12);
            drop(far);
            let mut sent = Vec::new();
            near.read_to_end(&mut sent).await.unwrap();
            assert_eq!(sent, b"45");
        });
    }

    #[test]
    fn reads_writes_and_seeks_of_a_file_are_operations() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let (rest, usage) = block_on(metered("files", io_ops(3), async {
            let file = tokio::fs::File::create_new(&path).await.unwrap();
            let mut file = Metered::new(file);
            file.write_all(b"abcdef").await.unwrap();
            file.flush().await.unwrap();
            file.seek(io::SeekFrom::Start(4)).await.unwrap();
            drop(file);
            let file = tokio::fs::File::open(&path).await.unwrap();
            let mut file = Metered::new(file);
            let mut rest = [0; 6];
            file.read_exact(&mut rest).await.unwrap();
            exceeded(&file.read(&mut [0]).await.unwrap_err());
            exceeded(&file.seek(io::SeekFrom::Start(0)).await.unwrap_err());
            rest
        }));
        assert_eq!(&rest, b"abcdef");
        assert_eq!(usage.io_ops, 3);
    }

    #[test]
    fn an_overdraft_stops_what_is_polled() {
        let (near, _far) = duplex(4);
        let mut near = Metered::network(near);
        let (refused, usage) = cooperative("load", memory(1_000), || {
            drop(allocate(1_001));
            poll(|context| Pin::new(&mut near).poll_write(context, b"abcd"))
        });
        let Poll::Ready(Err(refused)) = refused else {
            panic!("wrote, or waits");
        };
        assert_eq!(exceeded(&refused).resource, Resource::Memory);
        assert_eq!(usage.network_bytes, 0);
    }
}
