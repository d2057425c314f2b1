//! Layouts that a downstream crate derives: ranges, enums, checks, versions, checksums and byte order.

use cnv::frame::{Be, FieldKind, FieldRole, FrameEnum, LayoutError, Le, SimdFrame, Window};
use proptest::prelude::*;

/// Every byte of a valid frame, set to every value: what `read` accepts is what `is_legal` says, and
/// reads back as it stood.
fn corrupt_every_byte<F: SimdFrame>(valid: &[u8], is_legal: impl Fn(&[u8]) -> bool) {
    F::validate(valid).unwrap();
    for at in 0..valid.len() {
        for value in 0..=u8::MAX {
            let mut bytes = valid.to_vec();
            bytes[at] = value;
            let read = F::read(&bytes);
            assert_eq!(read.is_ok(), is_legal(&bytes), "byte {at} is {value}");
            assert_eq!(F::validate(&bytes).err(), read.as_ref().err().copied());
            if let Ok(frame) = read {
                assert_eq!(frame.as_bytes(), bytes);
            }
        }
    }
}

mod ranges {
    use super::*;

    const LONGEST: u32 = 24;

    #[derive(Debug, PartialEq, SimdFrame)]
    #[repr(C)]
    struct Ranges {
        #[frame(range = 1..=9)]
        level: u8,
        #[frame(range = -3..=3)]
        shift: i8,
        #[frame(range = 100..1000)]
        width: u16,
        #[frame(range = ..=LONGEST)]
        len: u32,
        #[frame(range = -1..)]
        delta: i64,
        #[frame(range = 0x1000..=0x1fff)]
        port: u16,
        #[frame(range = ..=300)]
        big: Be<u16>,
        #[frame(range = ..0)]
        past: Be<i32>,
    }

    fn valid() -> Ranges {
        Ranges {
            level: 1,
            shift: -3,
            width: 999,
            len: 24,
            delta: -1,
            port: 0x1abc,
            big: Be::<u16>::new(300),
            past: Be::<i32>::new(-7),
        }
    }

    /// The same rules, said once more.
    fn is_legal(bytes: &[u8]) -> bool {
        let part = |at: usize| -> [u8; 2] { bytes[at..at + 2].try_into().unwrap() };
        (1..=9).contains(&bytes[0])
            && (-3..=3).contains(&(bytes[1] as i8))
            && (100..1000).contains(&u16::from_le_bytes(part(2)))
            && u32::from_le_bytes(bytes[4..8].try_into().unwrap()) <= LONGEST
            && i64::from_le_bytes(bytes[8..16].try_into().unwrap()) >= -1
            && (0x1000..=0x1fff).contains(&u16::from_le_bytes(part(16)))
            && u16::from_be_bytes(part(18)) <= 300
            && i32::from_be_bytes(bytes[20..24].try_into().unwrap()) < 0
    }

    #[test]
    fn every_corrupt_byte_is_refused_or_a_legal_value() {
        corrupt_every_byte::<Ranges>(valid().as_bytes(), is_legal);
    }

    #[test]
    fn what_byte_ranges_say_is_in_the_tables_and_nothing_else() {
        assert_eq!(Ranges::LO[..2], [1, 0xfd]);
        assert_eq!(Ranges::SPAN[..2], [8, 6]);
        assert_eq!(Ranges::SPAN[2..4], [255, 255], "100..1000 is checked");
        assert_eq!(Ranges::SPAN[4..8], [24, 0, 0, 0]);
        assert_eq!(Ranges::SPAN[8..16], [255; 8], "-1.. is checked");
        assert_eq!(
            (Ranges::LO[17], Ranges::SPAN[16..18].to_vec()),
            (0x10, vec![255, 15])
        );
        assert_eq!((Ranges::LO[20], Ranges::SPAN[20]), (0x80, 127));
        const { assert!(Ranges::HAS_CHECK) };
    }

