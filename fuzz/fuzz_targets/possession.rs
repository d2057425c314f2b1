//! Proofs of possession and nonces: one spelling each, and no change to a good proof makes another that opens a session.
#![no_main]

use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use cnv::attestation::{
    CapabilityAttestation, Evidence, ManualClock, Nonce, Possession, PrivateKey, ProofOfPossession,
    RequestDigest, Timestamp, TrustStore, Verifier,
};
use cnv::capability::CapabilityContract;
use cnv_fuzz::Change;
use libfuzzer_sys::fuzz_target;

const NOON: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    bytes: [u8; ProofOfPossession::LEN_BYTES],
    text: &'a str,
    changes: Vec<Change<'a>>,
}

struct Good {
    verifier: Verifier,
    token: String,
    proof: ProofOfPossession,
    request: RequestDigest,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let [root, agent] = [1, 2].map(|seed| PrivateKey::from_seed(&[seed; 32]));
    let token = CapabilityAttestation::builder(CapabilityContract::network(), "agent")
        .issued_at(NOON)
        .held_by(&agent.public_key())
        .sign(&root)
        .expect("within its rules")
        .to_string();
    let mut store = TrustStore::new();
    store.add("root", root.public_key()).expect("the first");
    let verifier = Verifier::builder(store, Arc::new(ManualClock::at(NOON)))
        .without_revocation()
        .build();
    let request = RequestDigest::of(b"fetch");
    let possession = Possession {
        token: &token,
        audience: None,
        nonce: verifier.challenge().expect("the first"),
        request,
        signed_at: NOON,
    };
    let proof = possession.sign(&agent);
    Good {
        verifier,
        token,
        proof,
        request,
    }
});

fuzz_target!(|input: Input<'_>| {
    if let Ok(proof) = ProofOfPossession::from_bytes(&input.bytes) {
        assert_eq!(proof.to_bytes(), input.bytes);
        assert_eq!(proof.to_string().parse(), Ok(proof));
    }
    for prefix in ["", ProofOfPossession::PREFIX, Nonce::PREFIX] {
        let text = format!("{prefix}{}", input.text);
        if let Ok(proof) = text.parse::<ProofOfPossession>() {
            assert_eq!(proof.to_string(), text);
        }
        if let Ok(nonce) = text.parse::<Nonce>() {
            assert_eq!(nonce.to_string(), text);
        }
    }
    let changed = Change::apply_all(&input.changes, &GOOD.proof.to_bytes());
    if let Ok(changed) = changed.try_into()
        && let Ok(proof) = ProofOfPossession::from_bytes(&changed)
        && proof != GOOD.proof
    {
        let evidence = Evidence::new(&GOOD.verifier)
            .with_token(GOOD.token.as_str())
            .with_proof(proof, GOOD.request);
        assert!(evidence.authorise(&CapabilityContract::network()).is_err());
    }
});
