//! Public keys, given as text or as a file with one.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use cnv::attestation::{PublicKey, PublicKeyError};
use cnv::prelude::*;

use crate::publish;

const PEM: &str = "-----BEGIN PUBLIC KEY-----";
/// A key with a name and a comment, or a PEM file.
const MAX_INPUT_BYTES: usize = 4096;

/// `cnvpub1...`, or `@` and a file.
#[derive(Debug, Clone)]
pub enum GivenKey {
    /// The key itself.
    Key(PublicKey),
    /// A file with it.
    File(PathBuf),
}

impl FromStr for GivenKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        match text.strip_prefix('@') {
            Some(path) => Ok(Self::File(path.into())),
            None => text.parse().map(Self::Key),
        }
    }
}

impl GivenKey {
    /// The key.
    pub(crate) fn read(self) -> Result<PublicKey, Failure> {
        match self {
            Self::Key(key) => Ok(key),
            Self::File(path) => in_file(&path),
        }
    }
}

fn in_file(path: &Path) -> Result<PublicKey, Failure> {
    let content = publish::read(path, "public key", MAX_INPUT_BYTES)?;
    let key = in_text(str::from_utf8(&content).unwrap_or_default());
    Ok(key.map_err(|source| NoPublicKey {
        path: path.into(),
        source,
    })?)
}

/// The key in a PEM text or in a line that a trust store could have.
pub(crate) fn in_text(text: &str) -> Result<PublicKey, PublicKeyError> {
    let text = text.trim();
    if text.starts_with(PEM) {
        return PublicKey::from_spki_pem(text);
    }
    let lines = text.lines().map(|line| line.split('#').next());
    let mut words = lines.flat_map(|line| line.unwrap_or_default().split_whitespace());
    words.next().unwrap_or_default().parse()
}

/// A file holds no public key.
#[derive(Debug, thiserror::Error)]
#[error("`{}` has no public key; `cnv key show` shows the public half of a private key's file", path.display())]
pub struct NoPublicKey {
    path: PathBuf,
    #[source]
    source: PublicKeyError,
}
