//! Commands: functions that people and agents call by noun and verb, through one pipeline.
//!
//! A command that an agent may call has to say what it does to the world, what it may use and who may
//! call it, and something has to hold it to that wherever the call comes from. Here all of it stands on
//! the function, and every door leads through the same stages: resolve, authorise, admit, run,
//! receipt. Registration is explicit, with [`verbs!`](crate::verbs): a registry that fills itself at
//! link time loses commands silently when nothing refers to their crate.
//!
//! Start with [`App`], [`verb`](macro@crate::verb) and [`Context`].
//!
//! ```
//! use cnv::prelude::*;
//!
//! /// Greets someone.
//! #[verb(noun = "greeting", effect = "pure")]
//! fn say(
//!     /// Whom to greet
//!     name: String,
//!     #[arg(long, default_value_t = 1)] times: usize,
//! ) -> Result<Vec<String>, Failure> {
//!     Ok(vec![format!("hello, {name}"); times])
//! }
//!
//! let app = App::new("hello").verbs(verbs![say]);
//! let reply = app.call_blocking(["greeting", "say", "world", "--times", "2"]);
//! assert_eq!(reply.result.unwrap().as_json(), r#"["hello, world","hello, world"]"#);
//! ```
//!
//! # What every command has
//!
//! `--output table|json|yaml`, `--json`, `--frames`, `--dry-run`, `--timeout TIME`, `--attestation
//! TOKEN|@FILE` (`CNV_ATTESTATION`), `--transaction ID` (`CNV_TRANSACTION`), `--quiet`, and, where the program leaves its
//! roots to its operator, `--trust FILE` (`CNV_TRUST`). Results go to standard output, everything else to standard error;
//! `NO_COLOR`, `CLICOLOR_FORCE` and `TERM=dumb` are respected. Exit codes: 0 ok, 1 failed, 2 usage, 7 deadline, 8
//! attestation, 9 budget, 10 unavailable, 101 panicked, 130 interrupted.
//!
//! `CNV_KEY` names the private key's file of whoever holds the attestation, `CNV_REVOCATIONS` the files of the
//! roots' revocation lists, separated as in `PATH`, `CNV_STATE` a folder that keeps time and lists from going back between runs, `CNV_AUDIT` and `CNV_AUDIT_KEY` a folder for audit logs and the key's file that signs them. Secrets are never
//! read from the command line, apart from a bearer token that somebody writes there in place of `@FILE`. With the feature
//! `trace`, `TRACEPARENT`, `TRACESTATE` and `BAGGAGE` say which trace the call belongs to, and an over-long or wrong one counts
//! for nothing.
//!
//! # What is made from the commands
//!
//! Before any command: `--grammar` prints all of them as JSON (see [`grammar`](crate::grammar)). With the feature
//! `completions`, `--completions SHELL` prints a script for bash, elvish, fish, PowerShell or zsh; with `man`, `--man FOLDER`
//! writes manual pages, one for the application and one for each verb. All are the same on every build.
//!
//! # Who is told what
//!
//! The caller of a denied command hears that it was denied, for which command and capability, and the number of the call.
//! The audit log has the reason under that number. [`App::explain_denials`] is for programs whose caller is their operator.
//! What is wrong with what the caller brought, such as a file with a token that cannot be read, is told in any case.
//!
//! Roots and lists decide who may act, so they come from the program, or from the environment of whoever operates it; an
//! agent that sets its own environment is its own operator. Without roots every guarded command is denied, unless the
//! program asks for [`App::development`].
//!
//! # Limits
//!
//! Opening a named pipe waits for its other end, and neither a deadline nor the first interrupt is noticed
//! meanwhile; the second interrupt always ends the process.
//!
//! A deadline and an interrupt reach a handler at its `.await`s and where it asks
//! [`Context::checkpoint`]; a handler that does neither runs to its end. With `--frames` one item is at
//! most 1 MiB.
//!
//! Needs the feature `command`, which is on by default.

mod app;
pub(crate) mod argument;
mod audit;
mod cli;
mod context;
mod deciding;
mod denial;
mod display;
mod documents;
mod evidence;
mod failure;
mod grammar;
#[cfg(feature = "reload")]
mod live;
mod log;
#[cfg(feature = "man")]
mod man;
#[cfg(feature = "trace")]
mod metrics;
#[cfg(not(feature = "trace"))]
#[path = "uncounted.rs"]
mod metrics;
mod output;
mod pipeline;
mod progress;
mod receipt;
pub(crate) mod recovery;
mod recovery_control;
pub(crate) mod returned;
#[cfg(feature = "session")]
mod serve;
#[cfg(feature = "session")]
mod served;
#[cfg(feature = "session")]
mod session_server;
pub(crate) mod spec;
mod stopped;
mod stream;
mod table;
#[cfg(feature = "trace")]
mod traced;
#[cfg(not(feature = "trace"))]
#[path = "untraced.rs"]
mod traced;
pub(crate) mod verb;
mod version;

pub use crate::grammar::Effect;
pub use crate::transaction::{TransactionId, TransactionIdError};
pub use app::{App, Fault, Faults};
pub use cli::parse_duration;
pub use context::{CallId, Context};
pub use failure::{Failure, FailureCode};
#[cfg(feature = "reload")]
pub use live::{LiveGrammar, LiveState, LiveStatus, NotReloaded, Overlaid, Watch, grammar_control};
pub use output::{Drawn, Outcome, Output};
pub use pipeline::Reply;
pub use progress::Progress;
pub use receipt::{AttestedBy, Receipt};
pub use recovery::Decided;
pub use recovery_control::recovery_control;
#[cfg(feature = "session")]
pub use session_server::{Drained, ServeError, SessionServer};
pub use spec::VerbSpec;
pub use stopped::Stopped;
pub use stream::{LogLevel, Stdout};
pub use verb::{Invocation, Registration, Verb};
pub use version::SwitchedOff;
