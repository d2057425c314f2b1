//! Chains, proof of possession and the live verifier, as a downstream crate uses and attacks them.

use std::sync::Arc;

use cnv::attestation::revocation::{
    ReloadError, Reloaded, RevocationEntry, RevocationError, RevocationMailbox, Revocations,
};
use cnv::attestation::{
    AttestationChain, CapabilityAttestation, Clock, DelegationError, DenialReason, Denied,
    Evidence, LinkFault, LinkPlace, ManualClock, Nonce, Possession, PossessionFault, PrivateKey,
    ProofError, ProofOfPossession, PublicKey, PublicKeyError, RequestDigest, RevocationList,
    RevocationSet, Timestamp, TokenError, TrustStore, Verifier,
};
use cnv::capability::{CapabilityContract, Gap, ResourceBand, Safety, Stability};
use proptest::prelude::*;

const NOON: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

fn after(seconds: u64) -> Timestamp {
    NOON.checked_add_seconds(seconds).unwrap()
}

fn before(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(NOON.as_unix_seconds() - seconds)
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn root() -> PrivateKey {
    key(1)
}

fn team() -> PrivateKey {
    key(2)
}

fn agent() -> PrivateKey {
    key(3)
}

fn store() -> TrustStore {
    let mut store = TrustStore::new();
    store.add("root", root().public_key()).unwrap();
    store
}

/// Everything for a day, held by the team.
fn team_chain() -> AttestationChain {
    CapabilityAttestation::builder(CapabilityContract::dangerous(), "team-a")
        .issued_at(NOON)
        .ttl(86_400)
        .held_by(&team().public_key())
        .sign(&root())
        .unwrap()
        .try_into()
        .unwrap()
}

fn delegate(
    chain: &AttestationChain,
    subject: &str,
    from: &PrivateKey,
    to: &PrivateKey,
) -> AttestationChain {
    chain
        .delegate(subject)
        .issued_at(NOON)
        .ttl(600)
        .held_by(&to.public_key())
        .sign(from)
        .unwrap()
}

/// Root, team, service, agent: three links, of which the last is held by the agent.
fn three_links() -> AttestationChain {
    let service = key(4);
    let chain = delegate(&team_chain(), "service-7", &team(), &service);
    chain
        .delegate("agent-42")
        .narrow_to(CapabilityContract::network())
        .issued_at(NOON)
        .ttl(300)
        .held_by(&agent().public_key())
        .sign(&service)
        .unwrap()
}

/// The same, but for a bearer.
fn bearer_chain(subject: &str) -> AttestationChain {
    let service = key(4);
    delegate(&team_chain(), "service-7", &team(), &service)
        .delegate(subject)
        .narrow_to(CapabilityContract::network())
        .issued_at(NOON)
        .ttl(300)
        .bearer()
        .sign(&service)
        .unwrap()
}

fn look_at(chain: &AttestationChain) -> Result<(), Denied> {
    let pure = CapabilityContract::pure()
        .with_band(ResourceBand::Tiny)
        .with_stability(Stability::Frozen);
    store()
        .verify_token(&chain.to_string(), &pure, None, NOON)
        .map(|_| ())
}

fn refusal(result: Result<(), Denied>) -> (DenialReason, Option<LinkPlace>) {
    let denied = result.expect_err("it has to be refused");
    (denied.reason().clone(), denied.link())
}

fn place(link: usize, links: usize) -> Option<LinkPlace> {
    Some(LinkPlace { link, links })
}

// The form.

#[test]
fn a_token_of_three_links_fits_into_600_characters() {
    for (chain, expected) in [(three_links(), 548), (bearer_chain("agent-42"), 504)] {
        let text = chain.to_string();
        assert_eq!(chain.links().len(), 3);
        assert_eq!(text.len(), expected);
        assert!(text.len() <= 600);
        assert_eq!(text.parse(), Ok(chain.clone()));
        assert_eq!(
            AttestationChain::from_bytes(&chain.to_bytes()),
            Ok(chain.clone())
        );
        look_at(&chain).unwrap();
        let debug = format!("{chain:?}");
        assert!(
            debug.contains("agent-42") && !debug.contains("signature"),
            "{debug}"
        );
    }
}

#[test]
fn every_prefix_of_a_chain_is_refused() {
    let bytes = three_links().to_bytes();
    for len in 0..bytes.len() {
        let error = AttestationChain::from_bytes(&bytes[..len]).unwrap_err();
        let inner = match &error {
            TokenError::Link { error, .. } => error,
            other => other,
        };
        assert!(
            matches!(inner, TokenError::Truncated { .. }),
            "{len}: {error}"
        );
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(
        AttestationChain::from_bytes(&longer),
        Err(TokenError::TrailingBytes { extra_bytes: 1 })
    );
}

#[test]
fn every_flipped_bit_of_a_chain_is_refused() {
    let bytes = three_links().to_bytes();
    look_at(&AttestationChain::from_bytes(&bytes).unwrap()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(chain) = AttestationChain::from_bytes(&flipped) {
            assert!(look_at(&chain).is_err(), "bit {bit}");
            assert_eq!(chain.to_bytes(), flipped, "one encoding for one value");
        }
    }
}

#[test]
fn a_chain_is_no_single_attestation() {
    let text = three_links().to_string();
    assert_eq!(
        text.parse::<CapabilityAttestation>(),
        Err(TokenError::LinkCount { links: 3 })
    );
    let mut nine = three_links().to_bytes();
    for links in [0, 9, 255] {
        nine[1] = links;
        assert_eq!(
            AttestationChain::from_bytes(&nine),
            Err(TokenError::LinkCount { links })
        );
    }
}

#[test]
fn json_is_a_view() {
    let chain = three_links();
    let json: serde_json::Value = serde_json::from_str(&chain.to_json()).unwrap();
    let links = json["links"].as_array().unwrap();
    assert_eq!(links.len(), 3);
    assert_eq!(links[0]["issuer"], root().public_key().id().to_string());
    assert_eq!(links[2]["subject"], "agent-42");
    assert_eq!(links[2]["id"], chain.leaf().id().to_string());
    assert_eq!(
        links[2]["holder_key"],
        agent().public_key().id().to_string()
    );
    assert_eq!(links[2]["depth"], 2);
    assert!(chain.to_json().parse::<AttestationChain>().is_err());
}

// Attenuation, with links that are signed properly but say what `delegate` would not.

/// A link as the description of the format has it.
#[derive(Clone)]
struct Raw {
    contract: [u8; 4],
    times: [u64; 3],
    audience: &'static str,
    holder: Option<([u8; 32], u8)>,
}

const NOON_SECONDS: u64 = NOON.as_unix_seconds();

impl Raw {
    /// As wide as can be.
    fn widest(holder: &PrivateKey, depth: u8) -> Self {
        Self {
            contract: [5, 5, 1, 1],
            times: [NOON_SECONDS, NOON_SECONDS, NOON_SECONDS + 1000],
            audience: "",
            holder: Some((*holder.public_key().as_bytes(), depth)),
        }
    }

    fn body(&self, issuer: Option<&PublicKey>) -> Vec<u8> {
        let mut body = vec![if self.holder.is_some() { 2 } else { 1 }];
        if let Some(issuer) = issuer {
            body.extend(issuer.id().as_bytes());
        }
        body.extend(self.contract);
        for time in self.times {
            let bytes = time.to_be_bytes();
            body.push(4);
            body.extend(&bytes[4..]);
        }
        for text in ["subject", self.audience] {
            body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            body.extend(text.as_bytes());
        }
        body.push(0);
        if let Some((key, depth)) = self.holder {
            body.extend(key);
            body.push(depth);
        }
        body
    }
}

/// The token of these links, each signed with the key beside it.
fn raw_token(links: &[(&Raw, &PrivateKey)]) -> Vec<u8> {
    let mut token = vec![1, 0];
    let mut parent = [0; 32];
    for (number, (raw, signer)) in links.iter().enumerate() {
        let issuer = signer.public_key();
        let body = raw.body((number == 0).then_some(&issuer));
        let signed = [b"cnv attestation link 1\0", &parent[..], &body].concat();
        token.extend(body);
        token.extend(signer.sign(&signed).as_bytes());
        token[1] += 1;
        if let Ok(chain) = AttestationChain::from_bytes(&token) {
            parent = *chain.leaf().id().as_bytes();
        }
    }
    token
}

fn raw_chain(links: &[(&Raw, &PrivateKey)]) -> AttestationChain {
    AttestationChain::from_bytes(&raw_token(links)).unwrap()
}

#[test]
fn the_format_is_the_documented_one() {
    let chain = team_chain();
    let raw = Raw {
        times: [NOON_SECONDS, NOON_SECONDS, NOON_SECONDS + 86_400],
        ..Raw::widest(&team(), 4)
    };
    let mut expected = raw_token(&[(&raw, &root())]);
    // The subject is the only thing that differs.
    assert_ne!(chain.to_bytes(), expected);
    let renamed = CapabilityAttestation::builder(CapabilityContract::dangerous(), "subject")
        .issued_at(NOON)
        .ttl(86_400)
        .held_by(&team().public_key())
        .sign(&root())
        .unwrap();
    assert_eq!(renamed.to_bytes(), expected);
    expected[0] = 2;
    assert_eq!(
        AttestationChain::from_bytes(&expected),
        Err(TokenError::UnknownVersion { version: 2 })
    );
}

/// Whether this is the fault that was to be found.
type Expectation = fn(&LinkFault) -> bool;

/// Every way to widen one thing in the second of three links, and what has to be said about it.
fn widenings() -> Vec<(Raw, Expectation)> {
    let link = middle();
    let with = |change: fn(&mut Raw)| {
        let mut link = link.clone();
        change(&mut link);
        link
    };
    vec![
        (with(|link| link.contract[0] = 5), |fault| {
            matches!(
                fault,
                LinkFault::Capability {
                    gap: Gap::Class { .. },
                    ..
                }
            )
        }),
        // Neither above nor below.
        (with(|link| link.contract[0] = 4), |fault| {
            matches!(
                fault,
                LinkFault::Capability {
                    gap: Gap::Class { .. },
                    ..
                }
            )
        }),
        (with(|link| link.contract[1] = 4), |fault| {
            matches!(
                fault,
                LinkFault::Capability {
                    gap: Gap::Band { .. },
                    ..
                }
            )
        }),
        (with(|link| link.contract[2] = 1), |fault| {
            matches!(
                fault,
                LinkFault::Capability {
                    gap: Gap::Stability { .. },
                    ..
                }
            )
        }),
        (with(|link| link.contract[3] = 1), |fault| {
            matches!(
                fault,
                LinkFault::Capability {
                    gap: Gap::Safety { .. },
                    ..
                }
            )
        }),
        (with(|link| link.times[1] -= 1), |fault| {
            matches!(fault, LinkFault::NotBefore { .. })
        }),
        (with(|link| link.times[2] += 1), |fault| {
            matches!(fault, LinkFault::Expiry { .. })
        }),
        (with(|link| link.audience = ""), |fault| {
            matches!(fault, LinkFault::Audience { link: None, .. })
        }),
        (with(|link| link.audience = "opt"), |fault| {
            matches!(fault, LinkFault::Audience { link: Some(_), .. })
        }),
        (with(|link| link.holder.as_mut().unwrap().1 = 4), |fault| {
            matches!(fault, LinkFault::Depth { parent: 4, link: 4 })
        }),
        (with(|link| link.holder.as_mut().unwrap().1 = 8), |fault| {
            matches!(fault, LinkFault::Depth { parent: 4, link: 8 })
        }),
    ]
}

/// A root's link with something to widen in every dimension.
fn narrow_root() -> Raw {
    Raw {
        contract: [3, 3, 2, 2],
        audience: "ops",
        ..Raw::widest(&team(), 4)
    }
}

/// A second link that grants exactly what the first does, but for the depth.
fn middle() -> Raw {
    Raw {
        holder: Some((*key(4).public_key().as_bytes(), 3)),
        ..narrow_root()
    }
}

fn at_ops(chain: &AttestationChain) -> Result<(), Denied> {
    let least: CapabilityContract = "pure/tiny/frozen/harmless".parse().unwrap();
    let token = chain.to_string();
    store()
        .verify_token(&token, &least, Some("ops"), after(1))
        .map(|_| ())
}

#[test]
fn escalation_in_mid_chain_is_refused_in_every_dimension() {
    let service = key(4);
    let leaf = Raw {
        holder: None,
        ..middle()
    };
    let links = [
        (&narrow_root(), &root()),
        (&middle(), &team()),
        (&leaf, &service),
    ];
    at_ops(&raw_chain(&links)).expect("what grants the same is no escalation");

    let least = "pure/tiny/frozen/harmless".parse().unwrap();
    let verifier = Verifier::builder(store(), Arc::new(ManualClock::at(after(1))))
        .audience("ops")
        .accept_bearer()
        .without_revocation()
        .build();
    let live = Evidence::new(&verifier).with_token(raw_chain(&links).to_string());
    live.authorise(&least).unwrap();
    for (widened, is_expected) in widenings() {
        // The leaf stays within the root: only the link between the two is wrong.
        let mut links = links;
        links[1].0 = &widened;
        let denied = at_ops(&raw_chain(&links)).unwrap_err();
        let DenialReason::Escalation(fault) = denied.reason() else {
            panic!("{denied:?}");
        };
        assert!(is_expected(fault), "{fault}");
        assert_eq!(denied.link(), place(2, 3));
        let live = Evidence::new(&verifier).with_token(raw_chain(&links).to_string());
        assert_eq!(live.authorise(&least).unwrap_err(), denied);
        let told = std::error::Error::source(&denied).unwrap().to_string();
        assert!(told.starts_with("link 2 of 3: "), "{told}");
    }
    // A leaf that widens what a narrow middle has is refused too, though the root would allow it.
    let narrow = Raw {
        contract: [2, 3, 2, 2],
        ..middle()
    };
    let (_, at) = refusal(at_ops(&raw_chain(&[
        links[0],
        (&narrow, &team()),
        (&leaf, &service),
    ])));
    assert_eq!(at, place(3, 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a parent and a child say, the chain holds exactly where the child is within the parent.
    #[test]
    fn a_chain_holds_exactly_where_every_link_is_within_the_one_before(
        parent in (1_u8..=5, 1_u8..=5, 1_u8..=3, 1_u8..=3),
        child in (1_u8..=5, 1_u8..=5, 1_u8..=3, 1_u8..=3),
        starts in (0_u64..3, 0_u64..3),
        ends in (10_u64..13, 10_u64..13),
        audiences in (prop::sample::select(vec!["", "ops"]), prop::sample::select(vec!["", "ops"])),
        depths in (2_u8..=8, 1_u8..=8),
    ) {
        let raw = |contract: (u8, u8, u8, u8), start, end, audience, holder: &PrivateKey, depth| Raw {
            contract: [contract.0, contract.1, contract.2, contract.3],
            times: [NOON_SECONDS, NOON_SECONDS + start, NOON_SECONDS + end],
            audience,
            holder: Some((*holder.public_key().as_bytes(), depth)),
        };
        let first = raw(parent, starts.0, ends.0, audiences.0, &team(), depths.0);
        let second = raw(child, starts.1, ends.1, audiences.1, &agent(), depths.1);
        let chain = raw_chain(&[(&first, &root()), (&second, &team())]);
        let sets = |class: u8| [0_u8, 0, 1, 3, 4, 15][usize::from(class)];
        let within = sets(child.0) & !sets(parent.0) == 0
            && child.1 <= parent.1
            && child.2 >= parent.2
            && child.3 >= parent.3
            && starts.1 >= starts.0
            && ends.1 <= ends.0
            && (audiences.0.is_empty() || audiences.1 == audiences.0)
            && depths.1 < depths.0;
        let least: CapabilityContract = "pure/tiny/frozen/harmless".parse().unwrap();
        let result = store().verify_token(&chain.to_string(), &least, Some("ops"), after(5));
        prop_assert_eq!(result.is_ok(), within, "{:?}", result.err());
    }
}

#[test]
fn links_cannot_be_spliced_or_reordered() {
    let (one, other) = (
        Raw::widest(&team(), 4),
        Raw {
            times: [NOON_SECONDS, NOON_SECONDS, NOON_SECONDS + 999],
            ..Raw::widest(&team(), 4)
        },
    );
    let narrow = Raw {
        contract: [2, 2, 3, 3],
        times: [NOON_SECONDS, NOON_SECONDS, NOON_SECONDS + 10],
        ..Raw::widest(&agent(), 2)
    };
    let below_one = raw_token(&[(&one, &root()), (&narrow, &team())]);
    let below_other = raw_token(&[(&other, &root()), (&narrow, &team())]);
    let first_len = raw_token(&[(&one, &root())]).len();
    let spliced = [&below_one[..first_len], &below_other[first_len..]].concat();
    assert_ne!(spliced, below_one);
    let (reason, at) = refusal(look_at(&AttestationChain::from_bytes(&spliced).unwrap()));
    assert!(
        matches!(reason, DenialReason::BadSignature { .. }),
        "{reason}"
    );
    assert_eq!(at, place(2, 2));

    // The link between is left out: the last one is then below another parent and another issuer.
    let service = key(4);
    let second = Raw::widest(&service, 3);
    let third = Raw::widest(&agent(), 2);
    let whole = raw_token(&[(&one, &root()), (&second, &team()), (&third, &service)]);
    let two = raw_token(&[(&one, &root()), (&second, &team())]);
    let mut without = [&whole[..first_len], &whole[two.len()..]].concat();
    without[1] = 2;
    let (reason, at) = refusal(look_at(&AttestationChain::from_bytes(&without).unwrap()));
    assert!(
        matches!(reason, DenialReason::BadSignature { .. }),
        "{reason}"
    );
    assert_eq!(at, place(2, 2));

    // Second and third change places.
    let mut swapped = whole[..first_len].to_vec();
    swapped[1] = 3;
    swapped.extend(&whole[two.len()..]);
    swapped.extend(&whole[first_len..two.len()]);
    assert!(look_at(&AttestationChain::from_bytes(&swapped).unwrap()).is_err());
    look_at(&AttestationChain::from_bytes(&whole).unwrap()).unwrap();
}

#[test]
fn a_link_has_to_be_signed_by_the_holder_of_the_one_before() {
    let (first, second) = (Raw::widest(&team(), 4), Raw::widest(&agent(), 2));
    for impostor in [root(), agent(), key(9)] {
        let chain = raw_chain(&[(&first, &root()), (&second, &impostor)]);
        let (reason, at) = refusal(look_at(&chain));
        let issuer = team().public_key().id();
        assert_eq!(reason, DenialReason::BadSignature { issuer });
        assert_eq!(at, place(2, 2));
    }
    let stranger = raw_chain(&[(&first, &key(9)), (&second, &team())]);
    let (reason, at) = refusal(look_at(&stranger));
    let issuer = key(9).public_key().id();
    assert_eq!(
        (reason, at),
        (DenialReason::UnknownIssuer { issuer }, place(1, 2))
    );

    let behind_bearer = raw_token(&[
        (
            &Raw {
                holder: None,
                ..first
            },
            &root(),
        ),
        (&second, &team()),
    ]);
    assert!(matches!(
        AttestationChain::from_bytes(&behind_bearer),
        Err(TokenError::Link { link: 2, links: 2, error }) if *error == TokenError::AfterBearer
    ));
}

#[test]
fn a_holder_key_that_anybody_could_sign_for_is_refused() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let weak = Raw {
        holder: Some((neutral, 4)),
        ..Raw::widest(&team(), 4)
    };
    let (reason, at) = refusal(look_at(&raw_chain(&[(&weak, &root())])));
    assert_eq!(reason, DenialReason::HolderKey(PublicKeyError::SmallOrder));
    assert_eq!(at, place(1, 1));
}

#[test]
fn a_chain_is_at_most_eight_links_deep() {
    let mut chain: AttestationChain =
        CapabilityAttestation::builder(CapabilityContract::network(), "1")
            .issued_at(NOON)
            .held_by(&key(11).public_key())
            .depth(8)
            .sign(&root())
            .unwrap()
            .try_into()
            .unwrap();
    for number in 2..=8 {
        chain = delegate(
            &chain,
            &number.to_string(),
            &key(9 + number),
            &key(10 + number),
        );
    }
    assert_eq!(chain.links().len(), 8);
    look_at(&chain).unwrap();
    let ninth = chain.delegate("9").issued_at(NOON).bearer().sign(&key(18));
    assert_eq!(ninth, Err(DelegationError::TooDeep));

    for depth in [0, 9] {
        let built = CapabilityAttestation::builder(CapabilityContract::pure(), "agent")
            .held_by(&agent().public_key())
            .depth(depth)
            .sign(&root());
        assert!(built.is_err(), "{depth}");
        let raw = raw_token(&[(&Raw::widest(&team(), depth), &root())]);
        assert!(AttestationChain::from_bytes(&raw).is_err(), "{depth}");
    }
}

// Delegation.

#[test]
fn delegation_only_narrows() {
    let chain: AttestationChain =
        CapabilityAttestation::builder(CapabilityContract::read_write(), "team-a")
            .issued_at(NOON)
            .not_before(after(10))
            .ttl(600)
            .audience("ops")
            .held_by(&team().public_key())
            .sign(&root())
            .unwrap()
            .try_into()
            .unwrap();
    let start = || chain.delegate("agent-42").issued_at(NOON);

    // What is not said is the chain's; times are cut to the chain's.
    let same = start()
        .ttl(u64::MAX)
        .not_before(before(100))
        .held_by(&agent().public_key())
        .sign(&team())
        .unwrap();
    let leaf = same.leaf();
    assert_eq!(leaf.contract(), &CapabilityContract::read_write());
    assert_eq!(leaf.audience(), Some("ops"));
    assert_eq!(
        (leaf.not_before(), leaf.expires_at()),
        (after(10), after(600))
    );
    assert_eq!((chain.leaf().depth(), leaf.depth()), (4, 3));
    assert_eq!(leaf.issuer(), team().public_key().id());
    assert_eq!(leaf.holder_key(), Some(agent().public_key().id()));

    for wider in [
        CapabilityContract::dangerous(),
        CapabilityContract::network(),
        CapabilityContract::read_write().with_safety(Safety::Irreversible),
        CapabilityContract::read_write().with_stability(Stability::Experimental),
    ] {
        let error = start().narrow_to(wider).bearer().sign(&team()).unwrap_err();
        assert!(
            matches!(&error, DelegationError::Escalation(LinkFault::Capability { link, .. }) if *link == wider),
            "{error}"
        );
    }
    assert!(matches!(
        start().audience("elsewhere").bearer().sign(&team()),
        Err(DelegationError::Escalation(LinkFault::Audience { .. }))
    ));
    assert!(matches!(
        start()
            .held_by(&agent().public_key())
            .depth(4)
            .sign(&team()),
        Err(DelegationError::Escalation(LinkFault::Depth {
            parent: 4,
            link: 4
        }))
    ));
    assert!(matches!(
        chain.delegate("agent-42").issued_at(after(600)).bearer().sign(&team()),
        Ok(late) if late.leaf().expires_at() == after(600)
    ));
    assert!(matches!(
        chain
            .delegate("agent-42")
            .issued_at(after(601))
            .bearer()
            .sign(&team()),
        Err(DelegationError::Escalation(LinkFault::Expiry { .. }))
    ));
    assert_eq!(
        start().bearer().sign(&agent()),
        Err(DelegationError::OtherKey {
            needed: team().public_key().id(),
            given: agent().public_key().id(),
        })
    );
    let bearer = start().bearer().sign(&team()).unwrap();
    assert_eq!(
        bearer.delegate("another").bearer().sign(&team()),
        Err(DelegationError::Bearer)
    );
    let last = start()
        .held_by(&agent().public_key())
        .depth(1)
        .sign(&team())
        .unwrap();
    assert_eq!(
        last.delegate("another").bearer().sign(&agent()),
        Err(DelegationError::TooDeep)
    );
    let long = (0..4).fold(start(), |link, number| {
        link.metadata(format!("{number}"), "x".repeat(1000))
    });
    assert!(matches!(
        long.bearer().sign(&team()),
        Err(DelegationError::Attestation(
            cnv::attestation::AttestationError::TooLarge { max: 3068, .. }
        ))
    ));
}

// Holder of key.

const SERVER: &str = "fetcher";

fn verifier(clock: &Arc<ManualClock>) -> Verifier {
    Verifier::builder(store(), Arc::clone(clock) as Arc<dyn Clock>)
        .audience(SERVER)
        .without_revocation()
        .build()
}

fn request() -> RequestDigest {
    RequestDigest::of(b"fetch https://example.com")
}

fn prove(token: &str, nonce: Nonce, now: Timestamp) -> Possession<'_> {
    Possession {
        token,
        audience: Some(SERVER),
        nonce,
        request: request(),
        signed_at: now,
    }
}

fn present(verifier: &Verifier, token: &str, proof: ProofOfPossession) -> Result<Evidence, Denied> {
    let evidence = Evidence::new(verifier)
        .with_token(token)
        .with_proof(proof, request());
    evidence.authorise(&CapabilityContract::network())?;
    Ok(evidence)
}

#[track_caller]
fn fault(result: Result<Evidence, Denied>) -> PossessionFault {
    match result.expect_err("it has to be refused").reason() {
        DenialReason::Possession(fault) => *fault,
        other => panic!("{other}"),
    }
}

#[test]
fn the_holder_proves_possession_once_per_session() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = verifier(&clock);
    let token = three_links().to_string();
    let nonce = verifier.challenge().unwrap();
    let proof = prove(&token, nonce, NOON).sign(&agent());
    let evidence = present(&verifier, &token, proof).unwrap();
    // The nonce is used up, and the handle still good; so are its clones.
    for evidence in [evidence.clone(), evidence] {
        let permit = evidence.authorise(&CapabilityContract::network()).unwrap();
        assert_eq!(permit.subject(), "agent-42");
        assert_eq!(permit.issuer_name(), "root");
        assert_eq!(permit.link_ids().count(), 3);
        assert_eq!(permit.link_ids().last(), Some(permit.attestation_id()));
    }
}

#[test]
fn a_stolen_token_is_worth_nothing_without_its_key() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = verifier(&clock);
    let token = three_links().to_string();
    let network = CapabilityContract::network();
    let use_it = |verifier: &Verifier| {
        let stolen = Evidence::new(verifier).with_token(&*token);
        stolen.authorise(&network).map(|_| stolen.clone())
    };
    assert_eq!(fault(use_it(&verifier)), PossessionFault::Missing);

    // Not after its holder used it either, nor with a proof by another key of the chain.
    let good = prove(&token, verifier.challenge().unwrap(), NOON).sign(&agent());
    present(&verifier, &token, good).unwrap();
    assert_eq!(fault(use_it(&verifier)), PossessionFault::Missing);
    for thief in [key(9), team(), root()] {
        let nonce = verifier.challenge().unwrap();
        let forged = prove(&token, nonce, NOON).sign(&thief);
        assert_eq!(
            fault(present(&verifier, &token, forged)),
            PossessionFault::BadSignature
        );
        // The nonce is not lost to the holder by somebody else's attempt.
        let good = prove(&token, nonce, NOON).sign(&agent());
        present(&verifier, &token, good).unwrap();
    }
    // The links before it are a chain of their own, whose holder the thief is not either.
    let mut bytes = three_links().to_bytes();
    bytes[1] = 2;
    let two = delegate(&team_chain(), "service-7", &team(), &key(4));
    bytes.truncate(two.to_bytes().len());
    assert_eq!(bytes, two.to_bytes());
    let token = two.to_string();
    let proof = prove(&token, verifier.challenge().unwrap(), NOON).sign(&agent());
    assert_eq!(
        fault(present(&verifier, &token, proof)),
        PossessionFault::BadSignature
    );
}

