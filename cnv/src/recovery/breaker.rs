//! The circuit breaker as a plain state machine: no atomics, no clock, no lock. [`gate`](super::gate) keeps it in one.

use super::random::Random;
use super::refused::Cause;
use super::settings::{CircuitBreaker, WHOLE, ns};
use super::window::Window;

/// What state a circuit breaker is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// Calls are refused for some time.
    Open,
    /// A few calls try whether it works again.
    HalfOpen,
    /// Calls are refused until [`set_mode`](super::Policy::set_mode) says otherwise.
    ForcedOpen,
    /// Calls pass, and are not counted.
    Disabled,
    /// Calls pass, and are counted.
    MetricsOnly,
}

impl BreakerState {
    /// Its name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
            Self::MetricsOnly => "metrics_only",
        }
    }
}

/// What an operator made of a circuit breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// It opens and closes by its rules.
    #[default]
    Normal,
    /// It is open until another mode is set.
    ForcedOpen,
    /// It lets everything pass and counts nothing.
    Disabled,
    /// It lets everything pass and counts.
    MetricsOnly,
}

/// What became of an attempt, for the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    Failure,
    /// It said nothing about the dependency, or was dropped.
    Nothing,
}

/// That an attempt was let through. Whoever has one hands it back with an outcome, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    /// The state is another one since, where the breaker's is another one.
    pub(super) epoch: u32,
    pub(super) is_probe: bool,
}

/// That none was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) cause: Cause,
    pub(super) retry_after_ns: Option<u64>,
}

/// What became of an attempt, as it is reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) pass: Pass,
    pub(super) outcome: Outcome,
    pub(super) is_slow: bool,
    pub(super) now_ns: u64,
    /// The number of all successes, this one included if it is one.
    pub(super) successes: u64,
}

pub(super) struct Breaker {
    mode: Mode,
    phase: Phase,
    /// Counts changes of mode and phase.
    epoch: u32,
    window: Window,
    /// Failures one after the other.
    consecutive: u32,
    /// How often it opened without being closed for a window in between.
    openings: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Closed {
        since_ns: u64,
    },
    Open {
        since_ns: u64,
        for_ns: u64,
    },
    HalfOpen {
        since_ns: u64,
        /// Probes that were let through and are not back.
        out: u32,
        succeeded: u32,
    },
}

impl Breaker {
    pub(super) const fn new() -> Self {
        Self {
            mode: Mode::Normal,
            phase: Phase::Closed { since_ns: 0 },
            epoch: 0,
            window: Window::new(),
            consecutive: 0,
            openings: 0,
        }
    }

    pub(super) const fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(super) const fn state(&self) -> BreakerState {
        match (self.mode, self.phase) {
            (Mode::ForcedOpen, _) => BreakerState::ForcedOpen,
            (Mode::Disabled, _) => BreakerState::Disabled,
            (Mode::MetricsOnly, _) => BreakerState::MetricsOnly,
            (Mode::Normal, Phase::Closed { .. }) => BreakerState::Closed,
            (Mode::Normal, Phase::Open { .. }) => BreakerState::Open,
            (Mode::Normal, Phase::HalfOpen { .. }) => BreakerState::HalfOpen,
        }
    }

    /// Whether a success has something to put an end to.
    pub(super) const fn has_streak(&self) -> bool {
        self.consecutive > 0
    }

    /// When the current bucket began.
    pub(super) const fn bucket_start_ns(&self) -> u64 {
        self.window.start_ns()
    }

    /// From when on, and for how long, everything is refused.
    pub(super) const fn open_span_ns(&self) -> Option<(u64, u64)> {
        match (self.mode, self.phase) {
            (Mode::Normal, Phase::Open { since_ns, for_ns }) => Some((since_ns, for_ns)),
            _ => None,
        }
    }

    /// Sets the mode; what was counted before counts no more.
    pub(super) fn set_mode(&mut self, mode: Mode, now_ns: u64, successes: u64) {
        if mode != self.mode {
            self.mode = mode;
            self.close(now_ns, successes);
            self.openings = 0;
        }
    }

