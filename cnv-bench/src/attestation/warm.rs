//! Goals 6 and 7: a call of a caller who is known already.

use std::hint::black_box;
use std::sync::Arc;

use cnv::attestation::revocation::RevocationEntries;
use cnv::attestation::{
    CapabilityAttestation, Evidence, PrivateKey, RevocationList, RevocationSet, SystemClock,
    Timestamp, TokenDigest, TrustStore, Verifier,
};
use cnv::capability::CapabilityContract;

use super::chains::{key, store};
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Settings, measure};

const HANDLE: &str = "handle";
const TEXT: &str = "token text";
const HASH: &str = "SHA-256 of the text";

/// A verifier as a service has one: with a list, and by the system's clock.
fn verifier(store: TrustStore, root: &PrivateKey) -> Verifier {
    let now = Timestamp::now();
    let next_update = now.checked_add_seconds(24 * 60 * 60).expect("in range");
    let list = RevocationList::sign(RevocationEntries::default(), 1, now, next_update, root);
    let set = RevocationSet::new(list.expect("short"), &root.public_key(), now);
    Verifier::builder(store, Arc::new(SystemClock))
        .audience("fetcher")
        .accept_bearer()
        .revocations(set.expect("fresh"))
        .expect("its root's")
        .build()
}

/// Such a verifier, and a token that it accepts for calls over the network.
pub fn fetcher() -> (Verifier, String) {
    let token = CapabilityAttestation::builder(CapabilityContract::network(), "agent-42")
        .ttl(24 * 60 * 60)
        .audience("fetcher")
        .bearer()
        .sign(&key(1))
        .expect("within its rules");
    (verifier(store(), &key(1)), token.to_string())
}

/// Measures them.
pub fn run(settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    let (verifier, token) = fetcher();
    let network = CapabilityContract::network();
    let session = Evidence::new(&verifier).with_token(token.as_str());
    session.authorise(&network).expect("allowed");
    let contenders = vec![
        Contender::new(HANDLE, || {
            black_box(&session).authorise(black_box(&network)).is_ok()
        }),
        Contender::new(TEXT, || {
            let evidence = Evidence::new(&verifier).with_token(black_box(token.as_str()));
            evidence.authorise(black_box(&network)).is_ok()
        }),
        Contender::new(HASH, || TokenDigest::of(black_box(&token))),
    ];
    let measured = measure("a guarded call, warm", 1, settings, contenders);
    let checks = verifier.signature_checks();
    assert_eq!(checks, 1, "a call was not warm");
    let goal = |number, part: &str, wanted, name| Goal {
        number,
        text: "a guarded call, ns".into(),
        part: part.into(),
        wanted,
        measured: measured.ns(name),
    };
    let goals = vec![
        goal(6, "by handle", Wanted::AtMost(15.0), HANDLE),
        goal(7, "by token text", Wanted::AtMost(200.0), TEXT),
        goal(
            7,
            "the text's SHA-256, which is not needed",
            Wanted::ForInformation,
            HASH,
        ),
    ];
    (vec![Group::from(&measured)], goals)
}
