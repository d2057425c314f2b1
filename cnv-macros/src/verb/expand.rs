//! The `Verb` impl of a companion item.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Generics, Ident, Lifetime, Path, ReturnType, Signature, Type};

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
    /// Whether the companion has a policy.
    pub(crate) has_policy: bool,
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
    let output = output(facts);
    let is_blocking = facts.signature.asyncness.is_none();
    let blocking = is_blocking.then(|| {
        quote!(
            const IS_BLOCKING: ::core::primitive::bool = true;
        )
    });
    let policy = facts.has_policy.then(|| {
        quote! {
            fn policy() -> ::core::option::Option<&'static #krate::recovery::Policy> {
                ::core::option::Option::Some(#companion::__policy())
            }
        }
    });
    quote! {
        impl #krate::__private::command::Verb for #companion {
            const SPEC: #krate::command::VerbSpec = #spec;
            #blocking
            #policy

            fn arguments() -> #krate::__private::command::Arguments {
                #[allow(unused_imports)]
                use #krate::__private::command as __cnv_command;
                #krate::__private::command::arguments([#(#arguments),*])
            }

            #output

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
        traced,
        ..
    } = model;
    let variant = &effect.variant;
    let short = &help.short;
    let long = option(help.long.as_ref().map(|long| quote!(#long)));
    let deprecated = option(deprecated.as_ref().map(|advice| quote!(#advice)));
    let contract = option(facts.contract.clone());
    let limits = option(facts.limits.clone());
    let function = facts.signature.ident.to_string();
    let spec = quote! {
        #krate::__private::command::verb_spec(
            (#noun, #name, &[#(#aliases),*]),
            (#short, #long, #deprecated),
            (#krate::command::Effect::#variant, #idempotent),
            #contract,
            #limits,
            (::core::concat!(::core::module_path!(), "::", #function), ::core::file!(), ::core::line!()),
        )
    };
    if traced.is_empty() {
        return spec;
    }
    quote!(#krate::__private::command::traced(#spec, &[#(#traced),*]))
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// Asks the type that is returned for its schema. Which types have one is known after expansion, so both answers are in
/// scope, and the compiler takes the first that there is. A type that cannot be named has none.
fn output(facts: &Facts<'_>) -> Option<TokenStream> {
    let Facts {
        signature, krate, ..
    } = facts;
    let ReturnType::Type(_, returned) = &signature.output else {
        return None;
    };
    let mut nameable = Nameable {
        generics: &signature.generics,
        is_nameable: true,
    };
    let mut returned = returned.clone();
    nameable.visit_type_mut(&mut returned);
    nameable.is_nameable.then(|| {
        quote! {
            #[allow(deprecated)]
            fn output() -> #krate::__private::command::OutputSchema {
                #[allow(unused_imports)]
                use #krate::__private::command::{Described as _, Undescribed as _};
                #krate::__private::command::Returned::<#returned>::NEW.schema()
            }
        }
    })
}

/// Makes a type one that can be written inside another function.
struct Nameable<'a> {
    generics: &'a Generics,
    is_nameable: bool,
}

impl VisitMut for Nameable<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if matches!(ty, Type::ImplTrait(_) | Type::Never(_)) {
            self.is_nameable = false;
        }
        visit_mut::visit_type_mut(self, ty);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        let mut declared = self.generics.lifetimes();
        if declared.any(|declared| declared.lifetime == *lifetime) {
            lifetime.ident = Ident::new("_", lifetime.ident.span());
        }
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
