//! One byte of many frames set to every other value: it is refused where it stands, by every way to read
//! them, or it is a legal value that is written as it was read.

use cnv::frame::{
    AlignedBuffer, Be, FieldKind, FieldLayout, FieldRole, Frame, FrameEnum, FrameError,
    FrameHeader, FrameLayout, FramePayload, FrameReader, FrameSerializer, FrameWriter, Frames,
    FramesError, LayoutError, LogLevel, SimdFrame, SplitBatch, SplitBatchError, SplitBatchWriter,
};
use cnv_tests::random::{Random, field_at, legal_frame};

#[derive(Clone, Copy, Debug, PartialEq, FrameEnum)]
#[repr(u8)]
enum Sparse {
    Off,
    On,
    Failed = 200,
}

#[derive(Clone, Copy, Debug, PartialEq, FrameEnum)]
#[repr(u16)]
enum Status {
    Ok = 200,
    NotFound = 404,
}

/// Ranges and enums that byte ranges say, and such that they do not. 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, SimdFrame)]
#[frame(version = 2)]
#[repr(C)]
struct Reading {
    id: u32,
    #[frame(range = 100..1000)]
    width: u16,
    status: Status,
    mode: Sparse,
    is_last: bool,
    #[frame(range = -3..=3)]
    shift: i8,
    #[frame(version)]
    version: u8,
    #[frame(range = ..=24)]
    len: u32,
    #[frame(reserved)]
    _pad: [u8; 4],
    rest: [i16; 2],
}

/// In network order, nested, with a checksum of the nested frame and of the whole.
#[derive(Clone, Copy, Debug, PartialEq, SimdFrame)]
#[frame(endian = "big")]
#[repr(C)]
struct Part {
    id: Be<u16>,
    mode: Sparse,
    is_last: bool,
    #[frame(crc32c)]
    crc: Be<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, SimdFrame)]
#[frame(endian = "big")]
#[repr(C)]
struct Sealed {
    first: Part,
    #[frame(range = ..=300)]
    width: Be<u16>,
    #[frame(reserved)]
    _pad: [u8; 2],
    second: Part,
    #[frame(crc32c)]
    crc: Be<u32>,
}

/// A check of the author's own, in a nested frame.
#[derive(Clone, Copy, Debug, PartialEq, SimdFrame)]
#[frame(check = Self::is_ordered)]
#[repr(C)]
struct Span {
    start: u16,
    end: u16,
}

impl Span {
    fn is_ordered(&self) -> bool {
        self.start <= self.end
    }
}

#[derive(Clone, Copy, Debug, PartialEq, SimdFrame)]
#[repr(C)]
struct Ordered {
    id: u32,
    span: Span,
    is_open: bool,
    #[frame(reserved)]
    _pad: [u8; 3],
}

/// More frames than one block, so that the second is of another length.
const FRAMES: usize = 70;

/// A frame in each block, one of them the last.
const PLACES: [usize; 2] = [33, FRAMES - 1];

/// Legal frames, with their checksums, and ordered where that is asked for.
fn frames<F: SimdFrame>(count: usize, mut repair: impl FnMut(&mut [u8])) -> Vec<u8> {
    let random = &mut Random::new(1);
    let mut bytes = Vec::new();
    for _ in 0..count {
        let mut frame = legal_frame(F::LAYOUT, random);
        repair(&mut frame);
        bytes.extend(frame);
    }
    bytes
}

fn crc(bytes: &mut [u8], at: usize) {
    let crc = cnv::frame::crc32c(&bytes[..at]);
    bytes[at..at + 4].copy_from_slice(&crc.to_be_bytes());
}

/// The bytes of each number the other way around.
fn swap(layout: &FrameLayout, frame: &mut [u8]) {
    for field in layout.fields() {
        let bytes = &mut frame[field.offset()..][..field.size()];
        match field.kind() {
            FieldKind::Frame(inner) => swap(inner, bytes),
            FieldKind::Array { len, .. } => bytes
                .chunks_exact_mut(field.size() / len)
                .for_each(<[u8]>::reverse),
            FieldKind::BigEndian(_) | FieldKind::Reserved => {}
            _ => bytes.reverse(),
        }
    }
}

