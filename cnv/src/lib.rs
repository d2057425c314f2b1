#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(any(feature = "std", test)), no_std)]
// Documentation says what a feature adds, and links to it where it is on.
#![cfg_attr(
    not(all(feature = "bytes", feature = "reload", feature = "testing")),
    allow(rustdoc::broken_intra_doc_links)
)]

extern crate alloc;

pub mod capability;
#[cfg(any(feature = "recovery", feature = "trace", all(loom, test)))]
#[cfg_attr(not(feature = "recovery"), allow(dead_code))]
mod clock;
mod const_text;
pub mod frame;
#[cfg(any(feature = "attestation", feature = "tracing"))]
mod plain;
pub mod prelude;
pub mod quota;

#[cfg(feature = "attestation")]
pub mod attestation;
#[cfg(feature = "audit")]
pub mod audit;
#[cfg(feature = "command")]
pub mod command;
#[cfg(feature = "command")]
pub mod grammar;
#[cfg(feature = "attestation")]
pub mod privileged;
#[cfg(any(feature = "recovery", all(loom, test)))]
pub mod recovery;
#[cfg(feature = "session")]
pub mod session;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "trace")]
pub mod trace;
#[cfg(any(feature = "command", feature = "trace"))]
mod transaction;
#[cfg(feature = "command")]
#[doc = include_str!("../docs/attestation.md")]
pub mod walk_through {}

