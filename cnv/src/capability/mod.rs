//! What a command may do, as a value that can be compared.
//!
//! A permission that is a string can only be equal or different. A [`CapabilityContract`] has an order: whoever may
//! read and write may also read, whoever may spend a large budget may also spend a small one. One function,
//! [`CapabilityContract::covers`], answers "is this enough for that?", and it is the same function everywhere: when a
//! guard compares an attestation with what a command requires, and when one attestation narrows another.
//!
//! # The four dimensions
//!
//! | dimension | as a requirement (a command) | as a grant (an attestation) | a grant is wider when it is |
//! |---|---|---|---|
//! | [`CapabilityClass`] | what the command does | what may be done | higher in the class order |
//! | [`ResourceBand`] | the budget tier it may use | the largest tier allowed | larger |
//! | [`Stability`] | how settled the command is | the least settled command allowed | looser (experimental) |
//! | [`Safety`] | how far its effects reach | the farthest effects allowed | lower (irreversible) |
//!
//! Classes are a partial order, the other three are chains:
//!
//! ```text
//!              dangerous
//!             /         \
//!       read_write       \
//!           |          network        network and the two file classes do not
//!       read_only        /            cover one another
//!             \         /
//!                pure
//! ```
//!
//! A flat set of permission bits was rejected: bits cannot say "at most this much" or "nothing less settled than this",
//! and every comparison of them ends in policy code beside the guard.
//!
//! # Example
//!
//! ```
//! use cnv::capability::{CapabilityContract, ResourceBand};
//!
//! const HELD: CapabilityContract = CapabilityContract::read_write().with_band(ResourceBand::Medium);
//!
//! assert!(HELD.covers(&CapabilityContract::read_only().with_band(ResourceBand::Small)));
//!
//! let needed = CapabilityContract::network().with_band(ResourceBand::Small);
//! let gap = HELD.first_gap(&needed).expect("files are not the network");
//! assert_eq!(gap.to_string(), "class `network` is needed, `read_write` is held");
//!
//! // Compile-time use: the whole order is `const`.
//! const _: () = assert!(CapabilityContract::dangerous().covers(&HELD));
//! ```
//!
//! # Costs, limits and defaults
//!
//! A contract is four bytes, `Copy`, and a comparison is a few integer instructions; nothing here allocates except the
//! error for an unknown name. The constructors leave the band [`Unlimited`](ResourceBand::Unlimited): a requirement that
//! says nothing about resources is taken to need any amount, so a grant that names a band refuses it. Narrow both sides
//! with [`with_band`](CapabilityContract::with_band).
//!
//! The module needs no feature and has no dependencies.

mod class;
mod contract;
mod level;
mod name;

pub use class::CapabilityClass;
pub use contract::{CapabilityContract, Gap};
pub use level::{ResourceBand, Safety, Stability};
pub use name::UnknownName;
