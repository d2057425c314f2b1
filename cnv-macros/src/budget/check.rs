//! The check of what a body spends, as items that the compiler evaluates in `cargo check`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, Path};

use super::call::Spend;
use super::plan::{Plan, Spends};

/// Imports the companion of every callee under a name of the expansion's own. A callee without a
/// budget has no companion; its name then falls back to an item without a budget, so that the error
/// can say what is missing instead of "expected type, found function".
pub(crate) fn imports(spends: &Spends) -> TokenStream {
    if spends.all.is_empty() {
        return TokenStream::new();
    }
    let fallbacks = spends.all.iter().map(|spend| {
        let alias = &spend.alias;
        let types: Vec<Ident> = (0..spend.arity).map(|i| format_ident!("A{i}")).collect();
        quote! {
            pub enum #alias {}
            impl #alias {
                pub fn call<#(#types),*>(#(_: #types),*) -> ! {
                    loop {}
                }
            }
        }
    });
    let imports = spends.all.iter().map(|spend| {
        let Spend {
            alias, companion, ..
        } = spend;
        quote!(#[allow(unused_imports)] use #companion as #alias;)
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
        #[allow(non_camel_case_types, dead_code, missing_docs, clippy::all, clippy::pedantic)]
        mod __cnv_fallback {
            #(#fallbacks)*
        }
        #[allow(unused_imports)]
        use __cnv_fallback::*;
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
    let steps = spends.all.iter().map(|spend| {
        let Spend {
            alias, name_span, ..
        } = spend;
        quote_spanned!(*name_span=> <#alias as __CnvSpent>::DEPTH_OF_SPENDS)
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

/// The check as an item: what the spends add up to may not exceed what `function` has.
///
/// `cargo check` evaluates `const _` items, also in generic functions and in dead code, so the
/// message appears in editors.
pub(crate) fn check_item(
    plan: &[Plan],
    function: &Ident,
    companion: &Ident,
    limits: &TokenStream,
    krate: &Path,
) -> TokenStream {
    if plan.is_empty() {
        return TokenStream::new();
    }
    let account = Ident::new("account", Span::mixed_site());
    let name = function.to_string();
    let steps = sequence(plan, &account);
    quote! {
        const _: () = {
            use #krate::__private::quota::{
                Budgeted as __CnvBudgeted, larger as __cnv_larger, open as __cnv_open,
                step as __cnv_step,
            };
            let _ = __cnv_larger;
            let #account = __cnv_open(#name, #limits);
            let _ = #steps;
        };
        const _: ::core::primitive::u32 =
            <#companion as #krate::__private::quota::Budgeted>::DEPTH_OF_SPENDS;
    }
}

/// `account` after everything in `plan`, as one block expression.
fn sequence(plan: &[Plan], account: &Ident) -> TokenStream {
    let steps = plan.iter().map(|plan| match plan {
        Plan::Spend(spend) => step(spend, account),
        Plan::Branches(branches) => branches
            .iter()
            .map(|branch| sequence(branch, account))
            .reduce(|larger, next| quote!(__cnv_larger(#larger, #next)))
            .unwrap_or_else(|| quote!(#account)),
    });
    quote!({ #(let #account = #steps;)* #account })
}

/// One call of `step`. The first token carries the span of the callee's name and the last that of its
/// parentheses, so that the compiler underlines exactly the call in the user's source; a token from
/// elsewhere at either end would move the error onto the whole attribute.
fn step(spend: &Spend, account: &Ident) -> TokenStream {
    let Spend {
        alias,
        name,
        name_span,
        paren_span,
        ..
    } = spend;
    let step = Ident::new("__cnv_step", *name_span);
    let arguments = quote!(#account, #name, <#alias as __CnvBudgeted>::LIMITS, 1);
    let mut parenthesised = proc_macro2::Group::new(proc_macro2::Delimiter::Parenthesis, arguments);
    parenthesised.set_span(*paren_span);
    quote!(#step #parenthesised)
}
