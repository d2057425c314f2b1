//! Grammars as data: taken from an application, read back, compared.

use cnv::command::Effect;
use cnv::grammar::{Class, Delta, Grammar, GrammarError};
use cnv::prelude::*;
use serde_json::{Value, json};

/// Counts requests.
#[verb(noun = "log", effect = "read")]
#[requires_attestation(read_only)]
#[budget(memory = "1MB", cpu = "1s", io = 10)]
fn scan(
    cx: Context,
    /// File to scan
    path: std::path::PathBuf,
    #[arg(long, short = 't', default_value_t = 10)] top: u8,
    #[arg(long)] client: Option<String>,
    #[arg(long)] skip: Vec<i64>,
    deep: bool,
) -> Result<usize, Failure> {
    let _ = (cx, path, top, client, skip, deep);
    Ok(0)
}

/// Doubles.
#[verb(noun = "sum", effect = "write", alias = ["d", "twice"], deprecated = "use `sum add`", idempotent, public)]
fn double(number: u8) -> Result<u8, Failure> {
    Ok(number.saturating_mul(2))
}

/// Adds.
#[verb(noun = "sum", effect = "pure")]
fn add(left: u8, right: u8) -> Result<u8, Failure> {
    Ok(left.saturating_add(right))
}

fn grammar() -> Grammar {
    let app = App::new("trial").version("1.2.3").verbs(verbs![add, scan]);
    app.check().unwrap();
    app.grammar()
}

#[test]
fn everything_that_a_caller_needs_is_in_it() {
    let grammar = grammar();
    let scan = grammar.verb("log", "scan").unwrap();
    assert_eq!(scan.effect, Effect::Read);
    assert_eq!(
        scan.attestation.unwrap().to_string(),
        "read_only/unlimited/stable/harmless"
    );
    assert_eq!(scan.budget.unwrap().io_ops, Some(10));
    assert_eq!(scan.budget.unwrap().network_bytes, Some(0));
    assert_eq!(
        scan.input,
        json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "format": "path", "description": "File to scan" },
                "top": { "type": "integer", "minimum": 0, "maximum": 255 },
                "client": { "type": "string" },
                "skip": {
                    "type": "array",
                    "items": { "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX },
                },
                "deep": { "type": "boolean" },
            },
            "required": ["path"],
            "additionalProperties": false,
        })
    );
    assert_eq!(scan.arguments[1].defaults, ["10"]);
    assert_eq!(scan.arguments[1].short, Some('t'));
    assert!(scan.arguments[3].repeats);
    assert!(!scan.arguments[4].takes_values);
}

#[test]
fn it_is_sorted_and_is_the_same_after_a_round_trip() {
    let grammar = grammar();
    assert_eq!(grammar.verbs[0].to_string(), "log scan");
    let read = Grammar::from_json(&grammar.to_json()).unwrap();
    assert_eq!(read, grammar);
    assert_eq!(read.digest(), grammar.digest());
    let other_order = App::new("trial")
        .version("1.2.3")
        .verbs(verbs![scan, add])
        .grammar();
    assert_eq!(other_order.to_json(), grammar.to_json());
}

#[test]
fn the_digest_is_of_what_callers_rely_on() {
    let grammar = grammar();
    let mut helped = grammar.clone();
    helped.verbs[0].about = "Other words".to_owned();
    helped.verbs[0].arguments[0].about = "Other words".to_owned();
    helped.verbs[0].input["properties"]["path"]["description"] = json!("Other words");
    assert_eq!(helped.digest(), grammar.digest());
    let mut changed = grammar.clone();
    changed.verbs[0].effect = Effect::Write;
    assert_ne!(changed.digest(), grammar.digest());
    // A property of that name is no description.
    let mut property = grammar.clone();
    property.verbs[0].output = json!({ "properties": { "description": { "type": "string" } } });
    let mut other = grammar.clone();
    other.verbs[0].output = json!({ "properties": { "description": { "type": "null" } } });
    assert_ne!(property.digest(), other.digest());
}