#[test]
fn a_proof_is_good_for_one_session_one_verifier_one_request_and_a_minute() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = verifier(&clock);
    let token = three_links().to_string();
    let begin = || verifier.challenge().unwrap();

    let proof = prove(&token, begin(), NOON).sign(&agent());
    present(&verifier, &token, proof.clone()).unwrap();
    assert_eq!(
        fault(present(&verifier, &token, proof)),
        PossessionFault::Nonce,
        "replayed"
    );

    let elsewhere = self::verifier(&clock);
    let proof = prove(&token, elsewhere.challenge().unwrap(), NOON).sign(&agent());
    assert_eq!(
        fault(present(&verifier, &token, proof)),
        PossessionFault::Nonce
    );

    for audience in [Some("elsewhere"), None] {
        let proof = Possession {
            audience,
            ..prove(&token, begin(), NOON)
        }
        .sign(&agent());
        assert_eq!(
            fault(present(&verifier, &token, proof)),
            PossessionFault::BadSignature
        );
    }
    let proof = Possession {
        request: RequestDigest::of(b"delete everything"),
        ..prove(&token, begin(), NOON)
    };
    assert_eq!(
        fault(present(&verifier, &token, proof.sign(&agent()))),
        PossessionFault::OtherRequest
    );
    let other_token = bearer_chain("agent-42").to_string();
    let proof = prove(&other_token, begin(), NOON).sign(&agent());
    assert_eq!(
        fault(present(&verifier, &token, proof)),
        PossessionFault::BadSignature
    );

    for (signed_at, is_good) in [
        (before(60), false),
        (before(59), true),
        (after(5), true),
        (after(6), false),
    ] {
        let proof = prove(&token, begin(), signed_at).sign(&agent());
        assert_eq!(
            present(&verifier, &token, proof).is_ok(),
            is_good,
            "{signed_at}"
        );
    }
    let nonce = begin();
    clock.advance_seconds(60);
    let proof = prove(&token, nonce, after(60)).sign(&agent());
    assert_eq!(
        fault(present(&verifier, &token, proof)),
        PossessionFault::Nonce,
        "too old"
    );
}

