//! `trace(fields(path, depth))`: the arguments whose values spans may have.

use proc_macro2::Group;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{FnArg, Ident, Pat, Signature, Token};

use super::parameters::{Parameter, TAKEN_LONG};
use crate::args::{Argument, listed};
use crate::attestation::is_context;
use crate::errors::{ErrorSink, nearest};

const ADVICE: &str = "write `trace(fields(path))` with the names of arguments";

/// The names of the arguments. Where the parameters are at fault, which is reported, no name is held against them.
pub(super) fn fields(
    argument: &Argument,
    parameters: Option<&[Parameter]>,
    signature: &Signature,
    errors: &mut ErrorSink,
) -> Vec<String> {
    let mut fields = Vec::new();
    for name in names(argument, errors).unwrap_or_default() {
        let field = name.unraw().to_string();
        if fields.contains(&field) {
            errors.at(
                &name,
                format!("`{field}` is named twice; keep one of the two"),
            );
        } else if let Some(fault) =
            parameters.and_then(|parameters| fault(&field, parameters, signature))
        {
            errors.at(&name, fault);
        } else {
            fields.push(field);
        }
    }
    fields
}

/// What stands in the inner parentheses, or `None` where that is not to be read.
fn names(argument: &Argument, errors: &mut ErrorSink) -> Option<Vec<Ident>> {
    let Some(list) = &argument.list else {
        let message = format!("`trace` says which values spans may have: {ADVICE}");
        match &argument.value {
            Some(value) => errors.at(value, message),
            None => errors.at(&argument.key, message),
        }
        return None;
    };
    let words = errors.take(words.parse2(list.stream()))?;
    if words.is_empty() {
        errors.at(
            list,
            format!("`trace` without fields says nothing: {ADVICE}, or leave it out"),
        );
    }
    let mut fields: Option<&Group> = None;
    for (word, inner) in &words {
        match inner {
            _ if word != "fields" => errors.at(
                word,
                format!("`trace` takes `fields(..)` and nothing else, because no other value is recorded: {ADVICE}"),
            ),
            None => errors.at(word, format!("`fields` has names in parentheses: {ADVICE}")),
            Some(_) if fields.is_some() => {
                errors.at(word, "`fields` is given twice; put all names into one");
            }
            Some(inner) => fields = Some(inner),
        }
    }
    let fields = fields?;
    if fields.stream().is_empty() {
        errors.at(
            fields,
            format!("`fields` without a name says nothing: {ADVICE}, or leave `trace` out"),
        );
    }
    errors.take(idents.parse2(fields.stream()))
}

/// Words that may have something in parentheses behind them.
fn words(input: ParseStream<'_>) -> syn::Result<Vec<(Ident, Option<Group>)>> {
    let word = |input: ParseStream<'_>| {
        let word = name(input)?;
        let group = input.peek(syn::token::Paren).then(|| input.parse());
        Ok((word, group.transpose()?))
    };
    separated(input, word)
}

fn idents(input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    separated(input, name)
}

fn separated<T>(
    input: ParseStream<'_>,
    one: fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<Vec<T>> {
    let mut list = Vec::new();
    while !input.is_empty() {
        list.push(one(input)?);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(list)
}

fn name(input: ParseStream<'_>) -> syn::Result<Ident> {
    if input.peek(syn::Lit) {
        return Err(input.error(format!("a name stands here, without quotes: {ADVICE}")));
    }
    input.call(Ident::parse_any)
}

/// Why spans have no value of this name.
fn fault(field: &str, parameters: &[Parameter], signature: &Signature) -> Option<String> {
    let arguments = parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Argument(argument) => Some(&**argument),
        Parameter::Context { .. } => None,
    });
    if let Some(argument) = arguments.clone().find(|argument| argument.name == field) {
        return argument.is_secret.then(|| {
            format!("`{field}` is secret, and what a span has is read by many: leave it out here, or take `secret` off the argument")
        });
    }
    if is_named_context(field, signature) {
        return Some(format!(
            "`{field}` is the call's context, of which every span has what there is to know: leave it out"
        ));
    }
    if TAKEN_LONG.contains(&&*field.replace('_', "-")) {
        return Some(format!(
            "`{field}` is an option of every command, and no argument of this one: leave it out"
        ));
    }
    let names: Vec<&str> = arguments.map(|argument| &*argument.name).collect();
    let advice = match nearest(field, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "it has none, so leave `trace` out".to_owned(),
        None => format!("it has {}", listed(&names)),
    };
    Some(format!("the verb has no argument `{field}`; {advice}"))
}

fn is_named_context(field: &str, signature: &Signature) -> bool {
    signature.inputs.iter().any(|input| match input {
        FnArg::Typed(parameter) => {
            matches!(&*parameter.pat, Pat::Ident(name) if name.ident.unraw() == field)
                && is_context(&parameter.ty)
        }
        FnArg::Receiver(_) => false,
    })
}
