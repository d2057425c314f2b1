//! The commands that the documentation shows, and what they print.

mod programs;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use programs::{Folder, program, programs};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap()
}

/// What stands between fences of this language, block by block.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let parts = page.split(fence.as_str()).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap())
        .collect()
}

/// A shell with both programs in its path, and nothing of the caller's cnv in its environment.
fn shell(folder: &Folder) -> Command {
    let mut shell = program(Path::new("sh"));
    let ours = [&programs().ops, &programs().cnv].map(|path| path.parent().unwrap().to_owned());
    let theirs = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(ours.into_iter().chain(std::env::split_paths(&theirs)));
    shell
        .env("PATH", path.unwrap())
        .current_dir(folder.path("."));
    shell
}

/// Runs commands in one shell; `None` where a command was never reached.
fn run(folder: &Folder, commands: &[&str]) -> Vec<Option<String>> {
    let script: Vec<String> = commands
        .iter()
        .map(|command| format!("{command}\nprintf '\\036'\n"))
        .collect();
    let script = format!("exec 2>&1\n{}", script.concat());
    let mut shell = shell(folder);
    let output = shell.arg("-c").arg(script).stderr(Stdio::inherit());
    let text = String::from_utf8(output.output().unwrap().stdout).unwrap();
    let mut parts = text.split('\u{1e}').map(str::to_owned);
    commands.iter().map(|_| parts.next()).collect()
}

/// What differs from run to run, by what stands in its place.
fn in_general(line: &str) -> String {
    // Amounts, and how many entries a checkpoint got to sign.
    let amounts = ["used", "checkpoints"];
    let start = amounts
        .iter()
        .find_map(|word| Some(line.find(word)? + word.len()));
    let line = &line[..start.unwrap_or(line.len())];
    let words = line.split_whitespace().map(|word| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_time = bare.len() == 20 && bare.ends_with('Z') && bare.contains('T');
        if bare.len() >= 32 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            word.replace(bare, &format!("{} digits", bare.len()))
        } else if is_time {
            word.replace(bare, "time")
        } else if word.starts_with("cnvpub1.") {
            "key".to_owned()
        } else {
            word.to_owned()
        }
    });
    let mut general: Vec<String> = Vec::new();
    for word in words {
        let is_unit = ["d", "h", "min", "s"].contains(&word.as_str());
        let is_span = general
            .last()
            .is_some_and(|last| last.parse::<u64>().is_ok());
        if is_unit && is_span {
            general.pop();
            // `6 d 23 h` is `7 d` a second later.
            if general.last().is_none_or(|last| last != "span") {
                general.push("span".to_owned());
            }
        } else {
            general.push(word);
        }
    }
    general.join(" ")
}

/// The commands of a page and the lines that it shows of each, with what differs left out by `in_general`.
fn assert_commands_print(page: &str, at_least: usize, in_general: impl Fn(&str) -> String) {
    let page = read(page);
    let mut commands: Vec<String> = Vec::new();
    let mut shown: Vec<Vec<String>> = Vec::new();
    for line in blocks(&page, "console").into_iter().flat_map(str::lines) {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push(command.to_owned());
            shown.push(Vec::new());
        } else if let Some(more) = line.strip_prefix("> ") {
            let command = commands.last_mut().unwrap();
            command.push('\n');
            command.push_str(more);
        } else {
            shown.last_mut().unwrap().push(in_general(line));
        }
    }
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    assert!(commands.len() >= at_least, "only {}", commands.len());
    let folder = Folder::new();
    let printed = run(&folder, &commands);
    for ((command, printed), shown) in commands.iter().zip(printed).zip(shown) {
        let printed = printed.unwrap_or_else(|| panic!("the shell ended before `{command}`"));
        let lines: Vec<String> = printed.lines().map(&in_general).collect();
        assert_eq!(lines, shown, "`{command}` printed:\n{printed}");
    }
}

#[test]
fn every_command_of_the_walk_through_prints_what_it_shows() {
    assert_commands_print("docs/attestation.md", 16, in_general);
}

#[test]
fn every_command_about_finding_a_budget_prints_what_it_shows() {
    assert_commands_print("docs/budget.md", 7, without_measures);
}

/// Amounts of memory and time, alone and in an attribute, by `amount`.
fn without_measures(line: &str) -> String {
    let is_amount = |text: &str| {
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, unit) = text.split_at(split.unwrap_or(text.len()));
        !number.is_empty() && ["B", "KB", "MB", "ns", "us", "ms", "s"].contains(&unit)
    };
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let mut general: Vec<String> = Vec::new();
    while let Some((&word, rest)) = words.split_first() {
        let with_next = rest.first().map(|next| format!("{word}{next}"));
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let (word, taken) = match with_next {
            Some(both) if is_amount(&both) => ("amount".to_owned(), 2),
            _ if is_amount(bare) => (word.replace(bare, "amount"), 1),
            _ => (word.to_owned(), 1),
        };
        general.push(word);
        words.drain(..taken);
    }
    general.join(" ")
}

#[test]
fn the_commands_of_the_readme_on_attestations_work() {
    let readme = read("README.md");
    let section = readme.split("## Attestations").nth(1).unwrap();
    let commands: Vec<&str> = blocks(section, "sh")[0].lines().collect();
    assert!(commands.len() >= 3);
    let folder = Folder::new();
    fs::create_dir(folder.path("cnv")).unwrap();
    let ended: Vec<String> = commands
        .iter()
        .map(|command| format!("{command} || echo FAILED"))
        .collect();
    let ended: Vec<&str> = ended.iter().map(String::as_str).collect();
    for (command, printed) in commands.iter().zip(run(&folder, &ended)) {
        let printed = printed.unwrap();
        assert!(!printed.contains("FAILED"), "`{command}`: {printed}");
    }
}

#[test]
fn what_differs_from_run_to_run_is_told_from_what_must_not() {
    let a = in_general("  key  00000000000000000000000000000000  2026-11-23T03:17:02Z  7 d");
    let b = in_general(" key 11111111111111111111111111111111 2027-01-01T00:00:00Z 6 d 23 h");
    assert_eq!(a, b);
    assert_ne!(in_general("number 1"), in_general("number 2"));
}

#[test]
fn measures_differ_and_declarations_do_not() {
    let a = without_measures("  memory  264.48 KB   1 MB  #[budget(memory = \"340KB\", io = 5)]");
    let b = without_measures(" memory 1 B  980.1 KB #[budget(memory = \"1.3MB\", io = 5)]");
    assert_eq!(a, b);
    assert_ne!(without_measures("io 4"), without_measures("io 5"));
    assert_ne!(without_measures("10M 4 4"), without_measures("10M 4 5"));
}
