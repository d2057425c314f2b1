//! Which spans of `tracing` a thread is in.

use core::cell::{Cell, RefCell};

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

/// How many are remembered, at most, to which a thread may come back.
const MAX_LEFT: usize = 16;

thread_local! {
    /// Beside the registry's own: a span may be closed by the time that it is left, and spans are left in any order.
    static ENTERED: RefCell<Vec<Entered>> = const { RefCell::new(Vec::new()) };
    /// Those that were left while the thread was elsewhere, from where it comes back to them.
    static LEFT: RefCell<Vec<Entered>> = const { RefCell::new(Vec::new()) };
    static HAS_LEFT: Cell<bool> = const { Cell::new(false) };
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
        return;
    }
    let forgotten = LEFT.try_with(|all| {
        let mut all = all.borrow_mut();
        HAS_LEFT.set(true);
        // Nobody may come back to them, so the oldest is forgotten.
        let oldest = (all.len() == MAX_LEFT).then(|| all.remove(0));
        all.push(left);
        oldest
    });
    drop(forgotten);
}

/// The thread came back to where it was: if it has left that span meanwhile, it goes to where it was before.
#[inline]
pub(in super::super) fn came_back() {
    if HAS_LEFT.get() {
        go_on();
    }
}

#[cold]
fn go_on() {
    loop {
        let left = LEFT.try_with(|all| {
            let mut all = all.borrow_mut();
            let is_here = |left: &Entered| Current::with(|here| here.is_span_of(&left.here));
            let at = all.iter().position(is_here)?;
            let left = all.swap_remove(at);
            HAS_LEFT.set(!all.is_empty());
            Some(left)
        });
        // What is dropped with it may come back here.
        let Ok(Some(mut left)) = left else { return };
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
