//! The order of fields that `#[frame(reorder)]` asks for: the one whose constrained bytes fit the
//! smallest window.

use super::describe::Message;
use super::layout::{FieldLayout, Window};

/// More fields than this are left as they stand: the message could not name them all.
const MAX_FIELDS: usize = 32;

/// How an order groups the fields, each group from the widest alignment to the narrowest, so that no
/// padding arises within it.
#[derive(Clone, Copy)]
enum Grouping {
    /// Constrained fields before free ones.
    ConstrainedFirst,
    /// Free fields before constrained ones.
    ConstrainedLast,
    /// By alignment alone, and in each alignment free fields before constrained ones.
    FreeFirst,
    /// By alignment alone, and constrained fields last in the widest alignment that has one, and first in
    /// the others.
    Meeting,
}

/// Refuses fields whose constrained bytes would fit a smaller window in another order, in which they
/// fill the frame without padding, too. The checksum stays last.
///
/// # Panics
///
/// If there is such an order, naming it.
#[track_caller]
pub const fn check_order<F>(name: &str, fields: &[FieldLayout]) {
    if fields.len() > MAX_FIELDS {
        return;
    }
    let mut best = [0; MAX_FIELDS];
    let mut index = 0;
    while index < fields.len() {
        best[index] = index;
        index += 1;
    }
    // As written, the fields fill the frame, or `check_field` and `check_end` have said so.
    let Some(written) = window_bytes(fields, &best, size_of::<F>()) else {
        return;
    };
    let mut smallest = written;
    let groupings = [
        Grouping::ConstrainedFirst,
        Grouping::ConstrainedLast,
        Grouping::FreeFirst,
        Grouping::Meeting,
    ];
    index = 0;
    while index < groupings.len() {
        let order = order(fields, groupings[index]);
        if let Some(bytes) = window_bytes(fields, &order, size_of::<F>())
            && bytes < smallest
        {
            smallest = bytes;
            best = order;
        }
        index += 1;
    }
    if smallest < written {
        let message = Message::new()
            .code(name)
            .str(" is checked by looking at ")
            .bytes(smallest)
            .str(" instead of ")
            .number(written as u128)
            .str(" with its fields in the order ");
        let message = names(message, fields, &best);
        panic!("{}", message.as_str());
    }
}

const fn names(
    mut message: Message,
    fields: &[FieldLayout],
    order: &[usize; MAX_FIELDS],
) -> Message {
    let mut index = 0;
    while index < fields.len() {
        if index > 0 {
            message = message.str(", ");
        }
        message = message.code(fields[order[index]].name());
        index += 1;
    }
    message
}

/// Bytes of the window over the fields in this order, or `None` where they leave a gap or are not
/// `size` bytes.
const fn window_bytes(
    fields: &[FieldLayout],
    order: &[usize; MAX_FIELDS],
    size: usize,
) -> Option<usize> {
    let (mut at, mut first, mut last) = (0_usize, usize::MAX, 0);
    let mut index = 0;
    while index < fields.len() {
        let field = &fields[order[index]];
        if !at.is_multiple_of(field.align()) {
            return None;
        }
        if let Some((start, end)) = field.constrained() {
            if first == usize::MAX {
                first = at + start;
            }
            last = at + end;
        }
        at += field.size();
        index += 1;
    }
    if at != size {
        return None;
    }
    if first == usize::MAX {
        return Some(0);
    }
    Some(Window::around(first, last, size).bytes(size).1)
}

/// Insertion sort, which keeps the written order where nothing speaks against it.
const fn order(fields: &[FieldLayout], grouping: Grouping) -> [usize; MAX_FIELDS] {
    let mut order = [0; MAX_FIELDS];
    let pivot = widest_constrained(fields);
    let mut index = 0;
    while index < fields.len() {
        let rank = rank(&fields[index], grouping, pivot);
        let mut at = index;
        while at > 0 && self::rank(&fields[order[at - 1]], grouping, pivot) > rank {
            order[at] = order[at - 1];
            at -= 1;
        }
        order[at] = index;
        index += 1;
    }
    order
}

/// The widest alignment of a constrained field.
const fn widest_constrained(fields: &[FieldLayout]) -> usize {
    let mut widest = 0;
    let mut index = 0;
    while index < fields.len() {
        let align = fields[index].align();
        if fields[index].constrained().is_some() && align > widest {
            widest = align;
        }
        index += 1;
    }
    widest
}

/// What an order sorts by: the lower, the earlier.
const fn rank(field: &FieldLayout, grouping: Grouping, pivot: usize) -> usize {
    const WIDEST: usize = 1 << 16;
    if field.is_checksum() {
        return usize::MAX;
    }
    let narrowness = WIDEST - field.align();
    let is_constrained = field.constrained().is_some();
    match grouping {
        Grouping::ConstrainedFirst => narrowness + if is_constrained { 0 } else { 2 * WIDEST },
        Grouping::ConstrainedLast => narrowness + if is_constrained { 2 * WIDEST } else { 0 },
        Grouping::FreeFirst => 2 * narrowness + is_constrained as usize,
        Grouping::Meeting => 2 * narrowness + (is_constrained == (field.align() == pivot)) as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::layout::FieldKind;

    const fn field(name: &'static str, offset: usize, size: usize, kind: FieldKind) -> FieldLayout {
        FieldLayout::new(name, offset, size, size, kind)
    }

    #[test]
    #[should_panic = "`Spread` is checked by looking at 8 bytes instead of 16 with its fields in the order `id`, `total`, `sum`, `other`, `count`, `last`, `is_first`, `is_last`"]
    fn flags_at_both_ends_are_brought_together() {
        check_order::<[u64; 2]>(
            "Spread",
            &[
                field("is_first", 0, 1, FieldKind::Bool),
                field("count", 1, 1, FieldKind::Unsigned),
                field("sum", 2, 2, FieldKind::Unsigned),
                field("id", 4, 4, FieldKind::Unsigned),
                field("total", 8, 4, FieldKind::Unsigned),
                field("other", 12, 2, FieldKind::Unsigned),
                field("last", 14, 1, FieldKind::Unsigned),
                field("is_last", 15, 1, FieldKind::Bool),
            ],
        );
    }

    #[test]
    fn fields_that_no_order_improves_are_accepted() {
        check_order::<[u64; 2]>(
            "Good",
            &[
                field("id", 0, 8, FieldKind::Unsigned),
                field("is_first", 8, 1, FieldKind::Bool),
                field("is_last", 9, 1, FieldKind::Bool),
                field("count", 10, 2, FieldKind::Unsigned),
                field("sum", 12, 4, FieldKind::Unsigned),
            ],
        );
    }
}
