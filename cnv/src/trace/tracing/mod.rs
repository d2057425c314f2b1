//! The crate `tracing`: its spans within calls, and its events as log records.

mod entered;
mod format;
mod layer;
mod said;

use core::cell::Cell;

pub(super) use entered::came_back;
pub use format::LogFormat;
#[cfg(feature = "session")]
pub(crate) use format::json;
pub use layer::TracingLayer;

thread_local! {
    /// Whether nothing that this thread says is heard.
    static IS_DEAF: Cell<bool> = const { Cell::new(false) };
}

/// Has the thread's own spans and events go nowhere from here on: it is one that takes them away.
pub(super) fn hear_nothing_here() {
    IS_DEAF.set(true);
}

/// Has nothing heard that is said meanwhile: what a field says of itself, or a caller's log while it is told of a record,
/// would be told of in turn.
struct Deaf(());

impl Deaf {
    /// `None` where nothing is to be heard.
    fn begin() -> Option<Self> {
        // A thread that ends says no more.
        let was_deaf = IS_DEAF.try_with(|deaf| deaf.replace(true));
        (was_deaf == Ok(false)).then(|| Self(()))
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        let _ = IS_DEAF.try_with(|deaf| deaf.set(false));
    }
}
