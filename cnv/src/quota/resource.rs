//! The four things that a budget is about.

use core::fmt;

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
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
