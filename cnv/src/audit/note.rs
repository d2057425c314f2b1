//! Signed notes and the checkpoints in them, in the text forms of C2SP.

use core::fmt;
use core::str::FromStr;

use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};

use super::tree::TreeHash;
use crate::attestation::{PrivateKey, PublicKey, PublicKeyError, Signature};

/// What the specification's type byte for Ed25519 is.
const ED25519: u8 = 1;

/// What a line of a signature starts with: an em dash and a space.
const SIGNATURE_LINE: &str = "\u{2014} ";

/// The name of a log and the key that signs for it: all that a verifier has to know, and has to know from elsewhere than
/// the log.
///
/// `Display` and `FromStr` use the text that other tools for signed notes take: the name, the key's hash in hexadecimal,
/// and type and key in base64, with `+` between them.
///
/// ```
/// use cnv::audit::VerifierKey;
///
/// let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
/// let key: VerifierKey = text.parse()?;
/// assert_eq!((key.origin(), key.to_string().as_str()), ("PeterNeumann", text));
/// # Ok::<(), cnv::audit::NoteError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    origin: String,
    key: PublicKey,
    hash: [u8; 4],
}

impl VerifierKey {
    /// The longest origin, in bytes.
    pub const MAX_ORIGIN_BYTES: usize = 128;

    /// The log named `origin`, signed for by `key`. The name is best a URL without its scheme, such as
    /// `example.com/audit/ops`, so that no two logs have the same.
    ///
    /// # Errors
    ///
    /// [`NoteError::Origin`] unless the name has 1 to 128 characters of visible ASCII without `+`.
    pub fn new(origin: impl Into<String>, key: PublicKey) -> Result<Self, NoteError> {
        let origin = origin.into();
        let is_name = (1..=Self::MAX_ORIGIN_BYTES).contains(&origin.len())
            && origin
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'+');
        if !is_name {
            return Err(NoteError::Origin);
        }
        let hash = Sha256::new()
            .chain_update(&origin)
            .chain_update([b'\n', ED25519])
            .chain_update(key.as_bytes())
            .finalize();
        let hash = [hash[0], hash[1], hash[2], hash[3]];
        Ok(Self { origin, key, hash })
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The line of a signature over `text`.
    fn sign(&self, text: &str, key: &PrivateKey) -> String {
        let mut bytes = self.hash.to_vec();
        bytes.extend(key.sign(text.as_bytes()).as_bytes());
        let signature = Base64::encode_string(&bytes);
        format!("{SIGNATURE_LINE}{} {signature}\n", self.origin)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend(self.key.as_bytes());
        let hash = u32::from_be_bytes(self.hash);
        let key = Base64::encode_string(&key);
        write!(f, "{}+{hash:08x}+{key}", self.origin)
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        /// One byte for the type and 32 for the key, at 6 bits a character.
        const KEY_TEXT_LEN: usize = 44;
        let (origin, rest) = text.split_once('+').ok_or(NoteError::VerifierKey)?;
        let (_, key) = rest.split_once('+').ok_or(NoteError::VerifierKey)?;
        let mut bytes = [0; KEY_TEXT_LEN];
        let key = match key.len() {
            KEY_TEXT_LEN => Base64::decode(key, &mut bytes).map_err(|_| NoteError::VerifierKey)?,
            _ => return Err(NoteError::VerifierKey),
        };
        let key = match key.split_first() {
            Some((&ED25519, key)) => key.try_into().map_err(|_| NoteError::VerifierKey)?,
            _ => return Err(NoteError::VerifierKey),
        };
        let parsed = Self::new(origin, PublicKey::from_bytes(key)?)?;
        // The hash between the two follows from them, and everything has one spelling.
        if parsed.to_string() == text {
            Ok(parsed)
        } else {
            Err(NoteError::VerifierKey)
        }
    }
}

/// The head of a log at one size: its name, how many entries there are, and the root over them.
///
/// `Display` is the note text of C2SP tlog-checkpoint: three lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: TreeHash,
}

