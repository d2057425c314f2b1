//! Goals 2 to 4: validating a batch, and using it.

use std::hint::black_box;

use bytemuck::CheckedBitPattern;
use cnv::frame::{Frames, SimdFrame};
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

use super::batches::{LINE_BYTES, Seven, Size, TwentyThree, legal, messages};
use super::message::{Line, Message, Route, Unchecked};
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Measured, Ratio, Settings, measure};

/// Reads the word of each line that holds its constrained bytes: one load from each cache line that the
/// window touches is the least that looks at all of them, and so the floor of validating.
///
/// Two plain loops are measured, and the faster is the floor: the compiler makes scalar loads of the one
/// and may make gathers of the other.
#[inline]
fn read_floor<const LANES: usize>(bytes: &[u8]) -> u64 {
    let (lines, _) = bytes.as_chunks::<LINE_BYTES>();
    let word =
        |line: &[u8; LINE_BYTES]| u64::from_le_bytes(*line[16..].first_chunk().expect("8 bytes"));
    let (groups, rest) = lines.as_chunks::<LANES>();
    let mut seen = [0; LANES];
    for group in groups {
        for (seen, line) in seen.iter_mut().zip(group) {
            *seen |= word(line);
        }
    }
    let rest = rest.iter().fold(0, |seen, line| seen | word(line));
    seen.iter().fold(rest, |all, seen| all | seen)
}

const FLOORS: [&str; 2] = ["read floor", "read floor, 4 accumulators"];

/// Validates only: goals 2 and 3.
pub fn validate(size: Size, settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    let seven = validate_type::<Seven>("7 constrained bytes", size, settings);
    let twenty_three = validate_type::<TwentyThree>("23 constrained bytes", size, settings);
    let bytes = messages(size.frames);
    let bytes = bytes.as_slice();
    let line = measure(
        format!("validate the message, {}", size.name),
        size.frames,
        settings,
        vec![
            Contender::new(FLOORS[0], || read_floor::<1>(black_box(bytes))),
            Contender::new(FLOORS[1], || read_floor::<4>(black_box(bytes))),
            Contender::new("cnv", || {
                Frames::<Line>::validate_all(black_box(bytes)).is_ok()
            }),
            Contender::new("cnv blocks", || {
                Frames::<Line>::blocks(black_box(bytes)).all(|block| block.is_ok())
            }),
            Contender::new("zerocopy", || {
                <[Message]>::try_ref_from_bytes(black_box(bytes)).is_ok()
            }),
            Contender::new("bytemuck", || {
                bytemuck::checked::try_cast_slice::<u8, Message>(black_box(bytes)).is_ok()
            }),
        ],
    );
    let goal = |number, text: &str, wanted, measured: Ratio| Goal {
        number,
        text: text.into(),
        part: size.name.into(),
        wanted,
        measured,
    };
    let floor = unless(matches!(size.name, "L1" | "DRAM"), Wanted::AtMost(1.10));
    let validating = |bound| unless(!matches!(size.name, "L1" | "L2"), Wanted::AtLeast(bound));
    let goals = vec![
        goal(
            2,
            "validate_all / read floor",
            floor,
            line.time_over("cnv", &FLOORS),
        ),
        goal(
            3,
            "validate_all against zerocopy, 7 constrained bytes",
            validating(2.0),
            seven.speed_over("cnv", &["zerocopy"]),
        ),
        goal(
            3,
            "validate_all against zerocopy, 23 constrained bytes",
            validating(5.0),
            twenty_three.speed_over("cnv", &["zerocopy"]),
        ),
        goal(
            3,
            "validate_all against bytemuck, 23 constrained bytes",
            validating(1.8),
            twenty_three.speed_over("cnv", &["bytemuck"]),
        ),
    ];
    let groups = [&line, &seven, &twenty_three].map(Group::from);
    (groups.into(), goals)
}

