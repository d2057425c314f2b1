//! Layouts that nobody wrote: fields at random, described by what the derive calls, against rules that
//! are stated a second time here.
#![allow(unsafe_code, reason = "kernels are called for the CPU at hand")]

use std::ops::Bound;

use cnv::__private::frame as derive;
use cnv::frame::simd::{ranges, swap};
use cnv::frame::{Be, FieldLayout, FrameEnum, FrameLayout, Le, SimdFrame, Window};
use cnv_tests::random::{Random, legal_frame};
use derive::{ByteTables, FrameField};
use proptest::prelude::*;

/// Which bytes a field allows.
type Rule = Box<dyn Fn(&[u8]) -> bool>;

/// Describes a field of this name and offset.
type Describe = fn(&'static str, usize) -> FieldLayout;

/// One field, and the rules for its bytes.
struct Field {
    layout: FieldLayout,
    /// All of them.
    allows: Rule,
    /// Those that a range for each byte says.
    is_in_tables: Rule,
}

impl Field {
    fn new(layout: FieldLayout, allows: impl Fn(&[u8]) -> bool + Clone + 'static) -> Self {
        let in_tables = allows.clone();
        let is_checked = needs_check(layout);
        Self {
            layout,
            allows: Box::new(allows),
            is_in_tables: Box::new(move |bytes| is_checked || in_tables(bytes)),
        }
    }

    fn bytes<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        &frame[self.layout.offset()..][..self.layout.size()]
    }
}

/// Whether more than the tables test the field.
fn needs_check(field: FieldLayout) -> bool {
    let fields: &'static [FieldLayout] = Box::leak(Box::new([field]));
    derive::layout::<()>("Alone", fields, &[], &[], None).needs_check()
}

/// Describes a field by its type alone, as the expansion does by a projection that is never called.
fn plain<T: FrameField>(name: &'static str, offset: usize) -> FieldLayout {
    derive::field::<(), T>(name, offset, |_| unreachable!("only the type is looked at"))
}

#[derive(FrameEnum)]
#[repr(u8)]
enum Contiguous {
    A = 3,
    B,
    C,
}

#[derive(FrameEnum)]
#[repr(u8)]
enum Only {
    V7 = 7,
}

#[derive(FrameEnum)]
#[repr(u8)]
enum Sparse {
    Off = 0,
    On = 1,
    Failed = 255,
}

/// Contiguous, and yet no range for each byte says it.
#[derive(FrameEnum)]
#[repr(u16)]
enum Carry {
    A = 0x00fe,
    B,
    C,
    D,
}

#[derive(FrameEnum)]
#[repr(u32)]
enum Magic {
    First = 0x4d41_4730,
    Second,
}

#[derive(SimdFrame)]
#[repr(C)]
struct Inner {
    mode: Sparse,
    is_last: bool,
    #[frame(range = 0x100..=0x2ff)]
    width: Be<u16>,
}

#[derive(SimdFrame)]
#[repr(C)]
struct Outer {
    first: Inner,
    kind: Contiguous,
    #[frame(reserved)]
    _pad: [u8; 3],
    second: Inner,
}

fn inner_tables(bytes: &[u8]) -> bool {
    bytes[1] <= 1 && (1..=2).contains(&bytes[2])
}

fn inner(bytes: &[u8]) -> bool {
    inner_tables(bytes) && [0, 1, 255].contains(&bytes[0])
}

fn outer_but(bytes: &[u8], inner: fn(&[u8]) -> bool) -> bool {
    inner(&bytes[..4]) && (3..=5).contains(&bytes[4]) && bytes[5..8] == [0; 3] && inner(&bytes[8..])
}

/// The integer that `bytes` are.
fn decode(bytes: &[u8], is_signed: bool, is_big_endian: bool) -> i128 {
    let mut wide = [0; 16];
    wide[..bytes.len()].copy_from_slice(bytes);
    if is_big_endian {
        wide[..bytes.len()].reverse();
    }
    let unused = 128 - 8 * bytes.len() as u32;
    let shifted = i128::from_le_bytes(wide) << unused;
    if is_signed {
        shifted >> unused
    } else {
        ((shifted as u128) >> unused) as i128
    }
}

/// Two bounds within the `bits` of a type: ranges of one byte and the bytes below it more often than
/// chance would have them.
fn bounds(random: &mut Random, bits: u32, is_signed: bool) -> (i128, i128) {
    let (lowest, highest) = if is_signed {
        (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1)
    } else {
        (0, (1_i128 << bits) - 1)
    };
    let any = |random: &mut Random| lowest + (i128::from(random.number()) & (highest - lowest));
    let (a, b) = match random.below(4) {
        0 => (0, random.below(128) as i128),
        1 => {
            let free = 8 * random.below(bits as usize / 8) as u32;
            let low = any(random) >> free << free;
            let steps = random.below(8) as i128;
            (low, low + ((steps + 1) << free) - 1)
        }
        2 => {
            let at = any(random);
            (at, at + random.below(3) as i128)
        }
        _ => (any(random), any(random)),
    };
    let (min, max) = (a.min(b), a.max(b));
    (min.max(lowest), max.min(highest))
}

