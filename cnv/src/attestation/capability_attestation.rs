//! An attestation straight from an authority: a chain of one link.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use crate::capability::CapabilityContract;

use super::claims::Claims;
use super::issue::Undecided;
use super::{
    AttestationBuilder, AttestationChain, AttestationError, AttestationId, DenialReason, KeyId,
    Link, PrivateKey, PublicKey, Timestamp, TokenError,
};
use super::{armour, token};

/// A signed statement that a subject holds a capability until a given moment: the first link of a chain, alone.
///
/// `Display` and `FromStr` use its text form, `cnv1.` and base64url without padding, at most 4096 characters: the token
/// that its bearer presents. Treat the text like a password. `Debug` does not show it, and [`to_json`](Self::to_json)
/// does not contain it.
///
/// [`AttestationChain`] is what further links are added to. A value of this type may be forged or expired until [`verify_at`](Self::verify_at) or a
/// [`TrustStore`](super::TrustStore) has accepted it; parsing checks the form alone.
///
/// ```
/// use cnv::attestation::{CapabilityAttestation, PrivateKey};
/// use cnv::capability::CapabilityContract;
///
/// let (authority_key, authority_pub) = PrivateKey::generate();
/// let attestation =
///     CapabilityAttestation::new(CapabilityContract::network(), "agent-42", 3600, &authority_key);
/// assert!(attestation.verify(&authority_pub) && !attestation.is_expired());
///
/// let presented: CapabilityAttestation = attestation.to_string().parse()?;
/// assert_eq!(presented, attestation);
///
/// let (_, somebody_else) = PrivateKey::generate();
/// assert!(!presented.verify(&somebody_else));
/// # Ok::<(), cnv::attestation::TokenError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CapabilityAttestation(Form);

#[derive(Clone, PartialEq, Eq)]
enum Form {
    Signed(Link),
    /// What was asked for, and what forbade it.
    Unsigned(Claims, AttestationError),
}

impl CapabilityAttestation {
    /// What the text form starts with.
    pub const PREFIX: &'static str = token::PREFIX;

    /// The longest text form, in characters.
    pub const MAX_TEXT_LEN: usize = token::MAX_TEXT_LEN;

    /// Attests that the bearer of the token, named `subject`, holds `contract` from now for `ttl_seconds`, for any
    /// audience, without metadata.
    ///
    /// Never fails and never panics. What [`builder`](Self::builder) would refuse (a subject that is empty, longer than
    /// 256 bytes or has control characters; a time to live beyond what a [`Timestamp`] holds) is *not signed*: such a
    /// value says so in [`fault`](Self::fault), its [`verify`](Self::verify) is false, it counts as expired, and no
    /// token can be made of it. Use the builder where these values come from outside.
    #[must_use]
    pub fn new(
        contract: CapabilityContract,
        subject: impl Into<String>,
        ttl_seconds: u64,
        key: &PrivateKey,
    ) -> Self {
        Self::builder(contract, subject)
            .ttl(ttl_seconds)
            .bearer()
            .sign_or_keep(key)
    }

    /// Starts an attestation with more to say: who can use it, audience, metadata, other times.
    pub fn builder(
        contract: CapabilityContract,
        subject: impl Into<String>,
    ) -> AttestationBuilder<Undecided> {
        AttestationBuilder::new(contract, subject.into())
    }

    pub(super) fn signed(link: Link) -> Self {
        Self(Form::Signed(link))
    }

    pub(super) fn unsigned(claims: Claims, fault: AttestationError) -> Self {
        Self(Form::Unsigned(claims, fault))
    }

