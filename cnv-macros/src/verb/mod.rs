//! `#[verb(noun = "..", effect = "..")]`: a function that people and agents call by name.

pub(crate) mod expand;
pub(crate) mod parameters;
mod trace;

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::{
    Attribute, Expr, ExprLit, GenericParam, Ident, Lit, LitStr, Meta, ReturnType, Signature,
};

use crate::args::{Argument, Arguments};
use crate::attestation::GuardModel;
use crate::budget::BudgetModel;
use crate::errors::{ErrorSink, nearest};
use parameters::Parameter;

const KEYS: &[&str] = &[
    "noun",
    "name",
    "alias",
    "effect",
    "idempotent",
    "public",
    "deprecated",
    "trace",
    "crate",
];

/// What a call may do to the world. Each effect needs at least the capability of the same row.
const EFFECTS: &[(&str, &str, &str)] = &[
    ("pure", "Pure", "pure"),
    ("read", "Read", "read_only"),
    ("write", "Write", "read_write"),
    ("network", "Network", "network"),
    ("dangerous", "Dangerous", "dangerous"),
];

/// A checked verb.
pub(crate) struct VerbModel {
    pub(crate) noun: String,
    pub(crate) name: String,
    /// Other names under the noun.
    pub(crate) aliases: Vec<String>,
    pub(crate) effect: Effect,
    /// Whether a call may be made again after one whose end is not known.
    pub(crate) idempotent: bool,
    /// What to use in its place.
    pub(crate) deprecated: Option<String>,
    pub(crate) help: Help,
    pub(crate) parameters: Vec<Parameter>,
    /// The arguments whose values spans may have.
    pub(crate) traced: Vec<String>,
}

/// A row of `EFFECTS`, with the literal that named it.
#[derive(Clone)]
pub(crate) struct Effect {
    pub(crate) name: &'static str,
    pub(crate) variant: Ident,
    class: &'static str,
    literal: LitStr,
}

/// Documentation as help: the first paragraph, and the whole where there is more.
#[derive(Default, Clone)]
pub(crate) struct Help {
    pub(crate) short: String,
    pub(crate) long: Option<String>,
}

impl Help {
    pub(crate) fn from_attributes<'a>(attributes: impl Iterator<Item = &'a Attribute>) -> Self {
        let lines: Vec<String> = attributes.filter_map(doc_line).collect();
        let text = lines.join("\n").trim().to_owned();
        match text.split_once("\n\n") {
            Some((first, _)) => Self {
                short: unwrapped(first),
                long: Some(text),
            },
            None => Self {
                short: unwrapped(&text),
                long: None,
            },
        }
    }
}

/// One line without a full stop at its end, as help is written.
fn unwrapped(paragraph: &str) -> String {
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.strip_suffix('.') {
        Some(stem) if !stem.contains(". ") => stem.to_owned(),
        _ => line,
    }
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => {
                let text = text.value();
                Some(text.strip_prefix(' ').unwrap_or(&text).to_owned())
            }
            _ => None,
        },
        _ => None,
    }
}

impl VerbModel {
    pub(crate) fn from_arguments(
        arguments: Arguments,
        signature: &Signature,
        docs: &[&Attribute],
        parameters: Vec<Vec<Attribute>>,
        errors: &mut ErrorSink,
    ) -> Option<Self> {
        let span = arguments.span;
        let written = arguments.list.len();
        let readable = arguments.readable;
        let list = arguments.known("verb", KEYS, errors);
        // A key that is missing may be one that was misspelt, which is reported already.
        let complete = readable && list.len() == written;
        let text = |key: &str, example: &str, errors: &mut ErrorSink| {
            let argument = list.iter().find(|argument| argument.key == key)?;
            argument.string(example, errors)
        };
        let present = |key: &str| list.iter().find(|argument| argument.key == key);
        let noun = text("noun", "log", errors);
        if complete && present("noun").is_none() {
            errors.push(syn::Error::new(
                span,
                "a verb needs a noun to stand under: write `noun = \"log\"`",
            ));
        }
        let effect = text("effect", "read", errors).and_then(|literal| effect(literal, errors));
        if complete && present("effect").is_none() {
            errors.push(syn::Error::new(
                span,
                "say what a call does to the world: write `effect = \"pure\"`, `\"read\"`, `\"write\"`, `\"network\"` or `\"dangerous\"`",
            ));
        }
        if let Some(public) = present("public") {
            public.flag(errors);
        }
        let name = match text("name", "scan", errors) {
            Some(name) => command_word("name", &name, errors),
            None => Some(signature.ident.unraw().to_string().replace('_', "-")),
        };
        let noun = noun.and_then(|noun| command_word("noun", &noun, errors));
        let aliases = match (present("alias"), &name) {
            (Some(argument), Some(name)) => aliases(argument, name, errors),
            _ => Vec::new(),
        };
        let idempotent = present("idempotent").is_some_and(|argument| argument.flag(errors));
        let deprecated = match text("deprecated", "use `log count`", errors) {
            Some(advice) if advice.value().trim().is_empty() => {
                errors.push(syn::Error::new(
                    advice.span(),
                    "say what to use in place of the verb: write `deprecated = \"use `log count`\"`",
                ));
                None
            }
            advice => advice.map(|advice| advice.value()),
        };
        let callable = check_signature(signature, errors);
        let parameters = parameters::parse(signature, parameters, errors);
        let traced = match present("trace") {
            Some(argument) => trace::fields(argument, parameters.as_deref(), signature, errors),
            None => Vec::new(),
        };
        Some(Self {
            noun: noun?,
            name: name?,
            aliases,
            effect: effect?,
            idempotent,
            deprecated,
            help: Help::from_attributes(docs.iter().copied()),
            parameters: parameters.filter(|_| callable)?,
            traced,
        })
    }

