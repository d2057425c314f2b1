//! The command-line door: parses the process's arguments with clap, hands the call to the pipeline, and
//! shows what comes back. Data goes to standard output, everything else to standard error.

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::builder::styling::{AnsiColor, Style};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::app::App;
use super::context::Cancellation;
use super::display::{Display, Format};
use super::documents;
use super::evidence::{Presented, TRUST, environment_help, evidence};
use super::failure::{Failure, FailureCode};
use super::output::Output;
use super::pipeline::{Arrival, Collector, Reply, Way, explain};
#[cfg(feature = "session")]
use super::serve;
use super::stream::Sink;
use super::version::{LiveVerb, Version};
use crate::audit::Digest;
#[cfg(feature = "trace")]
use crate::trace::{Carried, Tracer};
use crate::transaction::TransactionId;

/// Serves one command line and says how the process ends.
async fn run(app: App, arguments: Vec<OsString>) -> ExitCode {
    #[cfg(feature = "trace")]
    if let Some(tracer) = app.tracer.clone() {
        let format = early_format(&arguments);
        for warning in &app.trace_warnings {
            notice(format, warning);
        }
        let code = serve_line(app, arguments).await;
        export_rest(&tracer, format).await;
        return code;
    }
    serve_line(app, arguments).await
}

/// How long the end of the process waits for what is exported.
#[cfg(feature = "trace")]
const EXPORT_LIMIT: Duration = Duration::from_secs(5);

/// Has the exporters send what waits, and says what is lost.
#[cfg(feature = "trace")]
async fn export_rest(tracer: &Tracer, format: Format) {
    let tracer = tracer.clone();
    let reports = tokio::task::spawn_blocking(move || tracer.shutdown(EXPORT_LIMIT)).await;
    for report in reports.unwrap_or_default() {
        if !report.is_complete() {
            notice(
                format,
                &format!("not all of the trace was exported: {report}"),
            );
        }
    }
}

async fn serve_line(app: App, arguments: Vec<OsString>) -> ExitCode {
    let early = Display::new(early_format(&arguments));
    if let Err(faults) = app.check() {
        return early.failure(&faults.into());
    }
    let tell = |text: &str| notice(early.format(), text);
    let version = match app.ready(&tell).await {
        Ok(version) => version,
        Err(failure) => return early.failure(&failure),
    };
    let matches = match parse(&app, &version, &arguments) {
        Ok(matches) => matches,
        Err(error) => return usage(&error, &early),
    };
    let options = Options::from_matches(&matches);
    let display = Arc::new(Display::new(options.format).quiet(options.quiet));
    #[cfg(feature = "session")]
    if let Some((serve::SERVE, matches)) = matches.subcommand() {
        let tell = |text: &str| {
            if !options.quiet {
                notice(options.format, text);
            }
        };
        return serve::serve(app, matches, &display, tell).await;
    }
    if let Some(script) = documents::completions(&app, &version, &matches) {
        return display.script(&script);
    }
    let reply = attend(
        &app,
        &version,
        matches,
        &options,
        Arc::clone(&display) as Arc<dyn Sink>,
        true,
    )
    .await;
    display.reply(reply, options.quiet)
}

impl App {
    /// Serves the process's command line on a runtime of its own, and says how the process ends.
    /// It is the whole of a `main` function.
    #[must_use]
    pub fn main(self) -> ExitCode {
        let arguments: Vec<OsString> = env::args_os().collect();
        #[cfg(feature = "session")]
        let runtime = self.runtime(&arguments);
        #[cfg(not(feature = "session"))]
        let runtime = runtime();
        match runtime {
            Ok(runtime) => {
                let code = runtime.block_on(run(self, arguments));
                // A read of standard input that nobody ends is not waited for.
                runtime.shutdown_background();
                code
            }
            Err(error) => Display::new(Format::Table).failure(&error.into()),
        }
    }

    /// One thread, as one command needs no more; a server has one for each processor.
    #[cfg(feature = "session")]
    fn runtime(&self, words: &[OsString]) -> std::io::Result<tokio::runtime::Runtime> {
        if self.sessions.is_some() && words.iter().any(|word| word == serve::SERVE) {
            return tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build();
        }
        runtime()
    }

    /// Serves the process's command line, on the caller's tokio runtime.
    pub async fn run(self) -> ExitCode {
        run(self, env::args_os().collect()).await
    }

