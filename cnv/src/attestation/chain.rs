//! Chains: a root's link and what was delegated from it, offline.

use core::fmt;
use core::str::FromStr;

use sha2::{Digest, Sha256};

use crate::capability::CapabilityContract;

use super::armour::{self, ArmourError};
use super::claims::Holder;
use super::issue::Undecided;
use super::link::json_object;
use super::{
    AttestationError, CapabilityAttestation, Delegation, DenialReason, Denied, Link, PublicKey,
    Timestamp, TokenError, attenuation, hex, token,
};

/// A root's attestation and the links that were delegated from it, 1 to 8 of them.
///
/// Each link is signed by the holder of the one before it, names its predecessor's id, and grants no more: another
/// capability, a longer life, another audience or a deeper chain is refused where the chain is verified. So the last
/// link alone says what the chain allows, and every link says who answers for it.
///
/// `Display` and `FromStr` use the text form that [`CapabilityAttestation`] has, too: a token. A value of this type may be
/// forged until a [`Verifier`](super::Verifier) or a [`TrustStore`](super::TrustStore) has accepted it.
///
/// ```
/// use cnv::attestation::{AttestationChain, CapabilityAttestation, PrivateKey, Timestamp, TrustStore};
/// use cnv::capability::CapabilityContract;
///
/// let (root_key, root) = PrivateKey::generate();
/// let (team_key, team) = PrivateKey::generate();
/// let (_agent_key, agent) = PrivateKey::generate();
///
/// // The root lets a team hold everything for a day ...
/// let chain: AttestationChain = CapabilityAttestation::builder(CapabilityContract::dangerous(), "team-a")
///     .ttl(86_400)
///     .held_by(&team)
///     .sign(&root_key)?
///     .try_into()?;
/// // ... and the team, without asking anybody, lets an agent use the network for ten minutes.
/// let chain = chain
///     .delegate("agent-42")
///     .narrow_to(CapabilityContract::network())
///     .ttl(600)
///     .held_by(&agent)
///     .sign(&team_key)?;
/// assert_eq!(chain.links().len(), 2);
/// assert_eq!(chain.leaf().subject(), "agent-42");
///
/// let mut store = TrustStore::new();
/// store.add("root", root)?;
/// let token = chain.to_string();
/// let verified = store.verify_token(&token, &CapabilityContract::network(), None, Timestamp::now())?;
/// assert_eq!(verified.chain(), &chain);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AttestationChain {
    /// The root's link first. Never empty.
    links: Vec<Link>,
}

impl AttestationChain {
    pub(super) fn with(&self, link: Link) -> Self {
        let mut links = Vec::with_capacity(self.links.len() + 1);
        links.extend_from_slice(&self.links);
        links.push(link);
        Self { links }
    }

