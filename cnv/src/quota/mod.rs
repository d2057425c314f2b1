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
//!   *observed*, and [`Usage`] says afterwards what they came to.
//!
//! Nothing here *contains* a body: one that never uses the wrappers is counted for memory and processor
//! time only, and stopped by nothing.
//!
//! Limits are const generics and the checks const functions. Arithmetic in types could be checked
//! earlier in generic code, but costs four times as much to compile and its errors cannot be read.
//!
//! # Where to start
//! [`ResourceBudget`] and its tiers ([`SmallBudget`], [`MediumBudget`] ..) for budgets;
//! [`Operation`] to run a closure under one; [`BudgetPool`] to share one between threads; [`measure`],
//! [`metered`], [`Metered`] and [`MeteredAllocator`] to meter.
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
//! # Without the standard library
//! Budgets, their check by the compiler and [`BudgetPool`] need none. What meters is in the feature `std`:
//! without it the body of a function with a budget runs as it is.
//!
//! # Units
//! Bytes, nanoseconds and operations, all `u64`; KB is 1000 bytes. [`UNLIMITED`] is no limit, 0 is
//! "not at all".
//!
//! # Costs
//! Budgets and checks: nothing at run time. [`measure`]: 0.1 us, or a microsecond where it reads the
//! thread's processor clock; [`Operation::execute`], which reads none: 10 ns. The allocator: at most some 2 % of an
//! allocating program's time. A wrapped read or write: under 10 ns. (Measured on two shared cores, Linux.)
//!
//! # Limits of metering
//! Meters are per thread: work that is handed to another thread is counted there. Memory is what passes
//! through the global allocator, not what `unsafe`, C libraries, `mmap` or the stack take; the allocator
//! that counts needs [native thread-locals](MeteredAllocator#limits) or Rust 1.93. I/O and network
//! are what passes through the wrappers. Processor time differs from one machine to the next.

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
#[cfg(not(feature = "std"))]
pub(crate) mod unmetered;

pub use crate::{require_budget_fit, split};
pub use arithmetic::{Max, Minus, Plus, Times};
pub use budget::{
    Budget, BudgetInfo, CpuQuota, IoQuota, LargeBudget, MediumBudget, MemoryQuota, NetworkQuota,
    Quota, ResourceBudget, SmallBudget, TinyBudget, UnlimitedBudget,
};
pub use exceeded::BudgetExceeded;
pub use fit::{FitsWithinBudget, require_budget_fit};
pub use limits::Limits;
#[cfg(feature = "std")]
pub use meter::{
    CpuClock, File, Metered, MeteredAllocator, MeteredFuture, Usage, charge_io, charge_network,
    is_memory_metered, measure, metered,
};
#[cfg(feature = "std")]
pub use operation::Operation;
#[cfg(target_has_atomic = "64")]
pub use pool::{BudgetPool, PoolStats, Reservation};
pub use resource::{Resource, UNLIMITED};
pub use rounds::RoundsExceeded;
pub use share::{Share, share};
