//! `serve` on the command line.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};

use super::app::App;
use super::display::Display;
use super::failure::{Failure, FailureCode};
use super::log::audit_log;
use super::session_server::SessionServer;
use crate::session::{Address, SessionLimits};

/// The word on the command line.
pub(super) const SERVE: &str = "serve";

impl App {
    /// Adds `serve` to the command line, which serves the commands over sessions with these limits: `serve --unix PATH`,
    /// `--tcp IP:PORT` or `--stdio`. See [`SessionServer`].
    ///
    /// Needs the feature `session`.
    #[must_use]
    pub fn sessions(mut self, limits: SessionLimits) -> Self {
        self.sessions = Some(limits);
        self
    }
}

/// `serve` as clap knows it.
pub(super) fn command() -> Command {
    Command::new(SERVE)
        .about("Serve the commands over sessions, until a signal asks to end")
        .arg(
            Arg::new("unix")
                .long("unix")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .help("Listen at this socket, for your own user"),
        )
        .arg(
            Arg::new("tcp")
                .long("tcp")
                .value_name("IP:PORT")
                .value_parser(value_parser!(SocketAddr))
                .help("Listen at this address, for everybody who attests"),
        )
        .arg(
            Arg::new("stdio")
                .long("stdio")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["unix", "tcp"])
                .help("Serve whoever started the program, over its standard input and output"),
        )
        .arg(
            Arg::new("plaintext")
                .long("plaintext")
                .action(ArgAction::SetTrue)
                .requires("network")
                .help("Listen also where other machines reach it: something in between encrypts"),
        )
        .args(metrics())
        .group(ArgGroup::new("network").args(NETWORK).multiple(true))
        .group(
            ArgGroup::new("where")
                .args(["unix", "tcp", "stdio"])
                .multiple(true)
                .required(true),
        )
}

/// The options that listen at an IP address.
const NETWORK: &[&str] = if cfg!(feature = "prometheus") {
    &["tcp", "metrics"]
} else {
    &["tcp"]
};

/// Where the metrics are.
fn metrics() -> Option<Arg> {
    #[cfg(feature = "prometheus")]
    return Some(
        Arg::new("metrics")
            .long("metrics")
            .value_name("IP:PORT")
            .value_parser(value_parser!(SocketAddr))
            .help("Answer `GET /metrics` at this address, for Prometheus"),
    );
    #[cfg(not(feature = "prometheus"))]
    None
}

/// Serves until a signal asks to end.
pub(super) async fn serve(
    mut app: App,
    matches: &ArgMatches,
    display: &Display,
    tell: impl Fn(&str),
) -> ExitCode {
    // One log for all calls, rather than one after another.
    match audit_log(&app).await {
        Ok(log) => app.audit = log,
        Err(failure) => return display.failure(&failure),
    }
    #[cfg(feature = "reload")]
    if let (Some(live), Some(log)) = (app.live_grammar(), &app.audit) {
        live.lend(log);
    }
    match attempt(app, matches, tell).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(cut_off) => display.failure(&Failure::new(FailureCode::Deadline, cut_off_text(cut_off))),
        Err(failure) => display.failure(&failure),
    }
}

fn cut_off_text(cut_off: usize) -> String {
    let calls = if cut_off == 1 { "call" } else { "calls" };
    format!("{cut_off} {calls} did not end in time, and had to")
}

async fn attempt(app: App, matches: &ArgMatches, tell: impl Fn(&str)) -> Result<usize, Failure> {
    let shutdown = shutdown()?;
    let mut server = SessionServer::new(app)?;
    if matches.get_flag("plaintext") {
        server = server.plaintext();
    }
    #[cfg(feature = "prometheus")]
    if let Some(address) = matches.get_one::<SocketAddr>("metrics") {
        server = server.metrics(*address)?;
    }
    if matches.get_flag("stdio") {
        tell_of_metrics(&server, &tell);
        let stream = tokio::io::join(tokio::io::stdin(), tokio::io::stdout());
        return Ok(server.run_over_until(stream, shutdown).await.cut_off);
    }
    if let Some(path) = matches.get_one::<PathBuf>("unix") {
        server = server.listen(&Address::Unix(path.clone())).await?;
    }
    if let Some(address) = matches.get_one::<SocketAddr>("tcp") {
        server = server.listen(&Address::Tcp(*address)).await?;
    }
    for address in server.addresses() {
        tell(&format!("serving at {address}"));
    }
    tell_of_metrics(&server, &tell);
    Ok(server.run(shutdown).await.cut_off)
}

fn tell_of_metrics(server: &SessionServer, tell: impl Fn(&str)) {
    #[cfg(feature = "prometheus")]
    if let Some(address) = server.metrics_address() {
        tell(&format!("metrics at http://{address}/metrics"));
    }
    #[cfg(not(feature = "prometheus"))]
    let _ = (server, tell);
}

/// Completes with the first signal that asks the process to end; the second one ends it.
fn shutdown() -> Result<Pin<Box<dyn Future<Output = ()> + Send>>, Failure> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(Box::pin(async move {
            let mut either = move |cx: &mut Context<'_>| {
                let terminated = terminate.poll_recv(cx).is_ready();
                if terminated || interrupt.poll_recv(cx).is_ready() {
                    return Poll::Ready(());
                }
                Poll::Pending
            };
            poll_fn(&mut either).await;
            tokio::spawn(async move {
                poll_fn(either).await;
                std::process::exit(FailureCode::Cancelled.exit_code().into());
            });
        }))
    }
    #[cfg(not(unix))]
    Ok(Box::pin(async {
        let _ = tokio::signal::ctrl_c().await;
    }))
}