#[test]
fn the_command_line_prints_it() {
    let app = App::new("trial").version("1.2.3").verbs(verbs![add, scan]);
    let reply = app.call_blocking(["--grammar"]);
    let printed = Grammar::from_json(reply.result.unwrap().as_json()).unwrap();
    assert_eq!(printed, app.grammar());
    assert!(reply.receipt.is_none());
}

#[test]
fn what_is_no_grammar_is_refused() {
    let json: Value = serde_json::from_str(&grammar().to_json()).unwrap();
    let read = |json: &Value| Grammar::from_json(&json.to_string());
    assert!(matches!(
        Grammar::from_json(""),
        Err(GrammarError::Malformed(_))
    ));
    assert!(matches!(
        Grammar::from_json("[1]"),
        Err(GrammarError::Malformed(_))
    ));
    let mut newer = json.clone();
    newer["schema"] = json!(2);
    newer["added"] = json!("later");
    let error = read(&newer).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the grammar is of version 2, and this program reads 1"
    );
    let mut unknown = json.clone();
    unknown["verbs"][0]["colour"] = json!("red");
    assert!(read(&unknown).unwrap_err().to_string().contains("colour"));
    let mut effect = json.clone();
    effect["verbs"][0]["effect"] = json!("maybe");
    assert!(read(&effect).unwrap_err().to_string().contains("maybe"));
    let mut contract = json.clone();
    contract["verbs"][0]["attestation"] = json!("everything");
    assert!(read(&contract).is_err());
    let mut twice = json.clone();
    twice["verbs"][1] = twice["verbs"][0].clone();
    assert!(matches!(read(&twice), Err(GrammarError::Duplicate { verb }) if verb == "log scan"));
    let mut argument = json.clone();
    argument["verbs"][1]["arguments"][1]["name"] = json!("left");
    assert_eq!(
        read(&argument).unwrap_err().to_string(),
        "`sum add` has two arguments called `left`"
    );
    let mut alias = json.clone();
    alias["verbs"][1]["noun"] = json!("log");
    alias["verbs"][1]["aliases"] = json!(["scan"]);
    assert!(matches!(read(&alias), Err(GrammarError::Duplicate { verb }) if verb == "log scan"));
}

