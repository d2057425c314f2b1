//! Manual pages: one for the application and one for each verb, with what the verb may do, use and asks for.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::app::App;
use super::cli::command;
use super::evidence::environment_help;
use super::failure::{Failure, FailureCode};
use super::spec::VerbSpec;
use super::version::Version;
use crate::grammar::{Amounts, Effect};

/// Writes all pages into a folder, which is made where there is none, and says which files they are.
///
/// # Errors
///
/// Where the folder or a file cannot be written.
pub(super) fn write(app: &App, version: &Version, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed =
        |path: &Path, error| Failure::failed(format!("cannot write `{}`: {error}", path.display()));
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let mut paths = Vec::new();
    for (name, page) in pages(app, version) {
        let path = folder.join(name);
        fs::write(&path, page).map_err(|error| failed(&path, error))?;
        paths.push(path);
    }
    Ok(paths)
}

/// The pages with the names of their files, the application's first. The same on every build.
fn pages(app: &App, version: &Version) -> Vec<(String, String)> {
    let mut root = command(app, version).disable_help_subcommand(true);
    root.build();
    let mut pages = vec![(format!("{}.1", app.name), root_page(app, &root))];
    for spec in specs(app) {
        let noun = root.find_subcommand(spec.noun);
        if let Some(verb) = noun.and_then(|noun| noun.find_subcommand(spec.name)) {
            pages.push((
                format!("{}.1", page_name(app, spec)),
                verb_page(app, spec, verb),
            ));
        }
    }
    pages
}

/// The verbs by noun and name.
fn specs(app: &App) -> Vec<&VerbSpec> {
    let mut specs: Vec<&VerbSpec> = app.verbs.iter().map(|entry| &entry.spec).collect();
    specs.sort_by_key(|spec| (spec.noun, spec.name));
    specs
}

fn page_name(app: &App, spec: &VerbSpec) -> String {
    format!("{}-{}-{}", app.name, spec.noun, spec.name)
}

/// A page under construction.
struct Page {
    man: Man,
    text: Vec<u8>,
}

/// What stands in for no date, so that a page is the same on every build. An empty one would leave its place to the version.
const NO_DATE: &str = " ";

/// One of clap's own sections.
type Section = fn(&Man, &mut dyn std::io::Write) -> std::io::Result<()>;

impl Page {
    fn new(app: &App, name: &str, command: &Command) -> Self {
        let version = app.version.map(|version| format!(" {version}"));
        // The short form, as the help has it: options have a section of their own.
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").to_owned();
        let man = Man::new(command.clone().override_usage(usage))
            .title(name.to_uppercase())
            .date(NO_DATE)
            .source(format!("{}{}", app.name, version.unwrap_or_default()));
        let mut page = Self {
            man,
            text: Vec::new(),
        };
        page.clap(Man::render_title)
            .clap(Man::render_name_section)
            .clap(Man::render_synopsis_section)
            .clap(Man::render_description_section);
        page
    }

    fn clap(&mut self, section: Section) -> &mut Self {
        // A vector takes all that is written.
        let _ = section(&self.man, &mut self.text);
        self
    }

    /// A section of paragraphs.
    fn section<T: AsRef<str>>(
        &mut self,
        title: &str,
        paragraphs: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        let mut roff = Roff::new();
        roff.control("SH", [title]);
        for (index, paragraph) in paragraphs.into_iter().enumerate() {
            if index > 0 {
                roff.control("PP", []);
            }
            roff.text([roman(paragraph.as_ref())]);
        }
        self.text.extend(roff.render().into_bytes());
        self
    }

    /// A section of names with what each is.
    fn list(
        &mut self,
        title: &str,
        items: impl IntoIterator<Item = (String, String)>,
    ) -> &mut Self {
        let mut roff = Roff::new();
        roff.control("SH", [title]);
        for (name, text) in items {
            roff.control("TP", []);
            roff.text([bold(name)]);
            roff.text([roman(text)]);
        }
        self.text.extend(roff.render().into_bytes());
        self
    }

