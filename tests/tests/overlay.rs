//! Overlays: what they change of a grammar, and how they are refused.

use clap::builder::PossibleValue;
use cnv::grammar::{Class, Delta, Grammar, MAX_OVERLAY_BYTES, Overlay, OverlayError};
use cnv::prelude::*;

#[derive(Clone, Debug)]
enum Order {
    Up,
    Down,
}

impl clap::ValueEnum for Order {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Up, Self::Down]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Up => "up",
            Self::Down => "down",
        }))
    }
}

/// Scans.
#[verb(noun = "log", effect = "read", alias = "s")]
#[budget(memory = "1MB", cpu = "1s", io = 100)]
fn scan(
    path: String,
    #[arg(long, default_value_t = 10)] top: u8,
    #[arg(long)] ratio: Option<f64>,
    #[arg(long, value_enum)] order: Option<Order>,
    #[arg(long)] skip: Vec<String>,
    deep: bool,
) -> Result<u8, Failure> {
    let _ = (path, ratio, order, skip, deep);
    Ok(top)
}

/// Follows.
#[verb(noun = "log", effect = "read")]
fn tail() -> Result<u8, Failure> {
    Ok(0)
}

/// Moves.
#[verb(noun = "log", effect = "write", public, name = "move")]
fn rename(from: String, to: String) -> Result<String, Failure> {
    Ok(from + &to)
}

fn compiled() -> Grammar {
    App::new("ops").verbs(verbs![scan, tail, rename]).grammar()
}

fn laid(text: &str) -> Result<Grammar, OverlayError> {
    Overlay::parse(text)?.over(&compiled())
}

#[test]
fn everything_that_it_may_change_is_changed() {
    let live = laid(
        r#"
        schema = 1
        [verbs."log scan"]
        about = "Looks"
        aliases = ["count", "look-up"]
        deprecated = "use `log tail`"
        defaults = { path = "access.log", top = "20", ratio = "0.5", order = "down" }
        budget = { io_ops = 0, memory_bytes = 1000000 }
        renamed = { limit = "top" }
        [verbs."log tail"]
        enabled = false
        "#,
    )
    .unwrap();
    assert_eq!(live.verbs.len(), 2);
    let scan = live.verb("log", "scan").unwrap();
    assert_eq!(scan.about, "Looks");
    assert_eq!(scan.aliases, ["s", "count", "look-up"]);
    assert_eq!(scan.deprecated.as_deref(), Some("use `log tail`"));
    assert_eq!(scan.arguments[0].defaults, ["access.log"]);
    assert!(!scan.arguments[0].required);
    assert_eq!(scan.input["required"], serde_json::json!([]));
    let budget = scan.budget.unwrap();
    assert_eq!(
        (budget.io_ops, budget.memory_bytes),
        (Some(0), Some(1_000_000))
    );
    assert_eq!(budget.cpu_ns, Some(1_000_000_000));
    assert_eq!(scan.renamed["limit"], "top");
}

#[test]
fn nothing_said_changes_nothing() {
    assert_eq!(laid("schema = 1").unwrap(), compiled());
    assert_eq!(
        laid("schema = 1\n[verbs.\"log scan\"]\n").unwrap(),
        compiled()
    );
}

#[test]
fn a_renamed_argument_breaks_nobody() {
    let new = laid("schema = 1\nverbs.\"log scan\".renamed = { limit = \"top\" }").unwrap();
    let mut old = compiled();
    let scan = &mut old.verbs[1];
    scan.arguments[1].name = "limit".to_owned();
    scan.arguments[1].long = Some("limit".to_owned());
    let delta = Delta::between(&old, &new);
    assert_eq!(delta.class(), Class::Safe, "{delta:?}");
    assert_eq!(
        delta.changes()[0].to_string(),
        "safe: `log scan`: argument `limit` is renamed, and understood (limit -> top)"
    );
}

