//! One program and what the compiler says of it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::build::Build;

/// An error of the compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CompileError {
    /// Where it stands in the program, from 1; `None` where it stands nowhere.
    pub(super) line: Option<usize>,
    pub(super) message: String,
    /// The whole text, as the compiler prints it.
    pub(super) rendered: String,
}

/// Why there is no verdict on a program.
#[derive(Debug, thiserror::Error)]
pub(super) enum CompilerError {
    #[error("cannot run the compiler: {0}")]
    Start(#[source] io::Error),
    #[error("the compiler ended without success and without an error; it said: {0}")]
    NoVerdict(String),
}

/// Compiles a program up to its object code, so that everything is found that `cargo build` finds: some checks of generic
/// code are not made any earlier.
pub(super) fn compile(
    build: &Build,
    program: &Path,
    out: &Path,
) -> Result<Vec<CompileError>, CompilerError> {
    let mut rustc = Command::new(&build.rustc);
    rustc
        .current_dir(&build.folder)
        .args(["--crate-name=program", "--crate-type=bin", "--emit=obj"])
        .args(["--error-format=json", "--cap-lints=allow", "-Cdebuginfo=0"])
        .arg(format!("--edition={}", build.edition))
        .arg("-o")
        .arg(out)
        .arg(program);
    if let Some(target) = &build.target {
        rustc.arg("--target").arg(target);
    }
    for folder in &build.search {
        rustc.arg("-L").arg(with_prefix("dependency=", folder));
    }
    for (name, path) in &build.externs {
        rustc
            .arg("--extern")
            .arg(with_prefix(&format!("{name}="), path));
    }
    let output = rustc.output().map_err(CompilerError::Start)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let errors = errors_in(&said, program);
    if errors.is_empty() && !output.status.success() {
        return Err(CompilerError::NoVerdict(said.into_owned()));
    }
    Ok(errors)
}

fn with_prefix(prefix: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(prefix);
    argument.push(path);
    argument
}

/// The errors among the compiler's messages, one JSON object a line.
///
/// One in a generic function of somebody else's stands there; a note behind it says which line of the program has it
/// compiled for its types.
fn errors_in(said: &str, program: &Path) -> Vec<CompileError> {
    let mut errors: Vec<CompileError> = Vec::new();
    for line in said.lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        if let Some(error) = error_of(&message, program) {
            errors.push(error);
        } else if let Some(last) = errors.last_mut()
            && last.line.is_none()
            && message["level"] == "note"
        {
            last.line = primary(&message).and_then(|span| line_in(span, program));
        }
    }
    errors
}

fn primary(message: &Value) -> Option<&Value> {
    message["spans"]
        .as_array()?
        .iter()
        .find(|span| span["is_primary"] == true)
}

fn error_of(message: &Value, program: &Path) -> Option<CompileError> {
    let text = message["message"].as_str()?;
    // A defect of the compiler has a level of its own, `error: internal compiler error`.
    if !message["level"].as_str()?.starts_with("error") {
        return None;
    }
    let primary = primary(message);
    // The count of errors, at the end.
    if primary.is_none() && text.starts_with("aborting due to ") {
        return None;
    }
    Some(CompileError {
        line: primary.and_then(|span| line_in(span, program)),
        message: text.to_owned(),
        rendered: message["rendered"].as_str().unwrap_or(text).to_owned(),
    })
}

/// The line of the program that a span is on, or that the macro call is on which it comes from.
fn line_in(span: &Value, program: &Path) -> Option<usize> {
    let mut span = span;
    loop {
        let file = span["file_name"].as_str().map(PathBuf::from);
        if file.as_deref() == Some(program) {
            return span["line_start"].as_u64()?.try_into().ok();
        }
        span = span["expansion"].get("span")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn span(file: &str, line: u32, expansion: Value) -> Value {
        let expansion = match expansion {
            Value::Null => Value::Null,
            span => json!({ "span": span }),
        };
        json!({ "file_name": file, "line_start": line, "is_primary": true, "expansion": expansion })
    }

    #[test]
    fn errors_have_the_line_of_the_program() {
        let message = |level: &str, text: &str, spans: &[Value]| {
            json!({ "level": level, "message": text, "spans": spans, "rendered": text }).to_string()
        };
        let in_macro = span("/lib.rs", 7, span("a.rs", 3, Value::Null));
        let said = [
            message("warning", "unused", &[span("a.rs", 1, Value::Null)]),
            message("error", "here", &[span("a.rs", 2, Value::Null)]),
            "not JSON".to_owned(),
            message("error", "in a macro", &[in_macro]),
            message("error", "elsewhere", &[span("b.rs", 2, Value::Null)]),
            message("error", "nowhere", &[]),
            message("error", "aborting due to 4 previous errors", &[]),
            message(
                "error",
                "in generic code",
                &[span("/lib.rs", 7, Value::Null)],
            ),
            message(
                "note",
                "an erroneous constant",
                &[span("/lib.rs", 9, Value::Null)],
            ),
            message("note", "instantiated", &[span("a.rs", 4, Value::Null)]),
            message("note", "again", &[span("a.rs", 5, Value::Null)]),
            message("failure-note", "for more information", &[]),
            message("error: internal compiler error", "a defect", &[]),
        ];
        let found = errors_in(&said.join("\n"), Path::new("a.rs"));
        let found: Vec<_> = found
            .iter()
            .map(|error| (error.line, error.message.as_str()))
            .collect();
        let expected = [
            (Some(2), "here"),
            (Some(3), "in a macro"),
            (None, "elsewhere"),
            (None, "nowhere"),
            (Some(4), "in generic code"),
            (None, "a defect"),
        ];
        assert_eq!(found, expected);
    }
}