    /// Each section comes with the definitions that all need once.
    fn finish(&self) -> String {
        let text = String::from_utf8_lossy(&self.text);
        let definitions = Roff::new().render();
        definitions.clone() + &text.replace(&definitions, "")
    }
}

fn root_page(app: &App, root: &Command) -> String {
    let mut page = Page::new(app, app.name, root);
    page.clap(Man::render_options_section);
    let commands = specs(app).into_iter().map(|spec| {
        let about = match spec.deprecated {
            Some(advice) => format!("{} (deprecated: {advice})", spec.about),
            None => spec.about.to_owned(),
        };
        (format!("{}(1)", page_name(app, spec)), about)
    });
    page.list("COMMANDS", commands);
    let environment = environment_help();
    let environment = environment.lines().skip(1).filter_map(|line| {
        let (name, text) = line.trim().split_once(' ')?;
        Some((name.to_owned(), text.trim().to_owned()))
    });
    page.list("ENVIRONMENT", environment)
        .list("EXIT STATUS", exit_status())
        .finish()
}

fn verb_page(app: &App, spec: &VerbSpec, verb: &Command) -> String {
    let mut page = Page::new(app, &page_name(app, spec), verb);
    if let Some(advice) = spec.deprecated {
        page.section("DEPRECATED", [advice]);
    }
    if !spec.aliases.is_empty() {
        let called = |alias| format!("{} {} {alias}", app.name, spec.noun);
        page.section("ALIASES", spec.aliases.iter().map(called));
    }
    page.clap(Man::render_options_section)
        .section("EFFECT", [effect(spec)])
        .section("ATTESTATION", [attestation(spec)])
        .section("BUDGET", [budget(spec)]);
    let all = (
        format!("{}(1)", app.name),
        app.about.unwrap_or_default().to_owned(),
    );
    page.list("EXIT STATUS", exit_status())
        .list("SEE ALSO", [all])
        .finish()
}

fn effect(spec: &VerbSpec) -> String {
    let what = match spec.effect {
        Effect::Pure => "computes from its arguments alone",
        Effect::Read => "reads files or other local state",
        Effect::Write => "changes files or other local state",
        Effect::Network => "speaks to other machines",
        Effect::Dangerous => "may do anything, such as starting other programs",
    };
    let again = match spec.is_idempotent() {
        true => "may be made again",
        false => "is not safe to make again",
    };
    format!(
        "{}: a call {what}. One whose end is not known {again}.",
        spec.effect
    )
}

fn attestation(spec: &VerbSpec) -> String {
    match &spec.contract {
        None => "None: anyone may call.".to_owned(),
        Some(contract) => format!(
            "{contract}: class, resource band, stability and safety. The caller proves an attestation that covers them, with --attestation."
        ),
    }
}

fn budget(spec: &VerbSpec) -> String {
    match &spec.limits {
        None => "None is declared.".to_owned(),
        Some(limits) => match Amounts::from(limits).tier() {
            Some(tier) => format!("{tier}: {limits}."),
            None => format!("{limits}."),
        },
    }
}

fn exit_status() -> Vec<(String, String)> {
    let mut codes = vec![(
        "0".to_owned(),
        "The call did what it was asked to.".to_owned(),
    )];
    codes.extend(FailureCode::ALL.iter().map(|code| {
        let text = match code {
            FailureCode::Failed => "The call failed.",
            FailureCode::Usage => "The command line could not be understood.",
            FailureCode::Deadline => "Time ran out.",
            FailureCode::Attestation => "There was no valid attestation.",
            FailureCode::Budget => "The call went over its budget, or was not admitted with it.",
            FailureCode::Unavailable => "What the command calls was not available.",
            FailureCode::Panicked => "The command's own program failed.",
            FailureCode::Cancelled => "The call was interrupted.",
        };
        (code.exit_code().to_string(), text.to_owned())
    }));
    codes
}
