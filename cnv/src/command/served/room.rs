//! The room that kept replies take: so much in all, and so much of one client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::audit::Digest;

/// The bytes of all replies that are kept, and of those of one client.
const MAX_BYTES: usize = 8 << 20;
const MAX_BYTES_OF_ONE: usize = 2 << 20;

/// How much is taken.
#[derive(Debug, Default)]
pub(super) struct Room {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of_each: HashMap<Digest, usize>,
}

/// What one call takes of the room, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Arc<Room>,
    client: Digest,
    bytes: usize,
}

impl Room {
    fn change<T>(&self, change: impl FnOnce(&mut Taken) -> T) -> T {
        change(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Share {
    /// Nothing yet, for a call of this client.
    pub(super) fn new(room: &Arc<Room>, client: Digest) -> Self {
        Self {
            room: Arc::clone(room),
            client,
            bytes: 0,
        }
    }

    /// Takes so much more; `false` where there is no room for it.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let has_grown = self.room.change(|taken| {
            let of_this = taken.of_each.get(&self.client).copied().unwrap_or(0);
            let (all, of_this) = (
                taken.all.saturating_add(bytes),
                of_this.saturating_add(bytes),
            );
            let has_room = all <= MAX_BYTES && of_this <= MAX_BYTES_OF_ONE;
            if has_room && bytes > 0 {
                taken.all = all;
                taken.of_each.insert(self.client, of_this);
            }
            has_room
        });
        if has_grown {
            self.bytes += bytes;
        }
        has_grown
    }

    /// Gives all of it back.
    pub(super) fn clear(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes == 0 {
            return;
        }
        self.room.change(|taken| {
            taken.all -= bytes;
            if let Some(of_this) = taken.of_each.get_mut(&self.client) {
                *of_this -= bytes;
                if *of_this == 0 {
                    taken.of_each.remove(&self.client);
                }
            }
        });
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u8) -> Digest {
        Digest::from_bytes([number; 32])
    }

    #[test]
    fn one_client_takes_its_part_and_all_take_what_there_is() {
        let room = Arc::default();
        let mut shares = Vec::new();
        let clients = MAX_BYTES / MAX_BYTES_OF_ONE;
        for number in 0..clients {
            let mut share = Share::new(&room, client(number as u8));
            assert!(share.grow(MAX_BYTES_OF_ONE));
            assert!(!share.grow(1), "more than one may have");
            shares.push(share);
        }
        let mut late = Share::new(&room, client(255));
        assert!(!late.grow(1), "more than there is");
        shares.pop();
        assert!(late.grow(1));
        drop((late, shares));
        room.change(|taken| assert_eq!((taken.all, taken.of_each.len()), (0, 0)));
    }
}
