//! Overlays: whatever the text, it narrows a grammar to another one or is refused with places in the text.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use cnv::grammar::{Grammar, Overlay};
use cnv::prelude::*;
use cnv::quota::Limits;
use cnv_fuzz::Change;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    text: &'a str,
    changes: Vec<Change<'a>>,
}

/// Scans.
#[verb(noun = "log", effect = "read", alias = "s", public)]
#[budget(memory = "1MB", cpu = "1s", io = 100)]
fn scan(
    path: String,
    #[arg(long, default_value_t = 10)] top: u8,
    #[arg(long)] skip: Vec<String>,
    deep: bool,
) -> Result<u8, Failure> {
    let _ = (path, skip, deep);
    Ok(top)
}

/// Follows.
#[verb(noun = "log", effect = "network", public)]
fn tail(from: i64, to: f64) -> Result<f64, Failure> {
    let _ = from;
    Ok(to)
}

static COMPILED: LazyLock<Grammar> =
    LazyLock::new(|| App::new("ops").verbs(verbs![scan, tail]).grammar());

const GOOD: &str = r#"schema = 1
breaks = "0123456789ab"
[verbs."log scan"]
about = "Looks"
aliases = ["count", "look-up"]
deprecated = "use `log tail`"
defaults = { path = "access.log", top = "20" }
budget = { io_ops = 0, memory_bytes = 1000000 }
renamed = { limit = "top" }
[verbs."log tail"]
enabled = false
"#;

fn check(text: &str) {
    let error = match Overlay::parse(text).and_then(|overlay| {
        let live = overlay.over(&COMPILED)?;
        narrows(&live);
        overlay.replacing(&COMPILED, &live)
    }) {
        Ok(delta) => {
            assert!(delta.changes().len() < 1000);
            return;
        }
        Err(error) => error,
    };
    assert!(!error.faults().is_empty());
    for fault in error.faults() {
        let (line, column) = fault.line_and_column(text);
        assert!(line >= 1 && column >= 1 && line <= text.matches('\n').count() + 1);
    }
    assert!(error.shown("ops.toml", text).starts_with("error: "));
}

fn narrows(live: &Grammar) {
    for verb in &live.verbs {
        let compiled = COMPILED
            .verb(&verb.noun, &verb.name)
            .expect("no verb is new");
        assert_eq!(
            (verb.effect, verb.attestation),
            (compiled.effect, compiled.attestation)
        );
        if let Some(most) = compiled.budget {
            let budget = verb.budget.expect("a budget stays");
            assert!(Limits::from(budget).fits_within(&Limits::from(most)));
        }
    }
    let read = Grammar::from_json(&live.to_json()).expect("names are one verb's alone");
    assert_eq!(read, *live);
}

fuzz_target!(|input: Input<'_>| {
    check(input.text);
    let changed = Change::apply_all(&input.changes, GOOD.as_bytes());
    if let Ok(changed) = String::from_utf8(changed) {
        check(&changed);
    }
});
