//! What expansions may name. Not public API: anything here may change in any release.