/// The error is about the byte at `at`: its field, the first checksum over it, or the check that sees it.
fn is_about<F: SimdFrame>(error: &LayoutError, at: usize) -> bool {
    let (name, role) = field_at(F::LAYOUT, at).expect("every byte is of a field");
    match *error {
        LayoutError::OutOfRange { field, .. }
        | LayoutError::Value { field, .. }
        | LayoutError::NoVariant { field, .. }
        | LayoutError::Version { field, .. } => {
            field.to_string() == name && role != FieldRole::Checksum
        }
        LayoutError::Checksum { field, .. } => {
            Some(field.to_string()) == first_checksum(F::LAYOUT, at)
        }
        LayoutError::Check { offset, check, .. } => {
            innermost_check(F::LAYOUT, at) == Some((offset, check))
        }
        ref other => panic!("{other:?}"),
    }
}

/// The field that holds the byte at `at`, and the layout of the frame that the field is, if it is one.
fn holder(layout: &FrameLayout, at: usize) -> (&'static FieldLayout, Option<&'static FrameLayout>) {
    let mut fields = layout.fields().iter();
    let holds =
        |field: &&FieldLayout| (field.offset()..field.offset() + field.size()).contains(&at);
    let field = fields.find(holds).expect("every byte is of a field");
    match field.kind() {
        FieldKind::Frame(inner) => (field, Some(inner)),
        _ => (field, None),
    }
}

/// The checksum that a change of the byte at `at` breaks first: that of the innermost frame that has one.
fn first_checksum(layout: &FrameLayout, at: usize) -> Option<String> {
    if let (field, Some(inner)) = holder(layout, at)
        && let Some(name) = first_checksum(inner, at - field.offset())
    {
        return Some(format!("{}.{name}", field.name()));
    }
    let mut fields = layout.fields().iter();
    let checksum = fields.find(|field| field.role() == FieldRole::Checksum)?;
    Some(checksum.name().to_owned())
}

/// Where the innermost frame around the byte at `at` starts that has a check of the author's own, and the
/// check's name.
fn innermost_check(layout: &FrameLayout, at: usize) -> Option<(usize, &'static str)> {
    if let (field, Some(inner)) = holder(layout, at)
        && let Some((offset, check)) = innermost_check(inner, at - field.offset())
    {
        return Some((field.offset() + offset, check));
    }
    Some((0, layout.check_name()?))
}

/// The same frames in either order of bytes.
struct Batch {
    native: AlignedBuffer,
    network: Vec<u8>,
    /// Where the network ones are swapped into.
    swapped: AlignedBuffer,
}

impl Batch {
    fn frame<F: SimdFrame>(&self, index: usize) -> &[u8] {
        &self.native.as_slice()[index * F::SIZE..][..F::SIZE]
    }

    fn set<F: SimdFrame>(&mut self, index: usize, at: usize, value: u8) {
        self.native.as_mut_slice()[index * F::SIZE + at] = value;
        let network = &mut self.network[index * F::SIZE..][..F::SIZE];
        network.copy_from_slice(&self.native.as_slice()[index * F::SIZE..][..F::SIZE]);
        swap(F::LAYOUT, network);
    }
}

/// Every value of each byte of the frames at `places`. `cases` are lower bounds for the changes that are
/// refused and for the others.
fn every_byte_of<F: SimdFrame>(bytes: &[u8], places: &[usize], cases: (u32, u32)) {
    let mut batch = Batch {
        native: AlignedBuffer::new(),
        network: bytes.to_vec(),
        swapped: AlignedBuffer::new(),
    };
    batch.native.extend_from_slice(bytes).unwrap();
    batch
        .network
        .chunks_exact_mut(F::SIZE)
        .for_each(|frame| swap(F::LAYOUT, frame));
    let (mut refused, mut legal) = (0, 0);
    every_way_says::<F>(&mut batch, 0, Ok(()));
    for &index in places {
        for at in 0..F::SIZE {
            let before = bytes[index * F::SIZE + at];
            for value in (0..=u8::MAX).filter(|&value| value != before) {
                batch.set::<F>(index, at, value);
                let frame = batch.frame::<F>(index);
                let verdict = match F::read(frame) {
                    Ok(read) => {
                        legal += 1;
                        let mut out = vec![0; F::SIZE];
                        assert_eq!(read.encode_into(&mut out), Ok(F::SIZE));
                        assert_eq!(out, frame);
                        Ok(())
                    }
                    Err(error) => {
                        refused += 1;
                        assert!(is_about::<F>(&error, at), "byte {at} is {value}: {error}");
                        Err(error)
                    }
                };
                every_way_says::<F>(&mut batch, index, verdict);
            }
            batch.set::<F>(index, at, before);
        }
    }
    assert!(refused >= cases.0 && legal >= cases.1, "{refused} {legal}");
}

