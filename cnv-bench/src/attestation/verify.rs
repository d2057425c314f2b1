//! Goals 1 to 5 and 11: chains that are seen for the first time, and the length of a token.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use biscuit_auth::builder::{AuthorizerBuilder, BiscuitBuilder, BlockBuilder};
use biscuit_auth::{AuthorizerLimits, Biscuit, KeyPair};
use cnv::attestation::{Evidence, ManualClock, Verifier};
use cnv::capability::CapabilityContract;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::chains::{NOON, bearer_chain, held_chain, key, pass_on, root_link, store, to_bearer};
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Measured, Ratio, Settings, measure};

/// One, and three, of the unit: a strict check of a signature, with a key that is a point already.
const ONE_CHECK: &str = "verify_strict";
const THREE_CHECKS: &str = "3 x verify_strict";
/// What a new key costs beside its signature: the point, and that it is in the prime-order subgroup.
const TWO_TORSION_CHECKS: &str = "2 x is_torsion_free";
const KEYS_KNOWN: &str = "3 links, keys known";
/// The keys of the second and the third signature. The root's is known to whoever believes it.
const KEYS_NEW: &str = "3 links, 2 keys new";
/// And the key of whoever holds the last link, for the proof of possession that follows.
const HOLDER_NEW: &str = "3 links, 3 keys new";
const TWO_CACHED: &str = "third link new";
const BISCUIT: &str = "biscuit-auth, 3 blocks";

/// A signature of as many bytes as a link has.
struct Signed {
    key: VerifyingKey,
    message: [u8; 128],
    signature: Signature,
}

impl Signed {
    fn numbered(number: u8) -> Self {
        let key = SigningKey::from_bytes(&[number; 32]);
        let message = [number; 128];
        Self {
            key: key.verifying_key(),
            signature: key.sign(&message),
            message,
        }
    }

    fn check(&self) {
        let Self {
            key,
            message,
            signature,
        } = black_box(self);
        key.verify_strict(message, signature).expect("signed");
    }
}

/// Tokens of which each pass takes the next. A verifier has seen none of them when the first round begins.
struct Tokens {
    tokens: Vec<String>,
    next: usize,
}

impl Tokens {
    fn new(settings: Settings, token: impl Fn(usize) -> String) -> Self {
        // Two passes a round on the slowest of processors, and room for faster ones.
        let count = 4 * settings.rounds + 64;
        Self {
            tokens: (0..count).map(token).collect(),
            next: 0,
        }
    }

    /// The next token, and whether all were used once more.
    fn next(&mut self) -> (&str, bool) {
        let place = self.next % self.tokens.len();
        let is_again = place == 0 && self.next > 0;
        self.next += 1;
        (&self.tokens[place], is_again)
    }
}

fn verifier() -> Verifier {
    Verifier::builder(store(), Arc::new(ManualClock::at(NOON)))
        .accept_bearer()
        .without_revocation()
        .build()
}

fn authorise(verifier: &Verifier, token: &str) {
    let evidence = Evidence::new(verifier).with_token(token);
    let network = CapabilityContract::network();
    black_box(evidence.authorise(&network).expect("allowed"));
}

/// Tokens that a verifier meets for the first time, after it met `before`.
fn first_sights(mut tokens: Tokens, before: String) -> impl FnMut() {
    let fresh = move || {
        let verifier = verifier();
        authorise(&verifier, &before);
        verifier
    };
    let mut verifier = fresh();
    move || {
        let (token, is_again) = tokens.next();
        if is_again {
            verifier = fresh();
        }
        authorise(&verifier, token);
    }
}

/// An authority's block and two that narrow it, each with the checks that a link of cnv has: what may be done, until when,
/// and where.
struct OfBiscuit {
    token: Vec<u8>,
    root: biscuit_auth::PublicKey,
    authorizer: AuthorizerBuilder,
}

impl OfBiscuit {
    fn new() -> Self {
        let root = KeyPair::new();
        let checks =
            "check if time($t), $t < 2027-02-01T00:00:00Z; check if audience(\"fetcher\");";
        let narrower = || {
            let code = format!("check if operation(\"network\"); {checks}");
            BlockBuilder::new().code(code).expect("Datalog")
        };
        let token = BiscuitBuilder::new()
            .code(format!("right(\"network\"); {checks}"))
            .expect("Datalog")
            .build(&root)
            .and_then(|token| token.append(narrower()))
            .and_then(|token| token.append(narrower()))
            .and_then(|token| token.to_vec())
            .expect("a token");
        let code = "time(2027-01-15T08:00:00Z); audience(\"fetcher\"); operation(\"network\"); \
                    allow if right(\"network\");";
        Self {
            token,
            root: root.public(),
            authorizer: AuthorizerBuilder::new().code(code).expect("Datalog"),
        }
    }

    fn check(&self) {
        let token = Biscuit::from(black_box(&self.token), self.root).expect("signed");
        assert_eq!(token.block_count(), 3);
        let mut authorizer = self.authorizer.clone().build(&token).expect("facts");
        // A busy machine is no reason to refuse.
        let limits = AuthorizerLimits {
            max_time: Duration::from_secs(10),
            ..AuthorizerLimits::default()
        };
        let policy = authorizer.authorize_with_limits(limits);
        black_box(policy.expect("allowed"));
    }
}

