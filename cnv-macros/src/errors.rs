//! Collects every fault of one macro call, so that they are reported together.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// Faults found so far. A macro pushes into it while it parses and checks, and expands only when it
/// is empty.
#[derive(Default)]
pub(crate) struct ErrorSink {
    errors: Option<syn::Error>,
}

impl ErrorSink {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Reports `message` under the tokens of `spanned`.
    pub(crate) fn at(&mut self, spanned: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(spanned, message));
    }

    pub(crate) fn push(&mut self, error: impl Into<syn::Error>) {
        let error = error.into();
        match &mut self.errors {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        }
    }

    /// Keeps the value, or its fault and `None`.
    pub(crate) fn take<T, E: Into<syn::Error>>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.errors.iter().flatten().count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_none()
    }

    /// One `compile_error!` per fault; no tokens where there was none.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.errors
            .map(|errors| errors.into_compile_error())
            .unwrap_or_default()
    }
}

/// The candidate closest to `word`, if one is close enough to be what the author meant.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .map(|candidate| (edit_distance(word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(word.len()).div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words, where a change of case alone is no edit.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_forgives_case_and_one_slip_but_not_a_different_word() {
        assert_eq!(nearest("mb", &["B", "KB", "MB"]), Some("MB"));
        assert_eq!(nearest("memroy", &["memory", "cpu"]), Some("memory"));
        assert_eq!(nearest("colour", &["memory", "cpu"]), None);
    }

    #[test]
    fn every_fault_is_reported() {
        let mut sink = ErrorSink::new();
        sink.push(syn::Error::new(proc_macro2::Span::call_site(), "first"));
        sink.push(syn::Error::new(proc_macro2::Span::call_site(), "second"));
        let text = sink.into_compile_errors().to_string();
        assert!(text.contains("first") && text.contains("second"));
    }
}
