//! What a program says about the errors that it should get, and whether it gets them.

use std::fmt;

use super::compiler::CompileError;

/// How a line says which error it should get.
const MARK: &str = "//~";

/// An error that a program says it should get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    /// The line that it should get it on, from 1.
    pub(super) line: usize,
    /// Text of the message.
    pub(super) text: String,
}

/// A comment that means nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadComment {
    pub(super) line: usize,
    fault: CommentFault,
}

#[derive(Debug, PartialEq, Eq)]
enum CommentFault {
    NoText,
    AboveTheFirstLine,
    NothingToContinue,
}

impl fmt::Display for BadComment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match self.fault {
            CommentFault::NoText => "says no text of a message: write `//~ over budget: ..`",
            CommentFault::AboveTheFirstLine => "points above the first line: leave out a `^`",
            CommentFault::NothingToContinue => {
                "goes on from a comment `//~` before it, and there is none"
            }
        };
        write!(f, "line {}: the comment {fault}", self.line)
    }
}

/// The expectations of a program, in order.
pub(super) fn expectations(source: &str) -> Result<Vec<Expectation>, BadComment> {
    let mut found: Vec<Expectation> = Vec::new();
    for (index, text) in source.lines().enumerate() {
        let Some((_, comment)) = text.split_once(MARK) else {
            continue;
        };
        let here = index + 1;
        let bad = |fault| BadComment { line: here, fault };
        let rest = comment.trim_start_matches('^');
        let above = comment.len() - rest.len();
        let (line, rest) = match rest.strip_prefix('|') {
            Some(rest) => {
                let last = found.last().ok_or(bad(CommentFault::NothingToContinue))?;
                (last.line, rest)
            }
            None => {
                let line = here.checked_sub(above).filter(|&line| line > 0);
                (line.ok_or(bad(CommentFault::AboveTheFirstLine))?, rest)
            }
        };
        let text = rest.trim();
        if text.is_empty() {
            return Err(bad(CommentFault::NoText));
        }
        found.push(Expectation {
            line,
            text: text.to_owned(),
        });
    }
    Ok(found)
}

/// Where what was expected and what the compiler said part ways.
#[derive(Debug)]
pub(super) enum Difference {
    /// An error that did not come.
    Missing {
        expectation: Expectation,
        /// The messages that came on that line.
        instead: Vec<String>,
    },
    /// An error that nobody expected.
    Unexpected(CompileError),
}

/// Compares the two. An expectation may be met by several errors, since the compiler says of generic code the same thing
/// more than once.
pub(super) fn differences(expected: &[Expectation], errors: &[CompileError]) -> Vec<Difference> {
    let meets = |error: &CompileError, expectation: &Expectation| {
        error.line == Some(expectation.line) && error.message.contains(&expectation.text)
    };
    let (met, missing): (Vec<_>, Vec<_>) = expected
        .iter()
        .partition(|expectation| errors.iter().any(|error| meets(error, expectation)));
    let unexpected = errors
        .iter()
        .filter(|error| !met.iter().any(|expectation| meets(error, expectation)))
        // One in the place of a missing one is shown there.
        .filter(|error| {
            !missing
                .iter()
                .any(|expectation| error.line == Some(expectation.line))
        })
        .map(|error| Difference::Unexpected(error.clone()));
    let missing = missing.iter().map(|&expectation| Difference::Missing {
        expectation: expectation.clone(),
        instead: errors
            .iter()
            .filter(|error| error.line == Some(expectation.line))
            .map(|error| error.message.clone())
            .collect(),
    });
    missing.chain(unexpected).collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing {
                expectation,
                instead,
            } => {
                write!(
                    f,
                    "line {}: expected an error with\n    {}",
                    expectation.line, expectation.text
                )?;
                if instead.is_empty() {
                    return write!(f, "\n  got none on this line");
                }
                write!(f, "\n  got")?;
                instead
                    .iter()
                    .try_for_each(|message| write!(f, "\n    {message}"))
            }
            Self::Unexpected(error) => {
                match error.line {
                    Some(line) => write!(f, "line {line}: an error that no comment expects")?,
                    None => write!(f, "an error without a line, which no comment can expect")?,
                }
                error
                    .rendered
                    .trim_end()
                    .lines()
                    .try_for_each(|line| write!(f, "\n    {line}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expectation(line: usize, text: &str) -> Expectation {
        Expectation {
            line,
            text: text.to_owned(),
        }
    }

    fn error(line: usize, message: &str) -> CompileError {
        CompileError {
            line: Some(line),
            message: message.to_owned(),
            rendered: format!("error: {message}\n"),
        }
    }

    #[test]
    fn comments_name_their_line() {
        let source =
            "a //~ first \n//~^ above\n//~| the same\n\n//~^^^ the second line\n// ~ nothing\n";
        let expected = [
            expectation(1, "first"),
            expectation(1, "above"),
            expectation(1, "the same"),
            expectation(2, "the second line"),
        ];
        assert_eq!(expectations(source).unwrap(), expected);
    }

    #[test]
    fn a_comment_that_means_nothing_is_refused() {
        for (source, line, says) in [
            ("\n//~\n", 2, "no text"),
            ("//~^   ", 1, "above the first line"),
            ("//~^ x", 1, "above the first line"),
            ("\n//~| x", 2, "goes on from"),
        ] {
            let refused = expectations(source).unwrap_err();
            assert_eq!(refused.line, line);
            assert!(refused.to_string().contains(says), "{refused}");
        }
    }

    #[test]
    fn every_error_and_every_expectation_has_to_meet_the_other() {
        let expected = [expectation(3, "over budget"), expectation(5, "needs 2")];
        let met = [
            error(3, "evaluation panicked: over budget: a"),
            error(3, "over budget"),
            error(5, "needs 2"),
        ];
        assert!(differences(&expected, &met).is_empty());

        let shown = |errors: &[CompileError]| -> Vec<String> {
            differences(&expected, errors)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(
            shown(&met[..2]),
            ["line 5: expected an error with\n    needs 2\n  got none on this line"]
        );
        let other = [error(3, "over budget"), error(5, "needs 3"), error(9, "x")];
        assert_eq!(
            shown(&other),
            [
                "line 5: expected an error with\n    needs 2\n  got\n    needs 3",
                "line 9: an error that no comment expects\n    error: x",
            ]
        );
        // A second error on a line has to be expected by itself.
        let more = [
            error(3, "over budget"),
            error(3, "something else"),
            error(5, "needs 2"),
        ];
        assert_eq!(shown(&more).len(), 1, "{:?}", shown(&more));
    }
}
