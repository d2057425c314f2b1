//! Holds integration tests only; see the `tests` folder.
