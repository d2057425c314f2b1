//! `#[derive(FrameEnum)]`: proves that an enum is one of some numbers of 1, 2 or 4 bytes.

mod expand;
mod model;
mod parse;

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
