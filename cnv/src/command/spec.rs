//! What is known of a verb before it is called.

use std::fmt;

use crate::capability::CapabilityContract;
use crate::grammar::Effect;
use crate::quota::Limits;

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
