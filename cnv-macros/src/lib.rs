//! The attribute and derive macros of cnv. Their documentation stands on the re-exports in `cnv`.

mod errors;
#[cfg(test)]
mod snapshot;
