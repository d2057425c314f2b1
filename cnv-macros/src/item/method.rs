//! The tokens of a method with a budget. An `impl` block has no room for a companion item, so the method
//! becomes three: the one that was written, which a plain call names; one that returns its value together
//! with the type of what it costs, which `spend!` calls; and one that has the body. In a trait the first
//! two are provided, and an implementation is the third alone.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Attribute, FnArg, Ident, Path, ReceiverKind, ReturnType, Signature, Type, Visibility,
    parse_quote,
};

use super::expand::{
    attempt_limits, braced, forwarded_generics, guarded, makes_a_future, mentions_impl,
    named_parameters, signature,
};
use super::model::{ItemModel, Place};
use crate::budget::BudgetModel;
use crate::budget::call::spend_name;
use crate::budget::check::{self, Funds, Payer};

/// The variable of the site whose charge is what the method's trait declares.
fn trait_site() -> Ident {
    Ident::new("of_trait", Span::mixed_site())
}

/// The method that has the body. Where an implementation has it not, the compiler's message says its name.
fn body_name(name: &Ident, place: &Place) -> Ident {
    match place {
        Place::Trait | Place::Implementation(_) => {
            format_ident!("__{}_needs_budget_on_the_impl", name)
        }
        Place::Free | Place::Inherent => format_ident!("__budgeted_{}", name),
    }
}

/// What a trait declares for its method: an associated function of the trait.
fn declared_name(name: &Ident) -> Ident {
    format_ident!("__budget_of_{}", name)
}

