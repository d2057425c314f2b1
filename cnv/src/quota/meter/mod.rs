//! What a piece of work really uses.

mod allocator;
#[cfg(feature = "metering")]
pub(crate) mod body;
mod clock;
mod cycles;
mod enforcement;
mod future;
mod io;
mod ledger;
mod measure;
mod net;
mod overdraft;
#[cfg(feature = "tokio")]
mod poll;
mod stretch;
#[cfg(feature = "tokio-net")]
pub mod tokio_net;
mod usage;
mod wall;

pub use allocator::{MeteredAllocator, is_memory_metered};
pub use clock::CpuClock;
pub use enforcement::{Enforcement, checkpoint};
pub use future::{MeteredFuture, metered};
pub use io::{File, Metered, charge_io, charge_network};
pub use measure::{measure, measure_with};
pub use net::{TcpListener, TcpStream};
pub(super) use stretch::Stretch;
pub use usage::Usage;

/// Whether anything is counted. Without the feature, what is here runs what it is given, and its wrappers
/// only forward.
pub(super) const IS_METERED: bool = cfg!(feature = "metering");
