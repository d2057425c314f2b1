//! What a call hands back, in any of the forms that a caller may ask for.
//!
//! A value is serialised once, to JSON. The other forms are made from that, through a tree that keeps
//! the order of a struct's fields; so every form says the same.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;

use super::failure::Failure;

/// A value in the form in which it travels: one line of JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    json: String,
    /// How people see it, where it is [`Drawn`].
    drawing: Option<String>,
}

impl Output {
    /// Serialises a value.
    ///
    /// # Errors
    ///
    /// Where the value has no JSON, such as a map whose keys are no strings.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Failure> {
        Ok(Self {
            json: serde_json::to_string(value)?,
            drawing: None,
        })
    }

    /// The value as JSON on one line.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.json
    }

    /// How people see it, where that is no table.
    pub(super) fn drawing(&self) -> Option<&str> {
        self.drawing.as_deref()
    }

    /// The JSON itself.
    #[cfg_attr(not(feature = "session"), allow(dead_code))]
    pub(super) fn into_json(self) -> String {
        self.json
    }

    /// The value as a tree that keeps the order of fields.
    pub(super) fn node(&self) -> Result<Node, Failure> {
        Ok(Node::parse(serde_json::from_str(&self.json)?)?)
    }
}

/// Turns what a handler returns into output. Implemented for `Result<T, E>` where `T` serialises and
/// `E` is an error.
#[diagnostic::on_unimplemented(
    message = "a verb returns `Result<T, E>`, not `{Self}`",
    label = "not a `Result`",
    note = "return `Result<{Self}, cnv::command::Failure>`, and end the body with `Ok(..)`"
)]
pub trait Outcome {
    /// The output, or how the call failed.
    ///
    /// # Errors
    ///
    /// The handler's own error, or that of serialising its value.
    fn into_output(self) -> Result<Output, Failure>;
}

impl<T: Serialize, E: Into<Failure>> Outcome for Result<T, E> {
    fn into_output(self) -> Result<Output, Failure> {
        Output::of(&self.map_err(Into::into)?)
    }
}

/// A value that people on a terminal see as this text and not as a table. Every other form has the value.
///
/// The text may have ANSI escape sequences for colours, which are left out where standard output is no terminal. Whatever
/// else a terminal obeys goes there as it is: who draws what comes from elsewhere makes it harmless. A session carries the
/// value and no drawing.
#[derive(Debug, Clone)]
pub struct Drawn<T> {
    value: T,
    drawing: String,
}

impl<T> Drawn<T> {
    /// The value, drawn as `drawing`, which ends in a newline.
    #[must_use]
    pub const fn new(value: T, drawing: String) -> Self {
        Self { value, drawing }
    }
}

impl<T: Serialize, E: Into<Failure>> Outcome for Result<Drawn<T>, E> {
    fn into_output(self) -> Result<Output, Failure> {
        let Drawn { value, drawing } = self.map_err(Into::into)?;
        let mut output = Output::of(&value)?;
        output.drawing = Some(drawing);
        Ok(output)
    }
}

/// A JSON value whose objects keep their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Unsigned(u128),
    Signed(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Unsigned(value) => serializer.serialize_u128(*value),
            Self::Signed(value) => serializer.serialize_i128(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl Node {
    /// Reads JSON with the order of its objects and every digit of its whole numbers: those beyond 64
    /// bits would otherwise become rounded decimals.
    pub(super) fn parse(json: &RawValue) -> serde_json::Result<Self> {
        let text = json.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let RawEntries(entries) = serde_json::from_str(text)?;
                let entries = entries.into_iter();
                let parsed = entries.map(|(key, value)| Ok((key, Self::parse(value)?)));
                Self::Map(parsed.collect::<serde_json::Result<_>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                let parsed = items.into_iter().map(Self::parse);
                Self::List(parsed.collect::<serde_json::Result<_>>()?)
            }
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b't' | b'f') => Self::Bool(serde_json::from_str(text)?),
            Some(b'n') => Self::Null,
            _ => match (text.parse(), text.parse()) {
                (Ok(number), _) => Self::Unsigned(number),
                (_, Ok(number)) => Self::Signed(number),
                _ => Self::Float(serde_json::from_str(text)?),
            },
        })
    }
}

/// The entries of an object, in order.
struct RawEntries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for RawEntries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawEntriesVisitor)
    }
}

struct RawEntriesVisitor;

impl<'de> Visitor<'de> for RawEntriesVisitor {
    type Value = RawEntries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(RawEntries(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_fields_and_every_digit_survive() {
        let json = concat!(
            r#"{"zeta":1,"alpha":[true,null,-2,0.5,"x"],"#,
            r#""large":[340282366920938463463374607431768211455,-170141183460469231731687303715884105728]}"#,
        );
        let output = Output {
            json: json.to_owned(),
            drawing: None,
        };
        assert_eq!(
            serde_json::to_string(&output.node().unwrap()).unwrap(),
            json
        );
    }

    #[test]
    fn what_is_drawn_travels_as_its_value() {
        let drawn: Result<_, Failure> = Ok(Drawn::new([1, 2], "one, two\n".to_owned()));
        let output = drawn.into_output().unwrap();
        assert_eq!(output.as_json(), "[1,2]");
        assert_eq!(output.drawing(), Some("one, two\n"));
    }

    #[test]
    fn an_error_is_not_output() {
        let failed: Result<u8, std::num::ParseIntError> = "x".parse();
        assert!(failed.into_output().is_err());
    }
}
