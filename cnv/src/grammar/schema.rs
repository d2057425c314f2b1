//! How two JSON Schemas stand to each other: which of them lets more through.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// How what a new schema lets through stands to what the old one did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    /// The new one lets through all that the old one did, and more.
    Wider,
    /// The new one lets through a part of it.
    Narrower,
    /// Neither, or it is not known.
    Other,
}

impl Relation {
    /// Both together, as two keywords of one schema are.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Equal, relation) | (relation, Self::Equal) => relation,
            (a, b) if a == b => a,
            _ => Self::Other,
        }
    }

    /// Of two sets, where more in the set lets more through.
    fn of_sets<T: Ord>(old: &BTreeSet<T>, new: &BTreeSet<T>) -> Self {
        match (old.is_subset(new), new.is_subset(old)) {
            (true, true) => Self::Equal,
            (true, false) => Self::Wider,
            (false, true) => Self::Narrower,
            (false, false) => Self::Other,
        }
    }

    fn reversed(self) -> Self {
        match self {
            Self::Wider => Self::Narrower,
            Self::Narrower => Self::Wider,
            same => same,
        }
    }
}

/// Keywords that let nothing through and keep nothing out.
const NOTES: &[&str] = &[
    "title",
    "description",
    "default",
    "examples",
    "$schema",
    "$id",
    "$comment",
];

/// Compares keyword by keyword. What is not understood here and differs is [`Relation::Other`].
pub(super) fn relation(old: &Value, new: &Value) -> Relation {
    if old == new {
        return Relation::Equal;
    }
    let (Some(old), Some(new)) = (keywords(old), keywords(new)) else {
        return Relation::Other;
    };
    let mut names: BTreeSet<&str> = old.keys().map(String::as_str).collect();
    names.extend(new.keys().map(String::as_str));
    names
        .into_iter()
        .filter(|name| !NOTES.contains(name))
        .map(|name| keyword(name, old.get(name), new.get(name)))
        .fold(Relation::Equal, Relation::and)
}

/// `true` is the schema without keywords.
fn keywords(schema: &Value) -> Option<Map<String, Value>> {
    match schema {
        Value::Bool(true) => Some(Map::new()),
        Value::Object(keywords) => Some(keywords.clone()),
        _ => None,
    }
}

fn keyword(name: &str, old: Option<&Value>, new: Option<&Value>) -> Relation {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        // One keyword more keeps more out.
        (None, Some(_)) => return Relation::Narrower,
        (Some(_), None) => return Relation::Wider,
        (None, None) => return Relation::Equal,
    };
    if old == new {
        return Relation::Equal;
    }
    match name {
        "type" => types(old, new),
        "enum" => match (texts(old), texts(new)) {
            (Some(old), Some(new)) => Relation::of_sets(&old, &new),
            _ => Relation::Other,
        },
        "required" => match (texts(old), texts(new)) {
            (Some(old), Some(new)) => Relation::of_sets(&old, &new).reversed(),
            _ => Relation::Other,
        },
        "maximum" | "maxLength" | "maxItems" => numbers(old, new),
        "minimum" | "minLength" | "minItems" => numbers(old, new).reversed(),
        "items" | "additionalProperties" => relation(old, new),
        "properties" => properties(old, new),
        _ => Relation::Other,
    }
}

/// Names of types; every integer is a number.
fn types(old: &Value, new: &Value) -> Relation {
    let set = |value: &Value| {
        let mut names = match value {
            Value::String(name) => BTreeSet::from([name.clone()]),
            other => texts(other)?,
        };
        if names.contains("number") {
            names.insert("integer".to_owned());
        }
        Some(names)
    };
    match (set(old), set(new)) {
        (Some(old), Some(new)) => Relation::of_sets(&old, &new),
        _ => Relation::Other,
    }
}

/// The members of a list, as texts that are equal where they are.
fn texts(list: &Value) -> Option<BTreeSet<String>> {
    let items = list.as_array()?.iter();
    Some(
        items
            .map(|item| match item {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .collect(),
    )
}

fn numbers(old: &Value, new: &Value) -> Relation {
    let integer = |value: &Value| {
        let signed = value.as_i64().map(i128::from);
        signed.or_else(|| value.as_u64().map(i128::from))
    };
    let order = match (integer(old), integer(new)) {
        (Some(old), Some(new)) => old.partial_cmp(&new),
        _ => match (old.as_f64(), new.as_f64()) {
            (Some(old), Some(new)) => old.partial_cmp(&new),
            _ => None,
        },
    };
    match order {
        Some(std::cmp::Ordering::Less) => Relation::Wider,
        Some(std::cmp::Ordering::Equal) => Relation::Equal,
        Some(std::cmp::Ordering::Greater) => Relation::Narrower,
        None => Relation::Other,
    }
}

/// Objects may have more members than those that are named, so that naming one keeps more out.
fn properties(old: &Value, new: &Value) -> Relation {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return Relation::Other;
    };
    let mut names: BTreeSet<&String> = old.keys().collect();
    names.extend(new.keys());
    names
        .into_iter()
        .map(|name| match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => relation(old, new),
            (None, Some(_)) => Relation::Narrower,
            _ => Relation::Wider,
        })
        .fold(Relation::Equal, Relation::and)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_keyword_widens_and_narrows() {
        let table = [
            (json!({"type": "integer"}), json!({"type": "number"})),
            (
                json!({"type": "string"}),
                json!({"type": ["string", "null"]}),
            ),
            (json!({"enum": ["a"]}), json!({"enum": ["a", "b"]})),
            (json!({"maximum": 255}), json!({"maximum": 65_535})),
            (json!({"minimum": 0}), json!({"minimum": -1})),
            (json!({"minimum": 0.5}), json!({"minimum": 0.25})),
            (json!({"required": ["a", "b"]}), json!({"required": ["a"]})),
            (json!({"type": "string"}), json!(true)),
            (
                json!({"type": "array", "items": {"maximum": 1}}),
                json!({"type": "array", "items": {"maximum": 2}}),
            ),
            (
                json!({"properties": {"a": {"type": "string"}, "b": true}}),
                json!({"properties": {"b": true}}),
            ),
        ];
        for (narrow, wide) in table {
            assert_eq!(relation(&narrow, &wide), Relation::Wider, "{narrow} {wide}");
            assert_eq!(
                relation(&wide, &narrow),
                Relation::Narrower,
                "{narrow} {wide}"
            );
            assert_eq!(relation(&wide, &wide), Relation::Equal, "{wide}");
        }
    }

    #[test]
    fn what_goes_both_ways_or_is_not_understood_is_other() {
        let table = [
            (json!({"type": "string"}), json!({"type": "integer"})),
            (
                json!({"minimum": 0, "maximum": 1}),
                json!({"minimum": 1, "maximum": 2}),
            ),
            (json!({"pattern": "a"}), json!({"pattern": "b"})),
            (json!({"type": "string"}), json!(false)),
            (json!({"maximum": "1"}), json!({"maximum": 2})),
        ];
        for (old, new) in table {
            assert_eq!(relation(&old, &new), Relation::Other, "{old} {new}");
        }
    }

    #[test]
    fn what_only_people_read_changes_nothing() {
        let old = json!({"type": "string", "description": "A name"});
        let new = json!({"type": "string", "title": "Name", "default": "x"});
        assert_eq!(relation(&old, &new), Relation::Equal);
    }
}
