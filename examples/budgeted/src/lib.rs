//! Counts words in notes: a project whose budgets have tests.
//!
//! Each function says what it may use, and the compiler adds up what they spend on each other: [`count`] reads up to
//! ten notes, and its budget has room for ten, not for eleven. `tests/budgets.rs` keeps both halves of that promise.
//! The programs in `tests/over_budget` do not compile, each with the error that a comment in it says; and calls under
//! the meter show that the bodies use no more than they declare.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cnv::prelude::*;
use cnv::quota::{File, RoundsExceeded};

/// The longest note, in bytes.
pub const MAX_NOTE_BYTES: u64 = 32_000;

/// The most notes in one call.
pub const MAX_NOTES: u64 = 10;

/// Reads a note. The text stays with the caller: all of the memory is retained.
///
/// # Errors
///
/// Where the file cannot be read, or is longer than [`MAX_NOTE_BYTES`].
#[budget(memory = "34KB", cpu = "1ms", io = 5)]
pub fn read(path: &Path) -> io::Result<String> {
    let mut text = String::with_capacity(MAX_NOTE_BYTES as usize + 64);
    let mut note = File::open(path)?.take(MAX_NOTE_BYTES + 1);
    note.read_to_string(&mut text)?;
    if text.len() as u64 > MAX_NOTE_BYTES {
        return Err(io::Error::other("the note is too long"));
    }
    Ok(text)
}

/// How often words are used.
#[derive(Debug, Default)]
pub struct Words {
    counts: HashMap<Box<str>, u64>,
}

impl Words {
    /// The most different words that are kept.
    pub const MAX: usize = 1_000;

    /// Adds the words of a text; of different ones, the first [`MAX`](Self::MAX).
    #[budget(memory = "200KB", retains = "150KB", cpu = "20ms")]
    pub fn add(&mut self, text: &str) {
        for word in text.split_whitespace().filter(|word| word.len() <= 32) {
            if let Some(count) = self.counts.get_mut(word) {
                *count += 1;
            } else if self.counts.len() < Self::MAX {
                self.counts.insert(word.into(), 1);
            }
        }
    }

    /// How often a word was used.
    #[budget(memory = "1KB", cpu = "100us")]
    #[must_use]
    pub fn count(&self, word: &str) -> u64 {
        self.counts.get(word).copied().unwrap_or(0)
    }
}

/// Counts a word in at most ten notes.
#[verb(noun = "notes", effect = "read")]
#[budget(memory = "2MB", cpu = "300ms", io = 50)]
pub fn count(
    /// The word
    word: String,
    /// The notes
    notes: Vec<PathBuf>,
) -> Result<u64, Failure> {
    let mut words = Words::default();
    #[repeat(max = MAX_NOTES)]
    for note in &notes {
        let text = spend!(read(note))?;
        spend!(words.add(&text));
    }
    Ok(spend!(words.count(&word)))
}

/// The first note of several that there is, or none.
///
/// # Errors
///
/// Where there are more than ten, or one that is there cannot be read.
#[budget(memory = "400KB", cpu = "20ms", io = 50)]
pub async fn first(notes: Vec<PathBuf>) -> Result<Option<String>, NoFirst> {
    #[repeat(max = MAX_NOTES)]
    for note in &notes {
        match spend!(read(note)) {
            Ok(text) => return Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Why there is no first note.
#[derive(Debug)]
pub enum NoFirst {
    /// One cannot be read.
    Io(io::Error),
    /// There are too many.
    TooMany(RoundsExceeded),
}

impl From<io::Error> for NoFirst {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<RoundsExceeded> for NoFirst {
    fn from(error: RoundsExceeded) -> Self {
        Self::TooMany(error)
    }
}

/// The application.
#[must_use]
pub fn app() -> App {
    App::new("notes")
        .about("Counts words in notes")
        .verbs(verbs![count])
}
