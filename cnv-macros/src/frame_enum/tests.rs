use proc_macro2::TokenStream;
use quote::quote;

use super::derive;
use crate::snapshot::pretty;

#[test]
fn an_enum_expands_to_its_values_and_two_impls() {
    let expansion = derive(quote! {
        #[repr(u8)]
        enum Mode {
            Idle = 1,
            Active,
        }
    });
    insta::assert_snapshot!(pretty(expansion), @r##"
    const _: () = {
        const __CNV_VALUES: &[::cnv::__private::frame::primitive::u32] = &::cnv::__private::frame::sorted([
            Mode::Idle as ::cnv::__private::frame::primitive::u32,
            Mode::Active as ::cnv::__private::frame::primitive::u32,
        ]);
        const _: () = ::cnv::__private::frame::check_enumeration::<Mode>("Mode");
        #[automatically_derived]
        unsafe impl ::cnv::__private::frame::FrameField for Mode {
            const KIND: ::cnv::__private::frame::FieldKind = ::cnv::__private::frame::FieldKind::Enum {
                values: __CNV_VALUES,
            };
            const ALIGN: ::cnv::__private::frame::primitive::usize = ::cnv::__private::frame::size_of::<
                Mode,
            >();
        }
        #[automatically_derived]
        unsafe impl ::cnv::__private::frame::FrameEnum for Mode {}
    };
    "##);
}

fn messages(input: TokenStream) -> String {
    let text = derive(input).to_string();
    let messages = text.split("compile_error ! { \"").skip(1);
    messages
        .map(|rest| rest.split("\" }").next().unwrap_or(rest))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn an_enum_that_is_no_number_is_refused() {
    let enums = [
        quote!(
            enum Plain {
                A,
            }
        ),
        quote!(
            #[repr(C)]
            enum AsC {
                A,
            }
        ),
        quote!(
            #[repr(u64)]
            enum Wide {
                A,
            }
        ),
        quote!(
            #[repr(i8)]
            enum Signed {
                A,
            }
        ),
        quote!(
            #[repr(u8)]
            #[frame(version = 1)]
            enum Versioned {
                A,
            }
        ),
        quote!(
            #[repr(u8)]
            enum Loaded {
                A(u8),
                B { x: u8 },
                C,
            }
        ),
        quote!(
            #[repr(u8)]
            enum Empty {}
        ),
        quote!(
            #[repr(u8)]
            enum Generic<T> {
                A,
            }
        ),
        quote!(
            #[repr(C)]
            struct NotAnEnum {
                a: u8,
            }
        ),
    ];
    let text = enums.map(messages).join("\n");
    insta::assert_snapshot!(text, @r##"
    `Plain` has no fixed size: write `#[repr(u8)]` above the enum
    `AsC` has no fixed size: write `#[repr(u8)]` above the enum
    `Wide` is `#[repr(u64)]`, and a frame enum is a `u8`, `u16` or `u32`: write `#[repr(u32)]`
    `Signed` is `#[repr(i8)]`, and a frame enum is a `u8`, `u16` or `u32`: write `#[repr(u8)]`
    unknown key `version`: the only one here is `crate`
    variant `A` carries fields, and a frame enum is a number: put them in fields of the frame
    variant `B` carries fields, and a frame enum is a number: put them in fields of the frame
    `Empty` has no variants, so no byte could stand for it: add one
    `Generic` is generic, and a frame enum has one layout: write one type for each layout you need
    `NotAnEnum` is not an enum: derive `SimdFrame` for a struct
    "##);
}

#[test]
fn an_enum_is_accepted_in_any_order_and_with_gaps() {
    for accepted in [
        quote!(
            #[repr(u8)]
            enum A {
                C = 3,
                A = 1,
                B,
            }
        ),
        quote!(
            #[repr(u8)]
            enum B {
                Z = b'b',
                A = b'a',
            }
        ),
        quote!(
            #[repr(u8)]
            enum C {
                Top = 0xff,
            }
        ),
        quote!(
            #[repr(u32)]
            enum E {
                Low = 1,
                High = 0xffff_ffff,
            }
        ),
        quote!(
            #[repr(u8)]
            enum D {
                Computed = START + 1,
                Next,
            }
        ),
    ] {
        assert_eq!(messages(accepted), "");
    }
}
