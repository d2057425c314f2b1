use cnv::attestation::{Class, Evidence, Requirement};
use cnv::capability::CapabilityClass;

enum Everything {}

impl Class for Everything {
    const CLASS: CapabilityClass = CapabilityClass::Pure;
}

fn permits(evidence: &Evidence) {
    let _ = evidence.permit(&Requirement::<u8>::new());
}

fn main() {}