/// Every change that there is: what is done to the new grammar, and what the delta says of it.
#[test]
fn each_change_has_its_class() {
    type Edit = fn(&mut Value);
    let table: &[(&str, Edit)] = &[
        ("breaking: `log scan`: the verb is gone", |json| {
            json["verbs"].as_array_mut().unwrap().remove(0);
        }),
        (
            "safe: `log scan`: the verb is an alias (log scan -> log count)",
            |json| {
                json["verbs"][0]["name"] = json!("count");
                json["verbs"][0]["aliases"] = json!(["scan"]);
            },
        ),
        (
            "caution: `log scan`: the verb is deprecated (use `log count`)",
            |json| {
                json["verbs"][0]["deprecated"] = json!("use `log count`");
            },
        ),
        ("safe: `log scan`: the alias `s` is new", |json| {
            json["verbs"][0]["aliases"] = json!(["s"]);
        }),
        (
            "breaking: `log scan`: the effect is larger (read -> network)",
            |json| {
                json["verbs"][0]["effect"] = json!("network");
            },
        ),
        (
            "safe: `log scan`: the effect is smaller (read -> pure)",
            |json| {
                json["verbs"][0]["effect"] = json!("pure");
            },
        ),
        (
            "breaking: `log scan`: the attestation asks for less (read_only/unlimited/stable/harmless -> none)",
            |json| json["verbs"][0]["attestation"] = json!(null),
        ),
        (
            "breaking: `sum add`: the attestation asks for more (none -> read_only/unlimited/stable/harmless)",
            |json| json["verbs"][1]["attestation"] = json!("read_only/unlimited/stable/harmless"),
        ),
        (
            "caution: `log scan`: the io of the budget is larger (10 -> 11)",
            |json| {
                json["verbs"][0]["budget"]["io_ops"] = json!(11);
            },
        ),
        (
            "caution: `log scan`: the memory of the budget is smaller (1000000B -> 1B)",
            |json| {
                json["verbs"][0]["budget"]["memory_bytes"] = json!(1);
            },
        ),
        (
            "caution: `log scan`: the cpu of the budget is larger (1000000000ns -> unlimited)",
            |json| {
                json["verbs"][0]["budget"]["cpu_ns"] = json!(null);
            },
        ),
        ("caution: `log scan`: the budget is gone", |json| {
            json["verbs"][0]["budget"] = json!(null);
        }),
        ("caution: `sum add`: the budget is new", |json| {
            json["verbs"][1]["budget"] =
                json!({"memory_bytes": 1, "cpu_ns": 1, "io_ops": 1, "network_bytes": 1});
        }),
        ("breaking: `log scan`: argument `top` is gone", |json| {
            json["verbs"][0]["arguments"]
                .as_array_mut()
                .unwrap()
                .remove(1);
        }),
        (
            "breaking: `log scan`: argument `top` has another name (--top -> --most)",
            |json| {
                json["verbs"][0]["arguments"][1]["long"] = json!("most");
            },
        ),
        (
            "breaking: `log scan`: argument `top` has another letter (-t)",
            |json| {
                json["verbs"][0]["arguments"][1]["short"] = json!(null);
            },
        ),
        (
            "safe: `log scan`: argument `client` has another letter (-c)",
            |json| {
                json["verbs"][0]["arguments"][2]["short"] = json!("c");
            },
        ),
        (
            "breaking: `log scan`: argument `client` is required",
            |json| {
                json["verbs"][0]["arguments"][2]["required"] = json!(true);
            },
        ),
        (
            "safe: `log scan`: argument `path` may be left out",
            |json| {
                json["verbs"][0]["arguments"][0]["required"] = json!(false);
            },
        ),
        (
            "caution: `log scan`: argument `top` has another default (10 -> 20)",
            |json| {
                json["verbs"][0]["arguments"][1]["defaults"] = json!(["20"]);
            },
        ),
        (
            "breaking: `log scan`: argument `skip` may be given only once",
            |json| {
                json["verbs"][0]["arguments"][3]["repeats"] = json!(false);
            },
        ),
        (
            "safe: `log scan`: argument `client` may be given several times",
            |json| {
                json["verbs"][0]["arguments"][2]["repeats"] = json!(true);
            },
        ),
        (
            "breaking: `log scan`: argument `client` takes no value",
            |json| {
                json["verbs"][0]["arguments"][2]["takes_values"] = json!(false);
            },
        ),
        (
            "safe: `sum add`: argument `left` takes more values ({\"maximum\":255,\"minimum\":0,\"type\":\"integer\"} -> {\"maximum\":256,\"minimum\":0,\"type\":\"integer\"})",
            |json| json["verbs"][1]["arguments"][0]["value"]["maximum"] = json!(256),
        ),
        (
            "breaking: `sum add`: argument `left` takes fewer values ({\"maximum\":255,\"minimum\":0,\"type\":\"integer\"} -> {\"maximum\":255,\"minimum\":1,\"type\":\"integer\"})",
            |json| json["verbs"][1]["arguments"][0]["value"]["minimum"] = json!(1),
        ),
        (
            "breaking: `sum add`: argument `left` takes other values ({\"maximum\":255,\"minimum\":0,\"type\":\"integer\"} -> {\"type\":\"string\"})",
            |json| json["verbs"][1]["arguments"][0]["value"] = json!({"type": "string"}),
        ),
        (
            "breaking: `sum add`: the places have another order (left right -> right left)",
            |json| {
                json["verbs"][1]["arguments"]
                    .as_array_mut()
                    .unwrap()
                    .swap(0, 1);
            },
        ),
        ("safe: `sum add`: the result says more", |json| {
            json["verbs"][1]["output"]["maximum"] = json!(254);
        }),
        ("breaking: `sum add`: the error has another shape", |json| {
            json["verbs"][1]["error"] = json!(true);
        }),
        (
            "breaking: `sum add`: a call may not be repeated any more",
            |json| {
                json["verbs"][1]["idempotent"] = json!(false);
            },
        ),
    ];
    let old = grammar();
    for (expected, edit) in table {
        let mut json: Value = serde_json::from_str(&old.to_json()).unwrap();
        edit(&mut json);
        let new = Grammar::from_json(&json.to_string()).unwrap();
        let delta = Delta::between(&old, &new);
        let said: Vec<String> = delta.changes().iter().map(ToString::to_string).collect();
        assert_eq!(said, [*expected]);
        let class = format!("{}:", delta.class());
        assert!(expected.starts_with(&class));
        assert_eq!(
            delta.undeclared().count(),
            usize::from(delta.class() == Class::Breaking)
        );
        // The same the other way round is a change, too.
        assert!(
            !Delta::between(&new, &old).changes().is_empty(),
            "{expected}"
        );
    }
    assert_eq!(Delta::between(&old, &old).changes(), []);
    assert_eq!(Delta::between(&old, &old).class(), Class::Safe);
}

