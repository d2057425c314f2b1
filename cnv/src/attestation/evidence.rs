//! What a call presents, and the decision about it.

use core::fmt;
use core::ops::Deref;
use core::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::capability::CapabilityContract;

#[cfg(feature = "session")]
use super::Nonce;
use super::possession::Answer;
use super::{
    CapabilityAttestation, Class, Clock, DenialReason, Denied, Permit, PrivateKey, PrivateKeyError,
    ProofOfPossession, RequestDigest, Requirement, TrustStore, Verified, Verifier, permit,
};

/// What a caller presents to guarded functions: a session with a [`Verifier`], with a token or none.
///
/// Signatures and the proof of possession are checked at the first call that needs them and, where they hold, not again;
/// what can change (times, revocations, roots, policy) and the capability are checked at every call. A refusal is never
/// remembered. Clones are the same session.
///
/// ```
/// use std::sync::Arc;
/// use cnv::attestation::{
///     CapabilityAttestation, DenialReason, Evidence, PrivateKey, SystemClock, TrustStore, Verifier,
/// };
/// use cnv::capability::CapabilityContract;
///
/// let (key, public) = PrivateKey::generate();
/// let mut store = TrustStore::new();
/// store.add("ops-2026", public)?;
/// let token = CapabilityAttestation::new(CapabilityContract::read_write(), "agent-42", 60, &key).to_string();
///
/// let verifier = Verifier::builder(store, Arc::new(SystemClock))
///     .accept_bearer()
///     .without_revocation()
///     .build();
/// let evidence = Evidence::new(&verifier).with_token(token);
/// let permit = evidence.authorise(&CapabilityContract::read_only())?;
/// assert_eq!(permit.subject(), "agent-42");
///
/// let denied = evidence.authorise(&CapabilityContract::network()).unwrap_err();
/// assert!(matches!(denied.reason(), DenialReason::Insufficient { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With a key the token is worth nothing without it. The verifier gives out a nonce, and the holder signs it:
///
/// ```
/// # use std::sync::Arc;
/// # use cnv::attestation::{CapabilityAttestation, Evidence, PrivateKey, SystemClock, TrustStore, Verifier};
/// # use cnv::attestation::{Possession, RequestDigest, Timestamp};
/// # use cnv::capability::CapabilityContract;
/// # let (key, public) = PrivateKey::generate();
/// # let mut store = TrustStore::new();
/// # store.add("ops-2026", public)?;
/// let (agent_key, agent) = PrivateKey::generate();
/// let token = CapabilityAttestation::builder(CapabilityContract::network(), "agent-42")
///     .held_by(&agent)
///     .sign(&key)?
///     .to_string();
/// let verifier = Verifier::builder(store, Arc::new(SystemClock))
///     .audience("fetcher")
///     .without_revocation()
///     .build();
///
/// // The verifier's side begins a session, the holder's side answers.
/// let nonce = verifier.challenge()?;
/// let request = RequestDigest::of(b"fetch https://example.com");
/// let signed_at = Timestamp::now();
/// let proof = Possession { token: &token, audience: Some("fetcher"), nonce, request, signed_at }.sign(&agent_key);
///
/// let evidence = Evidence::new(&verifier).with_token(token).with_proof(proof, request);
/// assert_eq!(evidence.authorise(&CapabilityContract::network())?.subject(), "agent-42");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Evidence {
    session: Arc<Session>,
}

struct Session {
    presented: Presented,
    /// What the token was found to be. Empty until it passed.
    verified: OnceLock<Verified>,
    /// Held while the first call is decided, so that a nonce is not used up by one thread while another waits to use it.
    opening: Mutex<()>,
}

/// What a session is opened with.
#[derive(Clone)]
struct Presented {
    verifier: Verifier,
    token: Option<String>,
    proof: Option<Answer>,
    is_development: bool,
}

impl Evidence {
    /// Evidence that presents nothing yet.
    #[must_use]
    pub fn new(verifier: &Verifier) -> Self {
        Self::open(Presented {
            verifier: verifier.clone(),
            token: None,
            proof: None,
            is_development: false,
        })
    }

    fn open(presented: Presented) -> Self {
        Self {
            session: Arc::new(Session {
                presented,
                verified: OnceLock::new(),
                opening: Mutex::new(()),
            }),
        }
    }

