use proc_macro2::TokenStream;
use quote::quote;

use super::derive;
use crate::snapshot::pretty;

#[test]
fn a_frame_expands_to_its_description_and_two_impls() {
    let expansion = derive(quote! {
        #[repr(C)]
        pub struct Reading {
            sensor: u16,
            r#type: Kind,
            #[frame(reserved)]
            _pad: [u8; 1],
        }
    });
    insta::assert_snapshot!(pretty(expansion), @r##"
    const _: () = {
        const __CNV_FIELDS: &[::cnv::__private::frame::FieldLayout] = &[
            ::cnv::__private::frame::field(
                "sensor",
                ::cnv::__private::frame::offset_of!(Reading, sensor),
                |__cnv_frame: &Reading| &__cnv_frame.sensor,
            ),
            ::cnv::__private::frame::field(
                "type",
                ::cnv::__private::frame::offset_of!(Reading, r#type),
                |__cnv_frame: &Reading| &__cnv_frame.r#type,
            ),
            ::cnv::__private::frame::reserved(
                "_pad",
                ::cnv::__private::frame::offset_of!(Reading, _pad),
                |__cnv_frame: &Reading| &__cnv_frame._pad,
            ),
        ];
        const _: () = ::cnv::__private::frame::check_field::<Reading>(__CNV_FIELDS, 0usize);
        const _: () = ::cnv::__private::frame::check_field::<Reading>(__CNV_FIELDS, 1usize);
        const _: () = ::cnv::__private::frame::check_field::<Reading>(__CNV_FIELDS, 2usize);
        const _: () = ::cnv::__private::frame::check_end::<Reading>("Reading", __CNV_FIELDS);
        const __CNV_TABLES: ::cnv::__private::frame::ByteTables<
            { ::cnv::__private::frame::size_of::<Reading>() },
        > = ::cnv::__private::frame::ByteTables::new(__CNV_FIELDS);
        const __CNV_LAYOUT: ::cnv::__private::frame::FrameLayout = ::cnv::__private::frame::layout::<
            Reading,
        >("Reading", __CNV_FIELDS, __CNV_TABLES.lo(), __CNV_TABLES.span());
        #[automatically_derived]
        unsafe impl ::cnv::__private::frame::FrameField for Reading {
            const KIND: ::cnv::__private::frame::FieldKind = ::cnv::__private::frame::FieldKind::Frame(
                &__CNV_LAYOUT,
            );
            const ALIGN: ::cnv::__private::frame::primitive::usize = __CNV_LAYOUT.align();
        }
        #[automatically_derived]
        unsafe impl ::cnv::__private::frame::SimdFrame for Reading {
            const LAYOUT: &'static ::cnv::__private::frame::FrameLayout = &__CNV_LAYOUT;
        }
    };
    "##);
}

#[test]
fn the_crate_can_be_elsewhere() {
    let expansion = derive(quote! {
        #[repr(C)]
        #[frame(crate = "crate::vendored::cnv")]
        struct One {
            a: u8,
        }
    });
    let text = expansion.to_string().replace(' ', "");
    let paths = text.matches("cnv::__private").count();
    assert_eq!(
        text.matches("crate::vendored::cnv::__private").count(),
        paths
    );
    assert_ne!(paths, 0);
}

/// The messages of a refused struct, one a line.
fn messages(input: TokenStream) -> String {
    let text = derive(input).to_string();
    let messages = text.split("compile_error ! { \"").skip(1);
    messages
        .map(|rest| rest.split("\" }").next().unwrap_or(rest))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn each_type_that_cannot_be_a_field_says_what_to_use() {
    let text = messages(quote! {
        #[repr(C)]
        struct Refused {
            a: usize,
            b: char,
            c: &'static str,
            d: std::string::String,
            e: Vec<u8>,
            f: Option<u32>,
            g: core::num::NonZeroU16,
            h: NonZero<i64>,
            i: (u8, u16),
            j: [bool; 4],
            k: [[u8; 2]; 2],
            l: [isize; 2],
            m: [u8],
            n: Box<u8>,
            o: fn(u8) -> u8,
            p: AtomicU8,
            q: Result<u8, u8>,
            #[frame(reserved)]
            _r: u32,
            #[frame(reserved)]
            _s: [u16; 3],
        }
    });
    insta::assert_snapshot!(text, @r##"
    field `a`: `usize` has another size on other machines: use `u64` or `u32`
    field `b`: `char` has values that are no character: use `u32`, and `char::from_u32` when you read it
    field `c`: `&'static str` is a pointer, which means nothing to a reader: use a fixed array such as `[u8; 16]`
    field `d`: `std::string::String` has no fixed size: use `[u8; N]` with a length beside it, or send the text as the payload
    field `e`: `Vec<u8>` keeps its content elsewhere in memory: use a fixed array such as `[u8; 16]`, or send it as the payload
    field `f`: `Option<u32>` has no fixed layout: use the value with a `bool` field beside it that says whether it is there
    field `g`: `core::num::NonZeroU16` cannot be 0, which no byte range says: use `u16`
    field `h`: `NonZero<i64>` cannot be 0, which no byte range says: use `i64`
    field `i`: `(u8, u16)` is a tuple, whose layout is not fixed: use a nested frame, a `#[repr(C)]` struct with `#[derive(SimdFrame)]`
    field `j`: `[bool; 4]` is an array of `bool`: use one `bool` field for each flag, or the bits of an integer
    field `k`: `[[u8; 2]; 2]` is an array of arrays: use one array, or a nested frame for each row
    field `l`: `isize` has another size on other machines: use `i64` or `i32`
    field `m`: `[u8]` has no fixed size: use a fixed array such as `[u8; 16]`, or send it as the payload
    field `n`: `Box<u8>` keeps its content elsewhere in memory: use a fixed array such as `[u8; 16]`, or send it as the payload
    field `o`: `fn(u8) -> u8` is not plain bytes: use an integer, an array of integers or a nested frame
    field `p`: `AtomicU8` can change while it is read: use the plain integer
    field `q`: `Result<u8, u8>` has no fixed layout: use a `#[derive(FrameEnum)]` field for the outcome and a field for the value
    reserved field `_r` is `u32`, and reserved bytes are an array of `u8`: write `[u8; 4]`
    reserved field `_s` is `[u16; 3]`, and reserved bytes are an array of `u8`: write `[u8; 6]`
    "##);
}

#[test]
fn a_type_of_ones_own_may_have_any_name_in_its_own_module() {
    assert_eq!(
        messages(quote!(
            #[repr(C)]
            struct A {
                a: wire::Option,
                b: Timestamp,
            }
        )),
        ""
    );
}

#[test]
fn every_fault_of_a_struct_is_reported() {
    let text = messages(quote! {
        #[frame(crates = "x")]
        struct Many {
            a: usize,
            #[frame(reservd)]
            b: [u8; 4],
            #[frame(pad)]
            c: u8,
        }
    });
    insta::assert_snapshot!(text, @r##"
    Unknown field: `crates`. Did you mean `crate`?
    Unknown field: `reservd`. Did you mean `reserved`?
    Unknown field: `pad`. Available values: `reserved`
    `Many` is not `#[repr(C)]`, so the compiler may reorder its fields: write `#[repr(C)]` above the struct
    field `a`: `usize` has another size on other machines: use `u64` or `u32`
    "##);
}

#[test]
fn a_shape_that_is_no_frame_is_refused() {
    let shapes = [
        quote!(
            #[repr(C)]
            struct Tuple(u8);
        ),
        quote!(
            #[repr(C)]
            struct Unit;
        ),
        quote!(
            #[repr(C)]
            struct Empty {}
        ),
        quote!(
            #[repr(u8)]
            enum Choice {
                A,
            }
        ),
        quote!(#[repr(C)] union Either { a: u8, b: i8 }),
        quote!(
            #[repr(C)]
            struct Generic<'a, T, const N: usize> {
                a: u8,
            }
        ),
        quote!(
            #[repr(C)]
            struct Bounded
            where
                u8: Copy,
            {
                a: u8,
            }
        ),
        quote!(
            #[repr(transparent)]
            struct Plain {
                a: u8,
            }
        ),
        quote!(
            #[repr(C, packed(2))]
            struct Packed {
                a: u8,
            }
        ),
        quote!(
            #[repr(C)]
            #[frame(crate = "not a path")]
            struct Lost {
                a: u8,
            }
        ),
    ];
    let text = shapes.map(messages).join("\n");
    insta::assert_snapshot!(text, @r##"
    `Tuple` is a tuple struct, and the fields of a frame have names: write `struct Tuple { id: u64 }`
    `Unit` has no fields: a frame has at least one
    `Empty` has no fields: a frame has at least one
    `Choice` is an enum, and a frame is a struct: derive `FrameEnum` for an enum that is a field of one
    `Either` is a union, and a frame is a struct: give every field bytes of its own
    `Generic` is generic, and a frame has one layout: write one type for each layout you need
    a frame takes no `where` clause: remove it
    `Plain` is not `#[repr(C)]`, so the compiler may reorder its fields: write `#[repr(C)]` above the struct
    `Packed` is packed, so its fields could not be borrowed: remove `packed`, put wide fields first and declare the rest as `#[frame(reserved)]` bytes
    this is not a path: write where the `cnv` crate is, for example `crate = \"::cnv\"`
    "##);
}
