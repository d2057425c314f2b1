//! How far a long piece of work is.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use super::stream::{Note, Sink};

/// As many steps are told of, at most: more than anybody sees.
const TOLD_STEPS: u64 = 200;

/// A count of steps done. Dropping it takes the bar off the terminal.
pub struct Progress {
    bar: ProgressBar,
    sink: Arc<dyn Sink>,
    total: u64,
    done: AtomicU64,
}

impl Progress {
    pub(super) fn new(total: u64, shown: bool, sink: Arc<dyn Sink>) -> Self {
        // A bar on standard error hides itself where that is no terminal.
        let bar = if shown {
            ProgressBar::new(total)
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) =
            ProgressStyle::with_template("{wide_bar} {percent:>3}% {elapsed} of about {duration}")
        {
            bar.set_style(style);
        }
        Self {
            bar,
            sink,
            total,
            done: AtomicU64::new(0),
        }
    }

    /// Adds steps that have been done.
    pub fn advance(&self, steps: u64) {
        self.bar.inc(steps);
        let before = self.done.fetch_add(steps, Ordering::Relaxed);
        let done = before.saturating_add(steps);
        let unit = (self.total / TOLD_STEPS).max(1);
        if before / unit != done / unit {
            let total = self.total;
            self.sink.note(&Note::Progress { done, total });
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("done", &self.done)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}
