//! The file that changes a grammar while the program runs.

mod ruling;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

pub(crate) use ruling::migrations;

use super::model::{Amounts, Argument, Grammar, VerbGrammar, option_name};
use crate::quota::Limits;
use crate::recovery::Mode;

/// The version of the form in which an overlay is written down.
pub const OVERLAY_SCHEMA: u32 = 1;

/// The largest overlay that is read, in bytes.
pub const MAX_OVERLAY_BYTES: usize = 1 << 20;

/// So many faults are shown: nobody reads on, and each is looked up in the text.
const MAX_SHOWN: usize = 16;

/// What a file says of an application's verbs, checked against nothing yet.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct OverlayFile {
    schema: Spanned<u32>,
    /// The digest of the grammar whose callers this may break, or how that begins.
    #[serde(default)]
    breaks: Option<Spanned<String>>,
    #[serde(default)]
    verbs: BTreeMap<Spanned<String>, VerbOverlay>,
    #[serde(default)]
    policies: BTreeMap<Spanned<String>, PolicyOverlay>,
}

/// What the file says of one policy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyOverlay {
    breaker: Spanned<String>,
}

/// The names of the modes that a circuit breaker can be set to.
const MODES: &[(&str, Mode)] = &[
    ("normal", Mode::Normal),
    ("forced_open", Mode::ForcedOpen),
    ("disabled", Mode::Disabled),
    ("metrics_only", Mode::MetricsOnly),
];

/// What the file says of one verb.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct VerbOverlay {
    enabled: Option<bool>,
    about: Option<String>,
    deprecated: Option<Spanned<String>>,
    aliases: Vec<Spanned<String>>,
    defaults: BTreeMap<Spanned<String>, Spanned<String>>,
    budget: Option<BudgetOverlay>,
    renamed: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// Limits that are lower than those of the program.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BudgetOverlay {
    memory_bytes: Option<Spanned<u64>>,
    cpu_ns: Option<Spanned<u64>>,
    io_ops: Option<Spanned<u64>>,
    network_bytes: Option<Spanned<u64>>,
}

/// One thing that is wrong with an overlay, with its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverlayFault {
    /// Where, in bytes of the text.
    pub place: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
}

impl OverlayFault {
    fn at(place: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
            help: None,
        }
    }

    fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The line and the column of the place, from 1; a column counts characters.
    #[must_use]
    pub fn line_and_column(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.place.start).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.matches('\n').count() + 1;
        (line, before[start..].chars().count() + 1)
    }

    /// The fault with the line that it is about, as the Rust compiler shows its own.
    #[must_use]
    pub fn shown(&self, file: &str, text: &str) -> String {
        let (line, column) = self.line_and_column(text);
        let source = text.lines().nth(line - 1).unwrap_or_default();
        let gutter = " ".repeat(line.to_string().len());
        let rest = source.chars().count().saturating_sub(column - 1);
        let marked = text.get(self.place.clone()).unwrap_or_default();
        let marked = marked.lines().next().unwrap_or_default().chars().count();
        let marks = "^".repeat(marked.clamp(1, rest.max(1)));
        // A tab stands under a tab, so that the marks do too.
        let indent: String = source
            .chars()
            .take(column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let mut shown = format!(
            "error: {}\n{gutter}--> {file}:{line}:{column}\n{gutter} |\n{line} | {source}\n{gutter} | {indent}{marks}",
            self.message
        );
        if let Some(help) = &self.help {
            shown.push_str(&format!("\n{gutter} = help: {help}"));
        }
        shown
    }
}

/// Why an overlay is not put in force. Nothing of it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlayError {
    faults: Vec<OverlayFault>,
}

impl OverlayError {
    /// All that is wrong, in the order of the text.
    #[must_use]
    pub fn faults(&self) -> &[OverlayFault] {
        &self.faults
    }

    /// The faults, each with the line that it is about; of more than 16 the first ones.
    #[must_use]
    pub fn shown(&self, file: &str, text: &str) -> String {
        let first = self.faults.iter().take(MAX_SHOWN);
        let mut shown: Vec<String> = first.map(|fault| fault.shown(file, text)).collect();
        if self.faults.len() > MAX_SHOWN {
            shown.push(format!("error: and {} more", self.faults.len() - MAX_SHOWN));
        }
        shown.join("\n\n")
    }
}

