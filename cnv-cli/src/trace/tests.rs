use std::fs;
use std::path::Path;
use std::time::Duration;

use cnv::trace::{self, SpanFile, TraceContext, Tracer, TransactionId};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::drawing;
use super::read::{MAX_LINE_BYTES, Spans};
use super::shown::{Filter, Shown};
use super::tree::Note;

const ALL: Filter = Filter {
    transaction: None,
    errors: false,
    slower_than: None,
    last: 10,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// The spans of a line, as those of one program.
fn line(service: &str, spans: &[Value]) -> String {
    let service = json!({ "key": "service.name", "value": { "stringValue": service } });
    let line = json!({ "resourceSpans": [{
        "resource": { "attributes": [service] },
        "scopeSpans": [{ "scope": {}, "spans": spans }],
    }] });
    format!("{line}\n")
}

/// A span that began so many microseconds after the others, and took so long.
fn span(id: u64, parent: u64, name: &str, (start_us, time_us): (u64, u64)) -> Value {
    let start = 1_700_000_000_000_000_000 + start_us * 1000;
    let parent = match parent {
        0 => String::new(),
        id => format!("{id:016x}"),
    };
    json!({
        "traceId": TRACE, "spanId": format!("{id:016x}"), "parentSpanId": parent, "name": name,
        "startTimeUnixNano": start.to_string(), "endTimeUnixNano": start + time_us * 1000,
    })
}

fn with(mut span: Value, key: &str, value: Value) -> Value {
    span[key] = value;
    span
}

fn attribute(key: &str, text: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": text } })
}

fn event(at_us: u64, name: &str, attribute: Value) -> Value {
    let at = 1_700_000_000_000_000_000 + at_us * 1000;
    json!({ "timeUnixNano": at.to_string(), "name": name, "attributes": [attribute] })
}

fn stage(at_us: u64, name: &str) -> Value {
    let yes = json!({ "key": "cnv.stage", "value": { "boolValue": true } });
    event(at_us, name, yes)
}

/// What lines have, and whether all of them could be read.
fn shown(lines: &str, filter: &Filter, with_attributes: bool) -> Shown {
    let mut spans = Spans::new(None, with_attributes);
    for line in lines.lines() {
        spans.skipped_lines += u64::from(spans.line(line.as_bytes()).is_err());
    }
    Shown::new(&spans.list, spans.skipped_lines, filter)
}

fn plain(drawing: &str) -> String {
    let mut plain = drawing.to_owned();
    for style in ["\u{1b}[31m", "\u{1b}[2m", "\u{1b}[0m"] {
        plain = plain.replace(style, "");
    }
    plain
}

/// What `cnv trace show` says of files.
fn call(arguments: &[&str]) -> Result<Value, String> {
    let words = ["trace", "show"].iter().chain(arguments);
    let reply = crate::app().call_blocking(words.copied());
    match reply.result {
        Ok(output) => Ok(serde_json::from_str(output.as_json()).unwrap()),
        Err(failure) => Err(failure.to_string()),
    }
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

fn two_processes() -> String {
    let front = with(
        span(1, 0, "pay invoice", (0, 1000)),
        "events",
        json!([
            stage(0, "authorise"),
            stage(40, "admit"),
            stage(60, "run"),
            stage(990, "end")
        ]),
    );
    let front = with(
        front,
        "status",
        json!({ "code": 2, "message": "unavailable" }),
    );
    let front = with(
        front,
        "attributes",
        json!([
            attribute("error.type", "unavailable"),
            attribute("cnv.transaction.id", "8c1f7a3e0d524b6a9e115f2d70c4a9b3"),
        ]),
    );
    let attempt = |id, number: &str, times| {
        let number = json!({ "key": "cnv.attempt", "value": { "intValue": number } });
        let facts = json!([attribute("cnv.policy", "stock"), number]);
        with(span(id, 1, "attempt", times), "attributes", facts)
    };
    let retry = event(500, "retry", attribute("cnv.decision", "backed_off 10 ms"));
    let first = with(attempt(2, "1", (100, 400)), "events", json!([retry]));
    let first = with(first, "status", json!({ "code": "STATUS_CODE_ERROR" }));
    let second = attempt(3, "2", (510, 400));
    // The other machine's clock is behind.
    let link = json!([{ "traceId": "1".repeat(32), "spanId": "2".repeat(16) }]);
    let far = with(span(4, 3, "stock take", (505, 100)), "links", link);
    let lost = span(6, 5, "log write", (900, 50));
    line("shop", &[second, first, front]) + &line("stock", &[far, lost])
}

#[test]
fn a_trace_of_two_processes_is_one_tree() {
    let shown = shown(&two_processes(), &ALL, false);
    let expected = "\
trace 0af7651916cd43dd8448eb211c80319c  2023-11-14T22:13:20.000000000Z  1.00ms  5 spans  2 failed
transaction 8c1f7a3e0d524b6a9e115f2d70c4a9b3
pay invoice [shop]             0ns    1.00ms  ████████████████████████████████  failed: unavailable
├─ · authorise                 0ns    40.0µs  ░
├─ · admit                  40.0µs    20.0µs   ░
├─ · run                    60.0µs     930µs   ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
├─ attempt 1 of stock        100µs     400µs     █████████████  failed: it says not why
│  └─ * retry                500µs                            |  backed_off 10 ms
├─ attempt 2 of stock        510µs     400µs                  █████████████
│  └─ stock take [stock]     505µs     100µs                  ███
│     └─ link to span 2222222222222222 of trace 11111111111111111111111111111111
└─ · end                     990µs    10.0µs                                 ░
log write [stock]            900µs    50.0µs                              ██  parent elsewhere
";
    assert_eq!(plain(&drawing::draw(&shown)), expected);
}

#[test]
fn attributes_are_shown_where_they_are_asked_for() {
    let facts = json!([
        attribute("b", "x\ny"),
        { "key": "a", "value": { "arrayValue": { "values": [{ "intValue": 1 }, { "doubleValue": "NaN" }, {}] } } },
        { "key": "c", "value": { "kvlistValue": { "values": [{ "key": "d", "value": { "boolValue": false } }] } } },
    ]);
    let lines = line("s", &[with(span(1, 0, "one", (0, 1)), "attributes", facts)]);
    let without = shown(&lines, &ALL, false);
    assert!(!drawing::draw(&without).contains("x\\u{a}y"));
    assert!(
        !serde_json::to_string(&without)
            .unwrap()
            .contains("attributes")
    );
    let shown = shown(&lines, &ALL, true);
    let text = drawing::draw(&shown);
    assert!(
        text.contains("├─ a = [1,\"NaN\",null]\n├─ b = x\\u{a}y\n└─ c = {\"d\":false}\n"),
        "{text}"
    );
}

#[test]
fn what_a_program_writes_is_drawn() {
    let folder = TempDir::new().unwrap();
    let tracer = |name: &str, service: &str| {
        let file = SpanFile::open(folder.path().join(name), service).unwrap();
        Tracer::builder().exporter(file).build().unwrap()
    };
    let (shop, stock) = (tracer("a", "shop"), tracer("b", "stock"));
    let transaction = TransactionId::from_bytes([7; 16]);
    let context = TraceContext::fresh(shop.ids());
    let mut call_in = shop.entry("pay invoice", &context, Some(transaction));
    call_in.stage("run");
    call_in.current().clone().in_scope(|| {
        let mut span = trace::span("ask").to_another_process();
        span.event("asked", [("of", "stock".into())]);
        let here = span.current().unwrap().traceparent().unwrap().to_string();
        let headers = trace::Headers {
            traceparent: Some(here.as_bytes()),
            ..trace::Headers::default()
        };
        let context = TraceContext::extract(headers, stock.boundary(true), stock.ids());
        let mut far = stock.entry("stock take", &context, Some(transaction));
        far.set("error.type", "failed");
        far.ended(Some("failed".into()));
    });
    drop(call_in);
    drop(shop.entry("other", &TraceContext::fresh(shop.ids()), None));
    for tracer in [shop, stock] {
        let report = tracer.shutdown(Duration::from_secs(20)).remove(0);
        assert_eq!(report.spans.given, report.spans.delivered);
    }

    let (a, b) = (path(&folder, "a"), path(&folder, "b"));
    // In any order, and one file twice.
    let all = call(&[&b, &a, &b]).unwrap();
    assert_eq!(all["traces"].as_array().unwrap().len(), 2);
    let found = call(&[&a, &b, "--errors"]).unwrap();
    let of_transaction = transaction.to_string();
    assert_eq!(
        call(&[&a, &b, "--of-transaction", &of_transaction]).unwrap(),
        found
    );
    let id = found["traces"][0]["trace_id"].as_str().unwrap();
    assert_eq!(
        call(&[&a, &b, "--trace", &id[..12]]).unwrap()["traces"],
        found["traces"]
    );
    assert_eq!(
        call(&[&a, &b, "--slower-than", "1h"]).unwrap()["traces"],
        json!([])
    );
    assert_eq!(found["traces"].as_array().unwrap().len(), 1);
    let spans = found["traces"][0]["spans"].as_array().unwrap();
    let of = |key: &str| {
        spans
            .iter()
            .map(|span| span[key].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("name"), ["pay invoice", "ask", "stock take"]);
    assert_eq!(of("depth"), [0, 1, 2]);
    assert_eq!(of("service"), ["shop", "shop", "stock"]);
    assert_eq!(of("kind"), ["server", "client", "server"]);
    assert_eq!(of("status"), ["unset", "unset", "error"]);
    assert_eq!(spans[0]["stages"][0]["name"], "run");
    assert_eq!(spans[1]["events"][0]["name"], "asked");
    assert_eq!(spans[2]["error"], "failed");
    // With one of the files there are two trees.
    let half = call(&[&b]).unwrap();
    assert_eq!(half["traces"][0]["spans"][0]["note"], "parent_elsewhere");
}

#[test]
fn the_last_traces_are_shown_oldest_first() {
    let lines: String = (1..=12_u64)
        .rev()
        .map(|id| {
            let one = span(id, 0, &format!("n{id}"), (id * 10, 1));
            line(
                "s",
                &[with(one, "traceId", json!(format!("{:032x}", id * 7 % 13)))],
            )
        })
        .collect();
    let shown = shown(&lines, &ALL, false);
    let names: Vec<_> = shown
        .traces
        .iter()
        .map(|trace| &*trace.spans[0].name)
        .collect();
    assert_eq!(
        names,
        [
            "n3", "n4", "n5", "n6", "n7", "n8", "n9", "n10", "n11", "n12"
        ]
    );
    assert_eq!((shown.earlier, shown.read), (2, 12));
    assert!(plain(&drawing::draw(&shown)).ends_with("\n\n2 earlier not shown: see --last\n"));
}

#[test]
fn numbers_names_and_ids_have_all_their_forms() {
    let one = with(
        span(0xabcd, 0, "a", (0, 5)),
        "kind",
        json!("SPAN_KIND_PRODUCER"),
    );
    let one = with(one, "spanId", json!("000000000000ABCD"));
    let one = with(one, "unknown", json!([{ "x": [1, 2.5e300] }]));
    let other = with(span(2, 0xabcd, "b", (0, 5)), "kind", json!(3));
    let other = with(
        other,
        "status",
        json!({ "code": "STATUS_CODE_OK", "message": null }),
    );
    let shown = shown(&line("s", &[one, other]), &ALL, false);
    let spans = serde_json::to_value(&shown.traces[0].spans).unwrap();
    assert_eq!(spans[0]["kind"], "producer");
    assert_eq!(
        (&spans[1]["kind"], &spans[1]["status"]),
        (&json!("client"), &json!("ok"))
    );
    assert_eq!(
        (&spans[1]["depth"], &spans[1]["duration_ns"]),
        (&json!(1), &json!(5000))
    );
}

#[test]
fn a_line_with_one_wrong_span_is_passed_over_as_a_whole() {
    let good = span(1, 0, "good", (0, 1));
    for (key, value) in [
        ("traceId", json!("0af7")),
        ("traceId", json!("0".repeat(32))),
        ("spanId", json!("00f067aa0ba902b")),
        ("spanId", json!("00f067aa0ba902bx")),
        ("spanId", Value::Null),
        ("parentSpanId", json!("1")),
        ("startTimeUnixNano", json!("-1")),
        ("endTimeUnixNano", json!(-1)),
        ("endTimeUnixNano", json!("18446744073709551616")),
        ("name", json!(1)),
        (
            "attributes",
            json!([{ "key": "a", "value": { "intValue": "x" } }]),
        ),
        ("links", json!([{ "traceId": TRACE, "spanId": "" }])),
    ] {
        let bad = with(good.clone(), key, value);
        let shown = shown(&line("s", &[good.clone(), bad.clone()]), &ALL, false);
        assert_eq!((shown.read, shown.skipped_lines), (0, 1), "{bad}");
    }
    assert_eq!(shown(&line("s", &[good]), &ALL, false).read, 1);
}

#[test]
fn lines_that_cannot_be_read_are_counted() {
    let folder = TempDir::new().unwrap();
    let good = line("s", &[span(1, 0, "good", (0, 1))]);
    let file = path(&folder, "spans");
    let broken = &good[..good.len() / 2];
    fs::write(
        &file,
        format!("{good}{broken}\n\n{{\"resourceLogs\":[]}}\n[]\n{good}\u{0}"),
    )
    .unwrap();
    let found = call(&[&file]).unwrap();
    assert_eq!(
        (&found["read"], &found["skipped_lines"]),
        (&json!(1), &json!(4))
    );
    assert_eq!(found["traces"][0]["spans"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_too_much_is_an_error_with_its_place() {
    let folder = TempDir::new().unwrap();
    let file = path(&folder, "spans");
    let good = line("s", &[span(1, 0, "good", (0, 1))]);
    let long = usize::try_from(MAX_LINE_BYTES).unwrap();
    // White space belongs to a line, too.
    fs::write(&file, good.clone() + &" ".repeat(long - 1) + "\n").unwrap();
    assert!(call(&[&file]).is_ok());
    fs::write(&file, good.clone() + &" ".repeat(long) + "\n").unwrap();
    let error = call(&[&file]).unwrap_err();
    assert!(
        error.contains(&format!("line 2 of `{file}` has more than 16777216 bytes")),
        "{error}"
    );

    let mut spans = Spans::new(None, false).up_to(2);
    assert!(spans.line(good.as_bytes()).is_ok());
    assert!(spans.line(good.as_bytes()).is_ok());
    assert!(spans.line(good.as_bytes()).is_err());
    assert_eq!(spans.list.len(), 2);
    let error = call(&[&path(&folder, "none")]).unwrap_err();
    assert!(
        error.contains("cannot read `") && error.contains("none"),
        "{error}"
    );
    assert!(Path::new(&file).exists());
    for wrong in ["", "x", &"0".repeat(33)] {
        assert!(call(&[&file, "--trace", wrong]).is_err(), "{wrong}");
    }
}

#[test]
fn a_terminal_obeys_nothing_in_a_file() {
    let evil = "\u{1b}[2J\u{9b}31m\r\u{202e}";
    let facts = json!([
        attribute(evil, evil), attribute("error.type", evil), attribute("cnv.policy", evil),
        attribute("cnv.transaction.id", evil),
        { "key": "cnv.attempt", "value": { "intValue": 1 } },
        { "key": "list", "value": { "arrayValue": { "values": [{ "stringValue": evil }] } } },
    ]);
    let spans = ["attempt", evil].map(|name| {
        let one = with(span(1, 0, name, (0, 1)), "attributes", facts.clone());
        let one = with(one, "status", json!({ "code": 2, "message": evil }));
        let decision = event(0, evil, attribute("cnv.decision", evil));
        with(one, "events", json!([stage(0, evil), decision]))
    });
    let text = plain(&drawing::draw(&shown(&line(evil, &spans), &ALL, true)));
    let obeyed = |c: char| c != '\n' && crate::terminal::is_obeyed(c);
    assert!(
        text.contains("\\u{1b}[2J") && !text.contains(obeyed),
        "{text}"
    );
}

#[test]
fn spans_in_circles_and_with_one_id_are_drawn_with_a_note() {
    let spans = [
        span(1, 3, "a", (2, 1)),
        span(2, 1, "b", (1, 1)),
        span(3, 2, "c", (3, 1)),
        // Within the circle, and before all of it.
        span(4, 3, "d", (0, 1)),
        span(5, 5, "own parent", (9, 1)),
        span(6, 0, "x", (4, 1)),
        span(6, 0, "y", (5, 1)),
        span(6, 0, "x", (4, 1)),
        span(7, 6, "z", (6, 1)),
    ];
    let shown = shown(&line("s", &spans), &ALL, false);
    let drawn: Vec<_> = shown.traces[0]
        .spans
        .iter()
        .map(|span| (&*span.name, span.depth, span.note))
        .collect();
    assert_eq!(
        drawn,
        [
            ("x", 0, None),
            ("z", 1, None),
            ("y", 0, Some(Note::SameId)),
            ("b", 0, Some(Note::Circle)),
            ("c", 1, None),
            ("d", 2, None),
            ("a", 2, None),
            ("own parent", 0, Some(Note::Circle)),
        ]
    );
}

#[test]
fn what_there_is_no_room_for_is_the_oldest() {
    let of = |trace: u64, count: u64| -> Vec<Value> {
        let spans = (1..=count).map(|id| span(id, 0, "one", (trace, 1)));
        spans
            .map(|one| with(one, "traceId", json!(format!("{trace:032x}"))))
            .collect()
    };
    let lines: String = [of(1, 1), of(2, 50_001), of(3, 50_000)]
        .iter()
        .map(|spans| line("s", spans))
        .collect();
    let shown = shown(&lines, &ALL, false);
    let counts: Vec<_> = shown
        .traces
        .iter()
        .map(|trace| (trace.spans.len(), trace.not_shown))
        .collect();
    assert_eq!((counts, shown.earlier), (vec![(50_000, 1), (50_000, 0)], 1));
}

#[test]
fn a_chain_of_spans_is_as_deep_as_it_likes() {
    let spans: Vec<Value> = (1..=10_000)
        .map(|id| span(id, id - 1, "in", (id, 1)))
        .collect();
    let shown = shown(&line("s", &spans), &ALL, false);
    assert_eq!(shown.traces[0].spans[9_999].depth, 9_999);
    let text = drawing::draw(&shown);
    assert!(text.contains(" (9999 deep) in "));
    assert!(text.lines().all(|line| line.len() < 600));
    let json = serde_json::to_string(&shown).unwrap();
    assert!(serde_json::from_str::<Value>(&json).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever the parents are, each span is drawn once, under its parent where it has one that is not within it, and no
    /// bar leaves its place.
    #[test]
    fn every_span_is_drawn_once(
        ids in prop::collection::vec((1..12_u64, 0..14_u64, any::<u64>(), any::<u64>()), 1..24),
    ) {
        let spans: Vec<Value> = ids.iter().enumerate().map(|(at, &(id, parent, start, end))| {
            let one = span(id, parent, &format!("span-{at}."), (0, 0));
            let one = with(one, "startTimeUnixNano", json!(start));
            with(one, "endTimeUnixNano", json!(end))
        }).collect();
        let shown = shown(&line("s", &spans), &ALL, false);
        let trace = &shown.traces[0];
        prop_assert_eq!(trace.spans.len(), ids.len());
        let text = plain(&drawing::draw(&shown));
        for (at, (_, parent, ..)) in ids.iter().enumerate() {
            let name = format!("span-{at}.");
            prop_assert_eq!(text.matches(&name).count(), 1, "{}", text);
            let place = trace.spans.iter().position(|span| span.name == name).unwrap();
            let (depth, note) = (trace.spans[place].depth, trace.spans[place].note);
            let around = trace.spans[..place].iter().rev().find(|span| span.depth < depth);
            match around {
                Some(around) => prop_assert_eq!(&around.span_id, &format!("{parent:016x}")),
                None => prop_assert!(*parent == 0 || note.is_some()),
            }
        }
        for line in text.lines().skip(1) {
            prop_assert!(line.chars().filter(|c| *c == '\u{2588}').count() <= 32, "{}", line);
        }
    }

    /// No line makes it panic, and what is wrong leaves nothing behind.
    #[test]
    fn a_damaged_line_is_all_or_nothing(at in 0..2000_usize, byte in any::<u8>()) {
        let mut bytes = two_processes().lines().next().unwrap().as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let mut spans = Spans::new(None, true);
        match spans.line(&bytes) {
            Ok(()) => prop_assert!(spans.list.len() <= 3),
            Err(_) => prop_assert!(spans.list.is_empty()),
        }
        drawing::draw(&Shown::new(&spans.list, 0, &ALL));
    }
}