    /// Reads the binary form. The signatures are not checked.
    ///
    /// # Errors
    ///
    /// [`TokenError`] where the bytes are no chain: cut off, too long, out of order, or not in their one form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        token::decode(bytes).map(|links| Self { links })
    }

    /// The binary form, at most 3068 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        token::encode(&self.links)
    }

    /// The links, the root's first. There is at least one.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The root's link.
    #[must_use]
    pub fn root(&self) -> &Link {
        &self.links[0]
    }

    /// The last link, which says what the whole chain allows.
    #[must_use]
    pub fn leaf(&self) -> &Link {
        &self.links[self.links.len() - 1]
    }

    /// Starts a further link, for `subject`. It can only narrow what this chain allows: what is not said stays as it is
    /// here, except the time to live, which is short.
    ///
    /// Needs no connection to anybody; [`Delegation::sign`] takes the private key that this chain's last link names.
    pub fn delegate(&self, subject: impl Into<String>) -> Delegation<'_, Undecided> {
        Delegation::new(self, subject.into())
    }

    /// The chain for people and other programs to look at, as one JSON object in one line.
    ///
    /// Its one key, `links`, holds an array, the root's link first, of the objects that
    /// [`CapabilityAttestation::to_json`] makes. A view: it has no signature, and nothing reads it back.
    #[must_use]
    pub fn to_json(&self) -> String {
        let links: Vec<_> = self.links.iter().map(Link::to_json).collect();
        json_object([("links", links.into())]).to_string()
    }

    /// The digest of the token, which a [`ProofOfPossession`](super::ProofOfPossession) signs.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.to_string())
    }

    pub(super) fn into_single(mut self) -> Result<CapabilityAttestation, TokenError> {
        let links = self.links.len() as u8;
        match self.links.pop() {
            Some(link) if links == 1 => Ok(CapabilityAttestation::signed(link)),
            _ => Err(TokenError::LinkCount { links }),
        }
    }

    /// What went wrong at the link with this place in the chain.
    pub(super) fn denied(&self, index: usize, reason: DenialReason) -> Denied {
        Denied::at_link(index + 1, self.links.len(), reason)
    }

    /// Applies a check to every link, the root's first.
    pub(super) fn check_links(
        &self,
        mut check: impl FnMut(&Link) -> Result<(), DenialReason>,
    ) -> Result<(), Denied> {
        for (index, link) in self.links.iter().enumerate() {
            check(link).map_err(|reason| self.denied(index, reason))?;
        }
        Ok(())
    }

    /// Checks that every link grants no more than the one before it.
    pub(super) fn check_attenuation(&self) -> Result<(), Denied> {
        for (index, pair) in self.links.windows(2).enumerate() {
            attenuation::check(pair[0].claims(), pair[1].claims())
                .map_err(|fault| self.denied(index + 1, DenialReason::Escalation(fault)))?;
        }
        Ok(())
    }

    /// Checks that the last link covers what is required. With attenuation checked, all before it do as well.
    pub(super) fn check_contract(&self, required: &CapabilityContract) -> Result<(), Denied> {
        self.leaf()
            .check_contract(required)
            .map_err(|reason| self.denied(self.links.len() - 1, reason))
    }

    /// Checks every signature, the root's first, and returns the key whose possession has to be proved.
    ///
    /// A key that a link names is imported only after that link's own signature held, so that nobody without a key in the
    /// chain can make a verifier do curve arithmetic on points of their choice.
    pub(super) fn check_signatures(
        &self,
        root: &PublicKey,
        mathematics: &impl Mathematics,
    ) -> Result<Option<PublicKey>, Denied> {
        let mut issuer = Some(*root);
        for (index, link) in self.links.iter().enumerate() {
            let check = |issuer: &Option<PublicKey>| {
                // The encoding has no link behind a bearer's.
                let issuer = issuer.as_ref().ok_or(DenialReason::UnknownIssuer {
                    issuer: link.issuer(),
                })?;
                mathematics.check_signature(link, issuer)?;
                match &link.claims().holder {
                    Holder::Bearer => Ok(None),
                    Holder::Key { key, .. } => mathematics.import(key).map(Some),
                }
            };
            issuer = check(&issuer).map_err(|reason| self.denied(index, reason))?;
        }
        Ok(issuer)
    }

    /// The time in which every link is valid, clock skew not allowed for: from the first moment up to the second.
    pub(super) fn window(&self) -> (Timestamp, Timestamp) {
        let starts = self.links.iter().map(|link| link.claims().starts_at());
        let ends = self.links.iter().map(Link::expires_at);
        (
            starts.max().unwrap_or_default(),
            ends.min().unwrap_or_default(),
        )
    }
}

/// The two questions whose answers depend on nothing but their arguments, and so can be remembered for ever.
pub(super) trait Mathematics {
    /// Whether `issuer` signed `link`.
    fn check_signature(&self, link: &Link, issuer: &PublicKey) -> Result<(), DenialReason>;

    /// The key that these bytes are.
    fn import(&self, key: &[u8; PublicKey::LEN_BYTES]) -> Result<PublicKey, DenialReason>;
}

/// Works everything out anew.
pub(super) struct Forgetful;

impl Mathematics for Forgetful {
    fn check_signature(&self, link: &Link, issuer: &PublicKey) -> Result<(), DenialReason> {
        link.check_signature(issuer)
    }

    fn import(&self, key: &[u8; PublicKey::LEN_BYTES]) -> Result<PublicKey, DenialReason> {
        PublicKey::from_bytes(key).map_err(DenialReason::HolderKey)
    }
}

/// A chain of one link.
impl TryFrom<CapabilityAttestation> for AttestationChain {
    type Error = AttestationError;

    fn try_from(attestation: CapabilityAttestation) -> Result<Self, AttestationError> {
        let link = attestation.into_link()?;
        Ok(Self { links: vec![link] })
    }
}

/// The token.
impl fmt::Display for AttestationChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&armour::write(token::PREFIX, &self.to_bytes()))
    }
}

/// Reads a token. The signatures are not checked. Surrounding spaces and line ends are not part of a token.
impl FromStr for AttestationChain {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > token::MAX_TEXT_LEN {
            return Err(TokenError::Oversized {
                len: text.len(),
                max: token::MAX_TEXT_LEN,
            });
        }
        let bytes = armour::read(token::PREFIX, text).map_err(|error| match error {
            ArmourError::Prefix => TokenError::Prefix,
            ArmourError::Encoding => TokenError::Encoding,
        })?;
        Self::from_bytes(&bytes)
    }
}

/// Shows the links, never a signature: with them the text would be a token.
impl fmt::Debug for AttestationChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttestationChain")
            .field("links", &self.links)
            .finish()
    }
}

/// The SHA-256 of a token's text, signatures included. `Display` prints 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenDigest([u8; Self::LEN_BYTES]);

impl TokenDigest {
    /// The length of a digest in bytes.
    pub const LEN_BYTES: usize = 32;

    /// The digest of a token's text.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN_BYTES] {
        &self.0
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenDigest({self})")
    }
}
