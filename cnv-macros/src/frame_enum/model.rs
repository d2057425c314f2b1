//! [`EnumArgs`] to [`EnumModel`].
//!
//! Discriminants that are numbers are checked here, for a message under the number. The expansion has
//! the compiler check all of them once more, those that are expressions included.

use syn::{Expr, ExprLit, Ident, Lit, Path};

use super::parse::{EnumArgs, VariantArgs};
use crate::errors::ErrorSink;

/// An enum whose expansion cannot fail in the macro.
pub(crate) struct EnumModel<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) crate_path: &'a Path,
    pub(crate) variants: Vec<&'a Ident>,
}

const INTEGERS: [&str; 12] = [
    "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "u128", "i128", "usize", "isize",
];

pub(crate) fn check<'a>(args: &'a EnumArgs, sink: &mut ErrorSink) -> Option<EnumModel<'a>> {
    check_repr(args, sink);
    for variant in &args.variants {
        if let Some(fields) = &variant.fields {
            let name = &variant.ident;
            sink.at(
                fields,
                format_args!("variant `{name}` carries fields, and a frame enum is one byte: put them in fields of the frame"),
            );
        }
    }
    if let Some(values) = values(&args.variants) {
        check_contiguous(args, values, sink);
    }
    sink.is_empty().then(|| EnumModel {
        ident: &args.ident,
        crate_path: &args.crate_path,
        variants: args.variants.iter().map(|variant| &variant.ident).collect(),
    })
}

fn check_repr(args: &EnumArgs, sink: &mut ErrorSink) {
    let name = &args.ident;
    if args.repr.find("u8").is_some() {
        return;
    }
    let wide = args.repr.words().find(|(word, _)| INTEGERS.contains(word));
    match wide {
        Some((word, span)) => sink.push(syn::Error::new(
            span,
            format!(
                "`{name}` is `#[repr({word})]`, and a frame enum is one byte: write `#[repr(u8)]`"
            ),
        )),
        None => sink.at(
            name,
            format_args!("`{name}` has no fixed size: write `#[repr(u8)]` above the enum"),
        ),
    }
}

/// The value of every variant, or `None` where one of them is not a number that is a `u8`.
fn values(variants: &[VariantArgs]) -> Option<Vec<u8>> {
    let mut next = Some(0);
    variants
        .iter()
        .map(|variant| {
            let value = match &variant.discriminant {
                Some(discriminant) => literal(discriminant)?,
                None => next?,
            };
            next = value.checked_add(1);
            Some(value)
        })
        .collect()
}

fn literal(expr: &Expr) -> Option<u8> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number.base10_parse().ok(),
        Expr::Lit(ExprLit {
            lit: Lit::Byte(byte),
            ..
        }) => Some(byte.value()),
        Expr::Group(group) => literal(&group.expr),
        Expr::Paren(paren) => literal(&paren.expr),
        _ => None,
    }
}

/// Reports the variant after the first gap.
fn check_contiguous(args: &EnumArgs, values: Vec<u8>, sink: &mut ErrorSink) {
    let mut sorted: Vec<(u8, &VariantArgs)> = values.into_iter().zip(&args.variants).collect();
    sorted.sort_by_key(|(value, _)| *value);
    let gap = sorted
        .windows(2)
        .find(|pair| pair[1].0 > pair[0].0.saturating_add(1));
    let Some([(below, before), (value, after)]) = gap else {
        return;
    };
    let (name, before, variant) = (&args.ident, &before.ident, &after.ident);
    let message = format!(
        "`{name}` leaves a gap between `{before} = {below}` and `{variant} = {value}`, and one byte range must hold exactly its values: write `{variant} = {}`, or make the field a plain `u8`",
        below + 1,
    );
    match &after.discriminant {
        Some(discriminant) => sink.at(discriminant, message),
        None => sink.at(&after.ident, message),
    }
}
