//! A grammar as data: what an application's callers may say, and what they get.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::effect::Effect;
use super::schema::{sorted, without_notes};
use crate::audit::Digest;
use crate::capability::CapabilityContract;
use crate::quota::{BudgetInfo, Limits, UNLIMITED};

/// The version of the form in which a grammar is written down.
pub const SCHEMA: u32 = 1;

/// What the digest of a grammar covers: its application's name and its verbs, as the next one does.
const GRAMMAR_TAG: &str = "cnv grammar 1";

/// What the digest of one verb covers: the verb as JSON, without what only people read.
const VERB_TAG: &str = "cnv verb 1";

/// All that an application's callers may say. Sorted by noun and verb, so that it is the same on every build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Grammar {
    /// The version of the form itself: [`SCHEMA`].
    pub schema: u32,
    /// The application's name.
    pub application: String,
    /// The application's version, where it has one.
    pub version: Option<String>,
    /// The verbs, sorted by noun and name.
    pub verbs: Vec<VerbGrammar>,
}

/// One verb as its callers meet it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VerbGrammar {
    /// The noun that it stands under.
    pub noun: String,
    /// The verb itself.
    pub name: String,
    /// One line of help.
    pub about: String,
    /// What a call may do to the world.
    pub effect: Effect,
    /// What the caller has to prove; `None` where anyone may call.
    #[serde(with = "contract")]
    pub attestation: Option<CapabilityContract>,
    /// What a call may use; `None` where that is not declared.
    pub budget: Option<Amounts>,
    /// Other names of the verb under its noun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What to use in its place, where it should not be used any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
    /// Whether a call may be made again after one whose end is not known.
    #[serde(default, skip_serializing_if = "is_false")]
    pub idempotent: bool,
    /// The arguments, in the order of the parameters.
    pub arguments: Vec<Argument>,
    /// Arguments of an older grammar, by the names that they have now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub renamed: BTreeMap<String, String>,
    /// The JSON Schema of all arguments together, as an object.
    #[serde(serialize_with = "in_order")]
    pub input: Value,
    /// The JSON Schema of what a call returns; `true` where its type says nothing of it. What it streams before is not
    /// described.
    #[serde(serialize_with = "in_order")]
    pub output: Value,
    /// The JSON Schema of a failure.
    #[serde(serialize_with = "in_order")]
    pub error: Value,
}

/// An argument of a verb.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Argument {
    /// The name of the parameter.
    pub name: String,
    /// The name after `--`; `None` for one that is told by its place.
    pub long: Option<String>,
    /// The letter after `-`.
    pub short: Option<char>,
    /// Whether it has to be given.
    pub required: bool,
    /// `false` for a switch.
    pub takes_values: bool,
    /// Whether it may be given several times.
    pub repeats: bool,
    /// What it is where it is not given, as it would be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defaults: Vec<String>,
    /// One line of help.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The JSON Schema of one value.
    #[serde(serialize_with = "in_order")]
    pub value: Value,
    /// Whether its value is shown nowhere.
    #[serde(default, skip_serializing_if = "is_false")]
    pub secret: bool,
}

/// Limits as numbers: bytes, nanoseconds, operations, bytes; `None` is unlimited. As JSON it has the name of the
/// [tier](Amounts::tier) as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenAmounts", into = "WrittenAmounts")]
#[non_exhaustive]
pub struct Amounts {
    /// Heap memory at its peak.
    pub memory_bytes: Option<u64>,
    /// Processor time.
    pub cpu_ns: Option<u64>,
    /// Input and output operations.
    pub io_ops: Option<u64>,
    /// Bytes over the network.
    pub network_bytes: Option<u64>,
}

impl Amounts {
    /// The budget type that comes with cnv and has these limits, such as `SmallBudget`.
    #[must_use]
    pub fn tier(&self) -> Option<&'static str> {
        BudgetInfo::from(Limits::from(*self)).tier()
    }
}

/// Amounts as JSON has them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAmounts {
    /// Follows from the rest, and is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tier: Option<String>,
    memory_bytes: Option<u64>,
    cpu_ns: Option<u64>,
    io_ops: Option<u64>,
    network_bytes: Option<u64>,
}

impl From<Amounts> for WrittenAmounts {
    fn from(amounts: Amounts) -> Self {
        Self {
            tier: amounts.tier().map(str::to_owned),
            memory_bytes: amounts.memory_bytes,
            cpu_ns: amounts.cpu_ns,
            io_ops: amounts.io_ops,
            network_bytes: amounts.network_bytes,
        }
    }
}

impl From<WrittenAmounts> for Amounts {
    fn from(written: WrittenAmounts) -> Self {
        Self {
            memory_bytes: written.memory_bytes,
            cpu_ns: written.cpu_ns,
            io_ops: written.io_ops,
            network_bytes: written.network_bytes,
        }
    }
}

impl From<&Limits> for Amounts {
    fn from(limits: &Limits) -> Self {
        let finite = |amount: u64| (amount != UNLIMITED).then_some(amount);
        Self {
            memory_bytes: finite(limits.memory_bytes),
            cpu_ns: finite(limits.cpu_ns),
            io_ops: finite(limits.io_ops),
            network_bytes: finite(limits.network_bytes),
        }
    }
}

