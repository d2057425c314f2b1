//! The page of rules shows messages as the compiler prints them.

use std::fs;
use std::path::Path;

/// What the compiler says by itself, and so is no rule of cnv's.
const COMPILERS_OWN: &[&str] = &[
    "expected ``",
    "enum is not supported in ``s or ``s",
    "implementation is not supported in ``s or ``s",
    "key-value macro attributes are not supported",
    "the `` attribute may only be used on a free function",
];

/// The message without the names, numbers and texts in it.
fn rule(message: &str) -> String {
    let mut rule = String::new();
    let mut parts = message.split('`');
    rule.push_str(parts.next().unwrap_or_default());
    while let (Some(_), Some(outside)) = (parts.next(), parts.next()) {
        rule.push_str("``");
        rule.push_str(outside);
    }
    rule.retain(|c| !c.is_ascii_digit());
    rule
}

#[test]
fn every_message_of_a_macro_is_on_the_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../docs/budget.md")).unwrap();
    let page: Vec<String> = page.lines().map(rule).collect();
    for entry in fs::read_dir(root.join("fail/budget")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_none_or(|extension| extension != "stderr")
        {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let Some(message) = line.strip_prefix("error: ") else {
                continue;
            };
            let rule = rule(message);
            assert!(
                page.contains(&rule) || COMPILERS_OWN.contains(&&*rule),
                "{}: not on the page: {message}",
                path.display()
            );
        }
    }
}

#[test]
fn every_message_on_the_page_is_one_that_a_program_here_gets() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../docs/budget.md")).unwrap();
    let mut printed = String::new();
    for entry in fs::read_dir(root.join("fail/budget")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "stderr")
        {
            printed.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    let headings: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("error"))
        .collect();
    let mut messages = 0;
    let mut is_message = false;
    for line in page.lines() {
        match line {
            "```text" => is_message = true,
            "```" => is_message = false,
            message if is_message => {
                messages += 1;
                assert!(
                    headings.iter().any(|heading| heading.ends_with(message)),
                    "no program in `fail/budget` gets this: {message}"
                );
            }
            _ => {}
        }
    }
    assert!(messages > 50, "only {messages} messages were found");
}
