//! [`FrameModel`] to tokens. Nothing fails here.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use super::model::{FieldModel, FrameModel};
use super::parse::FrameArgs;

pub(crate) fn expand(model: &FrameModel) -> TokenStream {
    let FrameModel {
        ident,
        crate_path,
        fields,
    } = model;
    let frame = quote!(#crate_path::__private::frame);
    let name = ident.unraw().to_string();
    let described = fields.iter().map(|field| describe(field, ident, &frame));
    let checks = fields.iter().enumerate().map(|(index, field)| {
        let check = quote!(#frame::check_field::<#ident>(__CNV_FIELDS, #index));
        at(field.ident.span(), check)
    });
    let check_end = at(
        ident.span(),
        quote!(#frame::check_end::<#ident>(#name, __CNV_FIELDS)),
    );
    quote! {
        const _: () = {
            const __CNV_FIELDS: &[#frame::FieldLayout] = &[#(#described),*];
            #(const _: () = #checks;)*
            const _: () = #check_end;
            const __CNV_TABLES: #frame::ByteTables<{ #frame::size_of::<#ident>() }> =
                #frame::ByteTables::new(__CNV_FIELDS);
            const __CNV_LAYOUT: #frame::FrameLayout =
                #frame::layout::<#ident>(#name, __CNV_FIELDS, __CNV_TABLES.lo(), __CNV_TABLES.span());
            // SAFETY: the constants above compile only if the fields are frame fields and fill the
            // struct without a gap.
            #[automatically_derived]
            unsafe impl #frame::FrameField for #ident {
                const KIND: #frame::FieldKind = #frame::FieldKind::Frame(&__CNV_LAYOUT);
                const ALIGN: #frame::primitive::usize = __CNV_LAYOUT.align();
            }
            #[automatically_derived]
            unsafe impl #frame::SimdFrame for #ident {
                const LAYOUT: &'static #frame::FrameLayout = &__CNV_LAYOUT;
            }
        };
    }
}

/// `field("name", offset_of!(Frame, name), |frame: &Frame| &frame.name)`, where the compiler infers
/// the type from the projection, and reports under the type when it is no frame field.
fn describe(field: &FieldModel, frame_ident: &Ident, frame: &TokenStream) -> TokenStream {
    let FieldModel {
        ident,
        name,
        reserved,
        ty_span,
    } = field;
    let function = if *reserved {
        quote!(reserved)
    } else {
        quote!(field)
    };
    let (first, last) = ty_span;
    let mut last_ident: Ident = (*ident).clone();
    last_ident.set_span(ident.span().located_at(*last));
    let bar = quote_spanned!(Span::mixed_site().located_at(*first)=> |);
    quote! {
        #frame::#function(
            #name,
            #frame::offset_of!(#frame_ident, #ident),
            #bar __cnv_frame: &#frame_ident| &__cnv_frame.#last_ident
        )
    }
}

/// Impls that keep the uses of a refused frame from raising errors of their own. The program does
/// not compile, so that what they claim is never relied on.
pub(crate) fn stub(args: &FrameArgs) -> TokenStream {
    let FrameArgs {
        ident, crate_path, ..
    } = args;
    let frame = quote!(#crate_path::__private::frame);
    quote! {
        const _: () = {
            #[automatically_derived]
            unsafe impl #frame::FrameField for #ident {
                const KIND: #frame::FieldKind = #frame::FieldKind::Frame(#frame::REFUSED);
                const ALIGN: #frame::primitive::usize = 1;
            }
            #[automatically_derived]
            unsafe impl #frame::SimdFrame for #ident {
                const LAYOUT: &'static #frame::FrameLayout = #frame::REFUSED;
            }
        };
    }
}

/// The tokens, all at `span`. A constant that panics is reported where its tokens stand, and if they
/// were a macro's, under the name of the macro.
pub(crate) fn at(span: Span, tokens: TokenStream) -> TokenStream {
    let respan = |mut token: TokenTree| {
        if let TokenTree::Group(group) = &token {
            token = Group::new(group.delimiter(), at(span, group.stream())).into();
        }
        token.set_span(span);
        token
    };
    tokens.into_iter().map(respan).collect()
}
