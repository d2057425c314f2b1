//! Which keys are believed, and the decision itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::capability::CapabilityContract;

use super::chain::Forgetful;
use super::field::{self, TextFault};
use super::trusted_file::{self, TrustedFileError};
use super::{
    AttestationChain, CapabilityAttestation, DenialReason, Denied, KeyId, PublicKey,
    PublicKeyError, Timestamp, Verified,
};

/// The public keys whose attestations are accepted, each with a name for people.
///
/// As a file it is one key a line, with comments:
///
/// ```text
/// # who may issue attestations for this machine
/// cnvpub1.11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo  ops-2026   # Maria's hardware key
/// ```
///
/// An empty store is a valid one: it refuses everything.
///
/// ```
/// use cnv::attestation::{CapabilityAttestation, PrivateKey, Timestamp, TrustStore};
/// use cnv::capability::CapabilityContract;
///
/// let (key, public) = PrivateKey::generate();
/// let store = TrustStore::parse(&format!("{public}  ops-2026  # the office's key\n"))?;
///
/// let token = CapabilityAttestation::new(CapabilityContract::network(), "agent-42", 60, &key).to_string();
/// let verified = store.verify_token(&token, &CapabilityContract::network(), None, Timestamp::now())?;
/// assert_eq!((verified.subject(), verified.issuer_name()), ("agent-42", "ops-2026"));
///
/// let denied = store
///     .verify_token(&token, &CapabilityContract::read_only(), None, Timestamp::now())
///     .unwrap_err();
/// assert_eq!(denied.to_string(), "attestation refused");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustStore {
    roots: BTreeMap<KeyId, TrustedRoot>,
    names: BTreeSet<String>,
}

/// A trusted key and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedRoot {
    name: String,
    key: PublicKey,
}

impl TrustedRoot {
    /// The longest name, in bytes of UTF-8.
    pub const MAX_NAME_BYTES: usize = 128;

    /// Its name, for people and logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

impl TrustStore {
    /// The longest file that [`load`](Self::load) and [`parse`](Self::parse) read, in bytes: 1 MiB, some ten thousand
    /// keys.
    pub const MAX_LEN_BYTES: usize = 1 << 20;

