//! What zerocopy can say of bytes, too, a frame says the same: types of many shapes, once for each.

use cnv::frame::{AlignedBuffer, Be, FrameEnum, Frames, LayoutError, Le, SimdFrame};
use cnv_tests::random::{Random, legal_frame};
use proptest::prelude::*;
use zerocopy::byteorder::{little_endian, network_endian};
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Enums that are fields of both.
macro_rules! enums {
    ($($name:ident: $repr:ident { $($variant:ident = $value:literal),+ })*) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, FrameEnum, TryFromBytes, IntoBytes, KnownLayout, Immutable)]
        #[repr($repr)]
        pub(crate) enum $name { $($variant = $value),+ }
        same!($name);
    )*};
}

/// Whether a field of a frame has the value of the same field of zerocopy's.
trait Same<T> {
    fn is_same(&self, other: &T) -> bool;
}

macro_rules! same {
    ($($ty:ty),*) => {$(
        impl Same<$ty> for $ty {
            fn is_same(&self, other: &$ty) -> bool { self == other }
        }
    )*};
}

macro_rules! same_order {
    ($($ours:ty, $theirs:ty;)*) => {$(
        impl Same<$theirs> for $ours {
            fn is_same(&self, other: &$theirs) -> bool {
                self.get() == other.get() && *self == <$ours>::new(other.get())
            }
        }
    )*};
}

same!(bool, u8, u16, u32, u64, u128, i8, i16, i32, i64, i128);
same_order! {
    Be<u16>, network_endian::U16;
    Be<u32>, network_endian::U32;
    Be<u64>, network_endian::U64;
    Be<i16>, network_endian::I16;
    Be<i32>, network_endian::I32;
    Be<i64>, network_endian::I64;
    Le<u32>, little_endian::U32;
    Le<i64>, little_endian::I64;
}

impl Same<f32> for f32 {
    fn is_same(&self, other: &f32) -> bool {
        self.to_bits() == other.to_bits()
    }
}

impl Same<f64> for f64 {
    fn is_same(&self, other: &f64) -> bool {
        self.to_bits() == other.to_bits()
    }
}

impl Same<network_endian::F32> for Be<f32> {
    fn is_same(&self, other: &network_endian::F32) -> bool {
        self.get().to_bits() == other.get().to_bits()
    }
}

impl Same<network_endian::F64> for Be<f64> {
    fn is_same(&self, other: &network_endian::F64) -> bool {
        self.get().to_bits() == other.get().to_bits()
    }
}

impl<T: Same<U>, U, const N: usize> Same<[U; N]> for [T; N] {
    fn is_same(&self, other: &[U; N]) -> bool {
        self.iter()
            .zip(other)
            .all(|(ours, theirs)| ours.is_same(theirs))
    }
}

/// Reserved bytes, which zerocopy has as an enum of one variant.
impl Same<Zero> for u8 {
    fn is_same(&self, _: &Zero) -> bool {
        *self == 0
    }
}

/// A range of one byte, and a version.
macro_rules! same_byte {
    ($($name:ident),*) => {$(
        impl Same<$name> for u8 {
            fn is_same(&self, other: &$name) -> bool { *self == *other as u8 }
        }
    )*};
}

same_byte!(Nibble, Third);

enums! {
    Zero: u8 { Is = 0 }
    Only: u8 { V7 = 7 }
    Pair: u8 { A = 0, B = 1 }
    Kind: u8 { A = 3, B = 4, C = 5 }
    Sparse: u8 { Off = 0, On = 1, Failed = 200, Last = 255 }
    Many: u8 { A = 1, B = 3, C = 5, D = 7, E = 9, F = 11, G = 13, H = 15, I = 17, J = 100 }
    Status: u16 { Ok = 200, NotFound = 404, Teapot = 418 }
    Low: u16 { A = 0, B = 1, C = 2 }
    Carry: u16 { A = 0xfe, B = 0xff, C = 0x100, D = 0x101 }
    Magic: u32 { First = 0x4d41_4730, Second = 0x4d41_4731 }
    Wide: u32 { Zero = 0, Top = 0xffff_ffff }
    Nibble: u8 { N1 = 1, N2 = 2, N3 = 3, N4 = 4 }
    Third: u8 { V3 = 3 }
}

