//! What one call costs its caller, as a type: how a callee says it and how a caller is told.
//!
//! A free function says it by a companion item of its name, which implements [`Budgeted`]. A method has no
//! room for one, and its receiver decides which method it is. It says it by what it returns: [`Paid`] is
//! the value together with the type of the charge. A caller has a [`Site`] for each such call, whose type
//! the compiler infers from the call, and looks at all of them in one constant pattern:
//!
//! ```text
//! let site0 = Site::new();
//! let <Sites<_> as Check>::OK = Sites::one(&site0);   // `Check` is the expansion's own
//! site0.pay(store.__get_with_a_budget(key))
//! ```
//!
//! A constant in a pattern is evaluated by `cargo check`, so that the message appears in editors.

use core::marker::PhantomData;

use super::budget::Budget;
use super::limits::Limits;
use super::resource::UNLIMITED;

/// What one call may use: of a function with a companion item, or the [`Charged`] of a method.
#[diagnostic::on_unimplemented(
    message = "the function that is spent here has no budget",
    label = "not a function with a `#[budget(..)]`",
    note = "put `#[budget(..)]` on the function, and name it by the path it is declared or imported under"
)]
pub trait Charge {
    /// What the call may use while it runs.
    const LIMITS: Limits;
    /// What of its memory may be there after it, in bytes: at most all of it.
    const RETAINED: u64;
    /// Whether the call only makes a future, which runs later.
    const IS_ASYNC: bool;
    /// How long it takes at most by its own timeout, in nanoseconds; [`UNLIMITED`] where that is not known.
    const TIMEOUT_NS: u64 = UNLIMITED;
}

/// The charge of a call of a method. Numbers rather than a budget type, because messages show it.
#[derive(Debug, PartialEq, Eq)]
pub enum Charged<
    const MEMORY: u64,
    const CPU: u64,
    const IO: u64,
    const NETWORK: u64,
    const RETAINED: u64,
    const IS_ASYNC: bool,
> {}

impl<
    const MEMORY: u64,
    const CPU: u64,
    const IO: u64,
    const NETWORK: u64,
    const RETAINED: u64,
    const IS_ASYNC: bool,
> Charge for Charged<MEMORY, CPU, IO, NETWORK, RETAINED, IS_ASYNC>
{
    const LIMITS: Limits = Limits {
        memory_bytes: MEMORY,
        cpu_ns: CPU,
        io_ops: IO,
        network_bytes: NETWORK,
    };
    const RETAINED: u64 = RETAINED;
    const IS_ASYNC: bool = IS_ASYNC;
}

impl<F: Budgeted> Charge for F {
    const LIMITS: Limits = <F as Budgeted>::LIMITS;
    const RETAINED: u64 = <F as Budgeted>::RETAINED;
    const IS_ASYNC: bool = <F as Budgeted>::IS_ASYNC;
    const TIMEOUT_NS: u64 = <F as Budgeted>::TIMEOUT_NS;
}

/// The numbers of a [`Charge`].
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub(super) limits: Limits,
    pub(super) retained: u64,
    pub(super) timeout_ns: u64,
}

/// What a call costs that is over when the next one begins.
pub const fn cost<C: Charge>() -> Cost {
    Cost {
        limits: C::LIMITS,
        retained: C::RETAINED,
        timeout_ns: C::TIMEOUT_NS,
    }
}

/// What a call costs that is not awaited at once: the future may be there for long, and use its memory at
/// any time.
pub const fn pending<C: Charge>() -> Cost {
    Cost {
        limits: C::LIMITS,
        retained: if C::IS_ASYNC {
            C::LIMITS.memory_bytes
        } else {
            C::RETAINED
        },
        timeout_ns: C::TIMEOUT_NS,
    }
}

/// What a call costs that runs together with others.
pub const fn concurrent<C: Charge>() -> Cost {
    Cost {
        limits: C::LIMITS,
        retained: C::LIMITS.memory_bytes,
        timeout_ns: C::TIMEOUT_NS,
    }
}

/// What a method with a budget returns: its value, and what the call costs.
#[derive(Debug)]
#[must_use = "the value of a call that is paid for is in here"]
pub struct Paid<V, C> {
    value: V,
    charge: PhantomData<fn() -> C>,
}

impl<V, C> Paid<V, C> {
    /// `value`, for the price of `C`.
    #[inline]
    pub const fn new(value: V) -> Self {
        Self {
            value,
            charge: PhantomData,
        }
    }

    /// The value alone.
    #[inline]
    pub fn value(self) -> V {
        self.value
    }
}

/// What an `async` method with a budget returns: the future of its value, and what the call costs. Not a future of a
/// [`Paid`]: that would be one more around the body's.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct PaidFuture<F, C> {
    future: F,
    charge: PhantomData<fn() -> C>,
}

