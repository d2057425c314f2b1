//! Keys, attestations, the trust store and the guard, as a downstream crate uses and attacks them.

use std::error::Error as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use cnv::attestation::{
    AttestationError, CapabilityAttestation, CarriesEvidence, ClaimsError, Clock, DenialReason,
    Denied, Evidence, KeyFileError, LineFault, ManualClock, Permit, PrivateKey, PrivateKeyError,
    PublicKey, PublicKeyError, RootError, Signature, SystemClock, TextFault, Timestamp, TokenError,
    TrustStore, TrustStoreError, TrustedFileError, Verified, Verifier, development_authority,
    key_file,
};
use cnv::capability::{CapabilityContract, Gap, ResourceBand};
use proptest::prelude::*;

/// 2027-01-15T08:00:00Z, the moment at which most tests take place.
const NOON: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

fn after(seconds: u64) -> Timestamp {
    NOON.checked_add_seconds(seconds).unwrap()
}

fn before(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(NOON.as_unix_seconds() - seconds)
}

/// The authority's key: always the same, so that failures repeat.
fn authority() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

fn store() -> TrustStore {
    let mut store = TrustStore::new();
    store.add("authority", authority().public_key()).unwrap();
    store
}

/// An attestation of the network for ten minutes from noon.
fn network_attestation() -> CapabilityAttestation {
    CapabilityAttestation::builder(CapabilityContract::network(), "agent-42")
        .issued_at(NOON)
        .ttl(600)
        .metadata("run", "17")
        .metadata("ticket", "4711")
        .bearer()
        .sign(&authority())
        .unwrap()
}

fn verify(token: &str) -> Result<Verified, Denied> {
    store().verify_token(token, &CapabilityContract::network(), None, NOON)
}

fn reason(result: Result<Verified, Denied>) -> DenialReason {
    result.expect_err("it has to be refused").reason().clone()
}

fn unhex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0);
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn unhex_array<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).try_into().unwrap()
}

/// Test vectors that stand beside the checkout on the developers' machines, or `None` where they do not.
fn vectors(file: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/vectors")
        .join(file);
    let text = fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!(
            "SKIPPED: there is no {}; the vectors in this file were tested all the same",
            path.display()
        );
    }
    text
}

// Keys and signatures.

#[test]
fn key_pair() {
    let (private, public) = PrivateKey::generate();
    let (other, other_public) = PrivateKey::generate();
    assert_eq!(private.public_key(), public);
    assert_ne!(public, other_public);
    assert_ne!(public.id(), other_public.id());
    assert_eq!(PublicKey::from_bytes(public.as_bytes()), Ok(public));

    let text = public.to_string();
    assert_eq!((text.len(), &text[..8]), (51, "cnvpub1."));
    assert_eq!(text.parse(), Ok(public));
    assert_eq!(public.id().to_string().len(), 32);
    drop(other);
}

#[test]
fn a_public_key_has_one_spelling() {
    let text = authority().public_key().to_string();
    let last = text.as_bytes()[text.len() - 1] as char;
    let parse = str::parse::<PublicKey>;

    // 32 bytes leave two unused bits in the last character: three neighbours spell the same bytes.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).unwrap();
    assert_eq!(place % 4, 0);
    for neighbour in alphabet[place + 1..place + 4].chars() {
        let other = format!("{}{neighbour}", &text[..text.len() - 1]);
        assert_eq!(parse(&other), Err(PublicKeyError::Encoding), "{other}");
    }
    assert_eq!(parse(&text[8..]), Err(PublicKeyError::Prefix));
    assert_eq!(
        parse(&text.replace("cnvpub1.", "cnvpub2.")),
        Err(PublicKeyError::Prefix)
    );
    for wrong in [
        format!("{text}="),
        format!("{text} "),
        format!("{text}\n"),
        text[..50].to_owned(),
    ] {
        assert!(
            matches!(parse(&wrong), Err(PublicKeyError::Length { .. })),
            "{wrong:?}"
        );
    }
    assert_eq!(
        parse(&format!("{}+{}", &text[..20], &text[21..])),
        Err(PublicKeyError::Encoding)
    );
}

#[test]
fn sign_and_verify() {
    let (private, public) = PrivateKey::generate();
    let signature = private.sign(b"a message");
    assert!(public.verify(b"a message", &signature).is_ok());
    assert!(public.verify(b"a messagf", &signature).is_err());
    assert!(public.verify(b"", &signature).is_err());
    assert!(
        PrivateKey::generate()
            .1
            .verify(b"a message", &signature)
            .is_err()
    );

    for bit in 0..Signature::LEN_BYTES * 8 {
        let mut bytes = *signature.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(
            public
                .verify(b"a message", &Signature::from_bytes(bytes))
                .is_err(),
            "bit {bit}"
        );
    }
}

/// Seed, public key, message, signature: RFC 8032 section 7.1, tests 1 to 3.
const RFC8032: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

fn check_rfc8032(seed: &str, public: &str, message: &str, signature: &str) {
    let key = PrivateKey::from_seed(&unhex_array(seed));
    let message = unhex(message);
    let signature = Signature::from_bytes(unhex_array(signature));
    assert_eq!(key.public_key().as_bytes(), &unhex_array(public));
    assert_eq!(key.sign(&message), signature);
    let imported = PublicKey::from_bytes(&unhex_array(public)).unwrap();
    assert!(imported.verify(&message, &signature).is_ok());
}

#[test]
fn rfc_8032_vectors() {
    for [seed, public, message, signature] in RFC8032 {
        check_rfc8032(seed, public, message, signature);
    }
    // Each line: seed and public key, public key, message, signature and message.
    if let Some(text) = vectors("rfc8032/TESTVECTORS.sign.input") {
        let mut count = 0;
        for line in text.lines() {
            let fields: Vec<_> = line.split(':').collect();
            check_rfc8032(&fields[0][..64], fields[1], fields[2], &fields[3][..128]);
            count += 1;
        }
        assert_eq!(count, 128);
    }
}

/// Encodings of points of small order, from the C2SP CCTV collection: the eight canonical ones and the six others.
const SMALL_ORDER: [&str; 8] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];
const NON_CANONICAL: [&str; 6] = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];
/// Keys with a component of small order, from the same collection.
const MIXED_ORDER: [&str; 7] = [
    "015ff595e4e0add00dde896efa66ea4f6848c4396410c693c92232aa64861d4f",
    "10eb7c3acfb2bed3e0d6ab89bf5a3d6afddd1176ce4812e38d9fd485058fdb1f",
    "6718d0a3d58deaeaefa655eae3f119071deaa2cfebfd0ca28b670f879d657086",
    "86e72f5c2a7215151059aa151c0ee6f8e2155d301402f35d7498f078629a8f79",
    "dd1483c5304d412c1f29547640a5c2950222ee8931b7ed1c72602b7afa7024e0",
    "eca00a6a1b1f522ff2217691059915b097b73bc69bef396c36ddcd559b79e2b0",
    "fe894df18abf1c20088bfbe6c9ad45d42ec20663eaf7111eaea1d851da0d7f89",
];

#[test]
fn keys_outside_the_prime_order_subgroup_are_refused_at_import() {
    let expectations = [
        (&SMALL_ORDER[..], PublicKeyError::SmallOrder),
        (&NON_CANONICAL[..], PublicKeyError::NonCanonical),
        (&MIXED_ORDER[..], PublicKeyError::MixedOrder),
    ];
    for (keys, expected) in expectations {
        for key in keys {
            assert_eq!(
                PublicKey::from_bytes(&unhex_array(key)),
                Err(expected),
                "{key}"
            );
        }
    }
    let mut not_a_point = [0; 32];
    not_a_point[0] = 2;
    assert_eq!(
        PublicKey::from_bytes(&not_a_point),
        Err(PublicKeyError::NotAPoint)
    );
}

