//! Frames from a buffer that fills as bytes arrive, and into one.

use bytes::{BufMut, BytesMut};
use cnv::frame::{
    Decoded, Frame, FrameDecoder, FrameEncoder, FrameError, FrameHeader, FramePayload, FrameReader,
    FrameSerializer, LayoutError, LogLevel, SimdFrame,
};
use proptest::prelude::*;

fn frame(payload: FramePayload) -> Frame {
    Frame::new(*b"0123456789abcdef", 3, 4, 5, payload)
}

/// Payloads on both sides of every length that counts.
fn frames() -> Vec<Frame> {
    let mut payloads: Vec<_> = [0, 1, 23, 24, 25, 64, 100]
        .map(|len: u8| FramePayload::Data((0..len).collect()))
        .into();
    payloads.extend([
        FramePayload::Error {
            code: 404,
            message: "there is nothing by that name: größer als 24 Bytes".to_owned(),
        },
        FramePayload::Log {
            level: LogLevel::Warn,
            message: "careful".to_owned(),
        },
        FramePayload::End(b"receipt".to_vec()),
    ]);
    payloads.into_iter().map(frame).collect()
}

fn encoded(frames: &[Frame]) -> BytesMut {
    let mut buffer = BytesMut::new();
    for frame in frames {
        let before = buffer.len();
        let written = FrameEncoder::new().encode(frame, &mut buffer).unwrap();
        assert_eq!(before + written, buffer.len());
    }
    buffer
}

/// All frames that are there.
fn decode_all(decoder: &FrameDecoder, buffer: &mut BytesMut) -> Result<Vec<Frame>, FrameError> {
    let mut frames = Vec::new();
    while let Decoded::Frame(frame) = decoder.decode(buffer)? {
        frames.push(frame.to_frame()?);
    }
    Ok(frames)
}

