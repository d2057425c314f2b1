//! What the machine does to a program: a disk that is full, a network that is gone, a neighbour of another user, a kill.
//!
//! The tests need what not every user may do. Where this one may not, a test says that it was skipped.

#![cfg(target_os = "linux")]

mod full_disk;
mod killed;
mod namespaces;
mod network;
mod other_user;
#[path = "../programs/mod.rs"]
mod programs;
#[path = "../sessions/mod.rs"]
mod sessions;
