//! The grammar of an application, taken from its verbs.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use clap::{Arg, ArgAction};
use serde_json::{Value, json};

use super::failure::FailureCode;
use super::verb::Registration;
use crate::grammar::{Amounts, Argument, VerbGrammar};

/// A verb as its callers meet it.
pub(super) fn verb_grammar(entry: &Registration) -> VerbGrammar {
    let arguments: Vec<Argument> = (entry.arguments)().iter().map(argument).collect();
    let spec = &entry.spec;
    VerbGrammar {
        noun: spec.noun.to_owned(),
        name: spec.name.to_owned(),
        about: spec.about.to_owned(),
        effect: spec.effect,
        attestation: spec.contract,
        budget: spec.limits.as_ref().map(Amounts::from),
        aliases: spec
            .aliases
            .iter()
            .map(|alias| (*alias).to_owned())
            .collect(),
        deprecated: spec.deprecated.map(str::to_owned),
        idempotent: spec.is_idempotent(),
        renamed: BTreeMap::new(),
        input: input(&arguments),
        output: (entry.output)().unwrap_or(Value::Bool(true)),
        error: error(),
        arguments,
    }
}

fn argument(argument: &Arg) -> Argument {
    let action = argument.get_action();
    Argument {
        name: argument.get_id().to_string(),
        long: argument.get_long().map(str::to_owned),
        short: argument.get_short(),
        required: argument.is_required_set(),
        takes_values: action.takes_values(),
        repeats: matches!(action, ArgAction::Append | ArgAction::Count),
        defaults: argument
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy().into_owned())
            .collect(),
        about: argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default(),
        value: value(argument),
        secret: argument.is_hide_env_values_set(),
    }
}

/// The schema of one value. A type that is not known here is read from a text.
fn value(argument: &Arg) -> Value {
    if !argument.get_action().takes_values() {
        return json!({ "type": "boolean" });
    }
    let choices = argument.get_possible_values();
    let parsed = argument.get_value_parser().type_id();
    let is = |id: TypeId| parsed == id;
    if is(TypeId::of::<bool>()) {
        return json!({ "type": "boolean" });
    }
    if !choices.is_empty() {
        let names: Vec<&str> = choices.iter().map(|choice| choice.get_name()).collect();
        return json!({ "type": "string", "enum": names });
    }
    macro_rules! integers {
        ($($integer:ty),*) => {
            $(if is(TypeId::of::<$integer>()) {
                return json!({ "type": "integer", "minimum": <$integer>::MIN, "maximum": <$integer>::MAX });
            })*
        };
    }
    integers!(u8, u16, u32, u64, i8, i16, i32, i64);
    // The same on every machine, so that the digest is.
    if is(TypeId::of::<usize>()) {
        return json!({ "type": "integer", "minimum": u64::MIN, "maximum": u64::MAX });
    }
    if is(TypeId::of::<isize>()) {
        return json!({ "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX });
    }
    if is(TypeId::of::<u128>()) {
        return json!({ "type": "integer", "minimum": 0 });
    }
    if is(TypeId::of::<i128>()) {
        return json!({ "type": "integer" });
    }
    if is(TypeId::of::<f32>()) || is(TypeId::of::<f64>()) {
        return json!({ "type": "number" });
    }
    if is(TypeId::of::<char>()) {
        return json!({ "type": "string", "minLength": 1, "maxLength": 1 });
    }
    if is(TypeId::of::<Ipv4Addr>()) {
        return json!({ "type": "string", "format": "ipv4" });
    }
    if is(TypeId::of::<Ipv6Addr>()) {
        return json!({ "type": "string", "format": "ipv6" });
    }
    if is(TypeId::of::<PathBuf>()) || is(TypeId::of::<OsString>()) {
        return json!({ "type": "string", "format": "path" });
    }
    json!({ "type": "string" })
}

/// All arguments as one object.
fn input(arguments: &[Argument]) -> Value {
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for argument in arguments {
        let mut schema = match argument.repeats && argument.takes_values {
            true => json!({ "type": "array", "items": argument.value }),
            false => argument.value.clone(),
        };
        if let Some(members) = schema.as_object_mut()
            && !argument.about.is_empty()
        {
            members.insert("description".to_owned(), json!(argument.about));
        }
        properties.insert(argument.name.clone(), schema);
        if argument.required {
            required.push(argument.name.as_str());
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Every failure has the same form.
fn error() -> Value {
    let codes: Vec<&str> = FailureCode::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        "properties": {
            "code": { "type": "string", "enum": codes },
            "message": { "type": "string" },
            "retry_after": { "type": ["integer", "null"], "minimum": 0 },
        },
        "required": ["code", "message"],
    })
}
