//! What may come in from the other side of a boundary.

/// What becomes of a trace that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming {
    /// It goes on here: the caller is one of ours.
    Continue,
    /// A new one begins, which remembers where it came from: the caller may be seen, but decides neither the trace's id nor
    /// whether it is recorded.
    RestartWithLink,
    /// A new one begins, and the incoming one is not even read.
    Ignore,
}

/// Which trace and which baggage may come in.
///
/// ```
/// use cnv::trace::{Boundary, Incoming};
///
/// let from_strangers = Boundary::new(Incoming::RestartWithLink).allow_baggage(&["tenant"]);
/// let from_ourselves = Boundary::new(Incoming::Continue).allow_all_baggage();
/// # let _ = (from_strangers, from_ourselves);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary<'a> {
    pub(super) incoming: Incoming,
    /// The keys that pass; every key where there is no list.
    pub(super) baggage: Option<&'a [&'a str]>,
}

impl<'a> Boundary<'a> {
    /// A boundary that does this with an incoming trace, and lets no baggage in.
    #[must_use]
    pub const fn new(incoming: Incoming) -> Self {
        Self {
            incoming,
            baggage: Some(&[]),
        }
    }

    /// Lets baggage in that has one of these keys, and no other.
    #[must_use]
    pub const fn allow_baggage(self, keys: &'a [&'a str]) -> Self {
        Self {
            baggage: Some(keys),
            ..self
        }
    }

    /// Lets all baggage in: between parts of one system.
    #[must_use]
    pub const fn allow_all_baggage(self) -> Self {
        Self {
            baggage: None,
            ..self
        }
    }
}