    pub(super) fn slide(&mut self, now_ns: u64, settings: &CircuitBreaker, successes: u64) {
        self.window.slide(now_ns, settings.bucket_ns(), successes);
    }

    /// Whether those on the short way cannot know what it says.
    pub(super) const fn has_to_be_asked(&self) -> bool {
        match self.mode {
            Mode::Normal => !matches!(self.phase, Phase::Closed { .. }),
            Mode::ForcedOpen => true,
            Mode::Disabled | Mode::MetricsOnly => false,
        }
    }

    /// Why it would refuse an attempt now; nothing changes.
    pub(super) fn refusal(&self, now_ns: u64, settings: &CircuitBreaker) -> Option<Closed> {
        let is_within = |since_ns: u64, for_ns| now_ns.wrapping_sub(since_ns) < for_ns;
        match (self.mode, self.phase) {
            (Mode::ForcedOpen, _) => Some(Closed::FORCED),
            (Mode::Normal, Phase::Open { since_ns, for_ns }) if is_within(since_ns, for_ns) => {
                Some(Closed::open(for_ns - (now_ns - since_ns)))
            }
            (
                Mode::Normal,
                Phase::HalfOpen {
                    since_ns,
                    out,
                    succeeded,
                },
            ) if out + succeeded >= settings.probes
                && is_within(since_ns, ns(settings.half_open)) =>
            {
                Some(Closed::PROBES_OUT)
            }
            _ => None,
        }
    }

    /// Lets an attempt through, or not.
    pub(super) fn admit(
        &mut self,
        now_ns: u64,
        settings: &CircuitBreaker,
        random: &mut Random,
    ) -> Result<Pass, Closed> {
        match self.mode {
            Mode::Normal => self.admit_by_phase(now_ns, settings, random),
            Mode::Disabled | Mode::MetricsOnly => Ok(self.pass()),
            Mode::ForcedOpen => Err(Closed::FORCED),
        }
    }

    fn admit_by_phase(
        &mut self,
        now_ns: u64,
        settings: &CircuitBreaker,
        random: &mut Random,
    ) -> Result<Pass, Closed> {
        match &mut self.phase {
            Phase::Closed { .. } => return Ok(self.pass()),
            Phase::Open { since_ns, for_ns } => match now_ns.checked_sub(*since_ns) {
                Some(elapsed_ns) if elapsed_ns >= *for_ns => self.half_open(now_ns),
                Some(elapsed_ns) => return Err(Closed::open(*for_ns - elapsed_ns)),
                None => {
                    // The clock went back: it stays open as long as it was to, from here on.
                    *since_ns = now_ns;
                    return Err(Closed::open(*for_ns));
                }
            },
            Phase::HalfOpen { since_ns, out, .. } => match now_ns.checked_sub(*since_ns) {
                Some(elapsed_ns) if elapsed_ns < ns(settings.half_open) => {}
                // Nobody called. Those who do now have all of the time.
                Some(_) if *out == 0 => *since_ns = now_ns,
                // The probes are out for too long, and are not waited for.
                Some(_) => {
                    let for_ns = self.open(now_ns, settings, random);
                    return Err(Closed::open(for_ns));
                }
                None => *since_ns = now_ns,
            },
        }
        self.probe(settings)
    }

    /// Lets a probe through, if not all are out or back.
    fn probe(&mut self, settings: &CircuitBreaker) -> Result<Pass, Closed> {
        match &mut self.phase {
            Phase::HalfOpen { out, succeeded, .. } if *out + *succeeded < settings.probes => {
                *out += 1;
                Ok(Pass {
                    epoch: self.epoch,
                    is_probe: true,
                })
            }
            _ => Err(Closed::PROBES_OUT),
        }
    }

    const fn pass(&self) -> Pass {
        Pass {
            epoch: self.epoch,
            is_probe: false,
        }
    }

    /// Whether what becomes of this attempt counts: nothing changed since it was let through.
    pub(super) fn counts(&self, pass: Pass) -> bool {
        pass.epoch == self.epoch && self.mode != Mode::Disabled
    }

