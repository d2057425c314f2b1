//! The grammar of a verb: under which rules its arguments were understood.

use clap::{Arg, ArgAction};
use serde::Serialize;

use super::receipt::Amounts;
use super::verb::Registration;
use crate::audit::Digest;

/// What the digest of a grammar covers: the verb as JSON.
const GRAMMAR: &str = "cnv grammar 1";

/// A verb as its callers meet it. Where its function stands and what its help says is not part of it.
#[derive(Serialize)]
struct Grammar<'a> {
    noun: &'static str,
    verb: &'static str,
    effect: &'static str,
    attestation: Option<String>,
    budget: Option<Amounts>,
    arguments: Vec<Argument<'a>>,
}

/// An argument, in the order of the parameters.
#[derive(Serialize)]
struct Argument<'a> {
    name: &'a str,
    long: Option<&'a str>,
    short: Option<char>,
    required: bool,
    /// `false` for a switch.
    takes_values: bool,
    /// Whether it may be given several times.
    repeats: bool,
    defaults: Vec<String>,
    choices: Vec<String>,
}

impl<'a> Argument<'a> {
    fn new(argument: &'a Arg) -> Self {
        let values = argument.get_possible_values();
        Self {
            name: argument.get_id().as_str(),
            long: argument.get_long(),
            short: argument.get_short(),
            required: argument.is_required_set(),
            takes_values: argument.get_action().takes_values(),
            repeats: matches!(argument.get_action(), ArgAction::Append | ArgAction::Count),
            defaults: argument
                .get_default_values()
                .iter()
                .map(|value| value.to_string_lossy().into_owned())
                .collect(),
            choices: values
                .iter()
                .map(|value| value.get_name().to_owned())
                .collect(),
        }
    }
}

/// The digest of a verb's grammar.
pub(super) fn digest_of_grammar(entry: &Registration) -> Digest {
    let arguments = (entry.arguments)();
    let spec = &entry.spec;
    let grammar = Grammar {
        noun: spec.noun,
        verb: spec.name,
        effect: spec.effect.as_str(),
        attestation: spec.contract.map(|contract| contract.to_string()),
        budget: spec.limits.as_ref().map(Amounts::from),
        arguments: arguments.iter().map(Argument::new).collect(),
    };
    // Numbers, texts and lists always have a JSON.
    let json = serde_json::to_string(&grammar).unwrap_or_default();
    Digest::of(GRAMMAR, [json.as_bytes()])
}
