//! Numbers as integers of as many bytes.

/// A number that is stored like an integer of type `Self::Bits`.
///
/// # Safety
///
/// Both types have one size and one alignment, no padding, and every bit pattern is a value of either.
pub unsafe trait Number: Copy {
    /// The integer.
    type Bits: Copy;
}

macro_rules! numbers {
    ($($number:ident $bits:ident),*) => {$(
        // SAFETY: primitive numbers of one size; they have no padding, every bit pattern is a value,
        // and the constants below fail to compile where size or alignment differ.
        unsafe impl Number for $number {
            type Bits = $bits;
        }
        const _: () = assert!(size_of::<$number>() == size_of::<$bits>());
        const _: () = assert!(align_of::<$number>() == align_of::<$bits>());
    )*};
}

numbers!(u8 u8, i8 u8, u16 u16, i16 u16, u32 u32, i32 u32, f32 u32, u64 u64, i64 u64, f64 u64);

/// Numbers as integers of as many bytes.
#[inline]
pub fn bits<N: Number>(numbers: &[N]) -> &[N::Bits] {
    // SAFETY: pointer and length come from a slice that the result borrows from; `Number` promises that
    // its elements are values of `Bits` and stand where those would.
    unsafe { core::slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len()) }
}

/// Numbers as integers of as many bytes, to be written.
#[inline]
pub fn bits_mut<N: Number>(numbers: &mut [N]) -> &mut [N::Bits] {
    // SAFETY: as in `bits`; the borrow is exclusive, and whatever integer is written is a value of `N`.
    unsafe { core::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len()) }
}
