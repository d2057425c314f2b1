//! Four frames and more at a time.

use super::buffer::AlignedBuffer;
use super::error::FrameError;
use super::owned::Frame;
use super::serializer::FrameSerializer;
use super::simd::view;
use super::split_batch::{SplitBatch, SplitBatchError, SplitBatchLimits, SplitBatchWriter};

/// Writes and reads many [`Frame`]s as one [`SplitBatch`].
///
/// It takes any number of frames. From [`MIN_FRAMES`](Self::MIN_FRAMES) on a kernel validates their lines;
/// for fewer a [`FrameSerializer`] does the same work. It keeps its memory from one batch to the next.
///
/// ```
/// use cnv::frame::{AlignedBuffer, BatchProcessor, Frame, FramePayload};
///
/// let payload = |byte| FramePayload::Data(vec![byte; 100]);
/// let frames = [1, 2, 3, 4].map(|byte| Frame::new([7; 16], 0, byte.into(), 0, payload(byte)));
/// let mut processor = BatchProcessor::new();
/// let mut buffer = AlignedBuffer::new();
/// assert_eq!(processor.serialize(&frames, &mut buffer)?, 4 * 64 + 4 * 100);
///
/// let batch = processor.deserialize(buffer.as_slice(), 4)?;
/// assert!(batch.headers().iter().map(|header| header.sequence()).eq(1..=4));
/// assert_eq!(batch.frames().collect::<Result<Vec<_>, _>>()?, frames);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct BatchProcessor {
    writer: SplitBatchWriter,
    limits: SplitBatchLimits,
}

impl BatchProcessor {
    /// Frames from which on a kernel validates the lines of a batch.
    pub const MIN_FRAMES: usize = view::INLINE_FRAMES + 1;

    /// A processor with [`SplitBatchLimits::default`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A processor with other limits, in both directions.
    #[must_use]
    pub const fn with_limits(limits: SplitBatchLimits) -> Self {
        let serializer = FrameSerializer::new().with_max_payload_bytes(limits.max_payload_bytes);
        Self {
            writer: SplitBatchWriter::with_serializer(serializer),
            limits,
        }
    }

    /// Replaces the content of `buffer` with the frames, and returns how many bytes that are.
    ///
    /// # Errors
    ///
    /// [`FrameError::PayloadTooLarge`] and [`FrameError::OutOfMemory`], with the buffer empty.
    pub fn serialize(
        &mut self,
        frames: &[Frame],
        buffer: &mut AlignedBuffer,
    ) -> Result<usize, FrameError> {
        self.writer.clear();
        buffer.clear();
        for frame in frames {
            self.writer.push(frame)?;
        }
        self.writer.finish(buffer)
    }

    /// The batch of `frames` frames that `bytes` are, borrowed from them.
    ///
    /// # Errors
    ///
    /// Every variant of [`SplitBatchError`].
    pub fn deserialize<'a>(
        &self,
        bytes: &'a [u8],
        frames: usize,
    ) -> Result<SplitBatch<'a>, SplitBatchError> {
        SplitBatch::parse_within(bytes, frames, self.limits)
    }
}
