//! The tokens of one item: its companion, its guarded and metered body, its value function.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Attribute, FnArg, GenericParam, Ident, ReturnType, Signature, parse_quote};

use super::method;
use super::model::{ItemModel, Place};
use crate::budget::check::{Funds, Payer};
use crate::budget::checkpoint::Cooperative;
use crate::budget::units::UNLIMITED;
use crate::budget::{BudgetModel, check};
use crate::recovery::Body;
use crate::verb;
use crate::verb::parameters::name_or;

pub(crate) fn expand(model: &ItemModel, is_metered: bool) -> TokenStream {
    let function = match &model.budget {
        Some(budget) if !matches!(model.place, Place::Free) => {
            method::expand(model, budget, is_metered)
        }
        Some(budget) => budgeted(model, budget, is_metered),
        None if !model.has_body => method::as_written(model),
        None => plain(model),
    };
    let companion = companion(model);
    let imports = imports(model);
    quote!(#function #companion #imports)
}

/// Uses the siblings' names, so that the imports which brought them are not reported as unused. In an
/// `impl` block there is no room for that; a method with a budget does so in its body.
fn imports(model: &ItemModel) -> TokenStream {
    let taken = &model.function.taken;
    if taken.is_empty() || !model.has_companion() {
        return TokenStream::new();
    }
    quote! {
        const _: () = {
            #(
                #[allow(unused_imports)]
                use #taken as _;
            )*
        };
    }
}

