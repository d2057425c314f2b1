use cnv::command::Context;
use cnv::prelude::*;

#[requires_attestation(network)]
struct Service;

#[requires_attestation(network)]
impl Service {
    fn of_a_block(&self) {}
}

impl Service {
    #[requires_attestation(network)]
    fn no_evidence(&self) -> Result<(), Denied> {
        Ok(())
    }
}

#[requires_attestation(network)]
trait Fetch {
    #[requires_attestation(network)]
    fn fetch(&self, cx: &Context) -> Result<(), Denied>;
}

trait Send {
    #[requires_attestation(network)]
    fn send(&self, cx: &Context) -> Result<(), Denied>;
}

#[requires_attestation(network)]
extern "C" fn foreign(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network)]
mod module {}

#[requires_attestation(network)]
type Alias = u8;

fn main() {}
