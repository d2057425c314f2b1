//! Numbers whose order of bytes is part of their type.
#![allow(
    unsafe_code,
    reason = "the impls of `FrameField` vouch for the wrappers' bytes"
)]

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

use super::field::{ChecksumField, FrameElement, FrameField, RangedField};
use super::layout::FieldKind;

/// A number that [`Be`] and [`Le`] hold.
///
/// Implemented for `u16` to `u128`, `i16` to `i128`, `f32` and `f64`; single bytes have no order.
pub trait Number: Copy + fmt::Debug + PartialOrd + Default + sealed::Sealed + 'static {
    /// The integer of the same size, which is what stands in memory: a float whose bytes are
    /// swapped is never held as a float.
    #[doc(hidden)]
    type Bits: Copy + Eq + 'static;

    #[doc(hidden)]
    fn into_be(self) -> Self::Bits;
    #[doc(hidden)]
    fn from_be(bits: Self::Bits) -> Self;
    #[doc(hidden)]
    fn into_le(self) -> Self::Bits;
    #[doc(hidden)]
    fn from_le(bits: Self::Bits) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! order {
    ($(#[$doc:meta])* $order:ident, $into:ident, $from:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        pub struct $order<T: Number>(T::Bits);

        impl<T: Number> From<T> for $order<T> {
            fn from(value: T) -> Self {
                Self(value.$into())
            }
        }

        impl<T: Number> Default for $order<T> {
            fn default() -> Self {
                T::default().into()
            }
        }

        /// As the number itself.
        impl<T: Number> fmt::Debug for $order<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&T::$from(self.0), f)
            }
        }

        /// As the number itself.
        impl<T: Number + fmt::Display> fmt::Display for $order<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&T::$from(self.0), f)
            }
        }

        impl<T: Number> PartialEq for $order<T> {
            fn eq(&self, other: &Self) -> bool {
                T::$from(self.0) == T::$from(other.0)
            }
        }

        impl<T: Number + Eq> Eq for $order<T> {}

        impl<T: Number> PartialEq<T> for $order<T> {
            fn eq(&self, other: &T) -> bool {
                T::$from(self.0) == *other
            }
        }

        impl<T: Number> PartialOrd for $order<T> {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                T::$from(self.0).partial_cmp(&T::$from(other.0))
            }
        }

        impl<T: Number + Ord> Ord for $order<T> {
            fn cmp(&self, other: &Self) -> Ordering {
                T::$from(self.0).cmp(&T::$from(other.0))
            }
        }

        impl<T: Number + Hash> Hash for $order<T> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                T::$from(self.0).hash(state);
            }
        }
    };
}

order! {
    /// A number in network order: its most significant byte first.
    ///
    /// What a frame with `#[frame(endian = "big")]` has for its numbers. The number is reached by
    /// [`get`](Self::get) alone, so that no code can take the swapped bytes for the value. It has the
    /// size and alignment of `T`, and is the same in memory on every machine.
    ///
    /// ```
    /// use cnv::frame::{Be, LayoutError, SimdFrame};
    ///
    /// #[derive(SimdFrame)]
    /// #[frame(endian = "big")]
    /// #[repr(C)]
    /// struct Header {
    ///     id: Be<u32>,
    ///     count: Be<i16>,
    ///     flags: [u8; 2],
    /// }
    ///
    /// let header = Header { id: Be::<u32>::new(7), count: Be::from(-2), flags: [1, 2] };
    /// assert_eq!(header.as_bytes(), [0, 0, 0, 7, 0xff, 0xfe, 1, 2]);
    /// assert_eq!(Header::read(header.as_bytes())?.id.get(), 7);
    /// # Ok::<(), LayoutError>(())
    /// ```
    Be, into_be, from_be
}

order! {
    /// A number with its least significant byte first, on every machine.
    ///
    /// On a little-endian target it is what the plain number is. A frame that is to compile on
    /// big-endian targets, too, has it in the plain number's place.
    ///
    /// ```
    /// use cnv::frame::Le;
    ///
    /// assert_eq!(Le::<u32>::new(7).get(), 7);
    /// ```
    Le, into_le, from_le
}