/// A function without a budget stays where it is; a guard goes in front of its body. The body keeps a
/// block of its own, because the items of a block are seen in all of it: one in the body could stand in
/// for the evidence.
fn plain(model: &ItemModel) -> TokenStream {
    let function = &model.function;
    let statements = model.entry();
    if statements.is_none() && model.recovery.is_none() && function.taken.is_empty() {
        return function.to_token_stream();
    }
    let attributes = &function.attributes;
    let visibility = &function.visibility;
    let body = match model.recovery {
        None => function.body.to_token_stream(),
        // Braces of the expansion's own, so that nobody is told to leave them out.
        Some(_) => {
            let span = Span::mixed_site().located_at(function.body.span());
            braced(function.body.stream(), span)
        }
    };
    let hint = hint(model);
    let body = recovered(model, body, hint);
    let signature = signature(model);
    // Where there is no room beside the function for it.
    let used = (!model.has_companion()).then(|| method::used(&function.taken));
    let body = braced(quote!(#used #statements #body), Span::call_site());
    quote!(#(#attributes)* #visibility #signature #body)
}

/// The signature of what has the body.
pub(super) fn signature(model: &ItemModel) -> Signature {
    let written = &model.function.signature;
    let named = model.recovery.as_ref().and_then(|r| r.named(written));
    named.unwrap_or_else(|| written.clone())
}

/// What is run, under the function's policy where it has one.
fn recovered(model: &ItemModel, tokens: TokenStream, hint: TokenStream) -> TokenStream {
    let Some(recovery) = &model.recovery else {
        return tokens;
    };
    let policy = match model.has_companion() {
        true => {
            let companion = &model.companion;
            quote!(#companion::__policy())
        }
        false => recovery.policy(&policy_name(model), &model.krate),
    };
    let body = Body {
        tokens,
        hint,
        signature: &model.function.signature,
    };
    recovery.call(&policy, body, &model.krate)
}

/// The policy of a function's own is named after it: as callers know a verb, and with its module.
fn policy_name(model: &ItemModel) -> TokenStream {
    match &model.verb {
        Some(verb) => {
            let name = format!("{} {}", verb.noun, verb.name);
            quote!(#name)
        }
        None => {
            let name = format!("::{}", model.function.signature.ident.unraw());
            quote!(::core::concat!(::core::module_path!(), #name))
        }
    }
}

/// The policy as a function of the companion, where an application finds it as well.
fn policy(model: &ItemModel) -> Option<TokenStream> {
    let recovery = model.recovery.as_ref()?;
    let ItemModel {
        krate, companion, ..
    } = model;
    let cfgs = model.function.cfgs();
    let policy = recovery.policy(&policy_name(model), krate);
    Some(quote! {
        #(#cfgs)*
        impl #companion {
            fn __policy() -> &'static #krate::recovery::Policy {
                #policy
            }
        }
    })
}

/// The item in the type namespace that stands beside the function, so that one `use` brings both.
fn companion(model: &ItemModel) -> TokenStream {
    if !model.has_companion() {
        return TokenStream::new();
    }
    let companion = &model.companion;
    let visibility = &model.function.visibility;
    let cfgs = model.function.cfgs();
    let mut implementations = Vec::new();
    if let Some(budget) = &model.budget
        && model.spends.all.is_empty()
    {
        implementations.push(budgeted_impl(model, budget));
    }
    if model.is_verb {
        implementations.push(verb_impl(model));
    }
    let implementations = implementations
        .into_iter()
        .map(|implementation| quote!(#(#cfgs)* #implementation));
    let policy = policy(model);
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, clippy::empty_enums)]
        #visibility enum #companion {}
        #(#implementations)*
        #policy
    }
}

/// Stands beside the companion, or, where the function spends, in its body: only there the names of its
/// callees are known.
fn budgeted_impl(model: &ItemModel, budget: &BudgetModel) -> TokenStream {
    let ItemModel {
        krate, companion, ..
    } = model;
    let name = model.function.signature.ident.to_string();
    let depth = (!model.spends.all.is_empty() && budget.cpu_ns == UNLIMITED)
        .then(|| check::depth(&model.spends, krate));
    let retained = budget
        .retained_of_a_call()
        .map(|bytes| quote!(const RETAINED: ::core::primitive::u64 = #bytes;));
    let is_async = makes_a_future(&model.function.signature).then(|| {
        quote!(
            const IS_ASYNC: ::core::primitive::bool = true;
        )
    });
    let timeout = model.timeout_ns().map(|ns| {
        quote!(
            const TIMEOUT_NS: ::core::primitive::u64 = #ns;
        )
    });
    let budget = budget.budget_type(krate);
    quote! {
        #[allow(non_local_definitions)]
        impl #krate::__private::quota::Budgeted for #companion {
            const NAME: &'static ::core::primitive::str = #name;
            type Budget = #budget;
            #retained
            #is_async
            #timeout
            #depth
        }
    }
}

fn verb_impl(model: &ItemModel) -> TokenStream {
    let ItemModel {
        krate, companion, ..
    } = model;
    let signature = &model.function.signature;
    let Some(verb) = &model.verb else {
        // The faults are reported; the impl keeps `verbs!` from reporting them again.
        return quote! {
            impl #krate::__private::command::Verb for #companion {
                const SPEC: #krate::command::VerbSpec = #krate::__private::command::faulty_spec();
                fn arguments() -> #krate::__private::command::Arguments {
                    #krate::__private::never()
                }
                fn invoke(
                    _: #krate::command::Context,
                    _: #krate::__private::command::clap::ArgMatches,
                ) -> #krate::__private::command::Invocation {
                    #krate::__private::never()
                }
            }
        };
    };
    let callee = match &model.budget {
        Some(_) => quote!(#companion::call),
        None => signature.ident.to_token_stream(),
    };
    verb::expand::expand(
        verb,
        &verb::expand::Facts {
            companion,
            signature,
            callee,
            contract: model
                .guard
                .as_ref()
                .map(|guard| guard.contract.contract(krate)),
            limits: model.budget.as_ref().map(|_| limits(model)),
            has_policy: model.recovery.is_some(),
            krate,
        },
    )
}

/// The body moves into `companion::call`, which is what `spend!` calls; the value function forwards
/// to it, and unless the budget is `open` a plain call of it does not compile.
fn budgeted(model: &ItemModel, budget: &BudgetModel, is_metered: bool) -> TokenStream {
    let ItemModel {
        companion,
        function,
        ..
    } = model;
    let visibility = &function.visibility;
    let cfgs = function.cfgs();
    let docs = function.docs();
    let (about, onto_body): (Vec<&Attribute>, Vec<&Attribute>) = function
        .attributes
        .iter()
        .filter(|a| !a.path().is_ident("doc") && !a.path().is_ident("cfg"))
        .partition(|a| {
            let names = ["deprecated", "must_use", "track_caller"];
            names.iter().any(|name| a.path().is_ident(name))
        });

    let mut call = signature(model);
    call.ident = Ident::new("call", call.ident.span());
    let body = metered_body(model, budget, is_metered);

    let (value, forwarded) = value_signature(model, budget);
    let generics = forwarded_generics(&function.signature);
    let awaiting = value.asyncness.map(|_| quote!(.await));
    quote! {
        #(#cfgs)*
        impl #companion {
            #[doc(hidden)]
            #(#about)*
            #(#onto_body)*
            #visibility #call #body
        }

        #(#docs)*
        #(#cfgs)*
        #(#about)*
        #[allow(dead_code, deprecated, clippy::all, clippy::pedantic)]
        #[inline]
        #visibility #value {
            #companion::call #generics (#(#forwarded),*) #awaiting
        }
    }
}

/// The check of what the body spends, the guard, the meter, the body.
fn metered_body(model: &ItemModel, budget: &BudgetModel, is_metered: bool) -> TokenStream {
    let limits = match budget.attempts {
        1 => limits(model),
        _ => attempt_limits(model, budget),
    };
    let imports = check::imports(&model.spends);
    let implementation = (!model.spends.all.is_empty()).then(|| budgeted_impl(model, budget));
    let payer = Payer {
        name: &model.function.signature.ident,
        companion: Some(&model.companion),
        funds: Funds::Declared(limits.clone()),
        timeout_ns: model.timeout_ns(),
        krate: &model.krate,
    };
    let sum = check::check_item(&model.spends, &payer);
    let checks = quote!(#imports #implementation #sum);
    let limits = is_metered.then_some(&limits);
    guarded(model, limits, &checks, None)
}

/// The body behind its guard, and in its meter where it has `limits` to be held to. `checks` stand inside its block,
/// where the names that they use are known; `before` stands before everything.
pub(super) fn guarded(
    model: &ItemModel,
    limits: Option<&TokenStream>,
    checks: &TokenStream,
    before: Option<TokenStream>,
) -> TokenStream {
    let ItemModel {
        krate, function, ..
    } = model;
    let signature = &function.signature;
    let name = signature.ident.to_string();
    let guard = model.entry();
    let body = match &model.rewritten {
        Some(block) => {
            let statements = &block.stmts;
            quote!(#(#statements)*)
        }
        None => function.body.stream(),
    };
    // Braces of the expansion's own, so that nobody is told to leave them out.
    let span = Span::mixed_site().located_at(function.body.span());
    let cooperative = model.budget.as_ref().and_then(|b| b.cooperative.as_ref());
    let is_async = signature.asyncness.is_some();
    let entry = cooperative.map(|cooperative| cooperative.entry(krate));
    let body = braced(quote!(#checks #body), span);
    let hint = hint(model);
    let scope = Ident::new("_scope", Span::mixed_site());
    let quota = quote!(#krate::__private::quota);
    let inner = match (limits, is_async, cooperative.map(Cooperative::stop)) {
        // No future around the one of the function: its states would be there, though it did nothing.
        (None, ..) => body,
        (Some(limits), true, None) => {
            quote!(#quota::metered(#name, #limits, async move { #hint #body }).await)
        }
        (Some(limits), true, Some(stop)) => {
            quote!(#quota::metered_cooperative(#name, #limits, #stop, async move { #hint #body }).await)
        }
        (Some(limits), false, None) => quote! {
            let #scope = #quota::enter(#name, #limits);
            #body
        },
        (Some(limits), false, Some(_)) => quote! {
            let #scope = #quota::enter_cooperative(#name, #limits);
            #body
        },
    };
    let inner = recovered(model, inner, hint);
    braced(quote!(#before #guard #entry #inner), Span::call_site())
}

/// Tells the compiler the type of an `async` block that has the body.
fn hint(model: &ItemModel) -> TokenStream {
    let signature = &model.function.signature;
    match signature.asyncness {
        Some(_) => return_hint(&signature.output, &model.krate),
        None => TokenStream::new(),
    }
}

/// What one attempt of a call may use.
pub(super) fn attempt_limits(model: &ItemModel, budget: &BudgetModel) -> TokenStream {
    let krate = &model.krate;
    let charge = budget.attempt_type(makes_a_future(&model.function.signature), krate);
    quote!(<#charge as #krate::__private::quota::Charge>::LIMITS)
}

/// What the companion declares.
fn limits(model: &ItemModel) -> TokenStream {
    let ItemModel {
        krate, companion, ..
    } = model;
    quote!(<#companion as #krate::__private::quota::Budgeted>::LIMITS)
}

pub(super) fn braced(tokens: TokenStream, span: Span) -> TokenStream {
    let mut group = Group::new(proc_macro2::Delimiter::Brace, tokens);
    group.set_span(span);
    group.to_token_stream()
}

/// Tells the compiler the type of an `async` block, which `?` inside it needs and which nothing else
/// says in time. A type with `impl Trait` cannot be named there, and is left to inference.
fn return_hint(output: &ReturnType, krate: &syn::Path) -> TokenStream {
    let ReturnType::Type(_, ty) = output else {
        return TokenStream::new();
    };
    if mentions_impl(ty.to_token_stream()) {
        return TokenStream::new();
    }
    quote! {
        if false {
            return #krate::__private::never::<#ty>();
        }
    }
}

/// Whether a type has an `impl Trait` in it.
pub(crate) fn mentions_impl(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "impl",
        TokenTree::Group(group) => mentions_impl(group.stream()),
        _ => false,
    })
}

/// Whether a call only makes a future, as far as the signature says.
pub(super) fn makes_a_future(signature: &Signature) -> bool {
    signature.asyncness.is_some() || mentions_future(signature.output.to_token_stream())
}

fn mentions_future(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Future" || ident == "BoxFuture",
        TokenTree::Group(group) => mentions_future(group.stream()),
        _ => false,
    })
}

/// The signature with a name for every parameter, and what forwards them.
pub(super) fn named_parameters(signature: &Signature) -> (Signature, Vec<TokenStream>) {
    let mut signature = signature.clone();
    let mut names = Vec::new();
    for (index, input) in signature.inputs.iter_mut().enumerate() {
        match input {
            FnArg::Typed(parameter) => {
                let name = name_or(&parameter.pat, index);
                parameter.pat = parse_quote!(#name);
                names.push(name.into_token_stream());
            }
            FnArg::Receiver(receiver) => names.push(receiver.self_token.into_token_stream()),
        }
    }
    (signature, names)
}

/// The signature of the value function and the names that it forwards.
fn value_signature(model: &ItemModel, budget: &BudgetModel) -> (Signature, Vec<TokenStream>) {
    let ItemModel {
        krate, companion, ..
    } = model;
    let (mut signature, names) = named_parameters(&model.function.signature);
    if budget.open.is_none() {
        // A bound that never holds. The compiler lets it stand because a bound with a lifetime of its
        // own is not checked where it is written, only where the function is called.
        signature
            .generics
            .make_where_clause()
            .predicates
            .push(parse_quote!(for<'__cnv> #companion: #krate::__private::quota::PaidFor<'__cnv>));
    }
    (signature, names)
}

/// `::<T, N>` for functions whose type parameters the arguments may not determine.
pub(super) fn forwarded_generics(signature: &Signature) -> Option<TokenStream> {
    let names: Vec<&Ident> = signature
        .generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Type(param) => Some(&param.ident),
            GenericParam::Const(param) => Some(&param.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    (!names.is_empty()).then(|| quote!(::<#(#names),*>))
}
