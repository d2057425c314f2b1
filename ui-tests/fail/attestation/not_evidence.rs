use cnv::attestation::Denied;
use cnv::requires_attestation;

#[requires_attestation(network, via = host)]
fn send(host: &str) -> Result<usize, Denied> {
    Ok(host.len())
}

fn main() {
    let _ = send("example");
}