    /// Makes a call in this process, as the command line would, and keeps what it streams. The
    /// arguments are those after the program's name.
    ///
    /// Nothing is printed and no signal is caught, so this is the door for tests.
    pub async fn call<A>(&self, arguments: impl IntoIterator<Item = A>) -> Reply
    where
        A: Into<OsString> + Clone,
    {
        let program = OsString::from(self.name);
        let arguments = std::iter::once(program).chain(arguments.into_iter().map(Into::into));
        let arguments: Vec<OsString> = arguments.collect();
        let version = match self.ready(&|_| {}).await {
            Ok(version) => version,
            Err(failure) => return self.refuse_request(failure),
        };
        let matches = match parse(self, &version, &arguments) {
            Ok(matches) => matches,
            Err(error) => return self.refuse_request(usage_failure(&error)),
        };
        let options = Options::from_matches(&matches);
        let collector = Arc::new(Collector::default());
        let sink = Arc::clone(&collector) as Arc<dyn Sink>;
        let mut reply = attend(self, &version, matches, &options, sink, false).await;
        reply.items = collector.take();
        reply
    }

    /// [`call`](Self::call) on a runtime of its own, for callers that are not async.
    pub fn call_blocking<A>(&self, arguments: impl IntoIterator<Item = A>) -> Reply
    where
        A: Into<OsString> + Clone,
    {
        match runtime() {
            Ok(runtime) => runtime.block_on(self.call(arguments)),
            Err(error) => Reply::refused(error.into()),
        }
    }
}

/// Resolves the verb and serves it, or explains it.
async fn attend(
    app: &App,
    version: &Version,
    matches: ArgMatches,
    options: &Options,
    sink: Arc<dyn Sink>,
    is_process: bool,
) -> Reply {
    let since = Instant::now();
    if options.grammar {
        return Reply::without_call(Output::of(&version.grammar()));
    }
    if let Some(script) = documents::completions(app, version, &matches) {
        return Reply::without_call(Output::of(&script));
    }
    if let Some(reply) = documents::manual(app, version, &matches) {
        return reply;
    }
    let (verb, matches) = match resolve(app, version, matches) {
        Ok(resolved) => resolved,
        Err(failure) => return app.refuse_request(failure),
    };
    if options.dry_run {
        return Reply::without_call(Output::of(&explain(verb, options.timeout)));
    }
    let trust = match options.trust(app) {
        Ok(trust) => trust,
        Err(failure) => return app.refuse_request(failure),
    };
    let cancellation = Arc::new(Cancellation::default());
    if is_process {
        catch_signals(Arc::clone(&cancellation));
    }
    let tell = |text: &str| {
        if is_process && !options.quiet {
            notice(options.format, text);
        }
    };
    let arrival = Arrival {
        since,
        transaction: options.transaction,
        // What is called within a process is told nothing by what started that one.
        #[cfg(feature = "trace")]
        carried: match is_process {
            true => Carried::of_process(),
            false => Carried::default(),
        },
        #[cfg(feature = "trace")]
        is_own: true,
        #[cfg(feature = "trace")]
        is_queued: false,
    };
    let way = Way {
        arrival,
        deadline: options.deadline(),
        // The program's own subscriber writes to standard error.
        #[cfg(feature = "tracing")]
        listener: None,
        cancellation,
        sink,
        show_progress: is_process && !options.quiet,
        replay: None,
    };
    let evidence = |arguments: &dyn Fn() -> Digest| {
        let presented = Presented {
            token: options.token.as_deref(),
            trust: trust.as_deref(),
            arguments,
        };
        evidence(app, verb.spec(), &presented, &tell)
    };
    app.attend(verb, matches, way, evidence, &tell).await
}

/// Understands a command line. One that asks what commands there are needs none.
fn parse(app: &App, version: &Version, arguments: &[OsString]) -> Result<ArgMatches, clap::Error> {
    let needs_command = !documents::needs_no_command(arguments);
    let mut command = command(app, version)
        .subcommand_required(needs_command)
        .arg_required_else_help(needs_command);
    command
        .try_get_matches_from_mut(arguments)
        .map_err(|error| without_secret(error, &command))
}

/// A usage error without the value of an argument that is secret, and without what its parser says of it: errors are shown
/// on screens, and kept in logs.
pub(super) fn without_secret(error: clap::Error, command: &Command) -> clap::Error {
    let (Some(ContextValue::String(argument)), Some(_)) = (
        error.get(ContextKind::InvalidArg),
        error.get(ContextKind::InvalidValue),
    ) else {
        return error;
    };
    if !has_secret(command, argument) {
        return error;
    }
    let mut told = clap::Error::new(error.kind()).with_cmd(command);
    for kind in [ContextKind::InvalidArg, ContextKind::Usage] {
        if let Some(value) = error.get(kind) {
            told.insert(kind, value.clone());
        }
    }
    let hidden = ContextValue::String("(secret)".to_owned());
    told.insert(ContextKind::InvalidValue, hidden);
    told
}