impl fmt::Display for OverlayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.faults.first().map_or("", |fault| &fault.message);
        match self.faults.len() {
            0 | 1 => f.write_str(first),
            more => write!(f, "{first} (and {} more)", more - 1),
        }
    }
}

impl std::error::Error for OverlayError {}

/// What changes of a grammar while the program runs: which verbs are there, their names, help, defaults, deprecations, and
/// limits below those of the program. It gives nothing that the program does not.
///
/// ```
/// use cnv::grammar::Overlay;
/// use cnv::prelude::*;
///
/// /// Scans.
/// #[verb(noun = "log", effect = "read")]
/// #[budget(memory = "1MB", cpu = "1s", io = 100)]
/// fn scan(#[arg(long, default_value_t = 10)] top: u8) -> Result<u8, Failure> {
///     Ok(top)
/// }
///
/// let compiled = App::new("ops").verbs(verbs![scan]).grammar();
/// let overlay = Overlay::parse(r#"
///     schema = 1
///
///     [verbs."log scan"]
///     aliases = ["s"]
///     defaults = { top = "20" }
///     budget = { io_ops = 50 }
/// "#)?;
/// let live = overlay.over(&compiled)?;
/// assert_eq!(live.verbs[0].budget.unwrap().io_ops, Some(50));
///
/// let text = "schema = 1\n[verbs.\"log scna\"]\nenabled = false\n";
/// let error = Overlay::parse(text)?.over(&compiled).unwrap_err();
/// assert_eq!(error.shown("ops.toml", text), r#"error: there is no verb `log scna`
///  --> ops.toml:2:8
///   |
/// 2 | [verbs."log scna"]
///   |        ^^^^^^^^^^
///   = help: did you mean `log scan`?"#);
/// # Ok::<(), cnv::grammar::OverlayError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay {
    file: OverlayFile,
}

impl Overlay {
    /// Reads an overlay. Whether the verbs are there is not known yet.
    ///
    /// # Errors
    ///
    /// Where the text is too long, no TOML, or has other keys than an overlay.
    pub fn parse(text: &str) -> Result<Self, OverlayError> {
        if text.len() > MAX_OVERLAY_BYTES {
            let message = format!(
                "an overlay has at most {MAX_OVERLAY_BYTES} bytes, and this has {}",
                text.len()
            );
            return Err(OverlayFault::at(0..1, message).into());
        }
        let file: OverlayFile = toml::from_str(text).map_err(|error| {
            let place = error.span().unwrap_or(0..0);
            OverlayFault::at(place, error.message())
        })?;
        let schema = *file.schema.get_ref();
        if schema != OVERLAY_SCHEMA {
            let message = format!("this program reads overlays of version {OVERLAY_SCHEMA}");
            return Err(OverlayFault::at(file.schema.span(), message).into());
        }
        Ok(Self { file })
    }

    /// The grammar with this laid over it. Verbs that are not enabled are left out.
    ///
    /// # Errors
    ///
    /// With all that the overlay asks for and the grammar has no room for.
    pub fn over(&self, compiled: &Grammar) -> Result<Grammar, OverlayError> {
        self.over_program(compiled, &Unknown)
    }

