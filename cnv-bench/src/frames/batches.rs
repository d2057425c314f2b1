//! Batches of frames, and the struct types that batches are of.

use bytemuck::CheckedBitPattern;
use cnv::frame::{
    AlignedBuffer, Frame, FrameKind, FramePayload, SimdFrame, SplitBatchWriter, seal_line,
};
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

use super::message::{Header, Kind, Line, Message};
use crate::rounds::random;

/// Bytes of every frame here.
pub const LINE_BYTES: usize = 64;

/// A number of frames that fits in a cache, or in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The cache.
    pub name: &'static str,
    /// Frames of 64 bytes.
    pub frames: usize,
}

/// What goals are about: 4 KiB, 64 KiB and 4 MiB.
pub const SIZES: [Size; 3] = [
    Size {
        name: "L1",
        frames: 64,
    },
    Size {
        name: "L2",
        frames: 1024,
    },
    Size {
        name: "L3",
        frames: 65_536,
    },
];

/// Beyond every cache: 64 MiB, measured on request and no part of a goal.
pub const DRAM: Size = Size {
    name: "DRAM",
    frames: 1 << 20,
};

/// 7 constrained bytes, of kinds that every crate here can say.
#[derive(
    Debug, Clone, Copy, SimdFrame, TryFromBytes, Immutable, KnownLayout, CheckedBitPattern,
)]
#[repr(C)]
pub struct Seven {
    session: [u8; 16],
    stream: u8,
    kind: Kind,
    level: Kind,
    is_a: bool,
    is_b: bool,
    is_c: bool,
    is_d: bool,
    is_e: bool,
    sequence: u64,
    timestamp_ns: u64,
    payload: [u8; 24],
}

/// 23 of them.
#[derive(
    Debug, Clone, Copy, SimdFrame, TryFromBytes, Immutable, KnownLayout, CheckedBitPattern,
)]
#[repr(C)]
pub struct TwentyThree {
    session: [u8; 16],
    stream: u8,
    kind: Kind,
    level: Kind,
    is_a: bool,
    is_b: bool,
    is_c: bool,
    is_d: bool,
    is_e: bool,
    is_f: bool,
    is_g: bool,
    is_h: bool,
    is_i: bool,
    is_j: bool,
    is_k: bool,
    is_l: bool,
    is_m: bool,
    is_n: bool,
    is_o: bool,
    is_p: bool,
    is_q: bool,
    is_r: bool,
    is_s: bool,
    is_t: bool,
    is_u: bool,
    payload: [u8; 24],
}

/// A line of five numbers that go to and come from columns.
#[derive(Debug, Clone, Copy, SimdFrame)]
#[frame(version = 1)]
#[repr(C)]
pub struct Sample {
    pub session: [u8; 16],
    pub stream: u8,
    pub kind: Kind,
    #[frame(version)]
    pub version: u8,
    #[frame(reserved)]
    pub flags: [u8; 1],
    #[frame(range = 0..=24)]
    pub payload_len: u32,
    pub sequence: u64,
    pub timestamp_ns: u64,
    pub low: u64,
    pub high: u64,
    pub last: u64,
}

/// The messages from 0 to `frames`, one after the other.
pub fn messages(frames: usize) -> AlignedBuffer {
    let mut bytes = AlignedBuffer::with_capacity(frames * LINE_BYTES);
    for index in 0..frames {
        let line = Line::from(Message::numbered(index));
        push(&mut bytes, SimdFrame::as_bytes(&line));
    }
    bytes
}

/// The same in network order.
pub fn messages_in_network_order(frames: usize) -> AlignedBuffer {
    let mut bytes = messages(frames);
    for line in bytes.as_mut_slice().chunks_exact_mut(LINE_BYTES) {
        line[20..24].reverse();
        line[24..32].reverse();
        line[32..40].reverse();
    }
    bytes
}

/// Legal frames of type `T` whose every byte is any of those that it may be.
pub fn legal<T: SimdFrame>(frames: usize) -> AlignedBuffer {
    assert!(!T::HAS_CHECK, "bytes within the ranges are legal");
    let mut state = 0;
    let mut bytes = AlignedBuffer::with_capacity(frames * T::SIZE);
    let mut frame = vec![0; T::SIZE];
    for _ in 0..frames {
        for ((byte, &lo), &span) in frame.iter_mut().zip(T::LO).zip(T::SPAN) {
            *byte = lo + (random(&mut state) % (u64::from(span) + 1)) as u8;
        }
        push(&mut bytes, &frame);
    }
    bytes
}