/// Vectors 304 and 305 of the same collection, under a good key: R of small order, which the equation alone would accept,
/// and nothing unusual.
#[test]
fn a_signature_with_an_r_of_small_order_is_refused() {
    let key = "ef75b20e7540e3dff77404193652ba2bd13df99c1508eee1515e27ae25f28076";
    let key = PublicKey::from_bytes(&unhex_array(key)).unwrap();
    let signature = |text| Signature::from_bytes(unhex_array(text));
    let small_order = signature(
        "0100000000000000000000000000000000000000000000000000000000000000330b30d6c1f07511e2208d233b6a34d4ed7109da2dea615bcd97daee3a842704",
    );
    let usual = signature(
        "b62cf890de42c413b11b1411c9f01f1c4d77aa87ef182258d1251f69af2a350640657f1cb030f12543549bbabd848dc6403d354e7c99c4d0dcee9f63c9033b00",
    );
    assert!(key.verify(b"ed25519vectors 7", &small_order).is_err());
    assert!(key.verify(b"ed25519vectors 5", &usual).is_ok());
}

#[test]
fn cctv_vectors() {
    let Some(text) = vectors("cctv/ed25519vectors.json") else {
        return;
    };
    let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (mut accepted, mut refused_keys, mut refused_signatures) = (0, 0, 0);
    for vector in vectors.as_array().unwrap() {
        let has = |flag: &str| {
            vector["flags"]
                .as_array()
                .is_some_and(|flags| flags.iter().any(|f| f == flag))
        };
        let field = |name: &str| vector[name].as_str().unwrap();
        let key = PublicKey::from_bytes(&unhex_array(field("key")));
        let expected = if has("non_canonical_A") {
            Some(PublicKeyError::NonCanonical)
        } else if has("low_order_A") {
            Some(PublicKeyError::SmallOrder)
        } else if has("low_order_component_A") {
            Some(PublicKeyError::MixedOrder)
        } else {
            None
        };
        assert_eq!(key.err(), expected, "{vector}");
        let Ok(key) = key else {
            refused_keys += 1;
            continue;
        };
        let signature = Signature::from_bytes(unhex_array(field("sig")));
        let is_valid = key.verify(field("msg").as_bytes(), &signature).is_ok();
        let must_fail = has("low_order_R") || has("non_canonical_R") || has("low_order_residue");
        assert_eq!(is_valid, !must_fail, "{vector}");
        if is_valid {
            accepted += 1
        } else {
            refused_signatures += 1
        }
    }
    assert_eq!(accepted + refused_keys + refused_signatures, 914);
    assert!(accepted > 0 && refused_keys > 800 && refused_signatures > 0);
}

/// RFC 8410 section 10.3: the same key without and with its public half.
const RFC8410_V1: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";
const RFC8410_V2: &str = "-----BEGIN PRIVATE KEY-----\n\
    MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\n\
    Z9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    -----END PRIVATE KEY-----\n";

