//! The signed bytes of an attestation and their transport.
//!
//! ```text
//! token   = version(1) = 1 | links(1) = 1 to 8 | link | ..                   (the root's link first)
//! link    = body | signature(64)
//! body    = form(1) | issuer(16)                                             (issuer: in the first link only)
//!         | class(1) | band(1) | stability(1) | safety(1)
//!         | issued_at | not_before | expires_at                              (moments)
//!         | subject | audience                                               (texts; an empty audience: any)
//!         | entries(1) | { key_len(1) | key | value }                        (keys strictly ascending by their bytes)
//!         | holder_key(32) | depth(1) = 1 to 8                               (in form 2 only)
//! moment  = len(1) = 0 to 8 | seconds since 1970(len)                        (the first byte is not zero)
//! text    = len(2) | UTF-8(len)
//! signed  = "cnv attestation link 1\0" | parent(32) | body                   (parent of a first link: zeros)
//! id      = SHA-256(signed)
//! ```
//!
//! Numbers are big-endian. Form 1 is a link that its bearer uses and cannot pass on, so it is a last one; form 2 is one
//! whose holder proves possession of a key, and can delegate. What the reader knows already is signed but not
//! transmitted: the parent is the id of the link before, so a link cannot be moved to another parent, and the issuer of a
//! later link is the key that the link before it names, so another issuer cannot even be said.

use std::collections::BTreeMap;

use crate::capability::{CapabilityClass, CapabilityContract, ResourceBand, Safety, Stability};

use super::binary::{Reader, Truncated};
use super::claims::{
    Claims, ClaimsError, Holder, MAX_DEPTH, MAX_METADATA_ENTRIES, MAX_METADATA_KEY_BYTES,
    MAX_METADATA_VALUE_BYTES, MAX_PARTY_BYTES,
};
use super::link::Link;
use super::{AttestationId, KeyId, Signature, Timestamp};

/// What the text form starts with.
pub(super) const PREFIX: &str = "cnv1.";
/// The longest text form, in characters.
pub(super) const MAX_TEXT_LEN: usize = 4096;
/// The longest binary form, in bytes: what the longest text form has room for.
pub(super) const MAX_LEN_BYTES: usize = (MAX_TEXT_LEN - PREFIX.len()) * 6 / 8;

const VERSION: u8 = 1;
const MAX_LINKS: u8 = MAX_DEPTH;
const FORM_BEARER: u8 = 1;
const FORM_KEY: u8 = 2;

/// Version and number of links.
const HEADER_LEN_BYTES: usize = 2;

/// Tells a link's signature from every other signature that the same key makes.
const LINK_TAG: &[u8] = b"cnv attestation link 1\0";
/// The parent's id of a link that has none.
const NO_PARENT: AttestationId = AttestationId::ZERO;
/// Where the body starts in the signed bytes.
const BODY_START: usize = LINK_TAG.len() + AttestationId::LEN_BYTES;

// Claims that passed their check fit their length prefixes, so the casts below lose nothing.
const _: () = {
    assert!(MAX_PARTY_BYTES <= u16::MAX as usize);
    assert!(MAX_METADATA_VALUE_BYTES <= u16::MAX as usize);
    assert!(MAX_METADATA_ENTRIES <= u8::MAX as usize);
    assert!(MAX_METADATA_KEY_BYTES <= u8::MAX as usize);
};

