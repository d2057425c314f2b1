//! The arguments of an attribute, as written: `key`, `key = value`, separated by commas.

use proc_macro2::{Group, Span};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::token::Paren;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Path, Token};

use crate::errors::{ErrorSink, nearest};

/// Keys that have a list in parentheses. Behind any other, syn expects a comma.
const LISTS: &[&str] = &["trace"];

/// One argument. `value` is whatever expression stands behind `=`.
#[derive(Clone)]
pub(crate) struct Argument {
    pub(crate) key: Ident,
    pub(crate) value: Option<Expr>,
    /// What stands in parentheses behind a key that has a list.
    pub(crate) list: Option<Group>,
}

impl Argument {
    /// The name without `r#`.
    pub(crate) fn name(&self) -> String {
        self.key.unraw().to_string()
    }

    /// The value as a string literal; anything else is a fault that shows `example`.
    pub(crate) fn string(&self, example: &str, errors: &mut ErrorSink) -> Option<LitStr> {
        if let Some(Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        })) = &self.value
        {
            return Some(text.clone());
        }
        let name = self.name();
        let message = format!("`{name}` takes a string: write `{name} = \"{example}\"`");
        match &self.value {
            Some(value) => errors.at(value, message),
            None => errors.at(&self.key, message),
        }
        None
    }

    /// The value as a path, written bare or as a string.
    pub(crate) fn path(&self, errors: &mut ErrorSink) -> Option<Path> {
        let path = match &self.value {
            Some(Expr::Path(path)) if path.qself.is_none() => Some(path.path.clone()),
            Some(Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            })) => text.parse_with(Path::parse_mod_style).ok(),
            _ => None,
        };
        if path.is_none() {
            let name = self.name();
            let message = format!("`{name}` takes a path: write `{name} = name`");
            match &self.value {
                Some(value) => errors.at(value, message),
                None => errors.at(&self.key, message),
            }
        }
        path
    }

    /// Refuses a value where the key stands alone.
    pub(crate) fn flag(&self, errors: &mut ErrorSink) -> bool {
        if let Some(value) = &self.value {
            errors.at(
                value,
                format!("`{}` stands alone: leave the value out", self.key),
            );
        }
        true
    }
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Lit) {
            return Err(
                input.error("a name stands here, without quotes: write `name` or `name = value`")
            );
        }
        let key = input.call(Ident::parse_any)?;
        let mut argument = Self {
            key,
            value: None,
            list: None,
        };
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            // `crate::cnv` and `self::cnv` are expressions too, so one parser serves every value.
            argument.value = Some(without_groups(input.parse()?));
        } else if input.peek(Paren) && LISTS.contains(&&*argument.name()) {
            argument.list = Some(input.parse()?);
        }
        Ok(argument)
    }
}

/// A value that a `macro_rules!` macro was given comes in a group that cannot be seen.
pub(crate) fn without_groups(value: Expr) -> Expr {
    match value {
        Expr::Group(group) => without_groups(*group.expr),
        value => value,
    }
}

/// All arguments of one attribute, in the order written.
#[derive(Clone)]
pub(crate) struct Arguments {
    /// Where a fault of the whole attribute is shown.
    pub(crate) span: Span,
    pub(crate) list: Vec<Argument>,
    /// Whether all that was written could be read. What is missing may then be what could not.
    pub(crate) readable: bool,
}

impl Arguments {
    /// What could be read of an attribute whose faults are reported.
    pub(crate) fn new(span: Span, list: Option<Vec<Argument>>) -> Self {
        Self {
            span,
            readable: list.is_some(),
            list: list.unwrap_or_default(),
        }
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let span = input.span();
        let list = Punctuated::<Argument, Token![,]>::parse_terminated(input)?;
        Ok(Self::new(span, Some(list.into_iter().collect())))
    }
}

impl Arguments {
    /// Reads arguments of which the first may be a literal alone, which is the value of `key`.
    pub(crate) fn with_first(key: &'static str) -> impl Parser<Output = Self> {
        move |input: ParseStream<'_>| {
            let mut first = None;
            if input.peek(Lit) {
                let literal: Lit = input.parse()?;
                first = Some(Argument {
                    key: Ident::new(key, literal.span()),
                    value: Some(syn::parse_quote!(#literal)),
                    list: None,
                });
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            let mut arguments: Self = input.parse()?;
            arguments.list.splice(0..0, first);
            Ok(arguments)
        }
    }

    /// Reports keys that are not in `known` (with the nearest that is) and keys said twice, and
    /// keeps the rest.
    pub(crate) fn known(
        self,
        attribute: &str,
        known: &[&str],
        errors: &mut ErrorSink,
    ) -> Vec<Argument> {
        let mut kept: Vec<Argument> = Vec::new();
        for argument in self.list {
            let name = argument.name();
            if !known.contains(&name.as_str()) {
                let advice = match nearest(&name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it takes {}", listed(known)),
                };
                errors.at(
                    &argument.key,
                    format!("`{attribute}` has no key `{name}`; {advice}"),
                );
            } else if kept.iter().any(|earlier| earlier.key == argument.key) {
                errors.at(
                    &argument.key,
                    format!("`{name}` is given twice; keep one of the two"),
                );
            } else {
                kept.push(argument);
            }
        }
        kept
    }
}

/// "`a`, `b` and `c`".
pub(crate) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
