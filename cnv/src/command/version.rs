//! One version of the grammar: what a call is understood by from its first word to its receipt.
//!
//! A call takes the version that is in force when it begins, and every stage looks at that one: what comes into force
//! meanwhile is the next call's.

#[cfg(feature = "reload")]
use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, OnceLock};
#[cfg(feature = "session")]
use std::sync::{Mutex, PoisonError};

#[cfg(feature = "session")]
use clap::ArgMatches;
use clap::{Arg, Command};

use super::app::App;
use super::audit::Tell;
use super::failure::Failure;
use super::grammar::verb_grammar;
use super::spec::VerbSpec;
use super::verb::Registration;
use crate::audit::Digest;
#[cfg(feature = "reload")]
use crate::grammar::Program;
use crate::grammar::{Grammar, VerbGrammar, option_name};
#[cfg(feature = "reload")]
use crate::quota::Limits;
#[cfg(feature = "reload")]
use crate::recovery::Policy;

/// The verbs of an application with their live grammar. Never changed: another one takes its place.
#[derive(Debug)]
pub(super) struct Version {
    /// Rises with every version of a process; 0 is what the program was built with.
    number: u64,
    application: &'static str,
    program_version: Option<&'static str>,
    /// In the order of the program, with those that are switched off.
    verbs: Vec<LiveVerb>,
    #[cfg(feature = "reload")]
    policies: Arc<[&'static Policy]>,
    digest: OnceLock<Digest>,
}

/// One verb of a version.
#[derive(Debug)]
pub(super) struct LiveVerb {
    /// What runs, and what is declared of it. The limits are the live ones.
    entry: Registration,
    /// Noun and verb.
    #[cfg(feature = "trace")]
    name: Box<str>,
    grammar: VerbGrammar,
    is_enabled: bool,
    /// Names that arguments had for as long as was promised, with those that they have now.
    ended: Vec<(String, String)>,
    digest: OnceLock<Digest>,
    /// What understands the words after noun and verb, once some came.
    #[cfg(feature = "session")]
    parser: OnceLock<Mutex<Command>>,
}

/// Why words lead to no verb.
pub(super) enum Unresolved {
    Unknown { noun: String, name: String },
    SwitchedOff(SwitchedOff),
}

/// Why a command that the program has is not run: its operator has switched it off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{verb}` is switched off")]
#[non_exhaustive]
pub struct SwitchedOff {
    /// Noun and verb.
    pub verb: String,
}

impl Unresolved {
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Unknown { noun, name } => {
                Failure::usage(format!("there is no command `{noun} {name}`"))
            }
            Self::SwitchedOff(error) => error.into(),
        }
    }
}

impl Version {
    /// What the program was built with.
    pub(super) fn compiled(app: &App) -> Self {
        let verbs = app.verbs.iter().copied().map(LiveVerb::compiled);
        Self {
            number: 0,
            application: app.name,
            program_version: app.version,
            verbs: verbs.collect(),
            #[cfg(feature = "reload")]
            policies: Arc::clone(app.known_policies()),
            digest: OnceLock::new(),
        }
    }

    /// This version's program with another grammar. Its verbs that are not in there are switched off, and `ended` has the
    /// names of arguments, after their verb, that are not understood any more.
    #[cfg(feature = "reload")]
    pub(super) fn with_grammar(
        &self,
        number: u64,
        grammar: &Grammar,
        ended: &[(String, String, String)],
    ) -> Self {
        let verbs = self
            .verbs
            .iter()
            .map(|verb| verb.with_grammar(grammar, ended));
        Self {
            number,
            application: self.application,
            program_version: self.program_version,
            verbs: verbs.collect(),
            #[cfg(feature = "reload")]
            policies: Arc::clone(&self.policies),
            digest: OnceLock::new(),
        }
    }

