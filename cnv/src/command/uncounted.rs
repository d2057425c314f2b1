//! Takes the place of `metrics` where the feature `trace` is off: nothing is counted.

use std::time::Instant;

use super::app::App;
use super::failure::Failure;
use super::pipeline::Reply;
use super::spec::VerbSpec;

impl App {
    pub(super) const fn count(&self, _: &VerbSpec, _: Instant) -> Counted {
        Counted
    }

    #[allow(clippy::unused_self, reason = "as where it is counted")]
    pub(super) fn refuse_request(&self, failure: Failure) -> Reply {
        Reply::refused(failure)
    }
}

/// A call that nobody counts.
pub(super) struct Counted;

impl Counted {
    pub(super) const fn end(self, reply: Reply) -> Reply {
        reply
    }
}
