//! What the programs of goal 7 do, whichever allocator they have: a text is made, then parsed into values, and regrouped
//! into maps and strings, as a service does that reads a log of requests.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hint::black_box;

use cnv::quota::{Limits, measure};
use serde::Deserialize;
use serde_json::Value;

/// Lines of the log, and how often it is read.
const LINES: usize = 4_000;
const PASSES: usize = 12;

#[derive(Deserialize)]
struct Request {
    path: String,
    user: String,
    status: u16,
    tags: Vec<String>,
    attributes: HashMap<String, String>,
}

/// Prints the processor time of the passes in nanoseconds, and what they found: the same for every allocator.
pub fn main() {
    let text = log();
    let mut found = read(&text);
    // A limit that is none is measured by the thread's own clock.
    let ((), usage) = measure("work", Limits::unlimited(), || {
        for _ in 0..PASSES {
            found += read(black_box(&text));
        }
    });
    println!("{} {found}", usage.cpu_ns);
}

/// One line of JSON for each request.
fn log() -> String {
    let mut text = String::new();
    for number in 0..LINES {
        let (user, path, status) = (number * 7 % 211, number * 13 % 97, 200 + number % 5 * 100);
        let line = format!(
            r#"{{"path":"/shop/items/{path}/reviews?page={number}","user":"user-{user}@example.com","status":{status},"tags":["region-{}","shard-{}","canary"],"attributes":{{"agent":"client/{}.{}","referrer":"https://example.com/from/{path}","trace":"{number:032x}"}}}}"#,
            number % 9,
            number % 31,
            number % 4,
            number % 17,
        );
        writeln!(text, "{line}").expect("a String grows");
    }
    text
}

/// Reads the log twice, as values and as structs, and says how much it found.
fn read(text: &str) -> usize {
    let values: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("it was written above"))
        .collect();
    let mut by_path: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for value in &values {
        let path = value["path"].as_str().unwrap_or_default();
        let key = path.split('?').next().unwrap_or_default().to_lowercase();
        by_path.entry(key).or_default().push(value.to_string());
    }
    let mut by_user: HashMap<String, Vec<(u16, String)>> = HashMap::new();
    for line in text.lines() {
        let request: Request = serde_json::from_str(line).expect("it was written above");
        let label = format!(
            "{} {} {}",
            request.tags.join(","),
            request.attributes.len(),
            request.path
        );
        by_user
            .entry(request.user)
            .or_default()
            .push((request.status, label));
    }
    let lines: usize = by_path.values().flatten().map(String::len).sum();
    let labels: usize = by_user
        .values()
        .flatten()
        .map(|(_, label)| label.len())
        .sum();
    lines + labels
}