#[test]
fn pkcs8_pem() {
    let public = unhex_array("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
    for pem in [RFC8410_V1, RFC8410_V2] {
        let key = PrivateKey::from_pkcs8_pem(pem).unwrap();
        assert_eq!(key.public_key().as_bytes(), &public);
        assert_eq!(*key.to_pkcs8_pem(), RFC8410_V1);
    }
    for wrong in [
        String::new(),
        "no key".to_owned(),
        RFC8410_V1.replace("PRIVATE", "PUBLIC"),
        RFC8410_V1.replace("PRIVATE", "ENCRYPTED PRIVATE"),
        RFC8410_V1.replace("K2Vw", "K2Vx"),
        RFC8410_V1.replace("MC4CAQ", "MC4CA!"),
        // The public half of another key.
        RFC8410_V2.replace("Z9w7lshQ", "Z9w7lshR"),
    ] {
        let error = PrivateKey::from_pkcs8_pem(&wrong).unwrap_err();
        assert!(matches!(error, PrivateKeyError::Pkcs8 { .. }), "{wrong}");
    }
}

#[test]
fn secrets_and_tokens_stay_out_of_debug_output() {
    let key = PrivateKey::from_pkcs8_pem(RFC8410_V1).unwrap();
    let shown = format!("{key:?} {key:#?}");
    assert!(shown.contains(&key.public_key().to_string()));
    let seed = unhex("d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842");
    for secret in [
        format!("{seed:?}"),
        "d4ee72".to_owned(),
        "D4EE72".to_owned(),
        "1O5y2".to_owned(),
    ] {
        assert!(
            !shown.to_lowercase().contains(&secret.to_lowercase()),
            "{shown}"
        );
    }
    assert!(
        !shown.contains("212"),
        "the seed's first byte in decimal: {shown}"
    );

    let attestation = network_attestation();
    let token = attestation.to_string();
    let signature: String = attestation
        .to_bytes()
        .iter()
        .rev()
        .take(64)
        .rev()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let evidence =
        Evidence::new(&bearer_verifier(&Arc::new(ManualClock::at(NOON)))).with_token(token.clone());
    evidence.authorise(&CapabilityContract::network()).unwrap();
    let shown = format!("{attestation:?} {evidence:?}");
    assert!(shown.contains("agent-42"));
    assert!(
        !shown.contains(&token) && !shown.contains(&signature[..16]),
        "{shown}"
    );
    assert!(!attestation.to_json().unwrap().contains(&signature[..16]));
}

// Key files.

#[cfg(unix)]
mod key_files {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn set_mode(path: &std::path::Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_file_is_private_and_round_trips() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let (key, public) = PrivateKey::generate();
        key_file::create(&path, &key).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        assert_eq!(key_file::load(&path).unwrap().public_key(), public);
        assert_eq!(fs::read_to_string(&path).unwrap(), *key.to_pkcs8_pem());

        set_mode(&path, 0o400);
        assert!(key_file::load(&path).is_ok(), "a stricter mode is fine");
    }

    #[test]
    fn looser_modes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        key_file::create(&path, &authority()).unwrap();
        for mode in [0o644, 0o640, 0o660, 0o604, 0o602, 0o601, 0o610, 0o777] {
            set_mode(&path, mode);
            let error = key_file::load(&path).unwrap_err();
            assert!(
                matches!(&error, KeyFileError::Mode { mode: found, .. } if *found == mode),
                "{mode:o}: {error}"
            );
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn an_existing_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        fs::write(&path, "precious").unwrap();
        let error = key_file::create(&path, &authority()).unwrap_err();
        assert!(matches!(error, KeyFileError::Exists { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn symbolic_links_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (
            folder.path().join("real.pem"),
            folder.path().join("link.pem"),
        );
        symlink(&real, &link).unwrap();

        // A dangling link would let somebody else choose where the key goes.
        let error = key_file::create(&link, &authority()).unwrap_err();
        assert!(matches!(error, KeyFileError::Exists { .. }), "{error}");
        assert!(!real.exists());

        key_file::create(&real, &authority()).unwrap();
        let error = key_file::load(&link).unwrap_err();
        assert!(matches!(error, KeyFileError::Symlink { .. }), "{error}");
    }

    #[test]
    fn what_is_no_key_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let load = || key_file::load(&path).unwrap_err();

        let error = load();
        assert!(
            matches!(&error, KeyFileError::Io { .. }) && error.source().is_some(),
            "{error}"
        );
        assert!(error.to_string().contains("key.pem"), "{error}");
        for not_a_file in [folder.path().to_owned(), PathBuf::from("/dev/null")] {
            let error = key_file::load(not_a_file).unwrap_err();
            assert!(matches!(error, KeyFileError::NotAFile { .. }), "{error}");
        }

        let put = |content: &[u8]| {
            fs::write(&path, content).unwrap();
            set_mode(&path, 0o600);
        };
        for content in [
            &b""[..],
            b"garbage",
            b"\xff\xfe",
            &RFC8410_V1.as_bytes()[..100],
        ] {
            put(content);
            assert!(matches!(load(), KeyFileError::Key { .. }));
        }
        put(&vec![b'x'; key_file::MAX_LEN_BYTES + 1]);
        assert!(matches!(load(), KeyFileError::TooLarge { .. }));
    }

    #[test]
    fn a_key_that_cannot_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no such folder").join("key.pem");
        assert!(matches!(
            key_file::create(&path, &authority()),
            Err(KeyFileError::Io { .. })
        ));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

// Attestations.

#[test]
fn attestation_create() {
    let (authority_key, authority_pub) = PrivateKey::generate();
    let earliest = Timestamp::now();
    let attestation = CapabilityAttestation::new(
        CapabilityContract::network(),
        "agent-42",
        3600,
        &authority_key,
    );
    let latest = Timestamp::now();

    assert_eq!(attestation.fault(), None);
    assert_eq!(attestation.subject(), "agent-42");
    assert_eq!(attestation.contract(), &CapabilityContract::network());
    assert_eq!(attestation.issuer(), authority_pub.id());
    assert_eq!(attestation.audience(), None);
    assert!(attestation.metadata().is_empty());
    assert!((earliest..=latest).contains(&attestation.issued_at()));
    assert_eq!(attestation.not_before(), attestation.issued_at());
    assert_eq!(
        attestation
            .expires_at()
            .seconds_since(attestation.issued_at()),
        3600
    );

    assert_eq!(attestation.to_string().parse(), Ok(attestation.clone()));
    assert_eq!(
        CapabilityAttestation::from_bytes(&attestation.to_bytes()),
        Ok(attestation)
    );
}

#[test]
fn attestation_verify() {
    let (authority_key, authority_pub) = PrivateKey::generate();
    let attestation = CapabilityAttestation::new(
        CapabilityContract::network(),
        "agent-42",
        3600,
        &authority_key,
    );
    assert!(attestation.verify(&authority_pub) && !attestation.is_expired());

    let (_, other) = PrivateKey::generate();
    assert!(!attestation.verify(&other));
    let now = Timestamp::now();
    assert_eq!(attestation.verify_at(&authority_pub, now, None), Ok(()));
    assert_eq!(
        attestation.verify_at(&authority_pub, now, Some("anyone")),
        Ok(())
    );
    assert_eq!(
        attestation.verify_at(&other, now, None),
        Err(DenialReason::UnknownIssuer {
            issuer: authority_pub.id()
        })
    );
}

#[test]
fn attestation_expire() {
    let attestation = network_attestation();
    let key = authority().public_key();
    assert!(!attestation.is_expired_at(after(599)));
    assert!(
        attestation.is_expired_at(after(600)),
        "the end is exclusive, without any allowance"
    );
    assert_eq!(attestation.verify_at(&key, after(599), None), Ok(()));
    let expired = DenialReason::Expired {
        expired_at: after(600),
        ago_seconds: 40,
    };
    assert_eq!(
        attestation.verify_at(&key, after(640), None),
        Err(expired.clone())
    );
    assert_eq!(
        expired.to_string(),
        "the attestation expired 40 s ago, at 2027-01-15T08:10:00Z; ask its issuer for a new one"
    );
    assert!(attestation.verify(&key), "the signature stays good");

    let at_once =
        CapabilityAttestation::new(CapabilityContract::pure(), "agent-42", 0, &authority());
    assert!(at_once.is_expired() && at_once.verify(&key));
}

#[test]
fn attestation_not_yet_valid() {
    let key = authority().public_key();
    let attestation = CapabilityAttestation::builder(CapabilityContract::network(), "agent-42")
        .issued_at(NOON)
        .ttl(600)
        .not_before(after(100))
        .bearer()
        .sign(&authority())
        .unwrap();
    assert_eq!(attestation.not_before(), after(100));
    // Five seconds of clock skew, and no more.
    assert_eq!(attestation.verify_at(&key, after(95), None), Ok(()));
    assert_eq!(
        attestation.verify_at(&key, after(94), None),
        Err(DenialReason::NotYetValid {
            valid_from: after(100),
            wait_seconds: 6
        })
    );
    // A clock that was reset to 1970 makes nothing valid.
    let denied = attestation.verify_at(&key, Timestamp::default(), None);
    assert!(matches!(denied, Err(DenialReason::NotYetValid { .. })));
}

#[test]
fn attestation_metadata() {
    let attestation = network_attestation();
    let pairs: Vec<_> = attestation
        .metadata()
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(pairs, [("run", "17"), ("ticket", "4711")]);

    let builder = || {
        CapabilityAttestation::builder(CapabilityContract::network(), "agent-42")
            .issued_at(NOON)
            .ttl(600)
    };
    let other_order = builder()
        .metadata("ticket", "4711")
        .metadata("run", "17")
        .bearer()
        .sign(&authority())
        .unwrap();
    assert_eq!(
        other_order.to_bytes(),
        attestation.to_bytes(),
        "one encoding, whatever the order of the calls"
    );

    let duplicate = builder()
        .metadata("run", "17")
        .metadata("run", "18")
        .bearer()
        .sign(&authority());
    assert_eq!(
        duplicate,
        Err(AttestationError::DuplicateMetadata {
            key: "run".to_owned()
        })
    );

    let many = (0..32).fold(builder(), |builder, key| {
        builder.metadata(format!("key {key}"), "")
    });
    assert!(many.clone().bearer().sign(&authority()).is_ok());
    assert_eq!(
        many.metadata("one more", "").bearer().sign(&authority()),
        Err(AttestationError::Claims(ClaimsError::TooMuchMetadata {
            entries: 33,
            max: 32
        }))
    );

    let full = |bytes: usize| {
        let value = |len| "v".repeat(len);
        builder()
            .metadata("a", value(1024))
            .metadata("b", value(1024))
            .metadata("c", value(bytes))
            .bearer()
            .sign(&authority())
    };
    let largest = (0..1024).rev().find_map(|bytes| full(bytes).ok()).unwrap();
    assert_eq!(
        (largest.to_bytes().len(), largest.to_string().len()),
        (3068, 4096)
    );
    assert_eq!(largest.to_string().parse(), Ok(largest));
    assert!(matches!(
        full(1024),
        Err(AttestationError::TooLarge { max: 3068, .. })
    ));
}

#[test]
fn attestation_json() {
    let attestation = CapabilityAttestation::builder(
        CapabilityContract::network().with_band(ResourceBand::Small),
        "agent \"42\"",
    )
    .issued_at(NOON)
    .ttl(600)
    .audience("ops")
    .metadata("ticket", "4711")
    .bearer()
    .sign(&authority())
    .unwrap();
    let json: serde_json::Value = serde_json::from_str(&attestation.to_json().unwrap()).unwrap();
    let expected = serde_json::json!({
        "id": attestation.id().to_string(),
        "subject": "agent \"42\"",
        "issuer": authority().public_key().id().to_string(),
        "audience": "ops",
        "contract": {
            "class": "network",
            "resource_band": "small",
            "stability": "stable",
            "safety": "irreversible",
        },
        "issued_at": 1_800_000_000,
        "not_before": 1_800_000_000,
        "expires_at": 1_800_000_600,
        "metadata": { "ticket": "4711" },
        "holder_key": null,
        "depth": 1,
    });
    assert_eq!(json, expected);
    assert!(
        attestation
            .to_json()
            .unwrap()
            .parse::<CapabilityAttestation>()
            .is_err(),
        "JSON is a view"
    );
}

#[test]
fn what_may_not_be_said_is_not_signed() {
    let text = |field, fault| AttestationError::Claims(ClaimsError::Text { field, fault });
    let forbidden = |character| TextFault::Forbidden { character };
    let too_long = |len_bytes, max_bytes| TextFault::TooLong {
        len_bytes,
        max_bytes,
    };
    let long = |len| "x".repeat(len);
    let key = authority();

    for (subject, fault) in [
        (String::new(), TextFault::Empty),
        (long(257), too_long(257, 256)),
        (long(70_000), too_long(70_000, 256)),
        ("agent\n42".to_owned(), forbidden('\n')),
        ("agent\0".to_owned(), forbidden('\0')),
        ("\u{1b}[2J".to_owned(), forbidden('\u{1b}')),
        ("agent\u{202e}24".to_owned(), forbidden('\u{202e}')),
        ("agent\u{2028}".to_owned(), forbidden('\u{2028}')),
    ] {
        let expected = text("subject", fault);
        let built = CapabilityAttestation::builder(CapabilityContract::pure(), &subject)
            .bearer()
            .sign(&key);
        assert_eq!(built.as_ref(), Err(&expected));

        // `new` cannot return an error, so it returns what is good for nothing.
        let attestation =
            CapabilityAttestation::new(CapabilityContract::pure(), &subject, 3600, &key);
        assert_eq!(attestation.fault(), Some(&expected));
        assert_eq!(attestation.subject(), subject);
        assert!(!attestation.verify(&key.public_key()) && attestation.is_expired());
        assert!(attestation.to_bytes().is_empty());
        assert!(
            attestation
                .to_string()
                .parse::<CapabilityAttestation>()
                .is_err()
        );
        assert_eq!(attestation.to_json(), Err(expected.clone()));
        let verified = store().verify(&attestation, &CapabilityContract::pure(), None, NOON);
        assert_eq!(reason(verified), DenialReason::NotSigned(expected));
    }

    let builder =
        || CapabilityAttestation::builder(CapabilityContract::pure(), "agent-42").issued_at(NOON);
    for (built, expected) in [
        (builder().audience(""), text("audience", TextFault::Empty)),
        (
            builder().audience(long(257)),
            text("audience", too_long(257, 256)),
        ),
        (
            builder().metadata("", "v"),
            text("metadata key", TextFault::Empty),
        ),
        (
            builder().metadata(long(65), "v"),
            text("metadata key", too_long(65, 64)),
        ),
        (
            builder().metadata("k", long(1025)),
            text("metadata value", too_long(1025, 1024)),
        ),
        (
            builder().metadata("k", "a\tb"),
            text("metadata value", forbidden('\t')),
        ),
        (
            builder().ttl(10).not_before(after(11)),
            AttestationError::Claims(ClaimsError::NeverValid {
                starts_at: after(11),
                expires_at: after(10),
            }),
        ),
        (
            builder().ttl(u64::MAX),
            AttestationError::ExpiryOutOfRange {
                issued_at: NOON,
                ttl_seconds: u64::MAX,
            },
        ),
    ] {
        assert_eq!(built.bearer().sign(&key), Err(expected));
    }
    let endless =
        CapabilityAttestation::new(CapabilityContract::pure(), "agent-42", u64::MAX, &key);
    assert!(matches!(
        endless.fault(),
        Some(AttestationError::ExpiryOutOfRange { .. })
    ));
    assert!(!endless.verify(&key.public_key()) && endless.is_expired());
    assert!(
        CapabilityAttestation::builder(CapabilityContract::pure(), long(256))
            .bearer()
            .sign(&key)
            .is_ok()
    );
    assert!(
        CapabilityAttestation::builder(CapabilityContract::pure(), "Zoë 東京 👩‍🚀")
            .bearer()
            .sign(&key)
            .is_ok()
    );
}

// The encoding.

/// Claims written down by hand from the description of the format, to be signed whether they make sense or not.
struct Raw {
    version: u8,
    links: u8,
    parent: [u8; 32],
    tag: &'static [u8],
    claims: Vec<u8>,
}

impl Raw {
    fn claims(
        form: u8,
        contract: [u8; 4],
        times: [u64; 3],
        texts: [&[u8]; 2],
        metadata: &[(&[u8], &[u8])],
    ) -> Vec<u8> {
        let mut claims = vec![form];
        claims.extend(authority().public_key().id().as_bytes());
        claims.extend(contract);
        for time in times {
            let bytes = time.to_be_bytes();
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            claims.push(u8::try_from(8 - zeros).unwrap());
            claims.extend(&bytes[zeros..]);
        }
        let put = |claims: &mut Vec<u8>, text: &[u8]| {
            claims.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            claims.extend(text);
        };
        texts.iter().for_each(|text| put(&mut claims, text));
        claims.push(u8::try_from(metadata.len()).unwrap());
        for (key, value) in metadata {
            claims.push(u8::try_from(key.len()).unwrap());
            claims.extend(*key);
            put(&mut claims, value);
        }
        claims
    }

    fn of(claims: Vec<u8>) -> Self {
        Self {
            version: 1,
            links: 1,
            parent: [0; 32],
            tag: b"cnv attestation link 1\0",
            claims,
        }
    }

    /// The token, properly signed by the authority.
    fn token(&self) -> Vec<u8> {
        let signed = [self.tag, &self.parent, &self.claims].concat();
        let mut token = vec![self.version, self.links];
        token.extend(&self.claims);
        token.extend(authority().sign(&signed).as_bytes());
        token
    }
}

const TIMES: [u64; 3] = [1_800_000_000, 1_800_000_000, 1_800_000_600];
const NETWORK: [u8; 4] = [4, 5, 2, 1];

#[test]
fn the_encoding_is_the_documented_one() {
    let claims = Raw::claims(
        1,
        NETWORK,
        TIMES,
        [b"agent-42", b""],
        &[(b"run", b"17"), (b"ticket", b"4711")],
    );
    let attestation = network_attestation();
    assert_eq!(attestation.to_bytes(), Raw::of(claims.clone()).token());

    // What names the attestation is the digest of what was signed: tag, parent, claims.
    assert_eq!(
        attestation.id().to_string(),
        "83a125469fb0443ed8cd7b48246776f72cc9684355674d4713581c75e2910ab9"
    );
    assert_eq!(attestation.to_string(), GOLDEN_TOKEN);
    assert!(attestation.to_string().len() < 250);
}

/// A token that was issued once and has to be read for ever.
const GOLDEN_TOKEN: &str = "cnv1.AQEBMs0DcBAECSeoKmIfxXcoqAQFAgEEa0nSAARrSdIABGtJ1FgACGFnZW50LTQyAAACA3J1bgACMTcGdGlja2V0AAQ0NzExkPXXSK_JzzHdh5F0PAIWMBklZTFUsluW5hHip0nPsNs7TUcFsixA_GtHJTc6G7dVUR4A4rNDc1mSZ5GVR8cACw";

#[test]
fn signed_bytes_that_break_a_rule_are_refused() {
    let texts: [&[u8]; 2] = [b"agent-42", b""];
    let parse = |raw: &Raw| CapabilityAttestation::from_bytes(&raw.token());
    let good = Raw::claims(1, NETWORK, TIMES, texts, &[]);
    let accepted = parse(&Raw::of(good.clone())).unwrap();
    assert!(accepted.verify(&authority().public_key()));

    let claims = |claims| parse(&Raw::of(claims)).unwrap_err();
    assert_eq!(
        claims(Raw::claims(0, NETWORK, TIMES, texts, &[])),
        TokenError::UnknownForm { form: 0 }
    );
    assert_eq!(
        claims(Raw::claims(3, NETWORK, TIMES, texts, &[])),
        TokenError::UnknownForm { form: 3 }
    );
    let fields = ["class", "resource band", "stability", "safety"];
    for (place, field) in fields.into_iter().enumerate() {
        for code in [0, 6, 255] {
            let mut contract = NETWORK;
            contract[place] = code;
            let error = claims(Raw::claims(1, contract, TIMES, texts, &[]));
            assert_eq!(error, TokenError::UnknownCode { field, code });
        }
    }
    let never = claims(Raw::claims(1, NETWORK, [100, 100, 99], texts, &[]));
    assert!(matches!(
        never,
        TokenError::Claims(ClaimsError::NeverValid { .. })
    ));
    assert_eq!(
        claims(Raw::claims(1, NETWORK, TIMES, [b"", b""], &[])),
        TokenError::Claims(ClaimsError::Text {
            field: "subject",
            fault: TextFault::Empty
        })
    );
    assert_eq!(
        claims(Raw::claims(1, NETWORK, TIMES, [b"a\xffb", b""], &[])),
        TokenError::NotUtf8 { field: "subject" }
    );
    assert_eq!(
        claims(Raw::claims(1, NETWORK, TIMES, [b"a", b"\xc0\x80"], &[])),
        TokenError::NotUtf8 { field: "audience" }
    );
    let control = claims(Raw::claims(1, NETWORK, TIMES, [b"agent\r\n", b""], &[]));
    assert!(matches!(
        control,
        TokenError::Claims(ClaimsError::Text {
            field: "subject",
            ..
        })
    ));
    let long = claims(Raw::claims(1, NETWORK, TIMES, [&[b'x'; 257], b""], &[]));
    assert!(matches!(
        long,
        TokenError::Claims(ClaimsError::Text {
            field: "subject",
            ..
        })
    ));

    for metadata in [
        &[(&b"b"[..], &b"1"[..]), (b"a", b"2")][..],
        &[(b"a", b"1"), (b"a", b"2")],
        &[(b"a", b"1"), (b"c", b"2"), (b"b", b"3")],
    ] {
        assert_eq!(
            claims(Raw::claims(1, NETWORK, TIMES, texts, metadata)),
            TokenError::MetadataOrder
        );
    }
    let empty_key = claims(Raw::claims(1, NETWORK, TIMES, texts, &[(b"", b"1")]));
    assert!(matches!(
        empty_key,
        TokenError::Claims(ClaimsError::Text {
            field: "metadata key",
            ..
        })
    ));
    let entries: Vec<_> = (0..33_u8).map(|key| [b'A' + key]).collect();
    let entries: Vec<_> = entries.iter().map(|key| (&key[..], &b""[..])).collect();
    assert!(matches!(
        claims(Raw::claims(1, NETWORK, TIMES, texts, &entries)),
        TokenError::Claims(ClaimsError::TooMuchMetadata { entries: 33, .. })
    ));

    let mut trailing = good.clone();
    trailing.push(0);
    assert_eq!(
        claims(trailing),
        TokenError::TrailingBytes { extra_bytes: 1 }
    );
    let mut leading_zero = good.clone();
    leading_zero[21] = 5;
    leading_zero.insert(22, 0);
    let field = "moment of issue";
    assert_eq!(claims(leading_zero), TokenError::Moment { field });
    let mut too_long = good.clone();
    too_long[21] = 9;
    assert_eq!(claims(too_long), TokenError::Moment { field });
    let error = |raw: Raw| parse(&raw).unwrap_err();
    assert_eq!(
        error(Raw {
            version: 2,
            ..Raw::of(good.clone())
        }),
        TokenError::UnknownVersion { version: 2 }
    );
    assert_eq!(
        error(Raw {
            links: 0,
            ..Raw::of(good.clone())
        }),
        TokenError::LinkCount { links: 0 }
    );
    assert_eq!(
        error(Raw {
            links: 9,
            ..Raw::of(good.clone())
        }),
        TokenError::LinkCount { links: 9 }
    );

    // A good form, but signed as something else.
    for raw in [
        Raw {
            parent: [1; 32],
            ..Raw::of(good.clone())
        },
        Raw {
            tag: b"cnv attestation link 2\0",
            ..Raw::of(good.clone())
        },
        Raw {
            tag: b"",
            ..Raw::of(good.clone())
        },
    ] {
        assert!(!parse(&raw).unwrap().verify(&authority().public_key()));
    }
}

#[test]
fn a_token_has_one_spelling() {
    let text = network_attestation().to_string();
    assert!(verify(&text).is_ok());
    let malformed = |text: &str| match reason(verify(text)) {
        DenialReason::Malformed(error) => error,
        other => panic!("{text:?}: {other}"),
    };
    assert_eq!(malformed(""), TokenError::Prefix);
    assert_eq!(malformed(&text[5..]), TokenError::Prefix);
    assert_eq!(
        malformed(&text.replacen("cnv1.", "CNV1.", 1)),
        TokenError::Prefix
    );
    assert_eq!(
        malformed(&text.replacen("cnv1.", "cnv2.", 1)),
        TokenError::Prefix
    );
    assert_eq!(malformed(&format!(" {text}")), TokenError::Prefix);
    for suffix in ["=", "==", " ", "\n", "\r\n", "\0", ".", "é"] {
        assert_eq!(
            malformed(&format!("{text}{suffix}")),
            TokenError::Encoding,
            "{suffix:?}"
        );
    }
    assert_eq!(
        malformed(&text.replacen(&text[20..21], "+", 1)),
        TokenError::Encoding
    );
    assert_eq!(
        malformed("cnv1."),
        TokenError::Truncated { missing_bytes: 1 }
    );
    assert_eq!(
        malformed(&"x".repeat(4097)),
        TokenError::Oversized {
            len: 4097,
            max: 4096
        }
    );
    assert_eq!(
        CapabilityAttestation::from_bytes(&[1; 3069]),
        Err(TokenError::Oversized {
            len: 3069,
            max: 3068
        })
    );

    // Lengths that leave unused bits in the last character: all but zero are refused, for both remainders.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for subject in ["a", "ab", "abc"] {
        let attestation =
            CapabilityAttestation::new(CapabilityContract::network(), subject, 600, &authority());
        let text = attestation.to_string();
        let spellings = alphabet
            .chars()
            .map(|last| format!("{}{last}", &text[..text.len() - 1]))
            .filter(|other| other.parse() == Ok(attestation.clone()))
            .count();
        assert_eq!(spellings, 1);
    }
}

#[test]
fn every_truncation_is_refused() {
    let attestation = network_attestation();
    let (bytes, text) = (attestation.to_bytes(), attestation.to_string());
    for len in 0..bytes.len() {
        let error = CapabilityAttestation::from_bytes(&bytes[..len]).unwrap_err();
        assert!(
            matches!(error, TokenError::Truncated { .. }),
            "{len}: {error}"
        );
    }
    for len in 0..text.len() {
        assert!(
            matches!(reason(verify(&text[..len])), DenialReason::Malformed(_)),
            "{len}"
        );
    }
}

#[test]
fn trailing_bytes_are_refused() {
    let bytes = network_attestation().to_bytes();
    for extra in [&[0][..], &[0xff], &bytes] {
        let longer = [&bytes[..], extra].concat();
        assert_eq!(
            CapabilityAttestation::from_bytes(&longer),
            Err(TokenError::TrailingBytes {
                extra_bytes: extra.len()
            })
        );
    }
}

#[test]
fn every_flipped_bit_of_the_bytes_is_refused() {
    let bytes = network_attestation().to_bytes();
    let key = authority().public_key();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(attestation) = CapabilityAttestation::from_bytes(&flipped) {
            assert!(!attestation.verify(&key), "bit {bit}");
        }
    }
}

#[test]
fn every_flipped_bit_of_the_text_is_refused() {
    let text = network_attestation().to_string();
    let mut refused = 0;
    for bit in 0..text.len() * 8 {
        let mut flipped = text.clone().into_bytes();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // A text that is not UTF-8 cannot be presented at all.
        if let Ok(flipped) = String::from_utf8(flipped) {
            assert!(verify(&flipped).is_err(), "bit {bit}");
            refused += 1;
        }
    }
    assert_eq!(refused, text.len() * 7);
}

#[test]
fn an_s_that_is_not_reduced_is_refused() {
    // L, the order of the prime-order subgroup, little-endian: RFC 8032 section 5.1.
    let order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut bytes = network_attestation().to_bytes();
    let start = bytes.len() - 32;
    let mut carry = 0;
    for (byte, add) in bytes[start..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    let malleable = CapabilityAttestation::from_bytes(&bytes).unwrap();
    assert_eq!(malleable.id(), network_attestation().id());
    let verified = store().verify(&malleable, &CapabilityContract::network(), None, NOON);
    assert!(matches!(
        reason(verified),
        DenialReason::BadSignature { .. }
    ));
}

// The trust store.

#[test]
fn a_trusted_attestation_is_verified() {
    let attestation = network_attestation();
    let verified = verify(&attestation.to_string()).unwrap();
    assert_eq!(verified.subject(), "agent-42");
    assert_eq!(verified.issuer_name(), "authority");
    assert_eq!(verified.issuer(), authority().public_key().id());
    assert_eq!(verified.contract(), &CapabilityContract::network());
    assert_eq!(verified.expires_at(), after(600));
    assert_eq!(verified.id(), attestation.id());
    assert_eq!(verified.chain(), &attestation.try_into().unwrap());

    assert_eq!(
        verified.check(&CapabilityContract::pure(), after(599)),
        Ok(())
    );
    let late = verified
        .check(&CapabilityContract::pure(), after(600))
        .unwrap_err();
    assert!(matches!(late.reason(), DenialReason::Expired { .. }));
    let wide = verified
        .check(&CapabilityContract::read_only(), NOON)
        .unwrap_err();
    assert!(matches!(wide.reason(), DenialReason::Insufficient { .. }));
}

#[test]
fn a_wrong_root_is_refused() {
    let (stranger, stranger_pub) = PrivateKey::generate();
    let token = CapabilityAttestation::builder(CapabilityContract::dangerous(), "agent-42")
        .issued_at(NOON)
        .bearer()
        .sign(&stranger)
        .unwrap()
        .to_string();
    let unknown = DenialReason::UnknownIssuer {
        issuer: stranger_pub.id(),
    };
    assert_eq!(reason(verify(&token)), unknown);
    let empty = TrustStore::new().verify_token(&token, &CapabilityContract::pure(), None, NOON);
    assert_eq!(reason(empty), unknown);

    // A stranger who names the authority as the issuer.
    let mut forged = network_attestation().to_bytes();
    let start = forged.len() - 64;
    forged[start..].copy_from_slice(stranger.sign(b"anything").as_bytes());
    let forged = CapabilityAttestation::from_bytes(&forged).unwrap();
    let verified = store().verify(&forged, &CapabilityContract::network(), None, NOON);
    assert_eq!(
        reason(verified),
        DenialReason::BadSignature {
            issuer: authority().public_key().id()
        }
    );
}

#[test]
fn a_wrong_audience_is_refused() {
    let token = CapabilityAttestation::builder(CapabilityContract::network(), "agent-42")
        .issued_at(NOON)
        .audience("ops")
        .bearer()
        .sign(&authority())
        .unwrap()
        .to_string();
    let verify =
        |audience| store().verify_token(&token, &CapabilityContract::network(), audience, NOON);
    assert!(verify(Some("ops")).is_ok());
    for this in [None, Some(""), Some("op"), Some("ops2"), Some("Ops")] {
        let wrong = DenialReason::WrongAudience {
            meant_for: "ops".to_owned(),
            this: this.map(str::to_owned),
        };
        assert_eq!(reason(verify(this)), wrong);
    }
}

#[test]
fn another_class_is_refused() {
    let token = network_attestation().to_string();
    for required in [
        CapabilityContract::read_only(),
        CapabilityContract::read_write(),
        CapabilityContract::dangerous(),
    ] {
        let denied = store().verify_token(&token, &required, None, NOON);
        let gap = CapabilityContract::network().first_gap(&required).unwrap();
        assert!(matches!(gap, Gap::Class { .. }));
        let expected = DenialReason::Insufficient {
            have: CapabilityContract::network(),
            need: required,
            gap,
        };
        assert_eq!(reason(denied), expected);
        assert!(
            expected
                .to_string()
                .contains("is needed, `network` is held"),
            "{expected}"
        );
    }
    assert!(
        store()
            .verify_token(&token, &CapabilityContract::pure(), None, NOON)
            .is_ok()
    );
}

#[test]
fn cheap_checks_come_before_dear_ones() {
    // Wrong in every way; each step repairs what was reported before.
    let (stranger, _) = PrivateKey::generate();
    let builder = || {
        CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
            .issued_at(before(10_000))
            .ttl(1)
            .audience("elsewhere")
    };
    let break_signature = |attestation: CapabilityAttestation| {
        let mut bytes = attestation.to_bytes();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        CapabilityAttestation::from_bytes(&bytes).unwrap()
    };
    let verify = |attestation, audience, required| {
        reason(store().verify(&break_signature(attestation), &required, audience, NOON))
    };
    let network = CapabilityContract::network;
    let issuer = verify(builder().bearer().sign(&stranger).unwrap(), None, network());
    assert!(matches!(issuer, DenialReason::UnknownIssuer { .. }));
    let time = verify(
        builder().bearer().sign(&authority()).unwrap(),
        None,
        network(),
    );
    assert!(matches!(time, DenialReason::Expired { .. }));
    let in_time = || builder().ttl(20_000).bearer().sign(&authority()).unwrap();
    assert!(matches!(
        verify(in_time(), None, network()),
        DenialReason::WrongAudience { .. }
    ));
    assert!(matches!(
        verify(in_time(), Some("elsewhere"), network()),
        DenialReason::Insufficient { .. }
    ));
    let signature = verify(
        in_time(),
        Some("elsewhere"),
        CapabilityContract::read_only(),
    );
    assert!(matches!(signature, DenialReason::BadSignature { .. }));
}

#[test]
fn a_refusal_is_opaque_to_the_caller_and_detailed_for_the_operator() {
    let refuse = |token: &str| verify(token).unwrap_err();
    let expired = CapabilityAttestation::builder(CapabilityContract::network(), "agent-42")
        .issued_at(before(10_000))
        .bearer()
        .sign(&authority())
        .unwrap();
    let other_class =
        CapabilityAttestation::new(CapabilityContract::pure(), "agent-42", 60, &authority());
    let refusals = [
        refuse("garbage"),
        refuse(&expired.to_string()),
        refuse(&other_class.to_string()),
        Evidence::new(&Verifier::builder(store(), Arc::new(SystemClock)).build())
            .authorise(&CapabilityContract::pure())
            .unwrap_err(),
    ];
    for denied in refusals {
        assert_eq!(denied.to_string(), "attestation refused");
        assert_eq!(
            denied.source().unwrap().to_string(),
            denied.reason().to_string()
        );
        assert!(denied.reason().to_string().len() > 30);
    }
    assert!(size_of::<Result<(), Denied>>() <= size_of::<usize>());
}

#[test]
fn trust_store_text() {
    let (one, two) = (
        authority().public_key(),
        PrivateKey::from_seed(&[8; 32]).public_key(),
    );
    let text = format!(
        "# who is trusted\r\n\r\n  {one}\tops-2026   # Maria's\r\n#{two} off\n{two} büro#no space\n"
    );
    let store = TrustStore::parse(&text).unwrap();
    assert_eq!(store.len(), 2);
    assert!(!store.is_empty());
    assert_eq!(store.find(&one.id()).unwrap().name(), "ops-2026");
    assert_eq!(store.find(&two.id()).unwrap().name(), "büro");
    assert_eq!(store.find(&two.id()).unwrap().key(), &two);
    assert_eq!(store.find(&PrivateKey::generate().1.id()), None);
    assert_eq!(store.iter().count(), 2);
    for empty in ["", "\n", "# nobody\n"] {
        assert_eq!(TrustStore::parse(empty).unwrap(), TrustStore::new());
    }

    let fault = |text: &str| match TrustStore::parse(text) {
        Err(TrustStoreError::Line {
            path: None,
            line,
            fault,
        }) => (line, fault),
        other => panic!("{text:?}: {other:?}"),
    };
    assert_eq!(
        fault("\n\nnobody\n"),
        (3, LineFault::Key(PublicKeyError::Prefix))
    );
    assert_eq!(fault(&format!("{one}\n")), (1, LineFault::NoName));
    assert_eq!(fault(&format!("{one} # ops\n")), (1, LineFault::NoName));
    assert_eq!(
        fault(&format!("{one} the office\n")),
        (1, LineFault::ExtraWords)
    );
    let again = RootError::DuplicateKey {
        name: "a".to_owned(),
    };
    assert_eq!(
        fault(&format!("{one} a\n{one} b\n")),
        (2, LineFault::Root(again))
    );
    let same_name = RootError::DuplicateName {
        name: "a".to_owned(),
    };
    assert_eq!(
        fault(&format!("{one} a\n{two} a\n")),
        (2, LineFault::Root(same_name))
    );
    let long_name = RootError::Name {
        fault: TextFault::TooLong {
            len_bytes: 129,
            max_bytes: 128,
        },
    };
    assert_eq!(
        fault(&format!("{one} {}\n", "x".repeat(129))),
        (1, LineFault::Root(long_name))
    );
    let huge = "#".repeat(TrustStore::MAX_LEN_BYTES + 1);
    assert!(matches!(
        TrustStore::parse(&huge),
        Err(TrustStoreError::TooLarge)
    ));
    assert!(TrustStore::parse(&huge[1..]).is_ok());

    let mut store = TrustStore::new();
    for name in ["", "two words", "a#b", "a\nb"] {
        assert!(
            matches!(store.add(name, one), Err(RootError::Name { .. })),
            "{name:?}"
        );
    }
    store.add("a", one).unwrap();
    assert!(store.add("a", two).is_err() && store.add("b", one).is_err());
    assert_eq!((store.len(), store.find(&two.id())), (1, None));
    store.add("b", two).unwrap();
}

#[test]
fn trust_store_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots");
    let load = || TrustStore::load(&path);

    let error = load().unwrap_err();
    assert!(
        matches!(error, TrustStoreError::File(_)) && error.source().is_some(),
        "{error}"
    );
    assert!(matches!(
        TrustStore::load(folder.path()),
        Err(TrustStoreError::File(_))
    ));

    fs::write(&path, format!("{} ops\n", authority().public_key())).unwrap();
    assert_eq!(load().unwrap().len(), 1);

    fs::write(&path, b"# fine\n\xff\xfe\n").unwrap();
    let error = load().unwrap_err();
    assert!(
        matches!(
            error,
            TrustStoreError::Line {
                line: 2,
                fault: LineFault::NotUtf8,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .ends_with("roots:2: the line is not UTF-8"),
        "{error}"
    );

    fs::write(&path, "#".repeat(TrustStore::MAX_LEN_BYTES + 1)).unwrap();
    assert!(matches!(
        load(),
        Err(TrustStoreError::File(TrustedFileError::TooLarge { .. }))
    ));

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::write(&path, "").unwrap();
        for writable in [0o646, 0o664] {
            fs::set_permissions(&path, fs::Permissions::from_mode(writable)).unwrap();
            assert!(matches!(
                load(),
                Err(TrustStoreError::File(TrustedFileError::WritableByOthers { mode, .. }))
                    if mode == writable
            ));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load().unwrap().is_empty());
    }
}

// The guard.

fn bearer_verifier(clock: &Arc<ManualClock>) -> Verifier {
    Verifier::builder(store(), Arc::clone(clock) as Arc<dyn Clock>)
        .accept_bearer()
        .without_revocation()
        .build()
}

fn evidence(clock: &Arc<ManualClock>) -> Evidence {
    Evidence::new(&bearer_verifier(clock))
}

fn refused(evidence: &Evidence, required: CapabilityContract) -> DenialReason {
    evidence
        .authorise(&required)
        .expect_err("it has to be refused")
        .reason()
        .clone()
}

#[test]
fn a_permit_says_who_is_calling() {
    let clock = Arc::new(ManualClock::at(NOON));
    let attestation = network_attestation();
    let evidence = evidence(&clock).with_token(attestation.to_string());
    assert!(evidence.is_presented() && evidence.verified().is_none());
    let permit = evidence.authorise(&CapabilityContract::network()).unwrap();
    assert_eq!(permit.subject(), "agent-42");
    assert_eq!(permit.contract(), &CapabilityContract::network());
    assert_eq!(permit.issuer_name(), "authority");
    assert_eq!(permit.issuer(), authority().public_key().id());
    assert_eq!(permit.attestation_id(), attestation.id());
    assert_eq!(permit.expires_at(), after(600));
    assert!(evidence.verified().is_some() && !evidence.is_development());
    assert_eq!(evidence.verifier().trust_store().len(), 1);
}

#[test]
fn time_and_coverage_are_checked_at_every_call() {
    let clock = Arc::new(ManualClock::at(NOON));
    let evidence = evidence(&clock).with_token(network_attestation().to_string());
    let network = CapabilityContract::network();
    for _ in 0..2 {
        evidence.authorise(&network).unwrap();
        assert!(matches!(
            refused(&evidence, CapabilityContract::read_only()),
            DenialReason::Insufficient { .. }
        ));
    }
    clock.advance_seconds(599);
    evidence.authorise(&network).unwrap();
    clock.advance_seconds(1);
    assert!(matches!(
        refused(&evidence, network),
        DenialReason::Expired { ago_seconds: 0, .. }
    ));
    // A clock that is set back revives nothing.
    clock.set(NOON);
    assert!(matches!(
        refused(&evidence, network),
        DenialReason::Expired { ago_seconds: 0, .. }
    ));
}

#[test]
fn the_floor_of_time_outlives_a_restart() {
    let clock = Arc::new(ManualClock::at(NOON));
    let restart = |floor| {
        Verifier::builder(store(), Arc::clone(&clock) as Arc<dyn Clock>)
            .accept_bearer()
            .without_revocation()
            .not_before(floor)
            .build()
    };
    let first = restart(Timestamp::default());
    clock.set(after(600));
    assert_eq!(first.latest_moment(), after(600));
    clock.set(NOON);
    let token = network_attestation().to_string();
    let second = Evidence::new(&restart(first.latest_moment())).with_token(&*token);
    assert!(matches!(
        refused(&second, CapabilityContract::network()),
        DenialReason::Expired { .. }
    ));
    let forgetful = Evidence::new(&restart(Timestamp::default())).with_token(token);
    assert!(forgetful.authorise(&CapabilityContract::network()).is_ok());
}

#[test]
fn a_refusal_is_not_remembered_and_a_permit_is_not_inherited() {
    let clock = Arc::new(ManualClock::at(NOON));
    let network = CapabilityContract::network();
    let nothing = evidence(&clock);
    assert_eq!(
        refused(&nothing, CapabilityContract::pure()),
        DenialReason::Missing
    );
    assert!(!nothing.is_presented());

    let valid = nothing.with_token(network_attestation().to_string());
    assert!(matches!(
        refused(&valid, CapabilityContract::dangerous()),
        DenialReason::Insufficient { .. }
    ));
    assert!(valid.verified().is_none(), "only what passed is kept");
    valid.authorise(&network).unwrap();

    let replaced = valid.clone().with_token("cnv1.AAAA");
    assert!(matches!(
        refused(&replaced, network),
        DenialReason::Malformed(_)
    ));
    let meant_for_ops = CapabilityAttestation::builder(network, "agent-42")
        .issued_at(NOON)
        .audience("ops")
        .bearer()
        .sign(&authority())
        .unwrap();
    let ops = bearer_verifier(&clock);
    ops.set_audience(Some("ops"));
    assert_eq!(ops.audience().as_deref(), Some("ops"));
    let at_ops = Evidence::new(&ops).with_token(meant_for_ops.to_string());
    at_ops.authorise(&network).unwrap();
    ops.set_audience(Some("elsewhere"));
    assert!(matches!(
        refused(&at_ops, network),
        DenialReason::WrongAudience { .. }
    ));
}

#[test]
fn whatever_carries_evidence_can_be_guarded() {
    struct Context {
        evidence: Evidence,
    }
    impl CarriesEvidence for Context {
        fn evidence(&self) -> &Evidence {
            &self.evidence
        }
    }
    fn guarded(carrier: impl CarriesEvidence) -> Result<String, Denied> {
        let permit: Permit<'_> = carrier
            .evidence()
            .authorise(&CapabilityContract::network())?;
        Ok(permit.subject().to_owned())
    }
    let clock = Arc::new(ManualClock::at(NOON));
    let evidence = evidence(&clock).with_token(network_attestation().to_string());
    let mut context = Context {
        evidence: evidence.clone(),
    };
    assert_eq!(guarded(&context).unwrap(), "agent-42");
    assert_eq!(guarded(&mut context).unwrap(), "agent-42");
    assert_eq!(guarded(Box::new(evidence.clone())).unwrap(), "agent-42");
    assert_eq!(guarded(Arc::new(context)).unwrap(), "agent-42");
    assert_eq!(
        guarded(&evidence as &dyn CarriesEvidence).unwrap(),
        "agent-42"
    );

    fn is_shareable<T: Send + Sync>() {}
    is_shareable::<Evidence>();
    is_shareable::<Permit<'static>>();
    is_shareable::<Denied>();
    is_shareable::<TrustStoreError>();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(guarded(&evidence).unwrap(), "agent-42"));
        }
    });
}

