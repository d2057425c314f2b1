//! `#[derive(SimdFrame)]`: proves that a struct is its own wire format.
//!
//! The macro never guesses what a type is. It hands each field's name, offset and a projection to
//! `cnv::__private::frame`, where the compiler infers the field's type and const functions compute
//! the layout. What it does look at in a type, it looks at for the sake of a better message.

pub(crate) mod expand;
mod model;
pub(crate) mod parse;

use proc_macro2::TokenStream;

use crate::errors::ErrorSink;

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let mut sink = ErrorSink::new();
    let Some(args) = parse::parse(input, &mut sink) else {
        return sink.into_compile_errors();
    };
    match model::check(&args, &mut sink) {
        Some(model) if sink.is_empty() => expand::expand(&model),
        _ => {
            let errors = sink.into_compile_errors();
            let stub = expand::stub(&args);
            quote::quote!(#errors #stub)
        }
    }
}

#[cfg(test)]
mod tests;
