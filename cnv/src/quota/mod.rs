//! Budgets: declared on a function, proved where functions call each other, metered while they run.
//!
//! A handler that an agent may call should say what it costs before it runs, and be held to it. Three
//! things are kept apart here, because they promise different amounts:
//!
//! - A budget is **declared**: [`Limits`] as a value, [`ResourceBudget`] as a type, `#[budget(..)]` on a
//!   function.
//! - Composition is **proved**: what a function calls has to fit in what it declares itself, and the
//!   compiler says with the numbers where it does not. [`require_budget_fit!`](crate::require_budget_fit)
//!   compares two budget types the same way.
//! - A body is **metered**: [`measure`] runs it and counts. I/O operations and network bytes are *held*,
//!   so that the call which would go over fails with [`BudgetExceeded`]; memory and processor time are
//!   *observed*, and [`Usage`] says afterwards what they came to. Where the work asks for it with
//!   [`Enforcement::Cooperative`], it is *stopped* at its next [`checkpoint`] after they went over.
//!
//! Nothing here *contains* a body: see [what is not guaranteed](#what-is-not-guaranteed).
//!
//! Limits are const generics and the checks const functions. Arithmetic in types could be checked
//! earlier in generic code, but costs four times as much to compile and its errors cannot be read.
//!
//! [`rules`] lists what the compiler refuses, each with its message.
//!
//! # Where to start
//! [`ResourceBudget`] and its tiers ([`SmallBudget`], [`MediumBudget`] ..) for budgets;
//! [`Operation`] to run a closure under one; [`BudgetPool`] to share one between threads; [`measure`],
//! [`metered`], [`Metered`] and [`MeteredAllocator`] to meter; [`File`], [`TcpStream`] and [`TcpListener`]
//! for input and output that counts.
//!
//! ```
//! use std::io::Read;
//! use cnv::quota::{BudgetExceeded, File, MediumBudget, Operation, SmallBudget, require_budget_fit};
//!
//! // Does not compile the other way round.
//! require_budget_fit::<SmallBudget, MediumBudget>();
//!
//! let operation = Operation::<SmallBudget>::new("load");
//! let (result, usage) = operation.measure(|| {
//!     let mut file = File::open("Cargo.toml")?;
//!     let mut byte = [0];
//!     // `SmallBudget` allows 10 operations, and opening was the first.
//!     for _ in 0..20 {
//!         file.read_exact(&mut byte)?;
//!     }
//!     std::io::Result::Ok(())
//! });
//! let error = result.unwrap_err();
//! assert_eq!(
//!     BudgetExceeded::in_chain(&error).unwrap().to_string(),
//!     "over budget in `load`: io: 1 asked for, none left of 10",
//! );
//! assert_eq!(usage.io_ops, 10);
//! ```
//!
//! # Levels
//! | | I/O, network | memory, processor time |
//! |---|---|---|
//! | [`Observe`](Enforcement::Observe), the default | refused before they are done | counted |
//! | [`Cooperative`](Enforcement::Cooperative) | the same | counted, and the next checkpoint fails |
//!
//! An allocation cannot be refused, because that aborts the process, and a loop asks nobody for its time. So
//! both may go over, and work that is over stops where it passes next: [`checkpoint`], a call of a wrapper,
//! [`charge_io`] or [`charge_network`]. The error names the work that is over, which may be further out than
//! the innermost one, and work that begins inside it then does not get further. Clean-up that writes through
//! a wrapper is refused as well. A future that its owner drops cleans up in the owner's budget.
//!
//! Processor time under 100 us is taken from the wall clock, since the thread's own would cost too much: an
//! upper bound, and the error [says so](BudgetExceeded::is_upper_bound). On Linux and x86-64, some 10 ms after the
//! first time, that is the processor's cycle counter, which is read faster; [`CpuClock`] tells which it was.
//!
//! # Features
//! Budgets, their check by the compiler and [`BudgetPool`] need none, and no standard library. `metering`,
//! which is on by default, counts and holds; without it a function with a budget has the instructions of a plain
//! one, also where it is `async` (but a plain call of an `open` one is a future around its future), the wrappers only
//! forward, and [`measure`] says that it [knows nothing](Usage::is_metered). `tokio` puts the wrappers under tokio's traits, and `tokio-net` adds its
//! connections.
//!
//! # Units
//! Bytes, nanoseconds and operations, all `u64`; KB is 1000 bytes. [`UNLIMITED`] is no limit, 0 is
//! "not at all".
//!
//! # Costs
//! Budgets and checks: nothing at run time. A function with a budget: under 10 ns a call, and under 20 ns a poll where it is
//! `async`. [`measure`]: 40 to 80 ns, most of it two readings of the wall clock, or a microsecond where it reads the
//! thread's processor clock; [`Operation::execute`], which reads none: 10 to 20 ns. The allocator: at most some 2 % of
//! an allocating program's time. A wrapped read or write: under 10 ns. A [`checkpoint`]: 2 ns, in
//! cooperative work 10 ns, and 20 to 40 ns where processor time has a limit. To begin cooperative work: 0.1 us, or
//! half a microsecond where it has 100 us or more of processor time. (Measured on two shared cores, Linux.)
//!
//! # What is not guaranteed
//! - That a body uses only what it declares. It is metered, not proved, and one that reaches no checkpoint is
//!   stopped by nothing.
//! - Processor time on another machine, or in another build of the same program.
//! - Memory that does not pass through the global allocator: what `unsafe` code, C libraries, `mmap` and the
//!   stack take. None of it counts where the program installs no [`MeteredAllocator`], which needs
//!   [native thread-locals](MeteredAllocator#limits) or Rust 1.93.
//! - I/O and network outside the wrappers.
//! - Work that is handed to another thread or task. Meters are per thread, and count it there.

