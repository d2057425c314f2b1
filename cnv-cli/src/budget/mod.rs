//! `cnv budget`: what calls really used, and a budget that would hold it.

mod measured;
mod receipts;
mod suggestion;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cnv::attestation::PublicKey;
use cnv::audit::{AuditEntry, AuditReader, Decision, LogFile, Outcome};
use cnv::prelude::*;
use cnv::quota::{BudgetExceeded, Resource, charge_io};
use serde::Serialize;

use crate::audit::{Refused, verifier};
use measured::{Call, Measured, Used};
use receipts::{Line, Lines, STDIN};
use suggestion::Suggestion;

/// Every value is kept, 32 bytes a call, so that percentiles are exact; this many are a quarter of a gigabyte, and
/// with the room that lists grow into at most half of one.
const MAX_CALLS: u64 = 8_000_000;

/// More verbs than any application has: names from outside do not fill the memory.
const MAX_VERBS: usize = 1_000;

/// What a run used.
#[derive(Debug, Serialize)]
pub struct Report {
    calls: u64,
    denied: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    without_receipt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsigned_entries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notices: Option<u64>,
    measured: Vec<MeasuredRow>,
    verbs: Vec<VerbRow>,
}

/// What the calls of a verb used of one resource. The values are exact, in the units of a budget.
#[derive(Debug, Serialize)]
struct MeasuredRow {
    verb: String,
    resource: &'static str,
    declared: String,
    p50: String,
    p99: String,
    maximum: String,
}

/// The calls of a verb, and what they suggest.
#[derive(Debug, Serialize)]
struct VerbRow {
    verb: String,
    calls: u64,
    over: u64,
    failed: u64,
    suggested: Option<String>,
    notes: String,
}

/// Shows what calls used beside what their verbs declare, and suggests budgets.
///
/// Reads an audit log, which is verified first, or the receipts that a program writes to standard error with
/// `--json`, one a line. Percentiles are exact, by nearest rank: p99 is a value that was measured, and of fewer than
/// 100 calls it is the maximum. A suggestion covers every call that was seen: it is the maximum and a quarter more,
/// of processor time twice the maximum, rounded up to two digits. Below 20 calls that succeeded there is none, and none
/// while the budget stopped a call. A verb that spends needs at least what its callees declare, whatever it used: there
/// the suggestion may not compile, and the compiler says how much is missing. Calls that were denied or not admitted are
/// counted apart.
#[verb(noun = "budget", effect = "read")]
#[budget(memory = "600MB", cpu = "10min", io = "100M")]
pub fn report(
    cx: Context,
    /// A file with receipts, - for standard input, or the folder of an audit log
    #[arg(value_name = "FILE|FOLDER|-")]
    path: PathBuf,
    /// The audit log's public key
    #[arg(long, value_name = "KEY")]
    public: Option<PublicKey>,
    /// Only the calls of this verb, as in "tree digest"
    #[arg(long, value_name = "VERB")]
    verb: Option<String>,
) -> Result<Report, Failure> {
    let mut run = Run::new(verb);
    if is_folder(&path)? {
        let public = public.ok_or_else(|| {
            Failure::usage(
                "name the log's public key with --public: a log is verified before it is read",
            )
        })?;
        run.read_log(&cx, &path, public)?;
    } else if public.is_some() {
        return Err(Failure::usage(
            "--public is for an audit log, and receipts in a file have no signature: leave it out",
        ));
    } else {
        run.read_receipts(&cx, &path)?;
    }
    run.report()
}

/// `-` is standard input, whatever there is of that name.
fn is_folder(path: &Path) -> Result<bool, BudgetExceeded> {
    if path.as_os_str() == STDIN {
        return Ok(false);
    }
    charge_io(1)?;
    Ok(path.is_dir())
}