#[test]
fn a_nonce_opens_one_session_whoever_is_faster() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = verifier(&clock);
    let token = three_links().to_string();
    let proof = prove(&token, verifier.challenge().unwrap(), NOON).sign(&agent());
    let opened = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| present(&verifier, &token, proof.clone()).is_ok()))
            .collect();
        tries
            .into_iter()
            .map(|try_| try_.join().unwrap())
            .filter(|ok| *ok)
            .count()
    });
    assert_eq!(opened, 1);

    // The threads of one session share its proof.
    let proof = prove(&token, verifier.challenge().unwrap(), NOON).sign(&agent());
    let evidence = Evidence::new(&verifier)
        .with_token(&*token)
        .with_proof(proof, request());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| evidence.authorise(&CapabilityContract::network()).unwrap());
        }
    });
}

#[test]
fn nonces_are_bounded_and_expire() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = verifier(&clock);
    let mut given_out = std::collections::BTreeSet::new();
    while let Ok(nonce) = verifier.challenge() {
        assert!(given_out.insert(nonce));
        assert!(given_out.len() <= 16_384);
    }
    assert_eq!(given_out.len(), 16_384);
    clock.advance_seconds(60);
    verifier.challenge().unwrap();
}

#[test]
fn proofs_and_nonces_have_one_spelling() {
    let clock = Arc::new(ManualClock::at(NOON));
    let nonce = verifier(&clock).challenge().unwrap();
    assert_eq!(nonce.to_string().parse(), Ok(nonce));
    let proof = prove("cnv1.AQ", nonce, NOON).sign(&agent());
    let text = proof.to_string();
    assert_eq!(text.len(), 193);
    assert_eq!(text.parse(), Ok(proof.clone()));
    assert_eq!(ProofOfPossession::from_bytes(&proof.to_bytes()), Ok(proof));
    let parse = str::parse::<ProofOfPossession>;
    assert!(matches!(parse(""), Err(ProofError::Prefix { .. })));
    assert!(matches!(
        parse(&format!("{text}=")),
        Err(ProofError::Length { .. })
    ));
    for len in 10..text.len() {
        assert!(
            matches!(parse(&text[..len]), Err(ProofError::Length { .. })),
            "{len}"
        );
    }
    assert_eq!(
        parse(&format!("{}!", &text[..192])),
        Err(ProofError::Encoding)
    );
    assert_eq!(
        parse(&text.replacen("cnvproof1.A", "cnvproof1.B", 1)),
        Err(ProofError::UnknownVersion { version: 5 })
    );
}