// The rest of its module needs tokio, which has other ideas of loom.
#[cfg(all(loom, test))]
#[path = "grammar/published.rs"]
mod published_grammar;

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
/// | `retains = "64KB"` | the part of `memory` that may still be there after a call, in its result or elsewhere | all of it |
/// | `enforce = ".."` | `"observe"`, or `"cooperative"`: over its memory or processor time, the body [is stopped](#what-is-metered) | `"observe"` |
/// | `open` | plain calls are allowed, and are not charged | they do not compile |
/// | `card = Name` | the name of the companion item | the function's own |
/// | `crate = "path"` | where cnv is | `::cnv` |
///
/// KB is 1000 bytes and KiB 1024. Quantities are exact: `"1.5KB"` is 1500 bytes, and `"1.5B"` is refused.
/// `"unlimited"` says so where a default would be none.
///
/// # What the compiler checks
///
/// Calls one after another add up; of several branches of `if` and `match` the larger counts. Of a call's memory
/// only what it `retains` is there during the next one. A limited caller refuses a callee without a limit.
/// Functions that spend each other in a circle do not compile: a caller needs at least 1 ns of processor time
/// more than what it calls, and where none has a limit on that the compiler finds the circle itself, between
/// functions. A call is charged with [`spend!`]; in a closure, an `async` block, another macro or under
/// `#[cfg]` it cannot be counted, and is an error there. The errors appear in `cargo check`, under the call:
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
/// # Loops
///
/// A loop that spends says how many rounds it takes, with a count or the name of a constant: what it spends is
/// charged that often, and the round after them is an error of type [`quota::RoundsExceeded`], which the function
/// returns. The condition of a `while` is charged once more than the body.
///
/// ```
/// use cnv::quota::RoundsExceeded;
/// use cnv::{budget, run, spend};
///
/// #[budget(memory = "1KB", cpu = "1us")]
/// fn word(line: &str) -> usize {
///     line.split(' ').count()
/// }
///
/// #[budget(memory = "100KB", cpu = "1ms")]
/// fn words(text: &str) -> Result<usize, RoundsExceeded> {
///     let mut sum = 0;
///     #[repeat(max = 3)]
///     for line in text.lines() {
///         sum += spend!(word(line));
///     }
///     Ok(sum)
/// }
///
/// assert_eq!(run!(words("a b\nc")), Ok(3));
/// assert_eq!(run!(words("a\nb\nc\nd")).unwrap_err().max, 3);
/// ```
///
/// # Methods and traits
///
/// A method says its budget as a function does, and `spend!(store.load(key))` charges it, also through `Arc`,
/// a type parameter or `dyn`. `#[budget(..)]` on an `impl` block is the budget of every method in it that has
/// none of its own. A trait whose methods have budgets carries `#[budget]` itself, and so does every `impl` of
/// it; there a method may declare less than its trait, or, with `#[budget]` alone, the same.
///
/// ```
/// use cnv::{budget, run, spend};
///
/// #[budget]
/// trait Source {
///     #[budget(memory = "1MB", cpu = "1ms", io = 2)]
///     fn fetch(&self, key: u32) -> Option<String>;
/// }
///
/// struct Fixed(&'static str);
///
/// #[budget]
/// impl Source for Fixed {
///     #[budget(memory = "1KB", cpu = "10us")]
///     fn fetch(&self, _: u32) -> Option<String> {
///         Some(self.0.to_owned())
///     }
/// }
///
/// #[budget(memory = "4MB", cpu = "5ms", io = 5)]
/// fn both(source: &dyn Source) -> Option<String> {
///     Some(spend!(source.fetch(1))? + &spend!(source.fetch(2))?)
/// }
///
/// assert_eq!(run!(both(&Fixed("a"))).as_deref(), Some("aa"));
/// ```
///
/// A function of a type, `spend!(Store::open(path))`, is told from one of a module by the capital letter of what
/// stands before it; without `self` and `Self` in its signature it needs the attribute on the block.
///
/// # Futures
///
/// A future that is awaited where it is spent is over before the next call. One that is kept, or that `join!` runs
/// together with others, is charged with all of its memory until the function ends.
///
/// # What is metered
///
/// I/O and network through [`quota::File`] and [`quota::Metered`] are held to the declared number: what
/// goes over it fails with [`quota::BudgetExceeded`] and does nothing. Memory and processor time are
/// observed by [`quota::measure`], and reported in a command's receipt. See [`quota`] for the costs.
///
/// With `enforce = "cooperative"` a body that went over them is stopped, with a [`quota::BudgetExceeded`] that it
/// returns, at its next [`quota::checkpoint`]. One stands at its start, at the head of every loop of its own and before
/// every statement that spends; those in closures, `async` blocks and functions inside it are left alone. The
/// wrappers are checkpoints, and so is every await of an `async` function that waits. A body that reaches none
/// is stopped by nothing.
///
/// ```
/// use std::hint::black_box;
/// use cnv::quota::{BudgetExceeded, Resource};
///
/// #[cnv::budget(cpu = "1ms", enforce = "cooperative")]
/// fn spin() -> Result<(), BudgetExceeded> {
///     while black_box(true) {}
///     Ok(())
/// }
///
/// assert_eq!(cnv::run!(spin()).unwrap_err().resource, Resource::Cpu);
/// ```
///
/// The level is no part of what callers are charged. It is not the default, because the same work takes other times
/// on another machine, and ten times as long in a debug build.
///
/// # The companion item
///
/// Beside `fn load` stands `enum load {}`, in the namespace of types, which carries the budget and the
/// body; `use m::load` brings both. Where a module has the function's name, `card = Name` gives the
/// companion another, and callers write `spend!(Name(..))`. A callee that a block inside the function
/// declares, or takes in with `use`, is refused: the budget is checked outside that block.
pub use cnv_macros::budget;

/// Calls a function or method with a [`macro@budget`] and charges the function around it.
///
/// It takes one call, of a method or a named function, with its generic arguments if it has any; `?` and `.await` go
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
#[macro_export]
macro_rules! run {
    ($($call:tt)*) => {
        $crate::__private::run!($crate => $($call)*)
    };
}

