//! What a call used, beside what it declares.

use std::fmt;
use std::panic::Location;

use crate::__private::quota::{Charge, Payable};
#[cfg(feature = "command")]
use crate::command::Reply;
use crate::quota::{Limits, Resource, UNLIMITED, Usage, measure, metered};

/// The result of a call, what the call used, and what it declares.
///
/// [`use_of!`](crate::use_of) makes one of a call, [`measured`] of any work.
#[derive(Debug)]
#[non_exhaustive]
pub struct Measured<R> {
    /// What the call returned.
    pub result: R,
    /// What it used.
    pub usage: Usage,
    /// What it declares.
    pub limits: Limits,
    /// Its name in messages.
    pub operation: &'static str,
}

impl<R> Measured<R> {
    /// The result, where the call used no more memory, I/O operations and network bytes than it declares.
    ///
    /// Processor time is left to [`assert_cpu_fits`](Self::assert_cpu_fits).
    ///
    /// # Panics
    /// With all the numbers, where it used more of something; and where it declares a limit on memory in a test
    /// that does not meter any.
    ///
    /// I/O and network are held while the call runs: what would go over fails inside of it with
    /// [`BudgetExceeded`](crate::quota::BudgetExceeded). That panics here, whether the error is in the result or the
    /// body went on without it, and whether it was this budget that had too little left or that of a call inside.
    #[track_caller]
    pub fn assert_fits(self) -> R {
        let but_cpu = Resource::ALL
            .into_iter()
            .filter(|&resource| resource != Resource::Cpu);
        assert_within_limits(self.operation, &self.usage, &self.limits, but_cpu);
        self.result
    }

    /// The same value, where the call used no more processor time than it declares.
    ///
    /// Use it where the declared time is far more than what is used: on a busy machine, on a slower one and without
    /// optimisation the same call takes several times as long, and a test that is close fails by itself. Below
    /// 100 us the time is that of the wall clock, other programs' turns included.
    ///
    /// # Panics
    /// With all the numbers, where it used more.
    #[must_use = "`assert_fits` looks at the rest and gives the result"]
    #[track_caller]
    pub fn assert_cpu_fits(self) -> Self {
        assert_within_limits(self.operation, &self.usage, &self.limits, [Resource::Cpu]);
        self
    }
}

/// Runs `work` under the meter, and under `limits`, as [`measure`] does.
///
/// For what [`use_of!`](crate::use_of) does not take: work that is no call of one function, and limits that are not
/// declared.
///
/// ```
/// use cnv::quota::Limits;
/// use cnv::testing::measured;
///
/// let limits = Limits { io_ops: 2, ..Limits::unlimited() };
/// let used = measured("two operations", limits, || cnv::quota::charge_io(2));
/// assert_eq!(used.usage.io_ops, 2);
/// used.assert_fits().unwrap();
/// ```
pub fn measured<R>(
    operation: &'static str,
    limits: Limits,
    work: impl FnOnce() -> R,
) -> Measured<R> {
    let (result, usage) = measure(operation, limits, work);
    Measured {
        result,
        usage,
        limits,
        operation,
    }
}

/// Runs `future` under the meter, and under `limits`, as [`metered`] does.
pub async fn measured_future<F: Future>(
    operation: &'static str,
    limits: Limits,
    future: F,
) -> Measured<F::Output> {
    let (result, usage) = metered(operation, limits, future).await;
    Measured {
        result,
        usage,
        limits,
        operation,
    }
}

/// A method says what it declares by what it returns.
pub fn of_method<C: Charge, P: Payable<C>>(
    operation: &'static str,
    call: impl FnOnce() -> P,
) -> Measured<P::Value> {
    measured(operation, C::LIMITS, || call().paid())
}

/// The same for a method that is `async`.
pub fn of_async_method<C: Charge, P: Payable<C, Value: Future>>(
    operation: &'static str,
    call: P,
) -> impl Future<Output = Measured<<P::Value as Future>::Output>> {
    measured_future(operation, C::LIMITS, call.paid())
}