    /// A new session that presents this token, and no proof. The text is not looked at yet.
    #[must_use]
    pub fn with_token(self, token: impl Into<String>) -> Self {
        Self::open(Presented {
            token: Some(token.into()),
            proof: None,
            ..self.session.presented.clone()
        })
    }

    /// A new session with the same token and this proof that its presenter possesses the key that the token names, made
    /// for the request with this digest as this side sees it. The proof is not looked at yet; a bearer token needs none.
    #[must_use]
    pub fn with_proof(self, proof: ProofOfPossession, request: RequestDigest) -> Self {
        Self::open(Presented {
            proof: Some(Answer {
                proof,
                request,
                nonce: None,
            }),
            ..self.session.presented.clone()
        })
    }

    /// As [`with_proof`](Self::with_proof), in answer to a nonce that the connection was given and keeps. That it is good
    /// for one answer is the caller's to see to: the verifier does not know it.
    #[cfg(feature = "session")]
    pub(crate) fn with_answer(
        self,
        proof: ProofOfPossession,
        request: RequestDigest,
        nonce: Nonce,
    ) -> Self {
        Self::open(Presented {
            proof: Some(Answer {
                proof,
                request,
                nonce: Some(nonce),
            }),
            ..self.session.presented.clone()
        })
    }

    /// Decides whether what is presented allows `required`, now.
    ///
    /// The first call that succeeds costs a signature check for every link that the verifier has not seen (some tens of
    /// microseconds each), every later one a look at the clock and a few comparisons.
    ///
    /// A contract that is known only at run time tells the compiler no class, so the permit is one for [`Pure`](super::Pure) and opens
    /// nothing in [`crate::privileged`]; [`permit`](Self::permit) gives one that does.
    ///
    /// # Errors
    ///
    /// [`Denied`]. A retry helps only after another token was presented, or when the reason is
    /// [`NotYetValid`](DenialReason::NotYetValid) or a stale or missing revocation list.
    #[inline]
    pub fn authorise(&self, required: &CapabilityContract) -> Result<Permit<'_>, Denied> {
        let verified = self.session.decide(required)?;
        Ok(permit::grant(
            &self.session.presented.verifier,
            verified,
            *required,
        ))
    }

    /// Decides whether what is presented meets `required`, now, and gives a permit of its class. Costs what
    /// [`authorise`](Self::authorise) costs.
    ///
    /// # Errors
    ///
    /// As [`authorise`](Self::authorise), and [`DenialReason::AudienceRequired`] where the attestation does not name the
    /// audience that is asked for.
    #[inline]
    pub fn permit<C: Class>(&self, required: &Requirement<C>) -> Result<Permit<'_, C>, Denied> {
        let contract = required.contract();
        let verified = self.session.decide(contract)?;
        // That the verifier answers to the name was decided with everything else that can change.
        if let Some(audience) = required.audience()
            && verified.audience() != Some(audience)
        {
            return Err(audience_required(audience, verified));
        }
        Ok(permit::grant(
            &self.session.presented.verifier,
            verified,
            *contract,
        ))
    }

    /// Whether a token is presented, valid or not.
    #[must_use]
    pub fn is_presented(&self) -> bool {
        self.session.presented.token.is_some()
    }

    /// Whether a [`development_authority`] made it, so that its attestation says nothing about who is calling.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.session.presented.is_development
    }

    /// Who decides.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.session.presented.verifier
    }

    /// What the token was found to be, once a call of [`authorise`](Self::authorise) has succeeded.
    #[must_use]
    pub fn verified(&self) -> Option<&Verified> {
        self.session.verified.get()
    }
}

impl Session {
    #[inline]
    fn decide(&self, required: &CapabilityContract) -> Result<&Verified, Denied> {
        match self.verified.get() {
            Some(verified) => {
                self.presented.verifier.recheck(verified, required)?;
                Ok(verified)
            }
            None => self.first_call(required),
        }
    }

    #[cold]
    fn first_call(&self, required: &CapabilityContract) -> Result<&Verified, Denied> {
        let token = self
            .presented
            .token
            .as_deref()
            .ok_or(DenialReason::Missing)?;
        // It guards no value that a panic could have left half changed.
        let _first = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verified) = self.verified.get() {
            self.presented.verifier.recheck(verified, required)?;
            return Ok(verified);
        }
        let fresh =
            self.presented
                .verifier
                .verify(token, self.presented.proof.as_ref(), required)?;
        Ok(self.verified.get_or_init(|| fresh))
    }
}

