//! Work that is polled, on one thread and on several.

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
        let others =
            [(); 4].map(|()| tokio::spawn(metered("other", Limits::unlimited(), task(20, MB, 7))));
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
