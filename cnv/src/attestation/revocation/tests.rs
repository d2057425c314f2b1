//! Every refusal, byte for byte.

mod delta;
mod encoding;
mod in_force;
mod properties;
mod set;

use std::fs;
use std::sync::Arc;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::list::HEADER_BYTES;
use super::*;
use crate::attestation::{
    AttestationId, FloorError, Floors, KeyId, NOT_BEFORE_SKEW_SECONDS, PrivateKey, PublicKey,
    Signature, Timestamp, TrustStore, TrustedFileError,
};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const NEXT_UPDATE: Timestamp = Timestamp::from_unix_seconds(1_800_003_600);

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[1; 32])
}

fn public() -> PublicKey {
    key().public_key()
}

fn link(byte: u8) -> RevocationEntry {
    RevocationEntry::Link(AttestationId::from_bytes([byte; 32]))
}

fn lost(byte: u8) -> RevocationEntry {
    RevocationEntry::Key(KeyId::from_bytes([byte; 16]))
}

fn before(byte: u8, seconds: u64) -> RevocationEntry {
    RevocationEntry::IssuedBefore {
        issuer: KeyId::from_bytes([byte; 16]),
        before: Timestamp::from_unix_seconds(seconds),
    }
}

fn list(number: u64, entries: impl IntoIterator<Item = RevocationEntry>) -> RevocationList {
    RevocationList::sign(
        entries.into_iter().collect(),
        number,
        NOW,
        NEXT_UPDATE,
        &key(),
    )
    .unwrap()
}

fn small(number: u64) -> RevocationList {
    list(number, [link(1), link(2), lost(3), before(4, 500)])
}

fn set(list: RevocationList) -> RevocationSet {
    RevocationSet::new(list, &public(), NOW).unwrap()
}

fn list_without_two() -> RevocationList {
    list(6, [link(1), lost(3), before(4, 500)])
}

fn small_delta() -> RevocationDelta {
    RevocationDelta::between(&list_without_two(), &small(7)).unwrap()
}

/// Whether some bytes put a list in force.
fn takes_effect(bytes: &[u8]) -> bool {
    let base = set(list_without_two());
    match RevocationUpdate::read(bytes) {
        Ok(RevocationUpdate::List(list)) => base.apply(list, &public(), NOW).is_ok(),
        Ok(RevocationUpdate::Delta(delta)) => base.apply_delta(&delta, &public(), NOW).is_ok(),
        Err(_) => false,
    }
}

/// A list as its documentation says it is written, whatever it says, properly signed.
fn by_hand(header: &[u8], entries: &[u8]) -> Vec<u8> {
    let mut header = header.to_vec();
    header.extend_from_slice(&Sha256::digest(entries));
    let mut signed = b"cnv revocation list 1\0".to_vec();
    signed.extend_from_slice(&header);
    let mut list = vec![1];
    list.extend_from_slice(&header);
    list.extend_from_slice(key().sign(&signed).as_bytes());
    list.extend_from_slice(entries);
    list
}
