//! CRC32C: finds bytes that changed on the way, by accident and not by intent.

use super::simd::checksum::{self, COVERED};

/// The CRC32C (Castagnoli) of `bytes`, as iSCSI, ext4 and gRPC have it.
///
/// ```
/// assert_eq!(cnv::frame::crc32c(b"123456789"), 0xe306_9283);
/// ```
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    !checksum::update(!0, bytes)
}

/// Writes the checksum of the first 60 bytes of a line into its last four, little-endian.
///
/// It is for lines of your own, such as frames of 64 bytes that end in a field with `#[frame(crc32c)]`. The line of a
/// [`Frame`](super::Frame) has its payload in these bytes, and no checksum.
///
/// ```
/// use cnv::frame::{first_corrupt_line, seal_line};
///
/// let mut lines = [[7; 64]; 3];
/// lines.iter_mut().for_each(seal_line);
/// assert_eq!(first_corrupt_line(&lines), None);
/// lines[1][30] ^= 1;
/// assert_eq!(first_corrupt_line(&lines), Some(1));
/// ```
pub fn seal_line(line: &mut [u8; 64]) {
    let checksum = crc32c(&line[..COVERED]);
    line[COVERED..].copy_from_slice(&checksum.to_le_bytes());
}

/// The number of the first line that does not end with the checksum of its first 60 bytes.
#[must_use]
pub fn first_corrupt_line(lines: &[[u8; 64]]) -> Option<usize> {
    let mut start = 0;
    for block in lines.chunks(64) {
        if !checksum::are_intact(block) {
            let mut lines = block.chunks(1);
            let at = lines.position(|line| !checksum::are_intact(line));
            return at.map(|at| start + at);
        }
        start += block.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4, and the check value of the algorithm's catalogue.
    #[test]
    fn the_published_vectors() {
        assert_eq!(crc32c(b""), 0);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }
}
