//! The notes of all calls that their clients had no room for.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(super) struct Dropped(AtomicU64);

impl Dropped {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(feature = "trace")]
impl crate::trace::metrics::Source for Dropped {
    fn collect(&self) -> Vec<crate::trace::metrics::Family> {
        use crate::trace::metrics::{Family, Point, Points};

        let count = self.0.load(Ordering::Relaxed);
        vec![Family::new(
            "cnv.session.notes.dropped",
            "{note}",
            "Notes of calls, such as log records and progress, that a client had no room for.",
            Points::Counter(vec![Point::alone(count)]),
        )]
    }
}
