//! What a piece of work really uses.

mod allocator;
pub(crate) mod body;
mod clock;
mod future;
mod io;
mod ledger;
mod measure;
mod usage;

pub use allocator::{MeteredAllocator, is_memory_metered};
pub use clock::CpuClock;
pub use future::{MeteredFuture, metered};
pub use io::{File, Metered, charge_io, charge_network};
pub(super) use ledger::Stretch;
pub use measure::measure;
pub use usage::Usage;
