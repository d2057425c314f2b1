//! Guards on functions of every kind, the permits that they give, and what a permit opens.

mod items;
mod permits;
mod privileged;
mod requirements;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use cnv::attestation::{
    CapabilityAttestation, CarriesEvidence, DenialReason, Denied, Evidence, ManualClock,
    PrivateKey, Timestamp, TrustStore, Verifier,
};
use cnv::capability::CapabilityContract;

const NOON: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// A caller, and how often a body ran for it.
struct Session {
    evidence: Evidence,
    runs: AtomicU32,
}

impl Session {
    fn new(evidence: Evidence) -> Self {
        Self {
            evidence,
            runs: AtomicU32::new(0),
        }
    }

    /// One that may use the network.
    fn allowed() -> Self {
        Self::new(evidence(CapabilityContract::network()))
    }

    /// One whose attestation is for something else.
    fn refused() -> Self {
        Self::new(evidence(CapabilityContract::read_write()))
    }

    fn ran(&self) -> Result<u32, Denied> {
        Ok(self.runs.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn runs(&self) -> u32 {
        self.runs.load(Ordering::Relaxed)
    }
}

impl CarriesEvidence for Session {
    fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

fn authority() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

fn verifier(audience: Option<&str>) -> Verifier {
    let mut store = TrustStore::new();
    store.add("authority", authority().public_key()).unwrap();
    let verifier = Verifier::builder(store, Arc::new(ManualClock::at(NOON)))
        .accept_bearer()
        .without_revocation()
        .build();
    verifier.set_audience(audience);
    verifier
}

fn token(contract: CapabilityContract, audience: Option<&str>) -> String {
    let mut builder = CapabilityAttestation::builder(contract, "agent-42").issued_at(NOON);
    if let Some(audience) = audience {
        builder = builder.audience(audience);
    }
    builder.bearer().sign(&authority()).unwrap().to_string()
}

fn evidence(contract: CapabilityContract) -> Evidence {
    Evidence::new(&verifier(None)).with_token(token(contract, None))
}

/// Takes every root from the verifier that the evidence is presented to: what was authorised is not any more.
fn distrust(evidence: &Evidence) {
    evidence.verifier().set_trust_store(TrustStore::new());
}

/// The result of a future in which nothing waits.
fn at_once<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing in it waits"),
    }
}

fn reason<T>(result: Result<T, Denied>) -> DenialReason {
    match result {
        Ok(_) => panic!("it has to be refused"),
        Err(denied) => denied.reason().clone(),
    }
}
