//! The classes of what a command does, and their partial order.

use super::name::named;

/// What a command does to the world.
///
/// The order is partial: `pure <= read_only <= read_write <= dangerous` and `pure <= network <= dangerous`, while
/// `network` and the two file classes do not compare. That is why this type has [`covers`](Self::covers) and no `Ord`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CapabilityClass {
    /// Computes from its arguments alone.
    Pure,
    /// Reads files and other local state.
    ReadOnly,
    /// Reads and changes files and other local state.
    ReadWrite,
    /// Talks to other machines; touches no files.
    Network,
    /// Anything: starts processes, changes the system, all of the above at once.
    Dangerous,
}

named!(CapabilityClass, "capability class", {
    Pure = 1, "pure";
    ReadOnly = 2, "read_only";
    ReadWrite = 3, "read_write";
    Network = 4, "network";
    Dangerous = 5, "dangerous";
});

impl CapabilityClass {
    /// The class as the set of what it allows; the order of classes is the order of these sets.
    const fn allows(self) -> u8 {
        const READ: u8 = 1;
        const WRITE: u8 = 1 << 1;
        const NETWORK: u8 = 1 << 2;
        const SYSTEM: u8 = 1 << 3;
        match self {
            Self::Pure => 0,
            Self::ReadOnly => READ,
            Self::ReadWrite => READ | WRITE,
            Self::Network => NETWORK,
            Self::Dangerous => READ | WRITE | NETWORK | SYSTEM,
        }
    }

    /// Whether holding this class is enough where `required` is needed.
    ///
    /// ```
    /// use cnv::capability::CapabilityClass::{Dangerous, Network, Pure, ReadOnly, ReadWrite};
    ///
    /// assert!(ReadWrite.covers(ReadOnly) && Network.covers(Pure) && Dangerous.covers(Network));
    /// assert!(!Network.covers(ReadOnly) && !ReadWrite.covers(Network));
    /// ```
    #[must_use]
    pub const fn covers(self, required: Self) -> bool {
        self.allows() & required.allows() == required.allows()
    }

    /// The widest class that both cover. Classes that do not compare have only [`Pure`](Self::Pure) in common.
    #[must_use]
    pub const fn meet(self, other: Self) -> Self {
        if self.covers(other) {
            other
        } else if other.covers(self) {
            self
        } else {
            Self::Pure
        }
    }
}