/// All frames are legal, or the one with the number `index` is refused and no other.
fn every_way_says<F: SimdFrame>(batch: &mut Batch, index: usize, verdict: Result<(), LayoutError>) {
    let bytes = batch.native.as_slice();
    let is_expected = |error: &FramesError| matches!(error, FramesError::BadFrame(bad) if bad.index == index && Err(bad.reason) == verdict);
    let whole = |frames: Result<&[F], FramesError>| match frames {
        Ok(frames) => assert!(size_of_val(frames) == bytes.len() && verdict.is_ok()),
        Err(error) => assert!(is_expected(&error), "{index} {error:?} {verdict:?}"),
    };
    whole(Frames::validate_all(bytes));
    whole(Frames::from_big_endian(&batch.network, &mut batch.swapped));
    assert_eq!(batch.swapped.as_slice(), bytes);

    let mut blocks = Frames::<F>::blocks(bytes);
    let mut views = Frames::<F>::views(bytes);
    for (number, expected) in bytes.chunks(64 * F::SIZE).enumerate() {
        let (Some(block), Some(view)) = (blocks.next(), views.next()) else {
            panic!("block {number} is missing");
        };
        if verdict.is_err() && number == index / 64 {
            assert!(is_expected(&block.err().unwrap()) && is_expected(&view.unwrap_err()));
            assert!(blocks.next().is_none() && views.next().is_none());
            return;
        }
        let Ok(block) = block else {
            panic!("block {number} is refused");
        };
        assert_eq!(block.as_ptr().cast(), expected.as_ptr());
        assert_eq!(size_of_val(block), expected.len());
        assert_eq!(view.unwrap().as_bytes(), expected);
    }
    assert!(verdict.is_ok() && blocks.next().is_none() && views.next().is_none());
}

#[test]
fn ranges_enums_and_a_version() {
    let bytes = frames::<Reading>(FRAMES, |_| {});
    every_byte_of::<Reading>(&bytes, &PLACES, (2 * 12 * 255, 2 * 8 * 255));
}

#[test]
fn checksums_in_checksums() {
    let bytes = frames::<Sealed>(6, |frame| {
        crc(&mut frame[..8], 4);
        crc(&mut frame[12..20], 4);
        crc(frame, 20);
    });
    // A checksum finds every change of one byte.
    every_byte_of::<Sealed>(&bytes, &[4], (24 * 255, 0));
}

#[test]
fn a_check_in_a_nested_frame() {
    let bytes = frames::<Ordered>(FRAMES, |frame| {
        let [a, b, c, d] = frame[4..8].try_into().unwrap();
        let (start, end) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        frame[4..6].copy_from_slice(&start.min(end).to_le_bytes());
        frame[6..8].copy_from_slice(&start.max(end).to_le_bytes());
    });
    every_byte_of::<Ordered>(&bytes, &[33], (3 * 255, 4 * 255));
}

#[test]
fn header_lines() {
    let bytes = frames::<FrameHeader>(FRAMES, |_| {});
    every_byte_of::<FrameHeader>(&bytes, &[64], (2 * 255 + 252, 61 * 255));
}

/// Payloads in the line and behind it, of every kind.
fn messages() -> Vec<Frame> {
    let payloads = [
        FramePayload::Data(b"short".to_vec()),
        FramePayload::Data(vec![0xa5; 30]),
        FramePayload::Log {
            level: LogLevel::Warn,
            message: "careful: this is longer than a line".to_owned(),
        },
        FramePayload::Error {
            code: 404,
            message: "not found".to_owned(),
        },
        FramePayload::End(Vec::new()),
    ];
    let frame = |(index, payload)| Frame::new([9; 16], 1, index as u64, 7, payload);
    payloads.into_iter().enumerate().map(frame).collect()
}

fn split(frames: &[Frame]) -> AlignedBuffer {
    let mut writer = SplitBatchWriter::new();
    frames.iter().for_each(|frame| writer.push(frame).unwrap());
    let mut buffer = AlignedBuffer::new();
    writer.finish(&mut buffer).unwrap();
    buffer
}

