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
        quote!(#frame::check_enumeration::<#ident>(#name, __CNV_VALUES)),
    );
    quote! {
        const _: () = {
            const __CNV_VALUES: &[#frame::primitive::u8] =
                &[#(#ident::#variants as #frame::primitive::u8),*];
            const _: () = #check;
            // SAFETY: the check above compiles only if the enum is one byte and its values have no gap.
            #[automatically_derived]
            unsafe impl #frame::FrameField for #ident {
                const KIND: #frame::FieldKind = #frame::enumeration(__CNV_VALUES);
                const ALIGN: #frame::primitive::usize = 1;
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
                const KIND: #frame::FieldKind = #frame::FieldKind::Enum { first: 0, last: 0 };
                const ALIGN: #frame::primitive::usize = 1;
            }
            #[automatically_derived]
            unsafe impl #frame::FrameEnum for #ident {}
        };
    }
}