    /// Reads the binary form of a single link. The signature is not checked.
    ///
    /// # Errors
    ///
    /// [`TokenError`] where the bytes are no attestation: cut off, too long, out of order, or not in their one form;
    /// [`LinkCount`](TokenError::LinkCount) where they are a chain of several links, for [`AttestationChain`] to read.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        AttestationChain::from_bytes(bytes)?.into_single()
    }

    /// The binary form, at most 3068 bytes. Empty for an attestation that was not signed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Form::Signed(link) => token::encode(std::slice::from_ref(link)),
            Form::Unsigned(..) => Vec::new(),
        }
    }

    /// Why this attestation was not signed, or `None` for one that was.
    #[must_use]
    pub fn fault(&self) -> Option<&AttestationError> {
        match &self.0 {
            Form::Signed(_) => None,
            Form::Unsigned(_, fault) => Some(fault),
        }
    }

    /// Whether `key` signed exactly this attestation. Says nothing about time: ask
    /// [`is_expired`](Self::is_expired) as well, or [`verify_at`](Self::verify_at) instead.
    #[must_use]
    pub fn verify(&self, key: &PublicKey) -> bool {
        self.issued_by(key)
            .is_ok_and(|link| link.check_signature(key).is_ok())
    }

    /// Whether `key` signed exactly this attestation and it is valid at `now` for `audience`.
    ///
    /// An attestation with an audience is valid for that audience alone; one without is valid for all, `None` included.
    /// Whether the presenter possesses the key that it may name is not looked at: a [`Verifier`](super::Verifier) does.
    ///
    /// # Errors
    ///
    /// The first check that failed, in the order issuer, time, audience, signature.
    pub fn verify_at(
        &self,
        key: &PublicKey,
        now: Timestamp,
        audience: Option<&str>,
    ) -> Result<(), DenialReason> {
        let link = self.issued_by(key)?;
        link.check_time(now)?;
        link.check_audience(audience)?;
        link.check_signature(key)
    }

    /// The link, where there is one and it says that `key` signed it.
    fn issued_by(&self, key: &PublicKey) -> Result<&Link, DenialReason> {
        let link = self
            .link()
            .map_err(|fault| DenialReason::NotSigned(fault.clone()))?;
        if link.issuer() != key.id() {
            let issuer = link.issuer();
            return Err(DenialReason::UnknownIssuer { issuer });
        }
        Ok(link)
    }

    /// Whether it is expired by the system's clock.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.is_expired_at(Timestamp::now())
    }

    /// Whether it is expired at `now`: from [`expires_at`](Self::expires_at) on. One that was not signed always is.
    #[must_use]
    pub fn is_expired_at(&self, now: Timestamp) -> bool {
        self.fault().is_some() || now >= self.expires_at()
    }

    /// The attestation for people and other programs to look at, as one JSON object in one line.
    ///
    /// Keys: `id`, `subject`, `issuer`, `audience` (string or null), `contract` (object of `class`, `resource_band`,
    /// `stability`, `safety`), `issued_at`, `not_before`, `expires_at` (seconds since 1970), `holder_key` (key id, or
    /// null for a bearer), `depth`, `metadata` (object of strings). A view: it has no signature, and nothing reads it
    /// back.
    ///
    /// # Errors
    ///
    /// The [`fault`](Self::fault) of an attestation that was not signed.
    pub fn to_json(&self) -> Result<String, AttestationError> {
        Ok(self.link()?.to_json().to_string())
    }

    /// The link, or what forbade to sign one.
    ///
    /// # Errors
    ///
    /// The [`fault`](Self::fault) of an attestation that was not signed.
    pub fn link(&self) -> Result<&Link, AttestationError> {
        match &self.0 {
            Form::Signed(link) => Ok(link),
            Form::Unsigned(_, fault) => Err(fault.clone()),
        }
    }

    /// The link by itself, or what forbade to sign one.
    pub(super) fn into_link(self) -> Result<Link, AttestationError> {
        match self.0 {
            Form::Signed(link) => Ok(link),
            Form::Unsigned(_, fault) => Err(fault),
        }
    }

    fn claims(&self) -> &Claims {
        match &self.0 {
            Form::Signed(link) => link.claims(),
            Form::Unsigned(claims, _) => claims,
        }
    }

    /// The SHA-256 of the signed bytes: what names this attestation in logs and in whatever refers to it. Zeros for one
    /// that was not signed.
    #[must_use]
    pub fn id(&self) -> AttestationId {
        match &self.0 {
            Form::Signed(link) => link.id(),
            Form::Unsigned(..) => AttestationId::ZERO,
        }
    }

    /// What is attested.
    #[must_use]
    pub fn contract(&self) -> &CapabilityContract {
        &self.claims().contract
    }

    /// Who holds it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.claims().subject
    }

    /// The id of the key that it says it was signed with.
    #[must_use]
    pub fn issuer(&self) -> KeyId {
        self.claims().issuer
    }

    /// The only verifier that may accept it, or `None` where any may.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.claims().audience.as_deref()
    }

    /// What was added for people and logs, in ascending order of the keys.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.claims().metadata
    }

    /// The moment of issue.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.claims().issued_at
    }

    /// The first moment of its validity.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.claims().not_before
    }

    /// The first moment at which it is expired.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.claims().expires_at
    }
}

/// The token. For an attestation that was not signed it is the bare prefix, which no parser accepts.
impl fmt::Display for CapabilityAttestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&armour::write(token::PREFIX, &self.to_bytes()))
    }
}

/// Reads a token of one link. The signature is not checked. Surrounding spaces and line ends are not part of a token: a
/// token from a file is trimmed by whoever read the file.
impl FromStr for CapabilityAttestation {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<AttestationChain>()?.into_single()
    }
}

/// Shows the claims and the id, never the signature: with it the text would be a token.
impl fmt::Debug for CapabilityAttestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("CapabilityAttestation");
        out.field("claims", self.claims());
        match &self.0 {
            Form::Signed(link) => out.field("id", &link.id()).finish_non_exhaustive(),
            Form::Unsigned(_, fault) => out.field("fault", fault).finish(),
        }
    }
}
