//! The signed bytes of an attestation and their transport.
//!
//! ```text
//! token   = version(1) = 1 | links(1) = 1 | link
//! link    = claims_len(2) | claims(claims_len) | signature(64)
//! claims  = form(1) = 1 | issuer(16) | class(1) | band(1) | stability(1) | safety(1)
//!         | issued_at(8) | not_before(8) | expires_at(8)
//!         | subject_len(2) | subject | audience_len(2) | audience            (length 0: any audience)
//!         | entries(1) | { key_len(1) | key | value_len(2) | value }         (keys strictly ascending by their bytes)
//! signed  = "cnv attestation link 1\0" | parent(32) | claims                 (parent of a first link: zeros)
//! id      = SHA-256(signed)
//! ```
//!
//! Numbers are big-endian. The parent's id is signed but not transmitted: whoever reads a token computes it from the
//! link before, so a link cannot be moved to another parent and costs no bytes for it. Form 1 is a link that its bearer
//! uses and cannot pass on; a longer chain is further links, with forms of their own.

use std::collections::BTreeMap;

use crate::capability::{CapabilityClass, CapabilityContract, ResourceBand, Safety, Stability};

use super::claims::{
    Claims, ClaimsError, MAX_METADATA_ENTRIES, MAX_METADATA_KEY_BYTES, MAX_METADATA_VALUE_BYTES,
    MAX_PARTY_BYTES,
};
use super::{KeyId, Signature, Timestamp};

/// What the text form starts with.
pub(super) const PREFIX: &str = "cnv1.";
/// The longest text form, in characters.
pub(super) const MAX_TEXT_LEN: usize = 4096;
/// The longest binary form, in bytes: what the longest text form has room for.
pub(super) const MAX_LEN_BYTES: usize = (MAX_TEXT_LEN - PREFIX.len()) * 6 / 8;

const VERSION: u8 = 1;
const LINKS: u8 = 1;
const FORM_BEARER: u8 = 1;

/// Tells a link's signature from every other signature that the same key makes.
const LINK_TAG: &[u8] = b"cnv attestation link 1\0";
/// The parent's id of a link that has none.
const NO_PARENT: [u8; 32] = [0; 32];
/// Where the claims start in the signed bytes.
const CLAIMS_START: usize = LINK_TAG.len() + NO_PARENT.len();

// Claims that passed their check fit their length prefixes, so the casts below lose nothing.
const _: () = {
    let entry_bytes = 1 + MAX_METADATA_KEY_BYTES + 2 + MAX_METADATA_VALUE_BYTES;
    let claims_bytes = 64 + 2 * MAX_PARTY_BYTES + MAX_METADATA_ENTRIES * entry_bytes;
    assert!(claims_bytes <= u16::MAX as usize);
    assert!(MAX_METADATA_ENTRIES <= u8::MAX as usize);
    assert!(MAX_METADATA_KEY_BYTES <= u8::MAX as usize);
};

/// A link as it was transmitted: well-formed, its signature not yet checked.
pub(super) struct Link {
    pub(super) claims: Claims,
    pub(super) signed: Vec<u8>,
    pub(super) signature: Signature,
}

/// The bytes to sign for `claims`, which have passed their check: every length has room in its prefix.
pub(super) fn signed_bytes(claims: &Claims) -> Vec<u8> {
    let mut out = Vec::with_capacity(CLAIMS_START + 128);
    out.extend_from_slice(LINK_TAG);
    out.extend_from_slice(&NO_PARENT);
    out.push(FORM_BEARER);
    out.extend_from_slice(claims.issuer.as_bytes());
    let contract = &claims.contract;
    out.extend_from_slice(&[
        contract.class().code(),
        contract.band().code(),
        contract.stability().code(),
        contract.safety().code(),
    ]);
    for moment in [claims.issued_at, claims.not_before, claims.expires_at] {
        out.extend_from_slice(&moment.as_unix_seconds().to_be_bytes());
    }
    put_text(&mut out, &claims.subject);
    put_text(&mut out, claims.audience.as_deref().unwrap_or_default());
    out.push(claims.metadata.len() as u8);
    for (key, value) in &claims.metadata {
        out.push(key.len() as u8);
        out.extend_from_slice(key.as_bytes());
        put_text(&mut out, value);
    }
    out
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The length of the token that holds these signed bytes.
pub(super) fn len_bytes(signed: &[u8]) -> usize {
    2 + 2 + signed.len() - CLAIMS_START + Signature::LEN_BYTES
}

/// The token of a link, from its signed bytes and their signature.
pub(super) fn encode(signed: &[u8], signature: &Signature) -> Vec<u8> {
    let claims = &signed[CLAIMS_START..];
    let mut out = Vec::with_capacity(len_bytes(signed));
    out.extend_from_slice(&[VERSION, LINKS]);
    out.extend_from_slice(&(claims.len() as u16).to_be_bytes());
    out.extend_from_slice(claims);
    out.extend_from_slice(signature.as_bytes());
    out
}

/// Reads a token. Allocates no more than its length and the constant start of the signed bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Link, TokenError> {
    if bytes.len() > MAX_LEN_BYTES {
        return Err(TokenError::Oversized {
            len: bytes.len(),
            max: MAX_LEN_BYTES,
        });
    }
    let mut reader = Reader { rest: bytes };
    match reader.u8()? {
        VERSION => {}
        version => return Err(TokenError::UnknownVersion { version }),
    }
    match reader.u8()? {
        LINKS => {}
        links => return Err(TokenError::LinkCount { links }),
    }
    let claims_len = reader.u16()?;
    let claims_bytes = reader.take(claims_len.into())?;
    let signature = Signature::from_bytes(reader.array()?);
    reader.finish()?;

    let claims = decode_claims(claims_bytes)?;
    let mut signed = Vec::with_capacity(CLAIMS_START + claims_bytes.len());
    signed.extend_from_slice(LINK_TAG);
    signed.extend_from_slice(&NO_PARENT);
    signed.extend_from_slice(claims_bytes);
    Ok(Link {
        claims,
        signed,
        signature,
    })
}

