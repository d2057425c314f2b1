//! The check of what a body spends, as constants that the compiler evaluates in `cargo check`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, Path};

use super::call::{Callee, End, Spend};
use super::plan::{Plan, Spends};

/// Imports the companion of every callee under a name of the expansion's own. A callee without a
/// budget has no companion; its name then falls back to an item without a budget, so that the error
/// can say what is missing instead of "expected type, found function".
pub(crate) fn imports(spends: &Spends) -> TokenStream {
    let rounds = spends.rounds.iter().map(|(name, max)| {
        quote! {
            #[allow(clippy::cast_lossless, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            #[allow(clippy::unnecessary_cast, trivial_numeric_casts, unused_qualifications)]
            const #name: ::core::primitive::u64 = #max as ::core::primitive::u64;
        }
    });
    let rounds = quote!(#(#rounds)*);
    if spends.all.is_empty() {
        return rounds;
    }
    let mut fallbacks = Vec::new();
    let mut imports = Vec::new();
    for spend in &spends.all {
        let Callee::Companion { path, alias, arity } = &spend.callee else {
            continue;
        };
        let types: Vec<Ident> = (0..*arity).map(|i| format_ident!("A{i}")).collect();
        fallbacks.push(quote! {
            pub enum #alias {}
            impl #alias {
                pub fn call<#(#types),*>(#(_: #types),*) -> ! {
                    loop {}
                }
            }
        });
        imports.push(quote!(#[allow(unused_imports)] use #path as #alias;));
    }
    let fallbacks = (!fallbacks.is_empty()).then(|| {
        quote! {
            #[allow(non_camel_case_types, dead_code, missing_docs, clippy::all, clippy::pedantic)]
            mod __cnv_fallback {
                #(#fallbacks)*
            }
            #[allow(unused_imports)]
            use __cnv_fallback::*;
        }
    });
    let mut macros: Vec<&Path> = Vec::new();
    for path in spends
        .all
        .iter()
        .filter_map(|spend| spend.macro_path.as_ref())
    {
        if !macros.contains(&path) {
            macros.push(path);
        }
    }
    quote! {
        #rounds
        #fallbacks
        #(#imports)*
        // The import that brought the macro is used, though the expansion has no use for it.
        #(
            #[allow(unused_imports)]
            use #macros as _;
        )*
    }
}