    /// Takes a pass back, and says whether it opened.
    pub(super) fn take_back(
        &mut self,
        report: &Report,
        settings: &CircuitBreaker,
        random: &mut Random,
    ) -> bool {
        if !self.counts(report.pass) {
            return false;
        }
        let opens = if report.pass.is_probe {
            self.take_probe_back(report, settings)
        } else {
            self.record(report, settings)
        };
        if opens {
            self.open(report.now_ns, settings, random);
        }
        opens
    }

    /// Counts what became of an attempt, and says whether to open.
    fn record(&mut self, report: &Report, settings: &CircuitBreaker) -> bool {
        self.slide(report.now_ns, settings, report.successes);
        let is_failure = report.outcome == Outcome::Failure;
        match report.outcome {
            Outcome::Nothing => return false,
            Outcome::Success => self.consecutive = 0,
            Outcome::Failure if settings.consecutive.is_some() => {
                self.consecutive = self.consecutive.saturating_add(1);
            }
            Outcome::Failure => {}
        }
        self.window.add(is_failure, report.is_slow);
        // What is well opens nothing, as on the short way, which does not come here.
        (is_failure || report.is_slow)
            && self.mode == Mode::Normal
            && self.is_failing(settings, report.successes)
    }

    /// Takes a probe back, and says whether to open.
    fn take_probe_back(&mut self, report: &Report, settings: &CircuitBreaker) -> bool {
        let Phase::HalfOpen { out, succeeded, .. } = &mut self.phase else {
            return false;
        };
        *out = out.saturating_sub(1);
        match report.outcome {
            Outcome::Nothing => false,
            Outcome::Success if !report.is_slow => {
                *succeeded += 1;
                if *succeeded >= settings.probes {
                    self.close(report.now_ns, report.successes);
                }
                false
            }
            Outcome::Success | Outcome::Failure => true,
        }
    }

    fn is_failing(&self, settings: &CircuitBreaker, successes: u64) -> bool {
        if settings
            .consecutive
            .is_some_and(|most| self.consecutive >= most)
        {
            return true;
        }
        let sums = self.window.sums(successes);
        let calls = sums.successes.saturating_add(sums.failures);
        let is_part = |part: u64, millionths: u64| {
            u128::from(part) * u128::from(WHOLE) >= u128::from(calls) * u128::from(millionths)
        };
        calls >= settings.minimum.into()
            && (is_part(sums.failures, settings.failure_millionths)
                || settings.slow.is_some() && is_part(sums.slow, settings.slow_millionths))
    }

    /// Opens, and says for how long.
    fn open(&mut self, now_ns: u64, settings: &CircuitBreaker, random: &mut Random) -> u64 {
        if let Phase::Closed { since_ns } = self.phase
            && now_ns.saturating_sub(since_ns) >= ns(settings.window)
        {
            self.openings = 0;
        }
        let open_ns = ns(settings.open);
        let grown_ns = if self.openings < open_ns.leading_zeros() {
            open_ns << self.openings
        } else {
            u64::MAX
        };
        let base_ns = grown_ns.min(ns(settings.longest_open));
        self.openings = self.openings.saturating_add(1);
        let for_ns = base_ns + random.up_to(base_ns / 4);
        self.enter(Phase::Open {
            since_ns: now_ns,
            for_ns,
        });
        for_ns
    }

    fn half_open(&mut self, now_ns: u64) {
        self.enter(Phase::HalfOpen {
            since_ns: now_ns,
            out: 0,
            succeeded: 0,
        });
    }

    fn close(&mut self, now_ns: u64, successes: u64) {
        self.window.clear(now_ns, successes);
        self.consecutive = 0;
        self.enter(Phase::Closed { since_ns: now_ns });
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch = self.epoch.wrapping_add(1);
    }
}

impl Closed {
    const FORCED: Self = Self {
        cause: Cause::ForcedOpen,
        retry_after_ns: None,
    };

    const PROBES_OUT: Self = Self {
        cause: Cause::ProbesOut,
        retry_after_ns: None,
    };

    pub(super) const fn open(retry_after_ns: u64) -> Self {
        Self {
            cause: Cause::Open,
            retry_after_ns: Some(retry_after_ns),
        }
    }
}

impl CircuitBreaker {
    pub(super) const fn bucket_ns(&self) -> u64 {
        ns(self.window) / 10
    }
}