    #[test]
    fn the_check_alone_refuses_what_the_tables_leave() {
        let mut bytes = valid().as_bytes().to_vec();
        bytes[0] = 200;
        assert_eq!(Ranges::check(&bytes), Ok(()), "in the tables");
        bytes[2..4].copy_from_slice(&1000_u16.to_le_bytes());
        let error = Ranges::check(&bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Ranges`: field `width`, at byte 2, is 1000, and 100 to 999 are allowed"
        );
        assert!(matches!(
            Ranges::check(&[]),
            Err(LayoutError::Length { .. })
        ));
    }

    #[test]
    fn a_refused_integer_is_named_with_its_value() {
        let mut bytes = valid().as_bytes().to_vec();
        bytes[1] = 0x80;
        let error = Ranges::read(&bytes).unwrap_err();
        assert!(
            matches!(error, LayoutError::Value { offset: 1, value: -128, field, .. } if field.layout().unwrap().range().unwrap().min() == -3),
            "{error:?}"
        );
        bytes = valid().as_bytes().to_vec();
        bytes[6] = 1;
        assert_eq!(
            Ranges::read(&bytes).unwrap_err().to_string(),
            "`Ranges`: field `len`, at byte 4, is 65560, and 0 to 24 are allowed"
        );
    }

    #[test]
    fn an_integer_out_of_its_range_is_not_encoded() {
        let mut out = [0xee; 24];
        for wrong in [
            Ranges {
                level: 0,
                ..valid()
            },
            Ranges {
                width: 1000,
                ..valid()
            },
            Ranges {
                past: Be::<i32>::new(0),
                ..valid()
            },
        ] {
            assert!(matches!(
                wrong.encode_into(&mut out),
                Err(LayoutError::Value { .. })
            ));
            assert_eq!(out, [0xee; 24]);
        }
        assert_eq!(valid().encode_into(&mut out), Ok(24));
        assert_eq!(Ranges::read(&out), Ok(valid()));
    }

    #[test]
    fn a_range_is_part_of_the_hash_and_of_the_layout() {
        #[derive(SimdFrame)]
        #[repr(C)]
        struct Narrow {
            #[frame(range = 1..=8)]
            level: u8,
        }
        #[derive(SimdFrame)]
        #[repr(C)]
        struct Wide {
            #[frame(range = 1..=9)]
            level: u8,
        }
        assert_ne!(Narrow::LAYOUT_HASH, Wide::LAYOUT_HASH);
        let range = Wide::LAYOUT.fields()[0].range().unwrap();
        assert_eq!(
            (range.min(), range.max(), range.to_string().as_str()),
            (1, 9, "1..=9")
        );
        const { assert!(!Wide::HAS_CHECK) };
    }

    proptest! {
        #[test]
        fn random_bytes_are_refused_or_legal(bytes in any::<[u8; 24]>(), near in any::<bool>()) {
            let mut bytes = bytes;
            if near {
                // Most random bytes fail early: these reach the checks behind the tables.
                bytes[0] = 1 + bytes[0] % 9;
                bytes[1] = (bytes[1] % 7).wrapping_sub(3);
                bytes[3] %= 5;
                bytes[4] %= 26;
                bytes[5..8].fill(0);
                bytes[17] = 0x10 | bytes[17] & 15;
                bytes[18] %= 3;
                bytes[20] |= 0x80;
            }
            prop_assert_eq!(Ranges::read(&bytes).is_ok(), is_legal(&bytes));
        }
    }
}

mod enums {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, FrameEnum)]
    #[repr(u8)]
    enum Sparse {
        Failed = 200,
        Idle = 0,
        Active,
    }

    #[derive(Clone, Copy, Debug, PartialEq, FrameEnum)]
    #[repr(u16)]
    enum Status {
        Ok = 200,
        NotFound = 404,
        Teapot = 418,
    }

    #[derive(Clone, Copy, Debug, PartialEq, FrameEnum)]
    #[repr(u32)]
    enum Magic {
        First = 0x4d41_4731,
        Second = 0x4d41_4732,
    }

    #[derive(Clone, Copy, Debug, PartialEq, FrameEnum)]
    #[repr(u16)]
    enum Small {
        A,
        B,
        C,
    }

    #[derive(Debug, PartialEq, SimdFrame)]
    #[repr(C)]
    struct Enums {
        magic: Magic,
        status: Status,
        small: Small,
        sparse: Sparse,
        is_last: bool,
        #[frame(reserved)]
        _pad: [u8; 2],
    }

    const VALID: Enums = Enums {
        magic: Magic::First,
        status: Status::NotFound,
        small: Small::B,
        sparse: Sparse::Failed,
        is_last: false,
        _pad: [0; 2],
    };

    fn is_legal(bytes: &[u8]) -> bool {
        let two = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let magic = u32::from_le_bytes(bytes[..4].try_into().unwrap());
        [0x4d41_4731, 0x4d41_4732].contains(&magic)
            && [200, 404, 418].contains(&two(4))
            && two(6) <= 2
            && [0, 1, 200].contains(&bytes[8])
            && bytes[9] <= 1
            && bytes[10..] == [0, 0]
    }

    #[test]
    fn every_corrupt_byte_is_refused_or_a_variant() {
        corrupt_every_byte::<Enums>(VALID.as_bytes(), is_legal);
    }

    #[test]
    fn every_pair_of_bytes_is_a_variant_or_none() {
        for value in 0..=u16::MAX {
            let mut bytes = VALID.as_bytes().to_vec();
            bytes[4..6].copy_from_slice(&value.to_le_bytes());
            let status = Enums::read(&bytes).ok().map(|frame| frame.status);
            assert_eq!(status, Status::from_value(value.into()));
            assert_eq!(status.is_some(), is_legal(&bytes));
        }
    }

    #[test]
    fn values_ascend_and_only_they_are_variants() {
        assert_eq!(Sparse::VALUES, [0, 1, 200]);
        assert_eq!((Status::FIRST, Status::LAST), (200, 418));
        assert_eq!(Magic::from_value(0x4d41_4732), Some(Magic::Second));
        assert_eq!(Magic::from_value(0x4d41_4733), None);
        assert_eq!(Sparse::from_byte(200), Some(Sparse::Failed));
        assert_eq!(Sparse::from_value(256 + 200), None);
        assert_eq!(Small::from_value(2), Some(Small::C));
        assert_eq!(Small::from_value(0x0001_0001), None);
    }

    #[test]
    fn only_enums_without_a_gap_are_in_the_tables() {
        // The two values of `Magic` are next to each other, so that a range for each byte says them.
        assert_eq!(Enums::SPAN[..4], [1, 0, 0, 0]);
        assert_eq!(Enums::SPAN[4..9], [255, 255, 2, 0, 255]);
        let mut bytes = VALID.as_bytes().to_vec();
        bytes[8] = 7;
        let error = Enums::check(&bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Enums`: field `sparse`, at byte 8, is 7, which is no variant of its enum"
        );
    }

