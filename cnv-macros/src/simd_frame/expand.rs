//! [`FrameModel`] to tokens. Nothing fails here.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, ExprRange, RangeLimits};

use super::model::{CheckModel, FieldModel, FrameModel, Role, end_spans};
use super::parse::FrameArgs;

pub(crate) fn expand(model: &FrameModel) -> TokenStream {
    let FrameModel {
        ident,
        crate_path,
        fields,
        check,
        ..
    } = model;
    let frame = quote!(#crate_path::__private::frame);
    let name = ident.unraw().to_string();
    let described = fields.iter().map(|field| describe(field, ident, &frame));
    let checks = checks(model, &name, &frame);
    let layout_check = match check {
        Some(CheckModel { name, .. }) => {
            quote!(#frame::Option::Some(#frame::CrossCheck::of::<#ident>(#name)))
        }
        None => quote!(#frame::Option::None),
    };
    let cross_check = check.as_ref().map(|check| cross_check(check, &frame));
    quote! {
        const _: () = {
            const __CNV_FIELDS: &[#frame::FieldLayout] = &[#(#described),*];
            #(const _: () = #checks;)*
            const __CNV_TABLES: #frame::ByteTables<{ #frame::size_of::<#ident>() }> =
                #frame::ByteTables::new(__CNV_FIELDS);
            const __CNV_LAYOUT: #frame::FrameLayout = #frame::layout::<#ident>(
                #name,
                __CNV_FIELDS,
                __CNV_TABLES.lo(),
                __CNV_TABLES.span(),
                #layout_check,
            );
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
                #cross_check
            }
        };
    }
}

/// What the compiler checks about the description, each where its message is to appear.
fn checks(model: &FrameModel, name: &str, frame: &TokenStream) -> Vec<TokenStream> {
    let ident = model.ident;
    let mut checks = Vec::new();
    for (index, field) in model.fields.iter().enumerate() {
        checks.push(at(
            field.ident.span(),
            quote!(#frame::check_field::<#ident>(__CNV_FIELDS, #index)),
        ));
        let range = match &field.role {
            Role::Range(range) => Some(range.to_token_stream()),
            Role::Version(version) => Some(version.to_token_stream()),
            Role::Value | Role::Reserved | Role::Checksum => None,
        };
        if let Some(ends) = range.and_then(end_spans) {
            let call = (quote!(#frame::check_range), quote!(__CNV_FIELDS, #index));
            checks.push(call_at(ends, call));
        }
        if model.is_big_endian {
            checks.push(at(
                field.ty_span.0,
                quote!(#frame::check_big_endian(__CNV_FIELDS, #index)),
            ));
        }
    }
    checks.push(at(
        ident.span(),
        quote!(#frame::check_end::<#ident>(#name, __CNV_FIELDS)),
    ));
    if let Some(align) = model.align {
        checks.push(at(
            align.span(),
            quote!(#frame::check_align::<#ident>(#name, __CNV_FIELDS, #align)),
        ));
    }
    if let Some(span) = model.reorder {
        checks.push(at(
            span,
            quote!(#frame::check_order::<#ident>(#name, __CNV_FIELDS)),
        ));
    }
    checks
}

/// The call of the author's function, under whose path the compiler reports what does not fit.
fn cross_check(check: &CheckModel, frame: &TokenStream) -> TokenStream {
    let CheckModel { path, .. } = check;
    let (first, last) = end_spans(path.to_token_stream()).unwrap_or_else(|| {
        let span = path.span();
        (span, span)
    });
    let this = quote_spanned!(last.resolved_at(Span::call_site())=> (self));
    let call = call_at(
        (first, last),
        (
            quote!(#frame::CheckOutcome::into_result),
            quote!(#path #this),
        ),
    );
    quote! {
        fn cross_check(&self) -> #frame::CheckResult {
            #call
        }
    }
}

/// A call of a function of `__private` that the compiler sees from the first span to the last.
fn call_at(
    (first, last): (Span, Span),
    (function, arguments): (TokenStream, TokenStream),
) -> TokenStream {
    let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
    arguments.set_span(last);
    let function = at(first, function);
    quote!(#function #arguments)
}

/// `field("name", offset_of!(Frame, name), |frame: &Frame| &frame.name)`, where the compiler infers
/// the type from the projection, and reports under the type when it is no frame field.
fn describe(field: &FieldModel, frame_ident: &Ident, frame: &TokenStream) -> TokenStream {
    let FieldModel {
        ident,
        name,
        role,
        ty_span,
    } = field;
    let (function, more) = match role {
        Role::Value => (quote!(field), None),
        Role::Reserved => (quote!(reserved), None),
        Role::Checksum => (quote!(checksum), None),
        Role::Version(version) => (
            quote!(version),
            Some(quote!(, #version as #frame::primitive::i128)),
        ),
        Role::Range(range) => (quote!(ranged), Some(bounds(range, frame))),
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
            #more
        )
    }
}

fn bounds(range: &ExprRange, frame: &TokenStream) -> TokenStream {
    let bound = |kind: TokenStream, value: &Option<Box<Expr>>| match value {
        Some(value) => quote!(#frame::Bound::#kind((#value) as #frame::primitive::i128)),
        None => quote!(#frame::Bound::Unbounded),
    };
    let start = bound(quote!(Included), &range.start);
    let end = match range.limits {
        RangeLimits::HalfOpen(_) => bound(quote!(Excluded), &range.end),
        RangeLimits::Closed(_) => bound(quote!(Included), &range.end),
    };
    quote!(, #start, #end)
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
