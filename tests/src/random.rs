//! Frames at random that are legal by what their layout says.

use cnv::frame::{FieldKind, FieldLayout, FieldRole, FrameLayout};

/// SplitMix64: numbers that one seed decides, so that a failing seed is the whole failure.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, of all that there are.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// One in `count` times.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of `items`, of which there are some.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A byte, half the time one at which a comparison would turn.
    pub fn byte(&mut self) -> u8 {
        if self.one_in(2) {
            *self.pick(&[0, 1, 2, 0x7e, 0x7f, 0x80, 0x81, 0xfe, 0xff])
        } else {
            self.number() as u8
        }
    }
}

/// The bytes of a frame whose fields all have values that they allow. A checksum is any number, and
/// what an author's own check wants is not looked at.
#[must_use]
pub fn legal_frame(layout: &FrameLayout, random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0; layout.size()];
    fill(layout, &mut bytes, random);
    bytes
}

fn fill(layout: &FrameLayout, bytes: &mut [u8], random: &mut Random) {
    for field in layout.fields() {
        let bytes = &mut bytes[field.offset()..][..field.size()];
        match field.kind() {
            FieldKind::Reserved => {}
            FieldKind::Bool => bytes[0] = random.below(2) as u8,
            FieldKind::Frame(inner) => fill(inner, bytes, random),
            FieldKind::Enum { values } => {
                put(field, bytes, i128::from(*random.pick(values)));
            }
            _ => match field.range() {
                Some(range) => {
                    let span = (range.max() - range.min()) as u64;
                    let above = match random.below(4) {
                        0 => 0,
                        1 => span,
                        _ => random.number() % span.saturating_add(1).max(1),
                    };
                    put(field, bytes, range.min() + i128::from(above));
                }
                None => bytes.iter_mut().for_each(|byte| *byte = random.byte()),
            },
        }
    }
}

/// Writes `value` as the field's bytes.
fn put(field: &FieldLayout, bytes: &mut [u8], value: i128) {
    let value = value.to_le_bytes();
    let len = bytes.len();
    bytes.copy_from_slice(&value[..len]);
    if matches!(field.kind(), FieldKind::BigEndian(_)) {
        bytes.reverse();
    }
}

/// The field that the byte at `offset` is of, as errors name it: `outer.inner`. With what it is for.
#[must_use]
pub fn field_at(layout: &FrameLayout, offset: usize) -> Option<(String, FieldRole)> {
    let covers =
        |field: &&FieldLayout| (field.offset()..field.offset() + field.size()).contains(&offset);
    let field = layout.fields().iter().find(covers)?;
    let FieldKind::Frame(inner) = field.kind() else {
        return Some((field.name().to_owned(), field.role()));
    };
    let (name, role) = field_at(inner, offset - field.offset())?;
    Some((format!("{}.{name}", field.name()), role))
}
