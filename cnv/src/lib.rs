#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(any(feature = "std", test)), no_std)]
// Documentation says what a feature adds, and links to it where it is on.
#![cfg_attr(
    not(all(feature = "bytes", feature = "command")),
    allow(rustdoc::broken_intra_doc_links)
)]

extern crate alloc;

pub mod capability;
mod const_text;
pub mod frame;
pub mod prelude;
pub mod quota;

#[cfg(feature = "attestation")]
pub mod attestation;
#[cfg(feature = "audit")]
pub mod audit;
#[cfg(feature = "command")]
pub mod command;
#[cfg(feature = "command")]
#[doc = include_str!("../docs/attestation.md")]
pub mod walk_through {}

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

/// Declares what a function may use. The compiler adds up what it spends on other functions, and a meter
/// watches the body as it runs.
///
/// ```
/// use cnv::{budget, run, spend};
///
/// #[budget(memory = "256KB", cpu = "200us", io = 4)]
/// fn load(name: &str) -> Vec<u8> {
///     name.as_bytes().to_vec()
/// }
///
/// #[budget(memory = "1MB", cpu = "1ms", io = 10)]
/// fn summarise(name: &str) -> usize {
///     let bytes = spend!(load(name)); // 256 KB, 200 us and 4 operations of this function's own
///     bytes.len()
/// }
///
/// assert_eq!(run!(summarise("abc")), 3);
/// ```
///
/// # Arguments
///
/// | key | what | unnamed |
/// |---|---|---|
/// | `memory = "1MB"` | heap bytes: `B KB MB GB TB KiB MiB GiB TiB` | unlimited |
/// | `cpu = "1ms"` | processor time: `ns us µs ms s min` | unlimited |
/// | `io = 100` or `"100k"` | input and output operations: `k M` | none |
/// | `network = "100KB"` | bytes over the network, both ways, in the units of `memory` | none |
/// | `open` | plain calls are allowed, and are not charged | they do not compile |
/// | `card = Name` | the name of the companion item | the function's own |
/// | `crate = "path"` | where cnv is | `::cnv` |
///
/// KB is 1000 bytes and KiB 1024. Quantities are exact: `"1.5KB"` is 1500 bytes, and `"1.5B"` is refused.
/// `"unlimited"` says so where a default would be none.
///
/// # What the compiler checks
///
/// Calls one after another add up; of several branches of `if` and `match` the larger counts. A limited
/// caller refuses a callee without a limit. Functions that spend each other in a circle do not compile: a
/// caller needs at least 1 ns of processor time more than what it calls, and where none has a limit on
/// that the compiler finds the circle itself. A call is charged with [`spend!`]; in a loop, a closure, an
/// `async` block, another macro or under `#[cfg]` it cannot be counted yet, and is an error there. The
/// errors appear in `cargo check`, under the call:
///
/// ```text
/// over budget: `fetch` needs 600 KB of memory but `handler` has 400 KB left of its 1 MB
/// ```
///
/// ```compile_fail,E0080
/// use cnv::{budget, spend};
///
/// #[budget(memory = "600KB", cpu = "1us")]
/// fn fetch() {}
///
/// #[budget(memory = "1MB", cpu = "1ms")]
/// fn handler() {
///     spend!(fetch());
///     spend!(fetch());
/// }
/// # fn main() { cnv::run!(handler()) }
/// ```
///
/// A plain call of a function with a budget does not compile, unless it is `open`:
///
/// ```compile_fail,E0277
/// #[cnv::budget(io = 1)]
/// fn load() {}
///
/// fn main() {
///     load(); // `load` must be paid for: write `spend!(..)` around this call
/// }
/// ```
///
/// # What is metered
///
/// I/O and network through [`quota::File`] and [`quota::Metered`] are held to the declared number: what
/// goes over it fails with [`quota::BudgetExceeded`] and does nothing. Memory and processor time are
/// observed by [`quota::measure`], and reported in a command's receipt. See [`quota`] for the costs.
///
/// # The companion item
///
/// Beside `fn load` stands `enum load {}`, in the namespace of types, which carries the budget and the
/// body; `use m::load` brings both. Where a module has the function's name, `card = Name` gives the
/// companion another, and callers write `spend!(Name(..))`. A callee that a block inside the function
/// declares, or takes in with `use`, is refused: the budget is checked outside that block.
pub use cnv_macros::budget;

/// Calls a function with a [`macro@budget`] and charges the function around it.
///
/// It takes one call of a named function, with its generic arguments if it has any; `?` and `.await` go
/// outside: `spend!(load(path)).await?`. Only the body of a function with a budget of its own can spend;
/// anywhere else it is a compile error, never a free call. At the top, [`run!`] starts one.
pub use cnv_macros::spend;