/// `wanted`, or nothing where no goal is.
pub fn unless(is_free: bool, wanted: Wanted) -> Wanted {
    if is_free {
        Wanted::ForInformation
    } else {
        wanted
    }
}

fn validate_type<T>(name: &str, size: Size, settings: Settings) -> Measured
where
    T: SimdFrame + TryFromBytes + KnownLayout + Immutable + CheckedBitPattern,
{
    let bytes = legal::<T>(size.frames);
    let bytes = bytes.as_slice();
    measure(
        format!("validate {name}, {}", size.name),
        size.frames,
        settings,
        vec![
            Contender::new("cnv", || {
                Frames::<T>::validate_all(black_box(bytes)).is_ok()
            }),
            Contender::new("zerocopy", || {
                <[T]>::try_ref_from_bytes(black_box(bytes)).is_ok()
            }),
            Contender::new("bytemuck", || {
                bytemuck::checked::try_cast_slice::<u8, T>(black_box(bytes)).is_ok()
            }),
        ],
    )
}

/// What is done with messages once they are validated.
///
/// It is a function that is called, for a block or for a whole slice: inlined, the compiler makes other code
/// of the same loop in each place, which would be taken for a difference between the contenders.
trait Use {
    fn of<M: Route>(messages: &[M]) -> u64;
}

/// Three fields of each are looked at.
struct Routing;

/// One field of each is added up: the least that is a use.
struct Adding;

impl Use for Routing {
    #[inline(never)]
    fn of<M: Route>(messages: &[M]) -> u64 {
        let routes = messages.iter().map(M::route);
        routes.fold(0, u64::wrapping_add)
    }
}

impl Use for Adding {
    #[inline(never)]
    fn of<M: Route>(messages: &[M]) -> u64 {
        let sequences = messages.iter().map(M::sequence);
        sequences.fold(0, u64::wrapping_add)
    }
}

/// Validates and uses a block at a time.
#[inline]
fn by_blocks<U: Use>(bytes: &[u8]) -> u64 {
    let blocks = Frames::<Line>::blocks(bytes).map(|block| U::of(block.expect("legal messages")));
    blocks.fold(0, u64::wrapping_add)
}

#[inline]
fn by_validate_all<U: Use>(bytes: &[u8]) -> u64 {
    U::of(Frames::<Line>::validate_all(bytes).expect("legal messages"))
}

#[inline]
fn by_zerocopy<U: Use>(bytes: &[u8]) -> u64 {
    U::of(<[Message]>::try_ref_from_bytes(bytes).expect("legal messages"))
}

#[inline]
fn by_bytemuck<U: Use>(bytes: &[u8]) -> u64 {
    let messages: Result<&[Message], _> = bytemuck::checked::try_cast_slice(bytes);
    U::of(messages.expect("legal messages"))
}

/// The same bytes seen as a struct of which every bit pattern is a value: a cast, and no check.
#[inline]
fn by_unchecked<U: Use>(bytes: &[u8]) -> u64 {
    U::of(bytemuck::cast_slice::<u8, Unchecked>(bytes))
}

/// Validates and uses: goal 4, which is about routing. The least use is there for information.
pub fn using(size: Size, settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    let is_free = matches!(size.name, "L1" | "DRAM");
    let (routing, mut goals) = using_by::<Routing>("route", is_free, size, settings);
    let (adding, others) = using_by::<Adding>("add one field", true, size, settings);
    goals.extend(others);
    (vec![routing, adding], goals)
}

