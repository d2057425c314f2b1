//! A value that is exchanged as a whole while others read it.
//!
//! Who reads keeps the value that it saw last, and looks at one counter to know whether that is still the one: nothing is
//! shared that changes, until somebody publishes. An atomic pointer with reclamation would be as fast, and needs unsafe code.

#[cfg(not(all(loom, test)))]
use core::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(all(loom, test)))]
use std::sync::Mutex;
use std::sync::{Arc, PoisonError};

#[cfg(all(loom, test))]
use loom::sync::Mutex;
#[cfg(all(loom, test))]
use loom::sync::atomic::{AtomicU64, Ordering};

/// A value that is exchanged as a whole.
///
/// ```
/// use std::sync::Arc;
/// use cnv::grammar::Published;
///
/// let published = Arc::new(Published::new(1));
/// let mut reader = published.reader();
/// let pinned = Arc::clone(reader.current());
/// published.publish(Arc::new(2));
/// assert_eq!((*pinned, **reader.current()), (1, 2));
/// ```
#[derive(Debug)]
pub struct Published<T> {
    /// How often something was published. Changed under the lock, after `current`.
    generation: AtomicU64,
    current: Mutex<Arc<T>>,
}

impl<T> Published<T> {
    /// The first value.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self::of(Arc::new(value))
    }

    /// The same with a value that is shared already.
    #[must_use]
    pub fn of(value: Arc<T>) -> Self {
        Self {
            generation: AtomicU64::new(0),
            current: Mutex::new(value),
        }
    }

    /// The value, for one look. Takes a lock; who looks often has a [`reader`](Self::reader).
    #[must_use]
    pub fn current(&self) -> Arc<T> {
        self.read().1
    }

    /// Puts a value in the place of the present one, which whoever has it keeps. Who begins to read after this has
    /// returned gets the new one.
    pub fn publish(&self, value: Arc<T>) {
        // What was there is dropped after the lock is given up: its destructor may take long.
        let _before = {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut *current, value);
            let generation = self.generation.load(Ordering::Relaxed);
            self.generation.store(generation + 1, Ordering::Release);
            before
        };
    }

    /// One reader: of a session, or a thread.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> Reader<T> {
        let (generation, current) = self.read();
        Reader {
            published: Arc::clone(self),
            generation,
            current,
        }
    }

    /// The value and its generation, which fit together under the lock only.
    fn read(&self) -> (u64, Arc<T>) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        (
            self.generation.load(Ordering::Relaxed),
            Arc::clone(&current),
        )
    }
}

/// Reads what is published, and keeps it until something else is.
#[derive(Debug)]
pub struct Reader<T> {
    published: Arc<Published<T>>,
    generation: u64,
    current: Arc<T>,
}

impl<T> Reader<T> {
    /// What is published now. One atomic load where that has not changed.
    #[inline]
    pub fn current(&mut self) -> &Arc<T> {
        if self.published.generation.load(Ordering::Acquire) != self.generation {
            self.refresh();
        }
        &self.current
    }

    #[cold]
    fn refresh(&mut self) {
        (self.generation, self.current) = self.published.read();
    }
}

impl<T> Clone for Reader<T> {
    fn clone(&self) -> Self {
        Self {
            published: Arc::clone(&self.published),
            generation: self.generation,
            current: Arc::clone(&self.current),
        }
    }
}

#[cfg(all(loom, test))]
mod tests {
    use loom::thread;

    use super::*;

    /// Each reader sees the values in their order, and after the exchange has returned only the last.
    #[test]
    fn loom_a_reader_never_goes_back_and_misses_no_exchange() {
        loom::model(|| {
            let published = Arc::new(Published::new((0, 0)));
            let writer = {
                let published = Arc::clone(&published);
                thread::spawn(move || {
                    published.publish(Arc::new((1, 1)));
                    published.publish(Arc::new((2, 2)));
                })
            };
            let reader = {
                let mut reader = published.reader();
                thread::spawn(move || {
                    let seen: Vec<(u8, u8)> = (0..2).map(|_| **reader.current()).collect();
                    assert!(seen.iter().all(|(a, b)| a == b), "{seen:?}");
                    assert!(seen.is_sorted(), "{seen:?}");
                    reader
                })
            };
            writer.join().unwrap();
            let mut reader = reader.join().unwrap();
            assert_eq!(**reader.current(), (2, 2));
        });
    }
}