    /// The same, where the program itself is there to ask.
    pub(crate) fn over_program(
        &self,
        compiled: &Grammar,
        program: &dyn Program,
    ) -> Result<Grammar, OverlayError> {
        let mut faults = Vec::new();
        let mut live = compiled.clone();
        for (key, overlay) in &self.file.verbs {
            let found = live
                .verbs
                .iter_mut()
                .find(|verb| verb.to_string() == *key.get_ref());
            match found {
                Some(verb) => lay(overlay, verb, program, &mut faults),
                None => faults.push(unknown_verb(key, compiled)),
            }
        }
        self.check_names(&live, &mut faults);
        self.check_policies(program, &mut faults);
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.place.start);
            return Err(OverlayError { faults });
        }
        let is_enabled = |verb: &VerbGrammar| {
            let key = verb.to_string();
            let overlay = self
                .file
                .verbs
                .iter()
                .find(|(name, _)| *name.get_ref() == key);
            overlay
                .and_then(|(_, overlay)| overlay.enabled)
                .unwrap_or(true)
        };
        live.verbs.retain(is_enabled);
        Ok(live)
    }

    /// The modes of circuit breakers, by the names of their policies.
    pub(crate) fn modes(&self) -> impl Iterator<Item = (&str, Mode)> {
        self.file.policies.iter().filter_map(|(name, policy)| {
            let mode = mode(policy.breaker.get_ref())?;
            Some((name.get_ref().as_str(), mode))
        })
    }

    fn check_policies(&self, program: &dyn Program, faults: &mut Vec<OverlayFault>) {
        let known = program.policies();
        for (key, overlay) in &self.file.policies {
            let name = key.get_ref().as_str();
            if let Some(known) = &known
                && !known.contains(&name)
            {
                let fault = OverlayFault::at(key.span(), format!("there is no policy `{name}`"));
                faults.push(match (nearest(name, known.iter().copied()), known.len()) {
                    (Some(near), _) => fault.with_help(format!("did you mean `{near}`?")),
                    (None, 0) => fault.with_help("the program has none"),
                    (None, _) => {
                        fault.with_help(format!("the policies are `{}`", known.join("`, `")))
                    }
                });
            }
            let written = overlay.breaker.get_ref();
            if mode(written).is_none() {
                let names: Vec<&str> = MODES.iter().map(|(name, _)| *name).collect();
                let message = format!("`{written}` is no mode of a circuit breaker");
                let help = match nearest(written, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the modes are `{}`", names.join("`, `")),
                };
                faults.push(OverlayFault::at(overlay.breaker.span(), message).with_help(help));
            }
        }
    }

    /// Every alias is one verb's alone, also one that is not enabled: it may be tomorrow.
    fn check_names(&self, live: &Grammar, faults: &mut Vec<OverlayFault>) {
        for (key, overlay) in &self.file.verbs {
            let Some((noun, _)) = key.get_ref().split_once(' ') else {
                continue;
            };
            for alias in &overlay.aliases {
                let name = alias.get_ref();
                let owners = live.verbs.iter().filter(|verb| verb.noun == noun);
                let mut others = owners.filter(|verb| {
                    let answers = verb.name == *name || verb.aliases.contains(name);
                    answers && verb.to_string() != *key.get_ref()
                });
                if let Some(other) = others.next() {
                    let message = format!("`{noun} {name}` is a name of `{other}` already");
                    faults.push(OverlayFault::at(alias.span(), message));
                }
            }
        }
    }
}

/// What a program knows of its verbs and a grammar does not say.
pub(crate) trait Program {
    /// Why the argument's own parser refuses the value.
    fn refuses(&self, verb: &VerbGrammar, argument: &str, value: &str) -> Option<String>;

    /// Whether the verb has this option, under whichever name it is shown.
    fn has_option(&self, verb: &VerbGrammar, option: &str) -> bool;

    /// The names of its policies; `None` where they are not known.
    fn policies(&self) -> Option<Vec<&'static str>>;
}

/// A program of which only the grammar is there.
struct Unknown;

impl Program for Unknown {
    fn refuses(&self, _: &VerbGrammar, _: &str, _: &str) -> Option<String> {
        None
    }

    fn has_option(&self, _: &VerbGrammar, _: &str) -> bool {
        false
    }

    fn policies(&self) -> Option<Vec<&'static str>> {
        None
    }
}

fn mode(name: &str) -> Option<Mode> {
    let found = MODES.iter().find(|(known, _)| *known == name);
    found.map(|(_, mode)| *mode)
}

/// Options that every command has.
const OPTIONS_OF_EVERY_COMMAND: &[&str] = &[
    "attestation",
    "dry-run",
    "frames",
    "grammar",
    "help",
    "json",
    "output",
    "quiet",
    "timeout",
    "transaction",
    "trust",
    "version",
];

impl From<OverlayFault> for OverlayError {
    fn from(fault: OverlayFault) -> Self {
        Self {
            faults: vec![fault],
        }
    }
}

fn unknown_verb(key: &Spanned<String>, compiled: &Grammar) -> OverlayFault {
    let fault = OverlayFault::at(key.span(), format!("there is no verb `{}`", key.get_ref()));
    let names: Vec<String> = compiled.verbs.iter().map(ToString::to_string).collect();
    match nearest(key.get_ref(), names.iter().map(String::as_str)) {
        Some(near) => fault.with_help(format!("did you mean `{near}`?")),
        None => fault.with_help(format!("the verbs are `{}`", names.join("`, `"))),
    }
}