impl<F, C> PaidFuture<F, C> {
    /// `future`, for the price of `C`.
    #[inline]
    pub const fn new(future: F) -> Self {
        Self {
            future,
            charge: PhantomData,
        }
    }

    /// The future alone.
    #[inline]
    pub fn value(self) -> F {
        self.future
    }
}

/// What a call returns that is paid for with `C`: a [`Paid`], or a [`PaidFuture`].
pub trait Payable<C> {
    /// The value, or a future of it.
    type Value;

    /// The same without the charge.
    fn paid(self) -> Self::Value;
}

impl<V, C> Payable<C> for Paid<V, C> {
    type Value = V;

    #[inline]
    fn paid(self) -> V {
        self.value
    }
}

impl<F, C> Payable<C> for PaidFuture<F, C> {
    type Value = F;

    #[inline]
    fn paid(self) -> F {
        self.future
    }
}

/// The value of a call that nobody is charged for, at the top.
#[inline]
pub fn paid<C, P: Payable<C>>(call: P) -> P::Value {
    call.paid()
}

/// A call of a method in somebody's body, by which the compiler infers its charge.
#[derive(Debug)]
pub struct Site<C>(PhantomData<fn() -> C>);

impl<C> Clone for Site<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Site<C> {}

#[allow(clippy::new_without_default, reason = "only expansions make one")]
impl<C> Site<C> {
    /// A site whose call is to be found.
    #[inline]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// The value of the call that stands here.
    #[inline]
    pub fn pay<P: Payable<C>>(&self, call: P) -> P::Value {
        call.paid()
    }

    /// Says what the charge is, where there is no call: by a method that returns a site of it.
    #[inline]
    pub fn is_of<S: ?Sized>(&self, _: fn(&S) -> Site<C>) {}

    /// What may be used.
    #[inline]
    pub fn limits(&self) -> Limits
    where
        C: Charge,
    {
        C::LIMITS
    }
}

/// The charge of one site, or those of several in pairs of pairs. A constant of this type can stand in a pattern.
#[derive(Debug, PartialEq, Eq)]
pub struct Sites<T>(PhantomData<T>);

#[allow(clippy::new_without_default, reason = "only expansions make one")]
impl<T> Sites<T> {
    /// The value that a check has where it holds.
    #[inline]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// One site.
    #[inline]
    pub const fn one(_: &Site<T>) -> Self {
        Self(PhantomData)
    }

    /// Several sites and several more.
    #[inline]
    pub const fn both<U>(self, _: Sites<U>) -> Sites<(T, U)> {
        Sites(PhantomData)
    }
}

/// What stands in the clause that keeps a method from being called as it is. See [`MustBePaid`].
#[derive(Debug)]
pub enum Method {}

/// What the plain method of a trait returns, which nobody can call. A method of an implementation that returns anything
/// else is no method of the trait: `#[budget]` is missing on it.
#[derive(Debug)]
pub enum NeedsABudget<R> {
    /// Never made.
    Never(core::convert::Infallible, PhantomData<R>),
}

/// A method whose budget the caller pays for. Nothing implements it.
#[diagnostic::on_unimplemented(
    message = "this method must be paid for: write `spend!(..)` around the call",
    label = "a plain call of a method with a budget",
    note = "in a function with a `#[budget(..)]`, `spend!` charges it; `open` in the budget of the method allows plain calls; at the top, write `cnv::run!(..)`"
)]
pub trait MustBePaid<'a> {}

/// A function with a budget. `#[budget]` implements it for an item of the function's name.
pub trait Budgeted {
    /// The function's name, as messages show it.
    const NAME: &'static str;
    /// What one call may use.
    const LIMITS: Limits = <Self::Budget as Budget>::LIMITS;
    /// The same as a type.
    type Budget: Budget;
    /// What of its memory may be there after a call.
    const RETAINED: u64 = Self::LIMITS.memory_bytes;
    /// Whether a call makes a future.
    const IS_ASYNC: bool = false;
    /// Its timeout in nanoseconds; [`UNLIMITED`] without one.
    const TIMEOUT_NS: u64 = UNLIMITED;
    /// How many calls deep the function spends, where nothing else keeps functions from spending each
    /// other in a circle. In a circle this has no value, and does not compile.
    const DEPTH_OF_SPENDS: u32 = 0;
}

/// The larger of `depth` and one more than the callee's.
pub const fn deeper(depth: u32, callee: u32) -> u32 {
    if callee >= depth { callee + 1 } else { depth }
}

/// A function whose budget the caller pays for. Nothing implements it: a function that is bound by it
/// can be named, but not called as it stands.
#[diagnostic::on_unimplemented(
    message = "`{Self}` must be paid for: write `spend!(..)` around this call",
    label = "a plain call of a function with a budget",
    note = "in a function with a `#[budget(..)]`, `spend!({Self}(..))` charges it; `open` in the budget of `{Self}` allows plain calls"
)]
pub trait PaidFor<'a> {}