/// The bytes to sign for `claims` below `parent`. The claims have passed their check: every length has room in its
/// prefix.
pub(super) fn signed_bytes(claims: &Claims, parent: Option<&AttestationId>) -> Vec<u8> {
    let mut out = Vec::with_capacity(BODY_START + 128);
    out.extend_from_slice(LINK_TAG);
    out.extend_from_slice(parent.unwrap_or(&NO_PARENT).as_bytes());
    out.push(match claims.holder {
        Holder::Bearer => FORM_BEARER,
        Holder::Key { .. } => FORM_KEY,
    });
    if parent.is_none() {
        out.extend_from_slice(claims.issuer.as_bytes());
    }
    let contract = &claims.contract;
    out.extend_from_slice(&[
        contract.class().code(),
        contract.band().code(),
        contract.stability().code(),
        contract.safety().code(),
    ]);
    for moment in [claims.issued_at, claims.not_before, claims.expires_at] {
        put_moment(&mut out, moment);
    }
    put_text(&mut out, &claims.subject);
    put_text(&mut out, claims.audience.as_deref().unwrap_or_default());
    out.push(claims.metadata.len() as u8);
    for (key, value) in &claims.metadata {
        out.push(key.len() as u8);
        out.extend_from_slice(key.as_bytes());
        put_text(&mut out, value);
    }
    if let Holder::Key { key, depth, .. } = &claims.holder {
        out.extend_from_slice(key);
        out.push(*depth);
    }
    out
}

fn put_moment(out: &mut Vec<u8>, moment: Timestamp) {
    let bytes = moment.as_unix_seconds().to_be_bytes();
    let zeros = moment.as_unix_seconds().leading_zeros() as usize / 8;
    out.push((bytes.len() - zeros) as u8);
    out.extend_from_slice(&bytes[zeros..]);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The length of the token of the links with these signed bytes, in bytes.
pub(super) fn len_bytes<'a>(signed: impl IntoIterator<Item = &'a [u8]>) -> usize {
    HEADER_LEN_BYTES + links_len_bytes(signed)
}

/// What the links with these signed bytes take of a token, in bytes.
pub(super) fn links_len_bytes<'a>(signed: impl IntoIterator<Item = &'a [u8]>) -> usize {
    let link_len = |signed: &[u8]| signed.len() - BODY_START + Signature::LEN_BYTES;
    signed.into_iter().map(link_len).sum()
}

/// The token of these links, of which there are 1 to 8.
pub(super) fn encode(links: &[Link]) -> Vec<u8> {
    let mut out = Vec::with_capacity(len_bytes(links.iter().map(Link::signed)));
    out.extend_from_slice(&[VERSION, links.len() as u8]);
    for link in links {
        out.extend_from_slice(&link.signed()[BODY_START..]);
        out.extend_from_slice(link.signature().as_bytes());
    }
    out
}

/// Reads a token. Memory is bounded by the token's length, not by what it says.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Link>, TokenError> {
    if bytes.len() > MAX_LEN_BYTES {
        return Err(TokenError::Oversized {
            len: bytes.len(),
            max: MAX_LEN_BYTES,
        });
    }
    let mut reader = Reader::new(bytes);
    match reader.u8()? {
        VERSION => {}
        version => return Err(TokenError::UnknownVersion { version }),
    }
    let count = reader.u8()?;
    if !(1..=MAX_LINKS).contains(&count) {
        return Err(TokenError::LinkCount { links: count });
    }
    let mut links: Vec<Link> = Vec::with_capacity(count.into());
    for number in 1..=count {
        let link = decode_link(&mut reader, links.last()).map_err(|error| {
            if count == 1 {
                return error;
            }
            TokenError::Link {
                link: number,
                links: count,
                error: Box::new(error),
            }
        })?;
        links.push(link);
    }
    if reader.remaining() > 0 {
        let extra_bytes = reader.remaining();
        return Err(TokenError::TrailingBytes { extra_bytes });
    }
    Ok(links)
}

fn decode_link(reader: &mut Reader<'_>, parent: Option<&Link>) -> Result<Link, TokenError> {
    let start = reader.rest();
    let claims = decode_claims(reader, parent)?;
    let body = &start[..start.len() - reader.remaining()];
    let signature = Signature::from_bytes(reader.array()?);

    let parent = parent.map_or(NO_PARENT, Link::id);
    let mut signed = Vec::with_capacity(BODY_START + body.len());
    signed.extend_from_slice(LINK_TAG);
    signed.extend_from_slice(parent.as_bytes());
    signed.extend_from_slice(body);
    Ok(Link::new(claims, signed, signature))
}