impl Checkpoint {
    /// The log's name, as the log says it.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many entries the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    #[must_use]
    pub const fn root(&self) -> &TreeHash {
        &self.root
    }

    /// Reads a checkpoint's text. Lines after the third are refused: nothing here would know what they mean.
    fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = || NoteError::Checkpoint;
        let mut lines = text.strip_suffix('\n').ok_or_else(malformed)?.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed());
        };
        if origin.is_empty() || origin.len() > VerifierKey::MAX_ORIGIN_BYTES {
            return Err(malformed());
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: parse_number(size).ok_or_else(malformed)?,
            root: parse_hash(root).ok_or_else(malformed)?,
        })
    }
}

/// A decimal number in its one spelling.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A hash in base64, in its one spelling.
pub(super) fn parse_hash(text: &str) -> Option<TreeHash> {
    /// 32 bytes at 6 bits a character, filled up to a multiple of four.
    const TEXT_LEN: usize = 44;
    let mut bytes = [0; TEXT_LEN];
    if text.len() != TEXT_LEN {
        return None;
    }
    let hash = Base64::decode(text, &mut bytes).ok()?;
    Some(TreeHash::from_bytes(hash.try_into().ok()?))
}

pub(super) fn hash_text(hash: &TreeHash) -> String {
    Base64::encode_string(hash.as_bytes())
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = hash_text(&self.root);
        write!(f, "{}\n{}\n{root}\n", self.origin, self.size)
    }
}

/// A checkpoint as a signed note. `Display` and `FromStr` use the note's text.
///
/// Any text of the form is a value of this type; [`verify`](Self::verify) decides. Signatures of keys that are not asked
/// for are kept and ignored, so that witnesses can add theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
}

impl SignedCheckpoint {
    /// The longest note, in bytes.
    pub const MAX_LEN_BYTES: usize = 64 * 1024;

    pub(super) fn sign(size: u64, root: TreeHash, log: &VerifierKey, key: &PrivateKey) -> Self {
        let checkpoint = Checkpoint {
            origin: log.origin.clone(),
            size,
            root,
        };
        let text = checkpoint.to_string();
        let note = format!("{text}\n{}", log.sign(&text, key));
        Self { checkpoint, note }
    }

    /// The checkpoint, verified or not.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The checkpoint, if `log` signed it and it is of the log of that name.
    ///
    /// # Errors
    ///
    /// [`NoteError::OtherOrigin`], [`NoteError::NotSigned`] where there is no signature of that key, and
    /// [`NoteError::Signature`] where one does not match.
    pub fn verify(&self, log: &VerifierKey) -> Result<&Checkpoint, NoteError> {
        let (text, lines) = split(&self.note)?;
        if self.checkpoint.origin != log.origin {
            return Err(NoteError::OtherOrigin {
                found: self.checkpoint.origin.clone(),
            });
        }
        let mut is_signed = false;
        for line in lines.split_terminator('\n') {
            let (name, hash, signature) = signature_line(line)?;
            if name != log.origin || hash != log.hash {
                continue;
            }
            let signature = signature.try_into().map_err(|_| NoteError::Signature)?;
            log.key
                .verify(text.as_bytes(), &Signature::from_bytes(signature))
                .map_err(|_| NoteError::Signature)?;
            is_signed = true;
        }
        if is_signed {
            Ok(&self.checkpoint)
        } else {
            Err(NoteError::NotSigned)
        }
    }
}

/// The signed text with its last newline, and the lines of the signatures.
fn split(note: &str) -> Result<(&str, &str), NoteError> {
    let blank = note.rfind("\n\n").ok_or(NoteError::Note)?;
    Ok((&note[..=blank], &note[blank + 2..]))
}

