//! Holds integration tests, in the `tests` folder, and what several of them need.

pub mod random;