    /// Rises with every version of a process.
    #[cfg_attr(
        not(feature = "reload"),
        expect(dead_code, reason = "one version has no other to be told from")
    )]
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// What callers may say: the verbs that are not switched off.
    pub(super) fn grammar(&self) -> Grammar {
        let enabled = self.verbs.iter().filter(|verb| verb.is_enabled);
        let verbs = enabled.map(|verb| verb.grammar.clone()).collect();
        Grammar::new(self.application, self.program_version, verbs)
    }

    /// What names the version, on every machine.
    #[cfg_attr(
        not(any(feature = "reload", feature = "session")),
        expect(dead_code, reason = "without either, nobody asks for a version")
    )]
    pub(super) fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| self.grammar().digest())
    }

    /// The verb that answers to these words.
    ///
    /// # Errors
    ///
    /// Where none does, or it is switched off.
    pub(super) fn resolve(&self, noun: &str, name: &str) -> Result<&LiveVerb, Unresolved> {
        let mut answering = self.verbs.iter().filter(|verb| verb.answers(noun, name));
        let Some(verb) = answering.next() else {
            return Err(Unresolved::Unknown {
                noun: noun.to_owned(),
                name: name.to_owned(),
            });
        };
        if !verb.is_enabled {
            let verb = verb.to_string();
            return Err(Unresolved::SwitchedOff(SwitchedOff { verb }));
        }
        Ok(verb)
    }

    /// The nouns as clap knows them, and under them the verbs. One that is switched off is understood and not shown, so
    /// that its caller hears that it is.
    pub(super) fn nouns(&self) -> Vec<Command> {
        let mut nouns: Vec<&str> = self.verbs.iter().map(|verb| verb.spec().noun()).collect();
        nouns.sort_unstable();
        nouns.dedup();
        let noun = |noun: &'static str| {
            let verbs = self.verbs.iter().filter(|verb| verb.spec().noun() == noun);
            let enabled = verbs.clone().filter(|verb| verb.is_enabled);
            let names: Vec<&str> = enabled.map(|verb| verb.spec().name()).collect();
            Command::new(noun)
                .about(format!("Commands: {}", names.join(", ")))
                .hide(names.is_empty())
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommands(verbs.map(LiveVerb::command))
        };
        nouns.into_iter().map(noun).collect()
    }
}

impl LiveVerb {
    /// The verb as the program has it.
    pub(super) fn compiled(entry: Registration) -> Self {
        Self {
            entry,
            #[cfg(feature = "trace")]
            name: entry.spec.to_string().into(),
            grammar: verb_grammar(&entry),
            is_enabled: true,
            ended: Vec::new(),
            digest: OnceLock::new(),
            #[cfg(feature = "session")]
            parser: OnceLock::new(),
        }
    }

    #[cfg(feature = "reload")]
    fn with_grammar(&self, grammar: &Grammar, ended: &[(String, String, String)]) -> Self {
        let own = ended.iter().filter(|(verb, ..)| *verb == self.to_string());
        let ended = own
            .map(|(_, old, new)| (old.clone(), new.clone()))
            .collect();
        let live = grammar.verb(self.spec().noun(), self.spec().name());
        let is_enabled = live.is_some();
        let grammar = live.unwrap_or(&self.grammar).clone();
        let mut entry = self.entry;
        entry.spec.limits = grammar.budget.map(Limits::from);
        Self {
            entry,
            #[cfg(feature = "trace")]
            name: self.name.clone(),
            grammar,
            is_enabled,
            ended,
            digest: OnceLock::new(),
            #[cfg(feature = "session")]
            parser: OnceLock::new(),
        }
    }

    /// Noun and verb.
    #[cfg(feature = "trace")]
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What is declared of it, with the live limits. Its texts are the program's: the live ones are in the grammar.
    pub(super) const fn spec(&self) -> &VerbSpec {
        &self.entry.spec
    }

    pub(super) const fn entry(&self) -> &Registration {
        &self.entry
    }

    pub(super) const fn grammar(&self) -> &VerbGrammar {
        &self.grammar
    }

