//! Guards on functions of every kind that can carry one.

use std::sync::Arc;

use cnv::attestation::{
    CarriesEvidence, Covers, Denied, Evidence, Network, Permit, ReadOnly, SystemClock, TrustStore, Verifier,
    development_authority,
};
use cnv::capability::CapabilityContract;
use cnv::privileged::file;
use cnv::{budget, requires_attestation};

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

trait Fetch {
    fn fetch(&self) -> Result<usize, Denied>;

    #[requires_attestation(network, via = evidence)]
    fn provided(&self, evidence: &Evidence) -> Result<usize, Denied> {
        self.fetch()
    }
}

impl Fetch for Session {
    #[requires_attestation(network, safety = "reversible", via = self)]
    fn fetch(&self, permit: Permit<'_, Network>) -> Result<usize, Denied> {
        permit.recheck()?;
        Ok(permit.subject().len())
    }
}

fn look(permit: &Permit<'_, impl Covers<ReadOnly>>) -> bool {
    file::open(permit, "/").is_ok()
}

#[budget(cpu = "1ms", io = 1)]
#[requires_attestation(read_write, band = "small", audience = "reader", via = evidence)]
fn read(evidence: Evidence, permit: Permit<'_, ReadOnly>) -> Result<bool, Denied> {
    drop(evidence);
    Ok(look(&permit))
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
    assert_eq!((&allowed as &dyn Fetch).fetch().unwrap(), "development".len());
    assert!(allowed.provided(&allowed.evidence).is_ok());
    assert!(cnv::run!(read(allowed.evidence.clone())).is_err());
    assert!(generic::<u8>(&allowed).is_err(), "network does not cover reading");
    let nothing = Session {
        evidence: Evidence::new(&Verifier::builder(TrustStore::new(), clock).build()),
    };
    assert!(nothing.send("abc").is_err());
    let _ = later;
}
