//! Metering against what is known: exact bytes, operations and processor time, and who is stopped by them.

mod connections;
mod futures;
mod known_allocations;
mod nested;
mod stopped;
mod threads;
mod tokios;

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

fn pipe() -> (Metered<PipeReader>, Metered<PipeWriter>) {
    let (reader, writer) = io::pipe().unwrap();
    (Metered::new(reader), Metered::new(writer))
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}
