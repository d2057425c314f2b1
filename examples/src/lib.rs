//! What the example applications do, apart from how they are called: reading access logs and digesting
//! directory trees.

pub mod access_log;
pub mod top;
pub mod tree;
