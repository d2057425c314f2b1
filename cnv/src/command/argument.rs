//! Typed arguments out of a parsed command line.

use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;

use clap::builder::{EnumValueParser, ValueParser};
use clap::{ArgMatches, ValueEnum};

use super::failure::{Failure, FailureCode};

/// A type that can be read from outside. Every type with `FromStr` is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a command line",
    label = "an argument of this type needs `FromStr`",
    note = "implement `std::str::FromStr` for it, or derive clap's `ValueEnum` and write `#[arg(value_enum)]`"
)]
pub trait ArgumentValue: Clone + Send + Sync + 'static {
    /// How clap reads it.
    fn parser() -> ValueParser;
}

#[diagnostic::do_not_recommend]
impl<T> ArgumentValue for T
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: Into<Box<dyn Error + Send + Sync>>,
{
    fn parser() -> ValueParser {
        ValueParser::from(|text: &str| text.parse::<T>())
    }
}

/// The parser of `T`.
#[must_use]
pub fn parser<T: ArgumentValue>() -> ValueParser {
    T::parser()
}

/// The parser of an enum that derives clap's `ValueEnum`.
#[must_use]
pub fn enum_parser<T: ValueEnum + Clone + Send + Sync + 'static>() -> ValueParser {
    EnumValueParser::<T>::new().into()
}

/// A default as the help shows it.
pub fn default_value<T: Display>(value: T) -> String {
    value.to_string()
}

/// The value of an argument that is required or has a default.
///
/// # Errors
///
/// A usage failure where it has none.
pub fn one<T: Clone + Send + Sync + 'static>(
    matches: &mut ArgMatches,
    name: &str,
) -> Result<T, Failure> {
    optional(matches, name)?
        .ok_or_else(|| Failure::new(FailureCode::Usage, format!("`{name}` has no value")))
}

/// The value of an argument that may be left out.
///
/// # Errors
///
/// A usage failure where the parser makes another type than the parameter has.
pub fn optional<T: Clone + Send + Sync + 'static>(
    matches: &mut ArgMatches,
    name: &str,
) -> Result<Option<T>, Failure> {
    matches
        .try_remove_one::<T>(name)
        .map_err(|error| mismatch(name, &error))
}

/// All values of an argument, in order.
///
/// # Errors
///
/// A usage failure where the parser makes another type than the parameter has.
pub fn many<T: Clone + Send + Sync + 'static>(
    matches: &mut ArgMatches,
    name: &str,
) -> Result<Vec<T>, Failure> {
    let values = matches
        .try_remove_many::<T>(name)
        .map_err(|error| mismatch(name, &error))?;
    Ok(values.map(Iterator::collect).unwrap_or_default())
}

/// Whether a switch was set.
///
/// # Errors
///
/// None today; the signature is that of its siblings.
pub fn flag(matches: &mut ArgMatches, name: &str) -> Result<bool, Failure> {
    Ok(optional(matches, name)?.unwrap_or(false))
}

fn mismatch(name: &str, error: &dyn Error) -> Failure {
    Failure::new(
        FailureCode::Usage,
        format!("`{name}` is read as another type than the parameter has: {error}"),
    )
}
