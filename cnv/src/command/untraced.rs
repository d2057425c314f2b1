//! What stands in for the span of a call where there are none.

use clap::ArgMatches;

use super::app::App;
use super::context::CallId;
use super::pipeline::{Reply, Way};
use super::version::LiveVerb;
use crate::transaction::TransactionId;

/// No span of a call.
pub(super) struct Traced {
    transaction: Option<TransactionId>,
}

impl Traced {
    pub(super) fn begin(_: &App, _: &LiveVerb, way: &Way) -> Self {
        Self {
            transaction: way.transaction,
        }
    }

    pub(super) const fn transaction(&self) -> Option<TransactionId> {
        self.transaction
    }

    pub(super) fn stage(&mut self, _: &'static str) {}

    pub(super) fn fields(&mut self, _: &LiveVerb, _: &ArgMatches) {}

    pub(super) fn end(self, _: CallId, _: &LiveVerb, _: &Reply) {}
}
