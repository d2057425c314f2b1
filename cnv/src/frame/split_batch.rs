//! Header lines first, payloads behind them.
//!
//! Where each line is followed by its payload, a reader that looks for one kind of frame reads every byte
//! between two lines. Here all lines are one slice, which kernels validate and which a reader scans at the
//! speed of memory:
//!
//! ```text
//! [N header lines of 64 bytes][payload heap]
//! ```
//!
//! A payload of up to 24 bytes stands in its line; the longer ones stand in the heap in the order of
//! their lines, without a gap, so that where each starts is the sum of the lengths before it. `N` goes with
//! the bytes, as their number does: a reader that took as many lines as add up to the bytes it has would
//! take the start of a batch that was cut off for a shorter one, with lines for payloads.

use super::borrowed::FrameRef;
use super::buffer::AlignedBuffer;
use super::error::FrameError;
use super::frames::{Frames, FramesError, FramesView};
use super::header::{FrameHeader, PayloadPlace};
use super::owned::Frame;
use super::serializer::FrameSerializer;
use super::simd_frame::SimdFrame;

const LINE_BYTES: usize = size_of::<FrameHeader>();

/// Bytes that are not a split batch. None of these goes away by trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitBatchError {
    /// A line has a byte that its field does not allow.
    #[error("the header lines are not valid")]
    Lines(#[from] FramesError),
    /// The bytes end before the lines or the payloads that these state.
    #[error("the batch is {expected} bytes, and there are {actual}")]
    Truncated {
        /// Bytes of the lines, or of all once the lines are there to say so.
        expected: usize,
        /// Bytes that were there.
        actual: usize,
    },
    /// The bytes go on after the last payload.
    #[error("{count} bytes follow the batch")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A payload is over the limit.
    #[error("the payload of line {index} is {len} bytes, over the limit of {max}")]
    PayloadTooLarge {
        /// Number of the line, from 0.
        index: usize,
        /// Bytes that it states.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// There are more frames than the limit.
    #[error("there are more than {max} frames")]
    TooManyFrames {
        /// The limit.
        max: usize,
    },
    /// A byte of a line behind its payload is not 0.
    #[error("byte {offset} of line {index} is {value}, and it is unused and so 0")]
    UnusedByte {
        /// Number of the line, from 0.
        index: usize,
        /// Bytes from the start of the line.
        offset: usize,
        /// The byte that was there.
        value: u8,
    },
}

/// A batch whose lines, lengths and offsets are all checked, borrowed from its bytes.
///
/// ```
/// use cnv::frame::{AlignedBuffer, Frame, FramePayload, SplitBatch, SplitBatchWriter};
///
/// let mut writer = SplitBatchWriter::new();
/// for (sequence, len) in [5, 24, 1000].into_iter().enumerate() {
///     let payload = FramePayload::Data(vec![len as u8; len]);
///     writer.push(&Frame::new([7; 16], 0, sequence as u64, 0, payload))?;
/// }
/// let mut buffer = AlignedBuffer::new();
/// writer.finish(&mut buffer)?;
///
/// let batch = SplitBatch::parse(buffer.as_slice(), writer.len())?;
/// assert_eq!(batch.headers().len(), 3);
/// let lens: Vec<usize> = batch.iter().map(|frame| frame.payload().len()).collect();
/// assert_eq!(lens, [5, 24, 1000]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SplitBatch<'a> {
    headers: FramesView<'a, FrameHeader>,
    /// As long as the payloads that do not stand in their lines.
    heap: &'a [u8],
}

/// What a reader of split batches takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitBatchLimits {
    /// The longest payload, in bytes. 1 MiB unless set.
    pub max_payload_bytes: u32,
    /// The most frames. No limit unless set: their lines stand in the bytes, so that the bytes are one.
    pub max_frames: usize,
}

impl Default for SplitBatchLimits {
    fn default() -> Self {
        Self {
            max_payload_bytes: FrameSerializer::DEFAULT_MAX_PAYLOAD_BYTES,
            max_frames: usize::MAX,
        }
    }
}

impl<'a> SplitBatch<'a> {
    /// The batch of `frames` frames that `bytes` are, all of them. They may start at any address, as a socket
    /// gives them. Nothing is copied, and no memory is allocated.
    ///
    /// # Errors
    ///
    /// Every variant of [`SplitBatchError`].
    pub fn parse(bytes: &'a [u8], frames: usize) -> Result<Self, SplitBatchError> {
        Self::parse_within(bytes, frames, SplitBatchLimits::default())
    }

    /// As [`parse`](Self::parse), with other limits.
    ///
    /// # Errors
    ///
    /// Every variant of [`SplitBatchError`].
    pub fn parse_within(
        bytes: &'a [u8],
        frames: usize,
        limits: SplitBatchLimits,
    ) -> Result<Self, SplitBatchError> {
        if frames > limits.max_frames {
            return Err(SplitBatchError::TooManyFrames {
                max: limits.max_frames,
            });
        }
        let expected = frames.saturating_mul(LINE_BYTES);
        let Some((lines, heap)) = bytes.split_at_checked(expected) else {
            return Err(SplitBatchError::Truncated {
                expected,
                actual: bytes.len(),
            });
        };
        let headers = Frames::<FrameHeader>::view_all(lines)?;
        let mut end = 0_usize;
        for (index, line) in headers.each().enumerate() {
            let following = checked_following(line, index, limits)?;
            // More than fits is more than there is: no slice is that long.
            end = end.saturating_add(following);
        }
        if end > heap.len() {
            return Err(SplitBatchError::Truncated {
                expected: expected.saturating_add(end),
                actual: bytes.len(),
            });
        }
        if end < heap.len() {
            return Err(SplitBatchError::TrailingBytes {
                count: heap.len() - end,
            });
        }
        Ok(Self { headers, heap })
    }

