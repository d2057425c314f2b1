//! [`FrameArgs`] to [`FrameModel`]: everything that can be refused by looking at the struct alone.
//!
//! What a type really is, only the compiler knows, so the model refuses the names that are certainly
//! wrong, each with what to write instead. All other types meet the trait bound in the expansion.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Expr, ExprRange, Ident, LitInt, Path, PathArguments, Type};

use super::parse::{FieldArgs, FrameArgs};
use crate::errors::ErrorSink;

/// A struct whose expansion cannot fail in the macro.
pub(crate) struct FrameModel<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) crate_path: &'a Path,
    pub(crate) align: Option<&'a LitInt>,
    pub(crate) is_big_endian: bool,
    pub(crate) check: Option<CheckModel<'a>>,
    pub(crate) reorder: Option<Span>,
    pub(crate) fields: Vec<FieldModel<'a>>,
}

/// The author's own check.
pub(crate) struct CheckModel<'a> {
    pub(crate) path: &'a Path,
    pub(crate) name: String,
}

pub(crate) struct FieldModel<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) name: String,
    pub(crate) role: Role<'a>,
    /// First and last token of the type: what the compiler says about the type appears under it.
    pub(crate) ty_span: (Span, Span),
}

pub(crate) enum Role<'a> {
    Value,
    Reserved,
    Range(&'a ExprRange),
    Version(&'a Expr),
    Checksum,
}

pub(crate) fn check<'a>(args: &'a FrameArgs, sink: &mut ErrorSink) -> Option<FrameModel<'a>> {
    check_repr(args, sink);
    check_version(args, sink);
    check_checksum(args, sink);
    let is_big_endian = is_big_endian(args);
    for field in &args.fields {
        check_field(field, is_big_endian, sink);
        check_keys(field, sink);
    }
    sink.is_empty().then(|| FrameModel {
        ident: &args.ident,
        crate_path: &args.crate_path,
        align: args.align.as_ref(),
        is_big_endian,
        check: args.check.as_ref().map(|path| CheckModel {
            path,
            name: text(path),
        }),
        reorder: args.reorder,
        fields: args
            .fields
            .iter()
            .map(|field| field_model(field, args))
            .collect(),
    })
}

fn is_big_endian(args: &FrameArgs) -> bool {
    args.endian
        .as_ref()
        .is_some_and(|endian| endian.value() == "big")
}

fn field_model<'a>(field: &'a FieldArgs, args: &'a FrameArgs) -> FieldModel<'a> {
    let role = match field {
        FieldArgs {
            reserved: Some(_), ..
        } => Role::Reserved,
        FieldArgs {
            checksum: Some(_), ..
        } => Role::Checksum,
        FieldArgs {
            version: Some(_), ..
        } => args.version.as_ref().map_or(Role::Value, Role::Version),
        FieldArgs { range, .. } => range.as_ref().map_or(Role::Value, Role::Range),
    };
    FieldModel {
        ident: &field.ident,
        name: field.name(),
        role,
        ty_span: end_spans(field.ty.to_token_stream()).unwrap_or_else(|| {
            let span = field.ident.span();
            (span, span)
        }),
    }
}

/// A version needs exactly one field that holds it, and such a field a version.
fn check_version(args: &FrameArgs, sink: &mut ErrorSink) {
    let name = &args.ident;
    let mut holders = args
        .fields
        .iter()
        .filter_map(|field| field.version.map(|span| (field, span)));
    match (&args.version, holders.next()) {
        (Some(version), None) => sink.at(
            version,
            format_args!(
                "no field of `{name}` holds its version: write `#[frame(version)] version: u8,` where it is to stand"
            ),
        ),
        (None, Some((field, span))) => sink.push(syn::Error::new(
            span,
            format!(
                "field `{}` holds a version, and `{name}` has none: write `#[frame(version = 1)]` above the struct",
                field.name()
            ),
        )),
        _ => {}
    }
    for (field, span) in holders {
        sink.push(syn::Error::new(
            span,
            format!(
                "field `{}` is the second that holds the version: keep one of the two",
                field.name()
            ),
        ));
    }
}

/// A checksum is of all bytes before it, so that it comes last and not first.
fn check_checksum(args: &FrameArgs, sink: &mut ErrorSink) {
    let count = args.fields.len();
    for (index, field) in args.fields.iter().enumerate() {
        let Some(span) = field.checksum else {
            continue;
        };
        let name = field.name();
        if index + 1 < count {
            sink.push(syn::Error::new(
                span,
                format!(
                    "field `{name}` is the checksum of what stands before it, and fields follow it: move it to the end"
                ),
            ));
        } else if index == 0 {
            sink.push(syn::Error::new(
                span,
                format!(
                    "field `{name}` is the checksum of what stands before it, and nothing does: add a field above it"
                ),
            ));
        }
    }
}