fn decode_claims(reader: &mut Reader<'_>, parent: Option<&Link>) -> Result<Claims, TokenError> {
    let form = reader.u8()?;
    if form != FORM_BEARER && form != FORM_KEY {
        return Err(TokenError::UnknownForm { form });
    }
    let issuer = match parent.map(Link::holder_key) {
        None => KeyId::from_bytes(reader.array()?),
        Some(Some(key)) => key,
        Some(None) => return Err(TokenError::AfterBearer),
    };
    let claims = Claims {
        issuer,
        contract: decode_contract(reader)?,
        issued_at: decode_moment(reader, "moment of issue")?,
        not_before: decode_moment(reader, "first moment of validity")?,
        expires_at: decode_moment(reader, "moment of expiry")?,
        subject: decode_text(reader, "subject")?.to_owned(),
        audience: Some(decode_text(reader, "audience")?)
            .filter(|audience| !audience.is_empty())
            .map(str::to_owned),
        metadata: decode_metadata(reader)?,
        holder: match form {
            FORM_BEARER => Holder::Bearer,
            _ => decode_key(reader)?,
        },
    };
    claims.check()?;
    Ok(claims)
}

fn decode_key(reader: &mut Reader<'_>) -> Result<Holder, TokenError> {
    let key = reader.array()?;
    Ok(Holder::Key {
        key,
        id: KeyId::of(&key),
        depth: reader.u8()?,
    })
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
        metadata.insert(
            key.to_owned(),
            decode_text(reader, "metadata value")?.to_owned(),
        );
        last_key = key;
    }
    Ok(metadata)
}

fn utf8<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a str, TokenError> {
    str::from_utf8(bytes).map_err(|_| TokenError::NotUtf8 { field })
}

fn decode_moment(reader: &mut Reader<'_>, field: &'static str) -> Result<Timestamp, TokenError> {
    let len = usize::from(reader.u8()?);
    let mut bytes = [0; 8];
    let Some(start) = bytes.len().checked_sub(len) else {
        return Err(TokenError::Moment { field });
    };
    bytes[start..].copy_from_slice(reader.take(len as u64)?);
    // One value has one form: the shortest.
    if bytes.get(start) == Some(&0) {
        return Err(TokenError::Moment { field });
    }
    Ok(Timestamp::from_unix_seconds(u64::from_be_bytes(bytes)))
}

fn decode_text<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<&'a str, TokenError> {
    let len = reader.u16()?;
    utf8(field, reader.take(len.into())?)
}

/// Why a text or bytes are no attestation. Whether its signatures hold is another question.
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
        missing_bytes: u64,
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
    /// It has no link or too many, or several where one is asked for.
    #[error("it has {links} links; a chain has 1 to {MAX_LINKS}, a single attestation has 1")]
    LinkCount {
        /// How many links it gives.
        links: u8,
    },
    /// One link of several is wrong.
    #[error("link {link} of {links}: {error}")]
    Link {
        /// Which link, from 1 for the root's.
        link: u8,
        /// How many links the token gives.
        links: u8,
        /// What is wrong with it.
        error: Box<TokenError>,
    },
    /// A link has a form that this release does not know.
    #[error("it has form {form}, this release reads forms {FORM_BEARER} and {FORM_KEY}")]
    UnknownForm {
        /// The form it gives.
        form: u8,
    },
    /// A link follows one that a bearer uses, from which nothing can be delegated.
    #[error("it follows a bearer link, and nothing can be delegated from one")]
    AfterBearer,
    /// A moment has more than 8 bytes, or leading zeros.
    #[error("its {field} is not in its shortest form")]
    Moment {
        /// Which moment.
        field: &'static str,
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

impl From<Truncated> for TokenError {
    fn from(Truncated { missing_bytes }: Truncated) -> Self {
        Self::Truncated { missing_bytes }
    }
}
