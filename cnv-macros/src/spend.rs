//! `spend!` where no `#[budget]` reads it, and `run!`, which calls a budgeted function from the top.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Path, Token};

use crate::budget::call::{Callee, parse_spent_call};

/// `#[budget]` takes every `spend!` out of its body, so one that is left stands somewhere else.
pub(crate) fn misplaced(input: TokenStream) -> TokenStream {
    match parse_spent_call(input, "spend") {
        Ok(spent) => {
            // A function's call is emitted too, so that only the misplacement is reported.
            let call = match spent.spend.callee {
                Callee::Companion { .. } => spent.call.into_token_stream(),
                Callee::Site { .. } => quote!(::core::unreachable!()),
            };
            let error = syn::Error::new(
                proc_macro2::Span::call_site(),
                "no budget pays for this: put `#[budget(..)]` on the function around it, or write `cnv::run!` in place of `spend!` to start a budget of its own",
            )
            .into_compile_error();
            quote!({ #error; #call })
        }
        Err(error) => error.into_compile_error(),
    }
}

/// `run!(load(path))` is the call, metered against the function's own budget alone. What arrives is the path of cnv and
/// the call: `$crate => load(path)`.
pub(crate) fn run(input: TokenStream) -> TokenStream {
    let parser = |input: ParseStream<'_>| {
        let krate = Path::parse_mod_style(input)?.into_token_stream();
        input.parse::<Token![=>]>()?;
        let spent = parse_spent_call(input.parse()?, "run")?;
        let call = spent.free_of_charge(&krate);
        Ok(match spent.spend.callee {
            // Not the call alone: of a closure around that, clippy says that the function could stand in its place. And not
            // as an argument: there the future of an `async` function would be moved once more.
            Callee::Companion { .. } => {
                let mut block = Group::new(Delimiter::Brace, call);
                block.set_span(Span::mixed_site());
                block.into_token_stream()
            }
            Callee::Site { .. } => call,
        })
    };
    parser
        .parse2(input)
        .unwrap_or_else(syn::Error::into_compile_error)
}
