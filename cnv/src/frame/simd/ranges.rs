//! Whether each byte of many frames is within its range.
//!
//! `v - LO` wraps, so that a byte below its range becomes large; `saturating_sub(v - LO, SPAN)` is 0
//! for a byte within the range and for no other. These are OR-ed together and looked at once for each
//! call, which has no branch that data decides.

use super::level::Level;
use super::routine;
use crate::frame::layout::{FrameLayout, Window};

/// The constraints of a frame type in the form that kernels load.
pub struct RangeTable {
    lo: [u8; LINE],
    span: [u8; LINE],
    window: Window,
    layout: &'static FrameLayout,
}

const LINE: usize = 64;

impl RangeTable {
    /// The window of `layout`, repeated to fill a line: a vector of several frames' windows meets
    /// its own constants.
    #[must_use]
    pub const fn new(layout: &'static FrameLayout) -> Self {
        let mut table = Self {
            lo: [0; LINE],
            span: [u8::MAX; LINE],
            window: layout.window(),
            layout,
        };
        if let Window::Bytes { offset, len } = table.window {
            let mut at = 0;
            while at < LINE {
                table.lo[at] = layout.lo()[offset + at % len];
                table.span[at] = layout.span()[offset + at % len];
                at += 1;
            }
        }
        table
    }

    /// The type that it belongs to.
    #[must_use]
    pub const fn layout(&self) -> &'static FrameLayout {
        self.layout
    }

    /// The number of the word of a line that the window is, if it is one.
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    #[inline]
    pub(super) const fn word(&self) -> Option<usize> {
        match self.window {
            Window::Bytes { offset, len: 8 } if offset % 8 == 0 && self.size() == LINE => {
                Some(offset / 8)
            }
            _ => None,
        }
    }

    /// The lowest values and the spans of as many windows as 32 bytes hold.
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    #[inline]
    pub(super) fn half(&self) -> [&[u8; LINE / 2]; 2] {
        [&self.lo, &self.span].map(|bytes| &bytes.as_chunks().0[0])
    }

    const fn size(&self) -> usize {
        self.layout.size()
    }
}

/// One implementation.
///
/// `frames` is a whole number of frames of the table's type. A vector kernel may only be called with
/// a table whose window is [`Window::Bytes`]; for others it says what [`scalar`] says.
pub type Kernel = unsafe fn(frames: &[u8], table: &RangeTable) -> bool;

/// The oracle: every byte of every frame, by the definition.
#[must_use]
pub fn scalar(frames: &[u8], table: &RangeTable) -> bool {
    let (lo, span) = (table.layout.lo(), table.layout.span());
    frames.chunks_exact(table.size().max(1)).all(|frame| {
        let excess = |at: usize| frame[at].wrapping_sub(lo[at]).saturating_sub(span[at]);
        (0..frame.len()).fold(0, |bad, at| bad | excess(at)) == 0
    })
}

/// The kernel for a level that this CPU has.
fn select(level: Level) -> Kernel {
    match level {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Baseline | Level::Sse42 => x86_64::sse2,
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Avx2 => x86_64::avx2,
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Avx512 => x86_64::avx512,
        #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
        Level::Neon => aarch64::neon,
        _ => scalar,
    }
}

/// Every kernel that this CPU runs, by name, the oracle first: for tests and benchmarks.
pub fn kernels() -> impl Iterator<Item = (Level, Kernel)> {
    let levels = [
        Level::Scalar,
        Level::Baseline,
        Level::Avx2,
        Level::Avx512,
        Level::Neon,
    ];
    levels
        .into_iter()
        .filter(|level| level.is_available())
        .map(|level| (level, select(level)))
}

