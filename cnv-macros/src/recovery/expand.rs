//! The tokens around the body: the policy, and the call under it.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{FnArg, Ident, Pat, Path, ReturnType, Signature, parse_quote};

use crate::item::mentions_impl;

use super::{ContextParameter, RecoveryModel};

/// A body, as an attempt runs it.
pub(crate) struct Body<'a> {
    pub(crate) tokens: TokenStream,
    /// What tells the compiler the type of an `async` block.
    pub(crate) hint: TokenStream,
    pub(crate) signature: &'a Signature,
}

/// What a call has of its function's context.
#[derive(Default)]
struct Brought {
    /// The statements before the call.
    before: TokenStream,
    /// The methods of `Call`.
    brings: TokenStream,
}

impl RecoveryModel {
    /// An expression for the policy, a `&'static Policy` unless it is shared.
    pub(crate) fn policy(&self, name: &TokenStream, krate: &Path) -> TokenStream {
        if let Some(on) = &self.on {
            return quote!(&#on);
        }
        let recovery = quote!(#krate::recovery);
        let settings = self.settings(krate);
        quote! {
            {
                static POLICY: #recovery::Policy = #recovery::Policy::new(#name, #settings);
                &POLICY
            }
        }
    }

    /// What the attributes say, as a constant.
    fn settings(&self, krate: &Path) -> TokenStream {
        let timeout = self.timeout.as_ref().map(|timeout| timeout.tokens());
        let retry = self.retry.as_ref().map(|retry| retry.tokens(krate));
        let breaker = self.breaker.as_ref().map(|breaker| breaker.tokens(krate));
        let bulkhead = self
            .bulkhead
            .as_ref()
            .map(|bulkhead| bulkhead.tokens(krate));
        quote!(#krate::recovery::Settings::new() #timeout #retry #breaker #bulkhead)
    }

    /// The call of the body under `policy`, as the last expression of the function.
    pub(crate) fn call(&self, policy: &TokenStream, body: Body<'_>, krate: &Path) -> TokenStream {
        let private = quote!(#krate::__private::recovery);
        let recovery = quote!(#krate::recovery);
        let (held, outcome) = (mixed("policy"), mixed("outcome"));
        let (value, error, refused) = (mixed("value"), mixed("error"), mixed("refused"));
        // A policy that is shared has the circuit breaker and the bulkhead; the rest is the function's.
        let own = self.on.is_some().then(|| {
            let settings = self.settings(krate);
            quote!(.settings(&const { #settings }))
        });
        let Brought { before, brings } = self.brought(&held, &private);
        let (call, awaiting) = match body.signature.asyncness {
            Some(_) => (quote!(call), quote!(.await)),
            None => (quote!(call_blocking), TokenStream::new()),
        };
        let classify = self.classify(body.signature, &private);
        let attempts = self.attempts_of(body, &recovery, &private);
        // The error of a return type that cannot say no belongs under that type.
        let refuse = quote_spanned!(self.output=> __cnv_recovery::refuse(#refused));
        quote! {
            let #held: &'static #recovery::Policy = #policy;
            #before
            let #outcome = #held.#call(
                #recovery::Call::new() #brings #own,
                #classify,
                #attempts,
            ) #awaiting;
            match #outcome {
                ::core::result::Result::Ok(#value) => ::core::result::Result::Ok(#value),
                ::core::result::Result::Err(#recovery::CallError::Failed(#error)) => {
                    ::core::result::Result::Err(#error)
                }
                ::core::result::Result::Err(#recovery::CallError::Refused(#refused)) => {
                    use #private as __cnv_recovery;
                    #refuse
                }
            }
        }
    }

    /// What the call brings along out of the function's context: the body may take that along, so it is read before.
    fn brought(&self, policy: &Ident, private: &TokenStream) -> Brought {
        let Some(ContextParameter { name, .. }) = &self.context else {
            return Brought::default();
        };
        let (noted, deadline, cancelled) = (mixed("noted"), mixed("deadline"), mixed("cancelled"));
        Brought {
            before: quote! {
                #[allow(clippy::used_underscore_binding)]
                let mut #noted = #private::noting(&#name, #policy);
                #[allow(clippy::used_underscore_binding)]
                let #deadline = #private::deadline(&#name);
                #[allow(clippy::used_underscore_binding)]
                let #cancelled = ::core::pin::pin!(#private::cancelled(&#name));
            },
            brings: quote!(.deadline(#deadline).trace(#noted.trace()).cancelled(#cancelled)),
        }
    }

    /// What an error means, as a closure.
    fn classify(&self, signature: &Signature, private: &TokenStream) -> TokenStream {
        let again = self.retry.is_some();
        let of = failed_with(&signature.output, private);
        if let Some(when) = &self.when {
            let span = syn::spanned::Spanned::span(when);
            let error = Ident::new("error", Span::mixed_site().located_at(span));
            return quote_spanned!(span=> |#error #of| #when(#error));
        }
        // Nothing is known of an error whose type cannot be written.
        let Some(of) = of else {
            return quote!(|_| #again);
        };
        let error = mixed("error");
        quote! {
            |#error #of| {
                #[allow(unused_imports)]
                use #private::{OfCauses as _, OfNothing as _};
                (&#private::Unsaid(#error)).verdict(#again)
            }
        }
    }

    /// The closure that begins each attempt.
    fn attempts_of(
        &self,
        body: Body<'_>,
        recovery: &TokenStream,
        private: &TokenStream,
    ) -> TokenStream {
        let Body {
            tokens,
            hint,
            signature,
        } = body;
        let attempt = mixed("attempt");
        let (make, bind) = self.narrowed(&attempt, private).unzip();
        let is_async = signature.asyncness.is_some();
        // What the closure of a body that blocks returns, as far as it can be written.
        let returned = match &signature.output {
            ReturnType::Type(_, ty) if !mentions_impl(ty.to_token_stream()) => Some(quote!(-> #ty)),
            _ => None,
        };
        let clones = match self.retry {
            Some(_) => self.clones(signature, private),
            None => TokenStream::new(),
        };
        match (is_async, self.retry.is_some()) {
            (true, true) => quote! {
                |#attempt: #recovery::Attempt| {
                    #make
                    #clones
                    async move { #bind #hint #tokens }
                }
            },
            (true, false) => quote! {
                #private::once(move |#attempt: #recovery::Attempt| {
                    #make
                    async move { #bind #hint #tokens }
                })
            },
            (false, true) => quote! {
                |#attempt: #recovery::Attempt| #returned {
                    #make
                    #bind
                    #clones
                    #tokens
                }
            },
            (false, false) => quote! {
                #private::once(|#attempt: #recovery::Attempt| #returned {
                    #make
                    #bind
                    #tokens
                })
            },
        }
    }

    /// The context of an attempt, whose deadline is that of everything in it: how it is made, and its name in the body.
    fn narrowed(
        &self,
        attempt: &Ident,
        private: &TokenStream,
    ) -> Option<(TokenStream, TokenStream)> {
        let ContextParameter { name, is_reference } = self.context.as_ref()?;
        let local = mixed("narrowed");
        let make = quote! {
            #[allow(clippy::used_underscore_binding)]
            let #local = #private::within(&#name, #attempt.deadline());
        };
        let bind = if *is_reference {
            quote!(#[allow(unused_variables)] let #name = &#local;)
        } else {
            quote!(#[allow(unused_variables, unused_mut)] let mut #name = #local;)
        };
        Some((make, bind))
    }

    /// Every attempt has the arguments anew.
    fn clones(&self, signature: &Signature, private: &TokenStream) -> TokenStream {
        let context = self.context.as_ref().map(|context| &context.name);
        let is_async = signature.asyncness.is_some();
        let mut clones = TokenStream::new();
        for (index, input) in signature.inputs.iter().enumerate() {
            let FnArg::Typed(parameter) = input else {
                continue;
            };
            let name = argument_name(&parameter.pat, index);
            if Some(&name) == context {
                continue;
            }
            let pattern = &parameter.pat;
            if !is_async && super::is_exclusive(&parameter.ty) {
                clones.extend(quote! {
                    #[allow(unused_variables, clippy::used_underscore_binding)]
                    let #pattern = &mut *#name;
                });
                continue;
            }
            // What cannot be cloned belongs under its type.
            let span = syn::spanned::Spanned::span(&parameter.ty);
            let copied = Ident::new("__cnv_argument", span);
            let again = quote_spanned!(span=> __cnv_recovery::again(#copied));
            clones.extend(quote! {
                #[allow(unused_variables, clippy::used_underscore_binding)]
                let #pattern = {
                    use #private as __cnv_recovery;
                    let #copied = &#name;
                    #again
                };
            });
        }
        clones
    }

    /// The signature whose parameters all have names, where the body is run again: the patterns are bound in each attempt.
    pub(crate) fn named(&self, signature: &Signature) -> Option<Signature> {
        self.retry.as_ref()?;
        let mut named = signature.clone();
        for (index, input) in named.inputs.iter_mut().enumerate() {
            if let FnArg::Typed(parameter) = input {
                let name = argument_name(&parameter.pat, index);
                *parameter.pat = parse_quote!(#name);
            }
        }
        Some(named)
    }
}

fn mixed(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The type of the errors, as far as it can be written, so that a function of another one is underlined.
fn failed_with(output: &ReturnType, private: &TokenStream) -> Option<TokenStream> {
    let ReturnType::Type(_, ty) = output else {
        return None;
    };
    (!mentions_impl(ty.to_token_stream())).then(|| quote!(: &<#ty as #private::Failing>::Error))
}

fn argument_name(pattern: &Pat, index: usize) -> Ident {
    match pattern {
        Pat::Ident(pattern) if pattern.subpat.is_none() => pattern.ident.clone(),
        _ => format_ident!("__cnv_argument_{index}"),
    }
}
