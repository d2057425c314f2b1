//! `verbs![log::scan, log::tail]`: the functions that an application serves.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Path, Token};

use crate::errors::ErrorSink;

struct VerbList {
    krate: Path,
    paths: Punctuated<Path, Token![,]>,
}

impl Parse for VerbList {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let krate = if input.peek(Token![crate]) && input.peek2(Token![=]) {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            let krate = input.call(Path::parse_mod_style)?;
            input.parse::<Token![;]>()?;
            krate
        } else {
            syn::parse_quote!(::cnv)
        };
        let paths = input.parse_terminated(Path::parse_mod_style, Token![,])?;
        Ok(Self { krate, paths })
    }
}

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let VerbList { krate, paths } = match syn::parse2(input) {
        Ok(list) => list,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = ErrorSink::new();
    let mut seen: Vec<String> = Vec::new();
    let mut imports = Vec::new();
    let mut entries = Vec::new();
    let mut names = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let shown = path.to_token_stream().to_string().replace(' ', "");
        if seen.contains(&shown) {
            errors.at(
                path,
                format!("`{shown}` is listed twice; keep one of the two"),
            );
            continue;
        }
        let span = path
            .segments
            .last()
            .map_or_else(|| path.span(), |last| last.ident.span());
        let name = format_ident!("__cnv_verb_{index}", span = span);
        imports.push(quote!(#[allow(unused_imports)] use #path as #name;));
        entries.push(name);
        names.push(shown.clone());
        seen.push(shown);
    }
    let errors = errors.into_compile_errors();
    let len = entries.len();
    quote! {{
        // The name of a plain function, which has no companion, falls back to one of these, so that
        // the error can say what is missing instead of "expected type, found function".
        #[allow(non_camel_case_types, dead_code, missing_docs)]
        mod __cnv_fallback {
            #(pub enum #entries {})*
        }
        #[allow(unused_imports)]
        use __cnv_fallback::*;
        #(#imports)*
        #errors
        const __CNV_VERBS: [#krate::command::Registration; #len] =
            [#(#krate::__private::command::registration::<#entries>()),*];
        const _: () = #krate::__private::command::assert_distinct(&[#(#names),*], &__CNV_VERBS);
        __CNV_VERBS
    }}
}
