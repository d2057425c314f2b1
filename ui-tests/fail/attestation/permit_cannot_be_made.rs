use cnv::attestation::Permit;

fn main() {
    let _ = Permit { verified: todo!() };
}
