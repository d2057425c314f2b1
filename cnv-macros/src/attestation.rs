//! `#[requires_attestation(CLASS)]`: the guard that stands before the body.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Ident, Pat, Path, ReturnType, Signature, Type};

use crate::args::{Arguments, listed};
use crate::errors::{ErrorSink, nearest};

/// The classes of `CapabilityContract`; each has a constructor of this name.
const CLASSES: &[&str] = &["pure", "read_only", "read_write", "network", "dangerous"];

/// What has to be proved before the body runs, and where the evidence is.
#[derive(Clone)]
pub(crate) struct GuardModel {
    pub(crate) class: Ident,
    evidence: Ident,
    /// Where the return type stands.
    output: Span,
}

impl GuardModel {
    /// The contract as a constant expression.
    pub(crate) fn contract(&self, krate: &Path) -> TokenStream {
        let class = &self.class;
        quote!(#krate::capability::CapabilityContract::#class())
    }

    pub(crate) fn from_arguments(
        arguments: Arguments,
        signature: &Signature,
        errors: &mut ErrorSink,
    ) -> Option<Self> {
        let span = arguments.span;
        let readable = arguments.readable;
        let (classes, rest) = arguments
            .list
            .into_iter()
            .partition::<Vec<_>, _>(|argument| {
                argument.value.is_none() && argument.key != "via" && argument.key != "crate"
            });
        let rest = Arguments::new(span, Some(rest)).known(
            "requires_attestation",
            &["via", "crate"],
            errors,
        );
        let via = rest
            .iter()
            .find(|argument| argument.key == "via")
            .and_then(|argument| argument.path(errors));
        let mut classes = classes.into_iter();
        let class = match classes.next() {
            Some(class) => known_class(class.key, errors),
            None if !readable => None,
            None => {
                errors.push(syn::Error::new(
                    span,
                    format!(
                        "say which capability the caller has to prove: one of {}, as in `#[requires_attestation(network)]`",
                        listed(CLASSES)
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
        let evidence = evidence(via, signature, errors);
        let output = output(signature, errors);
        Some(Self {
            class: class?,
            evidence: evidence?,
            output: output?,
        })
    }

    /// The first statements of the body: without a valid attestation nothing after them runs.
    pub(crate) fn statements(&self, krate: &Path) -> TokenStream {
        let contract = self.contract(krate);
        let evidence = &self.evidence;
        let carrier = quote_spanned!(evidence.span()=> &#evidence);
        let denied = Ident::new("denied", Span::mixed_site());
        // The error of a return type that cannot say no belongs under that type.
        let refuse = quote_spanned!(self.output=> __cnv_attestation::refuse(#denied));
        quote! {
            if let ::core::result::Result::Err(#denied) =
                #krate::__private::attestation::guard(#carrier, &const { #contract })
            {
                use #krate::__private::attestation as __cnv_attestation;
                return #refuse;
            }
        }
    }
}

fn known_class(class: Ident, errors: &mut ErrorSink) -> Option<Ident> {
    let name = class.to_string();
    if CLASSES.contains(&name.as_str()) {
        return Some(class);
    }
    let advice = match nearest(&name, CLASSES) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the classes are {}", listed(CLASSES)),
    };
    errors.at(&class, format!("unknown capability `{name}`; {advice}"));
    None
}

/// The parameter that carries the evidence: the one named with `via`, or the `Context`.
fn evidence(via: Option<Path>, signature: &Signature, errors: &mut ErrorSink) -> Option<Ident> {
    let function = &signature.ident;
    if let Some(via) = via {
        if let Some(ident) = via.get_ident() {
            let named = ident == "self" && signature.receiver().is_some()
                || typed(signature).any(|(name, _)| name == Some(ident));
            if named {
                return Some(ident.clone());
            }
        }
        let shown = via.to_token_stream();
        errors.at(
            &via,
            format!("`{function}` has no parameter `{shown}`; `via` names the parameter that carries the evidence"),
        );
        return None;
    }
    match typed(signature).find(|(_, ty)| is_context(ty)) {
        Some((Some(name), _)) => Some(name.clone()),
        Some((None, ty)) => {
            errors.at(
                ty,
                "the context carries the evidence, so it needs a name: write `cx: Context`",
            );
            None
        }
        None => {
            errors.at(
                function,
                format!(
                    "`{function}` has no evidence to check: add a parameter `cx: Context`, or name the one that carries it with `via = name`"
                ),
            );
            None
        }
    }
}

fn typed(signature: &Signature) -> impl Iterator<Item = (Option<&Ident>, &Type)> {
    signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(parameter) => Some((
            match &*parameter.pat {
                Pat::Ident(pat) if pat.subpat.is_none() => Some(&pat.ident),
                _ => None,
            },
            &*parameter.ty,
        )),
        FnArg::Receiver(_) => None,
    })
}

/// `Context` or `&Context`, under any path.
pub(crate) fn is_context(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => is_context(&reference.elem),
        Type::Paren(inner) => is_context(&inner.elem),
        Type::Group(inner) => is_context(&inner.elem),
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|segment| segment.ident == "Context"),
        _ => false,
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
