//! A named piece of work under a budget type.

use core::fmt;
use core::marker::PhantomData;

use super::budget::{Budget, BudgetInfo};
use super::meter::{Enforcement, IS_METERED, Stretch, Usage, measure_with};

/// Runs closures under the budget `B`.
///
/// Input, output and network through the [metered wrappers](super::Metered) are held to the budget;
/// memory and processor time are observed, or held at every [`checkpoint`](super::checkpoint) where
/// [`enforce`](Self::enforce) says so.
///
/// ```
/// use cnv::quota::{MediumBudget, Operation};
///
/// let operation = Operation::<MediumBudget>::new("sum");
/// let (sum, usage) = operation.measure(|| (1..=10).sum::<u32>());
/// assert_eq!(sum, 55);
/// assert_eq!(usage.io_ops, 0);
/// ```
#[derive(Clone, Copy)]
pub struct Operation<B> {
    name: &'static str,
    enforcement: Enforcement,
    budget: PhantomData<B>,
}

impl<B: Budget> Operation<B> {
    /// An operation that errors will call `name`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            enforcement: Enforcement::Observe,
            budget: PhantomData,
        }
    }

    /// The same operation, holding memory and processor time as far as `enforcement` says.
    ///
    /// ```
    /// use cnv::quota::{BudgetExceeded, Enforcement, Operation, SmallBudget, checkpoint};
    ///
    /// // 10 us of processor time.
    /// let operation = Operation::<SmallBudget>::new("count").enforce(Enforcement::Cooperative);
    /// let stopped = operation.execute(|| {
    ///     for _ in 0..u64::MAX {
    ///         checkpoint()?;
    ///     }
    ///     Ok::<(), BudgetExceeded>(())
    /// });
    /// assert_eq!(stopped.unwrap_err().operation, Some("count"));
    /// ```
    #[must_use]
    pub const fn enforce(mut self, enforcement: Enforcement) -> Self {
        self.enforcement = enforcement;
        self
    }

    /// The name that it was given.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What the operation may use.
    #[must_use]
    pub const fn budget_info(&self) -> BudgetInfo {
        BudgetInfo::of::<B>()
    }

    /// Runs `work` on this thread. Reads no clock where it only observes, and so costs some 10 ns.
    pub fn execute<R>(&self, work: impl FnOnce() -> R) -> R {
        if !IS_METERED {
            return work();
        }
        let _stretch = Stretch::enter(self.name, &B::LIMITS);
        // Declared after the stretch, and so dropped before it.
        let _armed = self.enforcement.arm_untimed(self.name, &B::LIMITS);
        work()
    }

    /// Runs `work` on this thread and says what it used.
    pub fn measure<R>(&self, work: impl FnOnce() -> R) -> (R, Usage) {
        measure_with(self.name, B::LIMITS, self.enforcement, work)
    }
}

impl<B: Budget> fmt::Debug for Operation<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("name", &self.name)
            .field("limits", &B::LIMITS)
            .field("enforcement", &self.enforcement)
            .finish()
    }
}
