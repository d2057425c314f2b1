//! The page of rules shows messages as the compiler prints them.

use std::fs;
use std::path::Path;

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
