//! `ops`: looks after logs, directory trees and services. Every command is an ordinary function with attributes.

mod http;
mod log;
mod tree;

use std::process::ExitCode;

use cnv::command::recovery_control;
use cnv::prelude::*;
use cnv::session::SessionLimits;
use cnv::trace::TracerBuilder;

/// Counts what every call allocates.
#[global_allocator]
static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();

fn app() -> App {
    App::new("ops")
        .about("Looks after logs, directory trees and services")
        .version(env!("CARGO_PKG_VERSION"))
        .verbs(verbs![http::get, log::scan, log::tail, tree::digest])
        // How the policy of `http get` stands, for whoever calls a server of this program.
        .verbs(recovery_control())
        // Roots are the operator's to name, in `CNV_TRUST`. On one machine, short-lived bearer tokens and no list are enough
        // to begin with; `CNV_REVOCATIONS` names a list.
        .sessions(SessionLimits::default())
        // Where spans go, `OTEL_EXPORTER_OTLP_ENDPOINT` and `CNV_TRACE_FILE` say.
        .trace_from_env(TracerBuilder::keep_errors)
        .accept_bearer()
        .without_revocation()
}

fn main() -> ExitCode {
    // Where spans go is the operator's to say, in OpenTelemetry's variables or `CNV_TRACE_FILE`.
    let (tracer, warnings) = TracerBuilder::from_env("ops");
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    match tracer.keep_errors().build() {
        Ok(tracer) => app().trace(tracer).main(),
        Err(error) => {
            eprintln!("warning: nothing is traced: {error}");
            app().main()
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_application_starts() {
        super::app().check().unwrap();
    }
}
