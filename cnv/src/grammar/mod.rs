//! The grammar of an application as data: what its callers may say, what they get, and what changed since.
//!
//! A caller that is a program, or a model, needs to know a command before it calls it: its arguments and their types, what
//! it does to the world, what it may use and what has to be proved. That is in the program already, and is taken from
//! there: [`App::grammar`](crate::command::App::grammar) and `--grammar` on the command line. A description kept beside the
//! program would say something else before long.
//!
//! Two grammars are compared by [`Delta`], change by change: what is [safe](Class::Safe), what may surprise and what breaks
//! a caller that was written for the old one. Effects, attestations and budgets count as much as arguments do.
//!
//! # Where to start
//! [`Grammar`] and [`VerbGrammar`] for what there is; [`Delta`] for what changed.
//!
//! ```
//! use cnv::grammar::{Class, Delta};
//! use cnv::prelude::*;
//!
//! /// Adds two numbers.
//! #[verb(noun = "sum", effect = "pure")]
//! fn add(left: i32, right: i32) -> Result<i32, Failure> {
//!     Ok(left + right)
//! }
//!
//! let old = App::new("calc").verbs(verbs![add]).grammar();
//! let mut new = old.clone();
//! new.verbs[0].arguments[1].required = false;
//! let delta = Delta::between(&old, &new);
//! assert_eq!(delta.class(), Class::Safe);
//! assert_eq!(
//!     delta.changes()[0].to_string(),
//!     "safe: `sum add`: argument `right` may be left out",
//! );
//! ```
//!
//! # Schemas
//!
//! An argument's schema follows from its type, as clap reads it. All failures have the same one, whatever the error type of
//! a verb: what a caller gets is the code, the message and when to try again. The schema of a result is `true`, that is
//! anything, unless the feature `schema` is on and the returned type implements `schemars::JsonSchema`, of the version 1 of
//! that crate; it is the schema of what is written, in one piece but for types that contain themselves. What a verb
//! [streams](crate::command::Context::stdout) before it returns has no declared type and is left out.
//!
//! ```
//! use cnv::prelude::*;
//!
//! /// How much there is.
//! #[derive(serde::Serialize, schemars::JsonSchema)]
//! struct Size {
//!     bytes: u32,
//! }
//!
//! #[verb(noun = "disk", effect = "read")]
//! fn usage() -> Result<Size, Failure> {
//!     Ok(Size { bytes: 3 })
//! }
//!
//! let grammar = App::new("disks").verbs(verbs![usage]).grammar();
//! # #[cfg(feature = "schema")]
//! assert_eq!(grammar.verbs[0].output["properties"]["bytes"]["type"], "integer");
//! ```
//!
//! # What a class means
//!
//! | change | safe | caution | breaking |
//! |---|---|---|---|
//! | verb, alias | new; renamed, with the old name as an alias | deprecated | gone |
//! | argument | new and optional; takes more; may be left out; renamed, with the old name understood; secret | another default; secret no more | gone; new and required; takes less; another name or place |
//! | effect | smaller | | larger |
//! | repetition | may be repeated | | may not any more |
//! | attestation | | | any |
//! | budget | | any | |
//! | result, error | says more | | another shape |
//!
//! Schemas are compared keyword by keyword. What is not understood there and differs counts as breaking, and so does what
//! differs in a schema that refers to parts of itself. Titles, descriptions, defaults and examples in it change nothing.
//!
//! # The digest
//!
//! [`Grammar::digest`] is the same on every build and machine, in whichever order the verbs are registered and whatever the
//! help says. Of one application, two grammars have the same digest where a [`Delta`] finds no change, and only there.
//!
//! # Live change
//! With the feature `reload` an operator's file, the [`Overlay`], is laid over the grammar while the program runs: verbs are
//! switched off, limits lowered, arguments renamed. [`App::overlay`](crate::command::App::overlay) says where it is, and
//! [`rules`] what it may say and when it is in force. Versions are exchanged through [`Published`]: who reads pays one
//! atomic load, measured at 0.6 ns, as long as nothing changes, and a call keeps the version that it began with.
//!
//! # Sources
//! JSON Schema, draft 2020-12, of which a grammar uses `type`, `enum`, `minimum`, `maximum`, `items`, `properties`, `required`
//! and `additionalProperties`; a result's schema may have more.
//!
//! Needs the feature `command`, which is on by default, and for the schemas of results `schema`.

mod delta;
mod effect;
mod model;
#[cfg(feature = "reload")]
mod overlay;
#[cfg(feature = "reload")]
mod published;
mod schema;

#[cfg(feature = "reload")]
#[doc = include_str!("../../docs/grammar.md")]
pub mod rules {}

pub use delta::{Change, Class, Delta};
pub use effect::Effect;
pub(crate) use model::option_name;
pub use model::{Amounts, Argument, Grammar, GrammarError, SCHEMA, VerbGrammar};
#[cfg(feature = "reload")]
pub use overlay::{MAX_OVERLAY_BYTES, OVERLAY_SCHEMA, Overlay, OverlayError, OverlayFault};
#[cfg(feature = "reload")]
pub(crate) use overlay::{Program, migrations};
#[cfg(feature = "reload")]
pub use published::{Published, Reader};
