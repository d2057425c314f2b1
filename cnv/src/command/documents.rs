//! What is made from the commands and is no call: completions for shells and manual pages.

use std::ffi::OsString;

use clap::{Arg, ArgMatches};

use super::app::App;
#[cfg(feature = "man")]
use super::output::Output;
use super::pipeline::Reply;
use super::version::Version;

/// The options that ask for them. They stand before a command, where none can have an option of the same name.
pub(super) fn options() -> Vec<Arg> {
    vec![
        #[cfg(feature = "completions")]
        Arg::new("cnv-completions")
            .long("completions")
            .value_name("SHELL")
            .value_parser(clap::value_parser!(clap_complete::Shell))
            .conflicts_with("cnv-grammar")
            .help("Print a script that completes command lines in this shell, and do nothing"),
        #[cfg(feature = "man")]
        Arg::new("cnv-man")
            .long("man")
            .value_name("FOLDER")
            .value_parser(clap::value_parser!(std::path::PathBuf))
            .conflicts_with("cnv-grammar")
            .help("Write the manual pages of every command into this folder, and do nothing"),
    ]
}

/// Whether a command line needs no command, since it asks what there are.
pub(super) fn needs_no_command(arguments: &[OsString]) -> bool {
    let mut asked = vec!["--grammar"];
    if cfg!(feature = "completions") {
        asked.push("--completions");
    }
    if cfg!(feature = "man") {
        asked.push("--man");
    }
    arguments.iter().any(|argument| {
        let argument = argument.to_string_lossy();
        let option = argument.split('=').next().unwrap_or_default();
        asked.contains(&option)
    })
}

/// The script that completes command lines, where one is asked for.
#[cfg(feature = "completions")]
pub(super) fn completions(app: &App, version: &Version, matches: &ArgMatches) -> Option<String> {
    let shell: clap_complete::Shell = *matches.get_one("cnv-completions")?;
    let mut script = Vec::new();
    let mut command = super::cli::command(app, version);
    clap_complete::generate(shell, &mut command, app.name, &mut script);
    Some(String::from_utf8_lossy(&script).into_owned())
}

#[cfg(not(feature = "completions"))]
pub(super) fn completions(_: &App, _: &Version, _: &ArgMatches) -> Option<String> {
    None
}

/// Writes manual pages, where they are asked for, and says which.
#[cfg(feature = "man")]
pub(super) fn manual(app: &App, version: &Version, matches: &ArgMatches) -> Option<Reply> {
    let folder: &std::path::PathBuf = matches.get_one("cnv-man")?;
    let written = super::man::write(app, version, folder);
    Some(Reply::without_call(
        written.and_then(|paths| Output::of(&paths)),
    ))
}

#[cfg(not(feature = "man"))]
pub(super) fn manual(_: &App, _: &Version, _: &ArgMatches) -> Option<Reply> {
    None
}