fn using_by<U: Use>(
    what: &str,
    is_free: bool,
    size: Size,
    settings: Settings,
) -> (Group, Vec<Goal>) {
    let bytes = messages(size.frames);
    let bytes = bytes.as_slice();
    let measured = measure(
        format!("validate and {what}, {}", size.name),
        size.frames,
        settings,
        vec![
            Contender::new("unchecked", || by_unchecked::<U>(black_box(bytes))),
            Contender::new("cnv blocks", || by_blocks::<U>(black_box(bytes))),
            Contender::new("cnv validate_all", || {
                by_validate_all::<U>(black_box(bytes))
            }),
            Contender::new("zerocopy", || by_zerocopy::<U>(black_box(bytes))),
            Contender::new("bytemuck", || by_bytemuck::<U>(black_box(bytes))),
        ],
    );
    let goal = |text: &str, bound, measured| Goal {
        number: 4,
        text: format!("{what}: {text}"),
        part: size.name.into(),
        wanted: unless(is_free, bound),
        measured,
    };
    let goals = vec![
        goal(
            "blocks / unchecked",
            Wanted::AtMost(1.20),
            measured.time_over("cnv blocks", &["unchecked"]),
        ),
        goal(
            "blocks against zerocopy's whole slice first",
            Wanted::AtLeast(1.6),
            measured.speed_over("cnv blocks", &["zerocopy"]),
        ),
    ];
    (Group::from(&measured), goals)
}

/// The largest batch of the sweep, in frames, as a power of two.
const LARGEST: u32 = 16;

/// Nanoseconds a frame for batches of 1, 2, 4 and so on to 65 536 messages, validated and routed; a copy
/// beside them. One group for each size.
pub fn sweep(settings: Settings) -> Vec<Group> {
    let bytes = messages(1 << LARGEST);
    let mut copy = vec![0; bytes.len()];
    let mut groups = Vec::new();
    for frames in (0..=LARGEST).map(|power| 1_usize << power) {
        let bytes = &bytes.as_slice()[..frames * LINE_BYTES];
        let copy = &mut copy[..frames * LINE_BYTES];
        let measured = measure(
            format!("{SWEEP}{frames}"),
            frames,
            settings,
            vec![
                Contender::new("cnv blocks", || by_blocks::<Routing>(black_box(bytes))),
                Contender::new("cnv validate_all", || {
                    by_validate_all::<Routing>(black_box(bytes))
                }),
                Contender::new("zerocopy", || by_zerocopy::<Routing>(black_box(bytes))),
                Contender::new("bytemuck", || by_bytemuck::<Routing>(black_box(bytes))),
                Contender::new("memcpy", || {
                    copy.copy_from_slice(black_box(bytes));
                    black_box(&mut *copy);
                }),
            ],
        );
        groups.push(Group::from(&measured));
    }
    groups
}

/// What the names of the sweep's groups start with; the number of frames ends them.
pub const SWEEP: &str = "batch of ";

#[cfg(test)]
mod tests {
    use super::*;

    fn every_way_comes_to<U: Use>(bytes: &[u8], expected: u64) {
        let ways = [
            by_blocks::<U>,
            by_validate_all::<U>,
            by_zerocopy::<U>,
            by_bytemuck::<U>,
            by_unchecked::<U>,
        ];
        for way in ways {
            assert_eq!(way(bytes), expected);
        }
    }

    #[test]
    fn every_way_to_use_a_batch_comes_to_the_same() {
        for frames in [0, 1, 63, 64, 65, 1000] {
            let bytes = messages(frames);
            let sum = |of: fn(&Message) -> u64| {
                let messages = (0..frames).map(Message::numbered);
                messages.fold(0_u64, |sum, message| sum.wrapping_add(of(&message)))
            };
            every_way_comes_to::<Routing>(bytes.as_slice(), sum(Message::route));
            every_way_comes_to::<Adding>(bytes.as_slice(), sum(|message| message.sequence));
        }
    }

    #[test]
    fn the_floor_reads_every_line() {
        for frames in [1, 4, 7, 64] {
            for bad in 0..frames {
                let mut bytes = vec![0; frames * LINE_BYTES];
                bytes[bad * LINE_BYTES + 20] = 1;
                assert_eq!(read_floor::<1>(&bytes), 1 << 32);
                assert_eq!(read_floor::<4>(&bytes), 1 << 32);
            }
        }
    }
}