/// Whether an argument that is shown as `argument` is secret, here or at a command below.
fn has_secret(command: &Command, argument: &str) -> bool {
    // Clap completes the arguments of those commands only that the line names. The others cannot be shown, and no error is of
    // them.
    let mut secrets = command
        .get_arguments()
        .filter(|arg| arg.is_hide_env_values_set() && arg.get_num_args().is_some());
    secrets.any(|arg| arg.to_string() == argument)
        || command
            .get_subcommands()
            .any(|command| has_secret(command, argument))
}

fn resolve<'v>(
    app: &App,
    version: &'v Version,
    mut matches: ArgMatches,
) -> Result<(&'v LiveVerb, ArgMatches), Failure> {
    let named = matches.remove_subcommand().and_then(|(word, mut matches)| {
        match app.shorthands.iter().find(|short| short.word == word) {
            Some(short) => Some((short.noun.to_owned(), (short.verb.to_owned(), matches))),
            None => Some((word, matches.remove_subcommand()?)),
        }
    });
    let Some((noun, (name, matches))) = named else {
        return Err(Failure::usage("no command is named"));
    };
    match version.resolve(&noun, &name) {
        Ok(verb) => Ok((verb, matches)),
        Err(unresolved) => Err(unresolved.into_failure()),
    }
}

/// The commands as clap knows them: nouns, under them verbs, and the options that every verb has.
pub(super) fn command(app: &App, version: &Version) -> Command {
    let mut root = Command::new(app.name)
        .after_help(environment_help())
        .arg(
            Arg::new("cnv-grammar")
                .long("grammar")
                .action(ArgAction::SetTrue)
                .help("Print every command with its arguments and rules as JSON, and do nothing"),
        )
        .args(documents::options())
        .args(global_options(app))
        .subcommands(version.nouns());
    for short in &app.shorthands {
        if let Ok(verb) = version.resolve(short.noun, short.verb) {
            root = root.subcommand(verb.command().name(short.word));
        }
    }
    #[cfg(feature = "session")]
    if app.sessions.is_some() {
        root = root.subcommand(serve::command());
    }
    if let Some(about) = app.about {
        root = root.about(about);
    }
    if let Some(version) = app.version {
        root = root.version(version);
    }
    root
}

/// Keep the names in step with those that `#[arg(..)]` refuses.
fn global_options(app: &App) -> Vec<Arg> {
    let option = |name: &'static str| {
        Arg::new(format!("cnv-{name}"))
            .long(name)
            .global(true)
            .help_heading("Options of every command")
    };
    let mut options = vec![
        option("output")
            .value_name("FORMAT")
            .value_parser(value_parser!(Format))
            .help("How to show the result [default: table]"),
        option("json")
            .action(ArgAction::SetTrue)
            .conflicts_with("cnv-output")
            .help("Short for --output json"),
        option("frames")
            .action(ArgAction::SetTrue)
            .conflicts_with_all(["cnv-output", "cnv-json"])
            .help("Write the result as binary frames"),
        option("dry-run")
            .action(ArgAction::SetTrue)
            .help("Say what the call would need, and do nothing"),
        option("timeout")
            .value_name("TIME")
            .value_parser(parse_duration)
            .help("Stop the call after this time, such as 500ms, 5s or 2min"),
        option("attestation")
            .value_name("TOKEN|@FILE")
            .env("CNV_ATTESTATION")
            .hide_env_values(true)
            .value_parser(value_parser!(OsString))
            .help("The attestation that allows the call, or @ and a file with it"),
        option("transaction")
            .value_name("ID")
            .env("CNV_TRANSACTION")
            .value_parser(value_parser!(TransactionId))
            .help("The transaction that the call belongs to: 32 hexadecimal digits, or a UUID"),
        option("quiet")
            .short('q')
            .action(ArgAction::SetTrue)
            .help("No progress, notice or receipt on standard error"),
    ];
    if app.trust.is_none() {
        options.push(
            option("trust")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The trust store where CNV_TRUST names none: public keys whose attestations are believed"),
        );
    }
    options
}

/// What the options of every verb say.
struct Options {
    format: Format,
    /// Whether it is the grammar that is asked for, and no call made.
    grammar: bool,
    dry_run: bool,
    timeout: Option<Duration>,
    token: Option<OsString>,
    trust: Option<PathBuf>,
    transaction: Option<TransactionId>,
    quiet: bool,
}

impl Options {
    fn from_matches(matches: &ArgMatches) -> Self {
        // Global options stand at the innermost command, wherever they were written.
        let mut innermost = matches;
        while let Some((_, inner)) = innermost.subcommand() {
            innermost = inner;
        }
        let grammar = matches.get_flag("cnv-grammar");
        let format = if innermost.get_flag("cnv-json") {
            Format::Json
        } else if innermost.get_flag("cnv-frames") {
            Format::Frames
        } else {
            let format = innermost.get_one::<Format>("cnv-output").copied();
            // No table is made of a grammar.
            format.unwrap_or(if grammar { Format::Json } else { Format::Table })
        };
        Self {
            format,
            grammar,
            dry_run: innermost.get_flag("cnv-dry-run"),
            timeout: innermost.get_one::<Duration>("cnv-timeout").copied(),
            token: innermost.get_one::<OsString>("cnv-attestation").cloned(),
            trust: match innermost.try_get_one::<PathBuf>("cnv-trust") {
                Ok(path) => path.cloned(),
                Err(_) => None,
            },
            transaction: innermost
                .get_one::<TransactionId>("cnv-transaction")
                .copied(),
            quiet: innermost.get_flag("cnv-quiet"),
        }
    }

