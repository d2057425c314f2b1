//! [`EnumModel`] to tokens. Nothing fails here.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use super::model::EnumModel;
use super::parse::EnumArgs;
use crate::simd_frame::expand::at;

pub(crate) fn expand(model: &EnumModel) -> TokenStream {
    let EnumModel {
        ident,
        crate_path,
        variants,
    } = model;
    let frame = quote!(#crate_path::__private::frame);
    let name = ident.unraw().to_string();
    let check = at(
        ident.span(),
        quote!(#frame::check_enumeration::<#ident>(#name)),
    );
    quote! {
        const _: () = {
            const __CNV_VALUES: &[#frame::primitive::u32] =
                &#frame::sorted([#(#ident::#variants as #frame::primitive::u32),*]);
            const _: () = #check;
            // SAFETY: the check above compiles only if the enum is 1, 2 or 4 bytes, and the values are
            // those of its variants.
            #[automatically_derived]
            unsafe impl #frame::FrameField for #ident {
                const KIND: #frame::FieldKind = #frame::FieldKind::Enum { values: __CNV_VALUES };
                const ALIGN: #frame::primitive::usize = #frame::size_of::<#ident>();
            }
            #[automatically_derived]
            unsafe impl #frame::FrameEnum for #ident {}
        };
    }
}

/// Impls that keep the uses of a refused enum from raising errors of their own. The program does not
/// compile, so that what they claim is never relied on.
pub(crate) fn stub(args: &EnumArgs) -> TokenStream {
    let EnumArgs {
        ident, crate_path, ..
    } = args;
    let frame = quote!(#crate_path::__private::frame);
    quote! {
        const _: () = {
            #[automatically_derived]
            unsafe impl #frame::FrameField for #ident {
                const KIND: #frame::FieldKind = #frame::FieldKind::Enum { values: &[0] };
                const ALIGN: #frame::primitive::usize = 1;
            }
            #[automatically_derived]
            unsafe impl #frame::FrameEnum for #ident {}
        };
    }
}
