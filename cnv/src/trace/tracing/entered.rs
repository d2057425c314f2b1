//! Which spans of `tracing` a thread is in.

use core::cell::RefCell;

use tracing_core::span::Id;

use super::super::current::Current;

/// A span that the thread is in, and that is recorded.
struct Entered {
    id: Id,
    here: Current,
    /// Where the thread was outside of all of them.
    outside: Current,
    /// Where it was before.
    before: Current,
}

thread_local! {
    /// Beside the registry's own: a span may be closed by the time that it is left, and spans are left in any order.
    static ENTERED: RefCell<Vec<Entered>> = const { RefCell::new(Vec::new()) };
}

/// Enters a span, unless the thread is in another call than the span.
pub(super) fn enter(id: &Id, here: Current, outside: Current) {
    let is_in_another =
        Current::with(|current| current.is_within_call() && !current.is_of_call_of(&here));
    if is_in_another {
        return;
    }
    let mut before = here.clone();
    before.swap();
    let id = id.clone();
    let entered = Entered {
        id,
        here,
        outside,
        before,
    };
    let _ = ENTERED.try_with(|spans| spans.borrow_mut().push(entered));
}

/// Leaves a span: the thread is where it was before, unless it has gone elsewhere by now.
pub(super) fn exit(id: &Id) {
    let left = ENTERED.try_with(|spans| {
        let mut spans = spans.borrow_mut();
        let at = spans.iter().rposition(|entered| entered.id == *id)?;
        let mut left = spans.remove(at);
        // Whoever entered another one from there goes back to where this one came from.
        if let Some(inner) = spans.get_mut(at)
            && inner.before.is_span_of(&left.here)
        {
            core::mem::swap(&mut inner.before, &mut left.before);
        }
        Some(left)
    });
    // Dropped where nobody looks at the list.
    let Ok(Some(mut left)) = left else { return };
    if Current::with(|current| current.is_span_of(&left.here)) {
        left.before.swap();
    }
}

/// Where the thread was outside of all spans of `tracing`, if `here` is one of those that it is in.
pub(super) fn outside(here: &Current) -> Option<Current> {
    let found = ENTERED.try_with(|spans| {
        let spans = spans.borrow();
        let found = spans
            .iter()
            .rev()
            .find(|entered| entered.here.is_span_of(here));
        found.map(|entered| entered.outside.clone())
    });
    found.ok().flatten()
}