/// Charges for an audit log before it is read. Its entries and its checkpoints are each asked for their length, and opened
/// and read twice, to verify them and to report on them, in blocks of 64 KiB. A file that is not there has no blocks, and
/// the reader says so.
fn charge_log(folder: &Path) -> Result<(), BudgetExceeded> {
    const BLOCK_BYTES: u64 = 64 << 10;
    for file in [LogFile::Entries, LogFile::Checkpoints] {
        charge_io(1)?;
        let len_bytes = fs::metadata(folder.join(file.name())).map_or(0, |found| found.len());
        charge_io(2 * (1 + len_bytes.div_ceil(BLOCK_BYTES)))?;
    }
    Ok(())
}

/// What does not allow a report.
#[derive(Debug, thiserror::Error)]
pub enum Unreported {
    /// There is more than is kept.
    #[error(
        "there are more than {MAX_CALLS} calls; report on one verb with --verb, or on a part of them"
    )]
    Calls,
    /// There are more names than verbs.
    #[error("there are more than {MAX_VERBS} verbs; report on one with --verb")]
    Verbs,
    /// There is none at all.
    #[error(
        "there is no call in it; a program writes receipts with `--json`, and without `--quiet`"
    )]
    NoCall,
    /// The verb that was asked for is not there.
    #[error("there is no call of `{verb}`; there are calls of {seen}")]
    NoSuchVerb {
        /// What was asked for.
        verb: String,
        /// What there is.
        seen: String,
    },
}

/// All that is read of a run.
struct Run {
    only: Option<String>,
    verbs: BTreeMap<String, Measured>,
    calls: u64,
    /// The names of calls that were not asked for, for the message where nothing else is found.
    others: Vec<String>,
    /// Calls that were not let run: they used nothing.
    denied: u64,
    log: Option<LogCounts>,
    stream: Option<StreamCounts>,
}

/// What an audit log has beside receipts.
#[derive(Default)]
struct LogCounts {
    started: u64,
    ended: u64,
    unsigned: u64,
}

/// What a program writes beside receipts.
#[derive(Default)]
struct StreamCounts {
    errors: u64,
    notices: u64,
}

impl Run {
    fn new(only: Option<String>) -> Self {
        Self {
            only,
            verbs: BTreeMap::new(),
            calls: 0,
            others: Vec::new(),
            denied: 0,
            log: None,
            stream: None,
        }
    }

    fn read_receipts(&mut self, cx: &Context, path: &Path) -> Result<(), Failure> {
        let mut counts = StreamCounts::default();
        for line in Lines::open(cx, path)? {
            cx.checkpoint()?;
            match line? {
                Line::Receipt(receipt) if !self.is_asked_for(&receipt.verb) => {}
                Line::Receipt(receipt) if !receipt.ran => self.denied += 1,
                Line::Receipt(receipt) => {
                    let (verb, call) = receipt.into_call();
                    self.add(verb, &call)?;
                }
                Line::Error(_) => counts.errors += 1,
                Line::Notice(_) => counts.notices += 1,
            }
        }
        self.stream = Some(counts);
        Ok(())
    }

    /// The entries that were verified, and no further, should more be written meanwhile.
    fn read_log(&mut self, cx: &Context, folder: &Path, public: PublicKey) -> Result<(), Failure> {
        charge_log(folder)?;
        let reader = AuditReader::new(folder);
        let last = reader.last_checkpoint().map_err(Refused::from)?;
        let log = verifier(&last, None, public)?;
        let verified = reader.verify(&log).map_err(Refused::from)?;
        let mut counts = LogCounts {
            unsigned: verified.unsigned,
            ..LogCounts::default()
        };
        for read in reader.entries().map_err(Refused::from)? {
            cx.checkpoint()?;
            let (number, entry) = read.map_err(Refused::from)?;
            if number >= verified.entries {
                break;
            }
            if !self.is_asked_for(&entry.verb) {
                continue;
            }
            match (&entry.decision, &entry.outcome) {
                (_, Some(_)) => {
                    counts.ended += 1;
                    let call = call_of(&entry);
                    self.add(entry.verb, &call)?;
                }
                (Decision::Denied(_), None) => self.denied += 1,
                (Decision::Allowed, None) => counts.started += 1,
            }
        }
        self.log = Some(counts);
        Ok(())
    }

