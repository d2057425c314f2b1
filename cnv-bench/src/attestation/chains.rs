//! Chains of three links, as an authority, a team and a service make them.

use cnv::attestation::{
    AttestationChain, CapabilityAttestation, PrivateKey, Timestamp, TrustStore,
};
use cnv::capability::CapabilityContract;

/// When everything takes place.
pub const NOON: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// How long everything is valid, in seconds.
pub const TTL: u64 = 24 * 60 * 60;

/// The key pair number `number`.
pub fn key(number: u64) -> PrivateKey {
    let mut seed = [0x5a; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    PrivateKey::from_seed(&seed)
}

/// Whoever believes key 1.
pub fn store() -> TrustStore {
    let mut store = TrustStore::new();
    store.add("root", key(1).public_key()).expect("the first");
    store
}

/// The root's link, for whoever has `team`.
pub fn root_link(name: &str, team: &PrivateKey) -> AttestationChain {
    CapabilityAttestation::builder(CapabilityContract::network(), name)
        .issued_at(NOON)
        .ttl(TTL)
        .held_by(&team.public_key())
        .sign(&key(1))
        .expect("within its rules")
        .try_into()
        .expect("signed")
}

/// One link more, from `from` to `to`.
pub fn pass_on(
    chain: &AttestationChain,
    name: &str,
    from: &PrivateKey,
    to: &PrivateKey,
) -> AttestationChain {
    chain
        .delegate(name)
        .issued_at(NOON)
        .ttl(TTL)
        .held_by(&to.public_key())
        .sign(from)
        .expect("no more than it has")
}

/// A last link, for a bearer.
pub fn to_bearer(chain: &AttestationChain, name: &str, from: &PrivateKey) -> AttestationChain {
    chain
        .delegate(name)
        .issued_at(NOON)
        .ttl(TTL)
        .bearer()
        .sign(from)
        .expect("no more than it has")
}

/// Three links whose last is a bearer's. Keys 2 and 3 hold the others, whatever the number.
pub fn bearer_chain(number: usize) -> AttestationChain {
    let (team, service) = (key(2), key(3));
    let name = |what: &str| format!("{what}-{number}");
    let two = pass_on(
        &root_link(&name("team"), &team),
        &name("service"),
        &team,
        &service,
    );
    to_bearer(&two, &name("agent"), &service)
}

/// Three links of which each names a key, and another for each number.
pub fn held_chain(number: usize) -> AttestationChain {
    let first = 10 + 3 * number as u64;
    let [team, service, agent] = [first, first + 1, first + 2].map(key);
    let two = pass_on(&root_link("team", &team), "service", &team, &service);
    pass_on(&two, "agent", &service, &agent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chains_are_what_they_are_said_to_be() {
        let network = CapabilityContract::network();
        for chain in [bearer_chain(7), held_chain(7)] {
            assert_eq!(chain.links().len(), 3);
            store()
                .verify_token(&chain.to_string(), &network, None, NOON)
                .expect("trusted");
        }
        let holders = |chain: &AttestationChain| {
            chain
                .links()
                .iter()
                .map(|link| link.holder_key())
                .collect::<Vec<_>>()
        };
        assert_eq!(holders(&bearer_chain(1)), holders(&bearer_chain(2)));
        assert_ne!(holders(&held_chain(1)), holders(&held_chain(2)));
    }
}
