//! The threats to attestation and to its log, the test that each has, and those tests that had no other place.
//!
//! | threat | tests |
//! |---|---|
//! | forged, truncated, any bit flipped | `attestation::every_flipped_bit_of_the_bytes_is_refused`, `..of_the_text..`, `every_truncation_is_refused`; `attestation_chain::every_prefix_of_a_chain_is_refused`, `every_flipped_bit_of_a_chain_is_refused` |
//! | wrong root | `attestation::a_wrong_root_is_refused` |
//! | expired, not yet valid | `attestation::attestation_expire`, `attestation_not_yet_valid` |
//! | the clock is set back | here; over a restart: `attestation_revocation::a_restart_brings_no_older_list_and_no_earlier_time_back`, `attestation::the_floor_of_time_outlives_a_restart`; on the command line: `cli_attestation::verify_with_a_state_takes_no_older_list_and_no_earlier_time` |
//! | meant for another audience | `attestation::a_wrong_audience_is_refused`; live: here |
//! | a stolen token | `attestation_chain::a_stolen_token_is_worth_nothing_without_its_key`, `bearer_tokens_are_accepted_only_where_that_was_said` |
//! | a proof that is used again, elsewhere, later or for something else | `attestation_chain::a_proof_is_good_for_one_session_one_verifier_one_request_and_a_minute`, `a_nonce_opens_one_session_whoever_is_faster`; what it signs: here |
//! | a revoked id, key or time, at any link, warm and cold | `attestation_chain::what_is_revoked_at_any_link_is_refused_from_the_next_call_on`; a holder's key: here |
//! | a list that is stale, missing, older or forked | `attestation_chain::a_stale_list_denies_on_a_warm_handle`, `without_a_list_nothing_is_allowed`, `an_older_or_forked_list_is_refused_and_the_present_one_stays`; one that ends sooner: here; over a restart: `attestation_revocation::a_restart_brings_no_older_list_and_no_earlier_time_back`, `a_number_that_cannot_be_written_down_is_no_lists_in_force`; on the command line: `cli_attestation::verify_with_a_state_takes_no_older_list_and_no_earlier_time` |
//! | the list of another root, or of a key that is none | `attestation_revocation::a_root_takes_back_what_it_granted_and_nothing_else`, `a_list_outlives_that_its_issuer_is_not_trusted`; `cnv`'s `each_root_has_numbers_of_its_own` |
//! | a list from the future, which would be fresh for as long as its issuer likes | `attestation_revocation::a_list_from_the_future_denies`; `cnv`'s `a_list_from_the_future_is_refused` |
//! | a live list that verifiers do not hear of | `attestation_revocation::a_verifier_follows_the_lists_in_force` |
//! | two who revoke at the same time | `cli_attestation::revocations_at_the_same_time_are_all_on_the_list` |
//! | too deep | `attestation_chain::a_chain_is_at_most_eight_links_deep` |
//! | escalation in mid-chain | `attestation_chain::escalation_in_mid_chain_is_refused_in_every_dimension`, `a_chain_holds_exactly_where_every_link_is_within_the_one_before` |
//! | splicing, reordering | `attestation_chain::links_cannot_be_spliced_or_reordered` |
//! | a link that somebody else signed | `attestation_chain::a_link_has_to_be_signed_by_the_holder_of_the_one_before` |
//! | duplicate keys and unknown fields of JSON | here: no JSON is read |
//! | base64 or an order that is not canonical | `attestation::a_token_has_one_spelling`, `signed_bytes_that_break_a_rule_are_refused` |
//! | S that is not reduced, keys and R of small or mixed order | `attestation::an_s_that_is_not_reduced_is_refused`, `keys_outside_the_prime_order_subgroup_are_refused_at_import`; `vectors`, `differential_ed25519` |
//! | oversized and hostile input | here; the fuzz targets |
//! | poisoning the cache, flooding it | `attestation_chain::signatures_are_checked_once`, `a_flood_does_not_evict_the_hot`; here |
//! | a cache that outlives an expiry or a key | `attestation_chain::a_permit_does_not_outlive_its_attestation`, `a_root_that_is_no_longer_trusted_ends_warm_handles_and_remembered_tokens`; another key under the root's place: here |
//! | use after a revocation, in the middle of a handler | `attestation_chain::what_is_revoked_at_any_link_is_refused_from_the_next_call_on` by `Permit::recheck`, `changes_under_load_are_never_missed`; every order of threads, also with a verdict that is remembered late: `cnv`'s `attestation::published` with loom |
//! | a way past the guard: async, generics, `self`, early return, nested functions, trait impls | `guard::items`, `guard::permits`, `guard::privileged`, `command::the_guard_stands_before_the_body_also_without_a_pipeline`; what does not compile: `ui-tests/fail/attestation` |
//! | a log whose tail is cut, that is edited or reordered | `audit::a_tail_cut_below_a_checkpoint_is_damage`, `an_edited_moved_exchanged_or_added_entry_is_found_in_its_group`, `records_that_change_places_as_they_are_are_found_at_once` |
//! | two writers, torn writes | `audit::a_log_has_one_writer_one_name_and_one_key`, `audit_crash` |
//! | modes of a key's file | `attestation::key_files` |
//! | a trust store, a list or a token that others can write, or a pipe in its place | `cli_attestation::what_others_could_change_is_not_read`; `cnv`'s `attestation::trusted_file` |