impl From<Amounts> for Limits {
    fn from(amounts: Amounts) -> Self {
        Self {
            memory_bytes: amounts.memory_bytes.unwrap_or(UNLIMITED),
            cpu_ns: amounts.cpu_ns.unwrap_or(UNLIMITED),
            io_ops: amounts.io_ops.unwrap_or(UNLIMITED),
            network_bytes: amounts.network_bytes.unwrap_or(UNLIMITED),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Argument {
    /// Whether it is told by its place, and by no name.
    pub(super) const fn is_placed(&self) -> bool {
        self.long.is_none() && self.short.is_none()
    }
}

fn in_order<S: Serializer>(json: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    sorted(json).serialize(serializer)
}

/// Why a text is no grammar.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrammarError {
    /// It is no JSON, or has other fields than a grammar.
    #[error("not a grammar: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It is written in a form that this program does not know.
    #[error("the grammar is of version {found}, and this program reads {SCHEMA}")]
    Version {
        /// The version that it states.
        found: u32,
    },
    /// Two verbs answer to the same words.
    #[error("`{verb}` stands in the grammar twice")]
    Duplicate {
        /// Noun and verb, or noun and alias.
        verb: String,
    },
    /// Two arguments of a verb have the same name.
    #[error("`{verb}` has two arguments called `{argument}`")]
    DuplicateArgument {
        /// Noun and verb.
        verb: String,
        /// The name.
        argument: String,
    },
}

impl Grammar {
    /// A grammar of these verbs, which it sorts.
    #[must_use]
    pub fn new(application: &str, version: Option<&str>, mut verbs: Vec<VerbGrammar>) -> Self {
        verbs.sort_by(|a, b| a.key().cmp(&b.key()));
        Self {
            schema: SCHEMA,
            application: application.to_owned(),
            version: version.map(str::to_owned),
            verbs,
        }
    }

    /// Reads a grammar as [`to_json`](Self::to_json) writes it. The verbs may stand in any order.
    ///
    /// # Errors
    ///
    /// Where the text is no grammar, or of another version of the form; the same text fails again.
    pub fn from_json(text: &str) -> Result<Self, GrammarError> {
        /// What is looked at first, since another version may have other fields.
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let Version { schema } = serde_json::from_str(text)?;
        if schema != SCHEMA {
            return Err(GrammarError::Version { found: schema });
        }
        let mut grammar: Self = serde_json::from_str(text)?;
        grammar.verbs.sort_by(|a, b| a.key().cmp(&b.key()));
        grammar.check_names()?;
        Ok(grammar)
    }

    fn check_names(&self) -> Result<(), GrammarError> {
        let mut names: Vec<(&str, &str)> = Vec::new();
        for verb in &self.verbs {
            names.push(verb.key());
            names.extend(verb.aliases.iter().map(|alias| (&*verb.noun, &**alias)));
        }
        if let Some((noun, name)) = twice(names) {
            return Err(GrammarError::Duplicate {
                verb: format!("{noun} {name}"),
            });
        }
        for verb in &self.verbs {
            let names = verb.arguments.iter().map(|argument| &*argument.name);
            if let Some(argument) = twice(names.collect()) {
                return Err(GrammarError::DuplicateArgument {
                    verb: verb.to_string(),
                    argument: argument.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The grammar as JSON on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Numbers, texts, lists and JSON always have a JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The verb of these names.
    #[must_use]
    pub fn verb(&self, noun: &str, name: &str) -> Option<&VerbGrammar> {
        let place = self
            .verbs
            .binary_search_by(|verb| verb.key().cmp(&(noun, name)));
        place.ok().map(|place| &self.verbs[place])
    }

    /// A digest over all verbs. The same on every build and machine, and after any change of the help.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let verbs: Vec<String> = self.verbs.iter().map(VerbGrammar::covered).collect();
        let parts = std::iter::once(self.application.as_bytes());
        Digest::of(GRAMMAR_TAG, parts.chain(verbs.iter().map(String::as_bytes)))
    }
}

impl VerbGrammar {
    pub(super) fn key(&self) -> (&str, &str) {
        (&self.noun, &self.name)
    }

    /// A digest over the verb, as an audit log has it: under which rules a call's arguments were understood.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(VERB_TAG, [self.covered().as_bytes()])
    }

    /// The verb as JSON, without what only people read, and sorted where the order says nothing.
    fn covered(&self) -> String {
        let mut verb = self.clone();
        verb.about = String::new();
        verb.aliases.sort_unstable();
        for argument in &mut verb.arguments {
            argument.about = String::new();
            argument.value = without_notes(&argument.value);
        }
        verb.arguments
            .sort_by(|a, b| match (a.is_placed(), b.is_placed()) {
                (false, false) => a.name.cmp(&b.name),
                (a, b) => b.cmp(&a),
            });
        for schema in [&mut verb.input, &mut verb.output, &mut verb.error] {
            *schema = without_notes(schema);
        }
        // A tier is only a name for amounts.
        let budget = verb.budget.take();
        let amounts = budget.map(|b| [b.memory_bytes, b.cpu_ns, b.io_ops, b.network_bytes]);
        serde_json::to_string(&(verb, amounts)).unwrap_or_default()
    }
}

/// The option of a parameter, as clap derives it.
pub(crate) fn option_name(parameter: &str) -> String {
    parameter.replace('_', "-")
}

impl fmt::Display for VerbGrammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.noun, self.name)
    }
}

/// A name that is there twice.
fn twice<T: Ord + Copy>(mut names: Vec<T>) -> Option<T> {
    names.sort_unstable();
    let pair = names.windows(2).find(|pair| pair[0] == pair[1])?;
    Some(pair[0])
}

/// A contract as it is written in tokens and commands.
mod contract {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};

    use crate::capability::CapabilityContract;

    #[expect(clippy::ref_option, reason = "serde passes it so")]
    pub(super) fn serialize<S: Serializer>(
        contract: &Option<CapabilityContract>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        contract
            .map(|contract| contract.to_string())
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<CapabilityContract>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}
