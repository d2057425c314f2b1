//! `cnv`: makes keys; issues, delegates, checks and revokes attestations; verifies audit logs; reports what calls used;
//! shows frames and traces. It is itself a cnv application.
//!
//! Its verbs ask for no attestation: they make the first one there is, and what they can do is what
//! the files of their user allow.

mod arguments;
mod attestation;
mod audit;
mod budget;
mod frames;
mod grammar;
mod key;
mod public_key;
mod publish;
mod revocation;
mod session;
mod stdin;
mod terminal;
mod trace;

use std::process::ExitCode;

use cnv::prelude::*;
use cnv::trace::{Boundary, Incoming, Sampler};

/// Counts what every call allocates.
#[global_allocator]
static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();

fn app() -> App {
    App::new("cnv")
        .about("Keys, attestations, audit logs, budgets, frames, grammars and traces")
        .version(env!("CARGO_PKG_VERSION"))
        // It has no guarded command. What `attestation verify` finds is for whoever holds or issues the token.
        .explain_denials()
        // Who looks at traces makes none.
        .trace_from_env(|tracer| {
            // What a server may have of the baggage is for the server to say.
            let own = Boundary::new(Incoming::Continue).allow_all_baggage();
            tracer.rule("trace *", Sampler::NEVER).own(own)
        })
        .verbs(verbs![
            key::new,
            key::import,
            key::show,
            key::rotate,
            attestation::issue,
            attestation::delegate,
            attestation::inspect,
            attestation::verify,
            attestation::revoke,
            revocation::sign,
            revocation::show,
            revocation::merge,
            audit::verify,
            audit::tail,
            audit::prove,
            audit::checkpoint,
            budget::report,
            frames::show,
            frames::layout,
            grammar::show,
            grammar::diff,
            grammar::check,
            grammar::overlay,
            session::call,
            trace::show,
        ])
        .shorthand("call", "session", "call")
}

fn main() -> ExitCode {
    app().main()
}

#[cfg(test)]
mod tests {
    use cnv::command::FailureCode;

    #[test]
    fn the_application_starts() {
        super::app().check().unwrap();
    }

    #[test]
    fn a_wrong_value_is_a_usage_error_under_any_noun() {
        for words in [
            ["audit", "tail", "folder", "--count", "x"].as_slice(),
            &["trace", "show", "--last", "x"],
        ] {
            let failure = super::app().call_blocking(words).result.unwrap_err();
            assert_eq!(failure.code(), FailureCode::Usage, "{failure}");
        }
    }
}
