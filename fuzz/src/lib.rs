//! What the targets share: frame types, with their rules said a second time, frames at random, and changes to good bytes.

pub mod session;

use arbitrary::{Arbitrary, Result, Unstructured};
use cnv::frame::{
    AlignedBuffer, Be, Frame, FrameEnum, FrameHeader, FramePayload, LogLevel, SimdFrame,
};

/// A frame type, and a second statement of what it allows.
pub trait Checked: SimdFrame + PartialEq + std::fmt::Debug {
    /// Whether `bytes`, as many as a frame has, are one.
    fn is_legal(bytes: &[u8]) -> bool;

    /// Changes what chance would hardly ever hit, so that most bytes get to the later checks.
    fn repair(bytes: &mut [u8]);
}

/// Two values next to each other, and one apart.
#[derive(Clone, Copy, Debug, PartialEq, FrameEnum)]
#[repr(u8)]
pub enum Sparse {
    /// 0
    Off,
    /// 1
    On,
    /// 200
    Failed = 200,
}

/// No range for each byte says which these are.
#[derive(Clone, Copy, Debug, PartialEq, FrameEnum)]
#[repr(u16)]
pub enum Status {
    /// 200
    Ok = 200,
    /// 404
    NotFound = 404,
}

/// A window of 8 bytes, and fields that only the check behind the tables tests. 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, SimdFrame)]
#[repr(C)]
pub struct Short {
    id: u32,
    #[frame(range = 100..1000)]
    width: u16,
    status: Status,
    mode: Sparse,
    is_last: bool,
    #[frame(range = -3..=3)]
    shift: i8,
    #[frame(reserved)]
    _pad: [u8; 1],
    value: i32,
}

fn two(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

impl Checked for Short {
    fn is_legal(bytes: &[u8]) -> bool {
        (100..1000).contains(&two(bytes, 4))
            && [200, 404].contains(&two(bytes, 6))
            && [0, 1, 200].contains(&bytes[8])
            && bytes[9] <= 1
            && (-3..=3).contains(&(bytes[10] as i8))
            && bytes[11] == 0
    }

    fn repair(bytes: &mut [u8]) {
        bytes[5] = 1 + bytes[5] % 4;
        let status = if bytes[6] < 128 { 200_u16 } else { 404 };
        bytes[6..8].copy_from_slice(&status.to_le_bytes());
        bytes[8] = [0, 1, 200, 2][usize::from(bytes[8] % 4)];
        bytes[9] %= 2;
        bytes[10] = (bytes[10] % 7).wrapping_sub(3);
        bytes[11] = 0;
    }
}

/// A window of 64 bytes, in network order, with a version, a check and a checksum.
#[derive(Clone, Copy, Debug, PartialEq, SimdFrame)]
#[frame(endian = "big", version = 3, check = Self::is_ordered)]
#[repr(C)]
pub struct Network {
    is_first: bool,
    #[frame(version)]
    version: u8,
    #[frame(range = ..=300)]
    width: Be<u16>,
    start: Be<u32>,
    end: Be<u64>,
    #[frame(reserved)]
    _free: [u8; 43],
    mode: Sparse,
    #[frame(crc32c)]
    crc: Be<u32>,
}

impl Network {
    fn is_ordered(&self) -> bool {
        u64::from(self.start.get()) <= self.end.get()
    }
}

impl Checked for Network {
    fn is_legal(bytes: &[u8]) -> bool {
        let start = u32::from_be_bytes(bytes[4..8].try_into().expect("4 bytes"));
        let end = u64::from_be_bytes(bytes[8..16].try_into().expect("8 bytes"));
        let crc = u32::from_be_bytes(bytes[60..].try_into().expect("4 bytes"));
        bytes[0] <= 1
            && bytes[1] == 3
            && u16::from_be_bytes([bytes[2], bytes[3]]) <= 300
            && u64::from(start) <= end
            && bytes[16..59].iter().all(|&byte| byte == 0)
            && [0, 1, 200].contains(&bytes[59])
            && crc == bitwise_crc32c(&bytes[..60])
    }

    fn repair(bytes: &mut [u8]) {
        bytes[0] %= 2;
        bytes[1] = 3;
        bytes[2] %= 2;
        bytes[16..59].fill(0);
        bytes[59] = [0, 1, 200, 2][usize::from(bytes[59] % 4)];
        let crc = bitwise_crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_be_bytes());
    }
}

/// By the polynomial, bit by bit.
fn bitwise_crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |state: u32, &byte| {
        (0..8).fold(state ^ u32::from(byte), |state, _| {
            (state >> 1) ^ (0x82f6_3b78 & (state & 1).wrapping_neg())
        })
    })
}

