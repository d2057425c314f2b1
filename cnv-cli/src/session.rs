//! `cnv call`, in full `cnv session call`: calls a command of a server, with the key and the attestation of whoever calls.

#![allow(
    clippy::too_many_arguments,
    reason = "an argument of a verb is an option on the command line"
)]

mod shown;

use std::env;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use cnv::attestation::{AttestationChain, key_file};
use cnv::command::{LogLevel, parse_duration};
use cnv::prelude::*;
use cnv::session::{
    Address, Call, CallError, CallRequest, Channel, Client, ClientOptions, Item, SessionError,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::attestation::{TOKEN_VARIABLE, read_token};

/// Names the file of the private key that holds the token.
const KEY_VARIABLE: &str = "CNV_KEY";

/// Calls a command of a server
///
/// The server is at `unix:PATH` or `tcp:IP:PORT`. What follows the address is what one would type after the program's
/// name; `--grammar` alone shows the commands. What the command streams and returns goes to standard output, and the exit
/// code is the one that it would have here. The options of this command come before the address. The transaction and the
/// trace of this process are those of the call.
#[verb(noun = "session", effect = "network", public)]
pub async fn call(
    cx: Context,
    /// The token to present: @ and a file with it, or - for standard input. Default: CNV_ATTESTATION
    #[arg(long, value_name = "@FILE")]
    present: Option<String>,
    /// The file of the private key that holds the token. Default: CNV_KEY
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Whose server it has to be; a proof of possession is for this name. Default: the one that the token is for
    #[arg(long, value_name = "NAME")]
    application: Option<String>,
    /// The digest of the grammar that the call was written for
    #[arg(long, value_name = "DIGEST")]
    expect: Option<String>,
    /// Send a bearer's token also to an address that is not of this machine: something in between encrypts
    #[arg(long)]
    plaintext: bool,
    /// Have the call made once, however often it is asked for with this key
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// How long to try to connect again where the connection breaks and nobody listens any more
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    reconnect: Duration,
    /// Where the server is
    address: Address,
    /// Noun, verb and arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, num_args = 1.., value_name = "WORD")]
    words: Vec<String>,
) -> Result<Box<RawValue>, Failure> {
    let mut options = ClientOptions::new().reconnect(reconnect);
    let token = match (&present, env::var_os(TOKEN_VARIABLE)) {
        (None, None) => None,
        _ => Some(read_token(&cx, present.as_deref())?),
    };
    let audience = token.as_deref().and_then(audience);
    if let Some(application) = application.or(audience) {
        options = options.application(application);
    }
    if let Some(digest) = expect {
        options = options.grammar(digest);
    }
    if let Some(token) = token {
        let key = key.or_else(|| env::var_os(KEY_VARIABLE).map(PathBuf::from));
        options = options.attest(token, key.map(key_file::load).transpose()?);
    }
    if plaintext {
        options = options.plaintext();
    }
    let client = Client::connect(&address, options)
        .await
        .map_err(|error| unreachable(&address, error))?;
    let mut request = CallRequest::new(words)?;
    if let Some(remaining) = cx.remaining() {
        request = request.timeout(remaining);
    }
    if let Some(key) = idempotency_key {
        request = request.idempotency_key(key);
    }
    let call = client.start_call(request).await;
    let mut call = call.map_err(shown::session_error)?;
    follow(&cx, &mut call).await
}

/// The name that the token is for.
fn audience(token: &str) -> Option<String> {
    let chain: AttestationChain = token.parse().ok()?;
    chain.leaf().audience().map(str::to_owned)
}

fn unreachable(address: &Address, error: SessionError) -> Failure {
    match error {
        SessionError::Io(error) => {
            Failure::failed(format!("no server answers at {address}: {error}"))
        }
        SessionError::Plaintext { address } => Failure::usage(format!(
            "the token is a bearer's, and whoever reads it on the way to {address} can use it: have it held by a key, put \
             something that encrypts in between, or say with --plaintext that something does"
        )),
        error => shown::session_error(error).into(),
    }
}

/// A value as standard output may have it: another program gets what was sent.
fn value(item: &Item) -> serde_json::Result<Box<RawValue>> {
    let value: Box<RawValue> = item.json()?;
    if std::io::stdout().is_terminal() {
        return RawValue::from_string(shown::json(value.get()));
    }
    Ok(value)
}

/// Passes on what comes, and what the caller does.
async fn follow(cx: &Context, call: &mut Call) -> Result<Box<RawValue>, Failure> {
    let mut is_cancelled = false;
    loop {
        let next = if is_cancelled {
            call.next().await
        } else {
            match until_cancelled(cx, call).await {
                Some(next) => next,
                None => {
                    is_cancelled = true;
                    call.cancel();
                    continue;
                }
            }
        };
        let Some(item) = next.map_err(shown::call_error)? else {
            return Err(Failure::failed("the call succeeded, and had no result"));
        };
        match item.channel() {
            Channel::Result => {
                let result = value(&item)?;
                // Its end, and with it whether it is one.
                while call.next().await.map_err(shown::call_error)?.is_some() {}
                let dropped = call.dropped_notes();
                if dropped > 0 {
                    cx.stderr(&format!("{dropped} log records had no room on the way"));
                }
                return Ok(result);
            }
            Channel::Stdout => cx.stdout().send(&value(&item)?).await?,
            Channel::Custom => cx.custom(item.bytes().clone()).await?,
            _ => note(cx, &item),
        }
    }
}

/// The next item; `None` once whoever waits for it interrupts.
async fn until_cancelled(cx: &Context, call: &mut Call) -> Option<Result<Option<Item>, CallError>> {
    let mut cancelled = std::pin::pin!(cx.cancelled());
    let mut next = std::pin::pin!(call.next());
    std::future::poll_fn(|context| {
        if let std::task::Poll::Ready(next) = next.as_mut().poll(context) {
            return std::task::Poll::Ready(Some(next));
        }
        cancelled.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// A record of the other end's log.
#[derive(Deserialize)]
struct Record {
    level: String,
    message: String,
}

#[derive(Deserialize)]
struct Metric {
    name: String,
    value: f64,
}

/// Passes on what is said beside the output. What is not understood is of a later release, and no reason to fail.
fn note(cx: &Context, item: &Item) {
    match item.channel() {
        Channel::Stderr => cx.stderr(&shown::text(&item.text())),
        Channel::Logs => {
            if let Ok(record) = item.json::<Record>() {
                cx.log(level(&record.level), shown::text(&record.message));
            }
        }
        Channel::Metrics => {
            if let Ok(metric) = item.json::<Metric>() {
                cx.metric(&shown::text(&metric.name), metric.value);
            }
        }
        _ => {}
    }
}

fn level(name: &str) -> LogLevel {
    match name {
        "trace" => LogLevel::Trace,
        "debug" => LogLevel::Debug,
        "warn" => LogLevel::Warn,
        "error" => LogLevel::Error,
        _ => LogLevel::Info,
    }
}