/// One key a field.
fn check_keys(field: &FieldArgs, sink: &mut ErrorSink) {
    let keys = [
        ("reserved", field.reserved),
        ("version", field.version),
        ("crc32c", field.checksum),
        ("range", field.range.as_ref().map(Spanned::span)),
    ];
    let mut present = keys
        .into_iter()
        .filter_map(|(key, span)| Some((key, span?)));
    let Some((first, _)) = present.next() else {
        return;
    };
    let says = match first {
        "reserved" => "its bytes are 0",
        "version" => "its value is the version",
        _ => "its value is the checksum",
    };
    for (key, span) in present {
        sink.push(syn::Error::new(
            span,
            format!(
                "field `{}` is `{first}`, so that {says}: remove `{key}`",
                field.name()
            ),
        ));
    }
}

/// The spans of the first and the last token.
pub(crate) fn end_spans(tokens: TokenStream) -> Option<(Span, Span)> {
    let mut spans = tokens.into_iter().map(|token: TokenTree| token.span());
    let first = spans.next()?;
    Some((first, spans.last().unwrap_or(first)))
}

fn check_repr(args: &FrameArgs, sink: &mut ErrorSink) {
    let name = &args.ident;
    if let Some(span) = args.repr.find("packed") {
        sink.push(syn::Error::new(
            span,
            format!(
                "`{name}` is packed, so its fields could not be borrowed: remove `packed`, put wide fields first and declare the rest as `#[frame(reserved)]` bytes"
            ),
        ));
    } else if args.repr.find("C").is_none() {
        sink.at(
            name,
            format_args!(
                "`{name}` is not `#[repr(C)]`, so the compiler may reorder its fields: write `#[repr(C)]` above the struct"
            ),
        );
    }
}

fn check_field(field: &FieldArgs, is_big_endian: bool, sink: &mut ErrorSink) {
    let name = field.name();
    if field.reserved.is_some() {
        if let Some(instead) = wrong_reserved(&field.ty) {
            let ty = text(&field.ty);
            sink.at(
                &field.ty,
                format_args!("reserved field `{name}` is `{ty}`, and reserved bytes are an array of `u8`: write `{instead}`"),
            );
        }
    } else if let Some(reason) = wrong_type(&field.ty) {
        sink.at(&field.ty, format_args!("field `{name}`: {reason}"));
    } else if let (true, Some(instead)) = (is_big_endian, in_network_order(&field.ty)) {
        let ty = text(&field.ty);
        sink.at(
            &field.ty,
            format_args!("field `{name}` is `{ty}`, which is not in network order: write `{instead}`, from `cnv::frame`"),
        );
    }
}

/// What to write for a number or an array of numbers with more than one byte.
fn in_network_order(ty: &Type) -> Option<String> {
    match peel(ty) {
        Type::Array(array) => {
            let element = in_network_order(&array.elem)?;
            Some(format!("[{element}; {}]", text(&array.len)))
        }
        number => match primitive_size(number) {
            Some(2..) => Some(format!("Be<{}>", text(number))),
            _ => None,
        },
    }
}

/// What to write for a reserved field whose type is certainly not a byte array.
fn wrong_reserved(ty: &Type) -> Option<String> {
    match peel(ty) {
        Type::Array(array) => match primitive_size(&array.elem) {
            Some(1) if is_path_to(&array.elem, "u8") => None,
            Some(size) => match text(&array.len).parse::<usize>() {
                Ok(len) => Some(format!("[u8; {}]", len * size)),
                Err(_) => Some(format!("[u8; {size} * ({})]", text(&array.len))),
            },
            None => None,
        },
        other => primitive_size(other).map(|size| format!("[u8; {size}]")),
    }
}

/// Why this type cannot be a field and what to use instead, where the syntax alone decides it.
fn wrong_type(ty: &Type) -> Option<String> {
    let because = |what: &str| format!("`{}` {what}", text(ty));
    match peel(ty) {
        Type::Path(path) if path.qself.is_none() => wrong_path(&path.path),
        Type::Array(array) => match peel(&array.elem) {
            Type::Array(_) => Some(because(
                "is an array of arrays: use one array, or a nested frame for each row",
            )),
            elem if is_path_to(elem, "bool") => Some(because(
                "is an array of `bool`: use one `bool` field for each flag, or the bits of an integer",
            )),
            elem => wrong_type(elem),
        },
        Type::Reference(_) | Type::Ptr(_) => Some(because(
            "is a pointer, which means nothing to a reader: use a fixed array such as `[u8; 16]`",
        )),
        Type::Slice(_) => Some(because(
            "has no fixed size: use a fixed array such as `[u8; 16]`, or send it as the payload",
        )),
        Type::Tuple(_) => Some(because(
            "is a tuple, whose layout is not fixed: use a nested frame, a `#[repr(C)]` struct with `#[derive(SimdFrame)]`",
        )),
        Type::FnPtr(_) | Type::ImplTrait(_) | Type::TraitObject(_) | Type::Never(_) => Some(
            because("is not plain bytes: use an integer, an array of integers or a nested frame"),
        ),
        _ => None,
    }
}