    /// The trust store's file that the operator names, where the program leaves its roots to its operator. What the
    /// environment names is not replaced by who types the command.
    fn trust(&self, app: &App) -> Result<Option<PathBuf>, Failure> {
        if app.trust.is_some() {
            return Ok(None);
        }
        match (env::var_os(TRUST), &self.trust) {
            (Some(_), Some(_)) => Err(Failure::usage(format!(
                "`--trust` cannot take the place of the trust store that {TRUST} names"
            ))),
            (Some(path), None) => Ok(Some(path.into())),
            (None, path) => Ok(path.clone()),
        }
    }

    fn deadline(&self) -> Result<Option<Instant>, Failure> {
        let Some(timeout) = self.timeout else {
            return Ok(None);
        };
        match Instant::now().checked_add(timeout) {
            Some(deadline) => Ok(Some(deadline)),
            None => Err(Failure::new(
                FailureCode::Usage,
                format!("`--timeout {timeout:?}` is further ahead than the clock goes"),
            )),
        }
    }
}

/// With `--json` every line of standard error is an object.
fn notice(format: Format, text: &str) {
    let mut stderr = anstream::stderr();
    let _ = match format {
        Format::Json => writeln!(stderr, "{}", serde_json::json!({ "notice": text })),
        _ => {
            let style = Style::new().fg_color(Some(AnsiColor::Yellow.into())).bold();
            writeln!(stderr, "{style}notice{style:#}: {text}")
        }
    };
}

/// The format that an error should have, before the arguments have been understood.
fn early_format(arguments: &[OsString]) -> Format {
    let json = arguments.iter().enumerate().any(|(index, argument)| {
        argument == "--json"
            || argument == "--output=json"
            || argument == "--output"
                && arguments
                    .get(index + 1)
                    .is_some_and(|value| value == "json")
    });
    if json { Format::Json } else { Format::Table }
}

/// clap's own words for a person, an object for a program; help and version are no errors.
fn usage(error: &clap::Error, display: &Display) -> ExitCode {
    if !error.use_stderr() {
        return match error.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    if display.format() == Format::Json {
        return display.failure(&usage_failure(error));
    }
    let _ = error.print();
    ExitCode::from(FailureCode::Usage.exit_code())
}

pub(super) fn usage_failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let first = text.split("\n\n").next().unwrap_or(text);
    Failure::new(
        FailureCode::Usage,
        first.split_whitespace().collect::<Vec<_>>().join(" "),
    )
}

/// A time as `--timeout` takes it: a whole number and `ms`, `s`, `min` or `h`. For options of verbs, as
/// `#[arg(value_parser = cnv::command::parse_duration)]`.
///
/// # Errors
///
/// What to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let wrong = || format!("`{text}` is not a time; write it as 500ms, 5s, 2min or 1h");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "min" => number
            .checked_mul(60)
            .map(Duration::from_secs)
            .ok_or_else(wrong),
        "h" => number
            .checked_mul(3600)
            .map(Duration::from_secs)
            .ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// One thread, as one command needs no more; with timers, for deadlines.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// The first interrupt asks the call to stop, the second ends the process. A thread of its own, because
/// a handler that computes gives the runtime no turn to notice.
fn catch_signals(cancellation: Arc<Cancellation>) {
    let watch = move || {
        let Ok(runtime) = runtime() else { return };
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            cancellation.cancel();
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(FailureCode::Cancelled.exit_code().into());
        });
    };
    // Without the thread an interrupt ends the process, as it does by default.
    let _ = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watch);
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2min"), Ok(Duration::from_secs(120)));
        for wrong in [
            "",
            "5",
            "s",
            "-1s",
            "1.5s",
            "5 s",
            "99999999999999999999s",
            "9999999999999999999h",
        ] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_early_error_has_the_format_that_was_asked_for() {
        let format = |arguments: &[&str]| {
            early_format(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
        };
        assert_eq!(format(&["ops", "x", "--json"]), Format::Json);
        assert_eq!(format(&["ops", "--output", "json"]), Format::Json);
        assert_eq!(format(&["ops", "--output", "yaml", "json"]), Format::Table);
    }

    #[test]
    fn every_format_has_a_name() {
        assert_eq!(Format::value_variants().len(), 3);
    }
}