// Bearer tokens.

#[test]
fn bearer_tokens_are_accepted_only_where_that_was_said() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = verifier(&clock);
    let evidence = Evidence::new(&verifier).with_token(bearer_chain("agent-42").to_string());
    let network = CapabilityContract::network();
    let denied = evidence.authorise(&network).unwrap_err();
    assert_eq!(denied.reason(), &DenialReason::BearerNotAccepted);
    verifier.set_accept_bearer(true);
    let permit = evidence.authorise(&network).unwrap();
    verifier.set_accept_bearer(false);
    assert_eq!(
        permit.recheck().unwrap_err().reason(),
        &DenialReason::BearerNotAccepted
    );
}

// Revocation and other changes under a warm handle.

fn revocations(number: u64, entries: impl IntoIterator<Item = RevocationEntry>) -> RevocationSet {
    let list = RevocationList::sign(
        entries.into_iter().collect(),
        number,
        NOON,
        after(3600),
        &root(),
    )
    .unwrap();
    RevocationSet::new(list, &root().public_key(), NOON).unwrap()
}

fn with_list(clock: &Arc<ManualClock>, set: RevocationSet) -> Verifier {
    Verifier::builder(store(), Arc::clone(clock) as Arc<dyn Clock>)
        .accept_bearer()
        .revocations(set)
        .unwrap()
        .build()
}

