//! `#[budget]` on a whole `impl` block or trait: every method that has a budget, or all of them where the
//! attribute says one, expands with the block around it in view.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{Attribute, ImplItem, ItemImpl, ItemTrait, Macro, Meta, TraitItem, parse_quote};

use super::expand as item;
use super::function::{Function, Kind};
use super::model::{ItemModel, Place};
use crate::args::{Argument, Arguments};
use crate::errors::ErrorSink;

/// The methods of a block.
struct Methods<'a> {
    place: Place,
    /// What the attribute on the block says; of nobody where it says nothing.
    default: Option<Arguments>,
    /// Where cnv is, by the attribute on the block.
    krate: Option<Argument>,
    /// Where the attribute on the block stands.
    span: Span,
    /// Whether it says nothing to anybody.
    is_idle: bool,
    is_metered: bool,
    errors: &'a mut ErrorSink,
}

fn implementation(
    mut block: ItemImpl,
    arguments: Arguments,
    is_metered: bool,
    errors: &mut ErrorSink,
) -> TokenStream {
    let place = match &block.trait_ {
        Some((path, _)) => Place::Implementation(path.clone()),
        None => Place::Inherent,
    };
    let mut methods = Methods::new(place, arguments, is_metered, errors);
    for item in &mut block.items {
        match item {
            ImplItem::Fn(_) => {
                if let Some(tokens) = methods.expand(item.to_token_stream()) {
                    *item = ImplItem::Verbatim(tokens);
                }
            }
            ImplItem::Macro(item) => methods.hidden(&item.mac),
            _ => {}
        }
    }
    methods.finish();
    block.into_token_stream()
}

fn declaration(
    mut block: ItemTrait,
    arguments: Arguments,
    is_metered: bool,
    errors: &mut ErrorSink,
) -> TokenStream {
    let mut methods = Methods::new(Place::Trait, arguments, is_metered, errors);
    for item in &mut block.items {
        match item {
            TraitItem::Fn(_) => {
                if let Some(tokens) = methods.expand(item.to_token_stream()) {
                    *item = TraitItem::Verbatim(tokens);
                }
            }
            TraitItem::Macro(item) => methods.hidden(&item.mac),
            _ => {}
        }
    }
    methods.finish();
    block.into_token_stream()
}

impl<'a> Methods<'a> {
    fn new(
        place: Place,
        arguments: Arguments,
        is_metered: bool,
        errors: &'a mut ErrorSink,
    ) -> Self {
        let is_crate = |argument: &Argument| argument.key == "crate";
        let krate = arguments.list.iter().find(|a| is_crate(a)).cloned();
        let says_something = !arguments.list.iter().all(is_crate) || !arguments.readable;
        Self {
            place,
            span: arguments.span,
            is_idle: true,
            is_metered,
            default: says_something.then_some(arguments),
            krate,
            errors,
        }
    }

    /// Reports a macro that may make methods, which would have no budget.
    fn hidden(&mut self, mac: &Macro) {
        if self.default.is_some() {
            self.errors.at(
                &mac.path,
                "the budget of a block does not reach what a macro makes: write the methods out, or move the macro into a block of its own",
            );
        }
    }

    /// Reports an attribute that nothing in the block heeds.
    fn finish(self) {
        if self.is_idle && self.errors.is_empty() {
            self.errors.push(syn::Error::new(
                self.span,
                "no method here has a budget: say it on a method, as in `#[budget(cpu = \"1ms\")]`, or in this attribute for all of them",
            ));
        }
    }

    /// The method's expansion; `None` where it has no budget and stays as it is.
    fn expand(&mut self, tokens: TokenStream) -> Option<TokenStream> {
        let (mut function, has_body) = Function::of_block(tokens)?;
        let is_budget = |attribute: &&mut Attribute| Kind::of(attribute) == Some(Kind::Budget);
        let own = function.attributes.iter_mut().find(is_budget);
        let attributes = match (own, &self.default) {
            (Some(own), _) => {
                if let Some(krate) = &self.krate {
                    inherit(own, krate);
                }
                Vec::new()
            }
            (None, Some(default)) => vec![(Kind::Budget, default.clone())],
            (None, None) => return None,
        };
        self.is_idle = false;
        let place = self.place.clone();
        let model = ItemModel::new(attributes, function, has_body, place, self.errors);
        Some(item::expand(&model, self.is_metered))
    }
}

/// Gives the attribute of a method the `crate` of its block, where it has none.
fn inherit(attribute: &mut Attribute, krate: &Argument) {
    let written = match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let arguments = syn::parse2::<Arguments>(written.clone());
    let has_its_own =
        arguments.is_ok_and(|arguments| arguments.list.iter().any(|a| a.key == krate.key));
    if !has_its_own {
        let (path, key, value) = (attribute.path(), &krate.key, &krate.value);
        attribute.meta = parse_quote!(#path(#key = #value, #written));
    }
}

/// The expansion of a block whose methods may have budgets; `None` for any other item.
pub(crate) fn expand(
    arguments: &Arguments,
    item: &TokenStream,
    is_metered: bool,
    errors: &mut ErrorSink,
) -> Option<TokenStream> {
    match syn::parse2::<syn::Item>(item.clone()).ok()? {
        syn::Item::Impl(block) => {
            Some(implementation(block, arguments.clone(), is_metered, errors))
        }
        syn::Item::Trait(block) => Some(declaration(block, arguments.clone(), is_metered, errors)),
        _ => None,
    }
}
