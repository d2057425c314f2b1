//! What the example applications do, apart from how they are called: reading access logs, asking services on this machine
//! and digesting directory trees.

pub mod access_log;
pub mod http;
pub mod top;
pub mod tree;
