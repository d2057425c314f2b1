//! The header line: the first 64 bytes of every frame.

use core::ops::Range;

use super::endian::Le;
use super::kind::FrameKind;
use super::simd_frame::SimdFrame as _;
use cnv_macros::{FrameEnum, SimdFrame};

/// Bytes of a payload that fit in the header line; a longer one follows it.
pub const INLINE_PAYLOAD_BYTES: usize = 24;

/// Who is speaking: 16 bytes that the two ends of a connection agree on, such as a UUID.
pub type SessionId = [u8; 16];

/// Version of the wire format. A reader refuses a line of any other version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FrameEnum)]
#[frame(crate = "crate")]
#[repr(u8)]
#[non_exhaustive]
pub enum FrameVersion {
    /// The only one so far.
    V1 = 1,
}

/// The 64 bytes at the start of every frame, one cache line, little-endian:
///
/// | byte | field | |
/// |---|---|---|
/// | 0 | session | 16 bytes |
/// | 16 | stream | `u8` |
/// | 17 | kind | [`FrameKind`] |
/// | 18 | version | [`FrameVersion`] |
/// | 19 | flags | none so far: 0 |
/// | 20 | payload length | `u32`, bytes |
/// | 24 | sequence | `u64` |
/// | 32 | timestamp | `u64`, nanoseconds since 1970 |
/// | 40 | payload | the payload if it is at most 24 bytes, and zeros behind it |
///
/// All constrained bytes are in the one word at 16, which is what validating a line looks at.
///
/// ```
/// use cnv::frame::{FrameHeader, SimdFrame, Window};
///
/// assert_eq!(FrameHeader::SIZE, 64);
/// assert_eq!(FrameHeader::WINDOW, Window::Bytes { offset: 16, len: 8 });
///
/// let error = FrameHeader::read(&[0; 64]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`FrameHeader`: field `version`, byte 18, is 0, and only 1 is allowed"
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, SimdFrame)]
#[frame(crate = "crate")]
#[repr(C)]
pub struct FrameHeader {
    session: SessionId,
    stream: u8,
    kind: FrameKind,
    version: FrameVersion,
    #[frame(reserved)]
    flags: [u8; 1],
    payload_len: Le<u32>,
    sequence: Le<u64>,
    timestamp_ns: Le<u64>,
    inline: [u8; INLINE_PAYLOAD_BYTES],
}

/// Bytes from the start of the line to the payload in it.
const INLINE_AT: usize = core::mem::offset_of!(FrameHeader, inline);

/// Where a payload stands: in the line or behind it. All that follows from its length.
#[derive(Clone, Copy)]
pub(super) struct PayloadPlace(u32);

impl PayloadPlace {
    /// What the bytes of a checked line say, and whether those that no payload uses are 0. A
    /// [`FrameHeader`] says the same, but to copy a line only for this takes ten times as long.
    #[inline]
    pub(super) fn of_line(line: &[u8; FrameHeader::SIZE]) -> (Self, bool) {
        const LEN_AT: usize = core::mem::offset_of!(FrameHeader, payload_len);
        let place = Self(u32::from_le_bytes(part(line, LEN_AT)));
        let is_followed_by_zeros = place.is_followed_by_zeros(&part(line, INLINE_AT));
        (place, is_followed_by_zeros)
    }

    #[inline]
    pub(super) const fn payload_len(self) -> u32 {
        self.0
    }

    /// Bytes of the payload that follow the line.
    #[inline]
    pub(super) const fn following_bytes(self) -> usize {
        if self.0 as usize <= INLINE_PAYLOAD_BYTES {
            0
        } else {
            self.0 as usize
        }
    }

    /// Where in the line the payload stands, if it is short enough to.
    #[inline]
    pub(super) fn inline_range(self) -> Option<Range<usize>> {
        let len = self.0 as usize;
        (len <= INLINE_PAYLOAD_BYTES).then_some(INLINE_AT..INLINE_AT + len)
    }

    /// Without a branch for each byte: the window over `MASK` is zeros for those that are used.
    #[inline]
    fn is_followed_by_zeros(self, inline: &[u8; INLINE_PAYLOAD_BYTES]) -> bool {
        const MASK: &[u8; 2 * INLINE_PAYLOAD_BYTES] = &{
            let mut mask = [0; 2 * INLINE_PAYLOAD_BYTES];
            let (_, unused) = mask.split_at_mut(INLINE_PAYLOAD_BYTES);
            unused.copy_from_slice(&[u8::MAX; INLINE_PAYLOAD_BYTES]);
            mask
        };
        let used = self.0 as usize - self.following_bytes();
        let mask = &MASK[INLINE_PAYLOAD_BYTES - used..][..INLINE_PAYLOAD_BYTES];
        let words = inline.as_chunks().0.iter().zip(mask.as_chunks().0);
        let unused =
            words.map(|(bytes, mask)| u64::from_ne_bytes(*bytes) & u64::from_ne_bytes(*mask));
        unused.fold(0, |unused, word| unused | word) == 0
    }
}

