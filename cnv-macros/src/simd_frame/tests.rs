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
        >(
            "Reading",
            __CNV_FIELDS,
            __CNV_TABLES.lo(),
            __CNV_TABLES.span(),
            ::cnv::__private::frame::Option::None,
        );
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
fn each_key_is_a_call_in_the_description_or_a_check_of_it() {
    let expansion = derive(quote! {
        #[repr(C, align(16))]
        #[frame(version = WIRE, align = 16, endian = "big", check = Self::is_ordered, reorder)]
        struct Span {
            start: Be<u32>,
            #[frame(range = ..MAX)]
            end: Be<u32>,
            #[frame(version)]
            version: u8,
            #[frame(range = -3..=3)]
            level: i8,
            #[frame(reserved)]
            _pad: [u8; 2],
            #[frame(crc32c)]
            crc: Be<u32>,
        }
    });
    insta::assert_snapshot!(pretty(expansion), @r##"
    const _: () = {
        const __CNV_FIELDS: &[::cnv::__private::frame::FieldLayout] = &[
            ::cnv::__private::frame::field(
                "start",
                ::cnv::__private::frame::offset_of!(Span, start),
                |__cnv_frame: &Span| &__cnv_frame.start,
            ),
            ::cnv::__private::frame::ranged(
                "end",
                ::cnv::__private::frame::offset_of!(Span, end),
                |__cnv_frame: &Span| &__cnv_frame.end,
                ::cnv::__private::frame::Bound::Unbounded,
                ::cnv::__private::frame::Bound::Excluded(
                    (MAX) as ::cnv::__private::frame::primitive::i128,
                ),
            ),
            ::cnv::__private::frame::version(
                "version",
                ::cnv::__private::frame::offset_of!(Span, version),
                |__cnv_frame: &Span| &__cnv_frame.version,
                WIRE as ::cnv::__private::frame::primitive::i128,
            ),
            ::cnv::__private::frame::ranged(
                "level",
                ::cnv::__private::frame::offset_of!(Span, level),
                |__cnv_frame: &Span| &__cnv_frame.level,
                ::cnv::__private::frame::Bound::Included(
                    (-3) as ::cnv::__private::frame::primitive::i128,
                ),
                ::cnv::__private::frame::Bound::Included(
                    (3) as ::cnv::__private::frame::primitive::i128,
                ),
            ),
            ::cnv::__private::frame::reserved(
                "_pad",
                ::cnv::__private::frame::offset_of!(Span, _pad),
                |__cnv_frame: &Span| &__cnv_frame._pad,
            ),
            ::cnv::__private::frame::checksum(
                "crc",
                ::cnv::__private::frame::offset_of!(Span, crc),
                |__cnv_frame: &Span| &__cnv_frame.crc,
            ),
        ];
        const _: () = ::cnv::__private::frame::check_field::<Span>(__CNV_FIELDS, 0usize);
        const _: () = ::cnv::__private::frame::check_big_endian(__CNV_FIELDS, 0usize);
        const _: () = ::cnv::__private::frame::check_field::<Span>(__CNV_FIELDS, 1usize);
        const _: () = ::cnv::__private::frame::check_range(__CNV_FIELDS, 1usize);
        const _: () = ::cnv::__private::frame::check_big_endian(__CNV_FIELDS, 1usize);
        const _: () = ::cnv::__private::frame::check_field::<Span>(__CNV_FIELDS, 2usize);
        const _: () = ::cnv::__private::frame::check_range(__CNV_FIELDS, 2usize);
        const _: () = ::cnv::__private::frame::check_big_endian(__CNV_FIELDS, 2usize);
        const _: () = ::cnv::__private::frame::check_field::<Span>(__CNV_FIELDS, 3usize);
        const _: () = ::cnv::__private::frame::check_range(__CNV_FIELDS, 3usize);
        const _: () = ::cnv::__private::frame::check_big_endian(__CNV_FIELDS, 3usize);
        const _: () = ::cnv::__private::frame::check_field::<Span>(__CNV_FIELDS, 4usize);
        const _: () = ::cnv::__private::frame::check_big_endian(__CNV_FIELDS, 4usize);
        const _: () = ::cnv::__private::frame::check_field::<Span>(__CNV_FIELDS, 5usize);
        const _: () = ::cnv::__private::frame::check_big_endian(__CNV_FIELDS, 5usize);
        const _: () = ::cnv::__private::frame::check_end::<Span>("Span", __CNV_FIELDS);
        const _: () = ::cnv::__private::frame::check_align::<Span>("Span", __CNV_FIELDS, 16);
        const _: () = ::cnv::__private::frame::check_order::<Span>("Span", __CNV_FIELDS);
        const __CNV_TABLES: ::cnv::__private::frame::ByteTables<
            { ::cnv::__private::frame::size_of::<Span>() },
        > = ::cnv::__private::frame::ByteTables::new(__CNV_FIELDS);
        const __CNV_LAYOUT: ::cnv::__private::frame::FrameLayout = ::cnv::__private::frame::layout::<
            Span,
        >(
            "Span",
            __CNV_FIELDS,
            __CNV_TABLES.lo(),
            __CNV_TABLES.span(),
            ::cnv::__private::frame::Option::Some(
                ::cnv::__private::frame::CrossCheck::of::<Span>("Self::is_ordered"),
            ),
        );
        #[automatically_derived]
        unsafe impl ::cnv::__private::frame::FrameField for Span {
            const KIND: ::cnv::__private::frame::FieldKind = ::cnv::__private::frame::FieldKind::Frame(
                &__CNV_LAYOUT,
            );
            const ALIGN: ::cnv::__private::frame::primitive::usize = __CNV_LAYOUT.align();
        }
        #[automatically_derived]
        unsafe impl ::cnv::__private::frame::SimdFrame for Span {
            const LAYOUT: &'static ::cnv::__private::frame::FrameLayout = &__CNV_LAYOUT;
            fn cross_check(&self) -> ::cnv::__private::frame::CheckResult {
                ::cnv::__private::frame::CheckOutcome::into_result(Self::is_ordered(self))
            }
        }
    };
    "##);
}

#[test]
fn the_keys_of_a_frame_that_contradict_are_refused() {
    let text = messages(quote! {
        #[repr(C)]
        #[frame(version = "one", align = 12, endian = "network", check = 3)]
        struct Written {
            #[frame(range = 7)]
            a: u8,
            #[frame(range = ..)]
            b: u8,
            #[frame(range = "a"..="z")]
            c: u8,
            #[frame(range = 0.5..1.0)]
            d: u8,
            #[frame(version = 3)]
            e: u8,
            #[frame(range)]
            f: u8,
        }
    });
    let more = messages(quote! {
        #[repr(C)]
        #[frame(version = 2, endian = "big")]
        struct Meant {
            #[frame(crc32c)]
            a: Be<u32>,
            b: u32,
            c: [i64; 3],
            #[frame(reserved, range = 1..=2)]
            d: [u8; 4],
            #[frame(crc32c, range = 1..)]
            e: Be<u32>,
        }
    });
    let versions = messages(quote! {
        #[repr(C)]
        struct Versions {
            #[frame(version)]
            a: u8,
            #[frame(version)]
            b: u8,
        }
    });
    let alone = messages(quote! {
        #[repr(C)]
        struct Alone {
            #[frame(crc32c)]
            a: u32,
        }
    });
    insta::assert_snapshot!([text, more, versions, alone].join("\n"), @r##"
    the version is a number: write `version = 1`
    the alignment is a power of two, in bytes: write `align = 64`
    the order of bytes is a string: write `endian = \"big\"` or `endian = \"little\"`
    this is not a path: write the function that checks a frame, for example `check = Self::is_ordered`
    this is not a range of integers: write `range = 1..=9`
    `..` allows every value: write a bound, for example `range = 1..`, or remove `range`
    this is not a range of integers: write `range = 1..=9`
    this is not a range of integers: write `range = 1..=9`
    `version` stands alone on a field: write its number above the struct, `#[frame(version = 1)]`
    this is not a range of integers: write `range = 1..=9`
    no field of `Meant` holds its version: write `#[frame(version)] version: u8,` where it is to stand
    field `a` is the checksum of what stands before it, and fields follow it: move it to the end
    field `b` is `u32`, which is not in network order: write `Be<u32>`, from `cnv::frame`
    field `c` is `[i64; 3]`, which is not in network order: write `[Be<i64>; 3]`, from `cnv::frame`
    field `d` is `reserved`, so that its bytes are 0: remove `range`
    field `e` is `crc32c`, so that its value is the checksum: remove `range`
    field `a` holds a version, and `Versions` has none: write `#[frame(version = 1)]` above the struct
    field `b` is the second that holds the version: keep one of the two
    field `a` is the checksum of what stands before it, and nothing does: add a field above it
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
    field `g`: `core::num::NonZeroU16` cannot be 0, which the frame says and not the type: use `u16`, and write `#[frame(range = 1..)]` above it
    field `h`: `NonZero<i64>` cannot be 0, which the frame says and not the type: use `i64`, and test for 0 in `#[frame(check = ..)]`
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
    unknown key `crates`: did you mean `crate`?
    unknown key `reservd`: did you mean `reserved`?
    unknown key `pad`: those of this place are `crc32c`, `range`, `reserved` and `version`
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