/// The name that is at most two letters away.
fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, name)| name)
}

fn lay(
    overlay: &VerbOverlay,
    verb: &mut VerbGrammar,
    program: &dyn Program,
    faults: &mut Vec<OverlayFault>,
) {
    if let Some(about) = &overlay.about {
        verb.about.clone_from(about);
    }
    if let Some(advice) = &overlay.deprecated {
        if advice.get_ref().trim().is_empty() {
            let fault = OverlayFault::at(advice.span(), "say what to use in place of the verb");
            faults.push(fault);
        }
        verb.deprecated = Some(advice.get_ref().clone());
    }
    aliases(&overlay.aliases, verb, faults);
    for (name, value) in &overlay.defaults {
        default(name, value, verb, program, faults);
    }
    for name in overlay.defaults.keys() {
        check_places_after(name, verb, faults);
    }
    if let Some(budget) = &overlay.budget {
        lower(budget, verb, faults);
    }
    for (old, new) in &overlay.renamed {
        renamed(old, new, verb, program, faults);
    }
}

fn aliases(aliases: &[Spanned<String>], verb: &mut VerbGrammar, faults: &mut Vec<OverlayFault>) {
    for alias in aliases {
        let name = alias.get_ref();
        let is_word = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !name.ends_with('-')
            && !name.contains("--")
            && name != "help";
        if !is_word {
            let message = format!("`{name}` cannot be a name of a verb");
            let help =
                "lower-case letters, digits and single dashes, starting with a letter; not `help`";
            faults.push(OverlayFault::at(alias.span(), message).with_help(help));
        } else if *name == verb.name || verb.aliases.contains(name) {
            let message = format!("`{verb}` answers to `{name}` already");
            faults.push(OverlayFault::at(alias.span(), message));
        } else {
            verb.aliases.push(name.clone());
        }
    }
}

fn default(
    name: &Spanned<String>,
    value: &Spanned<String>,
    verb: &mut VerbGrammar,
    program: &dyn Program,
    faults: &mut Vec<OverlayFault>,
) {
    let (shown, asked) = (verb.to_string(), verb.clone());
    let found = verb
        .arguments
        .iter_mut()
        .find(|argument| argument.name == *name.get_ref());
    let Some(argument) = found else {
        let message = format!("`{shown}` has no argument `{}`", name.get_ref());
        let fault = OverlayFault::at(name.span(), message);
        let names = verb.arguments.iter().map(|argument| argument.name.as_str());
        faults.push(match nearest(name.get_ref(), names) {
            Some(near) => fault.with_help(format!("did you mean `{near}`?")),
            None => fault,
        });
        return;
    };
    let without_default = match argument {
        Argument {
            takes_values: false,
            ..
        } => Some("is a switch"),
        Argument { repeats: true, .. } => Some("may be given several times"),
        // Whoever reads the help would read it.
        Argument { secret: true, .. } => Some("is secret"),
        _ => None,
    };
    if let Some(what) = without_default {
        let message = format!("`{}` {what}, and has no default", name.get_ref());
        faults.push(OverlayFault::at(name.span(), message));
        return;
    }
    let refused = || program.refuses(&asked, name.get_ref(), value.get_ref());
    if let Some(message) = unfit(value.get_ref(), argument).or_else(refused) {
        faults.push(OverlayFault::at(value.span(), message));
        return;
    }
    argument.defaults = vec![value.get_ref().clone()];
    argument.required = false;
    let name = argument.name.clone();
    if let Some(required) = verb.input["required"].as_array_mut() {
        required.retain(|entry| entry.as_str() != Some(&name));
    }
}

/// What is told by its place can be left out only where nothing follows that cannot.
fn check_places_after(name: &Spanned<String>, verb: &VerbGrammar, faults: &mut Vec<OverlayFault>) {
    let arguments = verb.arguments.iter();
    let mut places = arguments
        .filter(|argument| argument.long.is_none() && argument.short.is_none())
        .skip_while(|argument| argument.name != *name.get_ref());
    if places.next().is_none() {
        return;
    }
    if let Some(later) = places.find(|later| later.required) {
        let message = format!(
            "`{}` cannot be left out before `{}`",
            name.get_ref(),
            later.name
        );
        let help = format!("give `{}` a default as well", later.name);
        faults.push(OverlayFault::at(name.span(), message).with_help(help));
    }
}

