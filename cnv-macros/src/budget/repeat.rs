//! `#[repeat(max = N)]` on a loop: how often it runs at most, for the sum of what it spends and as it runs.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Block, Expr, ExprLit, Ident, Lit, Path, ReturnType, parse_quote};

use super::units::{ROUNDS, UNLIMITED, parse_quantity};
use crate::args::Arguments;
use crate::errors::ErrorSink;

/// The bound of one loop.
pub(crate) struct Repeat {
    /// A `u64`, as an expression without names of the body's.
    pub(crate) max: TokenStream,
    span: Span,
    /// Whether the function returns something; otherwise that is reported, and the loop runs as it is.
    can_fail: bool,
}

impl Repeat {
    /// Takes the attribute off a loop of a function that returns `output`.
    pub(crate) fn take(
        attributes: &mut Vec<Attribute>,
        function: &Ident,
        output: &ReturnType,
        errors: &mut ErrorSink,
    ) -> Option<Self> {
        let place = attributes
            .iter()
            .position(|attribute| attribute.path().is_ident("repeat"))?;
        let attribute = attributes.remove(place);
        let span = attribute.path().span();
        if let Some(second) = attributes.iter().find(|a| a.path().is_ident("repeat")) {
            errors.at(
                second,
                "`#[repeat]` stands on this loop twice; keep one of the two",
            );
            attributes.retain(|attribute| !attribute.path().is_ident("repeat"));
        }
        let can_fail = !matches!(output, ReturnType::Default);
        if !can_fail {
            errors.at(
                attribute.path(),
                format!(
                    "`#[repeat]` ends a loop that goes on for too long with an error, so `{function}` has to return a `Result`"
                ),
            );
        }
        let max = errors.take(max(&attribute))?;
        Some(Self {
            max,
            span,
            can_fail,
        })
    }

    /// The loop with a counter around it.
    pub(crate) fn count(&self, mut repeated: Expr, function: &Ident, krate: &Path) -> Expr {
        let Self {
            max,
            span,
            can_fail,
        } = self;
        if !can_fail {
            return repeated;
        }
        let name = function.to_string();
        let [rounds, exceeded, stopped] = ["rounds", "exceeded", "__cnv_stopped"]
            .map(|name| Ident::new(name, Span::mixed_site().located_at(*span)));
        // All of it at the attribute, which is underlined where the function's error has no room for this one.
        let stop = quote_spanned!(*span=> #stopped(#exceeded));
        let body: &mut Block = match &mut repeated {
            Expr::ForLoop(repeated) => &mut repeated.body,
            Expr::While(repeated) => &mut repeated.body,
            Expr::Loop(repeated) => &mut repeated.body,
            _ => return repeated,
        };
        let statements = std::mem::take(&mut body.stmts);
        body.stmts = parse_quote! {
            if let ::core::result::Result::Err(#exceeded) = #rounds.begin() {
                return #stop;
            }
            #(#statements)*
        };
        parse_quote!({
            use #krate::__private::quota::stopped as #stopped;
            let mut #rounds = #krate::__private::quota::Rounds::new(#name, #max);
            #repeated
        })
    }
}

fn unknown_key(key: &Ident) -> syn::Error {
    syn::Error::new_spanned(key, format!("`repeat` has no key `{key}`; it takes `max`"))
}

/// The value of `max`, a count or the name of a constant.
fn max(attribute: &Attribute) -> syn::Result<TokenStream> {
    let missing = || {
        syn::Error::new_spanned(
            attribute.path(),
            "`#[repeat]` needs the number of rounds: write `#[repeat(max = 100)]`",
        )
    };
    if matches!(attribute.meta, syn::Meta::Path(_)) {
        return Err(missing());
    }
    if let Ok(number) = attribute.parse_args::<Lit>() {
        let number = number.into_token_stream();
        return Err(syn::Error::new_spanned(
            &number,
            format!("the number of rounds has a name: write `#[repeat(max = {number})]`"),
        ));
    }
    let arguments = attribute.parse_args::<Arguments>()?;
    let mut value = None;
    for argument in &arguments.list {
        if argument.name() != "max" {
            return Err(unknown_key(&argument.key));
        }
        if value.is_some() {
            return Err(syn::Error::new_spanned(
                &argument.key,
                "`max` is given twice; keep one of the two",
            ));
        }
        value = Some(argument.value.as_ref().ok_or_else(missing)?);
    }
    match value.ok_or_else(missing)? {
        Expr::Path(path) => Ok(quote!((#path as ::core::primitive::u64))),
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) if number.suffix().is_empty() => {
            let max: u64 = number.base10_parse()?;
            Ok(max.to_token_stream())
        }
        value => {
            let max = parse_quantity(value, &ROUNDS)?;
            if max == UNLIMITED {
                return Err(syn::Error::new_spanned(
                    value,
                    "a loop without a bound cannot be paid for: write the number of rounds, as in `max = 100`",
                ));
            }
            Ok(max.to_token_stream())
        }
    }
}
