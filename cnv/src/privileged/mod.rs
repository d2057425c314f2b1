//! What touches the world, behind a permit: files, the network, processes, the environment.
//!
//! A guard in front of a function says who may call it. It does not say what the function does: one that asks for
//! `network` can still open a file. The functions here take a `&`[`Permit`](crate::attestation::Permit) of the class that
//! they need, so a body that keeps to them does what its guard asks for and nothing else, and a helper that was reached
//! past every guard does not compile, because it has no permit to pass on.
//!
//! That is a discipline, which the compiler checks where it is kept; it is no sandbox. Rust cannot stop a body from
//! calling [`std::fs`]. To hold a crate to these functions, name the ones of the standard library in clippy's
//! `disallowed-methods`. Code without an authority of its own keeps to [`quota::File`](crate::quota::File) and
//! [`quota::Metered`](crate::quota::Metered), which count the same and ask nobody.
//!
//! | module | class | charged |
//! |---|---|---|
//! | [`mod@file`] | [`ReadOnly`](crate::attestation::ReadOnly), [`ReadWrite`](crate::attestation::ReadWrite) | an I/O operation a call |
//! | [`network`] | [`Network`](crate::attestation::Network) | an I/O operation to connect, then bytes |
//! | [`process`] | [`Dangerous`](crate::attestation::Dangerous) | an I/O operation |
//! | [`environment`] | [`ReadOnly`](crate::attestation::ReadOnly) | nothing |
//!
//! ```
//! use std::io::{self, Read};
//! use std::sync::Arc;
//! use cnv::attestation::{Covers, Denied, Evidence, Permit, ReadOnly, SystemClock, development_authority};
//! use cnv::capability::CapabilityContract;
//! use cnv::privileged::file;
//!
//! fn first_line(permit: &Permit<'_, impl Covers<ReadOnly>>, path: &str) -> io::Result<String> {
//!     let mut text = String::new();
//!     file::open(permit, path)?.take(4096).read_to_string(&mut text)?;
//!     Ok(text.lines().next().unwrap_or_default().to_owned())
//! }
//!
//! #[cnv::requires_attestation(read_only, via = evidence)]
//! fn title(evidence: &Evidence, permit: Permit<'_, ReadOnly>) -> Result<io::Result<String>, Denied> {
//!     Ok(first_line(&permit, "Cargo.toml"))
//! }
//!
//! let evidence = development_authority(CapabilityContract::read_only(), Arc::new(SystemClock))?;
//! assert_eq!(title(&evidence)??, "[package]");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A permit of the wrong class does not compile:
//!
//! ```compile_fail,E0277
//! use cnv::attestation::{Network, Permit};
//!
//! fn leak(permit: &Permit<'_, Network>) {
//!     let _ = cnv::privileged::file::open(permit, "secret"); // a permit for `Network` does not allow ..
//! }
//! ```
//!
//! A permit says that the call was authorised when it began. A handler that runs long asks again with
//! [`Permit::recheck`](crate::attestation::Permit::recheck); the functions here do not, so that a loop of reads costs what
//! reads cost.
//!
//! All of it blocks, as the standard library's functions do.
//!
//! Needs the feature `attestation`.

pub mod environment;
pub mod file;
pub mod network;
pub mod process;
