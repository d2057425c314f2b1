//! `cnv grammar overlay`: an overlay beside the grammar that it is for.

mod programs;

use std::fs;

use programs::{Folder, cnv, expect, ops};

#[test]
fn an_overlay_is_checked_against_a_grammar() {
    let folder = Folder::new();
    let grammar = expect(0, &mut ops(["--grammar"]));
    let file = folder.path("grammar.json");
    fs::write(&file, grammar.stdout).unwrap();
    let overlay = |code, text: &str| {
        folder.file("ops.toml", text);
        let mut command = cnv(["grammar", "overlay", "--json"]);
        expect(code, command.arg(&file).arg(folder.path("ops.toml")))
    };
    let changes = overlay(0, "schema = 1\nverbs.\"log scan\".enabled = false\n").json();
    assert_eq!(changes[0]["verb"], "log scan");
    assert_eq!(changes[0]["class"], "breaking");
    let refused = overlay(1, "schema = 1\n[verbs.\"log scna\"]\n").stderr;
    assert!(refused.contains("ops.toml:2:8"), "{refused}");
    assert!(refused.contains("did you mean `log scan`?"), "{refused}");
}
