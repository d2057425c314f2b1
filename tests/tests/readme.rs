//! The README shows what is there, word for word.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap()
}

#[test]
fn it_shows_the_quickstart() {
    let quickstart = read("examples/examples/quickstart.rs");
    assert!(read("README.md").contains(&quickstart));
    assert!(quickstart.lines().count() <= 40);
}

#[test]
fn it_shows_the_compile_error_as_it_prints() {
    let message = read("ui-tests/fail/readme/over_budget.stderr")
        .replace("fail/readme/over_budget.rs", "src/main.rs");
    assert!(read("README.md").contains(&message));
}

#[test]
fn the_program_of_the_error_is_the_quickstart_with_a_smaller_budget() {
    let program = read("ui-tests/fail/readme/over_budget.rs");
    let smaller = read("examples/examples/quickstart.rs").replace(
        r#"memory = "1MB", cpu = "10ms""#,
        r#"memory = "500KB", cpu = "10ms""#,
    );
    assert_eq!(program, smaller);
}

#[test]
fn its_test_command_is_the_one_that_ci_runs() {
    let command = "cargo test";
    assert!(
        read("README.md")
            .lines()
            .any(|line| line.split('#').next().map(str::trim) == Some(command))
    );
    assert!(read(".ci/run").lines().any(|line| line == command));
}

/// The command tests the default members.
#[test]
fn its_test_command_tests_every_member_but_the_benchmarks() {
    let manifest = read("Cargo.toml");
    let list = |key: &str| -> Vec<&str> {
        let line = manifest.lines().find_map(|line| line.strip_prefix(key));
        let names = line.unwrap().trim_matches(['[', ']']).split(", ");
        names.collect()
    };
    let mut members = list("members = ");
    members.retain(|&member| member != r#""cnv-bench""#);
    assert_eq!(members, list("default-members = "));
    assert!(members.len() > 4);
}
