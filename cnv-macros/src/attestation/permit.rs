//! The parameter that the guard fills: `permit: Permit<'_, Network>`. Callers do not pass it.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, PatType, Path, Signature, Token, Type};

use crate::errors::ErrorSink;

/// The parameter, taken off the signature.
pub(crate) struct PermitModel {
    parameter: PatType,
}

impl PermitModel {
    /// Takes the parameter of type `Permit` off, under any path. A reference to one stays: it is the caller's to lend.
    pub(crate) fn take(signature: &mut Signature, errors: &mut ErrorSink) -> Option<Self> {
        let mut taken: Option<PatType> = None;
        let mut kept = Punctuated::<FnArg, Token![,]>::new();
        for input in std::mem::take(&mut signature.inputs) {
            match input {
                FnArg::Typed(parameter) if is_permit(&parameter.ty) => {
                    if taken.is_some() {
                        errors.at(
                            &parameter,
                            "one permit is enough: the guard gives it, and `narrow` lends a narrower one",
                        );
                    } else {
                        taken = Some(parameter);
                    }
                }
                other => kept.push(other),
            }
        }
        signature.inputs = kept;
        let mut parameter = taken?;
        if let Some(attribute) = parameter.attrs.iter().find(|a| is(a, "cfg")) {
            errors.at(
                attribute,
                "the guard gives a permit in every build: put the `#[cfg]` on two versions of the function",
            );
        }
        parameter
            .attrs
            .retain(|a| !is(a, "cfg") && !is(a, "doc") && !is(a, "arg"));
        Some(Self { parameter })
    }

    /// Binds it to what the guard granted, narrowed to the class that its type names.
    pub(super) fn bind(&self, granted: &Ident, krate: &Path) -> TokenStream {
        let PatType { attrs, pat, ty, .. } = &self.parameter;
        // A class that is not covered belongs under the type that names it, and so has to stand there whole: the compiler
        // shows it under the argument.
        let lent = Ident::new("__cnv_granted", ty.span());
        let lend = quote_spanned!(ty.span()=> __cnv_attestation::lend(#lent));
        quote! {
            #(#attrs)*
            let #pat: #ty = {
                use #krate::__private::attestation as __cnv_attestation;
                let #lent = #granted;
                #lend
            };
        }
    }

    /// Binds it where the guard is at fault, so that the body gives no errors of its own.
    pub(crate) fn unreachable(&self, krate: &Path) -> TokenStream {
        let PatType { attrs, pat, ty, .. } = &self.parameter;
        quote! {
            #(#attrs)*
            let #pat: #ty = #krate::__private::never();
        }
    }
}

fn is(attribute: &Attribute, name: &str) -> bool {
    attribute.path().is_ident(name)
}

fn is_permit(ty: &Type) -> bool {
    match ty {
        Type::Paren(inner) => is_permit(&inner.elem),
        Type::Group(inner) => is_permit(&inner.elem),
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|segment| segment.ident == "Permit"),
        _ => false,
    }
}
