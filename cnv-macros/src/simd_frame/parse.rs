//! Syntax to [`FrameArgs`]: what was written, before anyone asks what it means.

use darling::util::Flag;
use darling::{FromAttributes, FromMeta};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, ExprRange, Field, Fields, Ident, Lit, LitInt,
    LitStr, Meta, Path, Token, Type,
};

use crate::args::listed;
use crate::errors::{ErrorSink, nearest};

/// A struct with named fields and its attributes.
pub(crate) struct FrameArgs {
    pub(crate) ident: Ident,
    pub(crate) crate_path: Path,
    pub(crate) repr: Repr,
    pub(crate) version: Option<Expr>,
    pub(crate) align: Option<LitInt>,
    pub(crate) endian: Option<LitStr>,
    pub(crate) check: Option<Path>,
    /// Where `reorder` stands.
    pub(crate) reorder: Option<Span>,
    pub(crate) fields: Vec<FieldArgs>,
}

pub(crate) struct FieldArgs {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) reserved: Option<Span>,
    pub(crate) version: Option<Span>,
    pub(crate) checksum: Option<Span>,
    pub(crate) range: Option<ExprRange>,
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
}

/// The struct, or `None` where its shape leaves nothing to check.
pub(crate) fn parse(input: TokenStream, sink: &mut ErrorSink) -> Option<FrameArgs> {
    let input: DeriveInput = sink.take(syn::parse2(input))?;
    let fields = named_fields(&input, sink)?;
    refuse_generics(&input, "frame", sink)?;
    let attrs = known(&input.attrs, FRAME_KEYS, sink);
    let keys = sink
        .take(FrameKeys::from_attributes(&attrs))
        .unwrap_or_default();
    Some(FrameArgs {
        repr: repr(&input.attrs, sink),
        fields: fields
            .iter()
            .filter_map(|field| parse_field(field, sink))
            .collect(),
        ident: input.ident,
        crate_path: or_cnv(keys.krate),
        version: keys.version,
        align: keys.align,
        endian: keys.endian,
        check: keys.check,
        reorder: at(&keys.reorder),
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
    let attrs = known(&field.attrs, FIELD_KEYS, sink);
    let keys = sink
        .take(FieldKeys::from_attributes(&attrs))
        .unwrap_or_default();
    Some(FieldArgs {
        ident: field.ident.clone()?,
        ty: field.ty.clone(),
        reserved: at(&keys.reserved),
        version: keys.version,
        checksum: at(&keys.crc32c),
        range: keys.range,
    })
}

fn at(flag: &Flag) -> Option<Span> {
    flag.is_present().then(|| flag.span())
}

const FRAME_KEYS: &[&str] = &["align", "check", "crate", "endian", "reorder", "version"];
const FIELD_KEYS: &[&str] = &["crc32c", "range", "reserved", "version"];
const ENUM_KEYS: &[&str] = &["crate"];

/// The `#[frame(..)]` attributes without the keys that are none, which are reported. What is no list
/// of keys is left as it is, for darling to report.
fn known(attrs: &[Attribute], keys: &[&str], sink: &mut ErrorSink) -> Vec<Attribute> {
    let frames = attrs.iter().filter(|attr| attr.path().is_ident("frame"));
    frames
        .map(|attr| {
            let metas = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            let Ok(metas) = metas else {
                return attr.clone();
            };
            let kept = metas.into_iter().filter(|meta| is_known(meta, keys, sink));
            let kept: Punctuated<Meta, Token![,]> = kept.collect();
            syn::parse_quote!(#[frame(#kept)])
        })
        .collect()
}

fn is_known(meta: &Meta, keys: &[&str], sink: &mut ErrorSink) -> bool {
    let key = path_text(meta.path());
    if keys.contains(&key.as_str()) {
        return true;
    }
    let advice = match nearest(&key, keys) {
        Some(near) => format!("did you mean `{near}`?"),
        None if keys.len() == 1 => format!("the only one here is {}", listed(keys)),
        None => format!("those of this place are {}", listed(keys)),
    };
    sink.at(meta.path(), format_args!("unknown key `{key}`: {advice}"));
    false
}

/// The keys of `#[frame(..)]` on a struct.
#[derive(Default, FromAttributes)]
#[darling(attributes(frame), default)]
struct FrameKeys {
    #[darling(rename = "crate", with = crate_key)]
    krate: Option<Path>,
    #[darling(with = version_key)]
    version: Option<Expr>,
    #[darling(with = align_key)]
    align: Option<LitInt>,
    #[darling(with = endian_key)]
    endian: Option<LitStr>,
    #[darling(with = check_key)]
    check: Option<Path>,
    reorder: Flag,
}

/// The keys of `#[frame(..)]` on an enum.
#[derive(Default, FromAttributes)]
#[darling(attributes(frame), default)]
struct EnumKeys {
    #[darling(rename = "crate", with = crate_key)]
    krate: Option<Path>,
}

/// The keys of `#[frame(..)]` on a field.
#[derive(Default, FromAttributes)]
#[darling(attributes(frame), default)]
struct FieldKeys {
    reserved: Flag,
    #[darling(with = version_flag)]
    version: Option<Span>,
    crc32c: Flag,
    #[darling(with = range_key)]
    range: Option<ExprRange>,
}

fn crate_key(meta: &Meta) -> darling::Result<Option<Path>> {
    let text = LitStr::from_meta(meta)?;
    text.parse().map(Some).map_err(|_| {
        let advice =
            "this is not a path: write where the `cnv` crate is, for example `crate = \"::cnv\"`";
        fault(&text, advice)
    })
}

fn version_key(meta: &Meta) -> darling::Result<Option<Expr>> {
    let advice = "the version is a number: write `version = 1`";
    match value(meta).ok_or_else(|| fault(meta, advice))? {
        Expr::Lit(ExprLit {
            lit: Lit::Int(_), ..
        })
        | Expr::Path(_) => Ok(value(meta).cloned()),
        other => Err(fault(other, advice)),
    }
}

fn version_flag(meta: &Meta) -> darling::Result<Option<Span>> {
    match meta {
        Meta::Path(path) => Ok(Some(path.span())),
        other => Err(fault(
            other,
            "`version` stands alone on a field: write its number above the struct, `#[frame(version = 1)]`",
        )),
    }
}

fn align_key(meta: &Meta) -> darling::Result<Option<LitInt>> {
    let advice = "the alignment is a power of two, in bytes: write `align = 64`";
    let written = value(meta).ok_or_else(|| fault(meta, advice))?;
    match written {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) if number
            .base10_parse::<usize>()
            .is_ok_and(usize::is_power_of_two) =>
        {
            Ok(Some(number.clone()))
        }
        other => Err(fault(other, advice)),
    }
}

fn endian_key(meta: &Meta) -> darling::Result<Option<LitStr>> {
    let advice =
        "the order of bytes is a string: write `endian = \"big\"` or `endian = \"little\"`";
    match value(meta).ok_or_else(|| fault(meta, advice))? {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) if ["big", "little"].contains(&text.value().as_str()) => Ok(Some(text.clone())),
        other => Err(fault(other, advice)),
    }
}

fn check_key(meta: &Meta) -> darling::Result<Option<Path>> {
    let advice = "this is not a path: write the function that checks a frame, for example `check = Self::is_ordered`";
    match value(meta).ok_or_else(|| fault(meta, advice))? {
        Expr::Path(path) if path.qself.is_none() => Ok(Some(path.path.clone())),
        other => Err(fault(other, advice)),
    }
}

fn range_key(meta: &Meta) -> darling::Result<Option<ExprRange>> {
    let advice = "this is not a range of integers: write `range = 1..=9`";
    let range = match value(meta).ok_or_else(|| fault(meta, advice))? {
        Expr::Range(range) => range,
        other => return Err(fault(other, advice)),
    };
    for bound in [&range.start, &range.end].into_iter().flatten() {
        if !may_be_integer(bound) {
            return Err(fault(bound, advice));
        }
    }
    if range.start.is_none() && range.end.is_none() {
        return Err(fault(
            range,
            "`..` allows every value: write a bound, for example `range = 1..`, or remove `range`",
        ));
    }
    Ok(Some(range.clone()))
}

/// Whether an expression is not certainly something else than an integer.
fn may_be_integer(bound: &Expr) -> bool {
    match bound {
        Expr::Lit(literal) => matches!(literal.lit, Lit::Int(_) | Lit::Byte(_)),
        Expr::Unary(unary) => may_be_integer(&unary.expr),
        Expr::Group(group) => may_be_integer(&group.expr),
        Expr::Paren(paren) => may_be_integer(&paren.expr),
        _ => true,
    }
}

/// What stands behind `=`, without the invisible groups of `macro_rules!`.
fn value(meta: &Meta) -> Option<&Expr> {
    fn peel(value: &Expr) -> &Expr {
        match value {
            Expr::Group(group) => peel(&group.expr),
            other => other,
        }
    }
    match meta {
        Meta::NameValue(pair) => Some(peel(&pair.value)),
        _ => None,
    }
}

fn fault(spanned: &impl Spanned, message: &str) -> darling::Error {
    darling::Error::custom(message).with_span(spanned)
}

/// The path of `#[frame(crate = "..")]` on an enum, or `::cnv`.
pub(crate) fn enum_crate_path(attrs: &[Attribute], sink: &mut ErrorSink) -> Path {
    let attrs = known(attrs, ENUM_KEYS, sink);
    let keys = sink.take(EnumKeys::from_attributes(&attrs));
    or_cnv(keys.and_then(|keys| keys.krate))
}

fn or_cnv(path: Option<Path>) -> Path {
    path.unwrap_or_else(|| syn::parse_quote!(::cnv))
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