    fn add(&mut self, verb: String, call: &Call) -> Result<(), Unreported> {
        if self.calls == MAX_CALLS {
            return Err(Unreported::Calls);
        }
        if self.verbs.len() == MAX_VERBS && !self.verbs.contains_key(&verb) {
            return Err(Unreported::Verbs);
        }
        self.calls += 1;
        self.verbs.entry(verb).or_default().add(call);
        Ok(())
    }

    /// Whether calls of this verb are reported; the names of others are kept for a message.
    fn is_asked_for(&mut self, verb: &str) -> bool {
        const SHOWN: usize = 20;
        let is_asked_for = self.only.as_ref().is_none_or(|only| only == verb);
        if !is_asked_for
            && self.others.len() < SHOWN
            && !self.others.iter().any(|other| other == verb)
        {
            self.others.push(verb.to_owned());
        }
        is_asked_for
    }

    fn report(self) -> Result<Report, Failure> {
        if self.verbs.is_empty() {
            let seen: Vec<String> = self
                .others
                .iter()
                .map(|other| format!("`{other}`"))
                .collect();
            return Err(match self.only {
                Some(verb) if !seen.is_empty() => {
                    let seen = seen.join(", ");
                    Unreported::NoSuchVerb { verb, seen }.into()
                }
                _ => Unreported::NoCall.into(),
            });
        }
        let mut measured = Vec::new();
        let mut verbs = Vec::new();
        for (verb, mut found) in self.verbs {
            let suggestion = Suggestion::of(&found);
            verbs.push(VerbRow {
                verb: verb.clone(),
                calls: found.calls(),
                over: found.over,
                failed: found.failed,
                suggested: suggestion.attribute,
                notes: suggestion.notes.join("; "),
            });
            let rows = Resource::ALL.map(|resource| row(&verb, resource, &mut found));
            measured.extend(rows);
        }
        let log = self.log.as_ref();
        let stream = self.stream.as_ref();
        Ok(Report {
            calls: self.calls,
            denied: self.denied,
            without_receipt: log.map(|log| log.started.saturating_sub(log.ended)),
            unsigned_entries: log.map(|log| log.unsigned),
            errors: stream.map(|stream| stream.errors),
            notices: stream.map(|stream| stream.notices),
            measured,
            verbs,
        })
    }
}

/// The call whose receipt this entry is.
fn call_of(entry: &AuditEntry) -> Call {
    let failure = match &entry.outcome {
        Some(Outcome::Failed(reason)) => Some(reason.code()),
        _ => None,
    };
    let used = entry.used.map(|used| Used {
        memory_bytes: used.memory_bytes,
        cpu_ns: Some(used.cpu_ns),
        io_ops: Some(used.io_ops),
        network_bytes: Some(used.network_bytes),
    });
    Call {
        declared: entry.budget,
        used: used.unwrap_or_default(),
        failed: failure.is_some(),
        was_stopped: failure == Some("budget"),
    }
}

fn row(verb: &str, resource: Resource, found: &mut Measured) -> MeasuredRow {
    let declared = found.declared;
    let declared = declared.map_or("no budget".to_owned(), |limits| {
        limits.shown(resource).to_string()
    });
    let amounts = found.amounts(resource);
    let mut at = |percent| match amounts.percentile(percent) {
        Some(amount) => resource.shown(amount).to_string(),
        None => "not metered".to_owned(),
    };
    MeasuredRow {
        verb: verb.to_owned(),
        resource: resource.name(),
        declared,
        p50: at(50),
        p99: at(99),
        maximum: at(100),
    }
}

#[cfg(test)]
mod tests;
