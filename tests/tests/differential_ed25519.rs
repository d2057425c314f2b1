//! Verdicts on signatures beside those of `ring` and of AWS-LC: cnv accepts what both accept where a key is of prime
//! order, and never accepts what one of them refuses.
//!
//! Both follow the equation without the cofactor, as cnv does, and take what RFC 8032 leaves open: keys and points R of
//! small or mixed order. cnv refuses these, so a difference has one direction. Needs the feature `peers`, since both are
//! built from C: `cargo test -p cnv-tests --features peers --test differential_ed25519`.

use cnv::attestation::{PrivateKey, PublicKey, Signature};
use cnv_tests::random::Random;

/// What cnv, `ring` and AWS-LC say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdicts {
    cnv: bool,
    ring: bool,
    aws_lc: bool,
}

impl Verdicts {
    const fn all(verdict: bool) -> Self {
        Self {
            cnv: verdict,
            ring: verdict,
            aws_lc: verdict,
        }
    }
}

fn verdicts(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Verdicts {
    let verdicts = Verdicts {
        cnv: PublicKey::from_bytes(key).is_ok_and(|key| {
            key.verify(message, &Signature::from_bytes(*signature))
                .is_ok()
        }),
        ring: ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key)
            .verify(message, signature)
            .is_ok(),
        aws_lc: aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, key)
            .verify(message, signature)
            .is_ok(),
    };
    assert!(
        !verdicts.cnv || (verdicts.ring && verdicts.aws_lc),
        "cnv accepts what another refuses: {verdicts:?} {key:02x?} {message:02x?} {signature:02x?}"
    );
    verdicts
}

/// A key, a message and its signature.
struct Case {
    key: [u8; 32],
    message: Vec<u8>,
    signature: [u8; 64],
}

impl Case {
    fn random(random: &mut Random) -> Self {
        let private = PrivateKey::from_seed(&array(random));
        let len = random.below(200);
        let message: Vec<u8> = (0..len).map(|_| random.number() as u8).collect();
        Self {
            key: *private.public_key().as_bytes(),
            signature: *private.sign(&message).as_bytes(),
            message,
        }
    }

    fn verdicts(&self) -> Verdicts {
        verdicts(&self.key, &self.message, &self.signature)
    }
}

fn array<const N: usize>(random: &mut Random) -> [u8; N] {
    std::array::from_fn(|_| random.number() as u8)
}

const CASES: usize = 500;

#[test]
fn what_is_signed_is_accepted_by_all() {
    let random = &mut Random::new(1);
    for _ in 0..CASES {
        assert_eq!(Case::random(random).verdicts(), Verdicts::all(true));
    }
}

#[test]
fn a_flipped_bit_is_refused_by_all() {
    let random = &mut Random::new(2);
    for _ in 0..CASES {
        let mut case = Case::random(random);
        let bits = 1 << random.below(8);
        match random.below(3) {
            0 => case.key[random.below(32)] ^= bits,
            1 => case.signature[random.below(64)] ^= bits,
            _ if case.message.is_empty() => case.message.push(bits),
            _ => {
                let place = random.below(case.message.len());
                case.message[place] ^= bits;
            }
        }
        assert_eq!(case.verdicts(), Verdicts::all(false));
    }
}

#[test]
fn parts_of_others_and_parts_at_random_are_refused_by_all() {
    let random = &mut Random::new(3);
    for round in 0..CASES {
        let (mut case, other) = (Case::random(random), Case::random(random));
        match round % 6 {
            0 => case.key = other.key,
            1 => case.signature = other.signature,
            2 => case.signature[..32].copy_from_slice(&other.signature[..32]),
            3 => case.signature[32..].copy_from_slice(&other.signature[32..]),
            4 => case.key = array(random),
            _ => case.signature = array(random),
        }
        assert_eq!(case.verdicts(), Verdicts::all(false));
    }
}

/// The order of the group, little-endian: RFC 8032 section 5.1.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn an_s_that_is_not_reduced_is_refused_by_all() {
    let random = &mut Random::new(4);
    for _ in 0..CASES {
        let mut case = Case::random(random);
        // S is less than the order, which is a little over 2^252, so that up to 14 times the order has room beside it.
        for _ in 0..=random.below(14) {
            let mut carry = 0;
            for (byte, order) in case.signature[32..].iter_mut().zip(ORDER) {
                let sum = u16::from(*byte) + u16::from(order) + carry;
                (*byte, carry) = (sum as u8, sum >> 8);
            }
            assert_eq!(carry, 0);
            assert_eq!(case.verdicts(), Verdicts::all(false));
        }
    }
}

/// The point (0, 1) and another of small order, and 1 as y with x = -0, which is not canonical.
const SMALL_ORDER: [[u8; 32]; 3] = {
    let mut keys = [[0; 32]; 3];
    keys[0][0] = 1;
    keys[2][0] = 1;
    keys[2][31] = 0x80;
    keys
};

#[test]
fn a_key_for_which_anybody_could_sign_is_refused_by_cnv_alone() {
    let mut accepted = [0; 2];
    for (place, key) in SMALL_ORDER.into_iter().enumerate() {
        for r in SMALL_ORDER {
            for number in 0..16_u8 {
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&r);
                let verdicts = verdicts(&key, &[number], &signature);
                assert!(!verdicts.cnv);
                // ring reads the key that is not canonical, AWS-LC does not.
                if place < 2 {
                    assert_eq!(verdicts.ring, verdicts.aws_lc);
                }
                accepted[0] += u32::from(verdicts.ring);
                accepted[1] += u32::from(verdicts.aws_lc);
            }
        }
    }
    assert!(
        accepted.iter().all(|&count| count > 0),
        "the rule of cnv is seen to matter: {accepted:?}"
    );
}

/// Vector 50 of C2SP CCTV (`vectors/cctv-ed25519.txt` says whose it is): a key with a component of small order, and nothing
/// else unusual.
#[test]
fn a_key_of_mixed_order_is_refused_by_cnv_alone() {
    let hex = |text: &str| -> Vec<u8> {
        let digits = (0..text.len()).step_by(2);
        digits
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    };
    let key = hex("10eb7c3acfb2bed3e0d6ab89bf5a3d6afddd1176ce4812e38d9fd485058fdb1f");
    let signature = hex(
        "b62cf890de42c413b11b1411c9f01f1c4d77aa87ef182258d1251f69af2a350608f32d206a7c0b7efa9a59e66546e8f1f599ef843fb502c9cc3c4ae8b7c11e05",
    );
    let verdicts = verdicts(
        &key.try_into().unwrap(),
        b"ed25519vectors 5",
        &signature.try_into().unwrap(),
    );
    let expected = Verdicts {
        cnv: false,
        ..Verdicts::all(true)
    };
    assert_eq!(verdicts, expected);
}