fn decode_claims(bytes: &[u8]) -> Result<Claims, TokenError> {
    let mut reader = Reader { rest: bytes };
    match reader.u8()? {
        FORM_BEARER => {}
        form => return Err(TokenError::UnknownForm { form }),
    }
    let claims = Claims {
        issuer: KeyId::from_bytes(reader.array()?),
        contract: decode_contract(&mut reader)?,
        issued_at: reader.moment()?,
        not_before: reader.moment()?,
        expires_at: reader.moment()?,
        subject: reader.text("subject")?.to_owned(),
        audience: Some(reader.text("audience")?)
            .filter(|audience| !audience.is_empty())
            .map(str::to_owned),
        metadata: decode_metadata(&mut reader)?,
    };
    reader.finish()?;
    claims.check()?;
    Ok(claims)
}

fn decode_contract(reader: &mut Reader<'_>) -> Result<CapabilityContract, TokenError> {
    fn known<T>(
        field: &'static str,
        code: u8,
        from_code: fn(u8) -> Option<T>,
    ) -> Result<T, TokenError> {
        from_code(code).ok_or(TokenError::UnknownCode { field, code })
    }
    let class = known("class", reader.u8()?, CapabilityClass::from_code)?;
    let band = known("resource band", reader.u8()?, ResourceBand::from_code)?;
    let stability = known("stability", reader.u8()?, Stability::from_code)?;
    let safety = known("safety", reader.u8()?, Safety::from_code)?;
    Ok(CapabilityContract::for_class(class)
        .with_band(band)
        .with_stability(stability)
        .with_safety(safety))
}

fn decode_metadata(reader: &mut Reader<'_>) -> Result<BTreeMap<String, String>, TokenError> {
    let entries = reader.u8()?;
    let mut metadata = BTreeMap::new();
    let mut last_key = "";
    for entry in 0..entries {
        let key_len = reader.u8()?;
        let key = utf8("metadata key", reader.take(key_len.into())?)?;
        // `str` compares by bytes.
        if entry > 0 && key <= last_key {
            return Err(TokenError::MetadataOrder);
        }
        metadata.insert(key.to_owned(), reader.text("metadata value")?.to_owned());
        last_key = key;
    }
    Ok(metadata)
}

fn utf8<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a str, TokenError> {
    str::from_utf8(bytes).map_err(|_| TokenError::NotUtf8 { field })
}

/// Reads from the front of a slice and never beyond its end.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], TokenError> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(TokenError::Truncated {
                missing_bytes: len - self.rest.len(),
            });
        };
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TokenError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, TokenError> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, TokenError> {
        self.array().map(u16::from_be_bytes)
    }

    fn moment(&mut self) -> Result<Timestamp, TokenError> {
        self.array()
            .map(u64::from_be_bytes)
            .map(Timestamp::from_unix_seconds)
    }

    fn text(&mut self, field: &'static str) -> Result<&'a str, TokenError> {
        let len = self.u16()?;
        utf8(field, self.take(len.into())?)
    }

    fn finish(self) -> Result<(), TokenError> {
        match self.rest.len() {
            0 => Ok(()),
            extra_bytes => Err(TokenError::TrailingBytes { extra_bytes }),
        }
    }
}

/// Why a text or bytes are no attestation. Whether its signature holds is another question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is longer than any attestation. Nothing of it was read.
    #[error("it is {len} bytes long, at most {max} are allowed")]
    Oversized {
        /// Its length in bytes.
        len: usize,
        /// The longest allowed: 4096 for a text, 3068 for binary.
        max: usize,
    },
    /// The text does not start with `cnv1.`.
    #[error("it does not start with `{PREFIX}`")]
    Prefix,
    /// The text is not base64url without padding, in its one spelling.
    #[error("it is not base64url without padding")]
    Encoding,
    /// It ends too early.
    #[error("it is cut off: at least {missing_bytes} more bytes are needed")]
    Truncated {
        /// How many bytes the field that is being read still needs.
        missing_bytes: usize,
    },
    /// There is something after its end.
    #[error("it has {extra_bytes} bytes after its end")]
    TrailingBytes {
        /// How many bytes are left over.
        extra_bytes: usize,
    },
    /// It has a version that this release does not know.
    #[error("it has version {version}, this release reads version {VERSION}")]
    UnknownVersion {
        /// The version it gives.
        version: u8,
    },
    /// It is a chain of more than one link, or of none.
    #[error("it has {links} links, this release reads attestations of one")]
    LinkCount {
        /// How many links it gives.
        links: u8,
    },
    /// Its link has a form that this release does not know.
    #[error("its link has form {form}, this release reads form {FORM_BEARER}")]
    UnknownForm {
        /// The form it gives.
        form: u8,
    },
    /// A dimension of its contract has a code that this release does not know.
    #[error("its {field} has the unknown code {code}")]
    UnknownCode {
        /// Which dimension.
        field: &'static str,
        /// The code it gives.
        code: u8,
    },
    /// A text in it is not UTF-8.
    #[error("its {field} is not UTF-8")]
    NotUtf8 {
        /// Which text.
        field: &'static str,
    },
    /// Its metadata keys are not in strictly ascending order.
    #[error("its metadata is not in ascending order of its keys")]
    MetadataOrder,
    /// It says something that no attestation may say.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
}