/// Lets a function run only for a caller with a valid attestation.
///
/// ```
/// use std::sync::Arc;
/// use cnv::attestation::{Denied, Evidence, Network, Permit, SystemClock, development_authority};
/// use cnv::capability::CapabilityContract;
/// use cnv::requires_attestation;
///
/// #[requires_attestation(network, via = evidence)]
/// fn send(evidence: &Evidence, permit: Permit<'_, Network>, text: &str) -> Result<String, Denied> {
///     // Not reached without a valid attestation that covers `network`.
///     Ok(format!("{text} from {}", permit.subject()))
/// }
///
/// let clock = Arc::new(SystemClock);
/// let allowed = development_authority(CapabilityContract::network(), clock.clone())?;
/// assert_eq!(send(&allowed, "hello").unwrap(), "hello from development");
/// let reader = development_authority(CapabilityContract::read_only(), clock)?;
/// assert!(send(&reader, "hello").is_err());
/// # Ok::<(), cnv::attestation::PrivateKeyError>(())
/// ```
///
/// # Arguments
///
/// | | what | unnamed |
/// |---|---|---|
/// | `pure`, `read_only`, `read_write`, `network` or `dangerous` | the class; [`capability`] tells which covers which | required |
/// | `safety = ".."` | `"irreversible"`, `"reversible"` or `"harmless"` | as the class's constructor in [`CapabilityContract`](capability::CapabilityContract) |
/// | `stability = ".."` | `"experimental"`, `"stable"` or `"frozen"` | the same |
/// | `band = ".."` | `"tiny"`, `"small"`, `"medium"`, `"large"` or `"unlimited"` | the same |
/// | `audience = ".."` | the audience that the attestation has to name | any, or none |
/// | `via = name` | the parameter that carries the evidence | the [`command::Context`] |
/// | `crate = "path"` | where cnv is | `::cnv` |
///
/// The dimensions describe the function, and an attestation has to reach it: `safety = "irreversible"` needs a caller that
/// may do what cannot be undone, and `band = "small"` lets in one that holds no more than that.
///
/// With `audience` an attestation for everybody is refused, and so is one for any other name. A verifier accepts only its
/// own name, so where it answers to another one than the function asks for, every call is refused.
///
/// # The evidence and the permit
///
/// The evidence comes with a parameter: the context, or the one that `via` names, `self` among them, of any type that
/// implements [`attestation::CarriesEvidence`].
///
/// A parameter of type [`attestation::Permit`] is filled by the guard, and callers do not pass it: it is not in the
/// function's signature any more, nor in that of a trait which the method implements. Its class is the one named, or a
/// narrower one. It lives as long as the evidence is borrowed: as the reference, where the parameter is a `&T`, otherwise
/// as long as the body, which may then move or change the parameter. A permit is what [`privileged`] asks for, and
/// [`recheck`](attestation::Permit::recheck) decides again in a body that runs long.
///
/// # Where it goes
///
/// On functions and methods, sync and async, generic or not, in traits on those with a body and in their implementations;
/// not on `const` and `extern` ones. A call through `dyn Trait` runs the guard of the implementation. A method without a
/// body has no guard: an implementation that leaves the attribute out is not guarded. The function returns `Result<_, E>`
/// where `E: From<`[`attestation::Denied`]`>`.
///
/// The check is the first thing that runs, in an `async` function at the first poll: one that is dropped before it did
/// nothing and decided nothing. It runs once a call, also of a function that calls itself. The body stands in a block of
/// its own behind it, so that nothing declared there can stand in for what the guard looks at.
#[cfg(feature = "attestation")]
pub use cnv_macros::requires_attestation;

