//! `cnv grammar`: shows grammars, as `--grammar` prints them, and what changed between two of them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cnv::grammar::{Change, Delta, Grammar, GrammarError, MAX_OVERLAY_BYTES, Overlay};
use cnv::prelude::*;
use cnv::quota::File;
use serde::Serialize;

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
    /// The overlay does not fit the grammar.
    #[error("{shown}")]
    Overlay {
        /// The faults, each with its line.
        shown: String,
    },
    /// The new grammar breaks callers that were not told.
    #[error(
        "{count} breaking {} not declared: {first}; raise the major version, or keep what callers rely on",
        if *count == 1 { "change is" } else { "changes are" }
    )]
    Undeclared {
        /// How many there are.
        count: usize,
        /// The first of them.
        first: Box<Change>,
    },
}

/// A verb in a table.
#[derive(Debug, Serialize)]
pub struct Row {
    verb: String,
    effect: String,
    attestation: String,
    arguments: String,
    about: String,
}

/// Shows the commands of a grammar
#[verb(noun = "grammar", effect = "read")]
#[budget(memory = "128MB", cpu = "10s", io = "100k")]
pub fn show(
    /// The file with the grammar, as `--grammar` prints it
    file: PathBuf,
) -> Result<Vec<Row>, GrammarFileError> {
    let grammar = load(&file)?;
    let rows = grammar.verbs.iter().map(|verb| Row {
        verb: verb.to_string(),
        effect: verb.effect.to_string(),
        attestation: verb
            .attestation
            .map_or_else(String::new, |contract| contract.to_string()),
        arguments: verb
            .arguments
            .iter()
            .map(usage)
            .collect::<Vec<_>>()
            .join(" "),
        about: verb.about.clone(),
    });
    Ok(rows.collect())
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
    let mut undeclared = delta.undeclared();
    if let Some(first) = undeclared.next() {
        return Err(GrammarFileError::Undeclared {
            count: 1 + undeclared.count(),
            first: Box::new(first.clone()),
        });
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
fn usage(argument: &cnv::grammar::Argument) -> String {
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
