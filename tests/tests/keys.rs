//! Key sets: what rotates, and what does not.

use cnv::attestation::{
    KeySet, KeySetError, PrivateKey, PublicKey, PublicKeyError, RootError, TrustStore, TrustedKeys,
};
use proptest::prelude::*;

fn key(number: u8) -> PrivateKey {
    PrivateKey::from_seed(&[number; 32])
}

fn named(numbers: &[u8]) -> Vec<(String, PublicKey)> {
    numbers
        .iter()
        .map(|&number| (format!("key-{number}"), key(number).public_key()))
        .collect()
}

fn signed(mut set: KeySet, signers: &[u8]) -> KeySet {
    for &signer in signers {
        set.sign(&key(signer)).unwrap();
    }
    set
}

fn first() -> TrustedKeys {
    TrustedKeys::pin(signed(KeySet::first(named(&[1, 2])).unwrap(), &[1, 2])).unwrap()
}

/// The version after the first, with keys 2 and 3.
fn second(signers: &[u8]) -> KeySet {
    signed(first().key_set().next(named(&[2, 3])).unwrap(), signers)
}

fn names(store: &TrustStore) -> Vec<&str> {
    let mut names: Vec<_> = store.iter().map(|root| root.name()).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_rotation_moves_trust() {
    let trusted = first();
    assert_eq!(names(trusted.store()), ["key-1", "key-2"]);
    // By a key that stays, and by one that goes.
    for signers in [&[1, 3][..], &[2, 3], &[1, 2, 3]] {
        let rotated = trusted.rotate(second(signers)).unwrap();
        assert_eq!(rotated.key_set().version(), 2);
        assert_eq!(names(rotated.store()), ["key-2", "key-3"]);
        assert_eq!(names(&TrustStore::from(rotated)), ["key-2", "key-3"]);
    }
}

#[test]
fn a_rotation_needs_a_key_of_before_and_every_new_one() {
    let refused = |signers: &[u8]| first().rotate(second(signers)).unwrap_err();
    assert_eq!(refused(&[]), KeySetError::NotAuthorised { version: 2 });
    assert_eq!(refused(&[3]), KeySetError::NotAuthorised { version: 2 });
    let not_proven = KeySetError::NotProven {
        name: "key-3".to_owned(),
        key: key(3).public_key().id(),
    };
    assert_eq!(refused(&[1, 2]), not_proven);
    let unknown = KeySetError::UnknownSigner {
        signer: key(9).public_key().id(),
    };
    assert_eq!(refused(&[1, 3, 9]), unknown);
}

#[test]
fn every_signature_has_to_hold() {
    // The signature of each signer in turn is changed in its last byte.
    let good = second(&[1, 2, 3]).to_bytes();
    for from_end in 0..3 {
        let mut bytes = good.clone();
        let place = bytes.len() - 1 - from_end * (16 + 64);
        bytes[place] ^= 1;
        let error = first()
            .rotate(KeySet::from_bytes(&bytes).unwrap())
            .unwrap_err();
        assert!(matches!(error, KeySetError::BadSignature { .. }), "{error}");
    }
}

#[test]
fn the_first_set_is_signed_by_its_keys() {
    let pin = |signers: &[u8]| {
        TrustedKeys::pin(signed(KeySet::first(named(&[1, 2])).unwrap(), signers)).map(drop)
    };
    assert_eq!(pin(&[1, 2]), Ok(()));
    assert!(matches!(pin(&[1]), Err(KeySetError::NotProven { .. })));
    assert!(matches!(
        pin(&[1, 2, 9]),
        Err(KeySetError::UnknownSigner { .. })
    ));
    let mut bytes = first().key_set().to_bytes();
    *bytes.last_mut().unwrap() ^= 1;
    let error = TrustedKeys::pin(KeySet::from_bytes(&bytes).unwrap()).unwrap_err();
    assert!(matches!(error, KeySetError::BadSignature { .. }));
    // A later one is whoever configures it.
    assert!(TrustedKeys::pin(second(&[1, 3])).is_ok());
}

#[test]
fn no_version_is_taken_back_left_out_or_replaced() {
    let two = first().rotate(second(&[1, 3])).unwrap();
    let three = signed(two.key_set().next(named(&[3])).unwrap(), &[3]);
    let error = first().rotate(three.clone()).unwrap_err();
    assert_eq!(
        error,
        KeySetError::Skipped {
            version: 3,
            have: 1
        }
    );
    let three = two.rotate(three).unwrap();
    let error = three.rotate(second(&[1, 3])).unwrap_err();
    assert_eq!(
        error,
        KeySetError::Rollback {
            version: 2,
            have: 3
        }
    );

    let other = signed(first().key_set().next(named(&[2, 4])).unwrap(), &[1, 4]);
    let fork = |version| Err(KeySetError::Fork { version });
    assert_eq!(two.rotate(other.clone()).map(drop), fork(2));
    // What was made from the other one is no successor of this one, whoever signed it.
    let of_other = signed(other.next(named(&[2])).unwrap(), &[2]);
    assert_eq!(two.rotate(of_other).map(drop), fork(3));
    // The same version with other signatures is the same version.
    assert_eq!(two.rotate(second(&[2, 3])).as_ref(), Ok(&two));
}

#[test]
fn what_cannot_be_a_set_is_not_made() {
    let root = |result: Result<KeySet, KeySetError>| match result.unwrap_err() {
        KeySetError::Root(error) => error,
        other => panic!("{other}"),
    };
    let count = |count| Err(KeySetError::KeyCount { count });
    assert_eq!(KeySet::first([]), count(0));
    let many: Vec<u8> = (0..65).collect();
    assert!(KeySet::first(named(&many[..64])).is_ok());
    assert_eq!(KeySet::first(named(&many)), count(65));
    assert!(matches!(
        root(KeySet::first(named(&[1, 1]))),
        RootError::DuplicateKey { .. }
    ));
    let one_name = [1, 2].map(|number| ("ops".to_owned(), key(number).public_key()));
    assert!(matches!(
        root(KeySet::first(one_name)),
        RootError::DuplicateName { .. }
    ));
    let space = [("o ps".to_owned(), key(1).public_key())];
    assert!(matches!(root(KeySet::first(space)), RootError::Name { .. }));

    let mut set = KeySet::first(named(&[1])).unwrap();
    for number in 0..128 {
        set.sign(&key(number)).unwrap();
    }
    assert_eq!(KeySet::from_bytes(&set.to_bytes()).as_ref(), Ok(&set));
    assert_eq!(
        set.sign(&key(200)),
        Err(KeySetError::SignatureCount { count: 129 })
    );
    assert_eq!(set.sign(&key(5)), Ok(()));
}

// The bytes.

fn by_hand(version: u64, previous: [u8; 32], keys: &[(&[u8], &[u8])], signers: &[u8]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend_from_slice(&previous);
    body.push(keys.len() as u8);
    for (key, name) in keys {
        body.extend_from_slice(key);
        body.push(name.len() as u8);
        body.extend_from_slice(name);
    }
    let mut message = b"cnv key set 1\0".to_vec();
    message.extend_from_slice(&body);
    let mut set = [&[1], &body[..]].concat();
    set.push(signers.len() as u8);
    for &signer in signers {
        set.extend_from_slice(key(signer).public_key().id().as_bytes());
        set.extend_from_slice(key(signer).sign(&message).as_bytes());
    }
    set
}

/// Numbers of keys in ascending order of the keys' ids.
fn in_order(mut numbers: [u8; 2]) -> [u8; 2] {
    numbers.sort_unstable_by_key(|&number| key(number).public_key().id());
    numbers
}

#[test]
fn the_encoding_is_the_documented_one() {
    let [low, high] = in_order([1, 2]);
    let (low_key, high_key) = (key(low).public_key(), key(high).public_key());
    let (low_name, high_name) = (format!("key-{low}"), format!("key-{high}"));
    let entries = [
        (&low_key.as_bytes()[..], low_name.as_bytes()),
        (&high_key.as_bytes()[..], high_name.as_bytes()),
    ];
    let bytes = by_hand(1, [0; 32], &entries, &[low, high]);
    assert_eq!(first().key_set().to_bytes(), bytes);
    assert_eq!(KeySet::from_bytes(&bytes).as_ref(), Ok(first().key_set()));

    let swapped = [entries[1], entries[0]];
    let refused = |bytes: &[u8]| KeySet::from_bytes(bytes).unwrap_err();
    assert_eq!(
        refused(&by_hand(1, [0; 32], &swapped, &[])),
        KeySetError::Order
    );
    assert_eq!(
        refused(&by_hand(1, [0; 32], &entries, &[high, low])),
        KeySetError::Order
    );
    assert_eq!(
        refused(&by_hand(1, [0; 32], &entries, &[low, low])),
        KeySetError::Order
    );
    for (version, previous) in [(0, [0; 32]), (0, [1; 32]), (1, [1; 32]), (2, [0; 32])] {
        let error = refused(&by_hand(version, previous, &entries, &[]));
        assert_eq!(error, KeySetError::Previous { version });
    }
    assert_eq!(
        refused(&by_hand(1, [0; 32], &[], &[])),
        KeySetError::KeyCount { count: 0 }
    );
    let not_utf8 = [(&low_key.as_bytes()[..], &b"\xff"[..])];
    assert_eq!(
        refused(&by_hand(1, [0; 32], &not_utf8, &[])),
        KeySetError::NotUtf8 { place: 0 }
    );
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let error = refused(&by_hand(1, [0; 32], &[(&neutral, b"x")], &[]));
    let source = PublicKeyError::SmallOrder;
    assert_eq!(error, KeySetError::Key { place: 0, source });

    let mut other_form = bytes.clone();
    other_form[0] = 2;
    assert_eq!(refused(&other_form), KeySetError::UnknownForm { form: 2 });
    let last = KeySet::from_bytes(&by_hand(u64::MAX, [1; 32], &entries, &[])).unwrap();
    assert_eq!(last.next(named(&[1])), Err(KeySetError::LastVersion));
    let huge = vec![1; KeySet::MAX_LEN_BYTES + 1];
    assert!(matches!(refused(&huge), KeySetError::Oversized { .. }));
}

#[test]
fn every_truncation_extension_and_flipped_bit_is_refused() {
    let trusted = first();
    let mut bytes = second(&[1, 3]).to_bytes();
    for len in 0..bytes.len() {
        assert!(KeySet::from_bytes(&bytes[..len]).is_err(), "{len}");
    }
    let extended = KeySet::from_bytes(&[&bytes[..], &[0]].concat());
    assert_eq!(extended, Err(KeySetError::TrailingBytes { extra_bytes: 1 }));
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let result = KeySet::from_bytes(&bytes).and_then(|set| trusted.rotate(set));
        assert!(result.is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(trusted.rotate(KeySet::from_bytes(&bytes).unwrap()).is_ok());
}

#[test]
fn a_text_has_one_spelling() {
    let set = second(&[1, 3]);
    let text = set.to_string();
    assert_eq!(text.parse().as_ref(), Ok(&set));
    let parse = |text: &str| text.parse::<KeySet>().unwrap_err();
    assert_eq!(parse(&text[1..]), KeySetError::Prefix);
    assert_eq!(parse(&format!("{text}\n")), KeySetError::Encoding);
    assert_eq!(parse(&format!("{text}=")), KeySetError::Encoding);
    let long = format!("cnvkeys1.{}", "A".repeat(KeySet::MAX_TEXT_LEN));
    assert!(matches!(parse(&long), KeySetError::Oversized { .. }));
}

#[test]
fn a_public_key_in_pem_is_imported_with_the_same_checks() {
    // RFC 8410 section 10.1.
    let pem = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";
    let key = PublicKey::from_spki_pem(pem).unwrap();
    assert!(key.to_string().starts_with(PublicKey::PREFIX));
    assert_eq!(key.as_bytes()[..4], [0x19, 0xbf, 0x44, 0x09]);
    // The neutral element, in the same wrapping.
    let neutral = pem.replace(
        "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
        "MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    );
    assert_eq!(
        PublicKey::from_spki_pem(&neutral),
        Err(PublicKeyError::SmallOrder)
    );
    // The object identifier of X25519.
    let exchange = pem.replace("MCowBQYDK2Vw", "MCowBQYDK2Vu");
    for other in [
        "",
        "cnvpub1.",
        &pem[1..],
        &exchange,
        &pem.replace("PUBLIC", "PRIVATE"),
    ] {
        assert_eq!(
            PublicKey::from_spki_pem(other),
            Err(PublicKeyError::Pem),
            "{other}"
        );
    }
}

proptest! {
    #[test]
    fn random_bytes_are_no_set_that_is_believed(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        kept in 0..60_usize,
    ) {
        let _ = KeySet::from_bytes(&bytes);
        let mut near = second(&[1, 3]).to_bytes();
        near.truncate(kept);
        near.extend_from_slice(&bytes);
        prop_assert!(KeySet::from_bytes(&near).and_then(|set| first().rotate(set)).is_err());
    }
}