#[cold]
fn audience_required(required: &'static str, verified: &Verified) -> Denied {
    DenialReason::AudienceRequired {
        required,
        named: verified.audience().map(str::to_owned),
    }
    .into()
}

/// Never shows the token.
impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("verifier", &self.session.presented.verifier)
            .field("is_presented", &self.is_presented())
            .field("proof", &self.session.presented.proof)
            .field("is_development", &self.session.presented.is_development)
            .field("verified", &self.verified())
            .finish()
    }
}

/// Something that a guarded function can take its [`Evidence`] from: the evidence itself, a context that has it, or a
/// reference to either.
#[diagnostic::on_unimplemented(
    message = "`{Self}` carries no evidence for a guarded call",
    label = "this has to implement `CarriesEvidence`",
    note = "give the guarded function a `cnv::attestation::Evidence`, or a context that implements \
            `cnv::attestation::CarriesEvidence`"
)]
pub trait CarriesEvidence {
    /// The evidence.
    fn evidence(&self) -> &Evidence;
}

impl CarriesEvidence for Evidence {
    fn evidence(&self) -> &Evidence {
        self
    }
}

impl<T: CarriesEvidence + ?Sized> CarriesEvidence for &T {
    fn evidence(&self) -> &Evidence {
        (**self).evidence()
    }
}

impl<T: CarriesEvidence + ?Sized> CarriesEvidence for &mut T {
    fn evidence(&self) -> &Evidence {
        (**self).evidence()
    }
}

impl<T: CarriesEvidence + ?Sized> CarriesEvidence for Box<T> {
    fn evidence(&self) -> &Evidence {
        (**self).evidence()
    }
}

impl<T: CarriesEvidence + ?Sized> CarriesEvidence for Arc<T> {
    fn evidence(&self) -> &Evidence {
        (**self).evidence()
    }
}

impl<T: CarriesEvidence + ?Sized> CarriesEvidence for Rc<T> {
    fn evidence(&self) -> &Evidence {
        (**self).evidence()
    }
}

impl<P: Deref<Target: CarriesEvidence>> CarriesEvidence for Pin<P> {
    fn evidence(&self) -> &Evidence {
        (**self).evidence()
    }
}

/// How long the attestation of a [`development_authority`] is valid, in seconds: one hour.
pub const DEVELOPMENT_TTL_SECONDS: u64 = 3600;

/// Makes evidence for working on one machine without any set-up: a fresh key that only this evidence trusts, and an
/// attestation by it of `contract` for the subject `development`, valid for one hour.
///
/// [`Evidence::is_development`] says so, and whoever serves with it should tell the user. The key is dropped at once: no
/// further attestation is ever made with it. [`CapabilityContract::dangerous`] allows everything.
///
/// ```
/// use std::sync::Arc;
/// use cnv::attestation::{SystemClock, development_authority};
/// use cnv::capability::CapabilityContract;
///
/// let evidence = development_authority(CapabilityContract::dangerous(), Arc::new(SystemClock))?;
/// assert!(evidence.is_development());
/// assert!(evidence.authorise(&CapabilityContract::network()).is_ok());
/// # Ok::<(), cnv::attestation::PrivateKeyError>(())
/// ```
///
/// # Errors
///
/// [`PrivateKeyError::Randomness`] where the operating system gives none.
pub fn development_authority(
    contract: CapabilityContract,
    clock: Arc<dyn Clock>,
) -> Result<Evidence, PrivateKeyError> {
    const NAME: &str = "development";
    let (key, public) = PrivateKey::try_generate()?;
    let mut store = TrustStore::new();
    // Neither of the two can fail: the name is a word, the store is empty, and the attestation keeps every rule. If one
    // did, the evidence would be refused.
    let _ = store.add(NAME, public);
    let attestation = CapabilityAttestation::builder(contract, NAME)
        .issued_at(clock.now())
        .ttl(DEVELOPMENT_TTL_SECONDS)
        .bearer()
        .sign_or_keep(&key);
    let verifier = Verifier::builder(store, clock)
        .accept_bearer()
        .without_revocation()
        .build();
    Ok(Evidence::open(Presented {
        verifier,
        token: Some(attestation.to_string()),
        proof: None,
        is_development: true,
    }))
}
