//! What changed between two grammars, and for whom that matters.

mod arguments;

use std::fmt;

use serde::Serialize;

use super::model::{Amounts, Grammar, VerbGrammar};
use super::schema::{Relation, relation};
use crate::capability::CapabilityContract;

/// What a change means for callers that were written for the old grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Every call that was right is right, and means the same.
    Safe,
    /// Every call that was right is understood, and may do or cost something else.
    Caution,
    /// Some call that was right is refused, or may do more than its caller agreed to.
    Breaking,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safe => "safe",
            Self::Caution => "caution",
            Self::Breaking => "breaking",
        })
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// What it means for callers.
    pub class: Class,
    /// The verb, as noun and name.
    pub verb: String,
    /// What of the verb: "argument `top`".
    pub part: String,
    /// What became of that: "is required".
    pub what: &'static str,
    /// What it was, where that can be said in a word.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
    /// Whether the old grammar said that this was to come.
    pub was_announced: bool,
}

/// What becomes of a verb that was deprecated.
const GONE: &str = "is gone";

/// Whether the first number of the version that is not 0 has changed, as Semantic Versioning has it.
fn is_major(old: Option<&str>, new: Option<&str>) -> bool {
    let (Some(old), Some(new)) = (old, new) else {
        return false;
    };
    let numbers = |version: &str| -> Option<[u64; 3]> {
        let core = version.split(['-', '+']).next()?;
        let mut parts = core.split('.').map(str::parse);
        let mut next = || parts.next()?.ok();
        Some([next()?, next()?, next()?])
    };
    let (Some(old), Some(new)) = (numbers(old), numbers(new)) else {
        return false;
    };
    match old {
        [0, minor, _] => new[0] > 0 || new[1] > minor,
        [major, ..] => new[0] > major,
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: `{}`: {} {}",
            self.class, self.verb, self.part, self.what
        )?;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, " ({before} -> {after})"),
            (Some(one), None) | (None, Some(one)) => write!(f, " ({one})"),
            (None, None) => Ok(()),
        }
    }
}

/// All changes between two grammars, in the order of the verbs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delta {
    changes: Vec<Change>,
    /// Whether the new version says that it breaks callers of the old one.
    is_major: bool,
}

impl Delta {
    /// Compares two grammars.
    ///
    /// An application's name and version are not looked at, nor is what the help says.
    #[must_use]
    pub fn between(old: &Grammar, new: &Grammar) -> Self {
        let mut delta = Self {
            changes: Vec::new(),
            is_major: is_major(old.version.as_deref(), new.version.as_deref()),
        };
        for verb in &old.verbs {
            match new.verb(&verb.noun, &verb.name) {
                Some(now) => delta.verb(verb, now),
                None => delta.gone(verb, new),
            }
        }
        for verb in &new.verbs {
            let is_renamed = verb
                .aliases
                .iter()
                .any(|alias| old.verb(&verb.noun, alias).is_some());
            if !is_renamed && old.verb(&verb.noun, &verb.name).is_none() {
                delta.push(verb, Class::Safe, "the verb", "is new", None, None);
            }
        }
        delta.changes.sort_by(|a, b| a.verb.cmp(&b.verb));
        delta
    }

    /// The changes.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The class of the worst change; [`Class::Safe`] where nothing changed.
    #[must_use]
    pub fn class(&self) -> Class {
        let classes = self.changes.iter().map(|change| change.class);
        classes.max().unwrap_or(Class::Safe)
    }

    /// The breaking changes that nobody was told of. Told of is all that a new major version changes, by the rules of
    /// Semantic Versioning, and that a verb is gone which was deprecated.
    pub fn undeclared(&self) -> impl Iterator<Item = &Change> {
        let is_told = |change: &Change| self.is_major || change.was_announced;
        self.changes
            .iter()
            .filter(move |change| change.class == Class::Breaking && !is_told(change))
    }

    fn push(
        &mut self,
        verb: &VerbGrammar,
        class: Class,
        part: impl Into<String>,
        what: &'static str,
        before: Option<String>,
        after: Option<String>,
    ) {
        self.changes.push(Change {
            class,
            verb: verb.to_string(),
            part: part.into(),
            what,
            before,
            after,
            was_announced: verb.deprecated.is_some() && what == GONE,
        });
    }

    /// A verb that is not there under its name any more; under an alias of another it still answers.
    fn gone(&mut self, verb: &VerbGrammar, new: &Grammar) {
        let heir = new
            .verbs
            .iter()
            .find(|other| other.noun == verb.noun && other.aliases.contains(&verb.name));
        let Some(heir) = heir else {
            return self.push(verb, Class::Breaking, "the verb", GONE, None, None);
        };
        let (before, after) = (Some(verb.to_string()), Some(heir.to_string()));
        self.push(verb, Class::Safe, "the verb", "is an alias", before, after);
        // Its callers meet the other one.
        self.verb(verb, heir);
    }

