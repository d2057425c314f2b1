//! One frame of each type: accepted exactly if its rules, said a second time, accept it, and then it is
//! its bytes.
#![no_main]

use cnv::frame::{FrameHeader, FrameSerializer, LayoutError};
use cnv_fuzz::{Checked, Nested, Network, Short, Tiny, at_address};
use libfuzzer_sys::fuzz_target;

fn check<F: Checked>(bytes: &[u8], start: usize, is_repaired: bool) {
    let mut bytes = bytes.to_vec();
    if is_repaired && bytes.len() >= F::SIZE {
        bytes.truncate(F::SIZE);
        F::repair(&mut bytes);
    }
    let buffer = at_address(&bytes, start);
    let bytes = &buffer.as_slice()[start..];
    let read = F::read(bytes);
    let is_legal = bytes.len() == F::SIZE && F::is_legal(bytes);
    assert_eq!(read.is_ok(), is_legal, "{read:?} {bytes:?}");
    assert_eq!(F::validate(bytes).err(), read.as_ref().err().copied());
    match F::parse(bytes) {
        Err(LayoutError::Misaligned { align, excess, .. }) => {
            assert!(is_legal && start % align == excess && excess != 0);
        }
        parsed => assert_eq!(parsed, read.as_ref().map_err(|error| *error)),
    }
    match read {
        Ok(frame) => {
            assert_eq!(frame.as_bytes(), bytes);
            let mut out = vec![0; F::SIZE];
            assert_eq!(frame.encode_into(&mut out), Ok(F::SIZE));
            assert_eq!(out, bytes);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (address, bytes) = input;
    let (start, is_repaired) = (usize::from(address & 15), address & 16 != 0);
    check::<Tiny>(bytes, start, is_repaired);
    check::<Short>(bytes, start, is_repaired);
    check::<Nested>(bytes, start, is_repaired);
    check::<Network>(bytes, start, is_repaired);
    check::<FrameHeader>(bytes, start, is_repaired);
    if let Ok(frame) = FrameSerializer::new().deserialize(bytes) {
        let mut out = cnv::frame::AlignedBuffer::new();
        let written = FrameSerializer::new().serialize(&frame, &mut out);
        assert_eq!(written.expect("what was read is written"), bytes.len());
        assert_eq!(out.as_slice(), bytes);
    }
});