/// Asserts that a call of an application succeeded, and used no more memory, I/O operations and network bytes than its
/// verb declares.
///
/// ```
/// use cnv::prelude::*;
/// use cnv::testing::assert_within;
///
/// #[global_allocator]
/// static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();
///
/// /// Adds numbers.
/// #[verb(noun = "number", effect = "pure")]
/// #[budget(memory = "64KB", cpu = "10ms")]
/// fn add(a: u32, b: u32) -> Result<u32, Failure> {
///     Ok(a + b)
/// }
///
/// let reply = App::new("calculator").verbs(verbs![add]).call_blocking(["number", "add", "1", "2"]);
/// assert_within(&reply);
/// assert_eq!(reply.result.unwrap().as_json(), "3");
/// ```
///
/// # Panics
/// Where the call failed, since one that ended early used little; where its verb declares no budget; and as
/// [`Measured::assert_fits`] does.
#[cfg(feature = "command")]
#[track_caller]
pub fn assert_within(reply: &Reply) {
    let (name, usage, limits) = receipt_of(reply);
    let but_cpu = Resource::ALL
        .into_iter()
        .filter(|&resource| resource != Resource::Cpu);
    assert_within_limits(&name, usage, limits, but_cpu);
}

/// Asserts that a call of an application succeeded, and used no more processor time than its verb declares. See
/// [`Measured::assert_cpu_fits`] for when to.
///
/// # Panics
/// As [`assert_within`] does.
#[cfg(feature = "command")]
#[track_caller]
pub fn assert_cpu_within(reply: &Reply) {
    let (name, usage, limits) = receipt_of(reply);
    assert_within_limits(&name, usage, limits, [Resource::Cpu]);
}

#[cfg(feature = "command")]
#[track_caller]
fn receipt_of(reply: &Reply) -> (String, &Usage, &Limits) {
    if let Err(failure) = &reply.result {
        panic!("the call failed, so what it used says nothing: {failure}");
    }
    let Some(receipt) = &reply.receipt else {
        panic!("the call has no receipt: it never got to a verb");
    };
    let name = receipt.verb.to_string();
    let Some(limits) = receipt.allowed() else {
        panic!("`{name}` declares no budget: write `#[budget(..)]` on it");
    };
    (name, &receipt.usage, limits)
}

#[track_caller]
fn assert_within_limits(
    name: &str,
    usage: &Usage,
    limits: &Limits,
    resources: impl IntoIterator<Item = Resource>,
) {
    let resources: Vec<Resource> = resources.into_iter().collect();
    let is_unmetered = |&&resource: &&Resource| {
        limits.limit(resource) != UNLIMITED && usage.used(resource).is_none()
    };
    if let Some(resource) = resources.iter().find(is_unmetered) {
        panic!("{}", Unmetered(*resource, Location::caller()));
    }
    let over = Over {
        name,
        usage,
        limits,
        resources,
    };
    if over.resources().next().is_some() || usage.refused.is_some_and(|it| over.looks_at(it)) {
        panic!("{over}");
    }
}

/// The message where a limit cannot be looked at.
struct Unmetered<'a>(Resource, &'a Location<'a>);

impl fmt::Display for Unmetered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(resource, place) = self;
        write!(
            f,
            "{resource} is not metered in this test, so nothing can be said of it"
        )?;
        if *resource == Resource::Memory {
            write!(
                f,
                "; write this into {}:\n\n    #[global_allocator]\n    static ALLOCATOR: cnv::quota::MeteredAllocator = cnv::quota::MeteredAllocator::system();\n",
                place.file()
            )?;
        }
        Ok(())
    }
}

/// The message where more was used than declared.
struct Over<'a> {
    name: &'a str,
    usage: &'a Usage,
    limits: &'a Limits,
    resources: Vec<Resource>,
}

impl Over<'_> {
    fn looks_at(&self, resource: Resource) -> bool {
        self.resources.contains(&resource)
    }

    /// Resource, use and limit of what is over.
    fn resources(&self) -> impl Iterator<Item = (Resource, u64, u64)> + '_ {
        self.resources.iter().filter_map(|&resource| {
            let (used, limit) = (self.usage.used(resource)?, self.limits.limit(resource));
            (used > limit).then_some((resource, used, limit))
        })
    }
}

