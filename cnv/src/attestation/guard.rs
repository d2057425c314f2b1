//! What `#[requires_attestation]` puts in front of a body.

use super::{CarriesEvidence, Class, Covers, Denied, Evidence, Permit, Requirement};

/// Lets the body run, or says why not.
///
/// # Errors
///
/// [`Denied`] unless the evidence meets `required` at this moment.
#[inline]
pub fn guard<'carrier, C: Class, T: CarriesEvidence + ?Sized>(
    carrier: &'carrier T,
    required: &Requirement<C>,
) -> Result<Permit<'carrier, C>, Denied> {
    carrier.evidence().permit(required)
}

/// The evidence itself, for a body that gets a permit and may move or change what carried it.
pub fn evidence<T: CarriesEvidence + ?Sized>(carrier: &T) -> Evidence {
    carrier.evidence().clone()
}

/// What the guard granted, as the class that the body asks for.
#[inline]
pub fn lend<'evidence, Asked: Class, C: Covers<Asked>>(
    granted: Permit<'evidence, C>,
) -> Permit<'evidence, Asked> {
    granted.into_narrower()
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
