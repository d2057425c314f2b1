//! A split batch: whatever is accepted lies within the bytes and has no other encoding, and what is
//! written is read.
#![no_main]

use arbitrary::Arbitrary;
use cnv::frame::{
    AlignedBuffer, Frame, FrameHeader, SimdFrame, SplitBatch, SplitBatchLimits, SplitBatchWriter,
};
use cnv_fuzz::{AnyFrame, Checked, at_address};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    /// Bytes as they come, and how many frames they are said to be.
    Wild {
        frames: usize,
        max_payload_bytes: u32,
        max_frames: u16,
        start: u8,
        bytes: &'a [u8],
    },
    /// Lines whose constrained bytes are repaired, with lengths of one byte.
    Lines {
        frames: u8,
        start: u8,
        bytes: &'a [u8],
    },
    /// Frames that are written, and a change afterwards.
    Written {
        frames: Vec<AnyFrame>,
        change: Option<(u16, u8)>,
    },
}

/// What is accepted lies within `bytes`, in their order, and writes itself as it stood.
fn check(bytes: &[u8], frames: usize, limits: SplitBatchLimits) {
    let batch = match SplitBatch::parse_within(bytes, frames, limits) {
        Ok(batch) => batch,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert_eq!(batch.headers().len(), frames);
    assert!(frames <= limits.max_frames);
    let range = bytes.as_ptr_range();
    let mut heap = frames * FrameHeader::SIZE;
    for (index, frame) in batch.iter().enumerate() {
        let (header, payload) = (frame.header(), frame.payload());
        assert_eq!(header.payload_len() as usize, payload.len());
        assert!(header.payload_len() <= limits.max_payload_bytes);
        let line = &bytes[index * FrameHeader::SIZE..][..FrameHeader::SIZE];
        assert_eq!(header.as_bytes(), line);
        let at = payload.as_ptr_range();
        assert!(range.start <= at.start && at.end <= range.end);
        if payload.len() > 24 {
            assert_eq!(at.start.addr() - range.start.addr(), heap);
            heap += payload.len();
        }
    }
    assert_eq!(heap, bytes.len());
    if let Ok(frames) = batch.frames().collect::<Result<Vec<Frame>, _>>() {
        let serializer =
            cnv::frame::FrameSerializer::new().with_max_payload_bytes(limits.max_payload_bytes);
        let mut writer = SplitBatchWriter::with_serializer(serializer);
        frames
            .iter()
            .for_each(|frame| writer.push(frame).expect("read, and so written"));
        let mut again = AlignedBuffer::new();
        writer.finish(&mut again).expect("memory");
        assert_eq!(again.as_slice(), bytes);
    }
}

fuzz_target!(|input: Input<'_>| {
    match input {
        Input::Wild {
            frames,
            max_payload_bytes,
            max_frames,
            start,
            bytes,
        } => {
            let limits = SplitBatchLimits {
                max_payload_bytes,
                max_frames: max_frames.into(),
            };
            let start = usize::from(start % 9);
            let buffer = at_address(bytes, start);
            let bytes = &buffer.as_slice()[start..];
            check(bytes, frames, limits);
            check(bytes, frames, SplitBatchLimits::default());
            check(bytes, frames % 16, limits);
        }
        Input::Lines {
            frames,
            start,
            bytes,
        } => {
            let start = usize::from(start % 9);
            let mut buffer = at_address(bytes, start);
            let frames = usize::from(frames).min(bytes.len() / 64);
            let lines = &mut buffer.as_mut_slice()[start..][..frames * 64];
            for line in lines.chunks_exact_mut(64) {
                FrameHeader::repair(line);
                line[21..24].fill(0);
                let unused = usize::from(line[20]);
                line[40..].get_mut(unused..).unwrap_or_default().fill(0);
                if unused > 24 {
                    line[40..].fill(0);
                }
            }
            let bytes = &buffer.as_slice()[start..];
            check(bytes, frames, SplitBatchLimits::default());
            // As many bytes as the lines want, so that the rest of the rules decides.
            let wanted: usize = bytes[..frames * 64]
                .chunks_exact(64)
                .map(|line| usize::from(line[20]))
                .filter(|&len| len > 24)
                .sum();
            let mut exact = bytes.to_vec();
            exact.resize(frames * 64 + wanted, 0x5a);
            let buffer = at_address(&exact, start);
            let exact = &buffer.as_slice()[start..];
            check(exact, frames, SplitBatchLimits::default());
            SplitBatch::parse(exact, frames).expect("legal lines, at any address");
        }
        Input::Written { frames, change } => {
            let frames: Vec<Frame> = frames.into_iter().map(|frame| frame.0).collect();
            let mut writer = SplitBatchWriter::new();
            frames
                .iter()
                .for_each(|frame| writer.push(frame).expect("short"));
            let mut bytes = AlignedBuffer::new();
            writer.finish(&mut bytes).expect("memory");
            let batch = SplitBatch::parse(bytes.as_slice(), frames.len()).expect("written");
            let read: Result<Vec<Frame>, _> = batch.frames().collect();
            assert_eq!(read.expect("written"), frames);
            check(
                bytes.as_slice(),
                frames.len() + 1,
                SplitBatchLimits::default(),
            );
            if let (Some((at, value)), false) = (change, bytes.is_empty()) {
                let at = usize::from(at) % bytes.len();
                bytes.as_mut_slice()[at] = value;
                check(bytes.as_slice(), frames.len(), SplitBatchLimits::default());
            }
        }
    }
});
