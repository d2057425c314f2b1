//! Tests of budgets, for the programs that declare them.
//!
//! A budget makes two promises that a test can keep: that what is too much does not compile, and that what
//! compiles uses no more than it says. The compiler proves neither of a *test*: a budget that somebody raised
//! until it compiled still compiles, and a body that allocates twice what it declares is only observed.
//!
//! - [`compile_fail`] and [`compile_pass`] compile programs, and compare the compiler's errors with what comments
//!   in the program say, line by line. A comment has as much of a message as matters; whole messages kept in files
//!   would have to be renewed with every compiler.
//! - [`assert_fits!`] runs a call of a function or method under the meter and panics, with the numbers, where it
//!   used more than it declares; [`use_of!`] gives the numbers themselves. [`assert_within`] does so for a reply of
//!   an [`App`](crate::command::App).
//!
//! A file `tests/budgets.rs` with all of it:
//!
//! ```
//! use cnv::budget;
//! use cnv::quota::MeteredAllocator;
//! use cnv::testing::assert_fits;
//!
//! /// Each file in `tests` is a program of its own, and installs it anew.
//! #[global_allocator]
//! static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();
//!
//! #[budget(memory = "10KB", cpu = "1ms")]
//! fn greeting(name: &str) -> String {
//!     format!("hello {name}")
//! }
//!
//! // `#[test]` stands here.
//! fn a_greeting_is_within_its_budget() {
//!     assert_eq!(assert_fits!(greeting("you")), "hello you");
//! }
//!
//! // `#[test]` stands here.
//! fn what_does_not_fit_does_not_compile() {
//! # if false {
//!     cnv::testing::compile_fail("tests/over_budget/*.rs");
//! # }
//! }
//! # a_greeting_is_within_its_budget();
//! # what_does_not_fit_does_not_compile();
//! ```
//!
//! Needs the feature `testing`, in the dev-dependencies:
//!
//! ```toml
//! [dev-dependencies]
//! cnv = { version = "0.1", features = ["testing"] }
//! ```
//!
//! Everything here panics where an assertion does not hold, as the macros of the standard library do.
//!
//! # Costs
//! A program takes what the compiler takes for a small file, some 0.1 to 0.5 s, and several are compiled at once. They
//! are compiled against what cargo has built for the test itself. Where a workspace is tested as a whole, cargo may have
//! unified features over its members; then it builds what differs once more, and keeps that. Nothing is fetched that the
//! test did not need.
//!
//! # Limits
//! Programs are compiled by `rustc`, or what `RUSTC` names; `RUSTFLAGS` and settings such as `build.rustflags` hold for
//! what they are compiled against, and not for them. Features are the package's defaults, unless
//! [`Programs::cargo_args`] says otherwise.
//!
//! `examples/budgeted` in cnv's repository is a project with all of it.

mod build;
mod compiler;
mod expectation;
mod measured;
mod programs;

pub use crate::{assert_fits, use_of};
pub use measured::{Measured, measured, measured_future};
#[cfg(feature = "command")]
pub use measured::{assert_cpu_within, assert_within};
pub use programs::{Programs, compile_fail, compile_pass};

/// What the macros of this module name. Not public API.
#[doc(hidden)]
pub mod __private {
    pub use super::measured::{of_async_method, of_method};

    /// Stands for cnv in an expansion of `run!`, which takes the charge off what a method returns by a function of this
    /// path. Here it stays on: it says what the method declares.
    pub mod charged {
        pub mod __private {
            pub mod quota {
                pub fn paid<P>(call: P) -> P {
                    call
                }
            }
        }
    }
}
