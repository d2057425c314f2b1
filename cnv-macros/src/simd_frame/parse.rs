//! Syntax to [`FrameArgs`]: what was written, before anyone asks what it means.

use darling::util::Flag;
use darling::{FromAttributes, FromMeta};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, LitStr, Meta, Path, Type};

use crate::errors::ErrorSink;

/// A struct with named fields and its attributes.
pub(crate) struct FrameArgs {
    pub(crate) ident: Ident,
    pub(crate) crate_path: Path,
    pub(crate) repr: Repr,
    pub(crate) fields: Vec<FieldArgs>,
}

pub(crate) struct FieldArgs {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) reserved: bool,
}

impl FieldArgs {
    /// The name as a person says it, without `r#`.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }
}

/// Every word inside the `#[repr(..)]` attributes of an item, with where it stands.
pub(crate) struct Repr {
    words: Vec<(String, Span)>,
}

impl Repr {
    /// Where `word` stands, if it does.
    pub(crate) fn find(&self, word: &str) -> Option<Span> {
        self.words
            .iter()
            .find(|(written, _)| written == word)
            .map(|(_, span)| *span)
    }

    pub(crate) fn words(&self) -> impl Iterator<Item = (&str, Span)> {
        self.words.iter().map(|(word, span)| (word.as_str(), *span))
    }
}

/// The struct, or `None` where its shape leaves nothing to check.
pub(crate) fn parse(input: TokenStream, sink: &mut ErrorSink) -> Option<FrameArgs> {
    let input: DeriveInput = sink.take(syn::parse2(input))?;
    let fields = named_fields(&input, sink)?;
    refuse_generics(&input, "frame", sink)?;
    let crate_path = crate_path(&input.attrs, sink);
    Some(FrameArgs {
        repr: repr(&input.attrs, sink),
        fields: fields
            .iter()
            .filter_map(|field| parse_field(field, sink))
            .collect(),
        ident: input.ident,
        crate_path,
    })
}

fn named_fields<'a>(input: &'a DeriveInput, sink: &mut ErrorSink) -> Option<&'a Fields> {
    let name = &input.ident;
    match &input.data {
        Data::Struct(data) => match &data.fields {
            fields @ Fields::Named(named) if !named.named.is_empty() => return Some(fields),
            Fields::Unnamed(_) => sink.at(
                name,
                format_args!(
                    "`{name}` is a tuple struct, and the fields of a frame have names: write `struct {name} {{ id: u64 }}`"
                ),
            ),
            _ => sink.at(name, format_args!("`{name}` has no fields: a frame has at least one")),
        },
        Data::Enum(_) => sink.at(
            name,
            format_args!(
                "`{name}` is an enum, and a frame is a struct: derive `FrameEnum` for an enum that is a field of one"
            ),
        ),
        Data::Union(_) => sink.at(
            name,
            format_args!(
                "`{name}` is a union, and a frame is a struct: give every field bytes of its own"
            ),
        ),
    }
    None
}

/// `None` where the item is generic: one layout has one set of byte tables.
pub(crate) fn refuse_generics(input: &DeriveInput, what: &str, sink: &mut ErrorSink) -> Option<()> {
    let name = &input.ident;
    if !input.generics.params.is_empty() {
        sink.at(
            &input.generics.params,
            format_args!(
                "`{name}` is generic, and a {what} has one layout: write one type for each layout you need"
            ),
        );
        return None;
    }
    if let Some(clause) = &input.generics.where_clause {
        sink.at(
            clause,
            format_args!("a {what} takes no `where` clause: remove it"),
        );
        return None;
    }
    Some(())
}

fn parse_field(field: &Field, sink: &mut ErrorSink) -> Option<FieldArgs> {
    Some(FieldArgs {
        ident: field.ident.clone()?,
        ty: field.ty.clone(),
        reserved: reserved(&field.attrs, sink),
    })
}

/// The keys of `#[frame(..)]` on a struct or an enum.
#[derive(Default, FromAttributes)]
#[darling(attributes(frame), default)]
struct ItemKeys {
    #[darling(rename = "crate", with = crate_key)]
    krate: Option<Path>,
}

fn crate_key(meta: &Meta) -> darling::Result<Option<Path>> {
    let text = LitStr::from_meta(meta)?;
    text.parse().map(Some).map_err(|_| {
        let advice =
            "this is not a path: write where the `cnv` crate is, for example `crate = \"::cnv\"`";
        darling::Error::custom(advice).with_span(&text)
    })
}

/// The keys of `#[frame(..)]` on a field.
#[derive(Default, FromAttributes)]
#[darling(attributes(frame), default)]
struct FieldKeys {
    reserved: Flag,
}

/// The path of `#[frame(crate = "..")]`, or `::cnv`.
pub(crate) fn crate_path(attrs: &[Attribute], sink: &mut ErrorSink) -> Path {
    let keys = sink.take(ItemKeys::from_attributes(attrs));
    keys.and_then(|keys| keys.krate)
        .unwrap_or_else(|| syn::parse_quote!(::cnv))
}

fn reserved(attrs: &[Attribute], sink: &mut ErrorSink) -> bool {
    let keys = sink.take(FieldKeys::from_attributes(attrs));
    keys.is_some_and(|keys| keys.reserved.is_present())
}

/// The words of `#[repr(..)]`. A malformed one is the compiler's to report.
pub(crate) fn repr(attrs: &[Attribute], sink: &mut ErrorSink) -> Repr {
    let mut words = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("repr")) {
        let result = attr.parse_nested_meta(|meta| {
            words.push((path_text(&meta.path), meta.path.span()));
            if meta.input.peek(syn::token::Paren) {
                let argument;
                syn::parenthesized!(argument in meta.input);
                argument.parse::<TokenStream>()?;
            }
            Ok(())
        });
        sink.take(result);
    }
    Repr { words }
}

fn path_text(path: &Path) -> String {
    quote!(#path).to_string()
}