/// Short for a window, and odd.
#[derive(Clone, Copy, Debug, PartialEq, SimdFrame)]
#[repr(C)]
pub struct Tiny {
    is_first: bool,
    mode: Sparse,
    bytes: [u8; 1],
}

impl Checked for Tiny {
    fn is_legal(bytes: &[u8]) -> bool {
        bytes[0] <= 1 && [0, 1, 200].contains(&bytes[1])
    }

    fn repair(bytes: &mut [u8]) {
        bytes[0] %= 2;
        bytes[1] %= 2;
    }
}

/// A nested frame, and a window of 32 bytes that is not aligned. 72 bytes.
#[derive(Clone, Copy, Debug, PartialEq, SimdFrame)]
#[repr(C)]
pub struct Nested {
    id: u64,
    values: [i16; 4],
    #[frame(range = 1..=9)]
    level: u8,
    #[frame(reserved)]
    _pad: [u8; 7],
    short: Short,
    rest: [u64; 3],
    delta: i64,
}

impl Checked for Nested {
    fn is_legal(bytes: &[u8]) -> bool {
        (1..=9).contains(&bytes[16]) && bytes[17..24] == [0; 7] && Short::is_legal(&bytes[24..40])
    }

    fn repair(bytes: &mut [u8]) {
        bytes[16] = 1 + bytes[16] % 9;
        bytes[17..24].fill(0);
        Short::repair(&mut bytes[24..40]);
    }
}

impl Checked for FrameHeader {
    fn is_legal(bytes: &[u8]) -> bool {
        bytes[17] <= 3 && bytes[18] == 1 && bytes[19] == 0
    }

    fn repair(bytes: &mut [u8]) {
        bytes[17] %= 4;
        bytes[18] = 1;
        bytes[19] = 0;
    }
}

/// `bytes` at an address that is `start` past a multiple of 64.
#[must_use]
pub fn at_address(bytes: &[u8], start: usize) -> AlignedBuffer {
    let mut buffer = AlignedBuffer::with_capacity(start + bytes.len());
    buffer
        .extend_from_slice(&[0xa5; 64][..start])
        .expect("memory");
    buffer.extend_from_slice(bytes).expect("memory");
    buffer
}

/// Any frame.
#[derive(Debug)]
pub struct AnyFrame(pub Frame);

impl<'a> Arbitrary<'a> for AnyFrame {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let payload = match u.int_in_range(0..=3)? {
            0 => FramePayload::Data(u.arbitrary()?),
            1 => FramePayload::Error {
                code: u.arbitrary()?,
                message: u.arbitrary()?,
            },
            2 => FramePayload::Log {
                level: LogLevel::from_byte(u.int_in_range(0..=4)?).expect("a level"),
                message: u.arbitrary()?,
            },
            _ => FramePayload::End(u.arbitrary()?),
        };
        let frame = Frame::new(
            u.arbitrary()?,
            u.arbitrary()?,
            u.arbitrary()?,
            u.arbitrary()?,
            payload,
        );
        Ok(Self(frame))
    }
}

/// A change to bytes.
#[derive(Debug, Arbitrary)]
pub enum Change<'a> {
    /// The bits of one byte.
    Flip(u16, u8),
    /// Bytes in place of others, from a place on.
    Overwrite(u16, &'a [u8]),
    /// Bytes between others.
    Insert(u16, &'a [u8]),
    /// So many bytes are gone, from a place on.
    Remove(u16, u16),
    /// Bytes stand a second time, from one place at another.
    Copy(u16, u16, u16),
}

impl Change<'_> {
    /// `bytes` after these changes. The places are taken within them.
    #[must_use]
    pub fn apply_all(changes: &[Self], bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for change in changes.iter().take(8) {
            change.apply(&mut bytes);
        }
        bytes
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        let place = |at: u16| usize::from(at) % (len + 1);
        let range = |at: u16, count: u16| place(at)..(place(at) + usize::from(count)).min(len);
        match *self {
            Self::Flip(at, bits) => {
                if let Some(byte) = bytes.get_mut(place(at)) {
                    *byte ^= bits;
                }
            }
            Self::Overwrite(at, by) => {
                let end = (place(at) + by.len()).min(len);
                bytes.splice(place(at)..end, by.iter().copied());
            }
            Self::Insert(at, new) => {
                bytes.splice(place(at)..place(at), new.iter().copied());
            }
            Self::Remove(at, count) => {
                bytes.drain(range(at, count));
            }
            Self::Copy(from, to, count) => {
                let copied = bytes[range(from, count)].to_vec();
                bytes.splice(place(to)..place(to), copied);
            }
        }
    }
}