#[test]
fn a_new_argument_breaks_only_where_it_is_required() {
    let old = grammar();
    for (required, class) in [(false, Class::Safe), (true, Class::Breaking)] {
        let mut new = old.clone();
        let mut argument = new.verbs[1].arguments[0].clone();
        argument.name = "third".to_owned();
        argument.long = Some("third".to_owned());
        argument.required = required;
        new.verbs[1].arguments.push(argument);
        assert_eq!(Delta::between(&old, &new).class(), class);
    }
}

#[test]
fn breaking_changes_are_declared_by_a_version_or_a_deprecation() {
    let mut old = grammar();
    let mut new = old.clone();
    new.verbs[0].effect = Effect::Dangerous;
    for (version, undeclared) in [
        (None, 1),
        (Some("1.2.3"), 1),
        (Some("1.3.0"), 1),
        (Some("2.0.0"), 0),
        (Some("2.0.0-rc.1+5"), 0),
        (Some("0.9.0"), 1),
        (Some("not a version"), 1),
    ] {
        new.version = version.map(str::to_owned);
        assert_eq!(
            Delta::between(&old, &new).undeclared().count(),
            undeclared,
            "{version:?}"
        );
    }
    old.version = Some("0.3.1".to_owned());
    new.version = Some("0.4.0".to_owned());
    assert_eq!(Delta::between(&old, &new).undeclared().count(), 0);
    new.version = Some("0.3.9".to_owned());
    assert_eq!(Delta::between(&old, &new).undeclared().count(), 1);

    old.verbs[0].deprecated = Some("use something else".to_owned());
    new.verbs.remove(0);
    assert_eq!(Delta::between(&old, &new).undeclared().count(), 0);
}

#[test]
fn a_verb_answers_to_its_aliases_and_says_that_it_is_deprecated() {
    let app = App::new("trial").verbs(verbs![add, double]);
    app.check().unwrap();
    for name in ["double", "d", "twice"] {
        let reply = app.call_blocking(["sum", name, "4"]);
        assert_eq!(reply.result.unwrap().as_json(), "8");
        assert_eq!(reply.receipt.unwrap().verb.to_string(), "sum double");
    }
    let grammar = app.grammar();
    let double = grammar.verb("sum", "double").unwrap();
    assert_eq!(double.aliases, ["d", "twice"]);
    assert_eq!(double.deprecated.as_deref(), Some("use `sum add`"));
    assert!(double.idempotent);
    // What changes nothing may be repeated without saying so.
    assert!(grammar.verb("sum", "add").unwrap().idempotent);
}

/// A result that says what it is.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct Report {
    /// How many there are. What could be left out on the way in is always there on the way out.
    #[serde(rename = "lines", default)]
    count: u8,
    zeta: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alpha: Option<String>,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct Row {
    name: &'static str,
}

/// A result that contains itself.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct Tree {
    children: Vec<Tree>,
}

/// A result that says nothing of itself.
#[derive(serde::Serialize)]
struct Plain;

type Reported<T> = Result<T, std::num::ParseIntError>;

#[verb(noun = "out", effect = "pure")]
fn report() -> Reported<Report> {
    let (count, zeta, alpha) = ("1".parse()?, vec![Row { name: "a" }], None);
    Ok(Report { count, zeta, alpha })
}

#[verb(noun = "out", effect = "pure")]
async fn tree() -> Result<Option<Tree>, Failure> {
    Ok(Some(Tree {
        children: Vec::new(),
    }))
}

