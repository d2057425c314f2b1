//! That budgets hold: what is too much does not compile, and what compiles uses no more than it says.

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use budgeted::{MAX_NOTE_BYTES, Words, app, first, read};
use cnv::quota::MeteredAllocator;
use cnv::testing::{assert_fits, assert_within, compile_fail, compile_pass, use_of};
use tempfile::TempDir;

/// Each file in `tests` is a program of its own, and installs it anew.
#[global_allocator]
static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();

#[test]
fn what_does_not_fit_does_not_compile() {
    compile_fail("tests/over_budget/*.rs");
}

#[test]
fn what_fits_compiles() {
    compile_pass("tests/within_budget/*.rs");
}

/// Notes that are as long as they may be, with as many different words as fit.
fn longest_notes(count: usize) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = (0..count).map(|note| {
        let words = (0..3_000).map(|word| format!("w{:05}   ", note * 3_000 + word));
        let mut text: String = words.collect();
        text.truncate(MAX_NOTE_BYTES as usize);
        let path = folder.path().join(format!("note {note}"));
        fs::write(&path, text).unwrap();
        path
    });
    let paths = paths.collect();
    (folder, paths)
}

#[test]
fn the_longest_note_is_read_within_its_budget() {
    let (_folder, notes) = longest_notes(1);
    let text = assert_fits!(read(&notes[0])).unwrap();
    assert!(text.len() > 26_000);
}

#[test]
fn the_most_words_are_counted_within_their_budget() {
    let (_folder, notes) = longest_notes(1);
    let text = fs::read_to_string(&notes[0]).unwrap();
    let mut words = Words::default();
    assert_fits!(words.add(&text));
    assert_eq!(assert_fits!(words.count("w00999")), 1);
}

#[test]
fn the_verb_is_within_its_budget_with_as_many_notes_as_it_takes() {
    let (_folder, notes) = longest_notes(10);
    let path = |note: &PathBuf| note.display().to_string();
    let call = ["notes", "count", "w00042"].map(str::to_owned);
    let reply = app().call_blocking(call.into_iter().chain(notes.iter().map(path)));
    assert_within(&reply);
    assert_eq!(reply.result.unwrap().as_json(), "1");
}

#[test]
fn the_first_note_is_found_within_its_budget() {
    let (folder, mut notes) = longest_notes(1);
    notes.splice(
        0..0,
        (0..9).map(|i| folder.path().join(format!("none {i}"))),
    );
    let text = block_on(assert_fits!(async first(notes))).unwrap();
    assert!(text.unwrap().starts_with("w00000"));
}

/// Three words where there is time for a thousand: a time that is any closer fails on a busy machine.
#[test]
fn a_few_words_are_counted_within_their_time() {
    let mut words = Words::default();
    let used = use_of!(words.add("one two two"));
    used.assert_cpu_fits().assert_fits();
    assert_eq!(cnv::run!(words.count("two")), 2);
}

/// What is tested here never waits.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).as_mut().poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits for something"),
    }
}