/// Why the argument cannot have this value, as far as its schema says.
fn unfit(value: &str, argument: &Argument) -> Option<String> {
    let schema = &argument.value;
    if let Some(choices) = schema["enum"].as_array() {
        let names: Vec<&str> = choices
            .iter()
            .filter_map(|choice| choice.as_str())
            .collect();
        let choices = || format!("`{value}` is none of `{}`", names.join("`, `"));
        return (!names.contains(&value)).then(choices);
    }
    match schema["type"].as_str() {
        Some("integer") => {
            let Ok(number) = value.parse::<i128>() else {
                return Some(format!("`{value}` is no whole number"));
            };
            let bound = |name: &str| {
                let bound = &schema[name];
                let signed = bound.as_i64().map(i128::from);
                signed.or_else(|| bound.as_u64().map(i128::from))
            };
            let (least, most) = (bound("minimum"), bound("maximum"));
            let is_within =
                least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most);
            (!is_within).then(|| match (least, most) {
                (Some(least), Some(most)) => format!("`{value}` is not from {least} to {most}"),
                (Some(least), None) => format!("`{value}` is less than {least}"),
                _ => format!("`{value}` is too large"),
            })
        }
        Some("number") if value.parse::<f64>().is_err() => Some(format!("`{value}` is no number")),
        Some("boolean") if !matches!(value, "true" | "false") => {
            Some(format!("`{value}` is neither `true` nor `false`"))
        }
        _ => None,
    }
}

/// Limits below those of the program, or the same.
fn lower(budget: &BudgetOverlay, verb: &mut VerbGrammar, faults: &mut Vec<OverlayFault>) {
    let mut lowered = Limits::from(
        verb.budget
            .unwrap_or_else(|| Amounts::from(&Limits::unlimited())),
    );
    let BudgetOverlay {
        memory_bytes,
        cpu_ns,
        io_ops,
        network_bytes,
    } = budget;
    for (limit, wanted) in [
        (&mut lowered.memory_bytes, memory_bytes),
        (&mut lowered.cpu_ns, cpu_ns),
        (&mut lowered.io_ops, io_ops),
        (&mut lowered.network_bytes, network_bytes),
    ] {
        let Some(wanted) = wanted else { continue };
        if wanted.get_ref() > limit {
            let message = format!("the program allows {limit}, and an overlay can only lower that");
            faults.push(OverlayFault::at(wanted.span(), message));
        }
        *limit = *wanted.get_ref();
    }
    verb.budget = Some(Amounts::from(&lowered));
}

fn renamed(
    old: &Spanned<String>,
    new: &Spanned<String>,
    verb: &mut VerbGrammar,
    program: &dyn Program,
    faults: &mut Vec<OverlayFault>,
) {
    let has = |name: &str| verb.arguments.iter().any(|argument| argument.name == name);
    let option = option_name(old.get_ref());
    let is_taken = has(old.get_ref())
        || OPTIONS_OF_EVERY_COMMAND.contains(&option.as_str())
        || program.has_option(verb, &option)
        || verb
            .arguments
            .iter()
            .any(|argument| argument.long.as_ref() == Some(&option))
        || verb
            .renamed
            .keys()
            .any(|other| option_name(other) == option);
    if !old.get_ref().starts_with(|c: char| c.is_ascii_lowercase())
        || old.get_ref().contains(|c: char| {
            !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_' && c != '-'
        })
    {
        let message = format!("`{}` was never the name of an argument", old.get_ref());
        let help = "lower-case letters, digits and underscores, starting with a letter";
        faults.push(OverlayFault::at(old.span(), message).with_help(help));
    } else if is_taken {
        let message = format!("`{verb}` still has an argument `{}`", old.get_ref());
        faults.push(OverlayFault::at(old.span(), message));
    }
    if !has(new.get_ref()) {
        let message = format!("`{verb}` has no argument `{}`", new.get_ref());
        let names = verb.arguments.iter().map(|argument| argument.name.as_str());
        let fault = OverlayFault::at(new.span(), message);
        faults.push(match nearest(new.get_ref(), names) {
            Some(near) => fault.with_help(format!("did you mean `{near}`?")),
            None => fault,
        });
    }
    verb.renamed
        .insert(old.get_ref().clone(), new.get_ref().clone());
}