pub(crate) fn expand(model: &ItemModel, budget: &BudgetModel, is_metered: bool) -> TokenStream {
    match &model.place {
        Place::Implementation(of_trait) => body(model, budget, is_metered, Some(of_trait)),
        Place::Trait => {
            let callable = callable(model, budget);
            let body = if model.has_body {
                body(model, budget, is_metered, None)
            } else {
                declaration(model)
            };
            let declared = declared(model, budget);
            quote!(#callable #body #declared)
        }
        Place::Free | Place::Inherent => {
            let callable = callable(model, budget);
            let body = body(model, budget, is_metered, None);
            quote!(#callable #body)
        }
    }
}

/// Those attributes that say whether the method is there at all.
fn cfgs(model: &ItemModel) -> Vec<&Attribute> {
    model.function.cfgs()
}

/// The method for plain calls, and the one for `spend!`.
fn callable(model: &ItemModel, budget: &BudgetModel) -> TokenStream {
    let ItemModel {
        krate, function, ..
    } = model;
    let visibility = &function.visibility;
    let own_visibility = own_visibility(model);
    let cfgs = cfgs(model);
    let docs = function.docs();
    let about: Vec<&Attribute> = function
        .attributes
        .iter()
        .filter(|a| {
            let names = ["deprecated", "must_use", "track_caller"];
            names.iter().any(|name| a.path().is_ident(name))
        })
        .collect();
    let name = &function.signature.ident;
    let (spend, body) = (spend_name(name), body_name(name, &model.place));
    let (mut value, arguments) = named_parameters(&function.signature);
    strip_mut(&mut value);
    let in_trait = matches!(model.place, Place::Trait);
    if in_trait && (takes_self_by_value(&value) || returns_self(value.output.to_token_stream())) {
        let predicates = &mut value.generics.make_where_clause().predicates;
        predicates.push(parse_quote!(Self: ::core::marker::Sized));
    }
    let generics = forwarded_generics(&function.signature);
    let awaiting = value.asyncness.map(|_| quote!(.await));
    let mut spent = value.clone();
    spent.ident = spend.clone();
    let output: Type = match &value.output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    let charge = budget.charge_type(makes_a_future(&value), krate);
    let quota = quote!(#krate::__private::quota);
    let paid = match spent.asyncness.take() {
        // What an `async fn` would return, but for one more future around that of the body.
        Some(_) => {
            let future = quote!(impl ::core::future::Future<Output = #output>);
            spent.output = parse_quote!(-> #quota::PaidFuture<#future, #charge>);
            quote!(#quota::PaidFuture)
        }
        None => {
            spent.output = parse_quote!(-> #quota::Paid<#output, #charge>);
            quote!(#quota::Paid)
        }
    };
    let mut forwarded = quote!(Self::#spend #generics (#(#arguments),*).value() #awaiting);
    if in_trait {
        // No implementation can have a method like it: nobody would be charged for that one. It never returns, so
        // nothing says which type an `impl Trait` in it is.
        let of = match mentions_impl(output.to_token_stream()) {
            true => parse_quote!(()),
            false => output,
        };
        value.output = parse_quote!(-> #krate::__private::quota::NeedsABudget<#of>);
        forwarded = quote!(#krate::__private::never());
    }
    if budget.open.is_none() {
        // A bound that never holds: one with a lifetime of its own is checked only where the method is called.
        let predicates = &mut value.generics.make_where_clause().predicates;
        predicates.push(parse_quote! {
            for<'__cnv> #krate::__private::quota::Method: #krate::__private::quota::MustBePaid<'__cnv>
        });
    }
    // Neither does anything but call the next, also from another crate.
    let forwarding = quote! {
        #[allow(dead_code, deprecated, unused_must_use, unused_variables, non_snake_case, async_fn_in_trait)]
        #[allow(clippy::all, clippy::pedantic)]
        #[inline]
    };
    quote! {
        #(#docs)*
        #(#cfgs)*
        #(#about)*
        #forwarding
        #visibility #value {
            #forwarded
        }

        #[doc(hidden)]
        #(#cfgs)*
        #(#about)*
        #forwarding
        #own_visibility #spent {
            #paid::new(Self::#body #generics (#(#arguments),*))
        }
    }
}

/// The visibility of the method that `spend!` calls. Where a method of one's own has none, it says that it has none: in a
/// trait that does not compile, and there the attribute on the trait is missing, without which an implementation could
/// have another method than the one that is charged.
fn own_visibility(model: &ItemModel) -> TokenStream {
    let visibility = &model.function.visibility;
    if let (Place::Inherent, Visibility::Inherited) = (&model.place, visibility) {
        return quote_spanned!(model.function.signature.ident.span()=> pub(self));
    }
    visibility.to_token_stream()
}

/// `mut self` is for the body alone.
fn strip_mut(signature: &mut Signature) {
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first_mut()
        && !matches!(receiver.kind, ReceiverKind::Reference(..))
    {
        receiver.mutability = None;
    }
}

fn takes_self_by_value(signature: &Signature) -> bool {
    signature
        .receiver()
        .is_some_and(|receiver| matches!(receiver.kind, ReceiverKind::Value))
}

/// Whether a value of the type itself comes back, which a trait object has not.
fn returns_self(output: TokenStream) -> bool {
    let mut tokens = output.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_path =
            matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ':');
        let is_found = match token {
            TokenTree::Ident(ident) => ident == "Self" && !is_path,
            TokenTree::Group(group) => returns_self(group.stream()),
            _ => false,
        };
        if is_found {
            return true;
        }
    }
    false
}

/// What the implementations of a trait have to be: the body, without one.
fn declaration(model: &ItemModel) -> TokenStream {
    let cfgs = cfgs(model);
    let mut signature = model.function.signature.clone();
    signature.ident = body_name(&signature.ident, &model.place);
    quote! {
        #[doc(hidden)]
        #[allow(async_fn_in_trait, non_snake_case)]
        #(#cfgs)*
        #signature;
    }
}

/// What the trait declares, for its implementations to fit in.
fn declared(model: &ItemModel, budget: &BudgetModel) -> TokenStream {
    let krate = &model.krate;
    let cfgs = cfgs(model);
    let signature = &model.function.signature;
    let name = declared_name(&signature.ident);
    let charge = budget.charge_type(makes_a_future(signature), krate);
    quote! {
        #[doc(hidden)]
        #[allow(non_snake_case)]
        #(#cfgs)*
        fn #name(&self) -> #krate::__private::quota::Site<#charge> {
            #krate::__private::quota::Site::new()
        }
    }
}

/// The method that has the body: guarded, metered, and what it spends checked.
fn body(
    model: &ItemModel,
    budget: &BudgetModel,
    is_metered: bool,
    of_trait: Option<&Path>,
) -> TokenStream {
    let ItemModel {
        krate, function, ..
    } = model;
    let name = &function.signature.ident;
    let site = trait_site();
    let own = attempt_limits(model, budget);
    let (limits, funds) = if budget.inherits {
        (quote!(#site.limits()), Funds::OfTrait(&site))
    } else {
        (own.clone(), Funds::Declared(own))
    };
    let payer = Payer {
        name,
        companion: None,
        funds,
        timeout_ns: model.timeout_ns(),
        krate,
    };
    let fits = of_trait.map(|of_trait| {
        let declared = Ident::new(&declared_name(name).to_string(), name.span());
        let fits = (!budget.inherits).then(|| fits(model, budget));
        quote! {
            let #site = #krate::__private::quota::Site::new();
            #site.is_of(<Self as #of_trait>::#declared);
            #fits
        }
    });
    let checks = {
        let imports = check::imports(&model.spends);
        let sum = check::check_item(&model.spends, &payer);
        let used = used(&function.taken);
        quote!(#imports #used #sum)
    };
    let limits = is_metered.then_some(&limits);
    let body = guarded(model, limits, &checks, fits);
    let attributes = function
        .attributes
        .iter()
        .filter(|a| !a.path().is_ident("doc") && !a.path().is_ident("must_use"))
        .filter(|a| !a.path().is_ident("deprecated"));
    let visibility =
        matches!(model.place, Place::Free | Place::Inherent).then_some(&function.visibility);
    let mut signature = signature(model);
    signature.ident = body_name(name, &model.place);
    quote! {
        #[doc(hidden)]
        #[allow(async_fn_in_trait, non_snake_case)]
        #(#attributes)*
        #visibility #signature #body
    }
}

/// Refuses an implementation that declares more than its trait.
fn fits(model: &ItemModel, budget: &BudgetModel) -> TokenStream {
    let krate = &model.krate;
    let name = &model.function.signature.ident;
    let text = name.to_string();
    let charge = budget.charge_type(makes_a_future(&model.function.signature), krate);
    let call = quote_spanned! {name.span()=>
        __cnv_fits::<#charge, T>(#text)
    };
    let sum = quote! {
        use #krate::__private::quota::assert_fits_trait as __cnv_fits;
        #call;
    };
    let site = trait_site();
    let check = check::by_pattern(&[format_ident!("T")], &[&site], &sum, krate);
    braced(check, Span::call_site())
}

/// Uses the siblings that were taken off, whose imports would be reported as unused.
pub(super) fn used(taken: &[Path]) -> TokenStream {
    quote! {
        #(
            #[allow(unused_imports)]
            use #taken as _;
        )*
    }
}

/// The method as it was written, where its budget is at fault.
pub(crate) fn as_written(model: &ItemModel) -> TokenStream {
    if model.has_body {
        return model.function.to_token_stream();
    }
    let attributes = &model.function.attributes;
    let signature = &model.function.signature;
    quote!(#(#attributes)* #signature;)
}
