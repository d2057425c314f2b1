use cnv::attestation::{Network, Permit};

fn keep(permit: &Permit<'_, Network>) -> Permit<'static, Network> {
    permit.clone()
}

fn main() {}
