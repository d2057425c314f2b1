//! `cnv grammar`: shows grammars, as `--grammar` prints them, and what changed between two of them.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cnv::grammar::{
    Argument, Change, Delta, Effect, Grammar, GrammarError, MAX_OVERLAY_BYTES, Overlay, VerbGrammar,
};
use cnv::prelude::*;
use cnv::quota::{File, Limits, Resource};
use serde::Serialize;
use serde_json::Value;

/// More is no grammar that people wrote commands for.
const MAX_BYTES: u64 = 16 << 20;

/// Why grammars could not be compared, or may not follow each other.
#[derive(Debug, thiserror::Error)]
pub enum GrammarFileError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file is larger than any grammar.
    #[error("{} is larger than 16 MiB, which no grammar is", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file has no grammar.
    #[error("{} has no grammar, as `--grammar` prints it", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        #[source]
        source: GrammarError,
    },
    /// The grammar has no verb of that name.
    #[error("{} has no `{verb}`; `cnv grammar show` lists what it has", path.display())]
    NoSuchVerb {
        /// The file.
        path: PathBuf,
        /// The noun, or noun and verb.
        verb: String,
    },
    /// The overlay does not fit the grammar.
    #[error("{shown}")]
    Overlay {
        /// The faults, each with its line.
        shown: String,
    },
    /// The new grammar breaks callers that were not told.
    #[error("{}", undeclared(changes))]
    Undeclared {
        /// What breaks them.
        changes: Vec<Change>,
    },
}

/// More changes than this are counted, and not named.
const MAX_NAMED: usize = 50;

fn undeclared(changes: &[Change]) -> String {
    let are = if changes.len() == 1 {
        "change is"
    } else {
        "changes are"
    };
    let mut text = format!(
        "{} breaking {are} not declared; raise the major version, or keep what callers rely on",
        changes.len()
    );
    for change in changes.iter().take(MAX_NAMED) {
        let _ = write!(text, "\n  {change}");
    }
    if changes.len() > MAX_NAMED {
        let _ = write!(text, "\n  and {} more", changes.len() - MAX_NAMED);
    }
    text
}

/// What is shown of a grammar.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Shown {
    /// Several verbs, a row for each.
    Verbs(Vec<Row>),
    /// One verb with all that there is to know.
    Verb(Box<Detail>),
}

/// A verb in a table.
#[derive(Debug, Serialize)]
pub struct Row {
    verb: String,
    effect: Effect,
    attestation: Option<String>,
    about: String,
}

/// A verb by itself.
#[derive(Debug, Serialize)]
pub struct Detail {
    verb: String,
    about: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated: Option<String>,
    effect: Effect,
    idempotent: bool,
    attestation: Option<String>,
    result: String,
    digest: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    budget: Option<Budget>,
    arguments: Vec<ArgumentRow>,
}

/// A budget in the units of people.
#[derive(Debug, Serialize)]
struct Budget {
    /// The budget type that comes with cnv, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<&'static str>,
    memory: String,
    cpu: String,
    io: String,
    network: String,
}

/// An argument in a table.
#[derive(Debug, Serialize)]
struct ArgumentRow {
    argument: String,
    takes: String,
    default: Option<String>,
    about: String,
}

/// Shows the commands of a grammar: all, those under a noun, or one with its budget and arguments
#[verb(noun = "grammar", effect = "read")]
#[budget(memory = "128MB", cpu = "10s", io = "100k")]
pub fn show(
    /// The file with the grammar, as `--grammar` prints it
    file: PathBuf,
    /// Only what stands under this noun
    noun: Option<String>,
    /// Only the verb that answers to this name
    verb: Option<String>,
) -> Result<Shown, GrammarFileError> {
    let grammar = load(&file)?;
    let is_meant = |found: &&VerbGrammar| {
        let is_noun = noun.as_ref().is_none_or(|noun| found.noun == *noun);
        let answers = |name: &String| found.name == *name || found.aliases.contains(name);
        is_noun && verb.as_ref().is_none_or(answers)
    };
    let mut found = grammar.verbs.iter().filter(is_meant).peekable();
    match (found.peek(), &noun, &verb) {
        (None, Some(_), _) => Err(GrammarFileError::NoSuchVerb {
            verb: [noun, verb]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" "),
            path: file,
        }),
        (Some(one), _, Some(_)) => Ok(Shown::Verb(Box::new(detail(one)))),
        _ => Ok(Shown::Verbs(found.map(row).collect())),
    }
}

fn row(verb: &VerbGrammar) -> Row {
    Row {
        verb: verb.to_string(),
        effect: verb.effect,
        attestation: verb.attestation.map(|contract| contract.to_string()),
        about: match &verb.deprecated {
            Some(advice) => format!("{} (deprecated: {advice})", verb.about),
            None => verb.about.clone(),
        },
    }
}

fn detail(verb: &VerbGrammar) -> Detail {
    let arguments = verb.arguments.iter().map(|argument| ArgumentRow {
        argument: usage(argument),
        takes: match argument.takes_values {
            true => spoken(&argument.value),
            false => "nothing".to_owned(),
        },
        default: (!argument.defaults.is_empty()).then(|| argument.defaults.join(" ")),
        about: argument.about.clone(),
    });
    Detail {
        verb: verb.to_string(),
        about: verb.about.clone(),
        deprecated: verb.deprecated.clone(),
        effect: verb.effect,
        idempotent: verb.idempotent,
        attestation: verb.attestation.map(|contract| contract.to_string()),
        result: spoken(&verb.output),
        digest: verb.digest().to_string(),
        aliases: verb.aliases.clone(),
        budget: verb.budget.map(|amounts| {
            let limits = Limits::from(amounts);
            let shown = |resource| limits.shown(resource).to_string();
            Budget {
                tier: amounts.tier(),
                memory: shown(Resource::Memory),
                cpu: shown(Resource::Cpu),
                io: shown(Resource::Io),
                network: shown(Resource::Network),
            }
        }),
        arguments: arguments.collect(),
    }
}