/// Name, key hash and signature of a line.
fn signature_line(line: &str) -> Result<(&str, [u8; 4], Vec<u8>), NoteError> {
    let line = line.strip_prefix(SIGNATURE_LINE).ok_or(NoteError::Note)?;
    let (name, signature) = line.split_once(' ').ok_or(NoteError::Note)?;
    let bytes = Base64::decode_vec(signature).map_err(|_| NoteError::Note)?;
    match bytes.split_first_chunk() {
        Some((hash, signature)) if !name.is_empty() && !signature.is_empty() => {
            Ok((name, *hash, signature.to_vec()))
        }
        _ => Err(NoteError::Note),
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note)
    }
}

impl FromStr for SignedCheckpoint {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > Self::MAX_LEN_BYTES {
            return Err(NoteError::TooLong {
                len_bytes: note.len(),
            });
        }
        let (text, lines) = split(note)?;
        let is_note = lines.ends_with('\n')
            && note
                .chars()
                .all(|character| character == '\n' || character >= ' ');
        if !is_note {
            return Err(NoteError::Note);
        }
        for line in lines.split_terminator('\n') {
            signature_line(line)?;
        }
        Ok(Self {
            checkpoint: Checkpoint::parse(text)?,
            note: note.to_owned(),
        })
    }
}

/// Why a text is no checkpoint of a log, or not one that the log signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The name of a log is refused.
    #[error(
        "a log's name has 1 to {} characters of visible ASCII without `+`, such as example.com/audit",
        VerifierKey::MAX_ORIGIN_BYTES
    )]
    Origin,
    /// The text is no verifier key.
    #[error("this is no verifier key: write its name, hash and key with `+` between them")]
    VerifierKey,
    /// The key in a verifier key is refused.
    #[error("the verifier key holds no usable public key")]
    Key(#[from] PublicKeyError),
    /// The text is longer than any note.
    #[error(
        "{len_bytes} bytes are no signed note: it has at most {}",
        SignedCheckpoint::MAX_LEN_BYTES
    )]
    TooLong {
        /// Its length in bytes.
        len_bytes: usize,
    },
    /// The text is no signed note.
    #[error("this is no signed note: a text, an empty line, and lines of signatures")]
    Note,
    /// The note's text is no checkpoint.
    #[error("the note is no checkpoint: a name, a size and a root, each on its line")]
    Checkpoint,
    /// It is the checkpoint of another log.
    #[error("this is a checkpoint of `{found}`")]
    OtherOrigin {
        /// The log that it names.
        found: String,
    },
    /// It has no signature of the key.
    #[error("the log's key has not signed this checkpoint")]
    NotSigned,
    /// The signature of the key does not match.
    #[error("the signature under the checkpoint is not that of the log's key")]
    Signature,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Go's package `sumdb/note`, with the private key that its documentation publishes.
    #[test]
    fn the_published_note() {
        const PRIVATE: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                            then you don't know what your problem is.\n";
        const SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

        let key = Base64::decode_vec(PRIVATE).unwrap();
        let key = PrivateKey::from_seed(key[1..].try_into().unwrap());
        let log = VerifierKey::new("PeterNeumann", key.public_key()).unwrap();
        assert_eq!(log.to_string(), PUBLIC);
        assert_eq!(PUBLIC.parse(), Ok(log.clone()));
        assert_eq!(log.sign(TEXT, &key), SIGNATURE);

        let note = format!("{TEXT}\n{SIGNATURE}");
        assert_eq!(split(&note), Ok((TEXT, SIGNATURE)));
        let (name, hash, _) = signature_line(SIGNATURE.trim_end()).unwrap();
        assert_eq!((name, hash), ("PeterNeumann", [0xc7, 0x4f, 0x20, 0xa3]));
        // It is signed, and is no checkpoint.
        assert_eq!(note.parse::<SignedCheckpoint>(), Err(NoteError::Checkpoint));
    }

    #[test]
    fn a_text_with_a_blank_line_ends_at_the_last_one() {
        assert_eq!(split("a\n\nb\n\nc\n"), Ok(("a\n\nb\n", "c\n")));
    }
}