/// One of the ways to write each end.
fn written(random: &mut Random, min: i128, max: i128) -> (Bound<i128>, Bound<i128>) {
    let min = if random.one_in(2) {
        Bound::Included(min)
    } else {
        Bound::Excluded(min - 1)
    };
    let max = if random.one_in(2) {
        Bound::Included(max)
    } else {
        Bound::Excluded(max + 1)
    };
    (min, max)
}

/// An integer with a range, or the version.
macro_rules! ranged {
    ($random:ident, $name:ident, $offset:ident; $($ty:ty: $size:literal $signed:literal $big:literal,)*) => {{
        let kinds: &[fn(&mut Random, &'static str, usize) -> Field] = &[$(
            |random, name, offset| {
                let (min, max) = bounds(random, $size * 8, $signed);
                let (layout, min, max) = if !$signed && random.one_in(4) {
                    let of = |_: &()| -> &$ty { unreachable!("only the type is looked at") };
                    (derive::version::<(), $ty>(name, offset, of, min), min, min)
                } else {
                    let of = |_: &()| -> &$ty { unreachable!("only the type is looked at") };
                    let (from, to) = written(random, min, max);
                    (derive::ranged::<(), $ty>(name, offset, of, from, to), min, max)
                };
                Field::new(layout, move |bytes| (min..=max).contains(&decode(bytes, $signed, $big)))
            },
        )*];
        let sizes = [$(($size, <$ty as FrameField>::ALIGN)),*];
        (kinds, sizes)
    }};
}

