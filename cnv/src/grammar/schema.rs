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

/// Keywords that let nothing through and keep nothing out: only people read them.
const NOTES: &[&str] = &[
    "title",
    "description",
    "default",
    "examples",
    "$schema",
    "$comment",
];

/// Keywords of which one more keeps more out, whatever stands beside them.
const ASSERTIONS: &[&str] = &[
    "type",
    "enum",
    "const",
    "required",
    "items",
    "additionalProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "format",
    "pattern",
    "multipleOf",
    "uniqueItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
];

/// JSON whose objects are sorted, also where another crate made `serde_json` keep them in the order of insertion.
pub(super) fn sorted(json: &Value) -> Value {
    let mut json = json.clone();
    json.sort_all_objects();
    json
}

/// The schema without what only people read. A property may have the name of a keyword, and stays.
pub(super) fn without_notes(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else {
        return schema.clone();
    };
    let each = |members: &Value| match members {
        Value::Object(members) => {
            let bare = members.iter().map(|(n, m)| (n.clone(), without_notes(m)));
            Value::Object(bare.collect())
        }
        Value::Array(items) => items.iter().map(without_notes).collect(),
        other => other.clone(),
    };
    let kept = keywords
        .iter()
        .filter(|(name, _)| !NOTES.contains(&name.as_str()));
    let bare = kept.map(|(name, value)| {
        let value = match name.as_str() {
            "properties" | "patternProperties" | "dependentSchemas" | "$defs" | "prefixItems"
            | "allOf" | "anyOf" | "oneOf" => each(value),
            "items"
            | "additionalProperties"
            | "propertyNames"
            | "contains"
            | "not"
            | "if"
            | "then"
            | "else"
            | "unevaluatedItems"
            | "unevaluatedProperties" => without_notes(value),
            _ => value.clone(),
        };
        (name.clone(), value)
    });
    let bare: Map<String, Value> = bare.collect();
    match bare.is_empty() {
        true => Value::Bool(true),
        false => Value::Object(bare),
    }
}

/// How a new schema stands to the old one; `None` where they are the same but for what only people read. What is not
/// understood here and differs is [`Relation::Other`].
pub(super) fn relation(old: &Value, new: &Value) -> Option<Relation> {
    let (old, new) = (without_notes(old), without_notes(new));
    if old == new {
        return None;
    }
    // What a reference means is told elsewhere in the schema, and may have changed there.
    let is_any = |schema: &Value| matches!(schema, Value::Bool(true));
    if !is_any(&old) && !is_any(&new) && (has_reference(&old) || has_reference(&new)) {
        return Some(Relation::Other);
    }
    Some(compared(&old, &new))
}

fn has_reference(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members
            .iter()
            .any(|(name, member)| name == "$ref" || name == "$dynamicRef" || has_reference(member)),
        Value::Array(items) => items.iter().any(has_reference),
        _ => false,
    }
}

/// Compares keyword by keyword.
fn compared(old: &Value, new: &Value) -> Relation {
    if old == new {
        return Relation::Equal;
    }
    match (old, new) {
        (Value::Bool(false), _) | (_, Value::Bool(true)) => return Relation::Wider,
        (_, Value::Bool(false)) | (Value::Bool(true), _) => return Relation::Narrower,
        _ => {}
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return Relation::Other;
    };
    let is_unevaluated = |keywords: &Map<String, Value>| {
        let mut names = keywords.keys();
        names.any(|name| name.starts_with("unevaluated"))
    };
    if is_unevaluated(old) || is_unevaluated(new) {
        return Relation::Other;
    }
    let mut names: BTreeSet<&str> = old.keys().map(String::as_str).collect();
    names.extend(new.keys().map(String::as_str));
    names
        .into_iter()
        .map(|name| match name {
            "properties" => properties(old, new),
            _ => keyword(name, old.get(name), new.get(name)),
        })
        .fold(Relation::Equal, Relation::and)
}

fn keyword(name: &str, old: Option<&Value>, new: Option<&Value>) -> Relation {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, None) => return Relation::Equal,
        _ if !ASSERTIONS.contains(&name) => return Relation::Other,
        (None, Some(_)) => return Relation::Narrower,
        (Some(_), None) => return Relation::Wider,
    };
    if old == new {
        return Relation::Equal;
    }
    match name {
        "type" => types(old, new),
        "enum" => match (members(old), members(new)) {
            (Some(old), Some(new)) => Relation::of_sets(&old, &new),
            _ => Relation::Other,
        },
        "required" => match (members(old), members(new)) {
            (Some(old), Some(new)) => Relation::of_sets(&old, &new).reversed(),
            _ => Relation::Other,
        },
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => {
            numbers(old, new)
        }
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => {
            numbers(old, new).reversed()
        }
        "items" | "additionalProperties" => compared(old, new),
        _ => Relation::Other,
    }
}

/// Names of types; every integer is a number.
fn types(old: &Value, new: &Value) -> Relation {
    let set = |value: &Value| {
        let mut names = match value {
            Value::String(_) => BTreeSet::from([value.to_string()]),
            other => members(other)?,
        };
        if names.contains("\"number\"") {
            names.insert("\"integer\"".to_owned());
        }
        Some(names)
    };
    match (set(old), set(new)) {
        (Some(old), Some(new)) => Relation::of_sets(&old, &new),
        _ => Relation::Other,
    }
}

