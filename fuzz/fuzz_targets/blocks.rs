//! Many frames: blocks, views and the whole say what each frame alone says, at every address.
#![no_main]

use arbitrary::Arbitrary;
use cnv::frame::{AlignedBuffer, FrameHeader, Frames, FramesError, LayoutError};
use cnv_fuzz::{Checked, Nested, Network, Short, Tiny, at_address};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    kind: u8,
    start: u8,
    /// How often the frames are repeated: most bytes that a fuzzer finds are few.
    repeat: u8,
    /// A frame among these that is not repaired, and bytes behind the last whole one.
    wild: u8,
    excess: u8,
    bytes: &'a [u8],
}

fn bad_frame(error: FramesError) -> (usize, LayoutError) {
    match error {
        FramesError::BadFrame(bad) => (bad.index, bad.reason),
        other => panic!("{other:?}"),
    }
}

fn check<F: Checked>(input: &Input<'_>) {
    let whole = input.bytes.len() / F::SIZE * F::SIZE;
    let times = 1 + usize::from(input.repeat) / (whole / F::SIZE).max(1);
    let mut bytes = input.bytes[..whole].repeat(times);
    for (index, frame) in bytes.chunks_exact_mut(F::SIZE).enumerate() {
        if index != usize::from(input.wild) {
            F::repair(frame);
        }
    }
    let excess = usize::from(input.excess).saturating_sub(200) % F::SIZE;
    bytes.extend(std::iter::repeat_n(0, excess));
    let start = usize::from(input.start % 16);
    let buffer = at_address(&bytes, start);
    let bytes = &buffer.as_slice()[start..];

    let all = Frames::<F>::validate_all(bytes);
    let mut swapped = AlignedBuffer::new();
    let big_endian = Frames::<F>::from_big_endian(bytes, &mut swapped);
    if excess > 0 {
        assert!(matches!(all, Err(FramesError::PartialFrame { excess: e, .. }) if e == excess));
        assert_eq!(big_endian.err(), all.as_ref().err().copied());
        assert!(Frames::<F>::blocks(bytes).eq([all.map(|_| &[][..])]));
        return;
    }

    let alone: Vec<Result<F, LayoutError>> = bytes.chunks_exact(F::SIZE).map(F::read).collect();
    for (frame, bytes) in alone.iter().zip(bytes.chunks_exact(F::SIZE)) {
        assert_eq!(frame.is_ok(), F::is_legal(bytes));
    }
    let first_bad = alone.iter().position(Result::is_err);
    let expected = first_bad.map(|index| (index, *alone[index].as_ref().unwrap_err()));
    let valid: Vec<F> = alone.into_iter().map_while(Result::ok).collect();
    let before = first_bad.map_or(valid.len(), |index| index / 64 * 64);

    let mut seen = Vec::new();
    let mut error = None;
    for view in Frames::<F>::views(bytes) {
        assert!(error.is_none(), "an error is the last item");
        match view {
            Ok(view) => seen.extend(view.iter()),
            Err(found) => error = Some(bad_frame(found)),
        }
    }
    assert_eq!(error, expected);
    assert_eq!(seen, valid[..before]);

    let is_aligned = bytes.as_ptr().addr() % align_of::<F>() == 0 || bytes.is_empty();
    if is_aligned {
        match all {
            Ok(frames) => assert_eq!((frames, None), (&valid[..], expected)),
            Err(error) => assert_eq!(Some(bad_frame(error)), expected),
        }
        let mut seen = Vec::new();
        let mut error = None;
        for block in Frames::<F>::blocks(bytes) {
            match block {
                Ok(block) => seen.extend(block.iter().map(F::as_bytes).flatten().copied()),
                Err(found) => error = Some(bad_frame(found)),
            }
        }
        assert_eq!(error, expected);
        assert_eq!(seen, bytes[..before * F::SIZE]);
    } else {
        assert!(matches!(all, Err(FramesError::Misaligned { .. })));
        assert!(Frames::<F>::blocks(bytes).eq([all]));
    }

    // Swapped twice is as it was; in between it is whatever the swapped bytes are.
    match big_endian {
        Ok(frames) => assert_eq!(frames.len() * F::SIZE, bytes.len()),
        Err(error) => {
            let (index, reason) = bad_frame(error);
            let frame = &swapped.as_slice()[index * F::SIZE..][..F::SIZE];
            assert_eq!(F::read(frame), Err(reason));
            return;
        }
    }
    let native = swapped.as_slice().to_vec();
    assert!(native.chunks_exact(F::SIZE).all(|frame| F::is_legal(frame)));
    let back = Frames::<F>::from_big_endian(&native, &mut swapped).map(<[F]>::len);
    if back.is_ok() {
        assert_eq!(swapped.as_slice(), bytes);
    }
}

fuzz_target!(|input: Input<'_>| {
    match input.kind % 5 {
        0 => check::<Tiny>(&input),
        1 => check::<Short>(&input),
        2 => check::<Nested>(&input),
        3 => check::<Network>(&input),
        _ => check::<FrameHeader>(&input),
    }
});
