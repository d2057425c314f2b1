//! The application: its verbs, its rules, and the faults that start-up would find.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::deciding::Deciding;
#[cfg(feature = "trace")]
use super::evidence::with_causes;
use super::grammar::verb_grammar;
#[cfg(feature = "reload")]
use super::live::{LiveGrammar, Overlaid};
use super::verb::Registration;
use super::version::Version;
use crate::attestation::revocation::Revocations;
use crate::attestation::{Clock, SystemClock, TrustStore};
use crate::audit::AuditLog;
use crate::grammar::Grammar;
use crate::quota::{Limits, Resource};
use crate::recovery::Policy;
#[cfg(feature = "trace")]
use crate::trace::{self, Tracer, TracerBuilder};

/// A set of verbs under one name, served through one pipeline.
///
/// ```
/// use cnv::prelude::*;
///
/// /// Adds two numbers.
/// #[verb(noun = "sum", effect = "pure")]
/// fn add(left: i64, right: i64) -> Result<i64, Failure> {
///     left.checked_add(right).ok_or_else(|| Failure::failed("the sum is too large"))
/// }
///
/// let app = App::new("calc").verbs(verbs![add]);
/// app.check().unwrap();
/// let reply = app.call_blocking(["sum", "add", "2", "3"]);
/// assert_eq!(reply.result.unwrap().as_json(), "5");
/// ```
#[derive(Debug)]
pub struct App {
    pub(super) name: &'static str,
    pub(super) about: Option<&'static str>,
    pub(super) version: Option<&'static str>,
    pub(super) verbs: Vec<Registration>,
    pub(super) limits: Option<Limits>,
    pub(super) trust: Option<TrustStore>,
    pub(super) development: bool,
    pub(super) explains_denials: bool,
    pub(super) clock: Option<Arc<dyn Clock>>,
    pub(super) audit: Option<Arc<AuditLog>>,
    pub(super) revocation: RevocationPolicy,
    pub(super) accepts_bearer: bool,
    pub(super) state: Option<PathBuf>,
    pub(super) deciding: Deciding,
    pub(super) shorthands: Vec<Shorthand>,
    /// Those that the program named, beside those of its verbs.
    pub(super) policies: Vec<&'static Policy>,
    pub(super) known_policies: OnceLock<Arc<[&'static Policy]>>,
    pub(super) panics: AtomicU64,
    #[cfg(feature = "trace")]
    pub(super) metrics: super::metrics::Metrics,
    /// What sessions are granted, where `serve` is a command.
    #[cfg(feature = "session")]
    pub(super) sessions: Option<crate::session::SessionLimits>,
    /// What the program was built with, made when it is first asked for.
    pub(super) compiled: OnceLock<Arc<Version>>,
    #[cfg(feature = "trace")]
    pub(super) tracer: Option<Tracer>,
    /// What of the environment's settings for traces cannot be used.
    #[cfg(feature = "trace")]
    pub(super) trace_warnings: Vec<String>,
    #[cfg(feature = "reload")]
    pub(super) overlaid: Option<Overlaid>,
    #[cfg(feature = "reload")]
    pub(super) live: OnceLock<LiveGrammar>,
}

/// A word that stands for noun and verb.
#[derive(Debug)]
pub(super) struct Shorthand {
    pub(super) word: &'static str,
    pub(super) noun: &'static str,
    pub(super) verb: &'static str,
}

/// Whether there is a list of what was taken back.
#[derive(Debug, Clone)]
pub(super) enum RevocationPolicy {
    /// Nothing was said: without a list in the environment every attestation is refused.
    Missing,
    /// The program said that it has none.
    Unused,
    Live(Arc<Revocations>),
}

impl App {
    /// An application without verbs. `name` is what people type, and the audience that an attestation
    /// may be bound to.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            about: None,
            version: None,
            verbs: Vec::new(),
            limits: None,
            trust: None,
            development: false,
            explains_denials: false,
            clock: None,
            audit: None,
            revocation: RevocationPolicy::Missing,
            accepts_bearer: false,
            state: None,
            deciding: Deciding::new(),
            shorthands: Vec::new(),
            policies: Vec::new(),
            known_policies: OnceLock::new(),
            panics: AtomicU64::new(0),
            #[cfg(feature = "trace")]
            metrics: super::metrics::Metrics::new(),
            #[cfg(feature = "session")]
            sessions: None,
            compiled: OnceLock::new(),
            #[cfg(feature = "trace")]
            tracer: None,
            #[cfg(feature = "trace")]
            trace_warnings: Vec::new(),
            #[cfg(feature = "reload")]
            overlaid: None,
            #[cfg(feature = "reload")]
            live: OnceLock::new(),
        }
    }

    /// One line for the help.
    #[must_use]
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = Some(about);
        self
    }

    /// What `--version` says, usually `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = Some(version);
        self
    }

    /// Serves the verbs of a [`verbs!`](crate::verbs) list, besides those already there.
    #[must_use]
    pub fn verbs(mut self, verbs: impl IntoIterator<Item = Registration>) -> Self {
        self.verbs.extend(verbs);
        self
    }

    /// Lets `word` stand for a noun and a verb on the command line, where one is typed most. The command keeps its name
    /// everywhere else.
    #[must_use]
    pub fn shorthand(mut self, word: &'static str, noun: &'static str, verb: &'static str) -> Self {
        self.shorthands.push(Shorthand { word, noun, verb });
        self
    }

    /// A policy that functions share and no verb runs under itself, for [`recovery_control`](super::recovery_control) and
    /// the overlay to know. Those of the verbs are known already.
    #[must_use]
    pub fn policy(mut self, policy: &'static Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// The policies of the verbs, and those that were [named](Self::policy), each once, by their names.
    #[must_use]
    pub fn policies(&self) -> &[&'static Policy] {
        self.known_policies()
    }

    pub(super) fn known_policies(&self) -> &Arc<[&'static Policy]> {
        self.known_policies.get_or_init(|| {
            let of_verbs = self.verbs.iter().filter_map(|entry| (entry.policy)());
            let mut known: Vec<&'static Policy> = Vec::new();
            for policy in of_verbs.chain(self.policies.iter().copied()) {
                if !known.iter().any(|other| std::ptr::eq(*other, policy)) {
                    known.push(policy);
                }
            }
            known.sort_by_key(|policy| policy.name());
            known.into()
        })
    }

    /// Traces each call with this: a span for the call, with its stages, what it was allowed and used, on whose word it ran,
    /// and how it ended. Of its arguments nothing is recorded, but for those that the verb names with `trace(fields(..))`.
    /// What a caller says of its trace and its baggage comes in as far as the tracer's
    /// [`own`](crate::trace::TracerBuilder::own) and [`strangers`](crate::trace::TracerBuilder::strangers) let it; a call
    /// that comes without a transaction begins one.
    ///
    /// [`main`](Self::main) and [`run`](Self::run) have what waits exported before they end, for at most five seconds, and
    /// say on standard error if not all of it was.
    ///
    /// Needs the feature `trace`.
    #[cfg(feature = "trace")]
    #[must_use]
    pub fn trace(mut self, tracer: Tracer) -> Self {
        self.tracer = Some(tracer);
        self
    }

    /// [Traces](Self::trace) each call as the environment says: where spans go, and which are recorded (see
    /// [`TracerBuilder::from_env`](crate::trace::TracerBuilder::from_env)). Where it says nothing, nothing is recorded, and
    /// the traces of callers are passed on. `adjust` adds what the program wants besides, such as
    /// [`keep_errors`](crate::trace::TracerBuilder::keep_errors).
    ///
    /// What cannot be used is ignored, and told on standard error when the program runs.
    ///
    /// Needs the feature `trace`.
    #[cfg(feature = "trace")]
    #[must_use]
    pub fn trace_from_env(mut self, adjust: impl FnOnce(TracerBuilder) -> TracerBuilder) -> Self {
        let mut resource = trace::Resource::new(self.name);
        if let Some(version) = self.version {
            resource = resource.with("service.version", version);
        }
        let (builder, warnings) = TracerBuilder::from_env(resource);
        let warnings = warnings.iter().map(|warning| with_causes(warning));
        self.trace_warnings.extend(warnings);
        match adjust(builder).build() {
            Ok(tracer) => self.trace(tracer),
            // Nobody's call fails for that.
            Err(error) => {
                let warning = format!("nothing is traced: {error}");
                self.trace_warnings.push(warning);
                self
            }
        }
    }

    /// How many handlers panicked since the program began. Each was one call's failure, and the program went on.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// The most that one call may declare. A verb with a larger budget is a fault at start-up, and is
    /// not admitted.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// The roots that attestations are checked against. Nobody who calls has a say in it: `--trust` is then no option, and
    /// `CNV_TRUST` is not read.
    ///
    /// Without this the program leaves its roots to its operator, who names a trust store there. Where there is none,
    /// every guarded call is denied.
    #[must_use]
    pub fn trust(mut self, trust: TrustStore) -> Self {
        self.trust = Some(trust);
        self
    }

    /// For developing: as long as nothing is set up, an authority made for the process vouches for every call with
    /// everything there is, and a notice on standard error says so. Take it out of what others run.
    ///
    /// Something is set up as soon as there are roots, revocations or an audit log, in the program or in its environment,
    /// or the caller presents a token or has a key. Then this changes nothing: what is not attested is denied.
    #[must_use]
    pub fn development(mut self) -> Self {
        self.development = true;
        self
    }

    /// Tells the caller why a call was denied. Without this the caller hears that it was, for which command and
    /// capability, and under which number the operator finds the reason in the audit log: one that could tell "expired"
    /// from "revoked" could feel its way to what is accepted.
    ///
    /// For programs whose caller is their operator.
    #[must_use]
    pub fn explain_denials(mut self) -> Self {
        self.explains_denials = true;
        self
    }

    /// Where the present moment comes from, for every decision and every entry of the audit log. Default: the operating
    /// system's clock. Deadlines and budgets are measured and not read from it.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Asks the lists that are in force in `revocations` whether an attestation was taken back, also in
    /// [`Permit::recheck`](crate::attestation::Permit::recheck) of a call that is under way. Where a root has none in force,
    /// or the one that is has gone stale, what it granted is denied; reloading them is the program's business, see
    /// [`Revocations::reload`]. `CNV_REVOCATIONS` is then not looked at.
    #[must_use]
    pub fn revocations(mut self, revocations: Arc<Revocations>) -> Self {
        self.revocation = RevocationPolicy::Live(revocations);
        self
    }

    /// Accepts that there is no revocation list, so that what was issued is good until it expires. A list that
    /// `CNV_REVOCATIONS` names is asked all the same, and then each root needs one: they are read at each call, have to be
    /// signed by a root, and deny every guarded call where one is missing, damaged, stale or older than the one before.
    ///
    /// Without this, [`revocations`](Self::revocations) and `CNV_REVOCATIONS`, every attestation is refused.
    #[must_use]
    pub fn without_revocation(mut self) -> Self {
        self.revocation = RevocationPolicy::Unused;
        self
    }

    /// Accepts bearer tokens, which anybody can use who has them. Without this a caller has to prove possession of the key
    /// that the token names: the command-line door does so for each call, with the private key in the file that `CNV_KEY`
    /// names.
    #[must_use]
    pub fn accept_bearer(mut self) -> Self {
        self.accepts_bearer = true;
        self
    }

    /// Keeps the time and the numbers of revocation lists in this folder, so that neither goes back when the program ends
    /// and starts again: a clock that is set back brings no expired attestation back, and an older list no revoked one.
    /// Without this, `CNV_STATE` names the folder, and without either only the running program remembers.
    ///
    /// Where the folder cannot be read or written, what is guarded is denied. See [`Floors`](crate::attestation::Floors).
    #[must_use]
    pub fn state(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state = Some(folder.into());
        self
    }

    /// Records every call in this log: before it runs, whether it may and why not, and when it has ended, what came of
    /// it. A call that cannot be recorded does not run, unless the log was opened with
    /// [`WhenUnavailable::Allow`](crate::audit::WhenUnavailable::Allow).
    ///
    /// That it may is in the log's file before it runs, and with [`Durable`](crate::audit::Durability::Durable) on disk. Of a
    /// denied call the entry has the reason, which the caller does not hear, and the SHA-256 of the token's text.
    ///
    /// Arguments and results are recorded as digests: [`Digest::of`](crate::audit::Digest::of) with the tag
    /// `cnv arguments 1` over, for each parameter, its name, how many values it has in 8 bytes, big-endian, and these as
    /// they were written or defaulted; and with `cnv result 1` over each streamed item and then the returned value, as
    /// JSON. The digest of the grammar has the tag `cnv verb 1` and covers the verb as JSON, with its effect,
    /// attestation, budget and arguments; `--dry-run` shows it. What is not understood as a command is no call, and a dry
    /// run is none either.
    ///
    /// Without this and with `CNV_AUDIT`, the log is the folder of the application's name in the folder that this variable
    /// names, signed with the private key in the file that `CNV_AUDIT_KEY` names. A log has one writer: while one process
    /// has it open, the calls of another wait for it, for two seconds, and are then refused.
    #[must_use]
    pub fn audit(mut self, log: Arc<AuditLog>) -> Self {
        self.audit = Some(log);
        self
    }

    /// Lays a file over the grammar: verbs that are switched off, other names and defaults, lower limits. It is read when the
    /// program starts, and again as [`live_grammar`](Self::live_grammar) is told to.
    ///
    /// With a folder for [`state`](Self::state) what is in force is kept there. A program that starts with a file that is
    /// not in order serves on with that; without one it runs nothing, because its own grammar may allow what is switched off.
    #[cfg(feature = "reload")]
    #[must_use]
    pub fn overlay(mut self, overlay: impl Into<Overlaid>) -> Self {
        self.overlaid = Some(overlay.into());
        self
    }

    /// The live grammar of an application with an [`overlay`](Self::overlay).
    #[cfg(feature = "reload")]
    #[must_use]
    pub fn live_grammar(&self) -> Option<&LiveGrammar> {
        let overlaid = self.overlaid.as_ref()?;
        let made = || LiveGrammar::new(self, overlaid.clone());
        Some(self.live.get_or_init(made))
    }

    /// What the application's callers may say, and what they get, as it was built; sorted, so that it is the same on every build. On the
    /// command line, `--grammar` shows as JSON the one that is in force.
    #[must_use]
    pub fn grammar(&self) -> Grammar {
        let verbs = self.verbs.iter().map(verb_grammar).collect();
        Grammar::new(self.name, self.version, verbs)
    }

    /// The clock of every decision.
    pub(super) fn time(&self) -> Arc<dyn Clock> {
        self.clock.clone().unwrap_or_else(|| Arc::new(SystemClock))
    }

    /// Finds every fault that start-up would, for a unit test.
    ///
    /// # Errors
    ///
    /// [`Faults`] with all of them.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Vec::new();
        if self.verbs.is_empty() {
            faults.push(Fault::NoVerbs);
        }
        for (index, entry) in self.verbs.iter().enumerate() {
            let spec = entry.spec;
            let earlier = self.verbs[..index].iter().find_map(|other| {
                let name = spec.shared_name(&other.spec)?;
                Some((other, name))
            });
            if let Some((earlier, name)) = earlier {
                faults.push(Fault::DuplicateVerb {
                    verb: format!("{} {name}", spec.noun),
                    first: place(earlier),
                    second: place(entry),
                });
            }
            if let (Some(allowed), Some(declared)) = (&self.limits, spec.limits())
                && let Some(resource) = declared.first_over(allowed)
            {
                faults.push(Fault::OverLimits {
                    verb: spec.to_string(),
                    declared: *declared,
                    allowed: *allowed,
                    resource,
                });
            }
            duplicate_options(entry, &mut faults);
        }
        self.check_words(&mut faults);
        for pair in self.policies().windows(2) {
            if pair[0].name() == pair[1].name() {
                let name = pair[0].name().to_owned();
                faults.push(Fault::DuplicatePolicy { name });
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Faults(faults))
        }
    }
}

