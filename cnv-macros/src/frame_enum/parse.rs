//! Syntax to [`EnumArgs`].

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Fields, Ident, Path};

use crate::errors::ErrorSink;
use crate::simd_frame::parse::{Repr, enum_crate_path, refuse_generics, repr};

/// An enum and its attributes.
pub(crate) struct EnumArgs {
    pub(crate) ident: Ident,
    pub(crate) crate_path: Path,
    pub(crate) repr: Repr,
    pub(crate) variants: Vec<VariantArgs>,
}

pub(crate) struct VariantArgs {
    pub(crate) ident: Ident,
    /// The fields, where there are any.
    pub(crate) fields: Option<Fields>,
}

pub(crate) fn parse(input: TokenStream, sink: &mut ErrorSink) -> Option<EnumArgs> {
    let input: DeriveInput = sink.take(syn::parse2(input))?;
    refuse_generics(&input, "frame enum", sink)?;
    let name = &input.ident;
    let Data::Enum(data) = &input.data else {
        sink.at(
            name,
            format_args!("`{name}` is not an enum: derive `SimdFrame` for a struct"),
        );
        return None;
    };
    if data.variants.is_empty() {
        sink.at(
            name,
            format_args!("`{name}` has no variants, so no byte could stand for it: add one"),
        );
        return None;
    }
    let variants = data
        .variants
        .iter()
        .map(|variant| VariantArgs {
            ident: variant.ident.clone(),
            fields: (!matches!(variant.fields, Fields::Unit)).then(|| variant.fields.clone()),
        })
        .collect();
    Some(EnumArgs {
        crate_path: enum_crate_path(&input.attrs, sink),
        repr: repr(&input.attrs, sink),
        ident: input.ident,
        variants,
    })
}
