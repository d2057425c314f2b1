//! Frames one after the other: each a header line, then what of its payload did not fit in the line.

use std::io::{ErrorKind, Read, Write};

use super::buffer::AlignedBuffer;
use super::error::FrameError;
use super::header::FrameHeader;
use super::owned::Frame;
use super::serializer::FrameSerializer;

const LINE_BYTES: usize = size_of::<FrameHeader>();

/// Reads frames from a stream, as an iterator.
///
/// It ends where the stream ends between two frames; anywhere else that is an error. Memory grows
/// with the bytes that arrive, never with a length that a header line states. After
/// [`FrameError::Io`] it goes on where it was when it is asked again; after any other error it is
/// over. It reads each line on its own, so wrap a file in a [`BufReader`](std::io::BufReader).
///
/// ```
/// use cnv::frame::{Frame, FrameReader, FrameWriter};
///
/// let mut writer = FrameWriter::new(Vec::new());
/// writer.write(&Frame::default())?;
/// writer.write(&Frame::default())?;
/// let bytes = writer.into_inner();
///
/// let frames: Vec<Frame> = FrameReader::new(bytes.as_slice()).collect::<Result<_, _>>()?;
/// assert_eq!(frames.len(), 2);
/// # Ok::<(), cnv::frame::FrameError>(())
/// ```
#[derive(Debug)]
pub struct FrameReader<R> {
    reader: R,
    serializer: FrameSerializer,
    line: [u8; LINE_BYTES],
    /// Bytes of `line` that have arrived.
    filled: usize,
    /// Bytes that have arrived behind a complete line.
    following: Vec<u8>,
    is_over: bool,
}

impl<R: Read> FrameReader<R> {
    /// Reads frames of at most [`FrameSerializer::DEFAULT_MAX_PAYLOAD_BYTES`] of payload.
    pub const fn new(reader: R) -> Self {
        Self::with_serializer(reader, FrameSerializer::new())
    }

    /// Reads the frames that `serializer` takes.
    pub const fn with_serializer(reader: R, serializer: FrameSerializer) -> Self {
        Self {
            reader,
            serializer,
            line: [0; LINE_BYTES],
            filled: 0,
            following: Vec::new(),
            is_over: false,
        }
    }

    /// The stream. Bytes of a frame that was read in part are gone.
    pub fn into_inner(self) -> R {
        self.reader
    }

    /// The next frame, or `None` at the end of the stream.
    fn read(&mut self) -> Result<Option<Frame>, FrameError> {
        if !self.fill_line()? {
            return Ok(None);
        }
        let header = self.serializer.header(&self.line)?;
        self.fill_following(header.following_bytes())?;
        self.filled = 0;
        let payload = match header.inline_payload() {
            Some(inline) => inline.to_vec(),
            None => core::mem::take(&mut self.following),
        };
        Frame::of(&header, payload).map(Some)
    }

    /// Completes the line; `false` where the stream ended before its first byte.
    fn fill_line(&mut self) -> Result<bool, FrameError> {
        while self.filled < LINE_BYTES {
            match self.reader.read(&mut self.line[self.filled..]) {
                Ok(0) if self.filled == 0 => return Ok(false),
                Ok(0) => {
                    return Err(FrameError::UnexpectedEof {
                        missing: LINE_BYTES - self.filled,
                    });
                }
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(FrameError::Io(error)),
            }
        }
        Ok(true)
    }

    fn fill_following(&mut self, expected: usize) -> Result<(), FrameError> {
        let missing = expected - self.following.len();
        // `read_to_end` keeps what it has read when it fails, and starts small whatever the limit.
        (&mut self.reader)
            .take(missing as u64)
            .read_to_end(&mut self.following)?;
        match expected - self.following.len() {
            0 => Ok(()),
            missing => Err(FrameError::UnexpectedEof { missing }),
        }
    }
}

impl<R: Read> Iterator for FrameReader<R> {
    type Item = Result<Frame, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let result = self.read();
        self.is_over = !matches!(result, Ok(Some(_)) | Err(FrameError::Io(_)));
        result.transpose()
    }
}

