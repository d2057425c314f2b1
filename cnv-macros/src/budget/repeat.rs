//! `#[repeat(max = N)]` on a loop: how often it runs at most, for the sum of what it spends and as it runs.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, Block, Expr, ExprPath, FnArg, GenericParam, Ident, Lit, Pat, Path, ReturnType,
    Signature, parse_quote,
};

use super::units::{ROUNDS, UNLIMITED, parse_quantity};
use crate::args::Arguments;
use crate::errors::ErrorSink;

/// What is known of a loop.
pub(crate) enum Bound {
    Missing,
    /// It is there, and cannot be read; that is reported.
    Faulty,
    Known(Repeat),
}

/// The value of `max`.
struct Max {
    number: TokenStream,
    is_constant: bool,
}

/// The bound of one loop.
pub(crate) struct Repeat {
    /// A `u64`, or the name of a constant that can be made one.
    pub(crate) max: TokenStream,
    /// Whether it is the name of a constant.
    pub(crate) is_constant: bool,
    span: Span,
    /// Whether the function returns something; otherwise that is reported, and the loop runs as it is.
    can_fail: bool,
}

impl Repeat {
    /// Takes the attribute off a loop of a function with this signature.
    pub(crate) fn take(
        attributes: &mut Vec<Attribute>,
        signature: &Signature,
        errors: &mut ErrorSink,
    ) -> Bound {
        let is_repeat = |attribute: &Attribute| attribute.path().is_ident("repeat");
        let Some(place) = attributes.iter().position(is_repeat) else {
            return Bound::Missing;
        };
        let attribute = attributes.remove(place);
        let span = attribute.path().span();
        if let Some(second) = attributes.iter().find(|a| a.path().is_ident("repeat")) {
            errors.at(
                second,
                "`#[repeat]` stands on this loop twice; keep one of the two",
            );
            attributes.retain(|attribute| !attribute.path().is_ident("repeat"));
        }
        let function = &signature.ident;
        let can_fail = !matches!(signature.output, ReturnType::Default);
        if !can_fail {
            errors.at(
                attribute.path(),
                format!(
                    "`#[repeat]` ends a loop that goes on for too long with an error, so `{function}` has to return a `Result`"
                ),
            );
        }
        match errors.take(max(&attribute, signature)) {
            Some(Max {
                number,
                is_constant,
            }) => Bound::Known(Self {
                max: number,
                is_constant,
                span,
                can_fail,
            }),
            None => Bound::Faulty,
        }
    }

    /// The loop with a counter around it.
    pub(crate) fn count(&self, mut repeated: Expr, function: &Ident, krate: &Path) -> Expr {
        let Self {
            max,
            span,
            can_fail,
            ..
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
fn max(attribute: &Attribute, signature: &Signature) -> syn::Result<Max> {
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
        Expr::Path(path) => {
            if let Some(message) = no_constant(path, signature) {
                return Err(syn::Error::new_spanned(path, message));
            }
            Ok(Max {
                number: path.to_token_stream(),
                is_constant: true,
            })
        }
        value => {
            let max = parse_quantity(value, &ROUNDS)?;
            if max == UNLIMITED {
                return Err(syn::Error::new_spanned(
                    value,
                    "a loop without a bound cannot be paid for: write the number of rounds, as in `max = 100`",
                ));
            }
            Ok(Max {
                number: max.to_token_stream(),
                is_constant: false,
            })
        }
    }
}

/// Why the name cannot be that of a constant. The check stands in a constant of its own, where neither the type around the
/// function nor anything of its own is known.
fn no_constant(path: &ExprPath, signature: &Signature) -> Option<String> {
    let first = path.path.segments.first()?;
    let name = &first.ident;
    if path.qself.is_some() || name == "Self" {
        return Some(
            "the number of rounds is needed outside of the type: write it as a number, or as a constant beside the `impl` block"
                .to_owned(),
        );
    }
    let is_generic = signature.generics.params.iter().any(|param| match param {
        GenericParam::Const(param) => param.ident == *name,
        GenericParam::Type(param) => param.ident == *name,
        GenericParam::Lifetime(_) => false,
    });
    let is_parameter = signature.inputs.iter().any(|input| {
        matches!(input, FnArg::Typed(input) if matches!(&*input.pat, Pat::Ident(pat) if pat.ident == *name))
    });
    (is_generic || is_parameter).then(|| {
        format!(
            "the number of rounds has to be known before any call, and `{name}` is a parameter: write the most that it may be, as in `max = 100`"
        )
    })
}