    /// Holds the effect against the attestation and the budget that stand on the same function.
    pub(crate) fn check_siblings(
        &self,
        public: bool,
        guard: Option<&GuardModel>,
        guarded: bool,
        budget: Option<&BudgetModel>,
        errors: &mut ErrorSink,
    ) {
        let Self {
            noun, name, effect, ..
        } = self;
        if let Some(guard) = guard {
            let class = guard.contract.class.to_string();
            if !covers(&class, effect.name) {
                errors.push(syn::Error::new(
                    effect.literal.span(),
                    format!(
                        "effect \"{}\" is more than a `{class}` attestation covers: write `#[requires_attestation({})]`, or lower the effect",
                        effect.name, effect.class
                    ),
                ));
            }
        } else if !guarded && !public && !matches!(effect.name, "pure" | "read") {
            errors.push(syn::Error::new(
                effect.literal.span(),
                format!(
                    "`{noun} {name}` has effect \"{}\" and asks for no attestation: add `#[requires_attestation({})]`, or say `public` if anyone may call it",
                    effect.name, effect.class
                ),
            ));
        }
        let Some(budget) = budget else { return };
        if effect.name == "pure" && budget.io_ops > 0 {
            errors.push(syn::Error::new(
                effect.literal.span(),
                "effect \"pure\" contradicts a budget with I/O operations: write `effect = \"read\"` or `\"write\"`, or take `io` out of the budget",
            ));
        } else if matches!(effect.name, "pure" | "read" | "write") && budget.network_bytes > 0 {
            errors.push(syn::Error::new(
                effect.literal.span(),
                format!(
                    "effect \"{}\" contradicts a budget with network bytes: write `effect = \"network\"`, or take `network` out of the budget",
                    effect.name
                ),
            ));
        }
    }
}

fn effect(literal: LitStr, errors: &mut ErrorSink) -> Option<Effect> {
    let value = literal.value();
    if let Some((name, variant, class)) = EFFECTS.iter().find(|(name, ..)| *name == value) {
        return Some(Effect {
            name,
            variant: Ident::new(variant, Span::call_site()),
            class,
            literal,
        });
    }
    let names: Vec<&str> = EFFECTS.iter().map(|(name, ..)| *name).collect();
    let advice = match nearest(&value, &names) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "the effects are \"pure\", \"read\", \"write\", \"network\" and \"dangerous\""
            .to_owned(),
    };
    errors.push(syn::Error::new(
        literal.span(),
        format!("unknown effect \"{value}\"; {advice}"),
    ));
    None
}

/// The order of capabilities: pure below all, read_only below read_write, dangerous above all.
fn covers(class: &str, effect: &str) -> bool {
    match class {
        "dangerous" => true,
        "network" => matches!(effect, "pure" | "network"),
        "read_write" => matches!(effect, "pure" | "read" | "write"),
        "read_only" => matches!(effect, "pure" | "read"),
        _ => effect == "pure",
    }
}

/// `alias = "s"` or `alias = ["s", "count"]`.
fn aliases(argument: &Argument, name: &str, errors: &mut ErrorSink) -> Vec<String> {
    let mut aliases: Vec<String> = Vec::new();
    let values = match &argument.value {
        Some(Expr::Array(list)) => list.elems.iter().collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    };
    if values.is_empty() {
        errors.at(
            &argument.key,
            "`alias` takes one name or several: write `alias = \"count\"` or `alias = [\"count\", \"c\"]`",
        );
    }
    for value in values {
        let Expr::Lit(ExprLit {
            lit: Lit::Str(literal),
            ..
        }) = value
        else {
            errors.at(
                value,
                "`alias` takes names as strings: write `alias = \"count\"`",
            );
            continue;
        };
        let Some(alias) = command_word("alias", literal, errors) else {
            continue;
        };
        if alias == name || aliases.contains(&alias) {
            errors.push(syn::Error::new(
                literal.span(),
                format!("the verb answers to `{alias}` already; leave the alias out"),
            ));
            continue;
        }
        aliases.push(alias);
    }
    aliases
}

/// Lower-case letters, digits and single dashes, starting with a letter.
fn command_word(key: &str, literal: &LitStr, errors: &mut ErrorSink) -> Option<String> {
    let word = literal.value();
    let starts = word.starts_with(|c: char| c.is_ascii_lowercase());
    let body = word
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if starts && body && !word.ends_with('-') && !word.contains("--") && word != "help" {
        return Some(word);
    }
    let reason = if word == "help" {
        "`help` is a command of its own"
    } else {
        "people type it: lower-case letters, digits and single dashes, starting with a letter"
    };
    errors.push(syn::Error::new(
        literal.span(),
        format!("`{word}` cannot be the {key} of a verb; {reason}"),
    ));
    None
}

/// Whether the function can be called from outside at all.
fn check_signature(signature: &Signature, errors: &mut ErrorSink) -> bool {
    let name = &signature.ident;
    let mut callable = true;
    for generic in &signature.generics.params {
        if !matches!(generic, GenericParam::Lifetime(_)) {
            errors.at(
                generic,
                "a verb is called from outside, where nothing can choose a type: name the type here",
            );
            callable = false;
        }
    }
    if matches!(signature.output, ReturnType::Default) {
        errors.at(
            name,
            format!("`{name}` returns nothing to show: let it return `Result<T, E>` where `T: Serialize`"),
        );
        callable = false;
    }
    callable
}