/// Bounds how long a call may take: waiting for its turn, every attempt and every backoff.
///
/// ```
/// use std::time::Duration;
/// use cnv::recovery::{Cause, Refused};
/// use cnv::timeout;
///
/// #[timeout("20ms")]
/// async fn answer(after: Duration) -> Result<u32, Refused> {
///     tokio::time::sleep(after).await;
///     Ok(42)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// assert_eq!(answer(Duration::ZERO).await, Ok(42));
/// let late = answer(Duration::from_secs(60)).await.unwrap_err();
/// assert_eq!(late.cause(), Cause::DeadlinePassed);
/// # });
/// ```
///
/// `#[timeout("1s", attempt = "200ms")]` bounds each attempt of a [`macro@retry`] as well. Times are written as in
/// [`macro@budget`].
///
/// # The deadline
///
/// A function with a parameter `cx: Context` or `cx: &Context` keeps the deadline of its caller, too: the earlier one counts.
/// In its body [`cx.remaining()`](command::Context::remaining) is what is left to the attempt, and whatever it hands `cx` to
/// has no more. A verb has to have that parameter.
///
/// An `async` function is dropped at the `.await` that it is at. One that blocks its thread cannot be cut off, and needs the
/// context: it asks [`cx.checkpoint()?`](command::Context::checkpoint) as it goes, and no attempt begins after the deadline.
///
/// # Order
///
/// [`macro@timeout`], [`macro@bulkhead`], [`macro@retry`] and [`macro@circuit_breaker`] stand on one function in any order,
/// beside [`macro@verb`], [`macro@requires_attestation`] and [`macro@budget`], and nest always the same way: the guard, the
/// deadline, the bulkhead, whose permit the call keeps while it backs off, and for each attempt the retry budget, the
/// circuit breaker, the attempt's timeout, the meter and the body. The module [`recovery`] has what they share.
///
/// They go on functions and methods that return `Result<_, E>` where `E: From<`[`recovery::Refused`]`>`. Each function has one
/// policy, which is named after its module and itself, and a method one for all instances. An operator sees those of verbs,
/// and can force them, and the ones that [`App::policy`](command::App::policy) names. `on = PATH` at a circuit breaker or a bulkhead
/// names a `static PATH: `[`Policy`](recovery::Policy) that functions share.
///
/// A timeout that is longer than that of a function which [spends](macro@spend) the call does not compile, and neither do
/// attempts whose backoff has no room in it.
#[cfg(feature = "recovery")]
pub use cnv_macros::timeout;

/// Runs a function again that failed.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use cnv::retry;
///
/// static CALLS: AtomicU32 = AtomicU32::new(0);
///
/// #[retry(attempts = 3, base = "1ms", when = is_busy)]
/// async fn fetch(path: &str) -> Result<String, std::io::Error> {
///     match CALLS.fetch_add(1, Relaxed) {
///         0 => Err(std::io::ErrorKind::ResourceBusy.into()),
///         _ => Ok(path.to_owned()),
///     }
/// }
///
/// fn is_busy(error: &std::io::Error) -> bool {
///     error.kind() == std::io::ErrorKind::ResourceBusy
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// assert_eq!(fetch("a").await.unwrap(), "a");
/// assert_eq!(CALLS.load(Relaxed), 2);
/// # });
/// ```
///
/// | key | what | if unnamed |
/// |---|---|---|
/// | `attempts` | how often it runs at most, the first time included: 2 to 100 | 3 |
/// | `base` | the first backoff, which doubles | `"50ms"` |
/// | `cap` | the longest backoff | `"20s"` |
/// | `jitter` | `"full"`: anything between nothing and the backoff; `"equal"`: at least half of it; `"none"` | `"full"` |
/// | `when` | a function of `&E` that returns whether to try again, or a [`Verdict`](recovery::Verdict) | what cnv itself refused is not tried again: a denial, a budget, a deadline, another policy |
/// | `ratio`, `per_second` | the *retry budget*: retries for this part of the calls, and so many a second in any case | 0.2, 10 |
/// | `crate` | where cnv is | `::cnv` |
///
/// An attempt that took too long is tried again, too. Without a timeout for its attempts nothing else ends one.
///
/// Every attempt has the arguments anew, so they are `Clone`; references are, but for `&mut` in an `async` function. A verb
/// with an effect that is more than `read` has to be `idempotent`. With a [`macro@budget`] every attempt may use all of it, and
/// a caller that [spends](macro@spend) the call is charged for all attempts.
///
/// See [`macro@timeout`] for the order of things.
#[cfg(feature = "recovery")]
pub use cnv_macros::retry;