/// The members of a list as JSON, in which a text is no number.
fn members(list: &Value) -> Option<BTreeSet<String>> {
    let items = list.as_array()?.iter();
    Some(items.map(|item| sorted(item).to_string()).collect())
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

/// A member that only one side names is on the other what its `additionalProperties` say: anything, where they are not there.
fn properties(old: &Map<String, Value>, new: &Map<String, Value>) -> Relation {
    const ANY: &Value = &Value::Bool(true);
    let none = Map::new();
    let named = |keywords| match Map::get(keywords, "properties") {
        None => Some(&none),
        Some(members) => members.as_object(),
    };
    let (Some(was), Some(is)) = (named(old), named(new)) else {
        return Relation::Other;
    };
    let unnamed = |keywords| Map::get(keywords, "additionalProperties").unwrap_or(ANY);
    let has_patterns = [old, new]
        .iter()
        .any(|keywords| keywords.contains_key("patternProperties"));
    let mut names: BTreeSet<&String> = was.keys().collect();
    names.extend(is.keys());
    names
        .into_iter()
        .map(|name| match (was.get(name), is.get(name)) {
            (Some(was), Some(is)) => compared(was, is),
            _ if has_patterns => Relation::Other,
            (was, is) => compared(
                was.unwrap_or_else(|| unnamed(old)),
                is.unwrap_or_else(|| unnamed(new)),
            ),
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
            (json!({"properties": {"a": {"type": "string"}}}), json!({})),
            (json!(false), json!({"type": "string"})),
            // Where other members are refused, naming one lets more through.
            (
                json!({"properties": {"a": true}, "additionalProperties": false}),
                json!({"properties": {"a": true, "b": true}, "additionalProperties": false}),
            ),
            (
                json!({"additionalProperties": false}),
                json!({"properties": {"b": true}, "additionalProperties": false}),
            ),
            (
                json!({"additionalProperties": {"type": "integer"}}),
                json!({"properties": {"b": {"type": "number"}}, "additionalProperties": {"type": "integer"}}),
            ),
            (
                json!({"properties": {"a": true}, "additionalProperties": false}),
                json!({"properties": {"a": true, "b": true}}),
            ),
            (
                json!({"exclusiveMaximum": 1}),
                json!({"exclusiveMaximum": 2}),
            ),
            // Anything at all, even where the other one refers to itself.
            (json!({"items": {"$ref": "#"}}), json!(true)),
        ];
        for (narrow, wide) in table {
            let (wider, narrower) = (Some(Relation::Wider), Some(Relation::Narrower));
            assert_eq!(relation(&narrow, &wide), wider, "{narrow} {wide}");
            assert_eq!(relation(&wide, &narrow), narrower, "{narrow} {wide}");
            assert_eq!(relation(&wide, &wide), None, "{wide}");
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
            (json!({"maximum": "1"}), json!({"maximum": 2})),
            (json!({"enum": ["1"]}), json!({"enum": [1]})),
            (json!("text"), json!({"maximum": 2})),
            // One more of these may let more through, by what stands beside it.
            (
                json!({"contains": true}),
                json!({"contains": true, "minContains": 0}),
            ),
            (
                json!({"items": false}),
                json!({"items": false, "prefixItems": [true]}),
            ),
            (
                json!({"unevaluatedProperties": false}),
                json!({"unevaluatedProperties": false, "properties": {"a": true}}),
            ),
            (
                json!({"patternProperties": {"a": false}}),
                json!({"patternProperties": {"a": false}, "properties": {"a": true}}),
            ),
            // The words are the same, and their meaning is elsewhere.
            (
                json!({"$ref": "#/$defs/A", "$defs": {"A": {"maximum": 1}}}),
                json!({"$ref": "#/$defs/A", "$defs": {"A": {"maximum": 2}}}),
            ),
            (
                json!({"not": {"$ref": "#"}, "maximum": 1}),
                json!({"not": {"$ref": "#"}, "maximum": 2}),
            ),
        ];
        for (old, new) in table {
            assert_eq!(relation(&old, &new), Some(Relation::Other), "{old} {new}");
        }
    }

    #[test]
    fn what_only_people_read_changes_nothing() {
        let old = json!({"type": "string", "description": "A name"});
        let new = json!({"type": "string", "title": "Name", "default": "x"});
        assert_eq!(relation(&old, &new), None);
        let old =
            json!({"anyOf": [{"const": 1, "description": "One"}], "properties": {"title": true}});
        let new = json!({"anyOf": [{"const": 1}], "properties": {"title": true}, "$comment": "x"});
        assert_eq!(relation(&old, &new), None);
    }

    #[test]
    fn a_property_of_a_notes_name_is_no_note() {
        let schema = json!({"properties": {"title": {"title": "Title"}}, "const": {"title": "x"}});
        let bare = json!({"properties": {"title": true}, "const": {"title": "x"}});
        assert_eq!(without_notes(&schema), bare);
    }

    #[test]
    fn other_words_for_the_same_are_known() {
        for (old, new) in [
            (json!({"type": "string"}), json!({"type": ["string"]})),
            (json!({"minimum": 1}), json!({"minimum": 1.0})),
            (json!({"enum": [1, 2]}), json!({"enum": [2, 1]})),
        ] {
            assert_eq!(relation(&old, &new), Some(Relation::Equal), "{old} {new}");
        }
    }
}