#[test]
fn without_a_list_nothing_is_allowed() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = Verifier::builder(store(), Arc::clone(&clock) as Arc<dyn Clock>)
        .accept_bearer()
        .build();
    let evidence = Evidence::new(&verifier).with_token(bearer_chain("agent-42").to_string());
    let network = CapabilityContract::network();
    let denied = evidence.authorise(&network).unwrap_err();
    let root = root().public_key().id();
    assert_eq!(denied.reason(), &DenialReason::NoRevocationList { root });
    verifier.set_revocations(revocations(1, [])).unwrap();
    evidence.authorise(&network).unwrap();
}

#[test]
fn a_stale_list_denies_on_a_warm_handle() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = with_list(&clock, revocations(1, []));
    let long: AttestationChain = CapabilityAttestation::builder(CapabilityContract::network(), "a")
        .issued_at(NOON)
        .ttl(100_000)
        .bearer()
        .sign(&root())
        .unwrap()
        .try_into()
        .unwrap();
    let evidence = Evidence::new(&verifier).with_token(long.to_string());
    let network = CapabilityContract::network();
    let permit = evidence.authorise(&network).unwrap();
    clock.advance_seconds(3599);
    permit.recheck().unwrap();
    clock.advance_seconds(1);
    let stale = DenialReason::StaleRevocationList {
        since: after(3600),
        for_seconds: 0,
    };
    assert_eq!(permit.recheck().unwrap_err().reason(), &stale);
    let fresh = Evidence::new(&verifier).with_token(long.to_string());
    assert_eq!(fresh.authorise(&network).unwrap_err().reason(), &stale);
}

