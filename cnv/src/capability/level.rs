//! The three dimensions that are chains: resource band, stability, safety.

use super::name::named;

/// How much a command may spend, in the tiers of the budgets.
///
/// Ordered: `tiny < small < medium < large < unlimited`. A larger band covers a smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ResourceBand {
    /// At most the tiny budget: 1 KB of memory, 1 us of CPU time, 1 I/O operation, 100 B over the network.
    Tiny,
    /// At most the small budget: 10 KB, 10 us, 10 operations, 1 KB.
    Small,
    /// At most the medium budget: 1 MB, 1 ms, 100 operations, 100 KB.
    Medium,
    /// At most the large budget: 10 MB, 10 ms, 1000 operations, 1 MB.
    Large,
    /// Any amount.
    Unlimited,
}

named!(ResourceBand, "resource band", {
    Tiny = 1, "tiny";
    Small = 2, "small";
    Medium = 3, "medium";
    Large = 4, "large";
    Unlimited = 5, "unlimited";
});

impl ResourceBand {
    /// Whether a grant of this band is enough where `required` is needed: it is at least as large.
    #[must_use]
    pub const fn covers(self, required: Self) -> bool {
        self.code() >= required.code()
    }

    /// The largest band that both cover: the smaller of the two.
    #[must_use]
    pub const fn meet(self, other: Self) -> Self {
        if self.covers(other) { other } else { self }
    }
}

/// How settled a command's behaviour is.
///
/// Ordered: `experimental < stable < frozen`. On a grant it is a floor: the least settled command that may be called.
/// So a grant with a *lower* floor is looser and covers more; a grant of `experimental` reaches every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stability {
    /// May change or go away at any time.
    Experimental,
    /// Changes only in ways that existing callers do not notice.
    Stable,
    /// Does not change any more.
    Frozen,
}

named!(Stability, "stability", {
    Experimental = 1, "experimental";
    Stable = 2, "stable";
    Frozen = 3, "frozen";
});

impl Stability {
    /// Whether a grant with this floor reaches a command of stability `required`: the command is at least as settled.
    #[must_use]
    pub const fn covers(self, required: Self) -> bool {
        self.code() <= required.code()
    }

    /// The loosest floor that both cover: the higher of the two.
    #[must_use]
    pub const fn meet(self, other: Self) -> Self {
        if self.covers(other) { other } else { self }
    }
}

/// How far a command's effects reach.
///
/// Ordered from the least to the most safe: `irreversible < reversible < harmless`. On a grant it is a floor: the least
/// safe command that may be called. So a grant with a *lower* floor covers more; `irreversible` reaches every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Safety {
    /// Its effects cannot be taken back: a message sent, a file destroyed.
    Irreversible,
    /// Its effects can be undone: a file written that can be restored.
    Reversible,
    /// It leaves nothing behind.
    Harmless,
}

named!(Safety, "safety", {
    Irreversible = 1, "irreversible";
    Reversible = 2, "reversible";
    Harmless = 3, "harmless";
});

impl Safety {
    /// Whether a grant with this floor reaches a command of safety `required`: the command is at least as safe.
    #[must_use]
    pub const fn covers(self, required: Self) -> bool {
        self.code() <= required.code()
    }

    /// The loosest floor that both cover: the higher of the two.
    #[must_use]
    pub const fn meet(self, other: Self) -> Self {
        if self.covers(other) { other } else { self }
    }
}