use std::sync::Arc;

use cnv::attestation::revocation::{RevocationDelta, RevocationEntry, RevocationUpdate};
use cnv::attestation::{
    AttestationChain, CapabilityAttestation, Clock, DenialReason, Denied, Evidence, KeySet,
    ManualClock, Possession, PossessionFault, PrivateKey, RequestDigest, RevocationList,
    RevocationSet, Timestamp, TokenError, TrustStore, Verifier,
};
use cnv::audit::{AuditEntry, AuditProof, SignedCheckpoint};
use cnv::capability::CapabilityContract;
use cnv::quota::{Limits, MeteredAllocator, measure};

#[global_allocator]
static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();

const NOON: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const NETWORK: CapabilityContract = CapabilityContract::network();

fn after(seconds: u64) -> Timestamp {
    NOON.checked_add_seconds(seconds).unwrap()
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn store_of(name: &str, seed: u8) -> TrustStore {
    let mut store = TrustStore::new();
    store.add(name, key(seed).public_key()).unwrap();
    store
}

/// Ten minutes from noon, for whoever has key 2, and for this audience.
fn held(audience: Option<&str>) -> AttestationChain {
    let builder = CapabilityAttestation::builder(NETWORK, "agent-42")
        .issued_at(NOON)
        .ttl(600);
    let builder = match audience {
        Some(audience) => builder.audience(audience),
        None => builder,
    };
    let signed = builder.held_by(&key(2).public_key()).sign(&key(1));
    signed.unwrap().try_into().unwrap()
}

/// The same, passed on to a bearer.
fn bearer(audience: Option<&str>) -> String {
    held(audience)
        .delegate("helper")
        .issued_at(NOON)
        .ttl(600)
        .bearer()
        .sign(&key(2))
        .unwrap()
        .to_string()
}

fn verifier(clock: &Arc<ManualClock>, audience: Option<&str>) -> Verifier {
    let builder = Verifier::builder(store_of("root", 1), Arc::clone(clock) as Arc<dyn Clock>)
        .accept_bearer()
        .without_revocation();
    match audience {
        Some(audience) => builder.audience(audience).build(),
        None => builder.build(),
    }
}

#[track_caller]
fn reason<T>(result: Result<T, Denied>) -> DenialReason {
    match result {
        Ok(_) => panic!("it has to be refused"),
        Err(denied) => denied.reason().clone(),
    }
}

#[test]
fn a_live_verifier_takes_only_what_is_meant_for_it() {
    let clock = Arc::new(ManualClock::at(NOON));
    let token = bearer(Some("fetcher"));
    for (name, is_meant) in [
        (Some("fetcher"), true),
        (Some("other"), false),
        (None, false),
    ] {
        let verifier = verifier(&clock, name);
        let evidence = Evidence::new(&verifier).with_token(token.as_str());
        let result = evidence.authorise(&NETWORK);
        assert_eq!(result.is_ok(), is_meant, "{name:?}");
        if let Err(denied) = result {
            let expected = DenialReason::WrongAudience {
                meant_for: "fetcher".to_owned(),
                this: name.map(str::to_owned),
            };
            assert_eq!(denied.reason(), &expected);
        }
        // What names nobody is meant for everybody.
        let open = Evidence::new(&verifier).with_token(bearer(None));
        open.authorise(&NETWORK).unwrap();
    }

    let verifier = verifier(&clock, Some("fetcher"));
    let evidence = Evidence::new(&verifier).with_token(token.as_str());
    let permit = evidence.authorise(&NETWORK).unwrap();
    verifier.set_audience(Some("renamed"));
    let remembered = Evidence::new(&verifier).with_token(token.as_str());
    for refused in [permit.recheck(), remembered.authorise(&NETWORK).map(drop)] {
        assert!(matches!(
            reason(refused),
            DenialReason::WrongAudience { .. }
        ));
    }
    verifier.set_audience(Some("fetcher"));
    permit.recheck().unwrap();
}

#[test]
fn a_clock_that_is_set_back_brings_nothing_back() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = verifier(&clock, None);
    let token = bearer(None);
    let evidence = Evidence::new(&verifier).with_token(token.as_str());
    let permit = evidence.authorise(&NETWORK).unwrap();
    clock.set(after(600));
    assert!(permit.recheck().is_err());
    clock.set(NOON);
    let again = Evidence::new(&verifier).with_token(token.as_str());
    let unseen = Evidence::new(&verifier).with_token(unseen_token());
    for refused in [
        permit.recheck(),
        again.authorise(&NETWORK).map(drop),
        unseen.authorise(&NETWORK).map(drop),
    ] {
        assert!(matches!(reason(refused), DenialReason::Expired { .. }));
    }
    assert_eq!(verifier.latest_moment(), after(600));
}