#[doc = include_str!("../../docs/budget.md")]
pub mod rules {}

pub(crate) mod account;
mod arithmetic;
mod budget;
pub(crate) mod charge;
mod exceeded;
pub(crate) mod fit;
mod limits;
#[cfg(feature = "std")]
pub(crate) mod meter;
#[cfg(feature = "std")]
mod operation;
#[cfg(target_has_atomic = "64")]
mod pool;
mod quantity;
mod resource;
pub(crate) mod rounds;
pub(crate) mod share;
#[cfg(not(feature = "metering"))]
pub(crate) mod unmetered;

pub use crate::{require_budget_fit, split};
pub use arithmetic::{Max, Minus, Plus, Times};
pub use budget::{
    Budget, BudgetInfo, CpuQuota, IoQuota, LargeBudget, MediumBudget, MemoryQuota, NetworkQuota,
    Quota, ResourceBudget, SmallBudget, TinyBudget, UnlimitedBudget,
};
pub use exceeded::BudgetExceeded;
#[cfg(any(feature = "command", feature = "recovery"))]
pub(crate) use exceeded::cause;
pub use fit::{FitsWithinBudget, require_budget_fit};
pub use limits::Limits;
#[cfg(feature = "tokio-net")]
pub use meter::tokio_net;
#[cfg(feature = "std")]
pub use meter::{
    CpuClock, Enforcement, File, Metered, MeteredAllocator, MeteredFuture, TcpListener, TcpStream,
    Usage, charge_io, charge_network, checkpoint, is_memory_metered, measure, measure_with,
    metered,
};
#[cfg(feature = "std")]
pub use operation::Operation;
#[cfg(target_has_atomic = "64")]
pub use pool::{BudgetPool, PoolStats, Reservation};
pub use resource::{Resource, UNLIMITED};
pub use rounds::RoundsExceeded;
pub use share::{Share, share};
#[cfg(not(feature = "std"))]
pub use unmetered::checkpoint;