/// What is written, where the fault is, what it says, and what it advises.
#[test]
fn each_fault_names_its_place() {
    let scan = |line: &str| format!("schema = 1\n[verbs.\"log scan\"]\n{line}\n");
    type Case<'a> = (String, (usize, usize), &'a str, Option<&'a str>);
    let table: &[Case<'_>] = &[
        ("schema = ".to_owned(), (1, 10), "", None),
        (
            "schema = 2".to_owned(),
            (1, 10),
            "this program reads overlays of version 1",
            None,
        ),
        (
            "verbs = {}".to_owned(),
            (1, 1),
            "missing field `schema`",
            None,
        ),
        (
            "schema = 1\n[verbs.\"log scna\"]\n".to_owned(),
            (2, 8),
            "there is no verb `log scna`",
            Some("did you mean `log scan`?"),
        ),
        (
            "schema = 1\n[verbs.\"tree digest\"]\n".to_owned(),
            (2, 8),
            "there is no verb `tree digest`",
            Some("the verbs are `log move`, `log scan`, `log tail`"),
        ),
        (
            scan("enabeld = true"),
            (3, 1),
            "unknown field `enabeld`",
            None,
        ),
        (
            scan("enabled = 1"),
            (3, 11),
            "invalid type: integer `1`, expected a boolean",
            None,
        ),
        (
            scan("deprecated = \"\""),
            (3, 14),
            "say what to use in place of the verb",
            None,
        ),
        (
            scan("aliases = [\"Count\"]"),
            (3, 12),
            "`Count` cannot be a name of a verb",
            Some("lower-case"),
        ),
        (
            scan("aliases = [\"s\"]"),
            (3, 12),
            "`log scan` answers to `s` already",
            None,
        ),
        (
            scan("aliases = [\"a\", \"a\"]"),
            (3, 17),
            "`log scan` answers to `a` already",
            None,
        ),
        (
            scan("aliases = [\"tail\"]"),
            (3, 12),
            "`log tail` is a name of `log tail` already",
            None,
        ),
        (
            scan("defaults = { tpo = \"1\" }"),
            (3, 14),
            "`log scan` has no argument `tpo`",
            Some("did you mean `top`?"),
        ),
        (
            scan("defaults = { top = \"256\" }"),
            (3, 20),
            "`256` is not from 0 to 255",
            None,
        ),
        (
            scan("defaults = { top = \"ten\" }"),
            (3, 20),
            "`ten` is no whole number",
            None,
        ),
        (
            scan("defaults = { ratio = \"half\" }"),
            (3, 22),
            "`half` is no number",
            None,
        ),
        (
            scan("defaults = { order = \"side\" }"),
            (3, 22),
            "`side` is none of `up`, `down`",
            None,
        ),
        (
            scan("defaults = { deep = \"true\" }"),
            (3, 14),
            "`deep` is a switch, and has no default",
            None,
        ),
        (
            scan("defaults = { skip = \"a\" }"),
            (3, 14),
            "`skip` may be given several times, and has no default",
            None,
        ),
        (
            scan("budget = { io_ops = 101 }"),
            (3, 21),
            "the program allows 100, and an overlay can only lower that",
            None,
        ),
        (
            scan("budget = { io_ops = -1 }"),
            (3, 21),
            "invalid value: integer `-1`",
            None,
        ),
        (
            scan("renamed = { top = \"path\" }"),
            (3, 13),
            "`log scan` still has an argument `top`",
            None,
        ),
        (
            scan("renamed = { json = \"top\" }"),
            (3, 13),
            "`log scan` still has an argument `json`",
            None,
        ),
        (
            scan("renamed = { a_b = \"top\", a-b = \"top\" }"),
            (3, 13),
            "`log scan` still has an argument `a_b`",
            None,
        ),
        (
            scan("renamed = { \"a b\" = \"top\" }"),
            (3, 13),
            "`a b` was never the name of an argument",
            Some("lower-case"),
        ),
        (
            "schema = 1\n[verbs.\"log move\"]\ndefaults = { from = \"a\" }".to_owned(),
            (3, 14),
            "`from` cannot be left out before `to`",
            Some("give `to` a default as well"),
        ),
        (
            scan("renamed = { limit = \"tpo\" }"),
            (3, 21),
            "`log scan` has no argument `tpo`",
            Some("did you mean `top`?"),
        ),
    ];
    for (text, place, message, help) in table {
        let error = laid(text).unwrap_err();
        let fault = &error.faults()[0];
        assert!(
            fault.message.starts_with(message),
            "{text}: {}",
            fault.message
        );
        assert_eq!(
            fault.line_and_column(text),
            *place,
            "{text}: {}",
            fault.message
        );
        let advice = fault.help.as_deref().unwrap_or_default();
        assert!(
            advice.starts_with(help.unwrap_or_default()),
            "{text}: {advice}"
        );
        assert_eq!(error.faults().len(), 1, "{text}: {error:?}");
    }
}

