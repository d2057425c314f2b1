//! The four things that a budget is about.

use core::fmt;

use super::quantity::Quantity;

/// The value of a limit that does not limit: `u64::MAX`, in whatever unit the resource has.
pub const UNLIMITED: u64 = u64::MAX;

/// One of the four resources that a budget speaks about.
///
/// The order is the order in which a budget is written and in which a fault is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Heap memory, in bytes.
    Memory,
    /// Processor time, in nanoseconds.
    Cpu,
    /// Input and output operations, counted: calls that reach the operating system.
    Io,
    /// Bytes sent and received over the network.
    Network,
}

impl Resource {
    /// Every resource, in the order in which faults are reported.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Cpu, Self::Io, Self::Network];

    /// The name that an attribute uses: `memory`, `cpu`, `io` or `network`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Io => "io",
            Self::Network => "network",
        }
    }

    /// An amount of it as people write it: "1 MB", "200 us", "100k", "unlimited" for [`UNLIMITED`].
    ///
    /// ```
    /// use cnv::quota::Resource;
    ///
    /// assert_eq!(Resource::Memory.shown(1_000_000).to_string(), "1 MB");
    /// ```
    #[must_use]
    pub const fn shown(self, amount: u64) -> impl fmt::Display {
        Quantity::new(self, amount)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