/// A JSON Schema in a few words.
fn spoken(schema: &Value) -> String {
    let words = |list: &Vec<Value>, between: &str| {
        let word = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        list.iter().map(word).collect::<Vec<_>>().join(between)
    };
    if let Some(Value::Array(choices)) = schema.get("enum") {
        return words(choices, ", ");
    }
    let name = match schema.get("type") {
        Some(Value::String(name)) => name.as_str(),
        Some(Value::Array(names)) => return words(names, " or "),
        _ => return "anything".to_owned(),
    };
    match name {
        "integer" | "number" => {
            // What 64 bits hold anyway is no bound that anybody chose.
            let is_chosen = |bound: &&Value| {
                let is_last = bound.as_u64() == Some(u64::MAX) || bound.as_i64() == Some(i64::MAX);
                !is_last && bound.as_i64() != Some(i64::MIN)
            };
            let least = schema.get("minimum").filter(is_chosen);
            let most = schema.get("maximum").filter(is_chosen);
            match (least, most) {
                (Some(least), Some(most)) => format!("{name} from {least} to {most}"),
                (Some(least), None) => format!("{name} from {least}"),
                (None, Some(most)) => format!("{name} to {most}"),
                (None, None) => name.to_owned(),
            }
        }
        "string" => {
            let format = schema.get("format").and_then(Value::as_str);
            format.unwrap_or("text").to_owned()
        }
        "array" => {
            let items = schema
                .get("items")
                .map_or_else(|| "anything".to_owned(), spoken);
            format!("list of {items}")
        }
        "object" => match schema.get("properties").and_then(Value::as_object) {
            Some(members) => {
                let names: Vec<&str> = members.keys().map(String::as_str).collect();
                format!("object with {}", names.join(", "))
            }
            None => "object".to_owned(),
        },
        "null" => "nothing".to_owned(),
        other => other.to_owned(),
    }
}

/// Shows what changed between two grammars, and for whom it matters
#[verb(noun = "grammar", effect = "read")]
#[budget(memory = "256MB", cpu = "20s", io = "100k")]
pub fn diff(
    /// The file with the old grammar
    old: PathBuf,
    /// The file with the new grammar
    new: PathBuf,
) -> Result<Vec<Change>, GrammarFileError> {
    let delta = Delta::between(&load(&old)?, &load(&new)?);
    Ok(delta.changes().to_vec())
}

/// Fails where a grammar breaks callers of an older one without saying so
///
/// Breaking changes are declared by a new major version of the application, and the end of a verb by its having been
/// deprecated.
#[verb(noun = "grammar", effect = "read")]
#[budget(memory = "256MB", cpu = "20s", io = "100k")]
pub fn check(
    /// The file with the old grammar
    old: PathBuf,
    /// The file with the new grammar
    new: PathBuf,
) -> Result<Vec<Change>, GrammarFileError> {
    let delta = Delta::between(&load(&old)?, &load(&new)?);
    let changes: Vec<Change> = delta.undeclared().cloned().collect();
    if !changes.is_empty() {
        return Err(GrammarFileError::Undeclared { changes });
    }
    Ok(delta.changes().to_vec())
}

/// Shows what an overlay changes of a grammar, or what is wrong with it
///
/// A program that has the overlay in force refuses more: changes that break the callers of the one before.
#[verb(noun = "grammar", effect = "read")]
#[budget(memory = "256MB", cpu = "20s", io = "100k")]
pub fn overlay(
    /// The file with the program's grammar, as `--grammar` prints it without an overlay
    grammar: PathBuf,
    /// The overlay
    overlay: PathBuf,
) -> Result<Vec<Change>, GrammarFileError> {
    let grammar = load(&grammar)?;
    let text = read(&overlay, MAX_OVERLAY_BYTES as u64 + 1)?;
    let live = Overlay::parse(&text).and_then(|overlay| overlay.over(&grammar));
    match live {
        Ok(live) => Ok(Delta::between(&grammar, &live).changes().to_vec()),
        Err(error) => Err(GrammarFileError::Overlay {
            shown: error.shown(&overlay.display().to_string(), &text),
        }),
    }
}

/// An argument as a line of help has it.
fn usage(argument: &Argument) -> String {
    let name = argument.name.to_uppercase();
    let shown = match (&argument.long, argument.takes_values) {
        (Some(long), true) => format!("--{long} {name}"),
        (Some(long), false) => format!("--{long}"),
        (None, _) => name,
    };
    let many = if argument.repeats { ".." } else { "" };
    match argument.required {
        true => format!("{shown}{many}"),
        false => format!("[{shown}{many}]"),
    }
}

fn load(path: &Path) -> Result<Grammar, GrammarFileError> {
    let text = read(path, MAX_BYTES + 1)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(GrammarFileError::TooLarge {
            path: path.to_owned(),
        });
    }
    Grammar::from_json(&text).map_err(|source| GrammarFileError::Malformed {
        path: path.to_owned(),
        source,
    })
}

/// So many bytes of a text at most.
fn read(path: &Path, max_len_bytes: u64) -> Result<String, GrammarFileError> {
    let io = |source| GrammarFileError::Io {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(io)?;
    file.take(max_len_bytes)
        .read_to_string(&mut text)
        .map_err(io)?;
    Ok(text)
}
