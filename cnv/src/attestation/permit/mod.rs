//! What a call gets for its evidence: the proof that it was authorised, with its class in its type.

mod class;
mod requirement;

use core::fmt;
use core::marker::PhantomData;

use crate::capability::CapabilityContract;

use super::{AttestationId, Denied, KeyId, Timestamp, Verified, Verifier};

pub use class::{Class, Covers, Dangerous, Network, Pure, ReadOnly, ReadWrite};
pub use requirement::Requirement;

/// Proof that a call was authorised for the class `C`, for as long as its evidence is borrowed.
///
/// Only [`Evidence::permit`](super::Evidence::permit) and [`Evidence::authorise`](super::Evidence::authorise) make one,
/// the former in front of every function with [`macro@crate::requires_attestation`], so code that takes a `&Permit<'_, C>`
/// cannot be reached without a valid attestation of that class. What touches files, the network, processes and the
/// environment under a permit is in [`crate::privileged`].
///
/// A permit for a wider class does where a narrower one is asked for: [`Covers`] in a bound, or
/// [`narrow`](Self::narrow) for a function that names one class. `Permit<'_>` alone is one for [`Pure`], which allows
/// nothing but to ask who is calling.
///
/// It is not [`Clone`]; a function that is lent one cannot keep it. It may cross threads, because a future that holds one
/// over an `.await` may, but it ends with its evidence:
///
/// ```compile_fail,E0515
/// # use cnv::attestation::{Evidence, Permit};
/// # use cnv::capability::CapabilityContract;
/// fn keep(evidence: Evidence) -> Permit<'static> {
///     evidence.authorise(&CapabilityContract::pure()).unwrap()
/// }
/// ```
pub struct Permit<'evidence, C = Pure> {
    verifier: &'evidence Verifier,
    verified: &'evidence Verified,
    required: CapabilityContract,
    class: PhantomData<fn() -> C>,
}

/// A permit; whoever calls this has decided that `verified` covers `required`, whose class covers `C`. No method, so that
/// the compiler proposes it to nobody.
#[inline]
pub(super) fn grant<'evidence, C: Class>(
    verifier: &'evidence Verifier,
    verified: &'evidence Verified,
    required: CapabilityContract,
) -> Permit<'evidence, C> {
    debug_assert!(required.class().covers(C::CLASS));
    Permit {
        verifier,
        verified,
        required,
        class: PhantomData,
    }
}

impl<'evidence, C: Class> Permit<'evidence, C> {
    /// The same permit for a narrower class, lent to code that needs no more.
    ///
    /// ```
    /// use cnv::attestation::{Permit, ReadOnly, ReadWrite};
    ///
    /// fn look(permit: &Permit<'_, ReadOnly>) -> String {
    ///     permit.subject().to_owned()
    /// }
    /// fn change(permit: &Permit<'_, ReadWrite>) -> String {
    ///     look(&permit.narrow())
    /// }
    /// # let _ = change;
    /// ```
    #[must_use]
    pub fn narrow<Narrower: Class>(&self) -> Permit<'_, Narrower>
    where
        C: Covers<Narrower>,
    {
        grant(self.verifier, self.verified, self.required)
    }

    /// The permit itself for a narrower class.
    #[inline]
    pub(super) fn into_narrower<Narrower: Class>(self) -> Permit<'evidence, Narrower>
    where
        C: Covers<Narrower>,
    {
        grant(self.verifier, self.verified, self.required)
    }
}

impl<'evidence, C> Permit<'evidence, C> {
    /// Decides again whether the call may go on: it was not revoked meanwhile, has not expired, and its root is still
    /// trusted. For handlers that run long, before each step that has an effect. Costs as much as a warm call.
    ///
    /// # Errors
    ///
    /// [`Denied`]. What was done already stays done; the handler should stop.
    pub fn recheck(&self) -> Result<(), Denied> {
        self.verifier.recheck(self.verified, &self.required)
    }

    /// Who is calling.
    #[must_use]
    pub fn subject(&self) -> &'evidence str {
        self.verified.subject()
    }

    /// What the caller holds, which may be more than the call required.
    #[must_use]
    pub fn contract(&self) -> &'evidence CapabilityContract {
        self.verified.contract()
    }

    /// The only verifier that the attestation is for, or `None` where any may accept it.
    #[must_use]
    pub fn audience(&self) -> Option<&'evidence str> {
        self.verified.audience()
    }

    /// The root's name in the trust store.
    #[must_use]
    pub fn issuer_name(&self) -> &'evidence str {
        self.verified.issuer_name()
    }

    /// The id of the root's key.
    #[must_use]
    pub fn issuer(&self) -> KeyId {
        self.verified.issuer()
    }

    /// The id of the chain's last link.
    #[must_use]
    pub fn attestation_id(&self) -> AttestationId {
        self.verified.id()
    }

    /// The ids of all links, the root's first: whose word the call rests on.
    pub fn link_ids(&self) -> impl Iterator<Item = AttestationId> + use<'evidence, C> {
        self.verified.chain().links().iter().map(|link| link.id())
    }

    /// The first moment at which the attestation is expired.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.verified.expires_at()
    }
}

impl<C: Class> fmt::Debug for Permit<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("class", &C::CLASS)
            .field("required", &self.required)
            .field("verified", &self.verified)
            .finish_non_exhaustive()
    }
}
