//! The authentication codes of records, without which nobody gets the log to sign what they wrote into its file.
//!
//! A checkpoint vouches for the entries before it, and a checksum for nobody: what stands behind the last checkpoint when
//! a log is opened is signed only where it has the code that the log's own writer gave it. It is HMAC-SHA256 (RFC 2104) of
//! the entry's number, 8 bytes big-endian, and its leaf hash, cut to 16 bytes. The key is derived from the log's private
//! key and its name, so that no other log's entry passes.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::note::VerifierKey;
use super::tree::TreeHash;
use crate::attestation::PrivateKey;

/// What the key is derived for. Nothing that the private key signs starts like this.
const TAG: &[u8] = b"cnv audit record 1\0";

/// Makes and checks the codes of one log. Both blocks of the key are hashed already.
#[derive(Clone)]
pub(super) struct RecordMac(Hmac<Sha256>);

impl RecordMac {
    /// Half of the hash: nobody can try codes faster than they open the log.
    pub(super) const LEN_BYTES: usize = 16;

    pub(super) fn new(key: &PrivateKey, log: &VerifierKey) -> Self {
        let derived = key.derive(&[TAG, log.origin().as_bytes()]);
        Self(Hmac::new_from_slice(&*derived).expect("HMAC takes a key of any length"))
    }

    pub(super) fn code(&self, number: u64, leaf: &TreeHash) -> [u8; Self::LEN_BYTES] {
        let code = self.over(number, leaf).finalize().into_bytes();
        let mut cut = [0; Self::LEN_BYTES];
        cut.copy_from_slice(&code[..Self::LEN_BYTES]);
        cut
    }

    /// Whether this is the record's code, in a time that does not tell how much of it is.
    pub(super) fn is_code(&self, number: u64, leaf: &TreeHash, code: &[u8]) -> bool {
        code.len() == Self::LEN_BYTES && self.over(number, leaf).verify_truncated_left(code).is_ok()
    }

    fn over(&self, number: u64, leaf: &TreeHash) -> Hmac<Sha256> {
        self.0
            .clone()
            .chain_update(number.to_be_bytes())
            .chain_update(leaf.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(seed: u8, origin: &str) -> RecordMac {
        let key = PrivateKey::from_seed(&[seed; 32]);
        RecordMac::new(&key, &VerifierKey::new(origin, key.public_key()).unwrap())
    }

    /// Computed with another implementation of HMAC, from the seed 07 07 .. 07.
    #[test]
    fn the_code_is_what_the_documentation_says() {
        let leaf = TreeHash::leaf(b"an entry");
        let code = mac(7, "example.com/test").code(258, &leaf);
        assert_eq!(
            code,
            [
                0xfe, 0x86, 0xf7, 0xbc, 0x68, 0x69, 0xf2, 0xbd, 0x06, 0xaf, 0x22, 0x32, 0xc6, 0x29,
                0x73, 0x1d
            ]
        );
    }

    #[test]
    fn another_key_log_number_or_entry_has_another_code() {
        let leaf = TreeHash::leaf(b"an entry");
        let one = mac(7, "example.com/test");
        let code = one.code(5, &leaf);
        assert!(one.is_code(5, &leaf, &code));
        assert!(!one.is_code(6, &leaf, &code));
        assert!(!one.is_code(5, &TreeHash::leaf(b"another"), &code));
        assert!(!mac(8, "example.com/test").is_code(5, &leaf, &code));
        assert!(!mac(7, "example.com/tests").is_code(5, &leaf, &code));
        for len in 0..code.len() {
            assert!(!one.is_code(5, &leaf, &code[..len]), "a shorter code");
        }
    }
}