#[test]
fn what_is_revoked_at_any_link_is_refused_from_the_next_call_on() {
    let chain = bearer_chain("agent-42");
    let network = CapabilityContract::network();
    let mut entries = Vec::new();
    for (index, link) in chain.links().iter().enumerate() {
        entries.push((index + 1, RevocationEntry::Link(link.id())));
        entries.push((index + 1, RevocationEntry::Key(link.issuer())));
        let issued_before = |before| RevocationEntry::IssuedBefore {
            issuer: link.issuer(),
            before,
        };
        entries.push((index + 1, issued_before(after(1))));
        // What was issued at the moment itself still counts.
        entries.push((0, issued_before(NOON)));
    }
    for (expected, entry) in entries {
        let clock = Arc::new(ManualClock::at(NOON));
        let verifier = with_list(&clock, revocations(1, []));
        let evidence = Evidence::new(&verifier).with_token(chain.to_string());
        let permit = evidence.authorise(&network).unwrap();
        verifier.set_revocations(revocations(2, [entry])).unwrap();
        let after_swap = permit.recheck();
        let again = Evidence::new(&verifier).with_token(chain.to_string());
        let cached = again.authorise(&network);
        let cold = with_list(&clock, revocations(2, [entry]));
        let cold = Evidence::new(&cold).with_token(chain.to_string());
        let cold = cold.authorise(&network);
        if expected == 0 {
            assert!(
                after_swap.is_ok() && cached.is_ok() && cold.is_ok(),
                "{entry:?}"
            );
            continue;
        }
        // A key is found where it is first named: as the holder's of the link before its own.
        let at = match entry {
            RevocationEntry::Key(_) if expected > 1 => expected - 1,
            _ => expected,
        };
        for denied in [
            after_swap.unwrap_err(),
            cached.unwrap_err(),
            cold.unwrap_err(),
        ] {
            assert!(
                matches!(denied.reason(), DenialReason::Revoked(_)),
                "{denied:?}"
            );
            assert_eq!(denied.link(), place(at, 3), "{entry:?}");
        }
        // Nothing else is touched, and a later list can take it back.
        verifier.set_revocations(revocations(3, [])).unwrap();
        permit.recheck().unwrap();
    }
}

