//! Revocation lists and deltas: one encoding each, what is not signed takes no effect, and a delta leads from its base to
//! the list that has both.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use cnv::attestation::revocation::{RevocationDelta, RevocationEntry, RevocationUpdate};
use cnv::attestation::{AttestationId, KeyId, PrivateKey, PublicKey, RevocationList, Timestamp};
use cnv_fuzz::Change;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

const NOON: u64 = 1_800_000_000;

#[derive(Debug, Arbitrary)]
enum Entry {
    Link(u8),
    Key(u8),
    IssuedBefore(u8, u8),
}

impl From<&Entry> for RevocationEntry {
    fn from(entry: &Entry) -> Self {
        let key = |byte| KeyId::from_bytes([byte; 16]);
        match *entry {
            Entry::Link(byte) => Self::Link(AttestationId::from_bytes([byte; 32])),
            Entry::Key(byte) => Self::Key(key(byte)),
            Entry::IssuedBefore(byte, moment) => Self::IssuedBefore {
                issuer: key(byte),
                before: Timestamp::from_unix_seconds(moment.into()),
            },
        }
    }
}

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    bytes: &'a [u8],
    is_repaired: bool,
    signed: Option<Signed<'a>>,
}

/// A list, what the next one has in addition, and what is changed in them.
#[derive(Debug, Arbitrary)]
struct Signed<'a> {
    base: Vec<Entry>,
    more: Vec<Entry>,
    is_text: bool,
    changes: Vec<Change<'a>>,
}

static ISSUER: LazyLock<(PrivateKey, PublicKey)> = LazyLock::new(|| {
    let key = PrivateKey::from_seed(&[1; 32]);
    let public = key.public_key();
    (key, public)
});

/// Where the header of a list starts, and where its entries do: behind the header's 84 bytes and a signature.
const HEADER: usize = 1;
const ENTRIES: usize = HEADER + 84 + 64;

/// Makes the digest in the header that of the entries, which chance would never hit.
fn repair(bytes: &mut [u8]) {
    if let Some((header, entries)) = bytes.split_at_mut_checked(ENTRIES) {
        header[0] = 1;
        header[HEADER + 52..HEADER + 84].copy_from_slice(&Sha256::digest(entries));
    }
}

/// What `read` makes of any bytes is written as they are, and believed only if it is one of `good`.
fn check(bytes: &[u8], good: &[&[u8]]) {
    match RevocationUpdate::read(bytes) {
        Ok(RevocationUpdate::List(list)) => {
            let text = list.to_string();
            assert!(list.to_bytes() == bytes || text.as_bytes() == bytes.trim_ascii());
            assert_eq!(text.parse().as_ref(), Ok(&list));
            let is_good = good.contains(&list.to_bytes().as_slice());
            assert_eq!(list.verify(&ISSUER.1).is_ok(), is_good);
        }
        Ok(RevocationUpdate::Delta(delta)) => {
            let text = delta.to_string();
            assert!(delta.to_bytes() == bytes || text.as_bytes() == bytes.trim_ascii());
            assert_eq!(text.parse().as_ref(), Ok(&delta));
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fuzz_target!(|input: Input<'_>| {
    let mut bytes = input.bytes.to_vec();
    if input.is_repaired {
        repair(&mut bytes);
    }
    check(&bytes, &[]);
    if let Some(signed) = input.signed {
        check_signed(&signed);
    }
});

fn check_signed(input: &Signed<'_>) {
    let list = |number, entries: &[&[Entry]]| {
        let entries = entries.iter().copied().flatten().map(Into::into).collect();
        let moment = |after| Timestamp::from_unix_seconds(NOON + after);
        RevocationList::sign(entries, number, moment(0), moment(60), &ISSUER.0).expect("short")
    };
    let base = list(1, &[&input.base]);
    let next = list(2, &[&input.base, &input.more]);
    let delta = RevocationDelta::between(&base, &next).expect("the next list has all of the base");
    assert_eq!(delta.apply_to(&base).as_ref(), Ok(&next));

    let good = [base.to_bytes(), next.to_bytes()];
    let good = [&good[0][..], &good[1][..]];
    for bytes in [good[0], &delta.to_bytes()] {
        let changed = Change::apply_all(&input.changes, bytes);
        check(&changed, &good);
        if let Ok(changed) = RevocationDelta::from_bytes(&changed)
            && let Ok(list) = changed.apply_to(&base)
        {
            assert_eq!(list.verify(&ISSUER.1).is_ok(), list == next);
        }
    }
    if input.is_text {
        for text in [base.to_string(), delta.to_string()] {
            check(&Change::apply_all(&input.changes, text.as_bytes()), &good);
        }
    }
}