/// Lines of any bytes, each with its checksum.
pub fn sealed(frames: usize) -> Vec<[u8; LINE_BYTES]> {
    let mut state = 0;
    let mut lines = vec![[0; LINE_BYTES]; frames];
    for line in &mut lines {
        line.fill_with(|| random(&mut state) as u8);
        seal_line(line);
    }
    lines
}

/// Frames with payloads that do not stand in their lines, in both framings.
pub struct Long {
    /// Number of frames.
    pub frames: usize,
    /// All lines, and then all payloads.
    pub split: AlignedBuffer,
    /// Each line followed by its payload.
    pub interleaved: Vec<u8>,
}

/// `frames` frames with payloads of 25 to 2023 bytes, 1024 on average.
pub fn long(frames: usize) -> Long {
    let mut state = 0;
    let mut writer = SplitBatchWriter::new();
    let mut interleaved = Vec::new();
    for sequence in 0..frames as u64 {
        let len = 25 + random(&mut state) % 1999;
        let payload = vec![sequence as u8; len as usize];
        let header = Header {
            session: [7; 16],
            stream: 3,
            kind: Kind::Data,
            version: 1,
            is_flagged: false,
            payload_len: (len as u32).into(),
            sequence: sequence.into(),
            timestamp_ns: 0.into(),
            payload: [0; 24],
        };
        interleaved.extend_from_slice(header.as_bytes());
        interleaved.extend_from_slice(&payload);
        let frame = Frame::new([7; 16], 3, sequence, 0, FramePayload::Data(payload));
        debug_assert_eq!(frame.payload().kind(), FrameKind::Data);
        writer.push(&frame).expect("memory for the batch");
    }
    let mut split = AlignedBuffer::new();
    writer.finish(&mut split).expect("memory for the batch");
    Long {
        frames,
        split,
        interleaved,
    }
}

fn push(bytes: &mut AlignedBuffer, frame: &[u8]) {
    bytes
        .extend_from_slice(frame)
        .expect("memory for the batch");
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnv::frame::{Frames, Window};

    fn constrained<T: SimdFrame>() -> usize {
        T::SPAN.iter().filter(|&&span| span < 255).count()
    }

    #[test]
    fn the_types_have_as_many_constrained_bytes_as_they_say() {
        assert_eq!(constrained::<Seven>(), 7);
        assert_eq!(constrained::<TwentyThree>(), 23);
        assert_eq!(Seven::WINDOW, Window::Bytes { offset: 16, len: 8 });
        assert_eq!((Seven::SIZE, TwentyThree::SIZE, Sample::SIZE), (64, 64, 64));
    }

    #[test]
    fn the_crates_agree_on_which_bytes_are_legal() {
        fn agree<T: SimdFrame + TryFromBytes + KnownLayout + Immutable + CheckedBitPattern>() {
            let mut bytes = legal::<T>(100);
            for at in (0..LINE_BYTES).map(|at| 64 * 70 + at) {
                let legal = bytes.as_slice()[at];
                for value in [legal, 255] {
                    bytes.as_mut_slice()[at] = value;
                    let bytes = bytes.as_slice();
                    let is_legal = Frames::<T>::validate_all(bytes).is_ok();
                    assert_eq!(<[T]>::try_ref_from_bytes(bytes).is_ok(), is_legal);
                    let checked: Result<&[T], _> = bytemuck::checked::try_cast_slice(bytes);
                    assert_eq!(checked.is_ok(), is_legal);
                    assert!(is_legal || value == 255);
                }
                bytes.as_mut_slice()[at] = legal;
            }
        }
        agree::<Seven>();
        agree::<TwentyThree>();
    }

    #[test]
    fn both_framings_have_the_same_frames() {
        let long = long(50);
        let batch = cnv::frame::SplitBatch::parse(long.split.as_slice(), long.frames).unwrap();
        let mut rest = long.interleaved.as_slice();
        for frame in batch.iter() {
            let payload = frame.payload();
            let (header, behind) = Header::try_ref_from_prefix(rest).unwrap();
            assert_eq!(header.sequence.get(), frame.header().sequence());
            assert_eq!(&behind[..payload.len()], payload);
            rest = &behind[payload.len()..];
        }
        assert!(rest.is_empty());
        assert_eq!(long.interleaved.len(), long.split.len());
    }
}
