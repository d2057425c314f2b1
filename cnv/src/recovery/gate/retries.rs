//! The retries of a policy's calls: what each earns, and when the next attempt is made.

use super::super::backoff::backoff_ns;
use super::super::counters::Event;
use super::super::settings::{Retry, Settings, ns};
use super::super::trace::Decision;
use super::Gate;

/// How long a call without a deadline backs off because the dependency says so: five minutes, or its retries' cap where
/// that is longer. A server that is restarted asks for less.
const LONGEST_PUSHBACK_NS: u64 = 300 * 1_000_000_000;

impl Gate {
    /// A call that failed earns its part of a retry, as one that succeeds does.
    pub(in crate::recovery) fn earn(&self, settings: &Settings) {
        let mut machine = self.lock();
        machine.retry_budget.earn(1, &settings.account());
        self.retries.publish(&machine.retry_budget);
    }

    /// Takes a retry out of the budget, and says how long to back off, in nanoseconds. After its first attempt the call
    /// earns its part before. How it backs off the call says, and what there is in the budget the policy's settings.
    pub(in crate::recovery) fn back_off(
        &self,
        settings: &Settings,
        retry: &Retry,
        attempts: u32,
        pushback_ns: Option<u64>,
        remaining_ns: u64,
        now_ns: u64,
    ) -> Result<u64, Decision> {
        let account = settings.account();
        let mut machine = self.lock();
        let machine = &mut *machine;
        if attempts == 1 {
            machine.retry_budget.earn(1, &account);
            self.retries.publish(&machine.retry_budget);
        }
        let delay_ns = match pushback_ns {
            // A server that is wrong, or means tomorrow, would use up the bulkhead: the call keeps its permit meanwhile.
            Some(pushback_ns)
                if remaining_ns == u64::MAX
                    && pushback_ns > LONGEST_PUSHBACK_NS.max(ns(retry.cap)) =>
            {
                return Err(Decision::PushbackTooLong);
            }
            Some(pushback_ns) => pushback_ns,
            None => backoff_ns(retry, attempts, &mut machine.random),
        };
        if delay_ns >= remaining_ns {
            return Err(Decision::TooLittleTime);
        }
        let successes = self.slots.successes();
        machine
            .retry_budget
            .earn(successes.wrapping_sub(machine.earned), &account);
        machine.earned = successes;
        let is_spent = !machine.retry_budget.spend(now_ns, &account);
        self.retries.publish(&machine.retry_budget);
        if is_spent {
            machine.tally.add(Event::RetryRefused);
            return Err(Decision::RetryBudgetSpent);
        }
        machine.tally.add(Event::Retry);
        Ok(delay_ns)
    }

    /// How many retries are left to all calls together. Successes since the last failure have earned some more.
    pub(in crate::recovery) fn retries_left(&self, settings: &Settings, now_ns: u64) -> u32 {
        self.retries.left(now_ns, &settings.account())
    }
}
