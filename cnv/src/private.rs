//! What expansions may name. Not public API: anything here may change in any release.

pub use cnv_macros::run;

/// What `#[derive(SimdFrame)]` and `#[derive(FrameEnum)]` name.
pub mod frame {
    pub use crate::frame::expansion::*;
}

/// What `#[budget]` names.
pub mod quota {
    pub use crate::quota::account::{
        Account, beside, conditions, enter_loop, larger, leave_loop, open, open_method, rounds,
        step, within,
    };
    pub use crate::quota::charge::{
        Budgeted, Charge, Charged, Method, MustBePaid, NeedsABudget, Paid, PaidFor, PaidFuture,
        Payable, Site, Sites, concurrent, cost, deeper, paid, pending,
    };
    pub use crate::quota::fit::{assert_fits, assert_fits_trait};
    #[cfg(feature = "metering")]
    pub use crate::quota::meter::body::{enter, enter_cooperative, metered, metered_cooperative};
    pub use crate::quota::rounds::{Rounds, stopped};
    pub use crate::quota::share::{Split, assert_part};
    #[cfg(not(feature = "metering"))]
    pub use crate::quota::unmetered::{enter, enter_cooperative, metered, metered_cooperative};
    pub use crate::quota::{
        Budget, CpuQuota, IoQuota, Limits, MemoryQuota, NetworkQuota, Resource, ResourceBudget,
        UNLIMITED, checkpoint,
    };
}

/// What `#[requires_attestation]` names.
#[cfg(feature = "attestation")]
pub mod attestation {
    pub use crate::attestation::guard::{evidence, guard, lend, refuse};
}

/// What `#[timeout]`, `#[retry]`, `#[circuit_breaker]` and `#[bulkhead]` name.
#[cfg(feature = "recovery")]
pub mod recovery {
    #[cfg(feature = "command")]
    pub use crate::command::recovery::{cancelled, deadline, noting, within};
    pub use crate::recovery::expansion::*;
}

/// What `#[verb]` and `verbs!` name.
#[cfg(feature = "command")]
pub mod command {
    pub use crate::command::argument::{
        ArgumentValue, default_value, enum_parser, flag, many, one, optional, parser,
    };
    pub use crate::command::returned::{Described, OutputSchema, Returned, Undescribed};
    pub use crate::command::spec::{faulty_spec, traced, verb_spec};
    pub use crate::command::verb::{
        Arguments, Invocation, Verb, arguments, assert_distinct, invocation, outcome, registration,
    };
    pub use clap;
}

/// A value of any type, for code that cannot be reached: it tells the compiler a type and nothing else.
///
/// # Panics
///
/// Always.
pub fn never<T>() -> T {
    unreachable!("an expansion only names this call's type")
}