impl App {
    /// Every first word of the command line stands for one thing.
    fn check_words(&self, faults: &mut Vec<Fault>) {
        let mut words: Vec<&str> = self.verbs.iter().map(|entry| entry.spec.noun).collect();
        let mut claim = |word: &'static str, faults: &mut Vec<Fault>| {
            if words.contains(&word) {
                faults.push(Fault::WordTaken {
                    word: word.to_owned(),
                });
            }
            words.push(word);
        };
        #[cfg(feature = "session")]
        if self.sessions.is_some() {
            claim(super::serve::SERVE, faults);
        }
        for short in &self.shorthands {
            claim(short.word, faults);
            let has_verb = |entry: &Registration| {
                (entry.spec.noun, entry.spec.name) == (short.noun, short.verb)
            };
            if !self.verbs.iter().any(has_verb) {
                faults.push(Fault::ShorthandOfNothing {
                    word: short.word.to_owned(),
                    verb: format!("{} {}", short.noun, short.verb),
                });
            }
        }
    }
}

fn place(entry: &Registration) -> String {
    let spec = entry.spec;
    format!("`{}` ({}:{})", spec.function, spec.file, spec.line)
}

fn duplicate_options(entry: &Registration, faults: &mut Vec<Fault>) {
    let arguments = (entry.arguments)();
    let mut seen = Vec::new();
    for argument in &arguments {
        let long = argument.get_long().map(|long| format!("--{long}"));
        let short = argument.get_short().map(|short| format!("-{short}"));
        for option in long.into_iter().chain(short) {
            if seen.contains(&option) {
                faults.push(Fault::DuplicateOption {
                    verb: entry.spec.to_string(),
                    option,
                });
            } else {
                seen.push(option);
            }
        }
    }
}

