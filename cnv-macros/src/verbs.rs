//! `verbs![log::scan, log::tail]`: the functions that an application serves.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
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
            errors.at(path, format!("`{shown}` is listed twice; keep one of the two"));
            continue;
        }
        seen.push(shown.clone());
        names.push(shown);
        // The name of a plain function resolves to the fallback, so that the error can say what is
        // missing instead of "expected type, found function".
        let name = format_ident!("__cnv_verb_{index}", span = Span::call_site());
        imports.push(quote! {
            #[allow(unused_imports)]
            use #path as #name;
        });
        let located = proc_macro2::Ident::new(&name.to_string(), Span::call_site().located_at(path.span()));
        entries.push(quote_spanned!(path.span()=> #located));
    }
    let fallbacks = (0..paths.len()).map(|index| format_ident!("__cnv_verb_{index}"));
    let errors = errors.into_compile_errors();
    quote! {{
        mod __cnv_fallback {
            #(
                #[allow(non_camel_case_types, dead_code)]
                pub type #fallbacks = #krate::__private::command::NotAVerb;
            )*
        }
        #[allow(unused_imports)]
        use __cnv_fallback::*;
        #(#imports)*
        const _: () = #krate::__private::command::assert_distinct(&[
            #((#names, #krate::__private::command::spec::<#entries>())),*
        ]);
        #errors
        #krate::__private::command::registrations([
            #(#krate::__private::command::registration::<#entries>()),*
        ])
    }}
}