fn missing(decoder: &FrameDecoder, buffer: &mut BytesMut) -> usize {
    match decoder.decode(buffer) {
        Ok(Decoded::Missing(bytes)) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_bytes_are_those_of_the_serializer() {
    for frame in frames() {
        let mut expected = cnv::frame::AlignedBuffer::new();
        FrameSerializer::new()
            .serialize(&frame, &mut expected)
            .unwrap();
        assert_eq!(encoded(&[frame]), expected.as_slice());
    }
}

#[test]
fn a_stream_split_at_any_byte_gives_the_same_frames() {
    let frames = frames();
    let bytes = encoded(&frames);
    let decoder = FrameDecoder::new();
    for at in 0..=bytes.len() {
        let (first, second) = bytes.split_at(at);
        let mut buffer = BytesMut::from(first);
        let mut found = decode_all(&decoder, &mut buffer).unwrap();
        buffer.extend_from_slice(second);
        found.extend(decode_all(&decoder, &mut buffer).unwrap());
        assert_eq!(found, frames, "split at {at}");
        decoder.finish(&buffer).unwrap();
    }
}

/// A reader that asks for what is missing, and no more, never waits for bytes that do not come.
#[test]
fn reading_what_is_missing_is_enough_and_never_too_much() {
    let frames = frames();
    let bytes = encoded(&frames);
    let decoder = FrameDecoder::new();
    let (mut rest, mut buffer, mut found) = (&bytes[..], BytesMut::new(), Vec::new());
    while found.len() < frames.len() {
        match decoder.decode(&mut buffer).unwrap() {
            Decoded::Frame(frame) => {
                assert!(buffer.is_empty(), "nothing was read past the frame");
                found.push(frame.to_frame().unwrap());
            }
            Decoded::Missing(bytes) => {
                let (next, after) = rest.split_at(bytes);
                buffer.extend_from_slice(next);
                rest = after;
            }
        }
    }
    assert_eq!((found, rest), (frames, [].as_slice()));
}

#[test]
fn a_payload_is_split_off_and_not_copied() {
    for len in [1, 24, 25, 1000] {
        let mut buffer = encoded(&[frame(FramePayload::Data(vec![7; len]))]);
        let start = buffer.as_ptr().addr();
        let Ok(Decoded::Frame(frame)) = FrameDecoder::new().decode(&mut buffer) else {
            panic!("a whole frame is there");
        };
        let at = if len <= 24 { 40 } else { 64 };
        assert_eq!(frame.payload().as_ptr().addr() - start, at);
        assert_eq!(frame.header().payload_len() as usize, len);
        assert_eq!(frame.into_payload(), vec![7; len]);
    }
}

#[test]
fn a_stream_of_no_frames_is_one() {
    let decoder = FrameDecoder::new();
    let mut empty = BytesMut::new();
    assert_eq!(missing(&decoder, &mut empty), 64);
    decoder.finish(&empty).unwrap();
}

#[test]
fn a_stream_that_ends_inside_a_frame_says_how_much_is_missing() {
    let bytes = encoded(&[frame(FramePayload::Data(vec![1; 30]))]);
    let decoder = FrameDecoder::new();
    for len in 1..bytes.len() {
        let mut buffer = BytesMut::from(&bytes[..len]);
        let expected = if len < 64 {
            64 - len
        } else {
            bytes.len() - len
        };
        assert_eq!(missing(&decoder, &mut buffer), expected);
        assert_eq!(buffer, bytes[..len], "the buffer is as it was");
        let error = decoder.finish(&buffer).unwrap_err();
        assert!(
            matches!(error, FrameError::UnexpectedEof { missing } if missing == expected),
            "{error:?}"
        );
    }
    let error = decoder.finish(&bytes).unwrap_err();
    assert!(
        matches!(error, FrameError::TrailingBytes { count: 94 }),
        "a frame that nobody took: {error:?}"
    );
}

#[test]
fn a_length_of_four_gigabytes_is_refused_with_its_line_alone() {
    let mut bytes = encoded(&[frame(FramePayload::Data(vec![1; 30]))]);
    bytes[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
    bytes.truncate(64);
    let capacity = bytes.capacity();
    // Twice: what was refused is refused again.
    for _ in 0..2 {
        let error = FrameDecoder::new().decode(&mut bytes).unwrap_err();
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
    }
    assert_eq!((bytes.len(), bytes.capacity()), (64, capacity));

    let serializer = FrameSerializer::new().with_max_payload_bytes(u32::MAX);
    let generous = FrameDecoder::with_serializer(serializer);
    assert_eq!(missing(&generous, &mut bytes), u32::MAX as usize);
    assert_eq!(bytes.capacity(), capacity, "the decoder reserves nothing");
}

#[test]
fn a_line_that_breaks_a_rule_is_refused_before_its_payload_is_there() {
    for (at, value, field) in [
        (17, 4, "kind"),
        (18, 0, "version"),
        (18, 2, "version"),
        (19, 1, "flags"),
    ] {
        let mut bytes = encoded(&[frame(FramePayload::Data(vec![1; 30]))]);
        bytes.truncate(64);
        bytes[at] = value;
        let error = FrameDecoder::new().decode(&mut bytes).unwrap_err();
        let FrameError::Header(LayoutError::OutOfRange {
            field: found,
            offset,
            ..
        }) = error
        else {
            panic!("{error:?}");
        };
        assert_eq!((found.to_string().as_str(), offset), (field, at));
    }
    let mut bytes = encoded(&[frame(FramePayload::Data(vec![1; 3]))]);
    bytes[43] = 9;
    let error = FrameDecoder::new().decode(&mut bytes).unwrap_err();
    assert!(
        matches!(
            error,
            FrameError::UnusedByte {
                offset: 43,
                value: 9
            }
        ),
        "{error:?}"
    );
}

#[test]
fn what_a_kind_wants_is_tested_when_the_frame_is_made() {
    let mut bytes = encoded(&[frame(FramePayload::Log {
        level: LogLevel::Info,
        message: "m".to_owned(),
    })]);
    bytes[40] = 9;
    let Ok(Decoded::Frame(frame)) = FrameDecoder::new().decode(&mut bytes) else {
        panic!("the line is fine");
    };
    let error = frame.to_frame().unwrap_err();
    assert!(
        matches!(error, FrameError::LogLevel { value: 9 }),
        "{error:?}"
    );
}

#[test]
fn an_encoder_writes_all_of_a_frame_or_nothing() {
    let long = frame(FramePayload::Data(vec![1; 30]));
    for room in [0, 63, 64, 93] {
        let mut memory = [0xee; 94];
        let mut out = &mut memory[..room];
        let error = FrameEncoder::new().encode(&long, &mut out).unwrap_err();
        assert!(
            matches!(error, FrameError::OutOfMemory { bytes: 94 }),
            "{error:?}"
        );
        assert_eq!(out.remaining_mut(), room);
        assert_eq!(memory, [0xee; 94]);
    }
    let mut memory = [0; 94];
    assert_eq!(
        FrameEncoder::new()
            .encode(&long, &mut memory.as_mut_slice())
            .unwrap(),
        94
    );
    assert_eq!(Frame::parse(&memory).unwrap().to_frame().unwrap(), long);

    let strict = FrameSerializer::new().with_max_payload_bytes(29);
    let mut buffer = BytesMut::new();
    let error = FrameEncoder::with_serializer(strict)
        .encode(&long, &mut buffer)
        .unwrap_err();
    assert!(
        matches!(error, FrameError::PayloadTooLarge { len: 30, max: 29 }),
        "{error:?}"
    );
    assert!(buffer.is_empty());
}

/// What came of a stream: its frames, and how it ended.
type Outcome = (Vec<Frame>, Option<String>);

fn read(bytes: &[u8]) -> Outcome {
    let mut frames = Vec::new();
    for frame in FrameReader::new(bytes) {
        match frame {
            Ok(frame) => frames.push(frame),
            Err(error) => return (frames, Some(format!("{error:?}"))),
        }
    }
    (frames, None)
}

fn decoded(bytes: &[u8], chunk_bytes: usize) -> Outcome {
    let decoder = FrameDecoder::new();
    let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
    let mut take = |buffer: &mut BytesMut| -> Result<(), FrameError> {
        while let Decoded::Frame(frame) = decoder.decode(buffer)? {
            frames.push(frame.to_frame()?);
        }
        Ok(())
    };
    let mut ended = Ok(());
    for chunk in bytes.chunks(chunk_bytes) {
        buffer.extend_from_slice(chunk);
        ended = take(&mut buffer);
        if ended.is_err() {
            break;
        }
    }
    let ended = ended.and_then(|()| decoder.finish(&buffer));
    (frames, ended.err().map(|error| format!("{error:?}")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The reader over `std::io` and the decoder over `bytes` agree on any bytes, wherever they are split
    /// and however they are wrong.
    #[test]
    fn the_decoder_and_the_reader_agree(
        lens in prop::collection::vec(0..200_usize, 0..5),
        corrupt in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
        chunk_bytes in 1..150_usize,
    ) {
        let frames: Vec<_> = lens.iter().map(|&len| frame(FramePayload::Data(vec![len as u8; len]))).collect();
        let mut bytes = encoded(&frames).to_vec();
        if let (Some((at, value)), false) = (corrupt, bytes.is_empty()) {
            // Half of all faults are in the word that has the rules.
            let at = at.index(bytes.len());
            let at = if value % 2 == 0 { at } else { at / 64 * 64 + 16 + at % 8 };
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        let expected = read(&bytes);
        prop_assert_eq!(decoded(&bytes, chunk_bytes), expected.clone());
        if corrupt.is_none() && !is_cut {
            prop_assert_eq!(expected, (frames, None));
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut buffer = BytesMut::from(bytes.as_slice());
        if buffer.len() >= FrameHeader::SIZE {
            buffer[17..24].copy_from_slice(&[bytes[17] % 4, 1, 0, bytes[20] % 200, 0, 0, 0]);
        }
        let _ = decode_all(&FrameDecoder::new(), &mut buffer);
    }
}
