//! Random grammars: what a delta finds between them is what their digests tell apart, and each change has the class that the
//! documentation says.

use std::collections::BTreeSet;

use cnv::grammar::{Class, Delta, Grammar};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

const EFFECTS: [&str; 5] = ["pure", "read", "write", "network", "dangerous"];
const CONTRACTS: [&str; 3] = [
    "read_only/unlimited/stable/harmless",
    "read_only/tiny/stable/harmless",
    "network/unlimited/stable/reversible",
];

fn schemas() -> Vec<Value> {
    vec![
        json!(true),
        json!({ "type": "string" }),
        json!({ "type": "string", "description": "A text" }),
        json!({ "type": ["string"] }),
        json!({ "type": ["string", "null"] }),
        json!({ "type": "integer", "minimum": 0, "maximum": 255 }),
        json!({ "type": "integer", "minimum": 0, "maximum": 65_535 }),
        json!({ "type": "object", "properties": { "description": { "type": "string" } } }),
        json!({ "type": "object", "properties": { "description": { "type": "null" } } }),
        json!({ "items": { "$ref": "#" } }),
        json!({ "items": { "$ref": "#" }, "minItems": 1 }),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    select(schemas())
}

fn argument(name: &'static str) -> impl Strategy<Value = Value> {
    let about = select(vec!["", "Help"]);
    (
        select(vec![None, Some(name), Some("other")]),
        option::of(select(vec!['s', 't'])),
        any::<[bool; 3]>(),
        select(vec![json!([]), json!(["1"]), json!(["2"])]),
        about,
        schema(),
    )
        .prop_map(
            move |(long, short, [required, takes_values, repeats], defaults, about, value)| {
                json!({
                    "name": name,
                    "long": long.map(|long| format!("{name}-{long}")),
                    "short": short,
                    "required": required,
                    "takes_values": takes_values,
                    "repeats": repeats,
                    "defaults": defaults,
                    "about": about,
                    "value": value,
                })
            },
        )
}

fn arguments() -> impl Strategy<Value = Vec<Value>> {
    let all = (argument("one"), argument("two"), argument("three"));
    all.prop_flat_map(|(one, two, three)| subsequence(vec![one, two, three], 0..=3))
        .prop_shuffle()
}

fn budget() -> impl Strategy<Value = Value> {
    let amount = || option::of(1..3_u64);
    option::of((amount(), amount(), amount(), amount())).prop_map(|amounts| match amounts {
        None => Value::Null,
        Some((memory, cpu, io, network)) => json!({
            "memory_bytes": memory,
            "cpu_ns": cpu,
            "io_ops": io,
            "network_bytes": network,
        }),
    })
}

fn verb() -> impl Strategy<Value = Value> {
    (
        (select(vec!["a", "b"]), select(vec!["x", "y", "z"])),
        subsequence(vec!["p", "q", "x"], 0..=2).prop_shuffle(),
        (select(EFFECTS.to_vec()), option::of(select(CONTRACTS.to_vec())), budget()),
        (
            option::of(select(vec!["use this", "use that"])),
            any::<bool>(),
            option::of(select(vec!["one", "two"])),
            select(vec!["", "Help"]),
        ),
        arguments(),
        (select(vec![json!(true), json!({ "type": "object" })]), schema(), schema()),
    )
        .prop_map(
            |(
                (noun, name),
                aliases,
                (effect, attestation, budget),
                (deprecated, idempotent, renamed, about),
                arguments,
                (input, output, error),
            )| {
                let is_there = |name: &&str| arguments.iter().any(|a| a["name"] == *name);
                let renamed = match renamed.filter(is_there) {
                    Some(now) => json!({ "former": now }),
                    None => json!({}),
                };
                json!({
                    "noun": noun, "name": name, "about": about, "effect": effect, "attestation": attestation,
                    "budget": budget, "aliases": aliases, "deprecated": deprecated, "idempotent": idempotent,
                    "arguments": arguments, "renamed": renamed, "input": input, "output": output, "error": error,
                })
            },
        )
}

/// Verbs under distinct names.
fn verbs() -> impl Strategy<Value = Vec<Value>> {
    vec(verb(), 0..4).prop_map(|verbs| {
        let mut taken = BTreeSet::new();
        let mut take = |noun: &Value, name: &Value| taken.insert(format!("{noun} {name}"));
        let mut kept: Vec<Value> = verbs
            .into_iter()
            .filter(|verb| take(&verb["noun"], &verb["name"]))
            .collect();
        for verb in &mut kept {
            let noun = verb["noun"].clone();
            let aliases = verb["aliases"].as_array_mut().unwrap();
            aliases.retain(|alias| take(&noun, alias));
        }
        kept
    })
}

fn grammar(verbs: &[Value]) -> Grammar {
    let json = json!({ "schema": 1, "application": "trial", "version": "1.2.3", "verbs": verbs });
    Grammar::from_json(&json.to_string()).unwrap()
}

/// A grammar and another that is alike: some fields of its verbs are those of others.
fn pair() -> impl Strategy<Value = (Vec<Value>, Vec<Value>)> {
    let fields = vec![
        "about",
        "effect",
        "attestation",
        "budget",
        "deprecated",
        "idempotent",
        "arguments",
        "renamed",
        "input",
        "output",
        "error",
    ];
    let alike = (verbs(), verb(), subsequence(fields, 0..=2), any::<bool>());
    let alike = alike.prop_map(|(old, other, fields, is_turned)| {
        let mut new = old.clone();
        for verb in &mut new {
            for field in &fields {
                verb[field] = other[field].clone();
            }
            if is_turned {
                verb["arguments"].as_array_mut().unwrap().reverse();
                verb["aliases"].as_array_mut().unwrap().reverse();
            }
        }
        (old, new)
    });
    prop_oneof![3 => alike, 1 => (verbs(), verbs())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_delta_is_empty_where_the_digests_are_equal_and_only_there((old, new) in pair()) {
        let (old, new) = (grammar(&old), grammar(&new));
        let delta = Delta::between(&old, &new);
        prop_assert_eq!(delta.changes().is_empty(), old.digest() == new.digest(), "{:?}", delta.changes());
        let same = Delta::between(&old, &old);
        prop_assert_eq!(same.class(), Class::Safe);
        prop_assert!(same.changes().is_empty());
    }

    #[test]
    fn a_grammar_is_the_same_after_a_round_trip(verbs in verbs()) {
        let grammar = grammar(&verbs);
        let read = Grammar::from_json(&grammar.to_json()).unwrap();
        prop_assert_eq!(read.to_json(), grammar.to_json());
        prop_assert_eq!(read.digest(), grammar.digest());
    }

    /// The table of the module `grammar`.
    #[test]
    fn each_change_of_a_random_grammar_has_its_class(verbs in verbs(), place in any::<prop::sample::Index>()) {
        prop_assume!(!verbs.is_empty());
        let place = place.index(verbs.len());
        let old = grammar(&verbs);
        for (name, class, edit) in edits() {
            let mut new = verbs.clone();
            if edit(&mut new, place).is_none() {
                continue;
            }
            let delta = Delta::between(&old, &grammar(&new));
            prop_assert_eq!(delta.changes().len(), 1, "{}: {:?}", name, delta.changes());
            prop_assert_eq!(delta.class(), class, "{}: {:?}", name, delta.changes());
        }
    }
}

/// Changes one thing of the verb at a place, or says that there is no such thing.
type Edit = fn(&mut Vec<Value>, usize) -> Option<()>;

fn edits() -> Vec<(&'static str, Class, Edit)> {
    vec![
        ("a new verb", Class::Safe, |verbs, at| {
            let mut verb = verbs[at].clone();
            verb["noun"] = json!("c");
            verbs.push(verb);
            Some(())
        }),
        ("a renamed verb", Class::Safe, |verbs, at| {
            let name = verbs[at]["name"].clone();
            verbs[at]["name"] = json!("new-name");
            verbs[at]["aliases"].as_array_mut()?.push(name);
            Some(())
        }),
        ("a deprecated verb", Class::Caution, |verbs, at| {
            let deprecated = &mut verbs[at]["deprecated"];
            deprecated.is_null().then(|| *deprecated = json!("use it"))
        }),
        ("a verb that is gone", Class::Breaking, |verbs, at| {
            verbs.remove(at);
            Some(())
        }),
        ("a new alias", Class::Safe, |verbs, at| {
            verbs[at]["aliases"]
                .as_array_mut()?
                .push(json!("new-alias"));
            Some(())
        }),
        ("an alias that is gone", Class::Breaking, |verbs, at| {
            verbs[at]["aliases"].as_array_mut()?.pop().map(drop)
        }),
        ("a smaller effect", Class::Safe, |verbs, at| {
            let place = EFFECTS
                .iter()
                .position(|effect| verbs[at]["effect"] == *effect)?;
            verbs[at]["effect"] = json!(EFFECTS[place.checked_sub(1)?]);
            Some(())
        }),
        ("a larger effect", Class::Breaking, |verbs, at| {
            let place = EFFECTS
                .iter()
                .position(|effect| verbs[at]["effect"] == *effect)?;
            verbs[at]["effect"] = json!(EFFECTS.get(place + 1)?);
            Some(())
        }),
        ("another attestation", Class::Breaking, |verbs, at| {
            let attestation = &mut verbs[at]["attestation"];
            *attestation = match attestation.is_null() {
                true => json!(CONTRACTS[0]),
                false => Value::Null,
            };
            Some(())
        }),
        ("another budget", Class::Caution, |verbs, at| {
            let amount = verbs[at]["budget"].get_mut("cpu_ns")?;
            *amount = json!(amount.as_u64().map_or(7, |amount| amount + 1));
            Some(())
        }),
        (
            "a budget that is new or gone",
            Class::Caution,
            |verbs, at| {
                let budget = &mut verbs[at]["budget"];
                *budget = match budget.is_null() {
                    true => {
                        json!({ "memory_bytes": 1, "cpu_ns": 1, "io_ops": null, "network_bytes": 1 })
                    }
                    false => Value::Null,
                };
                Some(())
            },
        ),
        ("a call that may be repeated", Class::Safe, |verbs, at| {
            let idempotent = &mut verbs[at]["idempotent"];
            (*idempotent == json!(false)).then(|| *idempotent = json!(true))
        }),
        (
            "a call that may not be repeated any more",
            Class::Breaking,
            |verbs, at| {
                let idempotent = &mut verbs[at]["idempotent"];
                (*idempotent == json!(true)).then(|| *idempotent = json!(false))
            },
        ),
        ("a new argument", Class::Safe, |verbs, at| {
            verbs[at]["arguments"]
                .as_array_mut()?
                .insert(0, four(false));
            Some(())
        }),
        (
            "a new and required argument",
            Class::Breaking,
            |verbs, at| {
                verbs[at]["arguments"].as_array_mut()?.insert(0, four(true));
                Some(())
            },
        ),
        ("an argument that is gone", Class::Breaking, |verbs, at| {
            let is_renamed = verbs[at]["renamed"].get("former").is_some();
            let arguments = verbs[at]["arguments"].as_array_mut()?;
            if is_renamed {
                return None;
            }
            arguments.pop().map(drop)
        }),
        (
            "an argument under a new name, with the old one understood",
            Class::Safe,
            |verbs, at| {
                if verbs[at]["renamed"].get("former").is_some() {
                    return None;
                }
                let argument = verbs[at]["arguments"].get_mut(0)?;
                let name = std::mem::replace(&mut argument["name"], json!("four"));
                verbs[at]["renamed"] = json!({ name.as_str()?: "four" });
                Some(())
            },
        ),
        ("another option", Class::Breaking, |verbs, at| {
            let argument = verbs[at]["arguments"].get_mut(0)?;
            let long = argument["long"].as_str()?.to_owned();
            argument["long"] = json!(long + "-too");
            Some(())
        }),
        (
            "an argument that may be left out",
            Class::Safe,
            |verbs, at| {
                let argument = verbs[at]["arguments"].get_mut(0)?;
                (argument["required"] == json!(true)).then(|| argument["required"] = json!(false))
            },
        ),
        (
            "an argument that is required",
            Class::Breaking,
            |verbs, at| {
                let argument = verbs[at]["arguments"].get_mut(0)?;
                (argument["required"] == json!(false)).then(|| argument["required"] = json!(true))
            },
        ),
        ("another default", Class::Caution, |verbs, at| {
            let argument = verbs[at]["arguments"].get_mut(0)?;
            argument["defaults"] = json!(["3"]);
            Some(())
        }),
        ("an argument that takes more", Class::Safe, |verbs, at| {
            let value = &mut verbs[at]["arguments"].get_mut(0)?["value"];
            (*value != json!(true)).then(|| *value = json!(true))
        }),
        (
            "an argument that takes less",
            Class::Breaking,
            |verbs, at| {
                let value = &mut verbs[at]["arguments"].get_mut(0)?["value"];
                *value = json!(false);
                Some(())
            },
        ),
        ("another order of places", Class::Breaking, |verbs, at| {
            let arguments = verbs[at]["arguments"].as_array_mut()?;
            let is_placed =
                |argument: &&Value| argument["long"].is_null() && argument["short"].is_null();
            (arguments.iter().filter(is_placed).count() > 1).then(|| arguments.reverse())
        }),
        ("a result that says more", Class::Safe, |verbs, at| {
            let output = &mut verbs[at]["output"];
            (*output == json!(true)).then(|| *output = json!({ "type": "string" }))
        }),
        ("a result that says less", Class::Breaking, |verbs, at| {
            let output = &mut verbs[at]["output"];
            (*output != json!(true)).then(|| *output = json!(true))
        }),
        ("an error of another shape", Class::Breaking, |verbs, at| {
            let error = &mut verbs[at]["error"];
            (*error == json!({ "type": "string" })).then(|| *error = json!({ "type": "null" }))
        }),
    ]
}

fn four(required: bool) -> Value {
    json!({
        "name": "four", "long": "four", "short": null, "required": required, "takes_values": true, "repeats": false,
        "value": true,
    })
}

/// A place is counted from the front: one that is new in the middle is another's.
#[test]
fn a_new_place_in_front_of_another_breaks_callers() {
    let argument = |name: &str| {
        json!({ "name": name, "long": null, "short": null, "required": false, "takes_values": true, "repeats": false,
                "value": true })
    };
    let with = |names: &[&str]| {
        let arguments: Vec<Value> = names.iter().map(|name| argument(name)).collect();
        grammar(&[json!({
            "noun": "a", "name": "x", "about": "", "effect": "pure", "attestation": null, "budget": null,
            "arguments": arguments, "input": true, "output": true, "error": true,
        })])
    };
    let said = |old: &[&str], new: &[&str]| {
        let delta = Delta::between(&with(old), &with(new));
        let said: Vec<String> = delta.changes().iter().map(ToString::to_string).collect();
        said
    };
    assert_eq!(
        said(&["one"], &["one", "two"]),
        ["safe: `a x`: argument `two` is new"]
    );
    assert_eq!(
        said(&["one"], &["two", "one"]),
        [
            "safe: `a x`: argument `two` is new",
            "breaking: `a x`: the places have another order (one -> two one)",
        ]
    );
}

/// Names of older grammars stay understood, or callers break that still use them.
#[test]
fn an_old_name_that_is_lost_breaks_callers() {
    let with = |renamed: Value| {
        grammar(&[json!({
            "noun": "a", "name": "x", "about": "", "effect": "pure", "attestation": null, "budget": null,
            "arguments": [four(false)], "renamed": renamed, "input": true, "output": true, "error": true,
        })])
    };
    let (old, new) = (with(json!({ "former": "four" })), with(json!({})));
    let delta = Delta::between(&old, &new);
    assert_eq!(
        delta.changes()[0].to_string(),
        "breaking: `a x`: the old name `former` is not understood any more"
    );
    assert_eq!(Delta::between(&new, &old).class(), Class::Safe);
    let other = with(json!({ "former": "five" }));
    let delta = Delta::between(&old, &other);
    assert_eq!(
        delta.changes()[0].to_string(),
        "breaking: `a x`: the old name `former` means another argument"
    );
}
