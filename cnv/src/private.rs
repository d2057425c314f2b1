//! What expansions may name. Not public API: anything here may change in any release.

/// What `#[derive(SimdFrame)]` and `#[derive(FrameEnum)]` name.
pub mod frame {}

/// What `#[budget]` names.
pub mod quota {}