/// A token that the verifier has not met.
fn unseen_token() -> String {
    let signed = CapabilityAttestation::builder(NETWORK, "somebody else")
        .issued_at(NOON)
        .ttl(600)
        .bearer()
        .sign(&key(1));
    signed.unwrap().to_string()
}

#[test]
fn a_clock_that_is_set_back_makes_no_list_fresh() {
    let clock = Arc::new(ManualClock::at(NOON));
    let list = RevocationList::sign([].into_iter().collect(), 1, NOON, after(60), &key(1));
    let set = RevocationSet::new(list.unwrap(), &key(1).public_key(), NOON).unwrap();
    let verifier = Verifier::builder(store_of("root", 1), Arc::clone(&clock) as Arc<dyn Clock>)
        .accept_bearer()
        .revocations(set)
        .unwrap()
        .build();
    let evidence = Evidence::new(&verifier).with_token(bearer(None));
    let permit = evidence.authorise(&NETWORK).unwrap();
    for moment in [after(60), NOON] {
        clock.set(moment);
        assert!(matches!(
            reason(permit.recheck()),
            DenialReason::StaleRevocationList { .. }
        ));
    }
}

/// The list that a warm handle was decided by decides until when, not the one before it.
#[test]
fn a_list_that_ends_sooner_is_stale_sooner() {
    let clock = Arc::new(ManualClock::at(NOON));
    let set = |number, seconds| {
        let entries = [].into_iter().collect();
        let list = RevocationList::sign(entries, number, NOON, after(seconds), &key(1)).unwrap();
        RevocationSet::new(list, &key(1).public_key(), NOON).unwrap()
    };
    let builder = || {
        Verifier::builder(store_of("root", 1), Arc::clone(&clock) as Arc<dyn Clock>).accept_bearer()
    };
    for verifier in [
        builder().revocations(set(1, 500)).unwrap().build(),
        builder().without_revocation().build(),
    ] {
        clock.set(NOON);
        let evidence = Evidence::new(&verifier).with_token(bearer(None));
        let permit = evidence.authorise(&NETWORK).unwrap();
        verifier.set_revocations(set(2, 60)).unwrap();
        permit.recheck().unwrap();
        clock.set(after(60));
        assert!(matches!(
            reason(permit.recheck()),
            DenialReason::StaleRevocationList { .. }
        ));
    }
}

#[test]
fn the_last_holders_key_can_be_revoked() {
    let clock = Arc::new(ManualClock::at(NOON));
    let lost = RevocationEntry::Key(key(2).public_key().id());
    let set = |number, entries: &[RevocationEntry]| {
        let entries = entries.iter().copied().collect();
        let list = RevocationList::sign(entries, number, NOON, after(60), &key(1)).unwrap();
        RevocationSet::new(list, &key(1).public_key(), NOON).unwrap()
    };
    let verifier = Verifier::builder(store_of("root", 1), Arc::clone(&clock) as Arc<dyn Clock>)
        .revocations(set(1, &[]))
        .unwrap()
        .build();
    let token = held(None).to_string();
    let request = RequestDigest::of(b"fetch");
    let proof = Possession {
        token: &token,
        audience: None,
        nonce: verifier.challenge().unwrap(),
        request,
        signed_at: NOON,
    };
    let evidence = Evidence::new(&verifier)
        .with_token(token.as_str())
        .with_proof(proof.sign(&key(2)), request);
    let permit = evidence.authorise(&NETWORK).unwrap();
    // The key signed no link: it is only named by the last.
    verifier.set_revocations(set(2, &[lost])).unwrap();
    assert!(matches!(reason(permit.recheck()), DenialReason::Revoked(_)));
}

