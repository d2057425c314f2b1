//! Frames out of a buffer that fills as bytes arrive, and into one: what a socket without `std::io` needs.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::error::FrameError;
use super::header::FrameHeader;
use super::owned::Frame;
use super::serializer::FrameSerializer;
use super::simd_frame::SimdFrame;

const LINE_BYTES: usize = size_of::<FrameHeader>();

/// Takes frames off the front of a [`BytesMut`], as [`FrameReader`](super::FrameReader) takes them from a
/// stream.
///
/// It reads nothing itself, so that it serves any socket, blocking or not. It keeps nothing between calls
/// and reserves no memory: what is not a whole frame yet stays in the buffer. A line is checked as soon as
/// it is there, the length that it states before anything else of the frame is asked for. Needs the feature
/// `bytes`.
///
/// A frame costs no allocation. The first payload that is split off has the buffer count who shares its
/// memory, which is one for each memory that the buffer takes; memory whose payloads are all dropped by the
/// time the buffer wants more is used again.
///
/// ```
/// use bytes::BytesMut;
/// use cnv::frame::{Decoded, Frame, FrameDecoder, FrameEncoder, FramePayload};
///
/// let frame = Frame::new([7; 16], 0, 1, 0, FramePayload::Data(vec![5; 100]));
/// let mut sent = BytesMut::new();
/// FrameEncoder::new().encode(&frame, &mut sent)?;
///
/// let decoder = FrameDecoder::new();
/// let mut received = BytesMut::new();
/// let mut frames = Vec::new();
/// for chunk in sent.chunks(60) {
///     received.extend_from_slice(chunk);
///     while let Decoded::Frame(frame) = decoder.decode(&mut received)? {
///         frames.push(frame.to_frame()?);
///     }
/// }
/// decoder.finish(&received)?;
/// assert_eq!(frames, [frame]);
/// # Ok::<(), cnv::frame::FrameError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct FrameDecoder {
    serializer: FrameSerializer,
}

/// What [`FrameDecoder::decode`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// A frame, which is no longer in the buffer.
    Frame(SharedFrame),
    /// This many bytes are missing: to the end of the line, or to the end of the frame once the line is
    /// there, which is never more than the limit of the payload. The buffer is as it was.
    Missing(usize),
}

impl FrameDecoder {
    /// Takes frames of at most [`FrameSerializer::DEFAULT_MAX_PAYLOAD_BYTES`] of payload.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_serializer(FrameSerializer::new())
    }

    /// Takes the frames that `serializer` takes.
    #[must_use]
    pub const fn with_serializer(serializer: FrameSerializer) -> Self {
        Self { serializer }
    }

    /// Takes the frame at the front of `buffer`, if all of it is there. The payload is split off and not
    /// copied, so that it holds on to the memory of the buffer.
    ///
    /// # Errors
    ///
    /// [`FrameError::Header`], [`FrameError::PayloadTooLarge`] and [`FrameError::UnusedByte`]. The buffer is
    /// as it was, so that each further call fails in the same way: the stream is over.
    #[inline]
    pub fn decode(&self, buffer: &mut BytesMut) -> Result<Decoded, FrameError> {
        let header = match self.front(buffer)? {
            Front::Whole(header) => header,
            Front::Missing(bytes) => return Ok(Decoded::Missing(bytes)),
        };
        let payload = match header.place().inline_range() {
            Some(range) if !range.is_empty() => {
                let mut payload = buffer.split_to(LINE_BYTES).freeze();
                payload.advance(range.start);
                payload.truncate(range.len());
                payload
            }
            Some(_) => {
                buffer.advance(LINE_BYTES);
                Bytes::new()
            }
            None => {
                buffer.advance(LINE_BYTES);
                buffer.split_to(header.following_bytes()).freeze()
            }
        };
        Ok(Decoded::Frame(SharedFrame { header, payload }))
    }

    /// Says whether a stream may end here, with `buffer` left of it.
    ///
    /// # Errors
    ///
    /// [`FrameError::UnexpectedEof`] inside a frame, [`FrameError::TrailingBytes`] where a whole frame was
    /// not taken, and those of [`decode`](Self::decode).
    pub fn finish(&self, buffer: &BytesMut) -> Result<(), FrameError> {
        if buffer.is_empty() {
            return Ok(());
        }
        Err(match self.front(buffer)? {
            Front::Whole(_) => FrameError::TrailingBytes {
                count: buffer.len(),
            },
            Front::Missing(missing) => FrameError::UnexpectedEof { missing },
        })
    }

    #[inline]
    fn front(&self, bytes: &[u8]) -> Result<Front, FrameError> {
        let Some((line, following)) = bytes.split_at_checked(LINE_BYTES) else {
            return Ok(Front::Missing(LINE_BYTES - bytes.len()));
        };
        let header = self.serializer.header(line)?;
        match header.following_bytes().checked_sub(following.len()) {
            None | Some(0) => Ok(Front::Whole(header)),
            Some(missing) => Ok(Front::Missing(missing)),
        }
    }
}

/// What stands at the front of a buffer.
enum Front {
    Whole(FrameHeader),
    Missing(usize),
}

/// A frame whose payload shares the memory of the buffer that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFrame {
    header: FrameHeader,
    payload: Bytes,
}

impl SharedFrame {
    /// The header line.
    #[must_use]
    pub const fn header(&self) -> &FrameHeader {
        &self.header
    }

    /// The bytes of the payload, which are not looked at before [`to_frame`](Self::to_frame).
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The bytes of the payload, without a copy.
    #[must_use]
    pub fn into_payload(self) -> Bytes {
        self.payload
    }

    /// The frame with a payload of its own.
    ///
    /// # Errors
    ///
    /// As for [`FrameRef::to_frame`](super::FrameRef::to_frame).
    pub fn to_frame(&self) -> Result<Frame, FrameError> {
        Frame::of(&self.header, self.payload.to_vec())
    }
}

/// Appends frames to a [`BytesMut`] or any other [`BufMut`]. Needs the feature `bytes`.
#[derive(Debug, Clone, Default)]
pub struct FrameEncoder {
    serializer: FrameSerializer,
}

impl FrameEncoder {
    /// Appends frames of at most [`FrameSerializer::DEFAULT_MAX_PAYLOAD_BYTES`] of payload.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_serializer(FrameSerializer::new())
    }

    /// Appends the frames that `serializer` takes.
    #[must_use]
    pub const fn with_serializer(serializer: FrameSerializer) -> Self {
        Self { serializer }
    }

    /// Appends `frame` to `buffer`, and returns how many bytes that are.
    ///
    /// # Errors
    ///
    /// [`FrameError::PayloadTooLarge`], and [`FrameError::OutOfMemory`] where a buffer that does not grow has
    /// no room for it. The buffer is unchanged then.
    pub fn encode(&self, frame: &Frame, buffer: &mut impl BufMut) -> Result<usize, FrameError> {
        let header = self.serializer.line(frame)?;
        let following = header.following_bytes();
        let bytes = LINE_BYTES.saturating_add(following);
        if buffer.remaining_mut() < bytes {
            return Err(FrameError::OutOfMemory { bytes });
        }
        buffer.put_slice(header.as_bytes());
        if following > 0 {
            frame.payload().encode(|piece| {
                buffer.put_slice(piece);
                Ok::<(), FrameError>(())
            })?;
        }
        Ok(bytes)
    }
}
