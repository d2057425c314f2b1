//! The parameter that carries the evidence.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{FnArg, Ident, Pat, Path, ReceiverKind, Signature, Type};

use crate::errors::ErrorSink;

/// The parameter that the guard asks.
#[derive(Clone)]
pub(super) struct EvidenceModel {
    name: Ident,
    /// Whether it is a `&T`, so that what is borrowed from it leaves the body free.
    is_shared_reference: bool,
}

impl EvidenceModel {
    /// The parameter named with `via`, or the `Context`.
    pub(super) fn find(
        via: Option<Path>,
        signature: &Signature,
        errors: &mut ErrorSink,
    ) -> Option<Self> {
        match via {
            Some(via) => named(&via, signature, errors),
            None => context(signature, errors),
        }
    }

    pub(super) fn span(&self) -> Span {
        self.name.span()
    }

    /// A borrow for the moment of the check.
    pub(super) fn borrow(&self) -> TokenStream {
        let name = &self.name;
        quote_spanned!(name.span()=> &#name)
    }

    /// A borrow that lives as long as what is referred to, where the parameter is a `&T`.
    pub(super) fn reborrow(&self) -> Option<TokenStream> {
        let name = &self.name;
        self.is_shared_reference
            .then(|| quote_spanned!(name.span()=> &*#name))
    }
}

fn named(via: &Path, signature: &Signature, errors: &mut ErrorSink) -> Option<EvidenceModel> {
    let found = via.get_ident().and_then(|name| {
        let is_shared_reference = if name == "self" {
            receiver_is_shared(signature)?
        } else {
            let (_, ty) = typed(signature).find(|(parameter, _)| *parameter == Some(name))?;
            is_shared(ty)
        };
        Some(EvidenceModel {
            name: name.clone(),
            is_shared_reference,
        })
    });
    if found.is_none() {
        let (function, shown) = (&signature.ident, via.to_token_stream());
        errors.at(
            via,
            format!("`{function}` has no parameter `{shown}`; `via` names the parameter that carries the evidence"),
        );
    }
    found
}

fn context(signature: &Signature, errors: &mut ErrorSink) -> Option<EvidenceModel> {
    let function = &signature.ident;
    match typed(signature).find(|(_, ty)| is_context(ty)) {
        Some((Some(name), ty)) => Some(EvidenceModel {
            name: name.clone(),
            is_shared_reference: is_shared(ty),
        }),
        Some((None, ty)) => {
            errors.at(
                ty,
                "the context carries the evidence, so it needs a name: write `cx: Context`",
            );
            None
        }
        None => {
            let example = match signature.receiver() {
                Some(_) => "via = self",
                None => "via = name",
            };
            errors.at(
                function,
                format!(
                    "`{function}` has no evidence to check: add a parameter `cx: Context`, or name the one that carries it with `{example}`"
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

/// Whether the receiver is a `&self`; `None` without one.
fn receiver_is_shared(signature: &Signature) -> Option<bool> {
    let receiver = signature.receiver()?;
    Some(match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_none(),
        ReceiverKind::Typed(_, ty) => is_shared(ty),
        _ => false,
    })
}

fn is_shared(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if reference.mutability.is_none())
}

/// `Context` or `&Context`, under any path. Those of others have arguments.
pub(crate) fn is_context(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => is_context(&reference.elem),
        Type::Paren(inner) => is_context(&inner.elem),
        Type::Group(inner) => is_context(&inner.elem),
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|segment| segment.ident == "Context" && segment.arguments.is_none()),
        _ => false,
    }
}
