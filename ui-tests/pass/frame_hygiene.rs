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
}