impl fmt::Display for Over<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut over = self.resources().enumerate().peekable();
        match self.usage.refused {
            Some(resource) if over.peek().is_none() => {
                write!(
                    f,
                    "`{}` was refused {resource} that it asked for",
                    self.name
                )?;
            }
            _ => write!(f, "`{}` used more than it declares", self.name)?,
        }
        for (i, (resource, used, _)) in over {
            let separator = if i == 0 { ": " } else { ", " };
            let used = resource.shown(used);
            let limit = self.limits.shown(resource);
            write!(f, "{separator}{resource} {used} of {limit}")?;
        }
        write!(f, "\n  declared {}\n  used     {}", self.limits, self.usage)
    }
}

/// Runs a call of a function or method with a [`macro@budget`](crate::budget) and gives what it used, as a
/// [`Measured`](crate::testing::Measured).
///
/// ```
/// use cnv::{budget, quota::charge_io};
/// use cnv::testing::use_of;
///
/// #[budget(memory = "10KB", cpu = "1s", io = 5)]
/// fn load() -> std::io::Result<()> {
///     Ok(charge_io(3)?)
/// }
///
/// let used = use_of!(load());
/// assert_eq!((used.usage.io_ops, used.limits.io_ops), (3, 5));
/// used.assert_cpu_fits().result.unwrap();
/// ```
///
/// The forms are those of [`assert_fits!`](crate::assert_fits), and arguments count as they do there.
#[macro_export]
macro_rules! use_of {
    (async $($name:ident)::+ $(::<$($generic:ty),* $(,)?>)? ($($arguments:tt)*)) => {
        $crate::testing::measured_future(
            <$($name)::+ as $crate::__private::quota::Budgeted>::NAME,
            <$($name)::+ as $crate::__private::quota::Budgeted>::LIMITS,
            $crate::run!($($name)::+ $(::<$($generic),*>)? ($($arguments)*)),
        )
    };
    (async $($call:tt)*) => {
        $crate::testing::__private::of_async_method(
            ::core::stringify!($($call)*),
            $crate::__private::run!($crate::testing::__private::charged => $($call)*),
        )
    };
    ($($name:ident)::+ $(::<$($generic:ty),* $(,)?>)? ($($arguments:tt)*)) => {
        $crate::testing::measured(
            <$($name)::+ as $crate::__private::quota::Budgeted>::NAME,
            <$($name)::+ as $crate::__private::quota::Budgeted>::LIMITS,
            || $crate::run!($($name)::+ $(::<$($generic),*>)? ($($arguments)*)),
        )
    };
    ($($call:tt)*) => {
        $crate::testing::__private::of_method(
            ::core::stringify!($($call)*),
            || $crate::__private::run!($crate::testing::__private::charged => $($call)*),
        )
    };
}

/// Runs a call of a function or method with a [`macro@budget`](crate::budget), and gives its result where it used no more
/// memory, I/O operations and network bytes than it declares.
///
/// | | |
/// |---|---|
/// | `assert_fits!(load(path))` | a function, by its path |
/// | `assert_fits!(store.load(key))` | a method |
/// | `assert_fits!(<Store>::open(path))` | a function of a type |
/// | `assert_fits!(async fetch(url)).await` | any of these that is `async` |
///
/// Arguments are worked out under the meter, in every form: bind what takes memory or time before the call, as in
/// `let text = read(path)?; assert_fits!(count(&text))`, or it counts.
///
/// ```should_panic
/// use cnv::{budget, quota::MeteredAllocator};
/// use cnv::testing::assert_fits;
///
/// #[global_allocator]
/// static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();
///
/// #[budget(memory = "10KB", cpu = "1ms")]
/// fn list(count: usize) -> Vec<u8> {
///     vec![0; count]
/// }
///
/// assert_fits!(list(10_000));
/// assert_fits!(list(10_001)); // `list` used more than it declares: memory 10.001 KB of 10 KB
/// ```
///
/// # Panics
/// As [`Measured::assert_fits`](crate::testing::Measured::assert_fits) does. Processor time is not looked at:
/// [`use_of!`](crate::use_of) and [`assert_cpu_fits`](crate::testing::Measured::assert_cpu_fits) do, where it is wanted.
#[macro_export]
macro_rules! assert_fits {
    (async $($call:tt)*) => {{
        let measured = $crate::use_of!(async $($call)*);
        async move { measured.await.assert_fits() }
    }};
    ($($call:tt)*) => {
        $crate::use_of!($($call)*).assert_fits()
    };
}