/// A field that fits at `offset` of a frame of `size` bytes.
fn field(random: &mut Random, name: &'static str, offset: usize, size: usize) -> Field {
    let fits = |bytes: usize, align: usize| {
        offset.is_multiple_of(align) && size.is_multiple_of(align) && offset + bytes <= size
    };
    loop {
        match random.below(6) {
            0 => {
                let len = 1 + random.below(4);
                if !fits(len, 1) {
                    continue;
                }
                let layout = match len {
                    1 => reserved::<1>(name, offset),
                    2 => reserved::<2>(name, offset),
                    3 => reserved::<3>(name, offset),
                    _ => reserved::<4>(name, offset),
                };
                return Field::new(layout, |bytes| bytes.iter().all(|&byte| byte == 0));
            }
            1 => return Field::new(plain::<bool>(name, offset), |bytes| bytes[0] <= 1),
            2 => {
                let free: [(usize, usize, Describe); 10] = [
                    (1, 1, plain::<i8>),
                    (2, 2, plain::<Be<u16>>),
                    (4, 4, plain::<f32>),
                    (8, 8, plain::<u64>),
                    (8, 8, plain::<Le<f64>>),
                    (16, 16, plain::<u128>),
                    (5, 1, plain::<[u8; 5]>),
                    (6, 2, plain::<[i16; 3]>),
                    (24, 8, plain::<[Be<u64>; 3]>),
                    (12, 4, plain::<[f32; 3]>),
                ];
                let &(bytes, align, make) = random.pick(&free);
                if fits(bytes, align) {
                    return Field::new(make(name, offset), |_| true);
                }
            }
            3 => {
                let (layout, bytes, values): (FieldLayout, usize, &'static [i128]) =
                    match random.below(5) {
                        0 => (plain::<Contiguous>(name, offset), 1, &[3, 4, 5]),
                        1 => (plain::<Only>(name, offset), 1, &[7]),
                        2 => (plain::<Sparse>(name, offset), 1, &[0, 1, 255]),
                        3 => (plain::<Carry>(name, offset), 2, &[0xfe, 0xff, 0x100, 0x101]),
                        _ => (plain::<Magic>(name, offset), 4, &[0x4d41_4730, 0x4d41_4731]),
                    };
                if fits(bytes, bytes) {
                    return Field::new(layout, move |bytes| {
                        values.contains(&decode(bytes, false, false))
                    });
                }
            }
            4 => {
                if random.one_in(2) && fits(4, 2) {
                    let layout = plain::<Inner>(name, offset);
                    return Field {
                        layout,
                        allows: Box::new(inner),
                        is_in_tables: Box::new(inner_tables),
                    };
                }
                if fits(12, 2) {
                    return Field {
                        layout: plain::<Outer>(name, offset),
                        allows: Box::new(|bytes| outer_but(bytes, inner)),
                        is_in_tables: Box::new(|bytes| outer_but(bytes, inner_tables)),
                    };
                }
            }
            _ => {
                let (kinds, sizes) = ranged! { random, name, offset;
                    u8: 1 false false,
                    i8: 1 true false,
                    u16: 2 false false,
                    i16: 2 true false,
                    Be<u16>: 2 false true,
                    Be<i16>: 2 true true,
                    Le<u32>: 4 false false,
                    i32: 4 true false,
                    Be<u32>: 4 false true,
                    Be<i32>: 4 true true,
                    u64: 8 false false,
                    Le<i64>: 8 true false,
                    Be<u64>: 8 false true,
                    Be<i64>: 8 true true,
                };
                let at = random.below(kinds.len());
                let (bytes, align) = sizes[at];
                if fits(bytes, align) {
                    return kinds[at](random, name, offset);
                }
            }
        }
    }
}

fn reserved<const N: usize>(name: &'static str, offset: usize) -> FieldLayout {
    derive::reserved::<(), [u8; N]>(name, offset, |_| unreachable!("only the type is looked at"))
}

/// A layout of `N` bytes with the checks that the derive makes of every layout.
fn layout<const N: usize>(fields: &'static [FieldLayout]) -> &'static FrameLayout {
    let tables: &'static ByteTables<N> = Box::leak(Box::new(ByteTables::new(fields)));
    (0..fields.len()).for_each(|index| derive::check_field::<[u8; N]>(fields, index));
    derive::check_end::<[u8; N]>("Random", fields);
    let layout = derive::layout::<[u8; N]>("Random", fields, tables.lo(), tables.span(), None);
    Box::leak(Box::new(layout))
}

/// Sizes around each window and each vector, with a way to make a layout of each.
macro_rules! sizes {
    ($($size:literal)*) => {
        const SIZES: &[(usize, fn(&'static [FieldLayout]) -> &'static FrameLayout)] =
            &[$(($size, layout::<$size>)),*];
    };
}

sizes! {
    1 2 3 4 7 8 9 10 12 15 16 17 20 24 31 32 33 36 40 48 63 64 64 64 64 65 66 72 80 96 100 127 128 129 130 160
}

fn random_layout(random: &mut Random) -> (&'static FrameLayout, Vec<Field>) {
    const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let &(size, make) = random.pick(SIZES);
    let (mut fields, mut at) = (Vec::new(), 0);
    // Few constrained fields make small windows, and many make wide ones.
    let is_quiet = random.one_in(2);
    while at < size {
        let name = NAMES[fields.len() % NAMES.len()];
        let mut field = self::field(random, name, at, size);
        if is_quiet && !random.one_in(4) {
            field = Field::new(plain::<u8>(name, at), |_| true);
        }
        at += field.layout.size();
        fields.push(field);
    }
    let layouts: Vec<FieldLayout> = fields.iter().map(|field| field.layout).collect();
    (make(layouts.leak()), fields)
}

/// Around four frames, a vector of 64 bytes and a block of 64 frames.
const COUNTS: [usize; 12] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65];

/// `count` legal frames, of which up to two bytes are then set to something near what is allowed there.
fn frames(layout: &'static FrameLayout, count: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..count)
        .flat_map(|_| legal_frame(layout, random))
        .collect();
    let constrained: Vec<usize> = (0..layout.size())
        .filter(|&at| layout.span()[at] < u8::MAX)
        .collect();
    for _ in 0..random.below(3) {
        if bytes.is_empty() {
            break;
        }
        let at = if constrained.is_empty() || random.one_in(4) {
            random.below(layout.size())
        } else {
            *random.pick(&constrained)
        };
        let (lo, span) = (layout.lo()[at], layout.span()[at]);
        let high = lo.wrapping_add(span);
        let near = [
            lo.wrapping_sub(1),
            lo,
            high,
            high.wrapping_add(1),
            random.byte(),
        ];
        let frame = if random.one_in(2) {
            count - 1
        } else {
            random.below(count)
        };
        bytes[frame * layout.size() + at] = *random.pick(&near);
    }
    bytes
}

fn tables_say_what_the_fields_say(layout: &'static FrameLayout, fields: &[Field], frame: &[u8]) {
    let (lo, span) = (layout.lo(), layout.span());
    let is_within = (0..frame.len()).all(|at| frame[at].wrapping_sub(lo[at]) <= span[at]);
    let expected = fields.iter().all(|f| (f.is_in_tables)(f.bytes(frame)));
    assert_eq!(is_within, expected, "{layout:?}\n{frame:?}");
    let is_legal = fields.iter().all(|f| (f.allows)(f.bytes(frame)));
    assert!(is_within || !is_legal, "{layout:?}\n{frame:?}");
    if !layout.needs_check() {
        assert_eq!(is_within, is_legal, "{layout:?}\n{frame:?}");
    }
}

fn window_holds_every_constraint(layout: &FrameLayout) {
    let constrained: Vec<usize> = (0..layout.size())
        .filter(|&at| layout.span()[at] < u8::MAX)
        .collect();
    let (offset, len) = layout.window().bytes(layout.size());
    assert!(offset + len <= layout.size(), "{layout:?}");
    assert!(
        constrained
            .iter()
            .all(|at| (offset..offset + len).contains(at)),
        "{layout:?}"
    );
    match (constrained.first(), constrained.last()) {
        (Some(first), Some(last)) => {
            let needed = last + 1 - first;
            let smallest = [8, 16, 32, 64].into_iter().find(|&len| len >= needed);
            match layout.window() {
                Window::Bytes { len, .. } => assert_eq!(Some(len), smallest, "{layout:?}"),
                Window::Whole => {
                    assert!(smallest.is_none_or(|len| len > layout.size()), "{layout:?}")
                }
                other => panic!("{other:?} {layout:?}"),
            }
        }
        _ => assert_eq!(layout.window(), Window::Unconstrained),
    }
}

/// Every kernel at every address says of all frames what the fields say of each.
fn kernels_agree(layout: &'static FrameLayout, fields: &[Field], random: &mut Random) {
    let table = ranges::RangeTable::new(layout);
    for count in COUNTS {
        let bytes = frames(layout, count, random);
        bytes
            .chunks_exact(layout.size())
            .for_each(|frame| tables_say_what_the_fields_say(layout, fields, frame));
        let expected = bytes
            .chunks_exact(layout.size())
            .all(|frame| fields.iter().all(|f| (f.is_in_tables)(f.bytes(frame))));
        for start in 0..8 {
            // Nothing stands behind the frames, so that a load too far is outside the allocation.
            let mut unaligned = vec![0xa5; start];
            unaligned.extend_from_slice(&bytes);
            let unaligned = unaligned.into_boxed_slice();
            let frames = &unaligned[start..];
            for (level, kernel) in ranges::kernels() {
                // SAFETY: `kernels` lists those whose features this CPU has, and scalar is said of
                // frames whose window is not `Window::Bytes`.
                let found = unsafe { kernel(frames, &table) };
                assert_eq!(
                    found, expected,
                    "{level:?}, {count} frames from {start}, {layout:?}"
                );
            }
            assert_eq!(ranges::are_within(frames, &table), expected);
        }
        if let Some(table) = swap::SwapTable::new(layout) {
            swaps_agree(layout, &table, &bytes, expected);
        }
    }
}

/// Every kernel makes of the swapped frames what they were, and says whether they are legal.
fn swaps_agree(
    layout: &'static FrameLayout,
    table: &swap::SwapTable,
    native: &[u8],
    expected: bool,
) {
    let mut network = native.to_vec();
    network
        .chunks_exact_mut(64)
        .for_each(|frame| swap::swap_fields(layout, frame));
    for (level, kernel) in swap::kernels() {
        let mut out = vec![[0xa5; 64]; native.len() / 64];
        // SAFETY: `kernels` lists those whose features this CPU has.
        let found = unsafe { kernel(network.as_chunks().0, &mut out, table) };
        assert_eq!(found, expected, "{level:?} {layout:?}");
        assert_eq!(out.as_flattened(), native, "{level:?} {layout:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 0, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn every_layout_is_checked_as_its_fields_say(seed in any::<u64>()) {
        let random = &mut Random::new(seed);
        let (layout, fields) = random_layout(random);
        window_holds_every_constraint(layout);
        kernels_agree(layout, &fields, random);
    }
}

/// What is drawn at random reaches each kind of window and both verdicts.
#[test]
fn the_layouts_are_of_every_kind() {
    let mut windows = std::collections::BTreeMap::<String, u32>::new();
    let (mut checked, mut legal, mut illegal) = (0, 0, 0);
    for seed in 0..600 {
        let random = &mut Random::new(seed);
        let (layout, fields) = random_layout(random);
        let window = match layout.window() {
            Window::Bytes { len, .. } => len.to_string(),
            other => format!("{other:?}"),
        };
        *windows.entry(window).or_default() += 1;
        checked += u32::from(layout.needs_check());
        for frame in frames(layout, 9, random).chunks_exact(layout.size()) {
            let is_legal = fields.iter().all(|f| (f.allows)(f.bytes(frame)));
            legal += u32::from(is_legal);
            illegal += u32::from(!is_legal);
        }
    }
    let kinds = ["16", "32", "64", "8", "Unconstrained", "Whole"];
    assert!(windows.keys().eq(kinds), "{windows:?}");
    assert!(windows.values().all(|&count| count >= 10), "{windows:?}");
    assert!(
        checked >= 50 && legal >= 1000 && illegal >= 100,
        "{checked} {legal} {illegal}"
    );
}