/// Whatever stands in a proof beside its signature is covered by it: only the nonce, the moment and the request are sent.
#[test]
fn a_proof_signs_all_that_it_says() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = verifier(&clock, Some("fetcher"));
    let token = held(None).to_string();
    let requests = [b"fetch".as_slice(), b"delete"].map(RequestDigest::of);
    let nonces = [(); 2].map(|()| verifier.challenge().unwrap());
    let good = Possession {
        token: &token,
        audience: Some("fetcher"),
        nonce: nonces[0],
        request: requests[0],
        signed_at: NOON,
    };
    let signature = |possession: Possession<'_>| {
        let bytes = possession.sign(&key(2)).to_bytes();
        <[u8; 64]>::try_from(&bytes[73..]).unwrap()
    };
    let good_signature = signature(good);
    let changes = [
        Possession {
            nonce: nonces[1],
            ..good
        },
        Possession {
            request: requests[1],
            ..good
        },
        Possession {
            signed_at: after(1),
            ..good
        },
    ];
    for changed in changes {
        assert_ne!(signature(changed), good_signature);
        // What it says, with the signature of the good one.
        let mut bytes = changed.sign(&key(2)).to_bytes();
        bytes[73..].copy_from_slice(&good_signature);
        let proof = cnv::attestation::ProofOfPossession::from_bytes(&bytes).unwrap();
        let evidence = Evidence::new(&verifier)
            .with_token(token.as_str())
            .with_proof(proof, changed.request);
        assert_eq!(
            reason(evidence.authorise(&NETWORK)),
            DenialReason::Possession(PossessionFault::BadSignature)
        );
    }
    let evidence = Evidence::new(&verifier)
        .with_token(token.as_str())
        .with_proof(good.sign(&key(2)), requests[0]);
    evidence.authorise(&NETWORK).unwrap();
}

/// A signature of the holder's over bytes for another purpose is no proof, even where they go on as a proof does.
#[test]
fn a_signature_for_another_purpose_is_no_proof() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = verifier(&clock, None);
    let token = held(None).to_string();
    let request = RequestDigest::of(b"fetch");
    let good = Possession {
        token: &token,
        audience: None,
        nonce: verifier.challenge().unwrap(),
        request,
        signed_at: NOON,
    };
    let mut bytes = good.sign(&key(2)).to_bytes();
    let mut untagged = cnv::attestation::TokenDigest::of(&token)
        .as_bytes()
        .to_vec();
    untagged.extend([0; 8]);
    untagged.extend(&bytes[1..73]);
    bytes[73..].copy_from_slice(key(2).sign(&untagged).as_bytes());
    let proof = cnv::attestation::ProofOfPossession::from_bytes(&bytes).unwrap();
    let evidence = Evidence::new(&verifier)
        .with_token(token.as_str())
        .with_proof(proof, request);
    assert_eq!(
        reason(evidence.authorise(&NETWORK)),
        DenialReason::Possession(PossessionFault::BadSignature)
    );
}

/// A signature that was checked says nothing about other bytes: not even with the good token and all of its links in the
/// cache does a changed one pass.
#[test]
fn what_is_remembered_vouches_for_no_other_bytes() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = verifier(&clock, None);
    let good = bearer(None);
    let authorise = |token: &str| {
        let evidence = Evidence::new(&verifier).with_token(token);
        evidence.authorise(&NETWORK).map(drop)
    };
    authorise(&good).unwrap();
    let bytes = good.parse::<AttestationChain>().unwrap().to_bytes();
    let mut read = 0;
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(chain) = AttestationChain::from_bytes(&flipped) {
            assert!(authorise(&chain.to_string()).is_err(), "bit {bit}");
            read += 1;
        }
    }
    assert!(read > 1000, "{read} were read as tokens");
    authorise(&good).unwrap();
}

/// A store with another key under the same name, and one where the chain's first key is not a root any more but still
/// the holder of a link.
#[test]
fn a_remembered_token_is_of_the_root_that_it_was_verified_with() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = verifier(&clock, None);
    let token = bearer(None);
    let evidence = Evidence::new(&verifier).with_token(token.as_str());
    let permit = evidence.authorise(&NETWORK).unwrap();
    for other in [9, 2] {
        verifier.set_trust_store(store_of("root", other));
        let remembered = Evidence::new(&verifier).with_token(token.as_str());
        for refused in [permit.recheck(), remembered.authorise(&NETWORK).map(drop)] {
            let issuer = key(1).public_key().id();
            assert_eq!(reason(refused), DenialReason::UnknownIssuer { issuer });
        }
    }
    verifier.set_trust_store(store_of("other-name", 1));
    permit.recheck().unwrap();
}

