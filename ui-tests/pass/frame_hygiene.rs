//! The derives in a crate that forbids what it can, has no prelude, and calls things by other names.
#![no_implicit_prelude]
#![deny(warnings, missing_docs, unused_qualifications, clippy::pedantic)]
#![forbid(unsafe_code)]

extern crate cnv as renamed;

/// Names that an expansion might use and does not mean.
pub mod shadows {
    #![allow(non_camel_case_types)]

    /// Not the integer.
    pub struct u8;
    /// Not the integer.
    pub struct usize;
    /// Not the library.
    pub mod cnv {}
    /// Not the library.
    pub mod core {}

    type Byte = ::core::primitive::u8;

    /// An enum.
    #[derive(::renamed::frame::FrameEnum)]
    #[frame(crate = "::renamed")]
    #[repr(u8)]
    pub enum r#Mode {
        /// Off.
        Idle,
        /// On.
        r#Active,
    }

    /// A nested frame.
    #[derive(::renamed::frame::SimdFrame)]
    #[frame(crate = "::renamed")]
    #[repr(C)]
    pub struct Inner {
        /// A name that needs `r#`.
        pub r#type: Mode,
        bytes: [Byte; Self::LEN],
    }

    impl Inner {
        const LEN: ::core::primitive::usize = 3;
    }

    /// Values with gaps.
    #[derive(::renamed::frame::FrameEnum)]
    #[frame(crate = "::renamed")]
    #[repr(u16)]
    pub enum Status {
        /// Fine.
        Ok = 200,
        /// Not so.
        Some = 404,
    }

    /// Not the option.
    pub struct Option;
    /// Not the traits.
    pub trait CheckOutcome {}

    const HIGHEST: Byte = 9;

    /// Every key there is.
    #[derive(::renamed::frame::SimdFrame)]
    #[frame(crate = "::renamed", version = 3, align = 16, check = Self::is_allowed, reorder)]
    #[repr(C, align(16))]
    pub struct Keys {
        status: Status,
        #[frame(range = 1..=HIGHEST)]
        level: Byte,
        #[frame(range = -(2)..3)]
        shift: ::core::primitive::i8,
        #[frame(version)]
        r#version: Byte,
        #[frame(reserved)]
        _pad: [Byte; 7],
        #[frame(crc32c)]
        crc: ::core::primitive::u32,
    }

    impl Keys {
        fn is_allowed(&self) -> ::core::primitive::bool {
            self.level > 1
        }
    }

    /// In network order.
    #[derive(::renamed::frame::SimdFrame)]
    #[frame(crate = "::renamed", endian = "big", check = accept)]
    #[repr(C)]
    pub struct Network {
        value: ::renamed::frame::Be<::core::primitive::u32>,
    }

    fn accept(_: &Network) -> ::core::result::Result<(), &'static ::core::primitive::str> {
        ::core::result::Result::Ok(())
    }

    /// A frame of a wider alignment.
    #[derive(::renamed::frame::SimdFrame)]
    #[frame(crate = "::renamed")]
    #[repr(C, align(16))]
    pub struct Outer {
        inner: Inner,
        is_last: bool,
        #[frame(reserved)]
        _pad: [Byte; 11],
    }
}

macro_rules! ranged {
    ($name:ident, $low:literal, $high:expr, $version:expr) => {
        /// A frame whose keys a macro wrote.
        #[derive(::renamed::frame::SimdFrame)]
        #[frame(crate = "::renamed", version = $version)]
        #[repr(C)]
        pub struct $name {
            #[frame(range = $low..=$high)]
            level: ::core::primitive::u8,
            #[frame(version)]
            version: ::core::primitive::u8,
        }
    };
}

ranged!(Ranged, 1, 3 + 4, 2);

macro_rules! frame_of {
    ($name:ident, $ty:ty) => {
        /// A frame that a macro wrote.
        #[derive(::renamed::frame::SimdFrame)]
        #[frame(crate = "::renamed")]
        #[repr(C)]
        pub struct $name {
            value: $ty,
        }
    };
}

frame_of!(Written, u64);
frame_of!(Nested, Written);

fn main() {
    use ::renamed::frame::SimdFrame;
    ::core::assert_eq!(shadows::Outer::SIZE, 16);
    ::core::assert_eq!(shadows::Outer::LAYOUT.align(), 16);
    ::core::assert!(shadows::Outer::read(&[1; 16]).is_err());
    ::core::assert_eq!(Nested::SIZE, 8);
    ::core::assert_eq!(shadows::Keys::SIZE, 16);
    ::core::assert!(shadows::Keys::read(&[1; 16]).is_err());
    ::core::assert!(shadows::Network::read(&[1; 4]).is_ok());
    ::core::assert_eq!(Ranged::SPAN, [6, 0]);
}