    #[test]
    fn an_enum_with_gaps_is_checked_inside_a_nested_frame_and_named_there() {
        #[derive(Debug, PartialEq, SimdFrame)]
        #[repr(C)]
        struct Outer {
            id: u32,
            inner: Enums,
        }
        let outer = Outer {
            id: 1,
            inner: VALID,
        };
        let mut bytes = outer.as_bytes().to_vec();
        assert_eq!(Outer::read(&bytes), Ok(outer));
        bytes[12] = 7;
        let error = Outer::read(&bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Outer`: field `inner.sparse`, at byte 12, is 7, which is no variant of its enum"
        );
        const { assert!(Outer::HAS_CHECK) };
    }

    proptest! {
        #[test]
        fn random_bytes_are_refused_or_legal(bytes in any::<[u8; 12]>(), near in any::<bool>()) {
            let mut bytes = bytes;
            if near {
                bytes[..4].copy_from_slice(&VALID.as_bytes()[..4]);
                bytes[5] %= 2;
                bytes[6] %= 3;
                bytes[7] = 0;
                bytes[9] %= 2;
                bytes[10..].fill(0);
            }
            prop_assert_eq!(Enums::read(&bytes).is_ok(), is_legal(&bytes));
        }
    }
}

mod checks {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, SimdFrame)]
    #[frame(check = Self::is_ordered)]
    #[repr(C)]
    struct Span {
        start: u32,
        end: u32,
    }

    impl Span {
        fn is_ordered(&self) -> bool {
            self.start <= self.end
        }
    }

    enum Fault {
        Empty,
        TooLong,
    }

    impl From<Fault> for &'static str {
        fn from(fault: Fault) -> Self {
            match fault {
                Fault::Empty => "it is empty",
                Fault::TooLong => "it is too long",
            }
        }
    }

    #[derive(Debug, Clone, Copy, PartialEq, SimdFrame)]
    #[frame(check = self::has_content)]
    #[repr(C)]
    struct Labelled {
        span: Span,
        is_open: bool,
        #[frame(reserved)]
        _pad: [u8; 3],
    }

    fn has_content(frame: &Labelled) -> Result<(), Fault> {
        assert!(frame.span.is_ordered(), "nested checks have passed");
        match frame.span.end - frame.span.start {
            0 => Err(Fault::Empty),
            1000.. => Err(Fault::TooLong),
            _ => Ok(()),
        }
    }

    const VALID: Labelled = Labelled {
        span: Span { start: 3, end: 9 },
        is_open: true,
        _pad: [0; 3],
    };

    fn is_legal(bytes: &[u8]) -> bool {
        let four = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let len = four(4).checked_sub(four(0));
        len.is_some_and(|len| (1..1000).contains(&len)) && bytes[8] <= 1 && bytes[9..] == [0; 3]
    }

    #[test]
    fn every_corrupt_byte_is_refused_or_a_legal_value() {
        corrupt_every_byte::<Labelled>(VALID.as_bytes(), is_legal);
    }

    #[test]
    fn a_refusal_names_the_check_and_its_reason() {
        let read = |start, end| {
            let frame = Labelled {
                span: Span { start, end },
                ..VALID
            };
            Labelled::read(frame.as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(
            read(7, 7),
            "`Labelled`, at byte 0: `self::has_content` refuses it: it is empty"
        );
        assert_eq!(
            read(0, 1000),
            "`Labelled`, at byte 0: `self::has_content` refuses it: it is too long"
        );
        assert_eq!(
            read(9, 3),
            "`Span`, at byte 0: `Self::is_ordered` refuses it"
        );
    }

    #[test]
    fn a_value_that_its_check_refuses_is_not_encoded() {
        let wrong = Span { start: 2, end: 1 };
        let mut out = [0xee; 8];
        assert!(matches!(
            wrong.encode_into(&mut out),
            Err(LayoutError::Check { reason: None, .. })
        ));
        assert_eq!(out, [0xee; 8]);
    }

    /// The function for `check` sees a `bool`, which other bytes must never become.
    #[test]
    fn the_check_never_sees_a_value_that_is_none() {
        let mut bytes = VALID.as_bytes().to_vec();
        bytes[8] = 2;
        assert!(matches!(
            Labelled::check(&bytes),
            Err(LayoutError::OutOfRange { offset: 8, .. })
        ));
    }

    #[test]
    fn the_name_of_the_check_is_part_of_the_hash() {
        #[derive(SimdFrame)]
        #[repr(C)]
        struct Unchecked {
            start: u32,
            end: u32,
        }
        assert_ne!(Unchecked::LAYOUT_HASH, Span::LAYOUT_HASH);
        assert_eq!(Span::LAYOUT.check_name(), Some("Self::is_ordered"));
        assert_eq!(Unchecked::LAYOUT.check_name(), None);
    }
}

mod versions {
    use super::*;

    const WIRE: u16 = 0x0102;

    #[derive(Debug, PartialEq, SimdFrame)]
    #[frame(version = WIRE)]
    #[repr(C)]
    struct Versioned {
        id: u32,
        #[frame(version)]
        version: u16,
        flags: [u8; 2],
    }

    #[test]
    fn another_version_is_an_error_of_its_own() {
        let frame = Versioned {
            id: 7,
            version: WIRE,
            flags: [1, 2],
        };
        let mut bytes = frame.as_bytes().to_vec();
        assert_eq!(Versioned::read(&bytes), Ok(frame));
        bytes[4] = 3;
        let error = Versioned::read(&bytes).unwrap_err();
        assert!(
            matches!(
                error,
                LayoutError::Version {
                    expected: 0x0102,
                    actual: 0x0103,
                    ..
                }
            ),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            "`Versioned`: `version` says version 259, and this is version 258"
        );
    }

    #[test]
    fn a_version_is_in_the_tables() {
        assert_eq!(Versioned::LAYOUT.version(), Some(0x0102));
        assert_eq!(Versioned::LO[4..6], [2, 1]);
        assert_eq!(Versioned::SPAN[4..6], [0, 0]);
        const { assert!(!Versioned::HAS_CHECK) };
        let wrong = Versioned {
            id: 7,
            version: 1,
            flags: [1, 2],
        };
        assert!(wrong.encode_into(&mut [0; 8]).is_err());
    }
}

mod checksums {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, SimdFrame)]
    #[repr(C)]
    struct Sealed {
        id: u32,
        is_last: bool,
        #[frame(reserved)]
        _pad: [u8; 3],
        #[frame(crc32c)]
        crc: u32,
    }

    const UNSEALED: Sealed = Sealed {
        id: 7,
        is_last: true,
        _pad: [0; 3],
        crc: 99,
    };

    fn sealed() -> Sealed {
        let mut frame = UNSEALED;
        frame.seal();
        frame
    }

    #[test]
    fn encoding_computes_the_checksum() {
        let mut out = [0; 12];
        assert_eq!(UNSEALED.encode_into(&mut out), Ok(12));
        assert_eq!(out, *sealed().as_bytes());
        // Computed apart from this crate: CRC32C of 07 00 00 00 01 00 00 00.
        assert_eq!(Sealed::LAYOUT.checksum_offset(), Some(8));
        assert_eq!(Sealed::LAYOUT.fields()[3].role(), FieldRole::Checksum);
        assert_eq!(Sealed::read(&out), Ok(sealed()));
    }

    /// A checksum finds every change of a single byte, so that nothing but the frame itself is legal.
    #[test]
    fn every_corrupt_byte_is_refused() {
        let frame = sealed();
        corrupt_every_byte::<Sealed>(frame.as_bytes(), |bytes| bytes == frame.as_bytes());
    }

    #[test]
    fn a_wrong_checksum_says_both() {
        let error = Sealed::read(UNSEALED.as_bytes()).unwrap_err();
        assert!(
            matches!(error, LayoutError::Checksum { stated: 99, computed, .. } if computed == sealed().crc),
            "{error:?}"
        );
        assert!(
            error
                .to_string()
                .starts_with("`Sealed`: `crc` is 0x00000063, and the bytes before it have 0x")
        );
    }

    #[test]
    fn nested_checksums_are_sealed_from_the_inside_out() {
        #[derive(Debug, Clone, Copy, PartialEq, SimdFrame)]
        #[repr(C)]
        struct Outer {
            inner: Sealed,
            tag: [u8; 4],
            #[frame(crc32c)]
            crc: Be<u32>,
        }
        let mut outer = Outer {
            inner: UNSEALED,
            tag: *b"tags",
            crc: Be::<u32>::new(1),
        };
        let mut out = [0; 20];
        outer.encode_into(&mut out).unwrap();
        let read = Outer::read(&out).unwrap();
        assert_eq!(read.inner, sealed());
        outer.seal();
        assert_eq!(outer, read);
        corrupt_every_byte::<Outer>(&out, |bytes| bytes == out);
    }
}

mod order {
    use super::*;

    #[derive(Debug, PartialEq, SimdFrame)]
    #[frame(endian = "big", version = 3, align = 64)]
    #[repr(C, align(64))]
    struct Network {
        id: Be<u64>,
        ratio: Be<f64>,
        values: [Be<i16>; 3],
        #[frame(version)]
        version: u8,
        is_last: bool,
        tag: [u8; 36],
        #[frame(crc32c)]
        crc: Be<u32>,
    }

    fn valid() -> Network {
        let mut frame = Network {
            id: 0x0102_0304_0506_0708.into(),
            ratio: 1.5.into(),
            values: [Be::<i16>::new(-2), Be::<i16>::new(3), Be::<i16>::new(0)],
            version: 3,
            is_last: true,
            tag: [9; 36],
            crc: Be::<u32>::new(0),
        };
        frame.seal();
        frame
    }

    #[test]
    fn bytes_are_in_network_order() {
        let frame = valid();
        let bytes = frame.as_bytes();
        assert_eq!(bytes[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(bytes[8..16], 1.5_f64.to_be_bytes());
        assert_eq!(bytes[16..22], [0xff, 0xfe, 0, 3, 0, 0]);
        assert_eq!(bytes[60..], frame.crc.get().to_be_bytes());
        let read = Network::read(bytes).unwrap();
        assert_eq!(
            (read.id.get(), read.ratio.get(), read.values[0].get()),
            (0x0102_0304_0506_0708, 1.5, -2)
        );
        assert_eq!(Network::LAYOUT.align(), 64);
        assert_eq!(Network::WINDOW, Window::Bytes { offset: 16, len: 8 });
        let kind = Network::LAYOUT.fields()[0].kind();
        assert_eq!(kind, FieldKind::BigEndian(&FieldKind::Unsigned));
    }

    #[test]
    fn every_corrupt_byte_is_refused() {
        let frame = valid();
        corrupt_every_byte::<Network>(frame.as_bytes(), |bytes| bytes == frame.as_bytes());
    }

    #[test]
    fn a_number_in_the_stated_order_is_the_plain_one() {
        #[derive(SimdFrame)]
        #[repr(C)]
        struct Stated {
            id: Le<u32>,
        }
        #[derive(SimdFrame)]
        #[repr(C)]
        struct Plain {
            id: u32,
        }
        #[derive(SimdFrame)]
        #[frame(endian = "big")]
        #[repr(C)]
        struct Swapped {
            id: Be<u32>,
        }
        assert_eq!(Stated::LAYOUT_HASH, Plain::LAYOUT_HASH);
        assert_ne!(Swapped::LAYOUT_HASH, Plain::LAYOUT_HASH);
        assert_eq!(
            Stated { id: 7.into() }.as_bytes(),
            Plain { id: 7 }.as_bytes()
        );
    }

    #[test]
    fn fields_in_the_best_order_are_accepted() {
        #[derive(SimdFrame)]
        #[frame(reorder)]
        #[repr(C)]
        struct Ordered {
            id: u64,
            total: u32,
            is_first: bool,
            is_last: bool,
            #[frame(range = ..=7)]
            level: u8,
            #[frame(reserved)]
            _pad: [u8; 1],
        }
        assert_eq!(Ordered::WINDOW, Window::Bytes { offset: 8, len: 8 });
    }
}

mod compatibility {
    use super::*;
    use cnv::frame::{Compatibility, Difference, FrameLayout, Incompatible};

    macro_rules! layout {
        ($(#[frame($($key:tt)*)])? { $($fields:tt)* }) => {{
            #[derive(SimdFrame)]
            $(#[frame($($key)*)])?
            #[repr(C)]
            struct Layout { $($fields)* }
            Layout::LAYOUT
        }};
    }

    #[derive(FrameEnum)]
    #[repr(u8)]
    enum Old {
        Idle,
        Active,
    }

    #[derive(FrameEnum)]
    #[repr(u8)]
    enum New {
        Idle,
        Active,
        Failed = 200,
    }

    fn compare(ours: &'static FrameLayout, theirs: &'static FrameLayout) -> String {
        let forth = ours.compatible_with(theirs);
        let back = theirs.compatible_with(ours);
        match (forth, back) {
            (Ok(Compatibility::Identical), Ok(Compatibility::Identical)) => "identical".to_owned(),
            (Ok(Compatibility::Wider { by }), Ok(Compatibility::Narrower { by: same })) => {
                assert_eq!(by.to_string(), same.to_string());
                format!("wider by {by}")
            }
            (Ok(Compatibility::Narrower { by }), Ok(Compatibility::Wider { by: same })) => {
                assert_eq!(by.to_string(), same.to_string());
                format!("narrower by {by}")
            }
            (
                Ok(Compatibility::Overlapping { wider, narrower }),
                Ok(Compatibility::Overlapping { .. }),
            ) => format!("wider by {wider}, narrower by {narrower}"),
            (Err(error), Err(_)) => error.to_string(),
            other => panic!("one way only: {other:?}"),
        }
    }

    fn base() -> &'static FrameLayout {
        layout!({ id: u32, #[frame(range = 1..=9)] level: u8, mode: Old, #[frame(reserved)] _free: [u8; 2] })
    }

    #[test]
    fn the_same_fields_are_identical_whatever_the_reserved_ones_are_called() {
        let same = layout!({ id: Le<u32>, #[frame(range = 1..10)] level: u8, mode: Old, #[frame(reserved)] _a: [u8; 1], #[frame(reserved)] _b: [u8; 1] });
        assert_eq!(compare(base(), same), "identical");
        assert_eq!(base().compatible_with(base()), Ok(Compatibility::Identical));
    }

    #[test]
    fn fields_are_added_on_reserved_bytes() {
        let added = layout!({ id: u32, #[frame(range = 1..=9)] level: u8, mode: Old, unit: u16 });
        assert_eq!(compare(added, base()), "wider by field `unit`");
        let nonzero = layout!({ id: u32, #[frame(range = 1..=9)] level: u8, mode: Old, #[frame(range = 1..)] unit: u16 });
        assert_eq!(
            compare(nonzero, base()),
            "field `unit` stands on reserved bytes of the other, and does not allow 0"
        );
    }

    #[test]
    fn ranges_and_variants_may_differ() {
        let wider = layout!({ id: u32, level: u8, mode: Old, #[frame(reserved)] _free: [u8; 2] });
        assert_eq!(compare(wider, base()), "wider by field `level`");
        let more = layout!({ id: u32, #[frame(range = 1..=9)] level: u8, mode: New, #[frame(reserved)] _free: [u8; 2] });
        assert_eq!(compare(base(), more), "narrower by field `mode`");
        let both = layout!({ id: u32, #[frame(range = 3..=9)] level: u8, mode: New, #[frame(reserved)] _free: [u8; 2] });
        assert_eq!(
            compare(base(), both),
            "wider by field `level`, narrower by field `mode`"
        );
        let apart = layout!({ id: u32, #[frame(range = 10..)] level: u8, mode: Old, #[frame(reserved)] _free: [u8; 2] });
        assert_eq!(
            compare(base(), apart),
            "field `level` has no value that both allow"
        );
    }

    #[test]
    fn another_meaning_is_incompatible() {
        let cases: [(&'static FrameLayout, &str); 5] = [
            (
                layout!({ id: Be<u32>, #[frame(range = 1..=9)] level: u8, mode: Old, #[frame(reserved)] _free: [u8; 2] }),
                "field `id` is of another type in the other",
            ),
            (
                layout!({ id: u32, #[frame(range = 1..=9)] height: u8, mode: Old, #[frame(reserved)] _free: [u8; 2] }),
                "field `level` is called `height` by the other",
            ),
            (
                layout!({ id: u32, level: u16, #[frame(reserved)] _free: [u8; 2] }),
                "field `level` overlaps field `level` of the other",
            ),
            (
                layout!({ id: u32, #[frame(range = 1..=9)] level: u8, mode: u8, #[frame(reserved)] _free: [u8; 2] }),
                "field `mode` is of another type in the other",
            ),
            (
                layout!({ id: u32, #[frame(range = 1..=9)] level: u8, mode: Old, #[frame(reserved)] _free: [u8; 2], more: u64 }),
                "a frame is 8 bytes, and one of the other is 16",
            ),
        ];
        for (other, expected) in cases {
            assert_eq!(compare(base(), other), expected);
        }
    }

    #[test]
    fn versions_and_checks_are_compared() {
        let first = layout!(#[frame(version = 1)] { #[frame(version)] version: u8 });
        let second = layout!(#[frame(version = 2)] { #[frame(version)] version: u8 });
        assert_eq!(
            first.compatible_with(second),
            Err(Incompatible::Version { ours: 1, theirs: 2 })
        );
        let plain = layout!({ a: u8 });
        #[derive(SimdFrame)]
        #[frame(check = Self::is_odd)]
        #[repr(C)]
        struct Checked {
            a: u8,
        }
        impl Checked {
            fn is_odd(&self) -> bool {
                self.a % 2 == 1
            }
        }
        let expected = Compatibility::Narrower {
            by: Difference::Check("Self::is_odd"),
        };
        assert_eq!(Checked::LAYOUT.compatible_with(plain), Ok(expected));
        assert_eq!(
            compare(plain, Checked::LAYOUT),
            "wider by check `Self::is_odd`"
        );
    }

    #[test]
    fn nested_frames_are_compared_field_by_field() {
        #[derive(SimdFrame)]
        #[repr(C)]
        struct Inner {
            #[frame(range = 1..=9)]
            level: u8,
            mode: Old,
        }
        #[derive(SimdFrame)]
        #[repr(C)]
        struct Wider {
            level: u8,
            mode: Old,
        }
        let ours = layout!({ id: u16, inner: Inner });
        let theirs = layout!({ id: u16, inner: Wider });
        assert_eq!(compare(ours, theirs), "narrower by field `inner.level`");
    }

    /// What the comparison says holds for every byte: a frame that both read is the same to both.
    #[test]
    fn who_reads_all_reads_all() {
        #[derive(SimdFrame)]
        #[repr(C)]
        struct Before {
            #[frame(range = 1..=9)]
            level: u8,
            mode: Old,
            #[frame(reserved)]
            _free: [u8; 1],
        }
        #[derive(SimdFrame)]
        #[repr(C)]
        struct After {
            #[frame(range = ..=20)]
            level: u8,
            mode: New,
            is_last: bool,
        }
        let compatibility = After::LAYOUT.compatible_with(Before::LAYOUT).unwrap();
        assert!(compatibility.reads_all() && !compatibility.is_read_by_all());
        for bytes in 0..1_u32 << 24 {
            let bytes = &bytes.to_le_bytes()[..3];
            if bytes[1] > 1 && bytes[1] != 200 || bytes[2] > 3 || bytes[0] > 40 {
                continue;
            }
            assert!(Before::validate(bytes).is_err() || After::validate(bytes).is_ok());
        }
    }
}

mod table {
    use super::*;

    #[derive(FrameEnum)]
    #[repr(u16)]
    enum Status {
        Ok = 200,
        NotFound = 404,
    }

    #[derive(SimdFrame)]
    #[repr(C)]
    struct Inner {
        status: Status,
        is_last: bool,
        #[frame(range = -3..=3)]
        shift: i8,
    }

    #[derive(SimdFrame)]
    #[frame(version = 2)]
    #[repr(C)]
    struct Outer {
        id: Be<u64>,
        inner: Inner,
        values: [f32; 2],
        #[frame(version)]
        version: u8,
        #[frame(reserved)]
        _pad: [u8; 7],
        #[frame(crc32c)]
        crc: u32,
    }

    #[test]
    fn a_layout_prints_as_a_table() {
        let expected = "\
offset  size  field      type        allowed
     0     8  id         Be<u64>     any
     8     4  inner      Inner       as below
     8     2    status   enum u16    200, 404
    10     1    is_last  bool        0..=1
    11     1    shift    i8          -3..=3
    12     8  values     [f32; 2]    any
    20     1  version    u8 version  2
    21     7  _pad       reserved    0
    28     4  crc        u32 crc32c  of bytes 0..28
";
        let table = Outer::LAYOUT.to_string();
        let (first, rest) = table.split_once('\n').unwrap();
        assert_eq!(rest, expected);
        assert_eq!(
            first,
            format!(
                "Outer: 32 bytes, aligned to 8, checked at bytes 0..32, hash {:#018x}",
                Outer::LAYOUT_HASH
            )
        );
    }
}
