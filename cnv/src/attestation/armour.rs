//! The text form of binary values: a prefix that names the kind, then base64url without padding.
//!
//! One value has one spelling. RFC 4648 section 3.5 lets a decoder ignore the unused bits of the last character; here
//! they have to be zero. Padding, line breaks and surrounding spaces are refused as well.

use base64ct::{Base64UrlUnpadded, Encoding};

/// Why a text form was refused.
pub(super) enum ArmourError {
    /// It does not start with the prefix.
    Prefix,
    /// What follows is not base64url in its one spelling.
    Encoding,
}

/// The text of `bytes`.
pub(super) fn write(prefix: &str, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(prefix.len() + Base64UrlUnpadded::encoded_len(bytes));
    text.push_str(prefix);
    text.push_str(&Base64UrlUnpadded::encode_string(bytes));
    text
}

/// The bytes of `text`. Allocates at most three quarters of its length; the caller has checked that length.
pub(super) fn read(prefix: &str, text: &str) -> Result<Vec<u8>, ArmourError> {
    let encoded = text.strip_prefix(prefix).ok_or(ArmourError::Prefix)?;
    Base64UrlUnpadded::decode_vec(encoded).map_err(|_| ArmourError::Encoding)
}