#[test]
fn an_older_or_forked_list_is_refused_and_the_present_one_stays() {
    let clock = Arc::new(ManualClock::at(NOON));
    let chain = bearer_chain("agent-42");
    let entry = RevocationEntry::Link(chain.leaf().id());
    let verifier = with_list(&clock, revocations(5, [entry]));
    assert!(matches!(
        verifier.set_revocations(revocations(4, [])),
        Err(ReloadError::Refused(RevocationError::Older {
            number: 4,
            have: 5
        }))
    ));
    assert!(matches!(
        verifier.set_revocations(revocations(5, [])),
        Err(ReloadError::Refused(RevocationError::Fork {
            number: 5,
            ..
        }))
    ));
    verifier.set_revocations(revocations(5, [entry])).unwrap();
    let evidence = Evidence::new(&verifier).with_token(chain.to_string());
    assert!(evidence.authorise(&CapabilityContract::pure()).is_err());
    let present = verifier.revocations(&root().public_key().id()).unwrap();
    assert_eq!(present.number(), 5);
}

#[test]
fn a_list_from_a_source_is_asked_from_the_next_call_on() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = Verifier::builder(store(), Arc::clone(&clock) as Arc<dyn Clock>)
        .accept_bearer()
        .build();
    let chain = bearer_chain("agent-42");
    let evidence = Evidence::new(&verifier).with_token(chain.to_string());
    let network = CapabilityContract::network();
    let (revocations, mailbox) = (Revocations::new(store()), RevocationMailbox::new());
    verifier.follow(&revocations).unwrap();
    let reload = || revocations.reload(&mailbox, verifier.latest_moment());
    let send = |number, entries: &[RevocationEntry]| {
        let entries = entries.iter().copied().collect();
        let list = RevocationList::sign(entries, number, NOON, after(3600), &root()).unwrap();
        mailbox.push(list.to_bytes());
    };
    assert_eq!(reload().unwrap(), Reloaded::Unchanged);
    assert!(
        evidence.authorise(&network).is_err(),
        "there is no list yet"
    );
    send(1, &[]);
    assert_eq!(reload().unwrap(), Reloaded::Replaced { number: 1 });
    let permit = evidence.authorise(&network).unwrap();
    send(2, &[RevocationEntry::Link(chain.links()[1].id())]);
    assert_eq!(reload().unwrap(), Reloaded::Replaced { number: 2 });
    assert_eq!(permit.recheck().unwrap_err().link(), place(2, 3));
    send(1, &[]);
    assert!(reload().is_err());
    assert!(permit.recheck().is_err(), "an older list changes nothing");
}

#[test]
fn a_root_that_is_no_longer_trusted_ends_warm_handles_and_remembered_tokens() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = with_list(&clock, revocations(1, []));
    let token = bearer_chain("agent-42").to_string();
    let network = CapabilityContract::network();
    let evidence = Evidence::new(&verifier).with_token(&*token);
    let permit = evidence.authorise(&network).unwrap();
    verifier.set_trust_store(TrustStore::new());
    let remembered = Evidence::new(&verifier).with_token(&*token);
    let refusals = [
        permit.recheck().unwrap_err(),
        evidence.authorise(&network).unwrap_err(),
        remembered.authorise(&network).unwrap_err(),
    ];
    for denied in refusals {
        assert!(matches!(
            denied.reason(),
            DenialReason::UnknownIssuer { .. }
        ));
        assert_eq!(denied.link(), place(1, 3));
    }
    let checks = verifier.signature_checks();
    verifier.set_trust_store(store());
    permit.recheck().unwrap();
    assert_eq!(
        verifier.signature_checks(),
        checks,
        "signatures cannot change"
    );
}

#[test]
fn a_permit_does_not_outlive_its_attestation() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = with_list(&clock, revocations(1, []));
    let evidence = Evidence::new(&verifier).with_token(bearer_chain("agent-42").to_string());
    let network = CapabilityContract::network();
    let permit = evidence.authorise(&network).unwrap();
    assert_eq!(permit.expires_at(), after(300));
    clock.advance_seconds(299);
    permit.recheck().unwrap();
    clock.advance_seconds(1);
    let denied = permit.recheck().unwrap_err();
    assert!(matches!(
        denied.reason(),
        DenialReason::Expired { ago_seconds: 0, .. }
    ));
    assert_eq!(
        denied.link(),
        place(3, 3),
        "the first link that is expired is named"
    );

    let remembered = Evidence::new(&verifier).with_token(bearer_chain("agent-42").to_string());
    let denied = remembered.authorise(&network).unwrap_err();
    assert!(matches!(denied.reason(), DenialReason::Expired { .. }));
}