/// One struct for each, with the same fields, of types that are written `ours | theirs`.
macro_rules! pairs {
    ($($(#[frame($key:meta)])? $name:ident {
        $($(#[$rule:meta])* $field:ident: $ours:ty | $theirs:ty,)*
    })*) => {
        mod ours {
            use super::*;
            $(
                #[derive(Debug, PartialEq, SimdFrame)]
                $(#[frame($key)])?
                #[repr(C)]
                pub(crate) struct $name { $($(#[$rule])* pub(crate) $field: $ours,)* }
            )*
        }

        mod theirs {
            use super::*;
            $(
                #[derive(Debug, TryFromBytes, IntoBytes, KnownLayout, Immutable)]
                #[repr(C)]
                pub(crate) struct $name { $(pub(crate) $field: $theirs,)* }
            )*
        }

        $(impl Same<theirs::$name> for ours::$name {
            fn is_same(&self, other: &theirs::$name) -> bool {
                true $(&& self.$field.is_same(&other.$field))*
            }
        })*

        /// Every pair, on legal frames, changed ones, and bytes that nobody thought of.
        fn every_pair_agrees(seed: u64) {
            $(agree::<ours::$name, theirs::$name>(&mut Random::new(seed));)*
        }

        #[test]
        fn legal_frames_are_legal_to_both() {
            $(legal::<ours::$name, theirs::$name>();)*
        }

        #[test]
        fn every_byte_at_every_value() {
            $(corrupt::<ours::$name, theirs::$name>();)*
        }
    };
}

pairs! {
    Plain {
        id: u64 | u64,
        ratio: f64 | f64,
        delta: i32 | i32,
        scale: f32 | f32,
    }
    Flag {
        is_set: bool | bool,
    }
    Odd {
        is_first: bool | bool,
        sparse: Sparse | Sparse,
        any: u8 | u8,
    }
    Reserved {
        id: u32 | u32,
        #[frame(reserved)]
        _pad: [u8; 3] | [Zero; 3],
        only: Only | Only,
    }
    Ranges {
        id: u16 | u16,
        #[frame(range = 1..=4)]
        level: u8 | Nibble,
        is_last: bool | bool,
        values: [i16; 6] | [i16; 6],
    }
    #[frame(version = 3)]
    Versioned {
        #[frame(version)]
        version: u8 | Third,
        kind: Kind | Kind,
        port: u16 | u16,
        #[frame(reserved)]
        _pad: [u8; 12] | [Zero; 12],
        big: i128 | i128,
        bigger: u128 | u128,
    }
    Enums {
        magic: Magic | Magic,
        wide: Wide | Wide,
        status: Status | Status,
        low: Low | Low,
        carry: Carry | Carry,
        many: Many | Many,
        pair: Pair | Pair,
    }
    Inner {
        status: Status | Status,
        sparse: Sparse | Sparse,
        is_last: bool | bool,
        value: f32 | f32,
    }
    Outer {
        first: ours::Inner | theirs::Inner,
        kind: Kind | Kind,
        #[frame(reserved)]
        _pad: [u8; 3] | [Zero; 3],
        second: ours::Inner | theirs::Inner,
    }
    Deep {
        id: u64 | u64,
        outer: ours::Outer | theirs::Outer,
        is_first: bool | bool,
        #[frame(reserved)]
        _pad: [u8; 3] | [Zero; 3],
    }
    #[frame(endian = "big")]
    Network {
        id: Be<u32> | network_endian::U32,
        ports: [Be<u16>; 2] | [network_endian::U16; 2],
        ratio: Be<f64> | network_endian::F64,
        delta: Be<i64> | network_endian::I64,
        total: Be<u64> | network_endian::U64,
        shift: Be<i16> | network_endian::I16,
        kind: Kind | Kind,
        is_last: bool | bool,
        change: Be<i32> | network_endian::I32,
        scale: Be<f32> | network_endian::F32,
        #[frame(reserved)]
        _pad: [u8; 4] | [Zero; 4],
    }
    Stated {
        count: Le<u32> | little_endian::U32,
        sparse: Sparse | Sparse,
        #[frame(reserved)]
        _pad: [u8; 3] | [Zero; 3],
        delta: Le<i64> | little_endian::I64,
    }
    Line {
        session: [u8; 16] | [u8; 16],
        stream: u8 | u8,
        kind: Kind | Kind,
        #[frame(range = 1..=4)]
        level: u8 | Nibble,
        #[frame(reserved)]
        _flags: [u8; 1] | [Zero; 1],
        len: u32 | u32,
        sequence: u64 | u64,
        timestamp_ns: u64 | u64,
        inline: [u8; 24] | [u8; 24],
    }
    Scattered {
        is_first: bool | bool,
        any: [u8; 29] | [u8; 29],
        pair: Pair | Pair,
        more: [u8; 32] | [u8; 32],
        is_last: bool | bool,
    }
    Long {
        is_first: bool | bool,
        any: [u8; 70] | [u8; 70],
        many: Many | Many,
        more: [u8; 55] | [u8; 55],
        only: Only | Only,
    }
}

/// One frame, at an address that both take.
fn agree_on<O, T>(bytes: &[u8]) -> bool
where
    O: SimdFrame + Same<T>,
    T: TryFromBytes + IntoBytes + KnownLayout + Immutable,
{
    let (ours, theirs) = (O::read(bytes), T::try_read_from_bytes(bytes));
    let name = O::LAYOUT.name();
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{name} {bytes:?}");
    assert_eq!(O::validate(bytes).is_ok(), ours.is_ok(), "{name} {bytes:?}");
    let is_legal = ours.is_ok();
    if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
        assert!(ours.is_same(&theirs), "{name} {bytes:?}");
        assert_eq!(SimdFrame::as_bytes(&ours), bytes);
        assert_eq!(IntoBytes::as_bytes(&theirs), bytes);
        let mut out = vec![0; bytes.len()];
        ours.encode_into(&mut out).unwrap();
        assert_eq!(out, bytes);
    }
    is_legal
}

/// Borrowed at every address: where both have one alignment, both refuse the same.
fn agree_on_borrows<O, T>(bytes: &[u8])
where
    O: SimdFrame,
    T: TryFromBytes + KnownLayout + Immutable,
{
    let mut buffer = AlignedBuffer::new();
    buffer.extend_from_slice(&[0xa5; 32]).unwrap();
    buffer.extend_from_slice(bytes).unwrap();
    for start in 0..=32 {
        buffer.as_mut_slice()[start..][..bytes.len()].copy_from_slice(bytes);
        let bytes = &buffer.as_slice()[start..][..bytes.len()];
        let (ours, theirs) = (O::parse(bytes), T::try_ref_from_bytes(bytes));
        let is_misaligned = matches!(ours, Err(LayoutError::Misaligned { .. }));
        assert_eq!(is_misaligned, ours.is_err() && O::read(bytes).is_ok());
        assert_eq!(
            is_misaligned,
            O::read(bytes).is_ok() && start % align_of::<O>() != 0
        );
        if align_of::<O>() == align_of::<T>() {
            assert_eq!(
                ours.is_ok(),
                theirs.is_ok(),
                "{} at {start}",
                O::LAYOUT.name()
            );
        }
    }
}

/// A legal frame with up to three bytes changed, and then many frames of which one is so.
fn agree<O, T>(random: &mut Random)
where
    O: SimdFrame + Same<T>,
    T: TryFromBytes + IntoBytes + KnownLayout + Immutable,
{
    assert_eq!(O::SIZE, size_of::<T>());
    let wild: Vec<u8> = (0..O::SIZE).map(|_| random.byte()).collect();
    agree_on::<O, T>(&wild);
    agree_on::<O, T>(&wild[1..]);
    let mut frame = legal_frame(O::LAYOUT, random);
    for _ in 0..random.below(4) {
        frame[random.below(O::SIZE)] = random.byte();
    }
    let is_legal = agree_on::<O, T>(&frame);
    agree_on_borrows::<O, T>(&frame);

    let count = *random.pick(&[1, 4, 5, 64, 65, 70]);
    let at = random.below(count);
    let mut bytes = AlignedBuffer::new();
    for index in 0..count {
        let legal = legal_frame(O::LAYOUT, random);
        let bytes_of_one = if index == at { &frame } else { &legal };
        bytes.extend_from_slice(bytes_of_one).unwrap();
    }
    let ours = Frames::<O>::validate_all(bytes.as_slice());
    let theirs = <[T]>::try_ref_from_bytes(bytes.as_slice());
    assert_eq!(ours.is_ok(), is_legal, "{}", O::LAYOUT.name());
    assert_eq!(theirs.is_ok(), is_legal, "{}", O::LAYOUT.name());
    if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
        assert_eq!(ours.len(), theirs.len());
        assert!(
            ours.iter()
                .zip(theirs)
                .all(|(ours, theirs)| ours.is_same(theirs))
        );
    }
}

fn legal<O, T>()
where
    O: SimdFrame + Same<T>,
    T: TryFromBytes + IntoBytes + KnownLayout + Immutable,
{
    for seed in 0..50 {
        let frame = legal_frame(O::LAYOUT, &mut Random::new(seed));
        assert!(agree_on::<O, T>(&frame), "{} {frame:?}", O::LAYOUT.name());
        agree_on_borrows::<O, T>(&frame);
    }
}

fn corrupt<O, T>()
where
    O: SimdFrame + Same<T>,
    T: TryFromBytes + IntoBytes + KnownLayout + Immutable,
{
    let legal = legal_frame(O::LAYOUT, &mut Random::new(7));
    for at in 0..legal.len() {
        let mut bytes = legal.clone();
        for value in 0..=u8::MAX {
            bytes[at] = value;
            agree_on::<O, T>(&bytes);
        }
    }
    for len in 0..legal.len() {
        assert!(!agree_on::<O, T>(&legal[..len]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 0, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn both_accept_the_same_bytes(seed in any::<u64>()) {
        every_pair_agrees(seed);
    }
}