    /// The header lines of all frames, which are copied out one by one.
    #[must_use]
    pub const fn headers(&self) -> FramesView<'a, FrameHeader> {
        self.headers
    }

    /// Each frame with its payload, wherever that stands, in their order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = FrameRef<'a>> + use<'a> {
        let mut heap = self.heap;
        self.headers.each().map(move |line| {
            let (place, _) = PayloadPlace::of_line(bytes_of(line));
            let (following, rest) = heap.split_at(place.following_bytes());
            heap = rest;
            FrameRef::new(line, place, following)
        })
    }

    /// Each frame, copied.
    ///
    /// # Errors
    ///
    /// An item is [`FrameError`] where the payload is not what its kind wants; the ones behind it are
    /// not affected.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = Result<Frame, FrameError>> + use<'a> {
        self.iter().map(|frame| frame.to_frame())
    }
}

/// Bytes of the payload that stand in the heap, once everything that the line states is tested.
#[inline]
fn checked_following(
    line: FramesView<'_, FrameHeader>,
    index: usize,
    limits: SplitBatchLimits,
) -> Result<usize, SplitBatchError> {
    let (place, is_followed_by_zeros) = PayloadPlace::of_line(bytes_of(line));
    let (len, max) = (
        place.payload_len() as usize,
        limits.max_payload_bytes as usize,
    );
    if len > max {
        return Err(SplitBatchError::PayloadTooLarge { index, len, max });
    }
    if !is_followed_by_zeros {
        return Err(unused(line, index));
    }
    Ok(place.following_bytes())
}

/// The bytes of a view of one line.
#[inline]
fn bytes_of(line: FramesView<'_, FrameHeader>) -> &[u8; LINE_BYTES] {
    line.as_bytes().first_chunk().expect("a line")
}

#[cold]
fn unused(line: FramesView<'_, FrameHeader>, index: usize) -> SplitBatchError {
    let (offset, value) = line.first().unused_byte().unwrap_or_default();
    SplitBatchError::UnusedByte {
        index,
        offset,
        value,
    }
}

/// Collects frames and writes them as one split batch.
///
/// It keeps its memory from one batch to the next: [`clear`](Self::clear) it, and no batch that is not
/// larger than one before allocates anything.
#[derive(Debug, Clone, Default)]
pub struct SplitBatchWriter {
    serializer: FrameSerializer,
    lines: AlignedBuffer,
    heap: AlignedBuffer,
}

impl SplitBatchWriter {
    /// A writer for payloads of at most [`FrameSerializer::DEFAULT_MAX_PAYLOAD_BYTES`].
    #[must_use]
    pub const fn new() -> Self {
        Self::with_serializer(FrameSerializer::new())
    }

    /// A writer for the frames that `serializer` takes.
    #[must_use]
    pub const fn with_serializer(serializer: FrameSerializer) -> Self {
        Self {
            serializer,
            lines: AlignedBuffer::new(),
            heap: AlignedBuffer::new(),
        }
    }

    /// Adds a frame.
    ///
    /// # Errors
    ///
    /// [`FrameError::PayloadTooLarge`] and [`FrameError::OutOfMemory`]. The batch is unchanged then.
    pub fn push(&mut self, frame: &Frame) -> Result<(), FrameError> {
        let line = self.serializer.line(frame)?;
        let following = line.following_bytes();
        // Memory for both first, so that a line is never without its payload.
        self.lines.reserve(LINE_BYTES)?;
        self.heap.reserve(following)?;
        if following > 0 {
            let heap = &mut self.heap;
            frame
                .payload()
                .encode(|piece| heap.extend_from_slice(piece))?;
        }
        self.lines.extend_from_slice(line.as_bytes())
    }

    /// Frames so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.lines.len() / LINE_BYTES
    }

    /// Whether there is no frame yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Replaces the content of `buffer` with the batch, and returns how many bytes that are. The batch
    /// stays until it is cleared.
    ///
    /// # Errors
    ///
    /// [`FrameError::OutOfMemory`], with the buffer empty.
    pub fn finish(&self, buffer: &mut AlignedBuffer) -> Result<usize, FrameError> {
        buffer.clear();
        buffer.reserve(self.lines.len().saturating_add(self.heap.len()))?;
        buffer.extend_from_slice(self.lines.as_slice())?;
        buffer.extend_from_slice(self.heap.as_slice())?;
        Ok(buffer.len())
    }

    /// The two parts of the batch, for a vectored write: the lines, and what stands behind them.
    #[must_use]
    pub fn parts(&self) -> (&[u8], &[u8]) {
        (self.lines.as_slice(), self.heap.as_slice())
    }

    /// Forgets the frames and keeps the memory.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.heap.clear();
    }
}