    /// The digest of its grammar, made once.
    pub(super) fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| self.grammar.digest())
    }

    fn answers(&self, noun: &str, name: &str) -> bool {
        let VerbGrammar { aliases, .. } = &self.grammar;
        self.grammar.noun == noun
            && (self.grammar.name == name || aliases.iter().any(|alias| alias == name))
    }

    /// The typed arguments, with their live defaults and the names that they had.
    pub(super) fn arguments(&self) -> Vec<Arg> {
        let live = |arg: Arg| {
            let name = arg.get_id().as_str();
            let mut live = self.grammar.arguments.iter();
            let Some(live) = live.find(|argument| argument.name == name) else {
                return arg;
            };
            let renamed = self.grammar.renamed.iter();
            let before = renamed.filter(|(_, now)| **now == live.name);
            let before: Vec<String> = before.map(|(old, _)| option_name(old)).collect();
            let arg = match arg.get_long() {
                Some(_) => arg.aliases(before),
                // One that is told by its place never had its name written.
                None => arg,
            };
            let had = arg.get_default_values().iter();
            if had.eq(live.defaults.iter().map(String::as_str)) {
                return arg;
            }
            arg.default_values(live.defaults.clone())
                .required(live.required)
        };
        (self.entry.arguments)().into_iter().map(live).collect()
    }

    /// Understands the words from the verb on. What does so is made once: that takes longer than a call.
    ///
    /// # Errors
    ///
    /// clap's own.
    #[cfg(feature = "session")]
    pub(super) fn parse<'w>(
        &self,
        words: impl Iterator<Item = &'w String>,
    ) -> Result<ArgMatches, clap::Error> {
        let parser = self.parser.get_or_init(|| Mutex::new(self.command()));
        // A parser of a value that panicked has changed nothing that the next words depend on.
        let mut parser = parser.lock().unwrap_or_else(PoisonError::into_inner);
        let matches = parser.try_get_matches_from_mut(words);
        matches.map_err(|error| super::cli::without_secret(error, &parser))
    }

    /// The verb as clap knows it, for a door that has the words after noun and verb.
    pub(super) fn command(&self) -> Command {
        let spec = self.spec();
        let VerbGrammar { about, .. } = &self.grammar;
        let shown = match &self.grammar.deprecated {
            Some(advice) => format!("{about} (deprecated: {advice})"),
            None => about.clone(),
        };
        let mut arguments = self.arguments();
        if !self.is_enabled {
            // Whatever is missing, that it is switched off comes first.
            arguments = arguments
                .into_iter()
                .map(|arg| arg.required(false))
                .collect();
        }
        let mut command = Command::new(spec.name())
            .about(shown)
            .hide(!self.is_enabled)
            .visible_aliases(self.grammar.aliases.clone())
            .args(arguments.into_iter().map(named_value))
            .args(self.ended.iter().map(|(old, new)| ended(old, new)));
        // Another help in short takes the place of the long one.
        if let (Some(long), true) = (spec.long_about, about == spec.about) {
            command = command.long_about(long);
        }
        command
    }
}

/// The option that an argument had, which is refused with the one that it has.
fn ended(old: &str, new: &str) -> Arg {
    let message = format!("the argument is called `{new}` now");
    let refuse = move |_: &str| -> Result<String, String> { Err(message.clone()) };
    Arg::new(format!("cnv-ended-{old}"))
        .long(option_name(old))
        .hide(true)
        .num_args(0..=1)
        .default_missing_value("")
        .value_parser(refuse)
}

#[cfg(feature = "reload")]
impl Program for Version {
    fn refuses(&self, verb: &VerbGrammar, argument: &str, value: &str) -> Option<String> {
        let verb = self.resolve(&verb.noun, &verb.name).ok()?;
        let arguments = (verb.entry.arguments)();
        let argument = arguments.iter().find(|arg| arg.get_id() == argument)?;
        // By itself, so that nothing but the value can be wrong.
        let alone = Arg::new("value")
            .required(true)
            .allow_hyphen_values(true)
            .value_parser(argument.get_value_parser().clone());
        let command = Command::new("value").disable_help_flag(true).arg(alone);
        let error = command.try_get_matches_from(["value", "--", value]).err()?;
        let why = error.source().map(ToString::to_string);
        Some(match why {
            Some(why) => format!("`{value}` is refused: {why}"),
            None => format!("`{value}` is refused"),
        })
    }

    fn has_option(&self, verb: &VerbGrammar, option: &str) -> bool {
        let Ok(verb) = self.resolve(&verb.noun, &verb.name) else {
            return false;
        };
        let arguments = (verb.entry.arguments)();
        arguments.iter().any(|arg| {
            let aliases = arg.get_all_aliases().unwrap_or_default();
            arg.get_long() == Some(option) || aliases.contains(&option)
        })
    }

    fn policies(&self) -> Option<Vec<&'static str>> {
        Some(self.policies.iter().map(|policy| policy.name()).collect())
    }
}

/// Shows an argument's value in capitals, unless it has a name of its own.
fn named_value(argument: Arg) -> Arg {
    if argument.get_value_names().is_some() || !argument.get_action().takes_values() {
        return argument;
    }
    let name = argument.get_id().as_str().to_uppercase();
    argument.value_name(name)
}

impl fmt::Display for LiveVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.grammar.fmt(f)
    }
}

impl App {
    /// The version that a call which begins now is understood by.
    pub(super) fn version_in_force(&self) -> Arc<Version> {
        #[cfg(feature = "reload")]
        if let Some(live) = self.live_grammar() {
            return live.version();
        }
        self.compiled_version()
    }

    /// What the program was built with.
    pub(super) fn compiled_version(&self) -> Arc<Version> {
        let made = || Arc::new(Version::compiled(self));
        Arc::clone(self.compiled.get_or_init(made))
    }

    /// The version of a call that begins now, with what its operator changed. `tell` hears what is wrong with that.
    ///
    /// # Errors
    ///
    /// Where that cannot be read, and it is not known what it was.
    pub(super) async fn ready(&self, tell: &Tell<'_>) -> Result<Arc<Version>, Failure> {
        #[cfg(feature = "reload")]
        if let Some(live) = self.live_grammar() {
            return live.ready(tell).await;
        }
        let _ = tell;
        Ok(self.version_in_force())
    }
}

