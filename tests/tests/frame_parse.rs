//! `Frame::parse`: a whole frame borrowed from bytes at any address, and every way in which bytes are none.

use cnv::frame::{
    AlignedBuffer, Frame, FrameError, FrameHeader, FramePayload, FrameSerializer, Frames,
    LayoutError, SimdFrame, SplitBatch,
};

fn frame(payload: Vec<u8>) -> Frame {
    Frame::new(*b"0123456789abcdef", 3, 4, 5, FramePayload::Data(payload))
}

fn bytes(len: usize) -> Vec<u8> {
    let mut buffer = AlignedBuffer::new();
    let frame = frame(vec![0xa5; len]);
    FrameSerializer::new()
        .serialize(&frame, &mut buffer)
        .unwrap();
    buffer.as_slice().to_vec()
}

fn refused(bytes: &[u8]) -> FrameError {
    let error = Frame::parse(bytes).unwrap_err();
    let deserialized = FrameSerializer::new().deserialize(bytes).unwrap_err();
    assert_eq!(format!("{error:?}"), format!("{deserialized:?}"));
    error
}

#[test]
fn a_frame_is_borrowed_where_it_stands() {
    for len in [0, 1, 24, 25, 1000] {
        let bytes = bytes(len);
        let parsed = Frame::parse(&bytes).unwrap();
        let header = parsed.header();
        assert_eq!(
            (header.session_id(), header.stream_id()),
            (*b"0123456789abcdef", 3)
        );
        assert_eq!((header.sequence(), header.timestamp_ns()), (4, 5));
        assert_eq!(parsed.payload(), vec![0xa5; len]);
        let at = if len <= 24 { 40 } else { 64 };
        assert_eq!(parsed.payload().as_ptr(), bytes[at..].as_ptr());
        assert_eq!(parsed.to_frame().unwrap(), frame(vec![0xa5; len]));
    }
}

/// A line alone can only be borrowed where it is aligned, and says so.
#[test]
fn a_frame_may_start_at_any_address() {
    for len in [5, 30] {
        let bytes = bytes(len);
        for start in 0..64 {
            let mut buffer = AlignedBuffer::new();
            buffer.extend_from_slice(&[0xff; 64][..start]).unwrap();
            buffer.extend_from_slice(&bytes).unwrap();
            let moved = &buffer.as_slice()[start..];
            assert_eq!(Frame::parse(moved).unwrap().payload(), vec![0xa5; len]);
            match FrameHeader::parse(&moved[..64]) {
                Ok(_) => assert!(start.is_multiple_of(align_of::<FrameHeader>())),
                Err(error) => assert_eq!(
                    error,
                    LayoutError::Misaligned {
                        frame: "FrameHeader",
                        align: align_of::<FrameHeader>(),
                        excess: start % align_of::<FrameHeader>(),
                    }
                ),
            }
        }
    }
}

#[test]
fn every_shorter_slice_is_truncated_and_every_longer_one_goes_on() {
    for len in [0, 24, 25, 100] {
        let mut bytes = bytes(len);
        let whole = bytes.len();
        for shorter in 0..whole {
            let needed = if shorter < 64 { 64 } else { whole };
            let error = refused(&bytes[..shorter]);
            assert!(
                matches!(error, FrameError::Truncated { expected, actual } if (expected, actual) == (needed, shorter)),
                "{error:?}"
            );
        }
        bytes.extend([0; 3]);
        let error = refused(&bytes);
        assert!(
            matches!(error, FrameError::TrailingBytes { count: 3 }),
            "{error:?}"
        );
    }
}

#[test]
fn a_field_that_breaks_a_rule_is_named() {
    for (at, value, message) in [
        (
            17,
            4,
            "`FrameHeader`: field `kind`, byte 17, is 4, and 0 to 3 are allowed",
        ),
        (
            18,
            2,
            "`FrameHeader`: field `version`, byte 18, is 2, and only 1 is allowed",
        ),
        (
            19,
            0x80,
            "`FrameHeader`: field `flags`, byte 19, is 128, and only 0 is allowed",
        ),
    ] {
        let mut bytes = bytes(30);
        bytes[at] = value;
        let error = refused(&bytes);
        let source = std::error::Error::source(&error).expect("the field");
        assert_eq!(source.to_string(), message);
    }
}

#[test]
fn bytes_behind_a_payload_in_the_line_are_zero() {
    for len in [0, 1, 7, 8, 9, 23, 25] {
        let used = if len <= 24 { len } else { 0 };
        for at in 40 + used..64 {
            let mut bytes = bytes(len);
            bytes[at] = 0x80;
            let error = refused(&bytes);
            assert!(
                matches!(error, FrameError::UnusedByte { offset, value: 0x80 } if offset == at),
                "{len} bytes, byte {at}: {error:?}"
            );
        }
    }
}

#[test]
fn a_length_that_points_outside_is_refused() {
    for stated in [31, 1000, 1 << 20] {
        let mut bytes = bytes(30);
        bytes[20..24].copy_from_slice(&u32::to_le_bytes(stated));
        let error = refused(&bytes);
        let whole = 64 + stated as usize;
        assert!(
            matches!(error, FrameError::Truncated { expected, actual: 94 } if expected == whole),
            "{error:?}"
        );
    }
}

#[test]
fn a_length_of_four_gigabytes_is_over_the_limit_or_outside() {
    let mut bytes = bytes(30);
    bytes[20..24].fill(0xff);
    let error = refused(&bytes);
    assert!(
        matches!(
            error,
            FrameError::PayloadTooLarge {
                len: 0xffff_ffff,
                max: 0x10_0000
            }
        ),
        "{error:?}"
    );
    let generous = FrameSerializer::new().with_max_payload_bytes(u32::MAX);
    let error = generous.parse(&bytes).unwrap_err();
    let whole = (u32::MAX as usize).saturating_add(64);
    assert!(
        matches!(error, FrameError::Truncated { expected, actual: 94 } if expected == whole),
        "{error:?}"
    );
}

#[test]
fn no_frames_are_a_batch_but_not_a_frame() {
    let error = refused(&[]);
    assert!(
        matches!(
            error,
            FrameError::Truncated {
                expected: 64,
                actual: 0
            }
        ),
        "{error:?}"
    );
    let none: &[FrameHeader] = Frames::validate_all(&[]).unwrap();
    assert!(none.is_empty());
    assert_eq!(SplitBatch::parse(&[], 0).unwrap().headers().len(), 0);
}
