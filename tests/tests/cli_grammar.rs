//! `cnv grammar`, and what `ops` says of its own commands, as a user runs them.

mod programs;

use std::fs;

use cnv::grammar::Grammar;
use serde_json::{Value, json};

use programs::{Folder, cnv, expect, line, ops_alone};

/// The grammar of `ops`, as its users get it, without the nouns that these tests do not look at.
fn grammar() -> Value {
    let mut json = expect(0, &mut ops_alone(line!["--grammar"])).json();
    let verbs = json["verbs"].as_array_mut().unwrap();
    verbs.retain(|verb| verb["noun"] == "log" || verb["noun"] == "tree");
    json
}

#[test]
fn ops_describes_itself() {
    let text = expect(0, &mut ops_alone(line!["--grammar"]));
    let grammar = Grammar::from_json(text.text()).unwrap();
    let scan = grammar.verb("log", "scan").unwrap();
    assert_eq!(scan.budget.unwrap().memory_bytes, Some(64_000_000));
    assert_eq!(scan.output["properties"]["requests"]["type"], "integer");
    assert!(scan.attestation.is_some());

    let script = expect(0, &mut ops_alone(line!["--completions", "bash", "--json"]));
    assert!(script.text().starts_with("_ops()"), "{}", script.text());
    let folder = Folder::new();
    let pages = folder.path("man1");
    let written = expect(0, &mut ops_alone(line!["--man", &pages, "--json"])).json();
    assert_eq!(written.as_array().unwrap().len(), 7);
    assert!(pages.join("ops-log-scan.1").exists());
    expect(2, &mut ops_alone(line!["--completions"])).says("--completions <SHELL>");
}

#[test]
fn show_lists_verbs_and_shows_one() {
    let folder = Folder::new();
    let mut json = grammar();
    json["verbs"][0]["aliases"] = json!(["s"]);
    json["verbs"][0]["deprecated"] = json!("use `log count`");
    let file = folder.file("ops.json", json.to_string());
    let all = expect(0, &mut cnv(line!["grammar", "show", &file]));
    let contract = "read_only/unlimited/stable/harmless";
    assert_eq!(
        all.rows(),
        [
            "verb effect attestation about".to_owned(),
            format!(
                "log scan read {contract} Counts requests, bytes, errors, paths and clients in an access log (deprecated: use `log count`)"
            ),
            format!("log tail read {contract} Shows requests as they are written to a growing access log"),
            "tree digest read - Digests a directory tree with SHA-256: names, contents and link targets, in sorted order"
                .to_owned(),
        ]
    );
    let tree = expect(
        0,
        &mut cnv(line!["grammar", "show", &file, "tree", "--json"]),
    )
    .json();
    assert_eq!(tree.as_array().unwrap().len(), 1);
    assert_eq!(tree[0]["verb"], "tree digest");

    // By its alias, too.
    let one = expect(0, &mut cnv(line!["grammar", "show", &file, "log", "s"]));
    let rows = one.rows();
    for row in [
        "verb log scan",
        "deprecated use `log count`",
        "idempotent true",
        "memory 64 MB",
        "cpu 1 min",
        "io 100k",
        "network none",
        "PATH path - The log to read",
        "[--top TOP] integer from 0 10 How many paths and clients to list",
        "object with bytes, counts_too_low_by_at_most, requests, statuses, top_clients, top_paths, unparsable_lines",
    ] {
        assert!(rows.iter().any(|shown| shown == row), "{row}\n{rows:#?}");
    }
    let one = expect(
        0,
        &mut cnv(line!["grammar", "show", &file, "log", "scan", "--json"]),
    )
    .json();
    assert_eq!(one["attestation"], contract);
    assert_eq!(one["budget"]["memory"], "64 MB");
    let digest = Grammar::from_json(&json.to_string()).unwrap().verbs[0].digest();
    assert_eq!(one["digest"], digest.to_string());
}

#[test]
fn what_is_not_there_or_is_no_grammar_is_said() {
    let folder = Folder::new();
    let file = folder.file("ops.json", grammar().to_string());
    let error = |code, arguments: &[&str]| {
        let mut command = cnv(line!["grammar"]);
        command.args(arguments).arg("--json");
        expect(code, &mut command).error()["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let path = file.to_str().unwrap();
    let missing = format!("{path} has no `log scam`; `cnv grammar show` lists what it has");
    assert_eq!(error(1, &["show", path, "log", "scam"]), missing);
    assert!(error(1, &["show", path, "lag"]).contains("has no `lag`"));
    assert!(error(1, &["diff", path, "/nonexistent"]).contains("cannot read /nonexistent"));
    let twice = folder.file("twice.json", &{
        let mut json = grammar();
        json["verbs"][1] = json["verbs"][0].clone();
        json.to_string()
    });
    let twice = error(1, &["check", path, twice.to_str().unwrap()]);
    assert!(
        twice.contains("`log scan` stands in the grammar twice"),
        "{twice}"
    );
    let huge = folder.path("huge.json");
    fs::File::create(&huge)
        .unwrap()
        .set_len((16 << 20) + 1)
        .unwrap();
    let huge = error(1, &["check", huge.to_str().unwrap(), path]);
    assert!(huge.contains("larger than 16 MiB"), "{huge}");
}

#[test]
fn check_fails_where_a_breaking_change_was_not_declared() {
    let folder = Folder::new();
    let old = folder.file("old.json", grammar().to_string());
    let check = |code, json: &Value| {
        let new = folder.file("new.json", json.to_string());
        expect(
            code,
            &mut cnv(line!["grammar", "check", &old, &new, "--json"]),
        )
    };
    let mut json = grammar();
    assert_eq!(check(0, &json).json(), json!([]));
    json["verbs"][0]["about"] = json!("Other words");
    assert_eq!(check(0, &json).json(), json!([]));

    json["verbs"][0]["budget"]["io_ops"] = json!(1);
    let changes = check(0, &json).json();
    assert_eq!(changes[0]["class"], "caution");
    assert_eq!(changes[0]["part"], "the io of the budget");

    json["verbs"][0]["effect"] = json!("dangerous");
    json["verbs"].as_array_mut().unwrap().pop();
    let error = check(1, &json).error();
    assert_eq!(
        error["message"]
            .as_str()
            .unwrap()
            .lines()
            .collect::<Vec<_>>(),
        [
            "2 breaking changes are not declared; raise the major version, or keep what callers rely on",
            "  breaking: `log scan`: the effect is larger (read -> dangerous)",
            "  breaking: `tree digest`: the verb is gone",
        ]
    );
    // They are shown, and are no failure, where nothing is checked.
    let new = folder.path("new.json");
    let shown = expect(0, &mut cnv(line!["grammar", "diff", &old, &new])).rows();
    assert_eq!(shown[0], "class verb part what before after was announced");
    assert_eq!(
        shown[1],
        "breaking log scan the effect is larger read dangerous false"
    );
    assert_eq!(shown.len(), 4);

    json["version"] = json!("9.0.0");
    assert_eq!(check(0, &json).json().as_array().unwrap().len(), 3);
}
