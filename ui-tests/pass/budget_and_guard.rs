//! A method that is guarded and has a budget: the guard comes first.

use cnv::attestation::{Denied, Evidence, SystemClock, TrustStore, Verifier};
use cnv::{budget, requires_attestation, run, spend};
use std::sync::Arc;

struct Service;

impl Service {
    #[budget(io = 1)]
    #[requires_attestation(network, via = evidence)]
    fn method(&self, evidence: &Evidence) -> Result<(), Denied> {
        Ok(())
    }

    #[requires_attestation(network, via = evidence)]
    #[budget(io = 1)]
    fn made(evidence: &Evidence) -> Result<Self, Denied> {
        Ok(Self)
    }
}

#[budget(io = 2)]
fn both(evidence: &Evidence) -> Result<(), Denied> {
    let service = spend!(Service::made(evidence))?;
    spend!(service.method(evidence))
}

fn main() {
    let nothing = Evidence::new(&Verifier::builder(TrustStore::new(), Arc::new(SystemClock)).build());
    assert!(run!(Service.method(&nothing)).is_err());
    assert!(run!(both(&nothing)).is_err());
}
