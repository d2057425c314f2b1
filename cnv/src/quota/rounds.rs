//! The bound of a loop, as it runs.

use core::error::Error;
use core::fmt;

/// A loop went on after the number of rounds that its `#[repeat(max = ..)]` allows. What it did in them is
/// done; nothing of the round after them was.
///
/// ```
/// use cnv::budget;
/// use cnv::quota::RoundsExceeded;
///
/// #[budget(cpu = "1ms")]
/// fn sum(numbers: &[u64]) -> Result<u64, RoundsExceeded> {
///     let mut sum = 0;
///     #[repeat(max = 2)]
///     for number in numbers {
///         sum += number;
///     }
///     Ok(sum)
/// }
///
/// assert_eq!(cnv::run!(sum(&[1, 2])), Ok(3));
/// let exceeded = cnv::run!(sum(&[1, 2, 3])).unwrap_err();
/// assert_eq!(exceeded.to_string(), "over budget in `sum`: a loop goes on after 2 rounds");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoundsExceeded {
    /// How many rounds the loop may take.
    pub max: u64,
    /// The function that the loop stands in.
    pub operation: &'static str,
}

impl fmt::Display for RoundsExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max, operation } = self;
        let rounds = if *max == 1 { "round" } else { "rounds" };
        write!(
            f,
            "over budget in `{operation}`: a loop goes on after {max} {rounds}"
        )
    }
}

impl Error for RoundsExceeded {}

#[cfg(feature = "std")]
impl From<RoundsExceeded> for std::io::Error {
    fn from(exceeded: RoundsExceeded) -> Self {
        Self::new(std::io::ErrorKind::QuotaExceeded, exceeded)
    }
}

/// What a function returns whose budget can stop it.
#[diagnostic::on_unimplemented(
    message = "a budget that stops a function does so with an error, and `{Self}` is no `Result`",
    label = "this needs a `Result` to be returned",
    note = "return a `Result` whose error has `From<{E}>`"
)]
pub trait Stopped<E> {
    /// What is returned.
    fn stopped(error: E) -> Self;
}

impl<T, F: From<E>, E> Stopped<E> for Result<T, F> {
    #[inline]
    fn stopped(error: E) -> Self {
        Err(F::from(error))
    }
}

/// What a function returns that is stopped by `error`.
#[inline]
pub fn stopped<R: Stopped<E>, E>(error: E) -> R {
    R::stopped(error)
}

/// Counts the rounds of one loop.
#[derive(Debug)]
pub struct Rounds {
    left: u64,
    exceeded: RoundsExceeded,
}

impl Rounds {
    /// Of a loop in `operation` that takes `max`.
    #[inline]
    pub const fn new(operation: &'static str, max: u64) -> Self {
        Self {
            left: max,
            exceeded: RoundsExceeded { max, operation },
        }
    }

    /// Begins a round.
    ///
    /// # Errors
    /// Where there were as many as allowed.
    #[inline]
    pub fn begin(&mut self) -> Result<(), RoundsExceeded> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.exceeded),
        }
    }
}
