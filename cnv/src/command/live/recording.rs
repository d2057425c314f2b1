//! The entries of changes in the audit log.

use std::sync::{Arc, PoisonError};

use super::Shared;
use crate::audit::{
    AuditEntry, AuditLog, ChangeClass, Decision, Digest, GrammarChange, Outcome, Reason,
};
use crate::command::log::open_log;
use crate::command::pipeline::call_id;
use crate::grammar::{Class, Delta};

/// What stands in an entry where that of a call has its verb.
const VERB: &str = "grammar overlay";

/// What the digest of an overlay covers: its text.
const TAG: &str = "cnv overlay 1";

pub(super) fn digest_of(text: &str) -> Digest {
    Digest::of(TAG, [text.as_bytes()])
}

impl From<Class> for ChangeClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Safe => Self::Safe,
            Class::Caution => Self::Caution,
            Class::Breaking => Self::Breaking,
        }
    }
}

impl Shared {
    /// Records that another grammar comes into force.
    ///
    /// # Errors
    ///
    /// Where that cannot be recorded: then it does not.
    pub(super) async fn record_change(
        &self,
        text: Digest,
        after: Digest,
        delta: &Delta,
    ) -> Result<(), String> {
        let mut entry = self.entry(Some(text), Decision::Allowed)?;
        entry.grammar = Some(after);
        entry.change = Some(GrammarChange {
            before: self.published.current().digest(),
            class: delta.class().into(),
        });
        entry.outcome = Some(Outcome::Succeeded);
        #[cfg(feature = "trace")]
        self.trace(&entry, None);
        self.record(entry).await
    }

    /// Records that a file is refused.
    pub(super) async fn record_refusal(
        &self,
        text: Option<Digest>,
        code: &str,
        why: &str,
    ) -> Result<(), String> {
        let reason = Reason::new(code, why);
        let mut entry = self.entry(text, Decision::Denied(reason))?;
        entry.grammar = Some(self.published.current().digest());
        #[cfg(feature = "trace")]
        self.trace(&entry, Some(code));
        self.record(entry).await
    }

    /// Has the span of a change exported, which is a trace by itself: nobody's call asked for it.
    #[cfg(feature = "trace")]
    fn trace(&self, entry: &AuditEntry, refusal: Option<&str>) {
        let Some(tracer) = &self.tracer else { return };
        let context = crate::trace::TraceContext::fresh(tracer.ids());
        let mut span = tracer.entry("grammar reload", &context, None);
        span.ended(refusal.map(|code| code.to_owned().into()));
        if !span.is_recorded() {
            return;
        }
        if let Some(grammar) = entry.grammar {
            span.set("cnv.grammar.digest", grammar.to_string());
        }
        if let Some(change) = &entry.change {
            span.set("cnv.grammar.before", change.before.to_string());
            span.set("cnv.grammar.change", change.class.as_str());
        }
    }

    fn entry(&self, text: Option<Digest>, decision: Decision) -> Result<AuditEntry, String> {
        let id = call_id().map_err(|failure| failure.to_string())?;
        let mut entry = AuditEntry::new(self.clock.now(), id.to_bytes(), VERB, decision);
        entry.arguments = text;
        Ok(entry)
    }

    /// On a thread of its own, because it may wait for the disk.
    async fn record(&self, entry: AuditEntry) -> Result<(), String> {
        let Some(log) = self.log().await? else {
            return Ok(());
        };
        let record = move || AuditLog::record_written(&log, &entry);
        match tokio::task::spawn_blocking(record).await {
            Ok(recorded) => recorded.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn log(&self) -> Result<Option<Arc<AuditLog>>, String> {
        if let Some(log) = &self.audit {
            return Ok(Some(Arc::clone(log)));
        }
        let lent = self
            .lent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .upgrade();
        match lent {
            Some(log) => Ok(Some(log)),
            None => open_log(self.application)
                .await
                .map_err(|failure| failure.to_string()),
        }
    }
}
