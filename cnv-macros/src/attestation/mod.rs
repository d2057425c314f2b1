//! `#[requires_attestation(CLASS)]`: the guard that stands before the body.

mod contract;
mod evidence;
mod permit;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Path, ReturnType, Signature};

use crate::args::Arguments;
use crate::errors::ErrorSink;
pub(crate) use contract::ContractModel;
use evidence::EvidenceModel;
pub(crate) use evidence::is_context;
pub(crate) use permit::PermitModel;

const KEYS: &[&str] = &["audience", "band", "stability", "safety", "via", "crate"];

/// What has to be proved before the body runs, and where the evidence is.
pub(crate) struct GuardModel {
    pub(crate) contract: ContractModel,
    evidence: EvidenceModel,
    /// Where the return type stands.
    output: Span,
}

impl GuardModel {
    pub(crate) fn from_arguments(
        arguments: Arguments,
        signature: &Signature,
        errors: &mut ErrorSink,
    ) -> Option<Self> {
        let span = arguments.span;
        let readable = arguments.readable;
        // What stands alone and is no key is the class.
        let (classes, rest) = arguments
            .list
            .into_iter()
            .partition::<Vec<_>, _>(|argument| {
                argument.value.is_none() && !KEYS.contains(&argument.name().as_str())
            });
        let rest = Arguments::new(span, Some(rest)).known("requires_attestation", KEYS, errors);
        let via = rest
            .iter()
            .find(|argument| argument.key == "via")
            .and_then(|argument| argument.path(errors));
        let mut classes = classes.into_iter();
        let contract = match classes.next() {
            Some(class) => ContractModel::parse(class.key, &rest, errors),
            None if !readable => None,
            None => {
                errors.push(syn::Error::new(
                    span,
                    format!(
                        "say which capability the caller has to prove: one of {}, as in `#[requires_attestation(network)]`",
                        contract::classes()
                    ),
                ));
                None
            }
        };
        for second in classes {
            errors.at(
                &second.key,
                "one capability is enough: an attestation of a wider class covers the narrower ones",
            );
        }
        let evidence = EvidenceModel::find(via, signature, errors);
        let output = output(signature, errors);
        Some(Self {
            contract: contract?,
            evidence: evidence?,
            output: output?,
        })
    }

    /// The first statements of the body: without a valid attestation nothing after them runs. With `permit` they bind
    /// what was granted.
    pub(crate) fn statements(&self, permit: Option<&PermitModel>, krate: &Path) -> TokenStream {
        let required = self.contract.requirement(krate);
        let private = quote!(#krate::__private::attestation);
        let denied = Ident::new("denied", Span::mixed_site());
        // The error of a return type that cannot say no belongs under that type.
        let refuse = quote_spanned!(self.output=> __cnv_attestation::refuse(#denied));
        let Some(permit) = permit else {
            let carrier = self.evidence.borrow();
            return quote! {
                if let ::core::result::Result::Err(#denied) =
                    #private::guard(#carrier, &const { #required })
                {
                    use #private as __cnv_attestation;
                    return #refuse;
                }
            };
        };
        let granted = Ident::new("granted", Span::mixed_site());
        // A permit that borrowed from anything but a `&T` would keep the body from moving or changing that.
        let (held, carrier) = match self.evidence.reborrow() {
            Some(carrier) => (None, carrier),
            None => {
                let held = Ident::new(
                    "evidence",
                    Span::mixed_site().located_at(self.evidence.span()),
                );
                let carrier = self.evidence.borrow();
                (
                    Some(quote!(let #held = #private::evidence(#carrier);)),
                    quote!(&#held),
                )
            }
        };
        let bound = permit.bind(&granted, krate);
        quote! {
            #held
            let #granted = match #private::guard(#carrier, &const { #required }) {
                ::core::result::Result::Ok(#granted) => #granted,
                ::core::result::Result::Err(#denied) => {
                    use #private as __cnv_attestation;
                    return #refuse;
                }
            };
            #bound
        }
    }
}

fn output(signature: &Signature, errors: &mut ErrorSink) -> Option<Span> {
    match &signature.output {
        ReturnType::Type(_, ty) => Some(ty.span()),
        ReturnType::Default => {
            errors.at(
                &signature.ident,
                format!(
                    "`{}` has no way to refuse: let it return `Result<_, E>` where `E: From<Denied>`",
                    signature.ident
                ),
            );
            None
        }
    }
}