routine! {
    /// Whether every byte of every frame is within its range. `frames` is a whole number of frames of
    /// the table's type; bytes behind the last whole one are not looked at.
    pub fn are_within(frames: &[u8], table: &RangeTable) -> bool = select as Kernel;
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub mod x86_64 {
    //! SSE2, AVX2 and AVX-512.

    use core::arch::x86_64::*;

    use super::{LINE, RangeTable, Window, scalar};

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load16(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: 16 bytes are readable behind the reference, and the load needs no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    /// The 8 bytes in the lower half, 0 in the upper.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn load8(bytes: &[u8; 8]) -> __m128i {
        _mm_cvtsi64_si128(i64::from_le_bytes(*bytes))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(in crate::frame::simd) fn load32(bytes: &[u8; 32]) -> __m256i {
        // SAFETY: 32 bytes are readable behind the reference, and the load needs no alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load64(bytes: &[u8; 64]) -> __m512i {
        // SAFETY: 64 bytes are readable behind the reference, and the load needs no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    /// The `N` bytes at `at`.
    #[inline]
    fn part<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
        bytes[at..][..N].first_chunk().expect("a slice of N bytes")
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn excess16(bytes: __m128i, lo: __m128i, span: __m128i) -> __m128i {
        _mm_subs_epu8(_mm_sub_epi8(bytes, lo), span)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(in crate::frame::simd) fn excess32(bytes: __m256i, lo: __m256i, span: __m256i) -> __m256i {
        _mm256_subs_epu8(_mm256_sub_epi8(bytes, lo), span)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn excess64(bytes: __m512i, lo: __m512i, span: __m512i) -> __m512i {
        _mm512_subs_epu8(_mm512_sub_epi8(bytes, lo), span)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn is_zero16(bad: __m128i) -> bool {
        _mm_movemask_epi8(_mm_cmpeq_epi8(bad, _mm_setzero_si128())) == 0xffff
    }

    /// Bytes of a frame: `SIZE` where the loop is compiled for one size, else the table's.
    #[inline]
    const fn size_of_frame<const SIZE: usize>(table: &RangeTable) -> usize {
        if SIZE == ANY_SIZE { table.size() } else { SIZE }
    }

    /// No loop is compiled for this size.
    const ANY_SIZE: usize = 0;

    /// SSE2, for every window.
    #[target_feature(enable = "sse2")]
    #[must_use]
    pub fn sse2(frames: &[u8], table: &RangeTable) -> bool {
        match (table.window, table.size()) {
            (Window::Bytes { offset, len: 8 }, LINE) => sse2_8::<LINE>(frames, table, offset),
            (Window::Bytes { offset, len: 8 }, _) => sse2_8::<ANY_SIZE>(frames, table, offset),
            (Window::Bytes { offset, len: 16 }, LINE) => sse2_16::<LINE, 1>(frames, table, offset),
            (Window::Bytes { offset, len: 16 }, _) => sse2_16::<ANY_SIZE, 1>(frames, table, offset),
            (Window::Bytes { offset, len: 32 }, LINE) => sse2_16::<LINE, 2>(frames, table, offset),
            (Window::Bytes { offset, len: 32 }, _) => sse2_16::<ANY_SIZE, 2>(frames, table, offset),
            (Window::Bytes { offset, len: LINE }, LINE) => {
                sse2_16::<LINE, 4>(frames, table, offset)
            }
            (Window::Bytes { offset, len: LINE }, _) => {
                sse2_16::<ANY_SIZE, 4>(frames, table, offset)
            }
            _ => scalar(frames, table),
        }
    }

    /// Windows of 8 bytes, two at a time.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn sse2_8<const SIZE: usize>(frames: &[u8], table: &RangeTable, offset: usize) -> bool {
        let size = size_of_frame::<SIZE>(table);
        let (lo, span) = (load16(part(&table.lo, 0)), load16(part(&table.span, 0)));
        let mut bad = _mm_setzero_si128();
        let mut rest = frames;
        while let Some((pair, tail)) = rest.split_at_checked(2 * size) {
            let first = load8(part(pair, offset));
            let second = load8(part(pair, size + offset));
            let bytes = _mm_unpacklo_epi64(first, second);
            bad = _mm_or_si128(bad, excess16(bytes, lo, span));
            rest = tail;
        }
        if rest.len() >= size {
            let last = load8(part(rest, offset));
            let bytes = _mm_unpacklo_epi64(last, last);
            bad = _mm_or_si128(bad, excess16(bytes, lo, span));
        }
        is_zero16(bad)
    }

    /// Windows of `PARTS` times 16 bytes.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn sse2_16<const SIZE: usize, const PARTS: usize>(
        frames: &[u8],
        table: &RangeTable,
        offset: usize,
    ) -> bool {
        let size = size_of_frame::<SIZE>(table);
        let mut lo = [_mm_setzero_si128(); PARTS];
        let mut span = [_mm_setzero_si128(); PARTS];
        for index in 0..PARTS {
            lo[index] = load16(part(&table.lo, index * 16));
            span[index] = load16(part(&table.span, index * 16));
        }
        let mut bad = _mm_setzero_si128();
        let mut rest = frames;
        while let Some((frame, tail)) = rest.split_at_checked(size) {
            for index in 0..PARTS {
                let bytes = load16(part(frame, offset + index * 16));
                bad = _mm_or_si128(bad, excess16(bytes, lo[index], span[index]));
            }
            rest = tail;
        }
        is_zero16(bad)
    }

    /// AVX2: four windows of 8 bytes, two of 16, one of 32 or half of one of 64 at a time.
    #[target_feature(enable = "avx2")]
    #[must_use]
    pub fn avx2(frames: &[u8], table: &RangeTable) -> bool {
        match (table.window, table.size()) {
            (Window::Bytes { offset, len: 8 }, LINE) => avx2_8_of_lines(frames, table, offset),
            (Window::Bytes { offset, len: 8 }, _) => avx2_8::<ANY_SIZE>(frames, table, offset),
            (Window::Bytes { offset, len: 16 }, LINE) => avx2_16::<LINE>(frames, table, offset),
            (Window::Bytes { offset, len: 16 }, _) => avx2_16::<ANY_SIZE>(frames, table, offset),
            (Window::Bytes { offset, len: 32 }, LINE) => avx2_32::<LINE, 1>(frames, table, offset),
            (Window::Bytes { offset, len: 32 }, _) => avx2_32::<ANY_SIZE, 1>(frames, table, offset),
            (Window::Bytes { offset, len: LINE }, LINE) => {
                avx2_32::<LINE, 2>(frames, table, offset)
            }
            (Window::Bytes { offset, len: LINE }, _) => {
                avx2_32::<ANY_SIZE, 2>(frames, table, offset)
            }
            _ => scalar(frames, table),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(in crate::frame::simd) fn is_zero32(bad: __m256i) -> bool {
        _mm256_testz_si256(bad, bad) == 1
    }

    /// Windows of 8 bytes, four at a time.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn avx2_8<const SIZE: usize>(frames: &[u8], table: &RangeTable, offset: usize) -> bool {
        let size = size_of_frame::<SIZE>(table);
        let (lo, span) = (load32(part(&table.lo, 0)), load32(part(&table.span, 0)));
        let mut bad = _mm256_setzero_si256();
        let mut rest = frames;
        while let Some((group, tail)) = rest.split_at_checked(4 * size) {
            let low = _mm_unpacklo_epi64(
                load8(part(group, offset)),
                load8(part(group, size + offset)),
            );
            let high = _mm_unpacklo_epi64(
                load8(part(group, 2 * size + offset)),
                load8(part(group, 3 * size + offset)),
            );
            let bytes = _mm256_set_m128i(high, low);
            bad = _mm256_or_si256(bad, excess32(bytes, lo, span));
            rest = tail;
        }
        is_zero32(bad) && sse2_8::<SIZE>(rest, table, offset)
    }

    /// Lines of a group.
    const GROUP: usize = 16;

    /// Windows of 8 bytes of lines, in groups: a block is four turns then. With a turn for each four lines the
    /// end of the loop, once a block, took a good part of the time.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn avx2_8_of_lines(lines: &[u8], table: &RangeTable, offset: usize) -> bool {
        let (lo, span) = (load32(part(&table.lo, 0)), load32(part(&table.span, 0)));
        let mut bad = _mm256_setzero_si256();
        let mut rest = lines;
        while let Some((group, tail)) = rest.split_at_checked(GROUP * LINE) {
            let windows: &[u8; (GROUP - 1) * LINE + 8] = part(group, offset);
            for four in 0..GROUP / 4 {
                bad = _mm256_or_si256(bad, excess32(windows4(windows, four * 4), lo, span));
            }
            rest = tail;
        }
        is_zero32(bad) && (rest.is_empty() || avx2_8::<LINE>(rest, table, offset))
    }

    /// The windows of the line `first` and of the three behind it.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn windows4(windows: &[u8; (GROUP - 1) * LINE + 8], first: usize) -> __m256i {
        let low = _mm_unpacklo_epi64(
            load8(part(windows, first * LINE)),
            load8(part(windows, (first + 1) * LINE)),
        );
        let high = _mm_unpacklo_epi64(
            load8(part(windows, (first + 2) * LINE)),
            load8(part(windows, (first + 3) * LINE)),
        );
        _mm256_set_m128i(high, low)
    }

    /// Windows of 16 bytes, two at a time.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn avx2_16<const SIZE: usize>(frames: &[u8], table: &RangeTable, offset: usize) -> bool {
        let size = size_of_frame::<SIZE>(table);
        let (lo, span) = (load32(part(&table.lo, 0)), load32(part(&table.span, 0)));
        let mut bad = _mm256_setzero_si256();
        let mut rest = frames;
        while let Some((pair, tail)) = rest.split_at_checked(2 * size) {
            let low = load16(part(pair, offset));
            let high = load16(part(pair, size + offset));
            let bytes = _mm256_set_m128i(high, low);
            bad = _mm256_or_si256(bad, excess32(bytes, lo, span));
            rest = tail;
        }
        is_zero32(bad) && sse2_16::<SIZE, 1>(rest, table, offset)
    }

    /// Windows of `PARTS` times 32 bytes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn avx2_32<const SIZE: usize, const PARTS: usize>(
        frames: &[u8],
        table: &RangeTable,
        offset: usize,
    ) -> bool {
        let size = size_of_frame::<SIZE>(table);
        let mut lo = [_mm256_setzero_si256(); PARTS];
        let mut span = [_mm256_setzero_si256(); PARTS];
        for index in 0..PARTS {
            lo[index] = load32(part(&table.lo, index * 32));
            span[index] = load32(part(&table.span, index * 32));
        }
        let mut bad = [_mm256_setzero_si256(); PARTS];
        let mut rest = frames;
        while let Some((frame, tail)) = rest.split_at_checked(size) {
            for index in 0..PARTS {
                let bytes = load32(part(frame, offset + index * 32));
                bad[index] = _mm256_or_si256(bad[index], excess32(bytes, lo[index], span[index]));
            }
            rest = tail;
        }
        bad.into_iter().all(|bad| is_zero32(bad))
    }

    /// AVX-512: a whole window of 64 bytes at a time. Shorter windows go to [`avx2`].
    #[target_feature(enable = "avx2,avx512f,avx512bw")]
    #[must_use]
    pub fn avx512(frames: &[u8], table: &RangeTable) -> bool {
        match (table.window, table.size()) {
            (Window::Bytes { offset, len: LINE }, LINE) => avx512_64::<LINE>(frames, table, offset),
            (Window::Bytes { offset, len: LINE }, _) => {
                avx512_64::<ANY_SIZE>(frames, table, offset)
            }
            _ => avx2(frames, table),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn avx512_64<const SIZE: usize>(frames: &[u8], table: &RangeTable, offset: usize) -> bool {
        let size = size_of_frame::<SIZE>(table);
        let (lo, span) = (load64(&table.lo), load64(&table.span));
        let mut bad = _mm512_setzero_si512();
        let mut rest = frames;
        while let Some((frame, tail)) = rest.split_at_checked(size) {
            bad = _mm512_or_si512(bad, excess64(load64(part(frame, offset)), lo, span));
            rest = tail;
        }
        _mm512_test_epi8_mask(bad, bad) == 0
    }
}

#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
pub mod aarch64 {
    //! NEON.

    use core::arch::aarch64::*;

    use super::{RangeTable, Window, scalar};

    #[inline]
    #[target_feature(enable = "neon")]
    fn load16(bytes: &[u8; 16]) -> uint8x16_t {
        // SAFETY: 16 bytes are readable behind the reference, and the load needs no alignment.
        unsafe { vld1q_u8(bytes.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn load8(bytes: &[u8; 8]) -> uint8x8_t {
        // SAFETY: 8 bytes are readable behind the reference, and the load needs no alignment.
        unsafe { vld1_u8(bytes.as_ptr()) }
    }

    #[inline]
    fn part<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
        bytes[at..][..N].first_chunk().expect("a slice of N bytes")
    }

    /// NEON, for every window.
    #[target_feature(enable = "neon")]
    #[must_use]
    pub fn neon(frames: &[u8], table: &RangeTable) -> bool {
        let Window::Bytes { offset, len } = table.window else {
            return scalar(frames, table);
        };
        let size = table.size();
        let mut bad = vdupq_n_u8(0);
        for index in 0..len.div_ceil(16) {
            let (lo, span) = (
                load16(part(&table.lo, index * 16)),
                load16(part(&table.span, index * 16)),
            );
            for frame in frames.chunks_exact(size) {
                let bytes = if len == 8 {
                    let window = load8(part(frame, offset));
                    vcombine_u8(window, window)
                } else {
                    load16(part(frame, offset + index * 16))
                };
                bad = vorrq_u8(bad, vqsubq_u8(vsubq_u8(bytes, lo), span));
            }
        }
        vmaxvq_u8(bad) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::layout::{FieldKind, FieldLayout};
    use proptest::prelude::*;
    use std::sync::Mutex;

    /// What tests made, so that a leak checker finds it in use.
    static LAYOUTS: Mutex<Vec<&'static FrameLayout>> = Mutex::new(Vec::new());

    /// A layout of `size` bytes with the given ranges. The fields only matter for messages.
    fn layout(size: usize, ranges: &[(usize, u8, u8)]) -> &'static FrameLayout {
        let (mut lo, mut span) = (vec![0; size], vec![u8::MAX; size]);
        for &(at, first, last) in ranges {
            lo[at] = first;
            span[at] = last - first;
        }
        let fields = [FieldLayout::new("bytes", 0, size, 1, FieldKind::Unsigned)];
        let fields = Box::leak(Box::new(fields));
        let (lo, span) = (Box::leak(lo.into()), Box::leak(span.into()));
        let layout = FrameLayout::new("Random", size, 1, fields, lo, span);
        let layout = Box::leak(Box::new(layout));
        LAYOUTS.lock().expect("no test panicked").push(layout);
        layout
    }

    fn lowest(layout: &FrameLayout, count: usize) -> Vec<u8> {
        layout.lo().repeat(count)
    }

    /// Every kernel says what the oracle says.
    fn agree(frames: &[u8], table: &RangeTable) -> bool {
        let expected = scalar(frames, table);
        for (level, kernel) in kernels() {
            // SAFETY: `kernels` lists those whose features this CPU has.
            let found = unsafe { kernel(frames, table) };
            assert_eq!(
                found,
                expected,
                "{level:?}, {} bytes, {:?}",
                frames.len(),
                table.window
            );
        }
        assert_eq!(are_within(frames, table), expected);
        expected
    }

    /// Sizes and constrained bytes of which each leads to another branch of a kernel.
    fn seeds() -> Vec<&'static FrameLayout> {
        [
            (1, vec![(0, 0, 1)]),
            (8, vec![(3, 1, 1)]),
            (12, vec![(11, 5, 250)]),
            (12, vec![(0, 0, 0), (11, 0, 0)]),
            (16, vec![(0, 2, 4), (15, 0, 0)]),
            (24, vec![(7, 0, 1), (8, 255, 255)]),
            (64, vec![(17, 0, 3), (18, 1, 1), (19, 0, 0)]),
            (64, vec![(16, 0, 3), (31, 128, 255)]),
            (64, vec![(32, 0, 3), (63, 0, 127)]),
            (64, vec![(0, 1, 1), (63, 0, 0)]),
            (64, vec![]),
            (100, vec![(60, 0, 0), (99, 9, 10)]),
            (128, vec![(0, 0, 0), (127, 0, 0)]),
        ]
        .into_iter()
        .map(|(size, ranges)| layout(size, &ranges))
        .collect()
    }

    #[test]
    fn every_kernel_finds_one_bad_byte_wherever_it_stands() {
        let counts = if cfg!(miri) {
            vec![0, 1, 5]
        } else {
            (0..=9).chain([63, 64, 65]).collect()
        };
        for layout in seeds() {
            let table = RangeTable::new(layout);
            for &count in &counts {
                for start in if cfg!(miri) { 1..2 } else { 0..2 } {
                    let mut bytes = vec![0; start];
                    bytes.extend(lowest(layout, count));
                    assert!(agree(&bytes[start..], &table));
                    let constrained = (0..count * layout.size())
                        .filter(|at| layout.span()[at % layout.size()] < 255);
                    for at in constrained.step_by(if cfg!(miri) { 37 } else { 1 }) {
                        let (lo, span) = (
                            layout.lo()[at % layout.size()],
                            layout.span()[at % layout.size()],
                        );
                        for (value, is_within) in [
                            (lo.wrapping_add(span), true),
                            (lo.wrapping_sub(1), false),
                            (lo.wrapping_add(span).wrapping_add(1), false),
                        ] {
                            bytes[start + at] = value;
                            assert_eq!(agree(&bytes[start..], &table), is_within);
                        }
                        bytes[start + at] = lo;
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_kernel_agrees_with_the_oracle(
            size in 1..130_usize,
            ranges in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<u8>()), 0..6),
            count in 0..70_usize,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let ranges: Vec<_> = ranges.iter().map(|&(at, a, b)| (at.index(size), a.min(b), a.max(b))).collect();
            let layout = layout(size, &ranges);
            let mut bytes = lowest(layout, count);
            for (at, value) in changes {
                if count > 0 {
                    let at = at.index(bytes.len());
                    bytes[at] = value;
                }
            }
            agree(&bytes, &RangeTable::new(layout));
        }
    }
}
