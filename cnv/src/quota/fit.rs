//! Whether one budget fits within another, decided by the compiler.

use super::account::{Message, amount};
use super::budget::{Budget, name_or};
use super::charge::Charge;
use super::limits::Limits;
use super::resource::{Resource, UNLIMITED};

/// A budget that fits within the budget `Limit`, resource by resource.
///
/// Every pair of budgets implements the trait; reading [`FITS`](Self::FITS) is the check, and
/// where it fails the program does not compile. A bound alone checks nothing, and `cargo check`
/// does not evaluate constants of generic code: the error appears in `cargo build`. For two
/// budgets that are known where they are compared, [`require_budget_fit!`](crate::require_budget_fit)
/// reports in `cargo check` already.
///
/// ```
/// use cnv::quota::{Budget, FitsWithinBudget, MediumBudget, SmallBudget};
///
/// fn delegate<Part: FitsWithinBudget<MediumBudget>>() {
///     const { Part::FITS }
/// }
/// delegate::<SmallBudget>();
/// ```
///
/// ```compile_fail
/// # use cnv::quota::{Budget, FitsWithinBudget, LargeBudget, MediumBudget};
/// # fn delegate<Part: FitsWithinBudget<MediumBudget>>() {
/// #     const { Part::FITS }
/// # }
/// delegate::<LargeBudget>();
/// ```
pub trait FitsWithinBudget<Limit: Budget>: Budget {
    /// Evaluates only where the budget fits.
    const FITS: ();
}

impl<B: Budget, Limit: Budget> FitsWithinBudget<Limit> for B {
    const FITS: () = assert_fits(B::LIMITS, Limit::LIMITS);
}

/// Compiles only where `Part` fits within `Limit`; does nothing at run time.
///
/// This form also works with type parameters, and for that reports in `cargo build` only, not in
/// `cargo check`. [`require_budget_fit!`](crate::require_budget_fit) reports in both.
///
/// ```
/// use cnv::quota::{MediumBudget, SmallBudget, require_budget_fit};
///
/// require_budget_fit::<SmallBudget, MediumBudget>();
/// ```
///
/// ```compile_fail
/// # use cnv::quota::{MediumBudget, SmallBudget, require_budget_fit};
/// require_budget_fit::<MediumBudget, SmallBudget>();
/// ```
#[inline]
pub const fn require_budget_fit<Part: Budget, Limit: Budget>() {
    const { <Part as FitsWithinBudget<Limit>>::FITS }
}

/// Compiles only where the first budget fits within the second.
///
/// A constant item: it stands wherever an item can, and `cargo check` and editors report it with
/// the numbers.
///
/// ```
/// use cnv::quota::{MediumBudget, SmallBudget};
///
/// cnv::require_budget_fit!(SmallBudget, MediumBudget);
/// ```
///
/// ```compile_fail
/// # use cnv::quota::{MediumBudget, SmallBudget};
/// cnv::require_budget_fit!(MediumBudget, SmallBudget);
/// ```
#[macro_export]
macro_rules! require_budget_fit {
    ($part:ty, $limit:ty $(,)?) => {
        const _: () = $crate::__private::quota::assert_fits(
            <$part as $crate::quota::Budget>::LIMITS,
            <$limit as $crate::quota::Budget>::LIMITS,
        );
    };
}

/// Refuses to compile a budget of `part` where `limit` is all there is.
///
/// # Panics
/// Where some resource of `part` is larger; in const evaluation that is the compile error.
#[track_caller]
pub const fn assert_fits(part: Limits, limit: Limits) {
    if let Some(resource) = part.first_over(&limit) {
        panic!("{}", misfit(&part, &limit, resource).as_str());
    }
}

/// Refuses to compile the method `name` of an implementation that may use more than its trait declares.
///
/// # Panics
/// Where some resource of `Own` is larger; in const evaluation that is the compile error.
#[track_caller]
pub const fn assert_fits_trait<Own: Charge, Declared: Charge>(name: &'static str) {
    if let Some(resource) = Own::LIMITS.first_over(&Declared::LIMITS) {
        let text = Message::new().str("over budget: ").code(name);
        let text = match Own::LIMITS.limit(resource) {
            UNLIMITED => text.str(" declares unlimited ").str(resource.name()),
            own => amount(text.str(" declares "), resource, own as u128),
        };
        let text = text
            .str(" but its trait declares ")
            .quantity(resource, Declared::LIMITS.limit(resource) as u128);
        panic!("{}", text.as_str());
    }
    if Own::RETAINED > Declared::RETAINED {
        let text = Message::new().str("over budget: ").code(name);
        let text = amount(
            text.str(" retains "),
            Resource::Memory,
            Own::RETAINED as u128,
        )
        .str(" but its trait retains ")
        .quantity(Resource::Memory, Declared::RETAINED as u128);
        panic!("{}", text.as_str());
    }
}

const fn misfit(part: &Limits, limit: &Limits, resource: Resource) -> Message {
    let text = Message::new().str("over budget: ");
    let text = name_or(text, part, "the budget").str(" does not fit within ");
    let text = name_or(text, limit, "its limit").str(": it allows ");
    let asked = part.limit(resource);
    let text = if asked == UNLIMITED {
        text.str("unlimited ").str(resource.name())
    } else {
        amount(text, resource, asked as u128)
    };
    text.str(" where there is ")
        .quantity(resource, limit.limit(resource) as u128)
}

#[cfg(test)]
mod tests {
    use super::super::{LargeBudget, MediumBudget, SmallBudget, UnlimitedBudget};
    use super::*;

    #[test]
    fn a_misfit_names_the_tiers_and_the_numbers() {
        let misfit = |part: &Limits, limit: &Limits| {
            let resource = part.first_over(limit).unwrap();
            misfit(part, limit, resource).as_str().to_owned()
        };
        let nothing = Limits {
            memory_bytes: 0,
            cpu_ns: 0,
            io_ops: 0,
            network_bytes: 0,
        };
        assert_eq!(
            misfit(&MediumBudget::LIMITS, &SmallBudget::LIMITS),
            "over budget: `MediumBudget` does not fit within `SmallBudget`: it allows 1 MB of \
             memory where there is 10 KB"
        );
        assert_eq!(
            misfit(&UnlimitedBudget::LIMITS, &LargeBudget::LIMITS),
            "over budget: `UnlimitedBudget` does not fit within `LargeBudget`: it allows \
             unlimited memory where there is 10 MB"
        );
        assert_eq!(
            misfit(
                &Limits {
                    io_ops: 4,
                    ..nothing
                },
                &nothing,
            ),
            "over budget: the budget does not fit within its limit: it allows 4 I/O operations \
             where there is none"
        );
    }
}
