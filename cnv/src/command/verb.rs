//! What a verb is: its specification, and the entry that an application serves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use clap::ArgMatches;

use super::context::Context;
use super::failure::Failure;
use super::output::{Outcome, Output};
use crate::capability::CapabilityContract;
use crate::const_text::Text;
use crate::quota::Limits;

/// What a call may do to the world, as `#[verb(effect = "..")]` declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Computes from its arguments alone.
    Pure,
    /// Reads files or other local state.
    Read,
    /// Changes files or other local state.
    Write,
    /// Speaks to other machines.
    Network,
    /// May do anything, such as starting other programs.
    Dangerous,
}

impl Effect {
    /// The word that the attribute takes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Read => "read",
            Self::Write => "write",
            Self::Network => "network",
            Self::Dangerous => "dangerous",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Everything that is known of a verb before it is called.
#[derive(Debug, Clone, Copy)]
pub struct VerbSpec {
    pub(super) noun: &'static str,
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) long_about: Option<&'static str>,
    pub(super) effect: Effect,
    pub(super) contract: Option<CapabilityContract>,
    pub(super) limits: Option<Limits>,
    pub(super) function: &'static str,
    pub(super) file: &'static str,
    pub(super) line: u32,
}

impl VerbSpec {
    /// The noun that the verb stands under: `log` of `log scan`.
    #[must_use]
    pub const fn noun(&self) -> &'static str {
        self.noun
    }

    /// The verb itself: `scan` of `log scan`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The first paragraph of the function's documentation.
    #[must_use]
    pub const fn about(&self) -> &'static str {
        self.about
    }

    /// What a call may do to the world.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.effect
    }

    /// What the caller has to prove, or `None` where anyone may call.
    #[must_use]
    pub const fn contract(&self) -> Option<&CapabilityContract> {
        self.contract.as_ref()
    }

    /// The declared budget, or `None` where the function has none.
    #[must_use]
    pub const fn limits(&self) -> Option<&Limits> {
        self.limits.as_ref()
    }

    /// The path of the function, as `module_path!` has it.
    #[must_use]
    pub const fn function(&self) -> &'static str {
        self.function
    }
}

impl fmt::Display for VerbSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.noun, self.name)
    }
}

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

    /// The typed arguments, in the order of the parameters.
    fn arguments() -> Vec<clap::Arg>;

    /// Starts a call with arguments that have been parsed.
    fn invoke(cx: Context, matches: ArgMatches) -> Invocation;
}

/// One entry of `verbs![..]`.
#[derive(Clone, Copy)]
pub struct Registration {
    pub(super) spec: VerbSpec,
    pub(super) arguments: fn() -> Vec<clap::Arg>,
    pub(super) invoke: fn(Context, ArgMatches) -> Invocation,
}

impl Registration {
    /// The entry for a companion item.
    #[must_use]
    pub const fn of<V: Verb>() -> Self {
        Self {
            spec: V::SPEC,
            arguments: V::arguments,
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

/// The specification that an expansion writes down: noun and name, help, effect, contract, limits, and
/// the function with its file and line.
#[must_use]
pub const fn verb_spec(
    (noun, name): (&'static str, &'static str),
    (about, long_about): (&'static str, Option<&'static str>),
    effect: Effect,
    contract: Option<CapabilityContract>,
    limits: Option<Limits>,
    (function, file, line): (&'static str, &'static str, u32),
) -> VerbSpec {
    VerbSpec {
        noun,
        name,
        about,
        long_about,
        effect,
        contract,
        limits,
        function,
        file,
        line,
    }
}

/// Stands in where a `#[verb(..)]` has faults, so that only those are reported.
#[must_use]
pub const fn faulty_spec() -> VerbSpec {
    verb_spec(("", ""), ("", None), Effect::Pure, None, None, ("", "", 0))
}

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
            if same(spec.noun, taken.noun) && same(spec.name, taken.name) {
                let text = Text::<1024>::new()
                    .str("duplicate verb: both ")
                    .code(paths[earlier])
                    .str(" and ")
                    .code(paths[i])
                    .str(" answer to `")
                    .str(spec.noun)
                    .str(" ")
                    .str(spec.name)
                    .str("`; rename one with `#[verb(name = \"..\")]`");
                panic!("{}", text.as_str());
            }
            earlier += 1;
        }
        i += 1;
    }
}

/// Equality of text, in constants.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}
