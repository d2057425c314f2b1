//! Arguments whose value is shown nowhere.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cnv::grammar::{Class, Delta, Grammar, Overlay};
use cnv::prelude::*;
use cnv::trace::metrics::Snapshot;
use cnv::trace::{Exported, Exporter, LogRecord, SpanRecord, Tracer, TracingLayer};
use serde_json::json;
use tracing_subscriber::layer::SubscriberExt as _;

mod shown {
    use cnv::prelude::*;

    #[verb(noun = "login", effect = "pure")]
    pub fn check(user: String, #[arg(long)] pin: Option<u32>) -> Result<String, Failure> {
        Ok(format!("{user} {}", pin.is_some()))
    }
}

mod hidden {
    use cnv::prelude::*;

    #[verb(noun = "login", effect = "pure")]
    pub fn check(user: String, #[arg(long, secret)] pin: Option<u32>) -> Result<String, Failure> {
        Ok(format!("{user} {}", pin.is_some()))
    }
}

fn with_secret() -> App {
    App::new("logins").verbs(verbs![hidden::check])
}

fn without() -> App {
    App::new("logins").verbs(verbs![shown::check])
}

/// The words of a usage error are on screens and in logs.
#[test]
fn an_error_does_not_repeat_a_secret() {
    let refused = |app: App, words: &[&str]| {
        let failure = app.call_blocking(words).result.unwrap_err();
        assert_eq!(failure.code().exit_code(), 2);
        failure.to_string()
    };
    let wrong = ["login", "check", "ann", "--pin", "hunter2"];
    assert!(refused(without(), &wrong).contains("hunter2"));
    let told = refused(with_secret(), &wrong);
    assert_eq!(told, "invalid value '(secret)' for '--pin <PIN>'");
    // What is wrong with the rest is told as ever.
    let told = refused(
        with_secret(),
        &["login", "check", "ann", "--pin", "1", "more"],
    );
    assert!(told.contains("'more'"), "{told}");
    let reply = with_secret().call_blocking(["login", "check", "ann", "--pin", "1234"]);
    assert_eq!(reply.result.unwrap().as_json(), r#""ann true""#);
}

#[test]
fn the_grammar_says_which_argument_is_secret() {
    let (shown, hidden) = (without().grammar(), with_secret().grammar());
    let argument = |grammar: &Grammar| {
        let verb = grammar.verb("login", "check").unwrap();
        serde_json::to_value(&verb.arguments[1]).unwrap()
    };
    assert_eq!(argument(&hidden)["secret"], json!(true));
    // What does not use it has the digest that it had.
    assert_eq!(argument(&shown).get("secret"), None);
    assert_ne!(shown.digest(), hidden.digest());
    assert_eq!(Grammar::from_json(&hidden.to_json()).unwrap(), hidden);

    let classes = |old: &Grammar, new: &Grammar| -> Vec<(Class, String)> {
        let delta = Delta::between(old, new);
        let changes = delta.changes().iter();
        changes
            .map(|change| (change.class, change.to_string()))
            .collect()
    };
    let kept = "argument `pin` is secret";
    let told = "argument `pin` is not secret any more";
    let [(class, text)] = &classes(&shown, &hidden)[..] else {
        panic!()
    };
    assert!(*class == Class::Safe && text.contains(kept), "{text}");
    let [(class, text)] = &classes(&hidden, &shown)[..] else {
        panic!()
    };
    assert!(*class == Class::Caution && text.contains(told), "{text}");
}

/// A default stands in the help and in the grammar.
#[test]
fn an_overlay_gives_a_secret_no_default() {
    let laid = |app: App| {
        let text = "schema = 1\n[verbs.\"login check\"]\ndefaults = { pin = \"1234\" }\n";
        Overlay::parse(text).unwrap().over(&app.grammar())
    };
    assert!(laid(without()).is_ok());
    let refused = laid(with_secret()).unwrap_err();
    assert_eq!(
        refused.faults()[0].message,
        "`pin` is secret, and has no default"
    );
}

/// All that an exporter is given, as text.
#[derive(Clone, Default)]
struct Texts(Arc<Mutex<String>>);

impl Texts {
    fn add(&self, what: &impl std::fmt::Debug) -> Exported {
        writeln!(self.0.lock().unwrap(), "{what:?}").unwrap();
        Exported::Delivered
    }
}

impl Exporter for Texts {
    fn name(&self) -> String {
        "texts".to_owned()
    }

    fn spans(&mut self, spans: &[SpanRecord], _: Instant) -> Exported {
        self.add(&spans)
    }

    fn logs(&mut self, logs: &[LogRecord], _: Instant) -> Exported {
        self.add(&logs)
    }

    fn takes_logs(&self) -> bool {
        true
    }

    fn metrics(&mut self, snapshot: &Snapshot, _: Instant) -> Exported {
        self.add(snapshot)
    }

    fn takes_metrics(&self) -> bool {
        true
    }
}

mod traced {
    use cnv::prelude::*;

    /// Logs what it may, and then does as it is told.
    #[verb(noun = "login", effect = "pure", trace(fields(user)))]
    pub async fn check(
        cx: Context,
        user: String,
        #[arg(long, secret)] pin: Option<String>,
    ) -> Result<String, Failure> {
        let mut span = cnv::trace::span("compare");
        span.set("has_pin", pin.is_some());
        tracing::info!(user, "it is checked");
        cx.log(cnv::command::LogLevel::Info, "it is checked");
        match &*user {
            "ann" => Ok(user),
            "bob" => panic!("as it is meant to"),
            _ => Err(Failure::failed(format!("{pin:?} is wrong"))),
        }
    }
}

/// Whatever becomes of a call: no span, event, log record or metric has the value.
#[test]
fn nothing_that_is_exported_has_a_secret() {
    let texts = Texts::default();
    let tracer = Tracer::builder().exporter(texts.clone()).build().unwrap();
    let app = App::new("logins").verbs(verbs![traced::check]);
    let app = Arc::new(app.trace(tracer.clone()));
    let measured = Arc::clone(&app);
    tracer.measure(move || measured.snapshot());
    let subscriber = tracing_subscriber::registry().with(TracingLayer::new(&tracer));
    let _guard = tracing::subscriber::set_default(subscriber);
    let words = |user| ["login", "check", user, "--pin", "hunter2"];
    for (user, is_good) in [("ann", true), ("bob", false), ("cat", false)] {
        assert_eq!(app.call_blocking(words(user)).result.is_ok(), is_good);
    }
    // The words are those of another command, and of none.
    for words in [["login", "hunter2"], ["hunter2", "check"]] {
        assert!(app.call_blocking(words).result.is_err());
    }
    let reports = tracer.shutdown(Duration::from_secs(20));
    assert!(reports[0].is_complete(), "{reports:?}");
    assert_eq!(
        (reports[0].spans.delivered, reports[0].logs.delivered),
        (6, 6)
    );
    let texts = texts.0.lock().unwrap();
    for there in [
        "cnv.argument.user",
        "it is checked",
        "cnv.calls",
        "panicked",
    ] {
        assert!(texts.contains(there), "{there}: {texts}");
    }
    assert!(!texts.contains("hunter2"), "{texts}");
}
