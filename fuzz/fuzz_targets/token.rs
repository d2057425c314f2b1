//! Tokens: what is read is written as the same bytes and the same text, and no change to a good token makes another one
//! that is trusted.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use cnv::attestation::{
    AttestationChain, CapabilityAttestation, PrivateKey, Timestamp, TrustStore,
};
use cnv::capability::CapabilityContract;
use cnv_fuzz::Change;
use libfuzzer_sys::fuzz_target;

const NOON: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    bytes: &'a [u8],
    text: &'a str,
    changes: Vec<Change<'a>>,
}

/// A chain of three links, its token's bytes, and who trusts its root.
struct Good {
    chain: AttestationChain,
    bytes: Vec<u8>,
    store: TrustStore,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let [root, team, agent] = [1, 2, 3].map(|seed| PrivateKey::from_seed(&[seed; 32]));
    let first: AttestationChain =
        CapabilityAttestation::builder(CapabilityContract::network(), "team")
            .issued_at(NOON)
            .metadata("run", "17")
            .held_by(&team.public_key())
            .sign(&root)
            .expect("within its rules")
            .try_into()
            .expect("signed");
    let second = first
        .delegate("agent")
        .issued_at(NOON)
        .audience("fetcher")
        .held_by(&agent.public_key())
        .sign(&team)
        .expect("narrower");
    let chain = second
        .delegate("helper")
        .issued_at(NOON)
        .bearer()
        .sign(&agent)
        .expect("narrower");
    let mut store = TrustStore::new();
    store.add("root", root.public_key()).expect("the first");
    let bytes = chain.to_bytes();
    Good {
        chain,
        bytes,
        store,
    }
});

fn is_trusted(chain: &AttestationChain) -> bool {
    let token = chain.to_string();
    let pure = CapabilityContract::pure();
    GOOD.store
        .verify_token(&token, &pure, Some("fetcher"), NOON)
        .is_ok()
}

fn check(chain: &AttestationChain) {
    assert_eq!(
        chain.to_string().parse::<AttestationChain>().as_ref(),
        Ok(chain)
    );
    assert!((1..=8).contains(&chain.links().len()));
    // A good token, or one that nobody trusts. The links before the last are good by themselves.
    let is_start = GOOD.chain.links().starts_with(chain.links());
    assert_eq!(is_trusted(chain), is_start);
}

fuzz_target!(|input: Input<'_>| {
    if let Ok(chain) = AttestationChain::from_bytes(input.bytes) {
        assert_eq!(chain.to_bytes(), input.bytes);
        check(&chain);
    }
    for text in [input.text.to_owned(), format!("cnv1.{}", input.text)] {
        if let Ok(chain) = text.parse::<AttestationChain>() {
            assert_eq!(chain.to_string(), text);
            check(&chain);
        }
    }
    let changed = Change::apply_all(&input.changes, &GOOD.bytes);
    if let Ok(chain) = AttestationChain::from_bytes(&changed) {
        assert_eq!(chain.to_bytes(), changed);
        check(&chain);
    }
});
