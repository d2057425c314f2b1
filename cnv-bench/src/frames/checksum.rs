//! Goal 8: the checksum of each line, verified.

use std::hint::black_box;

use cnv::frame::first_corrupt_line;

use super::batches::{LINE_BYTES, Size, sealed};
use super::validate::unless;
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Settings, measure};

/// The number of the first line that does not end with what `crc` makes of the bytes before.
#[inline]
fn first_wrong(lines: &[[u8; LINE_BYTES]], crc: impl Fn(&[u8]) -> u32) -> Option<usize> {
    lines.iter().position(|line| {
        let (covered, stored) = line.split_at(LINE_BYTES - 4);
        crc(covered).to_le_bytes() != stored
    })
}

/// What is wanted over `crc32c` and over `crc-fast`, and for which CPUs. With VPCLMULQDQ a line is a few
/// carry-less multiplications; without, the CRC32C instruction is all there is.
fn wanted() -> (f64, f64, &'static str) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("vpclmulqdq") && std::is_x86_feature_detected!("avx512f") {
        return (4.5, 3.5, "VPCLMULQDQ");
    }
    (3.5, 2.5, "no VPCLMULQDQ")
}

/// Measures it. Each crate's function is its fastest for CRC32C, and detects the CPU itself.
pub fn run(size: Size, settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    let lines = sealed(size.frames);
    let lines = lines.as_slice();
    let measured = measure(
        format!("verify checksums, {}", size.name),
        size.frames,
        settings,
        vec![
            Contender::new("cnv", || first_corrupt_line(black_box(lines))),
            Contender::new("crc32c", || first_wrong(black_box(lines), crc32c::crc32c)),
            Contender::new("crc-fast", || {
                first_wrong(black_box(lines), crc_fast::crc32_iscsi)
            }),
        ],
    );
    let (over_crc32c, over_crc_fast, cpu) = wanted();
    let goal = |peer: &str, bound| Goal {
        number: 8,
        text: format!("first_corrupt_line against {peer} ({cpu})"),
        part: size.name.into(),
        wanted: unless(size.name == "DRAM", Wanted::AtLeast(bound)),
        measured: measured.speed_over("cnv", &[peer]),
    };
    let goals = vec![goal("crc32c", over_crc32c), goal("crc-fast", over_crc_fast)];
    (vec![Group::from(&measured)], goals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_crates_find_the_line_that_is_corrupt() {
        let mut lines = sealed(100);
        let found = |lines: &[[u8; LINE_BYTES]]| {
            [
                first_corrupt_line(lines),
                first_wrong(lines, crc32c::crc32c),
                first_wrong(lines, crc_fast::crc32_iscsi),
            ]
        };
        assert_eq!(found(&lines), [None; 3]);
        lines[70][3] ^= 1;
        lines[80][63] ^= 1;
        assert_eq!(found(&lines), [Some(70); 3]);
    }
}