/// Stops calling a function that fails, and tries after a while whether it works again.
///
/// ```
/// use cnv::recovery::{BreakerState, CircuitBreaker, Policy, Settings};
/// use cnv::circuit_breaker;
///
/// static GEO: Policy = Policy::new(
///     "geo",
///     Settings::new().circuit_breaker(CircuitBreaker::new().consecutive(1)),
/// );
///
/// #[circuit_breaker(on = GEO)]
/// fn locate(name: &str) -> Result<(f64, f64), std::io::Error> {
///     Err(std::io::Error::other("down"))
/// }
///
/// assert_eq!(locate("here").unwrap_err().to_string(), "down");
/// assert_eq!(GEO.state(), BreakerState::Open);
/// let refused = locate("here").unwrap_err();
/// assert_eq!(refused.kind(), std::io::ErrorKind::ResourceBusy);
/// ```
///
/// | key | what | if unnamed |
/// |---|---|---|
/// | `failures` | the part of the calls in the window that has to fail: `0.5` or `"50%"` | 0.5 |
/// | `window` | how far back calls count; it slides by tenths | `"10s"` |
/// | `minimum` | how many calls there must be in the window | 20 |
/// | `consecutive` | opens at so many failures one after the other, too | off |
/// | `slow`, `slow_ratio` | opens where this part of the calls takes that long, too | off, 0.5 |
/// | `open`, `longest_open` | how long it stays open; twice as long each time it opens again | `"5s"`, `"60s"` |
/// | `probes` | how many calls then try whether it works again; all have to succeed | 3 |
/// | `half_open` | how long these have | `"10s"` |
/// | `when` | what an error means, as for [`macro@retry`] | what cnv itself refused says nothing, and all else is a failure |
/// | `on` | the policy that others share, in place of all these; its timeouts hold beside the function's | the function's own |
/// | `crate` | where cnv is | `::cnv` |
///
/// See [`macro@timeout`] for the order of things, and [`Mode`](recovery::Mode) for how an operator forces it open or off.
#[cfg(feature = "recovery")]
pub use cnv_macros::circuit_breaker;

/// Bounds how many calls of a function run at a time.
///
/// ```
/// use cnv::bulkhead;
/// use cnv::recovery::Refused;
///
/// #[bulkhead(max = 16, queue = 32, wait = "100ms")]
/// async fn resize(image: Vec<u8>) -> Result<Vec<u8>, Refused> {
///     Ok(image)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// assert_eq!(resize(vec![1]).await, Ok(vec![1]));
/// # });
/// ```
///
/// | key | what | if unnamed |
/// |---|---|---|
/// | `max` | how many run | required |
/// | `queue` | how many wait for their turn, first come first served | 0: the next is refused |
/// | `wait` | how long one waits at most | as long as its deadline allows |
/// | `back_pressure` | the next ones wait, 65 536 at most | |
/// | `on` | the policy that others share, in place of all these; its timeouts hold beside the function's | the function's own |
/// | `crate` | where cnv is | `::cnv` |
///
/// See [`macro@timeout`] for the order of things.
#[cfg(feature = "recovery")]
pub use cnv_macros::bulkhead;

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
/// | `alias = ".."` or `["..", ".."]` | other names of the verb under its noun |
/// | `deprecated = ".."` | what to use in its place, where it should not be used any more |
/// | `idempotent` | a call may be made again after one whose end is not known; what is `pure` or `read` always may |
/// | `public` | anyone may call, though the effect is `write`, `network` or `dangerous` |
/// | `trace(fields(path, depth))` | the arguments whose values spans may have; no other value of a call is ever recorded |
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
/// `#[arg(secret)]` is for what nobody else may read, such as a password: it has no default, the help does not show what a
/// variable that `env` names has, an error does not repeat it, and no span has it. The grammar says that it is secret.
/// A command line is no place for one, because every program of the machine can read it: use `env`, or a file.
/// Documentation on a parameter is its help. The function returns `Result<T, E>` where `T` serialises and
/// `E` is an error, or [`command::Failure`] itself. With the feature `schema`, where `T` implements
/// `schemars::JsonSchema`, the [`grammar`] has its schema.
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