/// The JSON of a token is for reading: with a field twice, with one that nobody knows, or as it was written, it is none.
#[test]
fn no_json_is_read() {
    let json = held(None).to_json();
    let twice = json.replacen(r#""subject":"#, r#""subject":"root","subject":"#, 1);
    let unknown = json.replacen('{', r#"{"is_admin":true,"#, 1);
    for text in [&json, &twice, &unknown] {
        assert!(serde_json::from_str::<serde_json::Value>(text).is_ok());
        assert_eq!(text.parse::<AttestationChain>(), Err(TokenError::Prefix));
        let as_token = format!("cnv1.{text}");
        assert_eq!(
            as_token.parse::<AttestationChain>(),
            Err(TokenError::Encoding)
        );
        let clock = Arc::new(ManualClock::at(NOON));
        let evidence = Evidence::new(&verifier(&clock, None)).with_token(text.as_str());
        assert_eq!(
            reason(evidence.authorise(&NETWORK)),
            DenialReason::Malformed(TokenError::Prefix)
        );
    }
}

/// What `work` holds at its peak, in bytes.
fn peak<T>(work: impl FnOnce() -> T) -> u64 {
    let (_, usage) = measure("test", Limits::unlimited(), work);
    usage.memory_peak_bytes.expect("the allocator counts")
}

/// Lengths and counts that promise the most that their fields can say, behind every start of something good.
fn boasts(good: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..=good.len()).flat_map(move |len| {
        [1, 2, 4, 8].map(|count| [&good[..len], &vec![0xff; count], &[0x41; 16]].concat())
    })
}

#[test]
fn memory_is_bounded_by_what_arrives() {
    let chain = held(None);
    let entries = [RevocationEntry::Key(key(2).public_key().id())];
    let base = RevocationList::sign([].into_iter().collect(), 1, NOON, after(60), &key(1)).unwrap();
    let entries = entries.into_iter().collect();
    let list = RevocationList::sign(entries, 2, NOON, after(60), &key(1)).unwrap();
    let delta = RevocationDelta::between(&base, &list).unwrap();
    let mut keys = KeySet::first([("one".to_owned(), key(1).public_key())]).unwrap();
    keys.sign(&key(1)).unwrap();
    let entry = AuditEntry::new(NOON, [7; 16], "scan", cnv::audit::Decision::Allowed);

    type Read = fn(&[u8]) -> bool;
    let readers: [(&str, Vec<u8>, Read); 5] = [
        ("token", chain.to_bytes(), |bytes| {
            AttestationChain::from_bytes(bytes).is_ok()
        }),
        ("list", list.to_bytes(), |bytes| {
            RevocationUpdate::read(bytes).is_ok()
        }),
        ("delta", delta.to_bytes(), |bytes| {
            RevocationUpdate::read(bytes).is_ok()
        }),
        ("key set", keys.to_bytes(), |bytes| {
            KeySet::from_bytes(bytes).is_ok()
        }),
        ("entry", entry.encode().unwrap(), |bytes| {
            AuditEntry::decode(bytes).is_ok()
        }),
    ];
    for (what, good, read) in readers {
        assert!(read(&good), "{what}");
        for boast in boasts(&good) {
            let held = peak(|| read(&boast));
            assert!(held <= 8 << 10, "{what}: {held} bytes for {}", boast.len());
        }
    }
}

/// What is longer than it may be is refused by its length, before it is copied or decoded.
#[test]
fn what_is_too_long_is_refused_before_it_is_decoded() {
    let long = "A".repeat(1 << 20);
    let texts = ["cnv1.", "cnvkeys1.", ""].map(|prefix| format!("{prefix}{long}"));
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = verifier(&clock, None);
    for text in &texts {
        let held = peak(|| {
            assert!(text.parse::<AttestationChain>().is_err());
            assert!(text.parse::<KeySet>().is_err());
            assert!(text.parse::<SignedCheckpoint>().is_err());
            assert!(text.parse::<AuditProof>().is_err());
        });
        assert!(held <= 4 << 10, "{held} bytes");
        let evidence = Evidence::new(&verifier).with_token(text.as_str());
        let held = peak(|| assert!(evidence.authorise(&NETWORK).is_err()));
        assert!(held <= 4 << 10, "{held} bytes");
    }
    assert_eq!(
        chain_error(&texts[0]),
        TokenError::Oversized {
            len: texts[0].len(),
            max: CapabilityAttestation::MAX_TEXT_LEN
        }
    );
    assert_eq!(verifier.signature_checks(), 0);
}

fn chain_error(text: &str) -> TokenError {
    text.parse::<AttestationChain>().unwrap_err()
}
