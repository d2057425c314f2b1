//! Budgets made of budgets: types without a size, whose limits the compiler works out.

use core::fmt;
use core::marker::PhantomData;

use super::account::{Message, amount};
use super::budget::{Budget, Sealed, name_or};
use super::limits::Limits;
use super::resource::{Resource, UNLIMITED};

macro_rules! budgets {
    ($($(#[$doc:meta])* $name:ident<$($parameter:ident),* $(; const $count:ident)?> = $limits:expr;)*) => {$(
        $(#[$doc])*
        // Shares of it stand in patterns.
        #[derive(PartialEq, Eq)]
        pub struct $name<$($parameter,)* $(const $count: u64)?>(PhantomData<fn() -> ($($parameter,)*)>);

        impl<$($parameter: Budget,)* $(const $count: u64)?> Sealed for $name<$($parameter,)* $($count)?> {}

        impl<$($parameter: Budget,)* $(const $count: u64)?> Budget for $name<$($parameter,)* $($count)?> {
            const LIMITS: Limits = $limits;
        }

        impl<$($parameter: Budget,)* $(const $count: u64)?> fmt::Debug for $name<$($parameter,)* $($count)?> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), Self::LIMITS)
            }
        }
    )*};
}

budgets! {
    /// Both budgets together. What is unlimited in one of them is unlimited.
    ///
    /// ```
    /// use cnv::quota::{Budget, MediumBudget, Plus, SmallBudget};
    ///
    /// assert_eq!(
    ///     Plus::<MediumBudget, SmallBudget>::LIMITS.to_string(),
    ///     "memory 1.01 MB, cpu 1.01 ms, io 110, network 101 KB",
    /// );
    /// ```
    Plus<A, B> = plus(&A::LIMITS, &B::LIMITS);

    /// What is left of the first where the second is taken out. Where the second does not fit, a program that
    /// asks for the limits does not compile.
    ///
    /// ```
    /// use cnv::quota::{Budget, MediumBudget, Minus, SmallBudget};
    ///
    /// assert_eq!(
    ///     Minus::<MediumBudget, SmallBudget>::LIMITS.to_string(),
    ///     "memory 990 KB, cpu 990 us, io 90, network 99 KB",
    /// );
    /// ```
    ///
    /// ```compile_fail,E0080
    /// # use cnv::quota::{Budget, MediumBudget, Minus, SmallBudget};
    /// let _ = Minus::<SmallBudget, MediumBudget>::LIMITS;
    /// ```
    Minus<A, B> = minus(&A::LIMITS, &B::LIMITS);

    /// The budget `N` times.
    ///
    /// ```
    /// use cnv::quota::{Budget, SmallBudget, Times};
    ///
    /// assert_eq!(
    ///     Times::<SmallBudget, 3>::LIMITS.to_string(),
    ///     "memory 30 KB, cpu 30 us, io 30, network 3 KB",
    /// );
    /// ```
    Times<B; const N> = times(&B::LIMITS, N);

    /// The larger limit of each resource: what does for one or the other.
    ///
    /// ```
    /// use cnv::quota::{Budget, CpuQuota, IoQuota, Max, MemoryQuota, NetworkQuota, ResourceBudget};
    ///
    /// type Fetch = ResourceBudget<MemoryQuota<1_000>, CpuQuota<9_000>, IoQuota<1>, NetworkQuota<500>>;
    /// type Parse = ResourceBudget<MemoryQuota<8_000>, CpuQuota<4_000>, IoQuota<0>, NetworkQuota<0>>;
    /// assert_eq!(
    ///     Max::<Fetch, Parse>::LIMITS.to_string(),
    ///     "memory 8 KB, cpu 9 us, io 1, network 500 B",
    /// );
    /// ```
    Max<A, B> = larger(&A::LIMITS, &B::LIMITS);
}

/// `f` of each resource.
macro_rules! each {
    ($resource:ident => $amount:expr) => {
        Limits {
            memory_bytes: {
                let $resource = Resource::Memory;
                $amount
            },
            cpu_ns: {
                let $resource = Resource::Cpu;
                $amount
            },
            io_ops: {
                let $resource = Resource::Io;
                $amount
            },
            network_bytes: {
                let $resource = Resource::Network;
                $amount
            },
        }
    };
}

/// A sum past the largest limit is without one: `UNLIMITED` is the largest number.
const fn plus(a: &Limits, b: &Limits) -> Limits {
    each!(resource => a.limit(resource).saturating_add(b.limit(resource)))
}

const fn times(limits: &Limits, n: u64) -> Limits {
    each!(resource => limits.limit(resource).saturating_mul(n))
}

const fn larger(a: &Limits, b: &Limits) -> Limits {
    each!(resource => {
        let (a, b) = (a.limit(resource), b.limit(resource));
        if a > b { a } else { b }
    })
}

/// # Panics
/// Where some resource of `part` is larger; in const evaluation that is the compile error.
#[track_caller]
pub(super) const fn minus(whole: &Limits, part: &Limits) -> Limits {
    if let Some(resource) = part.first_over(whole) {
        panic!("{}", misfit(whole, part, resource).as_str());
    }
    each!(resource => match whole.limit(resource) {
        UNLIMITED => UNLIMITED,
        limit => limit - part.limit(resource),
    })
}

const fn misfit(whole: &Limits, part: &Limits, resource: Resource) -> Message {
    let text = name_or(Message::new().str("over budget: "), part, "the part").str(" takes ");
    let text = match part.limit(resource) {
        UNLIMITED => text.str("unlimited ").str(resource.name()),
        asked => amount(text, resource, asked as u128),
    };
    name_or(text.str(" out of "), whole, "the whole")
        .str(", which has ")
        .quantity(resource, whole.limit(resource) as u128)
}

#[cfg(test)]
mod tests {
    use super::super::{LargeBudget, MediumBudget, SmallBudget, UnlimitedBudget};
    use super::*;

    #[test]
    fn sums_products_and_what_is_larger_keep_to_the_unlimited() {
        type All = UnlimitedBudget;
        assert_eq!(Plus::<SmallBudget, All>::LIMITS, Limits::unlimited());
        assert_eq!(Max::<All, SmallBudget>::LIMITS, Limits::unlimited());
        assert_eq!(Times::<All, 3>::LIMITS, Limits::unlimited());
        assert_eq!(Minus::<All, LargeBudget>::LIMITS, Limits::unlimited());
        assert_eq!(Times::<SmallBudget, 1>::LIMITS, SmallBudget::LIMITS);
        assert_eq!(
            Times::<LargeBudget, { u64::MAX }>::LIMITS,
            Limits::unlimited()
        );
        assert_eq!(size_of::<Plus<Times<SmallBudget, 2>, MediumBudget>>(), 0);
    }

    #[test]
    fn what_is_taken_out_and_put_back_is_the_same() {
        type Rest = Minus<MediumBudget, SmallBudget>;
        assert_eq!(Plus::<Rest, SmallBudget>::LIMITS, MediumBudget::LIMITS);
    }

    #[test]
    fn what_does_not_fit_is_named_with_the_numbers() {
        let message = misfit(
            &SmallBudget::LIMITS,
            &MediumBudget::LIMITS,
            Resource::Memory,
        );
        assert_eq!(
            message.as_str(),
            "over budget: `MediumBudget` takes 1 MB of memory out of `SmallBudget`, which has 10 KB"
        );
    }
}
