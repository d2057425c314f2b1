//! What `#[requires_attestation]` puts in front of a body.

use super::{CarriesEvidence, Denied};
use crate::capability::CapabilityContract;

/// Lets the body run, or says why not.
///
/// # Errors
///
/// [`Denied`] unless the evidence proves `contract` at this moment.
pub fn guard<C: CarriesEvidence + ?Sized>(
    carrier: &C,
    contract: &CapabilityContract,
) -> Result<(), Denied> {
    carrier.evidence().authorise(contract).map(|_permit| ())
}

/// A return type that can say no.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry a refusal",
    label = "a guarded function has to be able to refuse",
    note = "return `Result<_, E>` where `E: From<cnv::attestation::Denied>`"
)]
pub trait Refusal {
    /// The value that says so.
    fn refuse(denied: Denied) -> Self;
}

impl<T, E: From<Denied>> Refusal for Result<T, E> {
    fn refuse(denied: Denied) -> Self {
        Err(denied.into())
    }
}

/// The refusal as the guarded function returns it.
pub fn refuse<R: Refusal>(denied: Denied) -> R {
    R::refuse(denied)
}