fn measured(settings: Settings) -> Measured {
    let signed = [1, 2, 3].map(Signed::numbered);
    let keys_known = first_sights(
        Tokens::new(settings, |number| bearer_chain(number).to_string()),
        bearer_chain(usize::MAX).to_string(),
    );
    let (team, service) = (key(2), key(3));
    let two = pass_on(&root_link("team", &team), "service", &team, &service);
    let third = |name: &str| to_bearer(&two, name, &service).to_string();
    let two_cached = first_sights(
        Tokens::new(settings, |number| third(&format!("agent-{number}"))),
        third("first"),
    );
    // A store remembers nothing, so that every key is new to it each time.
    let store = store();
    let [bearer, held] = [bearer_chain(0), held_chain(0)].map(|chain| chain.to_string());
    let network = CapabilityContract::network();
    let trusted = |token: &String| {
        store
            .verify_token(black_box(token), &network, None, NOON)
            .expect("trusted")
    };
    let biscuit = OfBiscuit::new();
    let contenders = vec![
        Contender::new(ONE_CHECK, || signed[0].check()),
        Contender::new(THREE_CHECKS, || signed.iter().for_each(Signed::check)),
        Contender::new(TWO_TORSION_CHECKS, || {
            signed[1..]
                .iter()
                .all(|signed| black_box(&signed.key).to_edwards().is_torsion_free())
        }),
        Contender::new(KEYS_KNOWN, keys_known),
        Contender::new(KEYS_NEW, || trusted(&bearer)),
        Contender::new(HOLDER_NEW, || trusted(&held)),
        Contender::new(TWO_CACHED, two_cached),
        Contender::new(BISCUIT, || biscuit.check()),
    ];
    measure("a chain, cold", 1, settings, contenders)
}

/// Measures them.
pub fn run(settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    let measured = measured(settings);
    let goal = |number, text: &str, part: &str, bound: Option<f64>, measured| Goal {
        number,
        text: text.into(),
        part: part.into(),
        wanted: bound.map_or(Wanted::ForInformation, Wanted::AtMost),
        measured,
    };
    let over_three = |name| measured.time_over(name, &[THREE_CHECKS]);
    let over_biscuit = |name| measured.time_over(name, &[BISCUIT]);
    let checks = "cold chain of 3 / 3 x verify_strict";
    let biscuit = "cold chain of 3 / biscuit-auth's full check of 3 blocks";
    let longest = [bearer_chain(4711), held_chain(0)].map(|chain| chain.to_string().len());
    let goals = vec![
        goal(1, checks, "keys known", Some(1.08), over_three(KEYS_KNOWN)),
        goal(
            2,
            checks,
            "2 keys new, without their torsion checks",
            Some(1.25),
            without_torsion_checks(&measured),
        ),
        goal(3, checks, "2 keys new", Some(1.75), over_three(KEYS_NEW)),
        goal(3, checks, "3 keys new", None, over_three(HOLDER_NEW)),
        goal(
            4,
            biscuit,
            "keys known",
            Some(0.80),
            over_biscuit(KEYS_KNOWN),
        ),
        goal(4, biscuit, "2 keys new", None, over_biscuit(KEYS_NEW)),
        goal(
            5,
            "chain of 3 / verify_strict",
            "2 links cached",
            Some(1.25),
            measured.time_over(TWO_CACHED, &[ONE_CHECK]),
        ),
        goal(
            11,
            "length of a token",
            "3 links, bytes",
            Some(600.0),
            Ratio::exact(longest.into_iter().max().unwrap_or(0) as f64),
        ),
    ];
    (vec![Group::from(&measured)], goals)
}

/// The library has no way to leave the torsion check out; what it takes by itself is taken off.
fn without_torsion_checks(measured: &Measured) -> Ratio {
    let ns = |name| measured.ns(name).median;
    Ratio::exact((ns(KEYS_NEW) - ns(TWO_TORSION_CHECKS)) / ns(THREE_CHECKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_met_for_the_first_time_each_time() {
        let settings = Settings {
            rounds: 1,
            slice: Duration::ZERO,
        };
        let mut tokens = Tokens::new(settings, |number| bearer_chain(number).to_string());
        let verifier = verifier();
        authorise(&verifier, &bearer_chain(usize::MAX).to_string());
        for seen in 1..=tokens.tokens.len() {
            authorise(&verifier, tokens.next().0);
            assert_eq!(verifier.signature_checks(), 3 + 3 * seen as u64);
        }
        assert!(tokens.next().1);
    }

    #[test]
    fn biscuit_refuses_what_it_should() {
        OfBiscuit::new().check();
        let mut changed = OfBiscuit::new();
        let middle = changed.token.len() / 2;
        changed.token[middle] ^= 1;
        assert!(Biscuit::from(&changed.token, changed.root).is_err());
    }
}