/// Calls a function with a [`macro@budget`] from code that has none, such as `main` or a test.
///
/// The function is held to its own budget, and nothing else is charged.
///
/// ```
/// #[cnv::budget(memory = "1KB", cpu = "1ms")]
/// fn answer() -> u32 {
///     42
/// }
/// assert_eq!(cnv::run!(answer()), 42);
/// ```
pub use cnv_macros::run;

/// Lets a function run only for a caller with a valid attestation.
///
/// ```
/// use std::sync::Arc;
/// use cnv::attestation::{Denied, Evidence, SystemClock, development_authority};
/// use cnv::capability::CapabilityContract;
/// use cnv::requires_attestation;
///
/// #[requires_attestation(network, via = evidence)]
/// fn send(evidence: &Evidence, text: &str) -> Result<usize, Denied> {
///     Ok(text.len()) // not reached without a valid attestation that covers `network`
/// }
///
/// let clock = Arc::new(SystemClock);
/// let allowed = development_authority(CapabilityContract::network(), clock.clone())?;
/// assert_eq!(send(&allowed, "hello").unwrap(), 5);
/// let reader = development_authority(CapabilityContract::read_only(), clock)?;
/// assert!(send(&reader, "hello").is_err());
/// # Ok::<(), cnv::attestation::PrivateKeyError>(())
/// ```
///
/// The class is `pure`, `read_only`, `read_write`, `network` or `dangerous`; [`capability`] tells which
/// covers which. The evidence comes with a parameter: the [`command::Context`], or the one that `via =
/// name` names, of any type that implements [`attestation::CarriesEvidence`]; `self` is one, too. The
/// function returns `Result<_, E>` where `E: From<`[`attestation::Denied`]`>`. It goes on functions and
/// methods, sync and async; the check is the first thing that runs, in an `async` function at the first
/// poll. `crate = "path"` says where cnv is.
#[cfg(feature = "attestation")]
pub use cnv_macros::requires_attestation;

/// Makes a function a command that people and agents call as `noun verb`.
///
/// ```
/// use cnv::prelude::*;
/// use std::path::PathBuf;
///
/// /// Counts the bytes of a file.
/// ///
/// /// The first paragraph is the help on one line, all of it the long help.
/// #[verb(noun = "file", effect = "read")]
/// #[requires_attestation(read_only)]
/// async fn size(
///     cx: Context,
///     /// The file to look at
///     path: PathBuf,
///     #[arg(long, default_value_t = 1)] unit: u64,
/// ) -> Result<u64, Failure> {
///     Ok(std::fs::metadata(path)?.len() / unit)
/// }
///
/// App::new("files").verbs(verbs![size]).check()?;
/// # Ok::<(), cnv::command::Faults>(())
/// ```
///
/// # Arguments
///
/// | key | what |
/// |---|---|
/// | `noun = "file"` | what the command is about; required |
/// | `effect = ".."` | what a call may do: `"pure"`, `"read"`, `"write"`, `"network"` or `"dangerous"`; required |
/// | `name = ".."` | the verb, where it is not the function's name with `-` for `_` |
/// | `public` | anyone may call, though the effect is `write`, `network` or `dangerous` |
/// | `crate = "path"` | where cnv is; `::cnv` if unnamed |
///
/// An effect that the function's [`macro@requires_attestation`] does not cover does not compile, nor does
/// one that contradicts its [`macro@budget`], nor a `write`, `network` or `dangerous` verb without
/// attestation that is not `public`.
///
/// # Parameters
///
/// Sync or async, free, not generic. A parameter of type [`command::Context`], or a reference to it, gets
/// the call; every other is an argument:
///
/// | type | argument |
/// |---|---|
/// | `T` | required, in its place; with a default not required |
/// | `Option<T>` | may be left out |
/// | `Vec<T>` | any number |
/// | `bool` | a switch, `--name` |
///
/// `T` is any type with [`FromStr`](std::str::FromStr), or a clap `ValueEnum` with `#[arg(value_enum)]`.
/// `#[arg(long, short, default_value_t = .., value_name = "..", ..)]` has the names of clap's `Arg`.
/// Documentation on a parameter is its help. The function returns `Result<T, E>` where `T` serialises and
/// `E` is an error, or [`command::Failure`] itself.
#[cfg(feature = "command")]
pub use cnv_macros::verb;

/// The verbs that an application serves: paths of functions with [`macro@verb`], for
/// [`App::verbs`](command::App::verbs).
///
/// Registration is explicit, so that no command is lost because nothing refers to its crate. A path
/// without `#[verb]`, a path listed twice and two functions that answer to the same words do not compile.
/// Where cnv has another name: `verbs![crate = name; a::b, c::d]`.
#[cfg(feature = "command")]
pub use cnv_macros::verbs;
