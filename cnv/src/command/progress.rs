//! How far a long piece of work is.

use indicatif::{ProgressBar, ProgressStyle};

/// A count of steps done. Dropping it takes the bar off the terminal.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(total: u64, shown: bool) -> Self {
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
        Self { bar }
    }

    /// Adds steps that have been done.
    pub fn advance(&self, steps: u64) {
        self.bar.inc(steps);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