#[verb(noun = "out", effect = "pure")]
fn plain() -> Result<Plain, Failure> {
    Ok(Plain)
}

#[verb(noun = "out", effect = "pure")]
fn opaque() -> Result<impl serde::Serialize + use<>, Failure> {
    Ok(1)
}

#[verb(noun = "out", effect = "pure")]
#[budget(memory = "1MB", cpu = "1s")]
fn borrowed<'a>(cx: &'a Context) -> Result<Vec<&'a str>, Failure> {
    let _ = cx;
    Ok(vec!["a"])
}

#[test]
fn a_result_whose_type_has_a_schema_has_it_in_the_grammar() {
    let app = App::new("trial").verbs(verbs![report, tree, plain, opaque, borrowed]);
    app.check().unwrap();
    let grammar = app.grammar();
    let output = |name: &str| grammar.verb("out", name).unwrap().output.clone();
    assert_eq!(
        output("report"),
        json!({
            "type": "object",
            "description": "A result that says what it is.",
            "properties": {
                "lines": {
                    "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255,
                    "default": 0,
                    "description": "How many there are. What could be left out on the way in is always there on the way out.",
                },
                "zeta": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": { "name": { "type": "string" } },
                        "required": ["name"],
                    },
                },
                "alpha": { "type": ["string", "null"] },
            },
            "required": ["lines", "zeta"],
        })
    );
    assert!(
        output("tree")
            .to_string()
            .contains("\"$ref\":\"#/$defs/Tree\""),
        "{}",
        output("tree")
    );
    assert_eq!(output("plain"), json!(true));
    assert_eq!(output("opaque"), json!(true));
    assert_eq!(
        output("borrowed"),
        json!({ "type": "array", "items": { "type": "string" } })
    );
    for name in ["report", "tree", "plain", "opaque", "borrowed"] {
        assert!(app.call_blocking(["out", name]).result.is_ok(), "{name}");
    }
}

/// What a new release of a program may do to the type of a result.
#[test]
fn a_result_may_say_more_and_not_less() {
    let app = App::new("trial").verbs(verbs![report, tree, plain]);
    let old: Value = serde_json::from_str(&app.grammar().to_json()).unwrap();
    let place = |name: &str| {
        old["verbs"]
            .as_array()
            .unwrap()
            .iter()
            .position(|verb| verb["name"] == name)
            .unwrap()
    };
    type Edit = fn(&mut Value);
    let table: &[(&str, &str, Option<Class>, Edit)] = &[
        ("report", "another comment", None, |output| {
            output["properties"]["lines"]["description"] = json!("Lines");
        }),
        ("report", "a new field", Some(Class::Safe), |output| {
            output["properties"]["beta"] = json!({ "type": "integer" });
            output["required"] = json!(["beta", "lines", "zeta"]);
        }),
        (
            "report",
            "a field that may be missing",
            Some(Class::Breaking),
            |output| {
                output["required"] = json!(["lines"]);
            },
        ),
        (
            "report",
            "a field that is gone",
            Some(Class::Breaking),
            |output| {
                output["properties"].as_object_mut().unwrap().remove("zeta");
            },
        ),
        (
            "report",
            "a wider number",
            Some(Class::Breaking),
            |output| {
                output["properties"]["lines"]["maximum"] = json!(65_535);
            },
        ),
        (
            "report",
            "a wider number in a row",
            Some(Class::Breaking),
            |output| {
                output["properties"]["zeta"]["items"]["properties"]["name"] =
                    json!({ "type": ["string", "null"] });
            },
        ),
        (
            "tree",
            "what a reference means",
            Some(Class::Breaking),
            |output| {
                output["$defs"]["Tree"]["required"] = json!([]);
            },
        ),
        (
            "plain",
            "a schema where there was none",
            Some(Class::Safe),
            |output| {
                *output = json!({ "type": "object", "properties": { "a": { "$ref": "#" } } });
            },
        ),
    ];
    for (name, what, class, edit) in table {
        let mut new = old.clone();
        edit(&mut new["verbs"][place(name)]["output"]);
        let new = Grammar::from_json(&new.to_string()).unwrap();
        let delta = Delta::between(&app.grammar(), &new);
        assert_eq!(
            delta.changes().len(),
            usize::from(class.is_some()),
            "{what}"
        );
        assert_eq!(delta.class(), class.unwrap_or(Class::Safe), "{what}");
        assert_eq!(
            new.digest() == app.grammar().digest(),
            class.is_none(),
            "{what}"
        );
    }
}