#[test]
fn nothing_is_valid_before_it_was_issued() {
    // Or a holder could date a link after the moment up to which its links are revoked.
    let postdated = Raw {
        times: [NOON_SECONDS + 100, NOON_SECONDS, NOON_SECONDS + 1000],
        holder: None,
        ..Raw::widest(&team(), 4)
    };
    let (reason, _) = refusal(look_at(&raw_chain(&[(&postdated, &root())])));
    assert!(
        matches!(reason, DenialReason::NotYetValid { .. }),
        "{reason}"
    );
}

// What is remembered.

#[test]
fn signatures_are_checked_once() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = with_list(&clock, revocations(1, []));
    let network = CapabilityContract::network();
    let present = |chain: &AttestationChain| {
        let evidence = Evidence::new(&verifier).with_token(chain.to_string());
        evidence.authorise(&network).map(|_| ())
    };
    present(&bearer_chain("agent-42")).unwrap();
    assert_eq!(verifier.signature_checks(), 3);
    present(&bearer_chain("agent-42")).unwrap();
    assert_eq!(verifier.signature_checks(), 3, "the token is remembered");
    present(&bearer_chain("agent-43")).unwrap();
    assert_eq!(
        verifier.signature_checks(),
        4,
        "the first two links are remembered"
    );
    // What is remembered is the whole token: another signature below the same claims is another token.
    let mut forged = bearer_chain("agent-42").to_bytes();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let forged = AttestationChain::from_bytes(&forged).unwrap();
    for count in [5, 6] {
        let denied = present(&forged).unwrap_err();
        assert!(matches!(denied.reason(), DenialReason::BadSignature { .. }));
        assert_eq!(
            verifier.signature_checks(),
            count,
            "a refusal is not remembered"
        );
    }
    // A token that passed for one thing does not for another.
    let evidence = Evidence::new(&verifier).with_token(bearer_chain("agent-42").to_string());
    let denied = evidence
        .authorise(&CapabilityContract::read_only())
        .unwrap_err();
    assert!(matches!(denied.reason(), DenialReason::Insufficient { .. }));
}

#[test]
fn dear_checks_come_last() {
    let clock = Arc::new(ManualClock::at(after(300)));
    let verifier = with_list(&clock, revocations(1, []));
    let network = CapabilityContract::network();
    let refuse = |token: &str| {
        Evidence::new(&verifier)
            .with_token(token)
            .authorise(&network)
            .unwrap_err();
    };
    refuse(&bearer_chain("agent-42").to_string());
    refuse(&"x".repeat(5000));
    refuse("cnv1.AQ");
    let stranger = raw_chain(&[(&Raw::widest(&team(), 4), &key(9))]);
    refuse(&stranger.to_string());
    let wide = raw_chain(&[
        (&narrow_root(), &root()),
        (
            &Raw {
                holder: None,
                ..Raw::widest(&team(), 1)
            },
            &team(),
        ),
    ]);
    refuse(&wide.to_string());
    assert_eq!(verifier.signature_checks(), 0);
}

#[test]
fn a_flood_does_not_evict_the_hot() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = Verifier::builder(store(), Arc::clone(&clock) as Arc<dyn Clock>)
        .accept_bearer()
        .without_revocation()
        .cache_len_bytes(64 * 400)
        .build();
    let network = CapabilityContract::network();
    let present = |token: &str| {
        let evidence = Evidence::new(&verifier).with_token(token);
        let _ = evidence.authorise(&network);
    };
    let token = |subject: String| {
        CapabilityAttestation::builder(network, subject)
            .issued_at(NOON)
            .bearer()
            .sign(&root())
            .unwrap()
            .to_string()
    };
    let hot = token("hot".to_owned());
    for _ in 0..3 {
        present(&hot);
    }
    assert_eq!(verifier.signature_checks(), 1);
    // Ten times what has room: valid and cold, then junk.
    for number in 0..1500 {
        present(&token(format!("cold {number}")));
        // The hot token is in use meanwhile.
        if number % 16 == 0 {
            present(&hot);
        }
    }
    assert_eq!(
        verifier.signature_checks(),
        1501,
        "the hot token was never checked again"
    );
    for number in 0..1500 {
        let mut junk = hot.clone().into_bytes();
        let place = junk.len() - 2 - number % 60;
        junk[place] = if junk[place] == b'A' { b'B' } else { b'A' };
        present(&String::from_utf8(junk).unwrap());
    }
    let before = verifier.signature_checks();
    present(&hot);
    assert_eq!(verifier.signature_checks(), before, "junk evicts nothing");
}

#[test]
fn changes_under_load_are_never_missed() {
    let clock = Arc::new(ManualClock::at(NOON));
    let verifier = with_list(&clock, revocations(1, []));
    let chain = bearer_chain("agent-42");
    let evidence = Evidence::new(&verifier).with_token(chain.to_string());
    let network = CapabilityContract::network();
    evidence.authorise(&network).unwrap();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = evidence.authorise(&network);
                }
            });
        }
        for round in 1..300 {
            let revoked = [RevocationEntry::Link(chain.leaf().id())];
            verifier
                .set_revocations(revocations(2 * round, revoked))
                .unwrap();
            assert!(evidence.authorise(&network).is_err(), "round {round}");
            verifier
                .set_revocations(revocations(2 * round + 1, []))
                .unwrap();
            assert!(evidence.authorise(&network).is_ok(), "round {round}");
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn what_crosses_threads_may() {
    fn is_shareable<T: Send + Sync>() {}
    is_shareable::<Verifier>();
    is_shareable::<AttestationChain>();
    is_shareable::<ProofOfPossession>();
}

// Whatever comes from outside.

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), links in 0_u8..10) {
        let _ = AttestationChain::from_bytes(&bytes);
        let _ = AttestationChain::from_bytes(&[&[1, links], &bytes[..]].concat());
        let whole = three_links().to_bytes();
        let cut = bytes.len() % whole.len();
        if let Ok(chain) = AttestationChain::from_bytes(&[&whole[..cut], &bytes[..]].concat()) {
            prop_assert!(look_at(&chain).is_err());
        }
    }
}