#[test]
fn development_authority_serves_for_an_hour() {
    let clock = Arc::new(ManualClock::at(NOON));
    let development =
        |contract| development_authority(contract, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    let evidence = development(CapabilityContract::dangerous());
    assert!(evidence.is_development());
    let permit = evidence
        .authorise(&CapabilityContract::read_write())
        .unwrap();
    assert_eq!(
        (permit.subject(), permit.issuer_name()),
        ("development", "development")
    );
    assert!(evidence.authorise(&CapabilityContract::dangerous()).is_ok());

    let narrow = development(CapabilityContract::read_only());
    assert!(matches!(
        refused(&narrow, CapabilityContract::network()),
        DenialReason::Insufficient { .. }
    ));
    assert_ne!(
        narrow.verifier().trust_store().iter().next().unwrap().key(),
        evidence
            .verifier()
            .trust_store()
            .iter()
            .next()
            .unwrap()
            .key(),
        "every authority has a key of its own"
    );
    clock.advance_seconds(3600);
    assert!(matches!(
        refused(&evidence, CapabilityContract::pure()),
        DenialReason::Expired { .. }
    ));
}

// Whatever comes from outside.

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(CapabilityAttestation::from_bytes(&bytes).is_err());
        // With a plausible beginning the parser gets further.
        let _ = CapabilityAttestation::from_bytes(&[&[1, 1, 1], &bytes[..]].concat());
        if let Ok(key) = <[u8; 32]>::try_from(&bytes[..bytes.len().min(32)]) {
            let _ = PublicKey::from_bytes(&key);
        }
    }

    #[test]
    fn random_text_never_panics(text in any::<String>(), ascii in "[ -~\\n]{0,200}") {
        for text in [text, format!("cnv1.{ascii}"), format!("cnvpub1.{ascii}"), ascii] {
            prop_assert!(text.parse::<CapabilityAttestation>().is_err());
            prop_assert!(text.parse::<PublicKey>().is_err());
            prop_assert!(PrivateKey::from_pkcs8_pem(&text).is_err());
            let _ = TrustStore::parse(&text);
        }
    }

    #[test]
    fn a_token_with_any_part_replaced_is_refused(
        at in 0_usize..200,
        len in 0_usize..40,
        with in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let good = network_attestation().to_bytes();
        let start = at.min(good.len());
        let end = (start + len).min(good.len());
        let changed = [&good[..start], &with[..], &good[end..]].concat();
        if let Ok(attestation) = CapabilityAttestation::from_bytes(&changed) {
            prop_assert_eq!(attestation.verify(&authority().public_key()), changed == good);
            prop_assert_eq!(attestation.to_bytes(), changed, "one encoding for one value");
        }
    }

    #[test]
    fn what_is_signed_is_what_is_read(
        subject in "\\PC{0,40}",
        audience in proptest::option::of("\\PC{0,40}"),
        metadata in proptest::collection::btree_map("\\PC{0,20}", "\\PC{0,60}", 0..6),
        issued_at in any::<u64>(),
        ttl in any::<u64>(),
    ) {
        let mut builder = CapabilityAttestation::builder(CapabilityContract::network(), subject)
            .issued_at(Timestamp::from_unix_seconds(issued_at))
            .ttl(ttl);
        if let Some(audience) = audience {
            builder = builder.audience(audience);
        }
        for (key, value) in metadata {
            builder = builder.metadata(key, value);
        }
        if let Ok(attestation) = builder.bearer().sign(&authority()) {
            prop_assert!(attestation.verify(&authority().public_key()));
            prop_assert_eq!(attestation.to_string().parse(), Ok(attestation));
        }
    }
}
