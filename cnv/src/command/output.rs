//! What a call hands back, in any of the forms that a caller may ask for.
//!
//! A value is serialised once, to JSON. The other forms are made from that, through a tree that keeps
//! the order of a struct's fields; so every form says the same.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::failure::Failure;

/// A value in the form in which it travels: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    json: String,
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
        })
    }

    /// The value as JSON on one line.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.json
    }

    /// The value as a tree that keeps the order of fields.
    pub(super) fn node(&self) -> Result<Node, Failure> {
        Ok(serde_json::from_str(&self.json)?)
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

/// A JSON value whose objects keep their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
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
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
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

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Signed(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_fields_survives() {
        let text = r#"{"zeta":1,"alpha":[true,null,-2,0.5,"x"]}"#;
        let node: Node = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&node).unwrap(), text);
    }

    #[test]
    fn an_error_is_not_output() {
        let failed: Result<u8, std::num::ParseIntError> = "x".parse();
        assert!(failed.into_output().is_err());
    }
}