fn wrong_path(path: &Path) -> Option<String> {
    let last = path.segments.last()?;
    let qualified = path.segments.len() > 1;
    let from_std = path.segments.first().is_some_and(|first| {
        ["std", "core", "alloc"]
            .iter()
            .any(|name| first.ident == name)
    });
    if qualified && !from_std {
        return None;
    }
    let written = text(path);
    let reason = match last.ident.to_string().as_str() {
        "usize" => "has another size on other machines: use `u64` or `u32`".to_owned(),
        "isize" => "has another size on other machines: use `i64` or `i32`".to_owned(),
        "char" => {
            "has values that are no character: use `u32`, and `char::from_u32` when you read it"
                .to_owned()
        }
        "str" | "String" | "CString" | "OsString" | "PathBuf" => {
            "has no fixed size: use `[u8; N]` with a length beside it, or send the text as the payload"
                .to_owned()
        }
        "Vec" | "VecDeque" | "Box" | "Rc" | "Arc" | "HashMap" | "BTreeMap" | "HashSet"
        | "BTreeSet" | "Cow" => {
            "keeps its content elsewhere in memory: use a fixed array such as `[u8; 16]`, or send it as the payload"
                .to_owned()
        }
        "Option" => {
            "has no fixed layout: use the value with a `bool` field beside it that says whether it is there"
                .to_owned()
        }
        "Result" => {
            "has no fixed layout: use a `#[derive(FrameEnum)]` field for the outcome and a field for the value"
                .to_owned()
        }
        name if name.starts_with("NonZero") => {
            let integer = plain_integer(name, &last.arguments);
            let says_so = if integer.starts_with('i') {
                "test for 0 in `#[frame(check = ..)]`"
            } else {
                "write `#[frame(range = 1..)]` above it"
            };
            format!("cannot be 0, which the frame says and not the type: use `{integer}`, and {says_so}")
        }
        name if name.starts_with("Atomic") => {
            "can change while it is read: use the plain integer".to_owned()
        }
        _ => return None,
    };
    Some(format!("`{written}` {reason}"))
}

/// The integer inside `NonZeroU32` or `NonZero<u32>`.
fn plain_integer(name: &str, arguments: &PathArguments) -> String {
    if let PathArguments::AngleBracketed(inner) = arguments {
        return text(&inner.args);
    }
    match name.trim_start_matches("NonZero").to_lowercase().as_str() {
        "" | "usize" => "u64".to_owned(),
        "isize" => "i64".to_owned(),
        integer => integer.to_owned(),
    }
}

/// Bytes of a type written with a primitive's name.
fn primitive_size(ty: &Type) -> Option<usize> {
    let Type::Path(path) = peel(ty) else {
        return None;
    };
    let size = match path.path.get_ident()?.to_string().as_str() {
        "u8" | "i8" | "bool" => 1,
        "u16" | "i16" => 2,
        "u32" | "i32" | "f32" | "char" => 4,
        "u64" | "i64" | "f64" | "usize" | "isize" => 8,
        "u128" | "i128" => 16,
        _ => return None,
    };
    Some(size)
}

fn is_path_to(ty: &Type, name: &str) -> bool {
    matches!(peel(ty), Type::Path(path) if path.path.is_ident(name))
}

/// The type inside parentheses and the invisible groups of `macro_rules!`.
fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => peel(&inner.elem),
        Type::Group(inner) => peel(&inner.elem),
        other => other,
    }
}

/// Tokens as a person writes them.
fn text(tokens: &impl ToTokens) -> String {
    let mut text = quote!(#tokens).to_string();
    for (spaced, tight) in [
        (" < ", "<"),
        (" >", ">"),
        (" :: ", "::"),
        (":: ", "::"),
        (" ;", ";"),
        (" ,", ","),
        ("& ", "&"),
        ("* ", "*"),
        ("' ", "'"),
        ("fn (", "fn("),
    ] {
        text = text.replace(spaced, tight);
    }
    text
}
