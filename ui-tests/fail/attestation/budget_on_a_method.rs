use cnv::command::Context;
use cnv::prelude::*;

struct Service;

impl Service {
    #[budget(io = 1)]
    #[requires_attestation(network)]
    fn method(&self, cx: &Context) -> Result<(), Denied> {
        Ok(())
    }

    #[requires_attestation(network)]
    #[budget(io = 1)]
    fn associated(cx: &Context) -> Result<Self, Denied> {
        Ok(Self)
    }
}

trait Provides {
    #[budget(io = 1)]
    fn provided(&self) {}
}

fn main() {}
