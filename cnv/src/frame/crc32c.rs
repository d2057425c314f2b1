//! CRC32C, the checksum of a frame with `#[frame(crc32c)]`.
//!
//! Castagnoli's polynomial, reflected, as in RFC 3720, appendix B.4. It finds every error of up to 3
//! bits in a frame of 64 bytes and every burst of up to 32 bits; it is no defence against somebody who
//! wants to change a frame.

const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// The CRC32C of `bytes`.
#[must_use]
pub const fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    let mut at = 0;
    while at < bytes.len() {
        crc = (crc >> 8) ^ TABLE[((crc ^ bytes[at] as u32) & 0xff) as usize];
        at += 1;
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4, and the check value of the algorithm's catalogue.
    #[test]
    fn the_published_vectors() {
        assert_eq!(checksum(b""), 0);
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
        assert_eq!(checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(checksum(&[0xff; 32]), 0x62a8_ab43);
    }
}
