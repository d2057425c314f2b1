//! What a crate without the standard library uses of cnv. That it builds for a target that has none, such
//! as `x86_64-unknown-none`, is the test; the ones below run where there is one.

#![no_std]
#![deny(warnings, unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use core::fmt;

use bytes::BytesMut;
use cnv::frame::{
    AlignedBuffer, Decoded, Frame, FrameDecoder, FrameEncoder, FrameEnum, FrameError,
    FrameSerializer, LayoutError, SimdFrame,
};
use cnv::quota::{BudgetExceeded, BudgetPool, Limits};
use cnv::{budget, spend};

/// What a sensor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FrameEnum)]
#[repr(u8)]
pub enum Mode {
    /// Nothing.
    Idle,
    /// It measures.
    Active,
}

/// One measurement: every kind of check that an expansion has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SimdFrame)]
#[frame(version = 1, check = Self::is_ordered)]
#[repr(C)]
pub struct Reading {
    /// The lowest value.
    pub low: u32,
    /// The highest value.
    pub high: u32,
    /// What the sensor does.
    pub mode: Mode,
    /// Version of the layout.
    #[frame(version)]
    pub version: u8,
    /// How good it is.
    #[frame(range = 1..=100)]
    pub quality: u8,
    #[frame(reserved)]
    _pad: [u8; 1],
    /// Of all bytes before it.
    #[frame(crc32c)]
    pub crc: u32,
}

impl Reading {
    /// A reading of an active sensor.
    #[must_use]
    pub const fn new(low: u32, high: u32) -> Self {
        Self {
            low,
            high,
            mode: Mode::Active,
            version: 1,
            quality: 100,
            _pad: [0],
            crc: 0,
        }
    }

    fn is_ordered(&self) -> Result<(), &'static str> {
        if self.low <= self.high {
            Ok(())
        } else {
            Err("the lowest is above the highest")
        }
    }
}

/// The bytes of a reading.
///
/// # Errors
///
/// [`LayoutError`] where a field is not what the layout allows.
#[budget(memory = "1KB", cpu = "1us")]
pub fn encode(reading: &Reading) -> Result<[u8; Reading::SIZE], LayoutError> {
    let mut bytes = [0; Reading::SIZE];
    reading.encode_into(&mut bytes)?;
    Ok(bytes)
}

/// The bytes of two readings, under a budget that the compiler adds up.
///
/// # Errors
///
/// As for [`encode`].
#[budget(memory = "4KB", cpu = "10us")]
pub fn encode_pair(low: u32, high: u32) -> Result<Vec<u8>, LayoutError> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&spend!(encode(&Reading::new(low, high)))?);
    bytes.extend_from_slice(&spend!(encode(&Reading::new(high, high)))?);
    Ok(bytes)
}

/// A future with a budget.
#[budget(memory = "1KB", cpu = "1us")]
pub async fn later(value: u32) -> u32 {
    core::future::ready(value).await
}

/// Spends a budget by hand.
///
/// # Errors
///
/// [`BudgetExceeded`] where less than `bytes` is left.
pub fn allocate(limits: Limits, bytes: u64) -> Result<(), BudgetExceeded> {
    BudgetPool::from_limits(limits).allocate_memory(bytes)
}

/// Sends a frame through a buffer as a socket would, and takes it out again.
///
/// # Errors
///
/// [`FrameError`] where the frame is over a limit.
pub fn there_and_back(frame: &Frame) -> Result<Option<Frame>, FrameError> {
    let mut buffer = AlignedBuffer::new();
    FrameSerializer::new().serialize(frame, &mut buffer)?;
    let parsed = Frame::parse(buffer.as_slice())?.to_frame()?;

    let mut stream = BytesMut::new();
    FrameEncoder::new().encode(&parsed, &mut stream)?;
    match FrameDecoder::new().decode(&mut stream)? {
        Decoded::Frame(received) => received.to_frame().map(Some),
        Decoded::Missing(_) => Ok(None),
    }
}

/// What is wrong with bytes, in words.
#[must_use]
pub fn fault(bytes: &[u8]) -> Option<impl fmt::Display + use<>> {
    Reading::read(bytes).err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use cnv::frame::FramePayload;
    use cnv::run;

    #[test]
    fn readings_are_read_and_bad_ones_are_named() {
        let mut bytes = run!(encode_pair(3, 7)).unwrap();
        let (first, second) = bytes.split_at_mut(Reading::SIZE);
        assert_eq!(Reading::read(first).unwrap().high, 7);
        assert!(fault(second).is_none());
        second[10] = 101;
        let fault = fault(second).unwrap().to_string();
        assert_eq!(
            fault,
            "`Reading`: field `quality`, at byte 10, is 101, and 1 to 100 are allowed"
        );
        assert!(run!(encode_pair(7, 3)).is_err());
    }

    #[test]
    fn frames_go_there_and_back() {
        for len in [0, 24, 25, 1000] {
            let frame = Frame::new(
                [7; 16],
                1,
                2,
                3,
                FramePayload::Data(alloc::vec![len as u8; len]),
            );
            assert_eq!(there_and_back(&frame).unwrap(), Some(frame));
        }
    }

    #[test]
    fn a_pool_is_spent() {
        let limits = Limits {
            memory_bytes: 10,
            ..Limits::unlimited()
        };
        assert!(allocate(limits, 10).is_ok());
        assert_eq!(allocate(limits, 11).unwrap_err().limit, 10);
    }
}