macro_rules! constructors {
    ($number:ident, $order:ident, $value:ident => $into:expr, $bits:ident => $from:expr) => {
        impl $order<$number> {
            /// The number in this order of bytes.
            #[must_use]
            pub const fn new($value: $number) -> Self {
                Self($into)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> $number {
                let $bits = self.0;
                $from
            }
        }

        impl From<$order<$number>> for $number {
            fn from(value: $order<$number>) -> Self {
                value.get()
            }
        }
    };
}

macro_rules! fields {
    ($number:ident as $bits:ident: $kind:ident) => {
        // SAFETY: a transparent wrapper of an integer, of which every bit pattern is a value.
        unsafe impl FrameField for Be<$number> {
            const KIND: FieldKind = FieldKind::BigEndian(&FieldKind::$kind);
            const ALIGN: usize = size_of::<$bits>();
        }

        // SAFETY: as above.
        unsafe impl FrameElement for Be<$number> {}

        // SAFETY: as above.
        unsafe impl FrameField for Le<$number> {
            const KIND: FieldKind = FieldKind::$kind;
            const ALIGN: usize = size_of::<$bits>();
        }

        // SAFETY: as above.
        unsafe impl FrameElement for Le<$number> {}
    };
}

macro_rules! integers {
    ($kind:ident: $($number:ident)*) => {$(
        impl sealed::Sealed for $number {}

        impl Number for $number {
            type Bits = Self;

            fn into_be(self) -> Self {
                self.to_be()
            }
            fn from_be(bits: Self) -> Self {
                Self::from_be(bits)
            }
            fn into_le(self) -> Self {
                self.to_le()
            }
            fn from_le(bits: Self) -> Self {
                Self::from_le(bits)
            }
        }

        constructors!($number, Be, value => value.to_be(), bits => $number::from_be(bits));
        constructors!($number, Le, value => value.to_le(), bits => $number::from_le(bits));
        fields!($number as $number: $kind);
    )*};
}

macro_rules! floats {
    ($($number:ident as $bits:ident)*) => {$(
        impl sealed::Sealed for $number {}

        impl Number for $number {
            type Bits = $bits;

            fn into_be(self) -> $bits {
                self.to_bits().to_be()
            }
            fn from_be(bits: $bits) -> Self {
                Self::from_bits($bits::from_be(bits))
            }
            fn into_le(self) -> $bits {
                self.to_bits().to_le()
            }
            fn from_le(bits: $bits) -> Self {
                Self::from_bits($bits::from_le(bits))
            }
        }

        constructors!($number, Be, value => value.to_bits().to_be(), bits => $number::from_bits($bits::from_be(bits)));
        constructors!($number, Le, value => value.to_bits().to_le(), bits => $number::from_bits($bits::from_le(bits)));
        fields!($number as $bits: Float);
    )*};
}

integers!(Unsigned: u16 u32 u64 u128);
integers!(Signed: i16 i32 i64 i128);
floats!(f32 as u32 f64 as u64);

macro_rules! ranged {
    ($($number:ident)*) => {$(
        // SAFETY: an integer of at most 8 bytes.
        unsafe impl RangedField for Be<$number> {}
        // SAFETY: as above.
        unsafe impl RangedField for Le<$number> {}
    )*};
}

ranged!(u16 u32 u64 i16 i32 i64);

// SAFETY: an unsigned integer of 4 bytes.
unsafe impl ChecksumField for Be<u32> {}

// SAFETY: as above.
unsafe impl ChecksumField for Le<u32> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_in_memory_is_that_of_the_type() {
        let [big, little] = [
            Be::<u32>::new(0x0102_0304).0.to_ne_bytes(),
            Le::<u32>::new(0x0102_0304).0.to_ne_bytes(),
        ];
        assert_eq!((big, little), ([1, 2, 3, 4], [4, 3, 2, 1]));
        assert_eq!(Be::<f64>::new(1.5).0.to_ne_bytes(), 1.5_f64.to_be_bytes());
        assert_eq!(Le::<f32>::new(1.5).0.to_ne_bytes(), 1.5_f32.to_le_bytes());
    }

    #[test]
    fn a_wrapper_compares_and_prints_as_its_number() {
        let (two, three) = (Be::<u16>::new(0x0200), Be::<u16>::new(0x0003));
        assert!(three < two && two == 0x0200 && two.max(three) == two);
        assert_eq!(format!("{two:?} {three}"), "512 3");
        assert_eq!(Be::<i64>::default(), 0);
        assert_ne!(Le::<f32>::new(f32::NAN), Le::<f32>::new(f32::NAN));
    }

    #[test]
    fn every_bit_of_a_float_comes_back() {
        let signalling = f32::from_bits(0x7fa0_0001);
        assert_eq!(Be::<f32>::new(signalling).get().to_bits(), 0x7fa0_0001);
    }
}