    fn verb(&mut self, old: &VerbGrammar, new: &VerbGrammar) {
        self.effect(old, new);
        self.attestation(old, new);
        self.budget(old, new);
        self.names(old, new);
        self.input(old, new);
        for (part, old_schema, new_schema) in [
            ("the result", &old.output, &new.output),
            ("the error", &old.error, &new.error),
        ] {
            // Who reads it is ready for what the old schema lets through.
            let (class, what) = match relation(old_schema, new_schema) {
                None => continue,
                Some(Relation::Equal) => (Class::Safe, "says the same in other words"),
                Some(Relation::Narrower) => (Class::Safe, "says more"),
                Some(Relation::Wider | Relation::Other) => (Class::Breaking, "has another shape"),
            };
            self.push(old, class, part, what, None, None);
        }
    }

    fn effect(&mut self, old: &VerbGrammar, new: &VerbGrammar) {
        let (class, what) = match old.effect.cmp(&new.effect) {
            std::cmp::Ordering::Equal => return,
            std::cmp::Ordering::Less => (Class::Breaking, "is larger"),
            std::cmp::Ordering::Greater => (Class::Safe, "is smaller"),
        };
        let (before, after) = (Some(old.effect.to_string()), Some(new.effect.to_string()));
        self.push(old, class, "the effect", what, before, after);
    }

    /// More to prove refuses callers; less to prove lets in those who should not be.
    fn attestation(&mut self, old: &VerbGrammar, new: &VerbGrammar) {
        if old.attestation == new.attestation {
            return;
        }
        let shown = |contract: &Option<CapabilityContract>| {
            Some(contract.map_or_else(|| "none".to_owned(), |contract| contract.to_string()))
        };
        let covers = |a: &Option<CapabilityContract>, b: &Option<CapabilityContract>| match (a, b) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(a), Some(b)) => a.covers(b),
        };
        let what = match (
            covers(&new.attestation, &old.attestation),
            covers(&old.attestation, &new.attestation),
        ) {
            (true, false) => "asks for more",
            (false, true) => "asks for less",
            _ => "asks for something else",
        };
        let (before, after) = (shown(&old.attestation), shown(&new.attestation));
        self.push(old, Class::Breaking, "the attestation", what, before, after);
    }

    /// A larger budget costs more; within a smaller one a call may not get as far.
    fn budget(&mut self, old: &VerbGrammar, new: &VerbGrammar) {
        let (Some(was), Some(is)) = (old.budget, new.budget) else {
            match (&old.budget, &new.budget) {
                (None, Some(_)) => {
                    self.push(old, Class::Caution, "the budget", "is new", None, None);
                }
                (Some(_), None) => {
                    self.push(old, Class::Caution, "the budget", "is gone", None, None);
                }
                _ => {}
            }
            return;
        };
        let amounts = |Amounts {
                           memory_bytes,
                           cpu_ns,
                           io_ops,
                           network_bytes,
                       }| {
            [
                ("memory", memory_bytes, "B"),
                ("cpu", cpu_ns, "ns"),
                ("io", io_ops, ""),
                ("network", network_bytes, "B"),
            ]
        };
        let shown = |amount: Option<u64>, unit: &str| match amount {
            Some(amount) => format!("{amount}{unit}"),
            None => "unlimited".to_owned(),
        };
        for ((name, was, unit), (_, is, _)) in amounts(was).into_iter().zip(amounts(is)) {
            if was != is {
                let larger = is.is_none() || was.is_some_and(|was| is > Some(was));
                let what = if larger { "is larger" } else { "is smaller" };
                let (before, after) = (Some(shown(was, unit)), Some(shown(is, unit)));
                let part = format!("the {name} of the budget");
                self.push(old, Class::Caution, part, what, before, after);
            }
        }
    }

    fn names(&mut self, old: &VerbGrammar, new: &VerbGrammar) {
        for alias in &old.aliases {
            if !new.aliases.contains(alias) && *alias != new.name {
                let part = format!("the alias `{alias}`");
                self.push(old, Class::Breaking, part, "is gone", None, None);
            }
        }
        for alias in &new.aliases {
            if !old.aliases.contains(alias) && *alias != old.name {
                let part = format!("the alias `{alias}`");
                self.push(old, Class::Safe, part, "is new", None, None);
            }
        }
        match (&old.deprecated, &new.deprecated) {
            (None, Some(advice)) => {
                let (what, after) = ("is deprecated", Some(advice.clone()));
                self.push(old, Class::Caution, "the verb", what, None, after);
            }
            (Some(_), None) => {
                let what = "is not deprecated any more";
                self.push(old, Class::Safe, "the verb", what, None, None);
            }
            (Some(was), Some(is)) if was != is => {
                let (before, after) = (Some(was.clone()), Some(is.clone()));
                let what = "is deprecated with other advice";
                self.push(old, Class::Safe, "the verb", what, before, after);
            }
            _ => {}
        }
        match (old.idempotent, new.idempotent) {
            (true, false) => {
                let what = "may not be repeated any more";
                self.push(old, Class::Breaking, "a call", what, None, None);
            }
            (false, true) => self.push(old, Class::Safe, "a call", "may be repeated", None, None),
            _ => {}
        }
    }
}