/// A change in a line is refused with the number of that line, or where the lengths do not add up any
/// more; what is accepted has this one encoding.
#[test]
fn a_split_batch() {
    let frames = messages();
    let mut bytes = split(&frames);
    let mut refused = 0;
    for at in 0..bytes.len() {
        let (line, offset) = (at / 64, at % 64);
        let before = bytes.as_slice()[at];
        for value in (0..=u8::MAX).filter(|&value| value != before) {
            bytes.as_mut_slice()[at] = value;
            let context = || format!("byte {offset} of line {line} is {value}");
            match SplitBatch::parse(bytes.as_slice(), frames.len()) {
                Ok(batch) => {
                    let read: Vec<_> = batch.frames().collect();
                    let others = read.iter().zip(&frames).enumerate();
                    let is_line = at < frames.len() * 64;
                    for (index, (read, frame)) in others {
                        if is_line && index != line && offset != 20 {
                            assert_eq!(read.as_ref().unwrap(), frame, "{}", context());
                        }
                    }
                    if let Ok(read) = read.into_iter().collect::<Result<Vec<Frame>, _>>() {
                        assert_eq!(split(&read).as_slice(), bytes.as_slice(), "{}", context());
                        assert_ne!(read, frames, "{}", context());
                    }
                }
                Err(error) => {
                    refused += 1;
                    assert!(
                        at < frames.len() * 64,
                        "a payload is any bytes: {}",
                        context()
                    );
                    assert!(is_named(&error, line, offset), "{}: {error:?}", context());
                }
            }
        }
        bytes.as_mut_slice()[at] = before;
    }
    // Version and flags, and most kinds, of each line.
    assert!(refused >= 5 * (2 * 255 + 252), "{refused}");
}

fn is_named(error: &SplitBatchError, line: usize, offset: usize) -> bool {
    match *error {
        SplitBatchError::Lines(FramesError::BadFrame(bad)) => {
            (17..20).contains(&offset)
                && bad.index == line
                && is_about::<FrameHeader>(&bad.reason, offset)
        }
        SplitBatchError::UnusedByte {
            index, offset: at, ..
        } => index == line && (offset == at || (20..24).contains(&offset)),
        SplitBatchError::PayloadTooLarge { index, .. } => {
            index == line && (20..24).contains(&offset)
        }
        SplitBatchError::Truncated { .. } | SplitBatchError::TrailingBytes { .. } => {
            (20..24).contains(&offset)
        }
        _ => false,
    }
}

/// The frames before the change come as they were. What follows a changed length is read as whatever it
/// then is; all that is read writes the bytes that it was read from.
#[test]
fn a_stream() {
    let frames = messages();
    let mut writer = FrameWriter::new(Vec::new());
    let mut starts = Vec::new();
    let mut end = 0;
    for frame in &frames {
        starts.push(end);
        end += writer.write(frame).unwrap();
    }
    let mut bytes = writer.into_inner();
    let (mut refused, mut accepted) = (0, 0);
    for at in 0..bytes.len() {
        let changed = starts.iter().rposition(|&start| start <= at).unwrap();
        let offset = at - starts[changed];
        let before = bytes[at];
        for value in (0..=u8::MAX).filter(|&value| value != before) {
            bytes[at] = value;
            let mut error = None;
            let mut read = Vec::new();
            for frame in FrameReader::new(bytes.as_slice()) {
                assert!(error.is_none(), "an error ends a stream");
                match frame {
                    Ok(frame) => read.push(frame),
                    Err(found) => error = Some(found),
                }
            }
            assert_eq!(read[..changed], frames[..changed]);
            let (mut again, mut one) = (Vec::new(), AlignedBuffer::new());
            for frame in &read {
                FrameSerializer::new().serialize(frame, &mut one).unwrap();
                again.extend_from_slice(one.as_slice());
            }
            assert_eq!(again, bytes[..again.len()]);
            match error {
                None => {
                    accepted += 1;
                    assert_eq!(again.len(), bytes.len());
                    assert_ne!(read, frames);
                }
                Some(error) => {
                    refused += 1;
                    assert!(again.len() < bytes.len());
                    if !(20..24).contains(&offset) {
                        assert_eq!(read.len(), changed);
                        assert!(
                            is_in_place(&error, offset),
                            "byte {offset} is {value}: {error:?}"
                        );
                    }
                }
            }
        }
        bytes[at] = before;
    }
    assert!(
        refused > 5 * (2 * 255 + 252) && accepted > 5 * 30 * 255,
        "{refused} {accepted}"
    );
}

/// A change of the byte at `offset` of a frame, but of its length, can be refused with this error.
fn is_in_place(error: &FrameError, offset: usize) -> bool {
    match *error {
        FrameError::Header(ref reason) => is_about::<FrameHeader>(reason, offset),
        FrameError::UnusedByte { offset: at, .. } => at == offset,
        // Another kind wants another payload, and a message and a level are in the payload.
        FrameError::PayloadTooShort { .. } => offset == 17,
        FrameError::LogLevel { .. } | FrameError::Utf8 { .. } => offset == 17 || offset >= 40,
        _ => false,
    }
}
