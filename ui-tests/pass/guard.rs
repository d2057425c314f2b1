//! Guards on functions of every kind that can carry one.

use std::sync::Arc;

use cnv::attestation::{CarriesEvidence, Denied, Evidence, SystemClock, TrustStore, Verifier, development_authority};
use cnv::capability::CapabilityContract;
use cnv::requires_attestation;

struct Session {
    evidence: Evidence,
}

impl CarriesEvidence for Session {
    fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

impl Session {
    #[requires_attestation(network, via = self)]
    fn send(&self, text: &str) -> Result<usize, Denied> {
        Ok(text.len())
    }
}

#[requires_attestation(read_only, via = session)]
fn generic<T: Default>(session: &Session) -> Result<T, Box<dyn std::error::Error>> {
    Ok(T::default())
}

#[requires_attestation(dangerous, via = evidence)]
async fn later(evidence: Evidence) -> Result<u8, Denied> {
    Ok(1)
}

fn main() {
    let clock = Arc::new(SystemClock);
    let evidence = development_authority(CapabilityContract::network(), clock.clone()).unwrap();
    let allowed = Session { evidence };
    assert_eq!(allowed.send("abc").unwrap(), 3);
    assert!(generic::<u8>(&allowed).is_err(), "network does not cover reading");
    let nothing = Session {
        evidence: Evidence::new(&Verifier::builder(TrustStore::new(), clock).build()),
    };
    assert!(nothing.send("abc").is_err());
    let _ = later;
}
