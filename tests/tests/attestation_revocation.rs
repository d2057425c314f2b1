//! A verifier and the lists of its roots: whose list says what, from when on, and what a restart must not bring back.

use std::sync::Arc;

use cnv::attestation::revocation::{
    ReloadError, RevocationEntry, RevocationError, RevocationUpdate, Revocations,
};
use cnv::attestation::{
    AttestationChain, CapabilityAttestation, Clock, DenialReason, Evidence, FloorError, Floors,
    ManualClock, PrivateKey, RevocationList, RevocationSet, Timestamp, TrustStore, Verifier,
};
use cnv::capability::CapabilityContract;

const NOON: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

fn after(seconds: u64) -> Timestamp {
    NOON.checked_add_seconds(seconds).unwrap()
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

/// Two roots, each with an attestation of its own for the same.
fn two_roots() -> (TrustStore, [(PrivateKey, String); 2]) {
    let mut store = TrustStore::new();
    let roots = [71, 72].map(|seed| {
        let root = key(seed);
        store
            .add(format!("root-{seed}"), root.public_key())
            .unwrap();
        let token = CapabilityAttestation::builder(CapabilityContract::network(), "agent-42")
            .issued_at(NOON)
            .ttl(100_000)
            .bearer()
            .sign(&root);
        (root, token.unwrap().to_string())
    });
    (store, roots)
}

fn list_by(
    root: &PrivateKey,
    number: u64,
    seconds: u64,
    entries: &[RevocationEntry],
) -> RevocationSet {
    let entries = entries.iter().copied().collect();
    let list = RevocationList::sign(entries, number, NOON, after(seconds), root).unwrap();
    RevocationSet::new(list, &root.public_key(), NOON).unwrap()
}

fn link_of(token: &str) -> RevocationEntry {
    RevocationEntry::Link(token.parse::<AttestationChain>().unwrap().leaf().id())
}

#[test]
fn a_root_takes_back_what_it_granted_and_nothing_else() {
    let clock = Arc::new(ManualClock::at(NOON));
    let (store, [(one, one_token), (other, other_token)]) = two_roots();
    let stranger = key(77);
    let verifier = Verifier::builder(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>)
        .accept_bearer()
        .build();
    let evidence = |token: &String| Evidence::new(&verifier).with_token(token.as_str());
    let network = CapabilityContract::network();
    let reason = |token: &String| {
        let denied = evidence(token).authorise(&network).unwrap_err();
        denied.reason().clone()
    };

    // The list of one says nothing about what the other granted, whoever has the lower id.
    verifier.set_revocations(list_by(&one, 5, 60, &[])).unwrap();
    evidence(&one_token).authorise(&network).unwrap();
    let root = other.public_key().id();
    assert_eq!(
        reason(&other_token),
        DenialReason::NoRevocationList { root }
    );
    // Nor is it the one before it: any number may be the other's first.
    verifier
        .set_revocations(list_by(&other, 5, 600, &[]))
        .unwrap();
    let both = [link_of(&one_token), link_of(&other_token)];
    verifier
        .set_revocations(list_by(&one, 6, 60, &both))
        .unwrap();
    assert!(matches!(reason(&one_token), DenialReason::Revoked(_)));
    let other_evidence = evidence(&other_token);
    let permit = other_evidence.authorise(&network).unwrap();

    // Who is not trusted takes nothing back, and gives nothing back.
    let refused = verifier.set_revocations(list_by(&stranger, 7, 600, &[]));
    let untrusted = RevocationError::UntrustedIssuer {
        issuer: stranger.public_key().id(),
    };
    assert!(matches!(&refused, Err(ReloadError::Refused(error)) if *error == untrusted));
    let building = Verifier::builder(store, Arc::clone(&clock) as Arc<dyn Clock>);
    let refused = building.revocations(list_by(&stranger, 7, 600, &[]));
    assert!(matches!(&refused, Err(ReloadError::Refused(error)) if *error == untrusted));
    assert!(matches!(reason(&one_token), DenialReason::Revoked(_)));

    // A list that is stale denies what its issuer granted.
    clock.set(after(60));
    let stale = DenialReason::StaleRevocationList {
        since: after(60),
        for_seconds: 0,
    };
    assert_eq!(reason(&one_token), stale);
    permit.recheck().unwrap();
    clock.set(after(600));
    assert!(matches!(
        permit.recheck().unwrap_err().reason(),
        DenialReason::StaleRevocationList { since, .. } if *since == after(600)
    ));
}

#[test]
fn a_list_outlives_that_its_issuer_is_not_trusted() {
    let clock = Arc::new(ManualClock::at(NOON));
    let (store, [(one, token), _]) = two_roots();
    let verifier = Verifier::builder(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>)
        .accept_bearer()
        .revocations(list_by(&one, 5, 60, &[link_of(&token)]))
        .unwrap()
        .build();
    verifier.set_trust_store(TrustStore::new());
    verifier.set_trust_store(store);
    let older = verifier.set_revocations(list_by(&one, 4, 60, &[]));
    assert!(matches!(
        older,
        Err(ReloadError::Refused(RevocationError::Older {
            number: 4,
            have: 5
        }))
    ));
    let evidence = Evidence::new(&verifier).with_token(token);
    let denied = evidence.authorise(&CapabilityContract::network());
    assert!(matches!(
        denied.unwrap_err().reason(),
        DenialReason::Revoked(_)
    ));
}

#[test]
fn a_verifier_follows_the_lists_in_force() {
    let clock = Arc::new(ManualClock::at(NOON));
    let (store, [(one, one_token), (other, other_token)]) = two_roots();
    let live = Revocations::new(store.clone());
    let update = |root: &PrivateKey, number, entries: &[RevocationEntry]| {
        let list = list_by(root, number, 60, entries).list().clone();
        live.update(RevocationUpdate::List(list), NOON)
    };
    // One list before it follows, one after.
    update(&one, 1, &[]).unwrap();
    let verifier = || {
        Verifier::builder(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>)
            .accept_bearer()
            .without_revocation()
            .build()
    };
    let verifiers = [verifier(), verifier()];
    for verifier in &verifiers {
        verifier.follow(&live).unwrap();
    }
    update(&other, 1, &[]).unwrap();
    let network = CapabilityContract::network();
    let sessions: Vec<_> = verifiers
        .iter()
        .flat_map(|verifier| [&one_token, &other_token].map(|token| (verifier, token)))
        .map(|(verifier, token)| Evidence::new(verifier).with_token(token.as_str()))
        .collect();
    let permits: Vec<_> = sessions
        .iter()
        .map(|evidence| evidence.authorise(&network).unwrap())
        .collect();
    update(&one, 2, &[link_of(&one_token)]).unwrap();
    for (place, permit) in permits.iter().enumerate() {
        assert_eq!(permit.recheck().is_err(), place % 2 == 0, "{place}");
    }

    // One of them has a later list from elsewhere, which it keeps.
    verifiers[0]
        .set_revocations(list_by(&one, 4, 60, &[]))
        .unwrap();
    assert!(matches!(
        update(&one, 3, &[link_of(&one_token)]),
        Err(ReloadError::Refused(RevocationError::Older {
            number: 3,
            have: 4
        }))
    ));
    permits[0].recheck().unwrap();
    let numbers = verifiers.each_ref().map(|verifier| {
        verifier
            .revocations(&one.public_key().id())
            .unwrap()
            .number()
    });
    assert_eq!(numbers, [4, 3]);
    // And cannot begin to follow what is behind.
    let ahead = verifier();
    ahead.set_revocations(list_by(&one, 9, 60, &[])).unwrap();
    assert!(ahead.follow(&live).is_err());
}

#[test]
fn a_restart_brings_no_older_list_and_no_earlier_time_back() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOON));
    let (store, [(one, _), (other, _)]) = two_roots();
    let start = || {
        Verifier::builder(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>)
            .floors(Arc::new(Floors::open(folder.path()).unwrap()))
            .unwrap()
    };
    let first = start().build();
    first.set_revocations(list_by(&one, 5, 600, &[])).unwrap();
    first.set_revocations(list_by(&other, 2, 600, &[])).unwrap();
    clock.set(after(30));
    assert_eq!(first.latest_moment(), after(30));
    drop(first);

    clock.set(NOON);
    let second = start().build();
    assert_eq!(second.latest_moment(), after(30));
    let is_older = |result: Result<(), ReloadError>| {
        matches!(
            result,
            Err(ReloadError::Refused(RevocationError::Older {
                number: 4,
                have: 5
            }))
        )
    };
    assert!(is_older(second.set_revocations(list_by(&one, 4, 600, &[]))));
    second
        .set_revocations(list_by(&other, 4, 600, &[]))
        .unwrap();
    second.set_revocations(list_by(&one, 5, 600, &[])).unwrap();
    // Whichever is said first.
    let older = || list_by(&one, 4, 600, &[]);
    assert!(is_older(start().revocations(older()).map(drop)));
    let builder = Verifier::builder(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
    let floors = Arc::new(Floors::open(folder.path()).unwrap());
    assert!(is_older(
        builder
            .revocations(older())
            .unwrap()
            .floors(floors)
            .map(drop)
    ));

    // For programs that end without dropping anything.
    clock.set(after(31));
    second.keep_moment().unwrap();
    assert_eq!(Floors::open(folder.path()).unwrap().moment(), after(31));
}

