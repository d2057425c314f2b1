//! `spend!` where no `#[budget]` reads it, and `run!`, which calls a budgeted function from the top.

use proc_macro2::TokenStream;
use quote::quote;

use crate::budget::call::parse_spent_call;

/// `#[budget]` takes every `spend!` out of its body, so one that is left stands somewhere else.
pub(crate) fn misplaced(input: TokenStream) -> TokenStream {
    // The call itself is emitted too, so that only the misplacement is reported.
    match parse_spent_call(input, "spend") {
        Ok(spent) => {
            let call = spent.free_of_charge();
            let error = syn::Error::new(
                proc_macro2::Span::call_site(),
                format!(
                    "no budget pays for this: put `#[budget(..)]` on the function around it, or write `cnv::run!({}(..))` to start a budget of its own",
                    spent.spend.name
                ),
            )
            .into_compile_error();
            quote!({ #error; #call })
        }
        Err(error) => error.into_compile_error(),
    }
}

/// `run!(load(path))` is the call, metered against the function's own budget alone.
pub(crate) fn run(input: TokenStream) -> TokenStream {
    match parse_spent_call(input, "run") {
        Ok(spent) => spent.free_of_charge(),
        Err(error) => error.into_compile_error(),
    }
}