/// Writes frames to a stream, each with one `write_all`.
#[derive(Debug)]
pub struct FrameWriter<W> {
    writer: W,
    serializer: FrameSerializer,
    buffer: AlignedBuffer,
}

impl<W: Write> FrameWriter<W> {
    /// Writes frames of at most [`FrameSerializer::DEFAULT_MAX_PAYLOAD_BYTES`] of payload.
    pub const fn new(writer: W) -> Self {
        Self::with_serializer(writer, FrameSerializer::new())
    }

    /// Writes the frames that `serializer` takes.
    pub const fn with_serializer(writer: W, serializer: FrameSerializer) -> Self {
        Self {
            writer,
            serializer,
            buffer: AlignedBuffer::new(),
        }
    }

    /// Writes one frame and returns its bytes on the wire.
    ///
    /// # Errors
    ///
    /// Those of [`FrameSerializer::serialize`], with nothing written, and [`FrameError::Io`], after
    /// which a part of the frame may be written and the stream is of no use.
    pub fn write(&mut self, frame: &Frame) -> Result<usize, FrameError> {
        let written = self.serializer.serialize(frame, &mut self.buffer)?;
        self.writer.write_all(self.buffer.as_slice())?;
        Ok(written)
    }

    /// Flushes the stream.
    ///
    /// # Errors
    ///
    /// [`FrameError::Io`]; a retry is up to the stream.
    pub fn flush(&mut self) -> Result<(), FrameError> {
        Ok(self.writer.flush()?)
    }

    /// The stream, not flushed.
    pub fn into_inner(self) -> W {
        self.writer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FramePayload;

    #[test]
    fn memory_follows_the_bytes_that_arrive_and_not_the_stated_length() {
        let mut header = FrameHeader::new([0; 16], 0, crate::frame::FrameKind::Data, 0, 0);
        header.set_payload_len(u32::MAX);
        let mut bytes = crate::frame::SimdFrame::as_bytes(&header).to_vec();
        bytes.extend_from_slice(&[1; 100]);

        let serializer = FrameSerializer::new().with_max_payload_bytes(u32::MAX);
        let mut reader = FrameReader::with_serializer(bytes.as_slice(), serializer);
        let missing = u32::MAX as usize - 100;
        assert!(matches!(
            reader.next(),
            Some(Err(FrameError::UnexpectedEof { missing: left })) if left == missing
        ));
        assert!(
            reader.following.capacity() < 1 << 16,
            "{}",
            reader.following.capacity()
        );
    }

    /// Gives one byte at a time, and before each an error.
    struct Reluctant<'a> {
        bytes: &'a [u8],
        is_ready: bool,
    }

    impl Read for Reluctant<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.is_ready = !self.is_ready;
            if !self.is_ready {
                let kinds = [ErrorKind::Interrupted, ErrorKind::WouldBlock];
                return Err(kinds[self.bytes.len() % 2].into());
            }
            let len = out.len().min(1);
            self.bytes.read(&mut out[..len])
        }
    }

    #[test]
    fn a_reader_goes_on_after_an_error_of_the_stream() {
        let frames = [3, 24, 25, 100].map(|len| {
            Frame::new(
                [1; 16],
                2,
                len,
                4,
                FramePayload::Data(vec![5; len as usize]),
            )
        });
        let mut writer = FrameWriter::new(Vec::new());
        for frame in &frames {
            writer.write(frame).unwrap();
        }
        let bytes = writer.into_inner();
        let reader = FrameReader::new(Reluctant {
            bytes: &bytes,
            is_ready: false,
        });
        let (read, failed): (Vec<_>, Vec<_>) = reader.partition(Result::is_ok);
        assert_eq!(
            read.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
            frames
        );
        assert!(!failed.is_empty());
        for error in failed {
            let is_io = matches!(&error, Err(FrameError::Io(error)) if error.kind() == ErrorKind::WouldBlock);
            assert!(is_io, "{error:?}");
        }
    }
}