/// The `N` bytes at `at`.
#[inline]
fn part<const N: usize>(line: &[u8; FrameHeader::SIZE], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&line[at..at + N]);
    part
}

impl FrameHeader {
    /// A line without its payload's length and bytes.
    pub(super) const fn new(
        session: SessionId,
        stream: u8,
        kind: FrameKind,
        sequence: u64,
        timestamp_ns: u64,
    ) -> Self {
        Self {
            session,
            stream,
            kind,
            version: FrameVersion::V1,
            flags: [0],
            payload_len: Le::<u32>::new(0),
            sequence: Le::<u64>::new(sequence),
            timestamp_ns: Le::<u64>::new(timestamp_ns),
            inline: [0; INLINE_PAYLOAD_BYTES],
        }
    }

    /// The session the frame belongs to.
    #[must_use]
    pub const fn session_id(&self) -> SessionId {
        self.session
    }

    /// The stream within the session.
    #[must_use]
    pub const fn stream_id(&self) -> u8 {
        self.stream
    }

    /// What the frame carries.
    #[must_use]
    pub const fn kind(&self) -> FrameKind {
        self.kind
    }

    /// Version of the wire format.
    #[must_use]
    pub const fn version(&self) -> FrameVersion {
        self.version
    }

    /// Bytes of the payload, wherever it stands.
    #[must_use]
    pub const fn payload_len(&self) -> u32 {
        self.payload_len.get()
    }

    /// Number of the frame within its stream.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence.get()
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn timestamp_ns(&self) -> u64 {
        self.timestamp_ns.get()
    }

    /// The payload, if it is short enough to stand in the line; otherwise it follows the line.
    #[inline]
    #[must_use]
    pub fn inline_payload(&self) -> Option<&[u8]> {
        self.inline.get(..self.payload_len() as usize)
    }

    /// Bytes of the payload that follow the line.
    #[inline]
    #[must_use]
    pub fn following_bytes(&self) -> usize {
        self.place().following_bytes()
    }

    /// Where the payload stands.
    #[inline]
    pub(super) fn place(&self) -> PayloadPlace {
        PayloadPlace(self.payload_len())
    }

    pub(super) fn set_payload_len(&mut self, len: u32) {
        self.payload_len = len.into();
    }

    pub(super) fn inline_mut(&mut self) -> &mut [u8; INLINE_PAYLOAD_BYTES] {
        &mut self.inline
    }

    /// Offset in the line and value of the first byte behind the payload that is not 0.
    pub(super) fn unused_byte(&self) -> Option<(usize, u8)> {
        let used = self.inline_payload().map_or(0, <[u8]>::len);
        let unused = self.inline.iter().enumerate().skip(used);
        unused
            .map(|(at, &byte)| (INLINE_AT + at, byte))
            .find(|&(_, byte)| byte != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::SimdFrame;

    #[test]
    fn the_line_is_where_the_table_says() {
        let offsets = FrameHeader::LAYOUT
            .fields()
            .iter()
            .map(|field| (field.name(), field.offset()));
        let expected = [
            ("session", 0),
            ("stream", 16),
            ("kind", 17),
            ("version", 18),
            ("flags", 19),
            ("payload_len", 20),
            ("sequence", 24),
            ("timestamp_ns", 32),
            ("inline", 40),
        ];
        assert!(offsets.eq(expected));
        assert_eq!(FrameHeader::SIZE, 64);
        assert_eq!(FrameHeader::SPAN[16..20], [255, 3, 0, 0]);
        assert_eq!(FrameHeader::LO[16..20], [0, 0, 1, 0]);
    }

    /// A change here is a change of the wire format, and needs a version of its own.
    #[test]
    fn the_layout_hash_is_pinned() {
        assert_eq!(FrameHeader::LAYOUT_HASH, 0xcdbf_62e0_a10b_85f8);
    }

    fn has_zeros(header: &FrameHeader) -> bool {
        PayloadPlace::of_line(header.as_bytes().first_chunk().unwrap()).1
    }

    #[test]
    fn unused_bytes_are_those_behind_the_payload() {
        let mut header = FrameHeader::new([0; 16], 0, FrameKind::Data, 0, 0);
        header.set_payload_len(3);
        header.inline_mut()[2] = 7;
        assert_eq!(header.unused_byte(), None);
        assert!(has_zeros(&header));
        header.inline_mut()[23] = 9;
        assert_eq!(header.unused_byte(), Some((63, 9)));
        assert!(!has_zeros(&header));
        header.set_payload_len(25);
        assert_eq!(header.inline_payload(), None);
        assert_eq!(header.following_bytes(), 25);
        assert_eq!(header.unused_byte(), Some((42, 7)));
    }
}
