//! What a caller is told of a denial: that it was one, of what, and where its operator finds the reason.

use super::context::CallId;
use super::failure::{Failure, FailureCode};
use super::spec::VerbSpec;

/// Where the reason of a denial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// In the audit log.
    Written,
    /// Nowhere: the audit log took no entry.
    Refused,
    /// Nowhere: there is no audit log.
    Unkept,
}

impl Record {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "its operator finds the reason in the audit log under this number",
            Self::Refused => "the audit log took no entry, so the reason is not recorded",
            Self::Unkept => {
                "there is no audit log to find the reason in; its operator names one in CNV_AUDIT"
            }
        }
    }
}

/// The call that was denied, and where its reason is.
pub(super) struct Denial<'a> {
    pub(super) spec: &'a VerbSpec,
    pub(super) call_id: CallId,
    pub(super) record: Record,
    /// Whether it was a function within that was denied.
    pub(super) is_within: bool,
}

/// A failure as the caller hears it. One that is no denial is told as it is.
pub(super) fn told(failure: Failure, denial: &Denial<'_>) -> Failure {
    if failure.code() != FailureCode::Attestation {
        return failure;
    }
    let Denial { spec, call_id, .. } = denial;
    let requires = match spec.contract() {
        Some(contract) if !denial.is_within => format!("requires `{contract}`"),
        _ => "called what requires more".to_owned(),
    };
    let why = denial.record.as_str();
    failure.with_whole_message(format!(
        "attestation refused: `{spec}` {requires}; call {call_id}: {why}"
    ))
}

/// A failure as the operator hears it: with the reason of a denial.
pub(super) fn explained(failure: Failure) -> Failure {
    let detail = failure
        .denial()
        .and_then(|denied| std::error::Error::source(&denied).map(ToString::to_string));
    let message = failure.to_string();
    match detail {
        Some(detail) if !message.contains(&detail) => {
            failure.with_whole_message(format!("{message}: {detail}"))
        }
        _ => failure,
    }
}
