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
    pub(super) aliases: &'static [&'static str],
    pub(super) deprecated: Option<&'static str>,
    pub(super) idempotent: bool,
    pub(super) about: &'static str,
    pub(super) long_about: Option<&'static str>,
    pub(super) effect: Effect,
    pub(super) contract: Option<CapabilityContract>,
    pub(super) limits: Option<Limits>,
    pub(super) traced_fields: &'static [&'static str],
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

    /// Other names of the verb under its noun.
    #[must_use]
    pub const fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// What to use in its place, where it should not be used any more.
    #[must_use]
    pub const fn deprecated(&self) -> Option<&'static str> {
        self.deprecated
    }

    /// Whether a call may be made again after one whose end is not known: so it says, or it changes nothing.
    #[must_use]
    pub const fn is_idempotent(&self) -> bool {
        self.idempotent || matches!(self.effect, Effect::Pure | Effect::Read)
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

    /// The arguments whose values spans may have, as the verb's `trace(fields(..))` names them. No other value is recorded.
    #[must_use]
    pub const fn traced_fields(&self) -> &'static [&'static str] {
        self.traced_fields
    }

    /// The path of the function, as `module_path!` has it.
    #[must_use]
    pub const fn function(&self) -> &'static str {
        self.function
    }
}

impl VerbSpec {
    /// A name under which both verbs answer.
    pub(super) const fn shared_name(&self, other: &Self) -> Option<&'static str> {
        if !same(self.noun, other.noun) {
            return None;
        }
        let mut i = 0;
        while i <= self.aliases.len() {
            let name = self.name_or_alias(i);
            let mut j = 0;
            while j <= other.aliases.len() {
                if same(name, other.name_or_alias(j)) {
                    return Some(name);
                }
                j += 1;
            }
            i += 1;
        }
        None
    }

    /// The name at 0, then the aliases.
    const fn name_or_alias(&self, i: usize) -> &'static str {
        match i.checked_sub(1) {
            Some(i) => self.aliases[i],
            None => self.name,
        }
    }
}

impl fmt::Display for VerbSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.noun, self.name)
    }
}

/// The specification that an expansion writes down: noun, name and aliases; help and what to use instead; effect, and
/// whether it is idempotent; contract, limits, and the function with its file and line.
#[must_use]
pub const fn verb_spec(
    (noun, name, aliases): (&'static str, &'static str, &'static [&'static str]),
    (about, long_about, deprecated): (&'static str, Option<&'static str>, Option<&'static str>),
    (effect, idempotent): (Effect, bool),
    contract: Option<CapabilityContract>,
    limits: Option<Limits>,
    (function, file, line): (&'static str, &'static str, u32),
) -> VerbSpec {
    VerbSpec {
        noun,
        name,
        aliases,
        deprecated,
        idempotent,
        about,
        long_about,
        effect,
        contract,
        limits,
        traced_fields: &[],
        function,
        file,
        line,
    }
}

/// A specification of a verb that lets spans have the values of these arguments.
#[must_use]
pub const fn traced(spec: VerbSpec, fields: &'static [&'static str]) -> VerbSpec {
    VerbSpec {
        traced_fields: fields,
        ..spec
    }
}

/// Stands in where a `#[verb(..)]` has faults, so that only those are reported.
#[must_use]
pub const fn faulty_spec() -> VerbSpec {
    let effect = (Effect::Pure, false);
    verb_spec(
        ("", "", &[]),
        ("", None, None),
        effect,
        None,
        None,
        ("", "", 0),
    )
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
