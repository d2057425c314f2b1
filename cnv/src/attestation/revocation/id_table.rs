//! Is this id among them? One cache line for a no, a few for a yes.

/// Ids in ascending order, and a filter in front of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IdTable<const N: usize> {
    ids: Vec<[u8; N]>,
}

impl<const N: usize> IdTable<N> {
    /// The table of `ids`, which ascend strictly.
    pub(super) fn new(ids: Vec<[u8; N]>) -> Self {
        Self { ids }
    }

    pub(super) fn contains(&self, id: &[u8; N]) -> bool {
        self.ids.binary_search(id).is_ok()
    }

    pub(super) fn ids(&self) -> &[[u8; N]] {
        &self.ids
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.ids.capacity() * N
    }
}
