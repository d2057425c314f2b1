//! What is within what: spans put in order. Nothing here calls itself, so that no file is too deep.

use std::cmp::Reverse;
use std::collections::HashMap;

use cnv::trace::SpanId;
use serde::Serialize;

use super::span::Span;

/// A span in its tree: which it is, how many are around it, and what is odd about its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) span: usize,
    pub(super) depth: u32,
    pub(super) note: Option<Note>,
}

/// What is odd about the place of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Note {
    /// Its parent is in none of the files.
    ParentElsewhere,
    /// Its parent is within it.
    Circle,
    /// Another span has its id. What names the id as its parent is within the other one.
    SameId,
}

impl Note {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::ParentElsewhere => "parent elsewhere",
            Self::Circle => "its parent is within it",
            Self::SameId => "another span has its id",
        }
    }
}

/// No span.
const NONE: usize = usize::MAX;

/// The spans of a trace, each once, a parent before those within it and the earlier before the later.
pub(super) fn forest(spans: &[&Span]) -> Vec<Placed> {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|&at| rank(spans[at]));
    let mut notes = vec![None; spans.len()];
    let mut by_id: HashMap<SpanId, usize> = HashMap::with_capacity(spans.len());
    for &at in &order {
        if *by_id.entry(spans[at].id).or_insert(at) != at {
            notes[at] = Some(Note::SameId);
        }
    }
    // The children of each as a list from the latest to the earliest: the first, and what follows on each.
    let mut parent = vec![NONE; spans.len()];
    let mut latest = vec![NONE; spans.len()];
    let mut earlier = vec![NONE; spans.len()];
    let mut roots = Vec::new();
    for &at in &order {
        match spans[at].parent.map(|id| by_id.get(&id)) {
            Some(Some(&around)) => {
                parent[at] = around;
                earlier[at] = latest[around];
                latest[around] = at;
            }
            Some(None) => {
                notes[at].get_or_insert(Note::ParentElsewhere);
                roots.push(at);
            }
            None => roots.push(at),
        }
    }
    let mut walk = Walk {
        latest,
        earlier,
        is_placed: vec![false; spans.len()],
        notes,
        placed: Vec::with_capacity(spans.len()),
    };
    for root in roots {
        walk.tree(root);
    }
    // What is left is in circles, or within them.
    for &at in &order {
        if !walk.is_placed[at] {
            let first = first_of_circle(at, &parent, spans);
            walk.notes[first].get_or_insert(Note::Circle);
            walk.tree(first);
        }
    }
    walk.placed
}

/// By what spans are sorted: one that takes longer comes before what begins with it.
fn rank(span: &Span) -> (u64, Reverse<u64>, SpanId) {
    (span.start_ns, Reverse(span.end_ns), span.id)
}

/// The earliest span of the circle that the parents of `at` lead to. All of them have one: whoever has none is placed.
fn first_of_circle(at: usize, parent: &[usize], spans: &[&Span]) -> usize {
    // One goes two steps at a time, and meets the other in the circle.
    let (mut slow, mut fast) = (parent[at], parent[parent[at]]);
    while slow != fast {
        slow = parent[slow];
        fast = parent[parent[fast]];
    }
    let (mut first, mut next) = (slow, parent[slow]);
    while next != slow {
        if rank(spans[next]) < rank(spans[first]) {
            first = next;
        }
        next = parent[next];
    }
    first
}

struct Walk {
    latest: Vec<usize>,
    earlier: Vec<usize>,
    is_placed: Vec<bool>,
    notes: Vec<Option<Note>>,
    placed: Vec<Placed>,
}

impl Walk {
    /// Places what is within a span, and the span.
    fn tree(&mut self, root: usize) {
        let mut waiting = vec![(root, 0)];
        while let Some((span, depth)) = waiting.pop() {
            // A circle comes back to its first span.
            if std::mem::replace(&mut self.is_placed[span], true) {
                continue;
            }
            let note = self.notes[span];
            self.placed.push(Placed { span, depth, note });
            let mut child = self.latest[span];
            while child != NONE {
                waiting.push((child, depth + 1));
                child = self.earlier[child];
            }
        }
    }
}