/// The same verbs under other words.
mod reworded {
    use super::*;

    /// Has other help.
    ///
    /// Much of it.
    #[verb(noun = "log", effect = "read")]
    #[requires_attestation(read_only)]
    #[budget(memory = "1MB", cpu = "1s", io = 10)]
    pub fn scan(
        cx: Context,
        /// The path
        path: std::path::PathBuf,
        /// How many
        #[arg(long, short = 't', default_value_t = 10)]
        top: u8,
        deep: bool,
        #[arg(long)] skip: Vec<i64>,
        #[arg(long)] client: Option<String>,
    ) -> Result<usize, Failure> {
        let _ = (cx, path, top, deep, skip, client);
        Ok(1)
    }
}

/// Callers and audit logs compare digests across builds, so a change here needs another `SCHEMA`, unless it is `schemars` that
/// describes a type otherwise.
#[test]
fn digests_are_the_same_on_every_build() {
    let pinned = "666f2a8e53545ac30ac608383cdc39c70901c9c0bdb5fde7d38e88cfc57971f1";
    for verbs in [
        verbs![add, scan, double, report],
        verbs![report, double, scan, add],
        verbs![double, reworded::scan, report, add],
    ] {
        let app = App::new("trial").version("1.2.3").verbs(verbs);
        app.check().unwrap();
        assert_eq!(app.grammar().digest().to_string(), pinned);
    }
    let app = App::new("trial").verbs(verbs![scan]);
    let verb = app.grammar().verbs[0].digest().to_string();
    assert_eq!(
        verb,
        "977ca889f9e96dee3ac4bd2ded688dcf313d9c6876d36dc6ac8d1592431ac373"
    );
    let explained = app
        .call_blocking(["log", "scan", "x", "--dry-run"])
        .result
        .unwrap();
    assert!(explained.as_json().contains(&verb));
}

/// Whatever keeps the order of JSON objects elsewhere in a build.
#[test]
fn schemas_are_sorted_where_they_are_written() {
    let app = App::new("trial").verbs(verbs![report]);
    let json = app.grammar().to_json();
    let order = |names: [&str; 3]| names.map(|name| json.find(&format!("\"{name}\":{{")).unwrap());
    let places = order(["alpha", "lines", "zeta"]);
    assert!(places.is_sorted(), "{json}");
}

#[test]
fn a_budget_has_its_amounts_and_its_tier() {
    #[verb(noun = "sum", effect = "network", public)]
    #[budget(memory = "10KB", cpu = "10us", io = 10, network = "1KB")]
    fn small() -> Result<(), Failure> {
        Ok(())
    }
    let app = App::new("trial").verbs(verbs![small, scan]);
    let grammar = app.grammar();
    let json: Value = serde_json::from_str(&grammar.to_json()).unwrap();
    let budget = |verb: usize| json["verbs"][verb]["budget"].clone();
    assert_eq!(
        budget(0),
        json!({ "memory_bytes": 1_000_000, "cpu_ns": 1_000_000_000, "io_ops": 10, "network_bytes": 0 })
    );
    assert_eq!(
        budget(1),
        json!({
            "tier": "SmallBudget",
            "memory_bytes": 10_000, "cpu_ns": 10_000, "io_ops": 10, "network_bytes": 1_000,
        })
    );
    assert_eq!(
        json["verbs"][0]["attestation"],
        "read_only/unlimited/stable/harmless"
    );
    assert_eq!(json["verbs"][1]["attestation"], Value::Null);
    // The amounts decide, and not what they are called.
    let mut other = json.clone();
    other["verbs"][1]["budget"]["tier"] = json!("TinyBudget");
    assert_eq!(Grammar::from_json(&other.to_string()).unwrap(), grammar);
}