#[cfg(all(test, feature = "reload"))]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::command::Output;
    use crate::command::spec::verb_spec;
    use crate::grammar::{Effect, Overlay};

    fn version(overlay: &str) -> Version {
        let scan = Registration {
            spec: verb_spec(
                ("log", "scan", &["s"]),
                ("Scans", Some("Scans\n\nand more"), None),
                (Effect::Read, false),
                None,
                Some(Limits {
                    io_ops: 100,
                    ..Limits::unlimited()
                }),
                ("scan", "", 0),
            ),
            arguments: || {
                vec![
                    Arg::new("path").required(true),
                    Arg::new("max_lines").long("max-lines").default_value("10"),
                ]
            },
            output: || None,
            #[cfg(feature = "session")]
            is_blocking: false,
            policy: || None,
            invoke: |_cx, _matches| Box::pin(async { Output::of(&0) }),
        };
        let compiled = Version::compiled(&App::new("ops").verbs([scan]));
        let live = Overlay::parse(overlay).unwrap().over(&compiled.grammar());
        compiled.with_grammar(1, &live.unwrap(), &[])
    }

    fn parsed(version: &Version, words: &[&str]) -> Result<clap::ArgMatches, String> {
        let words = std::iter::once("scan").chain(words.iter().copied());
        let verb = version.resolve("log", "scan").ok().unwrap();
        let matches = verb
            .command()
            .try_get_matches_from(words.map(OsString::from));
        matches.map_err(|error| error.to_string())
    }

    #[test]
    fn a_default_is_the_live_one() {
        let live = version(
            "schema = 1\nverbs.\"log scan\".defaults = { path = \"a\", max_lines = \"20\" }",
        );
        let matches = parsed(&live, &[]).unwrap();
        let value = |name| matches.get_one::<String>(name).unwrap().as_str();
        assert_eq!((value("path"), value("max_lines")), ("a", "20"));
    }

    #[test]
    fn a_name_that_was_is_understood_and_not_shown() {
        let live =
            version("schema = 1\nverbs.\"log scan\".renamed = { top_lines = \"max_lines\" }");
        let matches = parsed(&live, &["a", "--top-lines", "3"]).unwrap();
        assert_eq!(matches.get_one::<String>("max_lines").unwrap(), "3");
        let help = parsed(&live, &["--help"]).unwrap_err();
        assert!(!help.contains("top-lines"), "{help}");
        assert!(parsed(&version("schema = 1"), &["a", "--top-lines", "3"]).is_err());
    }

    #[test]
    fn limits_are_the_live_ones() {
        let live = version("schema = 1\nverbs.\"log scan\".budget = { io_ops = 7 }");
        let verb = live.resolve("log", "s").ok().unwrap();
        assert_eq!(verb.spec().limits().unwrap().io_ops, 7);
    }

    #[test]
    fn another_help_takes_the_place_of_the_long_one() {
        let help = |overlay| parsed(&version(overlay), &["--help"]).unwrap_err();
        assert!(help("schema = 1").contains("and more"));
        let other = help("schema = 1\nverbs.\"log scan\".about = \"Looks\"");
        assert!(
            other.contains("Looks") && !other.contains("and more"),
            "{other}"
        );
    }

    #[test]
    fn what_is_switched_off_says_so_and_is_in_no_grammar() {
        let live = version("schema = 1\nverbs.\"log scan\".enabled = false");
        assert!(live.grammar().verbs.is_empty());
        for name in ["scan", "s"] {
            let failure = live.resolve("log", name).err().unwrap().into_failure();
            assert_eq!(failure.to_string(), "`log scan` is switched off");
            assert!(failure.error().unwrap().is::<SwitchedOff>());
        }
        let root = Command::new("ops").subcommands(live.nouns());
        let matches = root.try_get_matches_from(["ops", "log", "s"]).unwrap();
        let (_, noun) = matches.subcommand().unwrap();
        assert_eq!(noun.subcommand_name(), Some("scan"));
        assert!(
            !Command::new("ops")
                .subcommands(live.nouns())
                .render_help()
                .to_string()
                .contains("log")
        );
    }

    #[test]
    fn every_version_has_its_digest() {
        let (one, two) = (
            version("schema = 1"),
            version("schema = 1\nverbs.\"log scan\".aliases = [\"t\"]"),
        );
        assert_eq!(one.digest(), one.grammar().digest());
        assert_ne!(one.digest(), two.digest());
        assert_eq!(one.number(), 1);
        assert!(two.resolve("log", "t").is_ok());
    }
}