    /// A store that trusts nobody.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            roots: BTreeMap::new(),
            names: BTreeSet::new(),
        }
    }

    /// Trusts `key` under `name`: one word of at most 128 bytes, without `#` and control characters.
    ///
    /// # Errors
    ///
    /// [`RootError`] where the name is no such word, or the key or the name is there already. The store is then as it
    /// was.
    pub fn add(&mut self, name: impl Into<String>, key: PublicKey) -> Result<(), RootError> {
        let name = name.into();
        field::check(&name, TrustedRoot::MAX_NAME_BYTES, field::is_word)
            .map_err(|fault| RootError::Name { fault })?;
        if let Some(root) = self.roots.get(&key.id()) {
            return Err(RootError::DuplicateKey {
                name: root.name.clone(),
            });
        }
        if !self.names.insert(name.clone()) {
            return Err(RootError::DuplicateName { name });
        }
        self.roots.insert(key.id(), TrustedRoot { name, key });
        Ok(())
    }

    /// Reads a store from a file.
    ///
    /// # Errors
    ///
    /// [`TrustStoreError::File`] where the file cannot be read, or others could add a key;
    /// [`Line`](TrustStoreError::Line) for what is wrong with its content. Part of a file is never used.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TrustStoreError> {
        let path = path.as_ref();
        let content = trusted_file::read(path, Self::MAX_LEN_BYTES)?;
        Self::parse_bytes(&content, Some(path))
    }

    /// Reads a store from text: one key a line, `cnvpub1.KEY NAME`, where `#` starts a comment.
    ///
    /// # Errors
    ///
    /// [`TrustStoreError::TooLarge`], or [`TrustStoreError::Line`] for the first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, TrustStoreError> {
        Self::parse_bytes(text.as_bytes(), None)
    }

    fn parse_bytes(content: &[u8], path: Option<&Path>) -> Result<Self, TrustStoreError> {
        if content.len() > Self::MAX_LEN_BYTES {
            return Err(TrustStoreError::TooLarge);
        }
        let mut store = Self::new();
        for (place, line) in content.split(|&byte| byte == b'\n').enumerate() {
            store
                .add_line(line)
                .map_err(|fault| TrustStoreError::Line {
                    path: path.map(Into::into),
                    line: place + 1,
                    fault,
                })?;
        }
        Ok(store)
    }

    fn add_line(&mut self, line: &[u8]) -> Result<(), LineFault> {
        let line = str::from_utf8(line).map_err(|_| LineFault::NotUtf8)?;
        let entry = line.split_once('#').map_or(line, |(entry, _comment)| entry);
        let mut words = entry.split_whitespace();
        let Some(key) = words.next() else {
            return Ok(());
        };
        let key = key.parse().map_err(LineFault::Key)?;
        let name = words.next().ok_or(LineFault::NoName)?;
        if words.next().is_some() {
            return Err(LineFault::ExtraWords);
        }
        self.add(name, key).map_err(LineFault::Root)
    }

    /// How many keys are trusted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// The trusted key with this id.
    #[must_use]
    pub fn find(&self, id: &KeyId) -> Option<&TrustedRoot> {
        self.roots.get(id)
    }

    /// The trusted keys, in ascending order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &TrustedRoot> {
        self.roots.values()
    }

    /// Decides whether a token says what is required, at `now`, to a verifier that answers to `audience`.
    ///
    /// The cheap checks come first, and the signatures last: size, form, root, attenuation, time, audience, capability,
    /// signatures. Who presents the token and what was revoked is not looked at, so this is for looking at tokens; a
    /// [`Verifier`](super::Verifier) decides whether a caller may act.
    ///
    /// # Errors
    ///
    /// [`Denied`]; its reason is the first check that failed.
    pub fn verify_token(
        &self,
        token: &str,
        required: &CapabilityContract,
        audience: Option<&str>,
        now: Timestamp,
    ) -> Result<Verified, Denied> {
        let chain = token.parse().map_err(DenialReason::Malformed)?;
        self.verify_owned(chain, required, audience, now)
    }

    /// Decides whether an attestation allows what is required, like [`verify_token`](Self::verify_token).
    ///
    /// # Errors
    ///
    /// [`Denied`]; its reason is the first check that failed.
    pub fn verify(
        &self,
        attestation: &CapabilityAttestation,
        required: &CapabilityContract,
        audience: Option<&str>,
        now: Timestamp,
    ) -> Result<Verified, Denied> {
        let chain = attestation
            .clone()
            .try_into()
            .map_err(DenialReason::NotSigned)?;
        self.verify_owned(chain, required, audience, now)
    }

    fn verify_owned(
        &self,
        chain: AttestationChain,
        required: &CapabilityContract,
        audience: Option<&str>,
        now: Timestamp,
    ) -> Result<Verified, Denied> {
        let root = self.find_root(&chain)?;
        chain.check_attenuation()?;
        chain.check_links(|link| link.check_time(now))?;
        chain.check_links(|link| link.check_audience(audience))?;
        chain.check_contract(required)?;
        let holder = chain.check_signatures(&root.key, &Forgetful)?;
        Ok(Verified::new(chain, root, holder))
    }

    /// The root that a chain says it starts from.
    pub(super) fn find_root(&self, chain: &AttestationChain) -> Result<&TrustedRoot, Denied> {
        let issuer = chain.root().issuer();
        self.find(&issuer)
            .ok_or_else(|| chain.denied(0, DenialReason::UnknownIssuer { issuer }))
    }
}

/// Why a key was not added to a trust store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// The name is not one word of at most 128 bytes.
    #[error("the name {fault}")]
    Name {
        /// What is wrong with it.
        fault: TextFault,
    },
    /// The key is trusted already.
    #[error("this key is trusted already, as `{name}`")]
    DuplicateKey {
        /// The name it has.
        name: String,
    },
    /// Another key has the name.
    #[error("another key has the name `{name}`")]
    DuplicateName {
        /// The name.
        name: String,
    },
}

/// What is wrong with a line of a trust store's file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineFault {
    /// The line is not UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// Its first word is no public key.
    #[error(transparent)]
    Key(PublicKeyError),
    /// There is no name after the key.
    #[error("a name has to follow the key: `cnvpub1.KEY NAME`")]
    NoName,
    /// There is more than a key and a name.
    #[error("only a key and a name of one word may stand in a line; a comment starts with `#`")]
    ExtraWords,
    /// The key cannot be added.
    #[error(transparent)]
    Root(RootError),
}

/// Why there is no trust store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustStoreError {
    /// The file is refused.
    #[error("cannot read the trust store")]
    File(#[from] TrustedFileError),
    /// It is longer than 1 MiB.
    #[error("the trust store is longer than {} bytes", TrustStore::MAX_LEN_BYTES)]
    TooLarge,
    /// A line is wrong.
    #[error("{}: {fault}", place(path.as_deref(), *line))]
    Line {
        /// The file, or `None` for a text.
        path: Option<PathBuf>,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        fault: LineFault,
    },
}

/// `FILE:LINE`, as editors and terminals understand it.
fn place(path: Option<&Path>, line: usize) -> String {
    match path {
        Some(path) => format!("{}:{line}", path.display()),
        None => format!("line {line}"),
    }
}
