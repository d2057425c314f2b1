//! Budgets as types, so that the compiler can compare them.

use core::fmt;
use core::marker::PhantomData;

use super::account::Message;
use super::limits::Limits;
use super::resource::{Resource, UNLIMITED};

mod sealed {
    pub trait Sealed {}
}
pub(super) use sealed::Sealed;

/// The limit of one resource as a type. Sealed: the four quotas of this module implement it.
pub trait Quota: Sealed {
    /// The resource that is limited.
    const RESOURCE: Resource;
    /// The limit in the unit of [`Self::RESOURCE`]; [`UNLIMITED`] for none.
    const LIMIT: u64;
}

macro_rules! quotas {
    ($($(#[$doc:meta])* $name:ident<$limit:ident> = $resource:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name<const $limit: u64>;

        impl<const $limit: u64> Sealed for $name<$limit> {}

        impl<const $limit: u64> Quota for $name<$limit> {
            const RESOURCE: Resource = Resource::$resource;
            const LIMIT: u64 = $limit;
        }
    )*};
}

quotas! {
    /// At most `BYTES` bytes of heap memory at a time.
    MemoryQuota<BYTES> = Memory;
    /// At most `NS` nanoseconds of processor time.
    CpuQuota<NS> = Cpu;
    /// At most `OPS` input and output operations.
    IoQuota<OPS> = Io;
    /// At most `BYTES` bytes over the network, both ways together.
    NetworkQuota<BYTES> = Network;
}

/// Limits known to the compiler. Sealed: [`ResourceBudget`] and what is [made of budgets](super::Plus) implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a budget",
    label = "not a budget",
    note = "a budget is `ResourceBudget<MemoryQuota<BYTES>, CpuQuota<NS>, IoQuota<OPS>, NetworkQuota<BYTES>>`, in this order, or a tier such as `SmallBudget`"
)]
pub trait Budget: Sealed {
    /// What the budget allows.
    const LIMITS: Limits;
}

/// A budget as a zero-sized type: memory, processor time, I/O operations and network bytes.
///
/// ```
/// use cnv::quota::{Budget, CpuQuota, IoQuota, MemoryQuota, NetworkQuota, ResourceBudget};
///
/// type Fetch = ResourceBudget<MemoryQuota<1_000_000>, CpuQuota<2_000_000>, IoQuota<4>, NetworkQuota<0>>;
///
/// assert_eq!(Fetch::LIMITS.to_string(), "memory 1 MB, cpu 2 ms, io 4, network none");
/// assert_eq!(size_of::<Fetch>(), 0);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResourceBudget<M, C, I, N>(PhantomData<(M, C, I, N)>);

impl<M, C, I, N> ResourceBudget<M, C, I, N> {
    /// The only value of the type.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<M, C, I, N> Default for ResourceBudget<M, C, I, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M, C, I, N> fmt::Debug for ResourceBudget<M, C, I, N>
where
    Self: Budget,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceBudget({})", Self::LIMITS)
    }
}

impl<const M: u64, const C: u64, const I: u64, const N: u64> Sealed
    for ResourceBudget<MemoryQuota<M>, CpuQuota<C>, IoQuota<I>, NetworkQuota<N>>
{
}

impl<const M: u64, const C: u64, const I: u64, const N: u64> Budget
    for ResourceBudget<MemoryQuota<M>, CpuQuota<C>, IoQuota<I>, NetworkQuota<N>>
{
    const LIMITS: Limits = Limits {
        memory_bytes: M,
        cpu_ns: C,
        io_ops: I,
        network_bytes: N,
    };
}

/// 1 KB of memory, 1 us of processor time, 1 I/O operation, 100 bytes of network.
pub type TinyBudget =
    ResourceBudget<MemoryQuota<1_000>, CpuQuota<1_000>, IoQuota<1>, NetworkQuota<100>>;

/// 10 KB of memory, 10 us of processor time, 10 I/O operations, 1 KB of network.
pub type SmallBudget =
    ResourceBudget<MemoryQuota<10_000>, CpuQuota<10_000>, IoQuota<10>, NetworkQuota<1_000>>;

/// 1 MB of memory, 1 ms of processor time, 100 I/O operations, 100 KB of network.
pub type MediumBudget = ResourceBudget<
    MemoryQuota<1_000_000>,
    CpuQuota<1_000_000>,
    IoQuota<100>,
    NetworkQuota<100_000>,
>;

/// 10 MB of memory, 10 ms of processor time, 1000 I/O operations, 1 MB of network.
pub type LargeBudget = ResourceBudget<
    MemoryQuota<10_000_000>,
    CpuQuota<10_000_000>,
    IoQuota<1_000>,
    NetworkQuota<1_000_000>,
>;

/// No limit at all.
pub type UnlimitedBudget = ResourceBudget<
    MemoryQuota<UNLIMITED>,
    CpuQuota<UNLIMITED>,
    IoQuota<UNLIMITED>,
    NetworkQuota<UNLIMITED>,
>;

const TIERS: [(&str, Limits); 5] = [
    ("TinyBudget", TinyBudget::LIMITS),
    ("SmallBudget", SmallBudget::LIMITS),
    ("MediumBudget", MediumBudget::LIMITS),
    ("LargeBudget", LargeBudget::LIMITS),
    ("UnlimitedBudget", UnlimitedBudget::LIMITS),
];

/// The name of the tier that has exactly these limits.
pub(super) const fn tier(limits: &Limits) -> Option<&'static str> {
    let mut i = 0;
    while i < TIERS.len() {
        let (name, tier) = &TIERS[i];
        if limits.fits_within(tier) && tier.fits_within(limits) {
            return Some(name);
        }
        i += 1;
    }
    None
}

/// The tier in backticks, or `other` where the limits are no tier's.
pub(super) const fn name_or(text: Message, limits: &Limits, other: &str) -> Message {
    match tier(limits) {
        Some(tier) => text.code(tier),
        None => text.str(other),
    }
}

/// What a budget type says, as a value.
///
/// ```
/// use cnv::quota::{BudgetInfo, MediumBudget};
///
/// let info = BudgetInfo::of::<MediumBudget>();
/// assert_eq!(info.tier(), Some("MediumBudget"));
/// assert_eq!(
///     info.to_string(),
///     "MediumBudget (memory 1 MB, cpu 1 ms, io 100, network 100 KB)",
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BudgetInfo {
    limits: Limits,
}

impl BudgetInfo {
    /// Describes the budget `B`.
    #[must_use]
    pub const fn of<B: Budget>() -> Self {
        Self { limits: B::LIMITS }
    }

    /// The name of the tier with these limits; `None` for a budget of one's own.
    #[must_use]
    pub const fn tier(&self) -> Option<&'static str> {
        tier(&self.limits)
    }

    /// What the budget allows.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }
}

impl From<Limits> for BudgetInfo {
    fn from(limits: Limits) -> Self {
        Self { limits }
    }
}

impl fmt::Display for BudgetInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tier() {
            Some(tier) => write!(f, "{tier} ({})", self.limits),
            None => self.limits.fmt(f),
        }
    }
}
