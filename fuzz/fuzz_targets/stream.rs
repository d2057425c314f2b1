//! A stream that gives its bytes in pieces of any length: what a reader reads of it, and what a decoder
//! takes from a buffer that they fill, is what a serializer reads of the same bytes.
#![no_main]

use std::io::{Error, ErrorKind, Read};

use arbitrary::Arbitrary;
use bytes::BytesMut;
use cnv::frame::{
    AlignedBuffer, Decoded, Frame, FrameDecoder, FrameError, FrameHeader, FrameReader,
    FrameSerializer, FrameWriter, SimdFrame,
};
use cnv_fuzz::AnyFrame;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    frames: Vec<AnyFrame>,
    changes: [Option<(u16, u8)>; 2],
    tail: &'a [u8],
    /// Lengths of the pieces; 255 is an error that goes away, 254 an interruption.
    pieces: &'a [u8],
    max_payload_bytes: u16,
}

struct Pieces<'a> {
    bytes: &'a [u8],
    pieces: std::slice::Iter<'a, u8>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let len = match self.pieces.next() {
            Some(255) => return Err(Error::from(ErrorKind::WouldBlock)),
            Some(254) => return Err(Error::from(ErrorKind::Interrupted)),
            Some(&len) => usize::from(len).max(1).min(out.len()),
            None => out.len(),
        };
        self.bytes.read(&mut out[..len])
    }
}

/// The frames at the start of `bytes`, one slice after the other, and what is left.
fn by_slices(serializer: &FrameSerializer, mut bytes: &[u8]) -> (Vec<Frame>, usize) {
    let mut frames = Vec::new();
    while let Some(line) = bytes.first_chunk::<64>() {
        let following = FrameHeader::read(line).map_or(0, |header| header.following_bytes());
        let Some((frame, rest)) = bytes.split_at_checked(64_usize.saturating_add(following)) else {
            break;
        };
        let Ok(frame) = serializer.deserialize(frame) else {
            break;
        };
        frames.push(frame);
        bytes = rest;
    }
    (frames, bytes.len())
}

/// The frames that a decoder takes from a buffer as the pieces arrive in it, and the error that ends them:
/// the bytes', or that they end within a frame.
fn by_decoder(
    serializer: &FrameSerializer,
    mut pieces: Pieces<'_>,
) -> (Vec<Frame>, Option<FrameError>) {
    let decoder = FrameDecoder::with_serializer(serializer.clone());
    let (mut frames, mut buffer) = (Vec::new(), BytesMut::new());
    let mut piece = [0; 256];
    loop {
        match pieces.read(&mut piece) {
            Ok(0) => return (frames, decoder.finish(&buffer).err()),
            Ok(len) => buffer.extend_from_slice(&piece[..len]),
            // There is nothing yet, as a socket says it.
            Err(_) => {}
        }
        loop {
            let before = buffer.len();
            let decoded = decoder.decode(&mut buffer);
            let decoded = decoded.and_then(|decoded| match decoded {
                Decoded::Frame(frame) => frame.to_frame().map(Some),
                Decoded::Missing(missing) => {
                    assert!(missing > 0 && buffer.len() == before);
                    Ok(None)
                }
            });
            match decoded {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    let mut writer = FrameWriter::new(Vec::new());
    for frame in &input.frames {
        writer.write(&frame.0).expect("short");
    }
    let mut bytes = writer.into_inner();
    let is_changed = input.changes.iter().any(Option::is_some);
    bytes.extend_from_slice(input.tail);
    for (at, value) in input.changes.into_iter().flatten() {
        if !bytes.is_empty() {
            let at = usize::from(at) % bytes.len();
            bytes[at] = value;
        }
    }
    let serializer = FrameSerializer::new().with_max_payload_bytes(input.max_payload_bytes.into());
    let (expected, left) = by_slices(&serializer, &bytes);
    if !is_changed && input.tail.is_empty() && input.max_payload_bytes > 10_000 {
        assert!(
            expected
                .iter()
                .eq(input.frames.iter().map(|frame| &frame.0))
        );
    }

    let pieces = || Pieces {
        bytes: &bytes,
        pieces: input.pieces.iter(),
    };
    let mut read = Vec::new();
    let mut error = None;
    for frame in FrameReader::with_serializer(pieces(), serializer.clone()) {
        assert!(error.is_none(), "an error of the bytes ends the stream");
        match frame {
            Ok(frame) => read.push(frame),
            Err(FrameError::Io(error)) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            Err(other) => error = Some(other),
        }
    }
    assert_eq!(read, expected);
    assert_eq!(error.is_none(), left == 0, "{error:?}");

    let (decoded, refused) = by_decoder(&serializer, pieces());
    assert_eq!(decoded, read);
    // An error of input and output is not `PartialEq`; what is printed tells the others apart.
    assert_eq!(format!("{refused:?}"), format!("{error:?}"));

    // A frame has one encoding.
    let (mut again, mut buffer) = (Vec::new(), AlignedBuffer::new());
    let mut serializer = serializer;
    for frame in &read {
        serializer
            .serialize(frame, &mut buffer)
            .expect("read, and so written");
        again.extend_from_slice(buffer.as_slice());
    }
    assert_eq!(again, bytes[..bytes.len() - left]);
});
