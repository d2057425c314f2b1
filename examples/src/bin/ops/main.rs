//! `ops`: looks after logs and directory trees. Every command is an ordinary function with attributes.

mod log;
mod tree;

use std::process::ExitCode;

use cnv::prelude::*;
use cnv::session::SessionLimits;

/// Counts what every call allocates.
#[global_allocator]
static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();

fn app() -> App {
    App::new("ops")
        .about("Looks after logs and directory trees")
        .version(env!("CARGO_PKG_VERSION"))
        .verbs(verbs![log::scan, log::tail, tree::digest])
        // Roots are the operator's to name, in `CNV_TRUST`. On one machine, short-lived bearer tokens and no list are enough
        // to begin with; `CNV_REVOCATIONS` names a list.
        .sessions(SessionLimits::default())
        .accept_bearer()
        .without_revocation()
}

fn main() -> ExitCode {
    app().main()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_application_starts() {
        super::app().check().unwrap();
    }
}
