//! What a call was allowed, what it used, and on whose word it ran.

use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::context::CallId;
use super::failure::FailureCode;
use super::recovery::Decided;
use super::spec::VerbSpec;
use crate::attestation::{Evidence, KeyId, Timestamp};
use crate::capability::CapabilityContract;
use crate::grammar::Amounts;
use crate::quota::{Limits, Resource, Usage};
#[cfg(feature = "trace")]
use crate::trace::TraceId;
use crate::transaction::TransactionId;

/// The record of one call. Its display is one line.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Receipt {
    /// The number of the call.
    pub call_id: CallId,
    /// The transaction that the caller says the call belongs to.
    pub transaction_id: Option<TransactionId>,
    /// The trace that the call is part of, where the application has a tracer.
    #[cfg(feature = "trace")]
    pub trace_id: Option<TraceId>,
    /// What was called.
    pub verb: VerbSpec,
    /// What the call used.
    pub usage: Usage,
    /// On whose word the call ran; `None` where nothing in it asked for an attestation, or none that held was presented.
    pub attestation: Option<AttestedBy>,
    /// Whether the handler was begun; `false` where the call was denied, not admitted, or stopped or refused by the verb's
    /// policy before that, and where it was given the reply of an earlier one.
    pub is_run: bool,
    /// The earlier call of the same idempotency key whose reply this one was given.
    pub repeats: Option<CallId>,
    /// How the call failed; `None` where it did not.
    pub failure: Option<FailureCode>,
    /// What policies decided, but for those that only let the call through: 16 at most.
    pub decided: Vec<Decided>,
}

/// The attestation that a call ran under.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AttestedBy {
    /// Who may act.
    pub subject: String,
    /// The issuer's name in the trust store.
    pub issuer_name: String,
    /// The issuer's key.
    pub issuer: KeyId,
    /// What was attested, which may be more than the verb asks for.
    pub contract: CapabilityContract,
    /// When the attestation ends.
    pub expires_at: Timestamp,
    /// Whether an authority made for this process alone vouches.
    pub development: bool,
}

impl AttestedBy {
    /// Whose word the evidence was found to be; `None` where nothing was found or asked.
    pub(super) fn of(evidence: &Evidence) -> Option<Self> {
        let verified = evidence.verified()?;
        Some(Self {
            subject: verified.subject().to_owned(),
            issuer_name: verified.issuer_name().to_owned(),
            issuer: verified.issuer(),
            contract: *verified.contract(),
            expires_at: verified.expires_at(),
            development: evidence.is_development(),
        })
    }
}

impl Receipt {
    /// The declared budget, or `None` where the function has none.
    #[must_use]
    pub const fn allowed(&self) -> Option<&Limits> {
        self.verb.limits()
    }

    /// The first resource of which more was used than declared.
    #[must_use]
    pub fn over(&self) -> Option<Resource> {
        self.usage.first_over(self.allowed()?)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.allowed() {
            Some(limits) => write!(f, "allowed {limits}")?,
            None => f.write_str("allowed anything (no budget)")?,
        }
        write!(f, " | used {}", self.usage)?;
        match &self.attestation {
            Some(by) => write!(f, " | {by}")?,
            None if self.verb.contract().is_some() => f.write_str(" | not attested")?,
            None => f.write_str(" | no attestation needed")?,
        }
        match self.over() {
            Some(resource) => write!(f, " | over budget: {resource}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for AttestedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = self.contract.class();
        if self.development {
            return write!(f, "attested {class} by an authority made for this process");
        }
        let Self {
            subject,
            issuer_name,
            issuer,
            ..
        } = self;
        write!(
            f,
            "attested {class} for {subject} by {issuer_name} ({issuer})"
        )
    }
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut receipt = serializer.serialize_struct("Receipt", 13)?;
        receipt.serialize_field("call_id", &self.call_id.to_string())?;
        let transaction_id = self.transaction_id.map(|id| id.to_string());
        receipt.serialize_field("transaction_id", &transaction_id)?;
        #[cfg(feature = "trace")]
        if let Some(trace_id) = self.trace_id {
            receipt.serialize_field("trace_id", &trace_id.to_string())?;
        }
        receipt.serialize_field("verb", &self.verb.to_string())?;
        receipt.serialize_field("ran", &self.is_run)?;
        let repeats = self.repeats.map(|id| id.to_string());
        receipt.serialize_field("repeats", &repeats)?;
        receipt.serialize_field("outcome", self.failure.map_or("ok", FailureCode::as_str))?;
        receipt.serialize_field("allowed", &self.allowed().map(Amounts::from))?;
        receipt.serialize_field("used", &Amounts::from(&self.usage))?;
        // Whether the processor time is what was used, or only no less than that.
        let is_upper_bound = self.usage.cpu_clock.is_upper_bound();
        receipt.serialize_field("cpu_is_upper_bound", &is_upper_bound)?;
        receipt.serialize_field("over", &self.over().map(|resource| resource.to_string()))?;
        receipt.serialize_field("attestation", &self.attestation)?;
        receipt.serialize_field("recovery", &self.decided)?;
        receipt.end()
    }
}

impl Serialize for AttestedBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut by = serializer.serialize_struct("AttestedBy", 6)?;
        by.serialize_field("subject", &self.subject)?;
        by.serialize_field("issuer_name", &self.issuer_name)?;
        by.serialize_field("issuer", &self.issuer.to_string())?;
        by.serialize_field("contract", &self.contract.to_string())?;
        by.serialize_field("expires_at", &self.expires_at.as_unix_seconds())?;
        by.serialize_field("development", &self.development)?;
        by.end()
    }
}

impl From<&Usage> for Amounts {
    fn from(usage: &Usage) -> Self {
        Self {
            memory_bytes: usage.used(Resource::Memory),
            cpu_ns: usage.used(Resource::Cpu),
            io_ops: usage.used(Resource::Io),
            network_bytes: usage.used(Resource::Network),
        }
    }
}
