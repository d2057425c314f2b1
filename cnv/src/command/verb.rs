//! What a companion item implements, and the entry that an application serves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use clap::ArgMatches;

use super::context::Context;
use super::failure::Failure;
use super::output::{Outcome, Output};
use super::spec::VerbSpec;
use crate::const_text::Text;
use crate::recovery::Policy;

/// A running call.
pub type Invocation = Pin<Box<dyn Future<Output = Result<Output, Failure>> + Send>>;

/// The companion of a function with `#[verb(..)]`. Only the attribute implements it.
#[diagnostic::on_unimplemented(
    message = "this path names no verb",
    label = "no `#[verb(..)]` stands on this function",
    note = "put `#[verb(noun = \"..\", effect = \"..\")]` on the function, or take the path out of `verbs![..]`"
)]
pub trait Verb {
    /// What is known before a call.
    const SPEC: VerbSpec;

    /// Whether a call gives its thread away only when it is over.
    const IS_BLOCKING: bool = false;

    /// The policy that the handler runs under.
    #[must_use]
    fn policy() -> Option<&'static Policy> {
        None
    }

    /// The typed arguments, in the order of the parameters.
    fn arguments() -> Vec<clap::Arg>;

    /// The JSON Schema of what a call returns, where its type has one.
    #[must_use]
    fn output() -> Option<serde_json::Value> {
        None
    }

    /// Starts a call with arguments that have been parsed.
    fn invoke(cx: Context, matches: ArgMatches) -> Invocation;
}

/// One entry of `verbs![..]`.
#[derive(Clone, Copy)]
pub struct Registration {
    pub(super) spec: VerbSpec,
    pub(super) arguments: fn() -> Vec<clap::Arg>,
    pub(super) output: fn() -> Option<serde_json::Value>,
    #[cfg(feature = "session")]
    pub(super) is_blocking: bool,
    pub(super) policy: fn() -> Option<&'static Policy>,
    pub(super) invoke: fn(Context, ArgMatches) -> Invocation,
}

impl Registration {
    /// The entry for a companion item.
    #[must_use]
    pub const fn of<V: Verb>() -> Self {
        Self {
            spec: V::SPEC,
            arguments: V::arguments,
            output: V::output,
            #[cfg(feature = "session")]
            is_blocking: V::IS_BLOCKING,
            policy: V::policy,
            invoke: V::invoke,
        }
    }

    /// What is known of the verb before a call.
    #[must_use]
    pub const fn spec(&self) -> &VerbSpec {
        &self.spec
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

/// The arguments of a verb.
pub type Arguments = Vec<clap::Arg>;

/// The arguments in the order of the parameters.
#[must_use]
pub fn arguments<const N: usize>(arguments: [clap::Arg; N]) -> Arguments {
    arguments.into()
}

/// The call as a future that the pipeline can hold.
pub fn invocation(
    call: impl Future<Output = Result<Output, Failure>> + Send + 'static,
) -> Invocation {
    Box::pin(call)
}

/// What a handler returned, as output.
///
/// # Errors
///
/// The handler's own.
pub fn outcome<R: Outcome>(returned: R) -> Result<Output, Failure> {
    returned.into_output()
}

/// The entry of a verb, in a constant.
#[must_use]
pub const fn registration<V: Verb>() -> Registration {
    Registration::of::<V>()
}

/// Refuses a list in which two paths answer to the same noun and verb.
///
/// # Panics
///
/// On such a list; in a constant that is a compile error.
#[track_caller]
pub const fn assert_distinct(paths: &[&str], verbs: &[Registration]) {
    let mut i = 0;
    while i < verbs.len() {
        let spec = &verbs[i].spec;
        let mut earlier = 0;
        // A faulty verb has no noun; its faults are reported where it stands.
        while earlier < i && !spec.noun.is_empty() {
            let taken = &verbs[earlier].spec;
            if let Some(name) = spec.shared_name(taken) {
                let text = Text::<1024>::new()
                    .str("duplicate verb: both ")
                    .code(paths[earlier])
                    .str(" and ")
                    .code(paths[i])
                    .str(" answer to `")
                    .str(spec.noun)
                    .str(" ")
                    .str(name)
                    .str("`; rename one with `#[verb(name = \"..\")]`");
                panic!("{}", text.as_str());
            }
            earlier += 1;
        }
        i += 1;
    }
}