/// `DEPTH_OF_SPENDS` of the companion: one more than that of any callee. Functions that spend each other
/// in a circle have none, which the compiler reports. A function with a limit on its processor time needs
/// no such constant: it needs some of it for itself, so that a circle of such functions is over budget.
pub(crate) fn depth(spends: &Spends, krate: &Path) -> TokenStream {
    let steps = spends.all.iter().filter_map(|spend| match &spend.callee {
        Callee::Companion { alias, .. } => {
            Some(quote_spanned!(spend.name_span=> <#alias as __CnvSpent>::DEPTH_OF_SPENDS))
        }
        Callee::Site { .. } => None,
    });
    let depth = Ident::new("depth", Span::mixed_site());
    quote! {
        const DEPTH_OF_SPENDS: ::core::primitive::u32 = {
            use #krate::__private::quota::{Budgeted as __CnvSpent, deeper as __cnv_deeper};
            let #depth = 0;
            #(let #depth = __cnv_deeper(#depth, #steps);)*
            #depth
        };
    }
}

/// Whose account it is that a body spends from.
pub(crate) struct Payer<'a> {
    pub(crate) name: &'a Ident,
    /// The companion item, which a method has not.
    pub(crate) companion: Option<&'a Ident>,
    pub(crate) funds: Funds<'a>,
    /// How long a call of it takes at most.
    pub(crate) timeout_ns: Option<u64>,
    pub(crate) krate: &'a Path,
}

/// What the account holds.
pub(crate) enum Funds<'a> {
    /// An expression.
    Declared(TokenStream),
    /// What the trait of the method declares: the variable of a site.
    OfTrait(&'a Ident),
}

/// The check: what the spends add up to may not exceed what the payer has.
///
/// `cargo check` evaluates `const _` items, also in generic functions and in dead code, so the
/// message appears in editors. It evaluates a constant in a pattern, too, whose type may then be found by
/// inference; that is how the charge of a method becomes known.
pub(crate) fn check_item(spends: &Spends, payer: &Payer<'_>) -> TokenStream {
    let sites = sites(spends);
    let of_trait = match payer.funds {
        Funds::OfTrait(site) => Some(site),
        Funds::Declared(_) => None,
    };
    let krate = payer.krate;
    let declared = sites
        .iter()
        .map(|site| quote!(let #site = #krate::__private::quota::Site::new();));
    let declared = quote!(#(#declared)*);
    if spends.plan.is_empty() {
        return declared;
    }
    let account = Ident::new("account", Span::mixed_site());
    let name = payer.name.to_string();
    let steps = sequence(&spends.plan, &account, &sites);
    let opened = match &payer.funds {
        Funds::Declared(limits) => quote!(__cnv_open(#name, #limits)),
        Funds::OfTrait(_) => {
            quote_spanned! {payer.name.span()=>
                __cnv_open_method(#name, <T as #krate::__private::quota::Charge>::LIMITS)
            }
        }
    };
    let opened = match payer.timeout_ns {
        Some(ns) => quote!(#krate::__private::quota::within(#opened, #ns)),
        None => opened,
    };
    let sum = quote! {
        use #krate::__private::quota::{
            beside as __cnv_beside, concurrent as __cnv_concurrent,
            conditions as __cnv_conditions, cost as __cnv_cost, enter_loop as __cnv_enter_loop,
            larger as __cnv_larger, leave_loop as __cnv_leave_loop, open as __cnv_open,
            open_method as __cnv_open_method, pending as __cnv_pending, rounds as __cnv_rounds, step as __cnv_step,
        };
        let #account = #opened;
        let _ = #steps;
    };
    let depth = payer.companion.map(|companion| {
        quote! {
            const _: ::core::primitive::u32 =
                <#companion as #krate::__private::quota::Budgeted>::DEPTH_OF_SPENDS;
        }
    });
    if sites.is_empty() && of_trait.is_none() {
        return quote! {
            #[allow(unused_imports)]
            const _: () = { #sum };
            #depth
        };
    }
    let parameters: Vec<Ident> = of_trait
        .map(|_| format_ident!("T"))
        .into_iter()
        .chain((0..sites.len()).map(|i| format_ident!("S{i}")))
        .collect();
    let looked_at: Vec<&Ident> = of_trait.into_iter().chain(sites).collect();
    let pattern = by_pattern(&parameters, &looked_at, &sum, krate);
    quote!(#declared #pattern #depth)
}

/// A check that is generic over the charges of sites: `parameters` name them, `sites` are the variables,
/// and `sum` is what is evaluated.
pub(crate) fn by_pattern(
    parameters: &[Ident],
    sites: &[&Ident],
    sum: &TokenStream,
    krate: &Path,
) -> TokenStream {
    let private = quote!(#krate::__private::quota);
    let pair = |a, b| quote!((#a, #b));
    let list = tree(parameters, &|parameter| quote!(#parameter), &pair);
    let inferred = tree(parameters, &|_| quote!(_), &pair);
    let both = |a, b| quote!(#private::Sites::both(#a, #b));
    let looked_at = tree(sites, &|site| quote!(#private::Sites::one(&#site)), &both);
    quote! {
        #[allow(dead_code)]
        trait __CnvCheck: ::core::marker::Sized {
            const OK: Self;
        }
        impl<#(#parameters: #krate::__private::quota::Charge),*> __CnvCheck
            for #krate::__private::quota::Sites<#list>
        {
            #[allow(unused_imports)]
            const OK: Self = {
                #sum
                #krate::__private::quota::Sites::new()
            };
        }
        let <#private::Sites<#inferred> as __CnvCheck>::OK = #looked_at;
    }
}

/// Pairs of pairs, as flat as can be: the compiler follows types only so deep.
fn tree<T>(
    leaves: &[T],
    leaf: &dyn Fn(&T) -> TokenStream,
    node: &dyn Fn(TokenStream, TokenStream) -> TokenStream,
) -> TokenStream {
    match leaves {
        [] => quote!(()),
        [one] => leaf(one),
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            node(tree(left, leaf, node), tree(right, leaf, node))
        }
    }
}

/// The variables of the sites, in their order.
fn sites(spends: &Spends) -> Vec<&Ident> {
    spends
        .all
        .iter()
        .filter_map(|spend| match &spend.callee {
            Callee::Site { site } => Some(site),
            Callee::Companion { .. } => None,
        })
        .collect()
}

/// `account` after everything in `plan`, as one block expression.
fn sequence(plan: &[Plan], account: &Ident, sites: &[&Ident]) -> TokenStream {
    let steps = plan.iter().map(|plan| match plan {
        Plan::Spend(spend) => step(spend, account, sites),
        Plan::Branches(branches) => larger(branches, account, sites),
        Plan::Loop(body) => {
            let body = sequence(body, account, sites);
            quote!({ let #account = __cnv_enter_loop(#account); __cnv_leave_loop(#body) })
        }
    });
    quote!({ #(let #account = #steps;)* #account })
}

/// `account` after the larger of several branches, each of which knows of those before it.
fn larger(branches: &[Vec<Plan>], account: &Ident, sites: &[&Ident]) -> TokenStream {
    let taken = Ident::new("taken", Span::mixed_site());
    let mut branches = branches
        .iter()
        .map(|branch| sequence(branch, account, sites));
    let first = branches.next().unwrap_or_else(|| quote!(#account));
    quote!({
        let #taken = #first;
        #(let #taken = {
            let #account = __cnv_beside(#account, #taken);
            __cnv_larger(#taken, #branches)
        };)*
        #taken
    })
}

/// One call of `step`. The first token carries the span of the callee's name and the last that of its
/// parentheses, so that the compiler underlines exactly the call in the user's source; a token from
/// elsewhere at either end would move the error onto the whole attribute.
fn step(spend: &Spend, account: &Ident, sites: &[&Ident]) -> TokenStream {
    let Spend {
        name,
        name_span,
        paren_span,
        ..
    } = spend;
    let charge = match &spend.callee {
        Callee::Companion { alias, .. } => quote!(#alias),
        Callee::Site { site } => {
            let place = sites.iter().position(|other| *other == site);
            let parameter = format_ident!("S{}", place.unwrap_or_default());
            quote!(#parameter)
        }
    };
    let cost = match spend.end {
        End::Awaited => quote!(__cnv_cost),
        End::Pending => quote!(__cnv_pending),
        End::Concurrent => quote!(__cnv_concurrent),
    };
    let times = spend
        .rounds
        .iter()
        .fold(quote!(1), |times, max| quote!(__cnv_rounds(#times, #max)));
    let step = Ident::new("__cnv_step", *name_span);
    let arguments = quote!(#account, #name, #cost::<#charge>(), #times);
    let mut parenthesised = proc_macro2::Group::new(proc_macro2::Delimiter::Parenthesis, arguments);
    parenthesised.set_span(*paren_span);
    quote!(#step #parenthesised)
}
