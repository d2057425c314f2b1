//! The attribute and derive macros of cnv.
