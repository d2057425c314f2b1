//! [`EnumArgs`] to [`EnumModel`]. The values of the variants are the compiler's to compute.

use syn::{Ident, Path};

use super::parse::EnumArgs;
use crate::errors::ErrorSink;

/// An enum whose expansion cannot fail in the macro.
pub(crate) struct EnumModel<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) crate_path: &'a Path,
    pub(crate) variants: Vec<&'a Ident>,
}

/// Integers that are the representation of a frame enum.
const ACCEPTED: [&str; 3] = ["u8", "u16", "u32"];

/// Those that could be the one of another enum, and what to write instead.
const REFUSED: [(&str, &str); 9] = [
    ("i8", "u8"),
    ("i16", "u16"),
    ("i32", "u32"),
    ("u64", "u32"),
    ("i64", "u32"),
    ("u128", "u32"),
    ("i128", "u32"),
    ("usize", "u32"),
    ("isize", "u32"),
];

pub(crate) fn check<'a>(args: &'a EnumArgs, sink: &mut ErrorSink) -> Option<EnumModel<'a>> {
    check_repr(args, sink);
    for variant in &args.variants {
        if let Some(fields) = &variant.fields {
            let name = &variant.ident;
            sink.at(
                fields,
                format_args!("variant `{name}` carries fields, and a frame enum is a number: put them in fields of the frame"),
            );
        }
    }
    sink.is_empty().then(|| EnumModel {
        ident: &args.ident,
        crate_path: &args.crate_path,
        variants: args.variants.iter().map(|variant| &variant.ident).collect(),
    })
}

fn check_repr(args: &EnumArgs, sink: &mut ErrorSink) {
    let name = &args.ident;
    if ACCEPTED.iter().any(|word| args.repr.find(word).is_some()) {
        return;
    }
    let refused = REFUSED
        .iter()
        .find_map(|(word, instead)| Some((word, instead, args.repr.find(word)?)));
    match refused {
        Some((word, instead, span)) => sink.push(syn::Error::new(
            span,
            format!(
                "`{name}` is `#[repr({word})]`, and a frame enum is a `u8`, `u16` or `u32`: write `#[repr({instead})]`"
            ),
        )),
        None => sink.at(
            name,
            format_args!("`{name}` has no fixed size: write `#[repr(u8)]` above the enum"),
        ),
    }
}
