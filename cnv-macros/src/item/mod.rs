//! One item, one expansion. Several attributes stand on one function; whichever comes first takes its
//! siblings off the item and expands all of them from one model, so that their order never matters,
//! the companion item is made once, and the layers always nest the same way: guard, meter, body.

mod block;
mod expand;
pub(crate) mod function;
mod method;
mod model;

use proc_macro2::TokenStream;
use quote::quote;

use crate::args::Arguments;
use crate::errors::ErrorSink;
pub(crate) use expand::mentions_impl;
use function::{Function, Kind};
use model::{ItemModel, Place};

/// Expands `kind` and its siblings on `item`, with a meter around its body where budgets are metered.
pub(crate) fn expand(
    kind: Kind,
    arguments: TokenStream,
    item: TokenStream,
    is_metered: bool,
) -> TokenStream {
    let mut errors = ErrorSink::new();
    let list = errors.take(kind.parse(arguments));
    let list = list.map(|arguments| arguments.list);
    let arguments = Arguments::new(proc_macro2::Span::call_site(), list);
    let tokens = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => {
            let attributes = vec![(kind, arguments)];
            let model = ItemModel::new(attributes, function, true, Place::Free, &mut errors);
            expand::expand(&model, is_metered)
        }
        Err(error) => {
            let block = (kind == Kind::Budget)
                .then(|| block::expand(&arguments, &item, is_metered, &mut errors))
                .flatten();
            block.unwrap_or_else(|| {
                errors.push(not_a_function(kind, &item, error));
                item
            })
        }
    };
    let errors = errors.into_compile_errors();
    quote!(#tokens #errors)
}

/// Says what the attribute stands on, where that is no function with a body.
fn not_a_function(kind: Kind, item: &TokenStream, error: syn::Error) -> syn::Error {
    let name = kind.name();
    if let Ok(declared) = syn::parse2::<syn::TraitItemFn>(item.clone())
        && declared.default.is_none()
    {
        let function = &declared.sig.ident;
        let instead = match kind {
            Kind::Budget => "put `#[budget]` on the trait, too",
            _ => "put it on the functions that implement this one",
        };
        return syn::Error::new_spanned(
            function,
            format!("`{function}` has no body here that `#[{name}]` could stand before: {instead}"),
        );
    }
    let Ok(other) = syn::parse2::<syn::Item>(item.clone()) else {
        return error;
    };
    let (what, span): (&str, &dyn quote::ToTokens) = match &other {
        syn::Item::Struct(item) => ("a struct", &item.ident),
        syn::Item::Enum(item) => ("an enum", &item.ident),
        syn::Item::Union(item) => ("a union", &item.ident),
        syn::Item::Type(item) => ("a type alias", &item.ident),
        syn::Item::Impl(item) => ("an `impl` block", &item.self_ty),
        syn::Item::Trait(item) => ("a trait", &item.ident),
        syn::Item::Mod(item) => ("a module", &item.ident),
        syn::Item::Const(item) => ("a constant", &item.ident),
        syn::Item::Static(item) => ("a static", &item.ident),
        syn::Item::ForeignMod(item) => ("an `extern` block", &item.abi),
        _ => return error,
    };
    let instead = match (&other, kind) {
        (syn::Item::Impl(_) | syn::Item::Trait(_), kind) if kind != Kind::Verb => {
            ": put it on each method that needs it"
        }
        _ => "",
    };
    syn::Error::new_spanned(
        span,
        format!("`#[{name}]` goes on a function, and this is {what}{instead}"),
    )
}

#[cfg(test)]
mod tests;