/// One thing that keeps an application from starting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// There is nothing to call.
    #[error("the application has no verbs: add them with `.verbs(verbs![..])`")]
    NoVerbs,
    /// Two functions answer to the same words.
    #[error("`{verb}` is both {first} and {second}: rename one with `#[verb(name = \"..\")]`")]
    DuplicateVerb {
        /// Noun and verb.
        verb: String,
        /// The function registered first, and where it is.
        first: String,
        /// The other.
        second: String,
    },
    /// Two arguments of one verb answer to the same option.
    #[error("`{verb}` has two arguments called `{option}`: rename one with `#[arg(..)]`")]
    DuplicateOption {
        /// Noun and verb.
        verb: String,
        /// The option with its dashes.
        option: String,
    },
    /// The first word of a command line stands for two things.
    #[error(
        "`{word}` stands for two things at the beginning of a command line: a noun, a shorthand or `serve`; rename one"
    )]
    WordTaken {
        /// The word.
        word: String,
    },
    /// A shorthand for a command that is not there.
    #[error("`{word}` is a shorthand for `{verb}`, which is no command of the application")]
    ShorthandOfNothing {
        /// The shorthand.
        word: String,
        /// Noun and verb.
        verb: String,
    },
    /// Two policies have one name, which the overlay and the receipts tell them apart by.
    #[error("two policies are called `{name}`: rename one")]
    DuplicatePolicy {
        /// The name.
        name: String,
    },
    /// A budget larger than the application allows.
    #[error(
        "`{verb}` declares {declared}, more {resource} than the application allows ({allowed})"
    )]
    OverLimits {
        /// Noun and verb.
        verb: String,
        /// The verb's budget.
        declared: Limits,
        /// The application's limits.
        allowed: Limits,
        /// The first resource that is over.
        resource: Resource,
    },
}

/// Every fault that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The faults, in the order of the verbs.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the application cannot start")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for Faults {}
