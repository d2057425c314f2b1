//! The `Verb` impl of a companion item.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Path, ReturnType, Signature};

use super::VerbModel;
use super::parameters::{Argument, Parameter, Shape, build};

/// What else stands on the function.
pub(crate) struct Facts<'a> {
    pub(crate) companion: &'a Ident,
    pub(crate) signature: &'a Signature,
    /// The path that calls the function.
    pub(crate) callee: TokenStream,
    pub(crate) contract: Option<TokenStream>,
    pub(crate) limits: Option<TokenStream>,
    pub(crate) krate: &'a Path,
}

pub(crate) fn expand(model: &VerbModel, facts: &Facts<'_>) -> TokenStream {
    let Facts {
        companion, krate, ..
    } = facts;
    let arguments = model
        .parameters
        .iter()
        .filter_map(|parameter| match parameter {
            Parameter::Argument(argument) => Some(build(argument)),
            Parameter::Context { .. } => None,
        });
    let spec = spec(model, facts);
    let invoke = invoke(model, facts);
    quote! {
        impl #krate::__private::command::Verb for #companion {
            const SPEC: #krate::command::VerbSpec = #spec;

            fn arguments() -> #krate::__private::command::Arguments {
                #[allow(unused_imports)]
                use #krate::__private::command as __cnv_command;
                #krate::__private::command::arguments([#(#arguments),*])
            }

            #invoke
        }
    }
}

fn spec(model: &VerbModel, facts: &Facts<'_>) -> TokenStream {
    let krate = facts.krate;
    let VerbModel {
        noun,
        name,
        aliases,
        effect,
        idempotent,
        deprecated,
        help,
        ..
    } = model;
    let variant = &effect.variant;
    let short = &help.short;
    let long = option(help.long.as_ref().map(|long| quote!(#long)));
    let deprecated = option(deprecated.as_ref().map(|advice| quote!(#advice)));
    let contract = option(facts.contract.clone());
    let limits = option(facts.limits.clone());
    let function = facts.signature.ident.to_string();
    quote! {
        #krate::__private::command::verb_spec(
            (#noun, #name, &[#(#aliases),*]),
            (#short, #long, #deprecated),
            (#krate::command::Effect::#variant, #idempotent),
            #contract,
            #limits,
            (::core::concat!(::core::module_path!(), "::", #function), ::core::file!(), ::core::line!()),
        )
    }
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

fn invoke(model: &VerbModel, facts: &Facts<'_>) -> TokenStream {
    let Facts {
        signature,
        callee,
        krate,
        ..
    } = facts;
    let cx = Ident::new("cx", Span::mixed_site());
    let matches = Ident::new("matches", Span::mixed_site());
    let mut passed = Vec::new();
    let mut taken = Vec::new();
    for (index, parameter) in model.parameters.iter().enumerate() {
        match parameter {
            Parameter::Context { by_reference: true } => passed.push(quote!(&#cx)),
            Parameter::Context {
                by_reference: false,
            } => {
                passed.push(quote!(::core::clone::Clone::clone(&#cx)));
            }
            Parameter::Argument(argument) => {
                let local = Ident::new(&format!("argument_{index}"), Span::mixed_site());
                let take = take(argument, &matches, krate);
                taken.push(quote!(let #local = #take;));
                passed.push(quote!(#local));
            }
        }
    }
    let awaiting = signature.asyncness.map(|_| quote!(.await));
    // The error of a return type that is no `Result`, or does not serialise, belongs under that type.
    let span = match &signature.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => signature.ident.span(),
    };
    let returned = Ident::new("__cnv_returned", span);
    let outcome = quote_spanned!(span=> __cnv_command::outcome(#returned));
    let mutable = (!taken.is_empty()).then(|| quote!(mut));
    let parameters = quote!(
        #cx: #krate::command::Context,
        #mutable #matches: #krate::__private::command::clap::ArgMatches,
    );
    quote! {
        fn invoke(#parameters) -> #krate::__private::command::Invocation {
            use #krate::__private::command as __cnv_command;
            #krate::__private::command::invocation(async move {
                let _ = (&#cx, &#matches);
                #(#taken)*
                let #returned = #callee(#(#passed),*) #awaiting;
                #outcome
            })
        }
    }
}

fn take(argument: &Argument, matches: &Ident, krate: &Path) -> TokenStream {
    let Argument {
        name, value, shape, ..
    } = argument;
    let command = quote!(#krate::__private::command);
    match shape {
        Shape::One => quote!(#command::one::<#value>(&mut #matches, #name)?),
        Shape::Optional => quote!(#command::optional::<#value>(&mut #matches, #name)?),
        Shape::Many => quote!(#command::many::<#value>(&mut #matches, #name)?),
        Shape::Flag => quote!(#command::flag(&mut #matches, #name)?),
    }
}