#[test]
fn all_faults_are_told_in_their_order_and_nothing_is_put_in_force() {
    let text = "schema = 1\n[verbs.\"log tail\"]\naliases = [\"X\"]\n[verbs.\"log scan\"]\n\tbudget = { io_ops = 101, cpu_ns = 2000000000 }\n";
    let error = laid(text).unwrap_err();
    assert_eq!(error.faults().len(), 3);
    assert_eq!(
        error.to_string(),
        "`X` cannot be a name of a verb (and 2 more)"
    );
    assert!(
        error.shown("live.toml", text).ends_with(
            "error: the program allows 1000000000, and an overlay can only lower that
 --> live.toml:5:36
  |
5 | \tbudget = { io_ops = 101, cpu_ns = 2000000000 }
  | \t                                  ^^^^^^^^^^"
        ),
        "{}",
        error.shown("live.toml", text)
    );
}

#[test]
fn a_text_that_is_too_long_is_not_read() {
    let text = "#".repeat(MAX_OVERLAY_BYTES + 1);
    let error = laid(&text).unwrap_err();
    assert!(error.to_string().starts_with("an overlay has at most"));
    assert_eq!(error.faults()[0].line_and_column(&text), (1, 1));
}

#[test]
fn what_breaks_callers_is_declared_or_refused() {
    let compiled = compiled();
    let old = laid(
        "schema = 1\nverbs.\"log scan\" = { aliases = [\"c\"], renamed = { limit = \"top\" }, defaults = { path = \"a\" } }",
    )
    .unwrap();
    let replaced = |text: &str| {
        let overlay = Overlay::parse(text).unwrap();
        let new = overlay.over(&compiled).unwrap();
        overlay.replacing(&old, &new)
    };
    let error = replaced("schema = 1\n[verbs.\"log scan\"]\n").unwrap_err();
    let told: Vec<&str> = error
        .faults()
        .iter()
        .map(|fault| fault.message.as_str())
        .collect();
    assert_eq!(
        told,
        [
            "`log scan`: the alias `c` is gone, which breaks its callers",
            "`log scan`: argument `path` is required, which breaks its callers",
            "`log scan`: the old name `limit` is not understood any more, which breaks its callers",
        ]
    );
    assert!(error.faults().iter().all(|fault| fault.place == (18..28)));
    let digest = old.digest().to_string();
    for (declared, is_enough) in [
        (&digest[..], true),
        (&digest[..12], true),
        (&digest[..11], false),
    ] {
        let text = format!("schema = 1\nbreaks = \"{declared}\"");
        assert_eq!(replaced(&text).is_ok(), is_enough, "{declared}");
    }
    // What is switched off, and nothing else.
    let delta = replaced("schema = 1\nverbs.\"log scan\".enabled = false").unwrap();
    assert_eq!(delta.class(), Class::Breaking);
    assert!(replaced("schema = 1\nverbs.\"log tail\".enabled = false").is_err());
}

#[test]
fn of_many_faults_the_first_are_shown() {
    let verbs: String = (0..20).map(|n| format!("[verbs.\"x {n}\"]\n")).collect();
    let text = format!("schema = 1\n{verbs}");
    let shown = laid(&text).unwrap_err().shown("ops.toml", &text);
    assert!(
        shown.contains("there is no verb `x 15`") && !shown.contains("there is no verb `x 16`")
    );
    assert!(shown.ends_with("error: and 4 more"), "{shown}");
}
