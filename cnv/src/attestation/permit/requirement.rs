//! What a guarded function asks of its caller.

use core::fmt;
use core::marker::PhantomData;

use crate::capability::{CapabilityContract, ResourceBand, Safety, Stability};

use super::Class;

/// What has to be proved before a function runs: a contract of the class `C`, and which audience the attestation has to
/// name. It is what `#[requires_attestation(..)]` is made into; code without the attribute makes one itself.
///
/// ```
/// use std::sync::Arc;
/// use cnv::attestation::{Network, Requirement, SystemClock, development_authority};
/// use cnv::capability::{CapabilityContract, Safety};
///
/// const SEND: Requirement<Network> = Requirement::new().with_safety(Safety::Reversible);
///
/// let evidence = development_authority(CapabilityContract::network(), Arc::new(SystemClock))?;
/// assert_eq!(evidence.permit(&SEND).unwrap().subject(), "development");
/// assert!(evidence.permit(&SEND.for_audience("mailer")).is_err());
/// # Ok::<(), cnv::attestation::PrivateKeyError>(())
/// ```
pub struct Requirement<C> {
    contract: CapabilityContract,
    audience: Option<&'static str>,
    class: PhantomData<fn() -> C>,
}

impl<C: Class> Requirement<C> {
    /// What [`CapabilityContract::for_class`] says for the class, from an attestation for any audience.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            contract: CapabilityContract::for_class(C::CLASS),
            audience: None,
            class: PhantomData,
        }
    }

    /// The same with this resource band.
    #[must_use]
    pub const fn with_band(mut self, band: ResourceBand) -> Self {
        self.contract = self.contract.with_band(band);
        self
    }

    /// The same with this stability.
    #[must_use]
    pub const fn with_stability(mut self, stability: Stability) -> Self {
        self.contract = self.contract.with_stability(stability);
        self
    }

    /// The same with this safety.
    #[must_use]
    pub const fn with_safety(mut self, safety: Safety) -> Self {
        self.contract = self.contract.with_safety(safety);
        self
    }

    /// The same from an attestation that names exactly this audience. One for any audience is then refused, and, because
    /// a verifier accepts its own name only, so is every one where the verifier has another name or none.
    #[must_use]
    pub const fn for_audience(mut self, audience: &'static str) -> Self {
        self.audience = Some(audience);
        self
    }

    /// The contract that an attestation has to cover.
    #[must_use]
    pub const fn contract(&self) -> &CapabilityContract {
        &self.contract
    }

    /// The audience that an attestation has to name, or `None` where any will do.
    #[must_use]
    pub const fn audience(&self) -> Option<&'static str> {
        self.audience
    }
}

impl<C: Class> Default for Requirement<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> Clone for Requirement<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Requirement<C> {}

impl<C> fmt::Debug for Requirement<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requirement")
            .field("contract", &self.contract)
            .field("audience", &self.audience)
            .finish()
    }
}