/// The number is on disk before anything is decided by the list, or the list is not in force.
#[test]
fn a_number_that_cannot_be_written_down_is_no_lists_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (store, [(one, token), _]) = two_roots();
    let verifier = Verifier::builder(store, Arc::new(ManualClock::at(NOON)))
        .accept_bearer()
        .floors(Arc::new(Floors::open(&state).unwrap()))
        .unwrap()
        .build();
    std::fs::remove_dir(&state).unwrap();
    let set = || list_by(&one, 1, 600, &[]);
    assert!(matches!(
        verifier.set_revocations(set()),
        Err(ReloadError::Floor(FloorError::Io { .. }))
    ));
    let evidence = Evidence::new(&verifier).with_token(token);
    let network = CapabilityContract::network();
    assert!(evidence.authorise(&network).is_err());
    std::fs::create_dir(&state).unwrap();
    verifier.set_revocations(set()).unwrap();
    evidence.authorise(&network).unwrap();
}

#[test]
fn a_list_from_the_future_denies() {
    let clock = Arc::new(ManualClock::at(NOON));
    let (store, [(one, token), _]) = two_roots();
    let issued_at = after(600);
    let list = RevocationList::sign(Default::default(), 1, issued_at, after(900), &one).unwrap();
    let set = RevocationSet::new(list, &one.public_key(), issued_at).unwrap();
    let verifier = Verifier::builder(store, Arc::clone(&clock) as Arc<dyn Clock>)
        .accept_bearer()
        .revocations(set)
        .unwrap()
        .build();
    let evidence = Evidence::new(&verifier).with_token(token);
    let network = CapabilityContract::network();
    let future = DenialReason::FutureRevocationList {
        issued_at,
        in_seconds: 600,
    };
    assert_eq!(evidence.authorise(&network).unwrap_err().reason(), &future);
    clock.set(after(595));
    evidence.authorise(&network).unwrap();
}
