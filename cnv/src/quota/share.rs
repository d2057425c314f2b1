//! A budget as a value that is given away in parts, with the compiler keeping the books.

use core::fmt;
use core::marker::PhantomData;

use super::arithmetic::{Minus, Plus, minus};
use super::budget::{Budget, BudgetInfo};
use super::fit::assert_fits;

/// A part of a budget, which can be spent once: it has no size, cannot be copied, and is split and merged by
/// its type alone.
///
/// [`share`] gives the first; [`split!`](crate::split) takes a part off, [`merge`](Self::merge) puts two
/// together. `'pool` is a lifetime of its own for each call of [`share`], so that parts of two budgets cannot
/// be mixed up:
///
/// ```
/// use cnv::quota::{LargeBudget, MediumBudget, SmallBudget, share, split};
///
/// let sum = share::<MediumBudget, _>(|all| {
///     let (part, rest) = split!(all => SmallBudget);
///     let sum: u32 = part.operation("sum").execute(|| (1..=10).sum());
///     assert_eq!(rest.info().to_string(), "memory 990 KB, cpu 990 us, io 90, network 99 KB");
///     sum
/// });
/// assert_eq!(sum, 55);
/// ```
///
/// ```compile_fail,E0080
/// # use cnv::quota::{LargeBudget, MediumBudget, share, split};
/// share::<MediumBudget, _>(|all| {
///     let (part, rest) = split!(all => LargeBudget); // over budget
/// });
/// ```
///
/// ```compile_fail,E0382
/// # use cnv::quota::{MediumBudget, SmallBudget, share, split};
/// share::<MediumBudget, _>(|all| {
///     let (part, rest) = split!(all => SmallBudget);
///     part.operation("first");
///     part.operation("second"); // spent already
/// });
/// ```
///
/// ```compile_fail,E0521
/// # use cnv::quota::{MediumBudget, share};
/// share::<MediumBudget, _>(|a| {
///     share::<MediumBudget, _>(|b| {
///         a.merge(b); // of another pool
///     });
/// });
/// ```
#[must_use = "a share that is dropped is lost to its pool"]
pub struct Share<'pool, B> {
    budget: PhantomData<fn() -> B>,
    /// Invariant, so that no two calls of [`share`] have the same.
    pool: PhantomData<fn(&'pool ()) -> &'pool ()>,
}

/// Runs `work` with the whole of the budget `B` to give away.
pub fn share<B: Budget, R>(work: impl for<'pool> FnOnce(Share<'pool, B>) -> R) -> R {
    work(Share::new())
}

impl<'pool, B> Share<'pool, B> {
    const fn new() -> Self {
        Self {
            budget: PhantomData,
            pool: PhantomData,
        }
    }
}

impl<'pool, B: Budget> Share<'pool, B> {
    /// Puts two shares together.
    #[inline]
    pub const fn merge<Other: Budget>(
        self,
        other: Share<'pool, Other>,
    ) -> Share<'pool, Plus<B, Other>> {
        let (_, _) = (self, other);
        Share::new()
    }

    /// Takes a part off, as [`split!`](crate::split) does, also where the budget is a type parameter: `cargo build` checks it.
    ///
    /// ```
    /// use cnv::quota::{Budget, MediumBudget, Minus, Share, SmallBudget, share};
    ///
    /// fn first<B: Budget>(share: Share<'_, B>) -> Share<'_, Minus<B, SmallBudget>> {
    ///     let (part, rest) = share.split::<SmallBudget>();
    ///     part.operation("first").execute(|| {});
    ///     rest
    /// }
    ///
    /// share::<MediumBudget, _>(|all| assert_eq!(first(all).info().limits().io_ops, 90));
    /// ```
    #[inline]
    pub const fn split<Part: Budget>(self) -> (Share<'pool, Part>, Share<'pool, Minus<B, Part>>) {
        const { assert_part::<B, Part>() };
        let _ = self;
        (Share::new(), Share::new())
    }

    /// What the share allows.
    #[must_use]
    pub const fn info(&self) -> BudgetInfo {
        BudgetInfo::of::<B>()
    }

    /// A share under another name for its budget, or with less. It is checked in `cargo build`.
    ///
    /// ```
    /// use cnv::quota::{MediumBudget, SmallBudget, share, split};
    ///
    /// share::<MediumBudget, _>(|all| {
    ///     let (part, rest) = split!(all => SmallBudget);
    ///     let whole = rest.merge(part).into_budget::<MediumBudget>();
    ///     assert_eq!(whole.info().tier(), Some("MediumBudget"));
    /// });
    /// ```
    #[inline]
    pub const fn into_budget<To: Budget>(self) -> Share<'pool, To> {
        const { assert_fits(To::LIMITS, B::LIMITS) };
        let _ = self;
        Share::new()
    }

    /// Spends the share on an operation that errors will call `name`.
    #[cfg(feature = "std")]
    pub fn operation(self, name: &'static str) -> super::Operation<B> {
        super::Operation::new(name)
    }
}

impl<B: Budget> fmt::Debug for Share<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({})", B::LIMITS)
    }
}

/// What [`split!`](crate::split) compares, as a constant that a pattern can have.
#[derive(Debug, PartialEq, Eq)]
pub struct Split<Whole, Part>(PhantomData<fn() -> (Whole, Part)>);

#[allow(clippy::new_without_default, reason = "only expansions make one")]
impl<Whole: Budget, Part: Budget> Split<Whole, Part> {
    /// The comparison that is made.
    #[inline]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// The comparison for a share.
    #[inline]
    pub const fn of(_: &Share<'_, Whole>) -> Self {
        Self(PhantomData)
    }

    /// The part and the rest.
    #[inline]
    pub const fn take<'pool>(
        _: Share<'pool, Whole>,
    ) -> (Share<'pool, Part>, Share<'pool, Minus<Whole, Part>>) {
        (Share::new(), Share::new())
    }
}

/// Compares a part with the whole.
///
/// # Panics
/// Where the part is larger; in const evaluation that is the compile error, at the caller's.
#[track_caller]
pub const fn assert_part<Whole: Budget, Part: Budget>() {
    minus(&Whole::LIMITS, &Part::LIMITS);
}

/// Takes a part off a [`Share`](crate::quota::Share): `split!(share => Part)` is the part and the rest.
///
/// A part that is larger than the share does not compile, with the numbers, in `cargo check`. See
/// [`Share`](crate::quota::Share) for an example.
#[macro_export]
macro_rules! split {
    ($share:expr => $part:ty $(,)?) => {{
        trait __CnvCheck: ::core::marker::Sized {
            const OK: Self;
        }
        impl<Whole: $crate::quota::Budget, Part: $crate::quota::Budget> __CnvCheck
            for $crate::__private::quota::Split<Whole, Part>
        {
            const OK: Self = {
                $crate::__private::quota::assert_part::<Whole, Part>();
                $crate::__private::quota::Split::new()
            };
        }
        let share = $share;
        let <$crate::__private::quota::Split<_, $part> as __CnvCheck>::OK =
            $crate::__private::quota::Split::<_, $part>::of(&share);
        $crate::__private::quota::Split::<_, $part>::take(share)
    }};
}
