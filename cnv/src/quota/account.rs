//! What a body's calls add up to, in const evaluation: the arithmetic of composition.
//!
//! An account is opened for the caller, and every call that it pays for is a step. A step that is over
//! panics, which in const evaluation is a compile error with the panic's message under that step.
//!
//! Processor time, operations and network bytes of calls one after another add up. Memory is a pair: what
//! a call has at its peak, and what of it is still there afterwards. In a loop the order of peaks is not
//! followed: what all rounds keep, plus the largest difference between a peak and what stays of it, is at
//! least what any order can have.

use super::charge::Cost;
use super::limits::Limits;
use super::resource::{Resource, UNLIMITED};
use crate::const_text::Text;

/// What a function declares, and how much of it the calls so far may use.
#[derive(Clone, Copy, Debug)]
#[must_use = "the account is only checked as far as it is carried on"]
pub struct Account {
    name: &'static str,
    limits: Limits,
    /// Of a resource that is limited; memory at its peak.
    used: Limits,
    /// The memory that is still there after the calls so far, in bytes.
    retained: u64,
    /// In a loop, the largest difference between a call's peak and what stays of it.
    in_loop: Option<u64>,
    /// In a branch of a loop, what another branch retains: another round may take that one.
    beside: u64,
}

/// Room for a sentence with two names of functions in it.
pub(super) type Message = Text<1024>;

/// The account of the function `name`, with nothing used.
pub const fn open(name: &'static str, limits: Limits) -> Account {
    let used = Limits {
        memory_bytes: 0,
        cpu_ns: 0,
        io_ops: 0,
        network_bytes: 0,
    };
    Account {
        name,
        limits,
        used,
        retained: 0,
        in_loop: None,
        beside: 0,
    }
}

/// The account of a method, which a trait may have given no limit on its processor time.
///
/// # Panics
/// Where it has none; in const evaluation that is the compile error.
#[track_caller]
pub const fn open_method(name: &'static str, limits: Limits) -> Account {
    if limits.cpu_ns == UNLIMITED {
        let text = Message::new()
            .code(name)
            .str(" spends, so it has to limit its processor time: write `cpu = \"..\"` in its trait; without that, methods could spend each other in a circle");
        panic!("{}", text.as_str());
    }
    open(name, limits)
}

/// The account at the start of a loop, or of the outermost of several.
pub const fn enter_loop(account: Account) -> Account {
    Account {
        in_loop: Some(0),
        ..account
    }
}

/// The account after the loop that was [entered](enter_loop) last.
pub const fn leave_loop(account: Account) -> Account {
    Account {
        in_loop: None,
        ..account
    }
}

/// `max` rounds of a loop, each of which is run `times`.
pub const fn rounds(times: u64, max: u64) -> u64 {
    times.saturating_mul(max)
}

/// How often the condition of a loop of `max` rounds is asked.
pub const fn conditions(max: u64) -> u64 {
    max.saturating_add(1)
}

/// Charges `times` calls of `callee`, each of which may use `cost`.
///
/// # Panics
/// Where the account does not hold as much; in const evaluation that is the compile error.
#[track_caller]
pub const fn step(account: Account, callee: &'static str, cost: Cost, times: u64) -> Account {
    match charge(account, callee, cost, times) {
        Ok(account) => account,
        Err(call) => panic!("{}", call.message(&account).as_str()),
    }
}

const fn larger_of(a: u64, b: u64) -> u64 {
    if a > b { a } else { b }
}

/// The account at the start of a further branch, after `account` was taken through others to `sibling`. In a loop a round
/// of one branch meets what rounds of another retained, and what those have at their peak.
pub const fn beside(account: Account, sibling: Account) -> Account {
    let (Some(slack), Some(other)) = (account.in_loop, sibling.in_loop) else {
        return account;
    };
    Account {
        in_loop: Some(larger_of(slack, other)),
        beside: larger_of(account.beside, sibling.retained),
        ..account
    }
}

/// Where only one of two ways is taken: the larger use of each resource.
pub const fn larger(a: Account, b: Account) -> Account {
    Account {
        used: Limits {
            memory_bytes: larger_of(a.used.memory_bytes, b.used.memory_bytes),
            cpu_ns: larger_of(a.used.cpu_ns, b.used.cpu_ns),
            io_ops: larger_of(a.used.io_ops, b.used.io_ops),
            network_bytes: larger_of(a.used.network_bytes, b.used.network_bytes),
        },
        retained: larger_of(a.retained, b.retained),
        in_loop: match (a.in_loop, b.in_loop) {
            (Some(a), Some(b)) => Some(larger_of(a, b)),
            _ => None,
        },
        ..a
    }
}

/// The account afterwards, or the part of the charge that is over.
const fn charge(
    mut account: Account,
    callee: &'static str,
    cost: Cost,
    times: u64,
) -> Result<Account, Call> {
    if times == 0 {
        return Ok(account);
    }
    let mut i = 0;
    while i < Resource::ALL.len() {
        let resource = Resource::ALL[i];
        let call = Call {
            callee,
            times,
            resource,
            each: cost.limits.limit(resource),
            retained: cost.retained,
        };
        if account.limits.limit(resource) != UNLIMITED {
            match call.charge(&account) {
                Some(charged) => account = charged,
                None => return Err(call),
            }
        }
        i += 1;
    }
    Ok(account)
}

/// One resource of one charge.
#[derive(Debug)]
struct Call {
    callee: &'static str,
    times: u64,
    resource: Resource,
    each: u64,
    /// Of memory, what stays of each.
    retained: u64,
}

impl Call {
    /// The account after the call; `None` where the call is too much for it.
    const fn charge(&self, account: &Account) -> Option<Account> {
        if self.each == UNLIMITED {
            return None;
        }
        let limit = account.limits.limit(self.resource);
        // A function has to take some time itself. Without that rule a function could call
        // itself within its own budget.
        let itself = matches!(self.resource, Resource::Cpu) as u128;
        let used = self.before(account) + self.needed();
        if used + itself > limit as u128 {
            return None;
        }
        let used = used as u64;
        let mut charged = *account;
        match self.resource {
            Resource::Memory => {
                // No more than `used`, which was seen to fit.
                charged.retained = account.retained + self.times * self.retained;
                if let Some(slack) = account.in_loop {
                    charged.in_loop = Some(larger_of(slack, self.slack()));
                }
                charged.used.memory_bytes = larger_of(account.used.memory_bytes, used);
            }
            Resource::Cpu => charged.used.cpu_ns = used,
            Resource::Io => charged.used.io_ops = used,
            Resource::Network => charged.used.network_bytes = used,
        }
        Some(charged)
    }

    /// What is taken of the resource when the call begins, and cannot be used by it.
    const fn before(&self, account: &Account) -> u128 {
        match (self.resource, account.in_loop) {
            (Resource::Memory, Some(slack)) => {
                // All that stays, of this branch or of another, with the larger difference on top, less what is the call's.
                let stays = account.retained as u128 + self.stays();
                let most = if stays > account.beside as u128 {
                    stays
                } else {
                    account.beside as u128
                };
                let all = most + larger_of(slack, self.slack()) as u128;
                all - self.needed()
            }
            (Resource::Memory, None) => account.retained as u128,
            (resource, _) => account.used.limit(resource) as u128,
        }
    }

    /// What stays of the calls' memory.
    const fn stays(&self) -> u128 {
        self.retained as u128 * self.times as u128
    }

    /// What a call has at its peak beyond what stays of it.
    const fn slack(&self) -> u64 {
        self.each - self.retained
    }

    /// What the calls need together. Wide enough for every product of a limit and a count.
    const fn needed(&self) -> u128 {
        match self.resource {
            Resource::Memory => self.stays() + self.slack() as u128,
            _ => self.each as u128 * self.times as u128,
        }
    }

    /// What is left for the call.
    const fn left_of(&self, account: &Account) -> u64 {
        let limit = account.limits.limit(self.resource);
        let before = self.before(account);
        if before > limit as u128 {
            return 0;
        }
        limit - before as u64
    }

    /// Why the call is over.
    const fn message(&self, account: &Account) -> Message {
        if self.each == UNLIMITED {
            self.unlimited(account)
        } else {
            self.over(account)
        }
    }

    const fn unlimited(&self, account: &Account) -> Message {
        let (what, limit) = match self.resource {
            Resource::Memory => ("memory", "a memory"),
            Resource::Cpu => ("cpu", "a cpu"),
            Resource::Io => ("I/O", "an io"),
            Resource::Network => ("network", "a network"),
        };
        let text = Text::new()
            .str("over budget: ")
            .code(self.callee)
            .str(" may use unlimited ")
            .str(what)
            .str(" but ");
        self.left(text, account)
            .str("; give ")
            .code(self.callee)
            .str(" ")
            .str(limit)
            .str(" limit")
    }

    const fn over(&self, account: &Account) -> Message {
        let limit = account.limits.limit(self.resource);
        let left = self.left_of(account);
        let needed = self.needed();
        let text = Text::new().str("over budget: ");
        if limit == 0 && matches!(self.resource, Resource::Cpu) {
            return text
                .code(account.name)
                .str(" declares no cpu but needs at least 1 ns for itself");
        }
        let text = self.subject(text);
        let text = amount(text, self.resource, needed).str(" but ");
        let text = self.left(text, account);
        if limit == 0 {
            self.suggestion(text.str("; write `"))
                .str("` in its budget")
        } else if needed <= left as u128 {
            text.str(", and needs at least 1 ns for itself")
        } else {
            text
        }
    }

    /// "`fetch` needs " or "3 calls of `fetch` need ".
    const fn subject(&self, text: Message) -> Message {
        if self.times == 1 {
            text.code(self.callee).str(" needs ")
        } else {
            text.number(self.times as u128)
                .str(" calls of ")
                .code(self.callee)
                .str(" need ")
        }
    }

    /// "`handler` has 400 KB left of its 1 MB" or "`handler` declares none".
    const fn left(&self, text: Message, account: &Account) -> Message {
        let limit = account.limits.limit(self.resource);
        let left = self.left_of(account);
        let text = text.code(account.name);
        if limit == 0 {
            return text.str(" declares none");
        }
        text.str(" has ")
            .quantity(self.resource, left as u128)
            .str(" left of its ")
            .quantity(self.resource, limit as u128)
    }

    /// The argument that would pay for the call: `io = 4`, `network = "4KB"`.
    const fn suggestion(&self, text: Message) -> Message {
        let needed = self.needed();
        let text = text.str(self.resource.name()).str(" = ");
        if matches!(self.resource, Resource::Io) && !needed.is_multiple_of(1000) {
            text.number(needed)
        } else {
            text.str("\"").literal(self.resource, needed).str("\"")
        }
    }
}

/// "600 KB of memory", "4 I/O operations".
pub(super) const fn amount(text: Message, resource: Resource, amount: u128) -> Message {
    let text = text.quantity(resource, amount);
    match resource {
        Resource::Memory => text.str(" of memory"),
        Resource::Cpu => text.str(" of cpu"),
        Resource::Io if amount == 1 => text.str(" I/O operation"),
        Resource::Io => text.str(" I/O operations"),
        Resource::Network => text.str(" of network"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The caller of every test: 1 MB, 1 ms, 10 operations, no network.
    const HANDLER: Limits = Limits {
        memory_bytes: 1_000_000,
        cpu_ns: 1_000_000,
        io_ops: 10,
        network_bytes: 0,
    };

    const NOTHING: Limits = Limits {
        memory_bytes: 0,
        cpu_ns: 0,
        io_ops: 0,
        network_bytes: 0,
    };

    /// A call that keeps all of its memory.
    fn keeps(limits: Limits) -> Cost {
        let retained = limits.memory_bytes;
        Cost { limits, retained }
    }

    fn step(account: Account, callee: &'static str, limits: Limits, times: u64) -> Account {
        super::step(account, callee, keeps(limits), times)
    }

    #[track_caller]
    fn message(account: Account, limits: Limits, times: u64) -> String {
        refusal(account, keeps(limits), times)
    }

    #[track_caller]
    fn refusal(account: Account, cost: Cost, times: u64) -> String {
        match charge(account, "fetch", cost, times) {
            Ok(account) => panic!("accepted: {account:?}"),
            Err(call) => call.message(&account).as_str().to_owned(),
        }
    }

    fn memory(memory_bytes: u64) -> Limits {
        Limits {
            memory_bytes,
            ..NOTHING
        }
    }

    fn cpu(cpu_ns: u64) -> Limits {
        Limits { cpu_ns, ..NOTHING }
    }

    fn io(io_ops: u64) -> Limits {
        Limits { io_ops, ..NOTHING }
    }

    fn network(network_bytes: u64) -> Limits {
        Limits {
            network_bytes,
            ..NOTHING
        }
    }

    #[test]
    fn a_sequence_adds_up_and_says_what_is_left() {
        let account = step(open("handler", HANDLER), "load", memory(600_000), 1);
        assert_eq!(
            message(account, memory(600_000), 1),
            "over budget: `fetch` needs 600 KB of memory but `handler` has 400 KB left of its 1 MB"
        );
        let account = step(account, "fetch", memory(400_000), 1);
        assert_eq!(
            message(account, memory(1), 1),
            "over budget: `fetch` needs 1 B of memory but `handler` has none left of its 1 MB"
        );
    }

    #[test]
    fn an_unlimited_callee_needs_an_unlimited_caller() {
        let account = step(open("handler", HANDLER), "load", memory(600_000), 1);
        assert_eq!(
            message(account, memory(UNLIMITED), 1),
            "over budget: `fetch` may use unlimited memory but `handler` has 400 KB left of its \
             1 MB; give `fetch` a memory limit"
        );
        assert_eq!(
            message(account, network(UNLIMITED), 1),
            "over budget: `fetch` may use unlimited network but `handler` declares none; \
             give `fetch` a network limit"
        );
        let free = open("handler", Limits::unlimited());
        let free = step(free, "fetch", Limits::unlimited(), u64::MAX);
        let _ = step(free, "fetch", Limits::unlimited(), 1);
    }

    #[test]
    fn an_undeclared_resource_is_named_with_what_to_write() {
        let silent = Limits {
            io_ops: 0,
            ..HANDLER
        };
        let account = open("handler", silent);
        assert_eq!(
            message(account, io(4), 1),
            "over budget: `fetch` needs 4 I/O operations but `handler` declares none; \
             write `io = 4` in its budget"
        );
        assert_eq!(
            message(account, io(1), 1),
            "over budget: `fetch` needs 1 I/O operation but `handler` declares none; \
             write `io = 1` in its budget"
        );
        assert_eq!(
            message(account, io(50_000), 2),
            "over budget: 2 calls of `fetch` need 100k I/O operations but `handler` declares none; \
             write `io = \"100k\"` in its budget"
        );
        assert_eq!(
            message(account, network(4_000), 1),
            "over budget: `fetch` needs 4 KB of network but `handler` declares none; \
             write `network = \"4KB\"` in its budget"
        );
    }

    #[test]
    fn a_caller_keeps_a_nanosecond_for_itself() {
        let account = open("handler", HANDLER);
        let _ = step(account, "fetch", cpu(999_999), 1);
        assert_eq!(
            message(account, cpu(1_000_000), 1),
            "over budget: `fetch` needs 1 ms of cpu but `handler` has 1 ms left of its 1 ms, \
             and needs at least 1 ns for itself"
        );
        assert_eq!(
            message(account, cpu(2_000_000), 1),
            "over budget: `fetch` needs 2 ms of cpu but `handler` has 1 ms left of its 1 ms"
        );
        assert_eq!(
            message(open("handler", NOTHING), NOTHING, 1),
            "over budget: `handler` declares no cpu but needs at least 1 ns for itself"
        );
    }

    #[test]
    fn the_first_resource_in_order_is_reported() {
        let everything = Limits {
            memory_bytes: 1_000_001,
            cpu_ns: UNLIMITED,
            io_ops: 11,
            network_bytes: 1,
        };
        let account = open("handler", HANDLER);
        let first = |limits| message(account, limits, 1);
        assert!(first(everything).contains("of memory"));
        let rest = Limits {
            memory_bytes: 0,
            ..everything
        };
        assert!(first(rest).contains("unlimited cpu"));
        let rest = Limits { cpu_ns: 0, ..rest };
        assert!(first(rest).contains("I/O"));
        let rest = Limits { io_ops: 0, ..rest };
        assert!(first(rest).contains("of network"));
    }

    #[test]
    fn the_larger_branch_counts_for_each_resource() {
        let before = open("handler", HANDLER);
        let a = step(before, "a", memory(600_000), 1);
        let b = step(step(before, "b", memory(100_000), 1), "c", io(7), 1);
        for after in [larger(a, b), larger(b, a)] {
            assert_eq!(after.used.memory_bytes, 600_000);
            assert_eq!(after.used.io_ops, 7);
            assert_eq!(after.name, "handler");
        }
    }

    #[test]
    fn products_do_not_overflow() {
        let account = open("handler", HANDLER);
        assert_eq!(
            message(account, memory(UNLIMITED - 1), u64::MAX),
            "over budget: 18446744073709551615 calls of `fetch` need \
             340282366920938463408034375210639556.61 KB of memory but `handler` has 1 MB left \
             of its 1 MB"
        );
        let huge = Limits {
            memory_bytes: UNLIMITED - 1,
            ..HANDLER
        };
        let account = step(open("handler", huge), "a", memory(UNLIMITED - 1), 1);
        assert!(charge(account, "b", keeps(memory(1)), 1).is_err());
        assert!(charge(account, "b", keeps(memory(UNLIMITED - 1)), 0).is_ok());
    }

    /// A call with a peak of `peak` bytes that keeps `retained` of them.
    fn pair(peak: u64, retained: u64) -> Cost {
        Cost {
            limits: memory(peak),
            retained,
        }
    }

    #[test]
    fn only_what_a_call_keeps_is_there_during_the_next() {
        let account = super::step(open("handler", HANDLER), "a", pair(900_000, 100_000), 1);
        assert_eq!(account.used.memory_bytes, 900_000);
        assert_eq!(
            refusal(account, pair(900_001, 0), 1),
            "over budget: `fetch` needs 900.001 KB of memory but `handler` has 900 KB left of its 1 MB"
        );
        let account = super::step(account, "b", pair(900_000, 0), 1);
        assert_eq!(
            (account.used.memory_bytes, account.retained),
            (1_000_000, 100_000)
        );
    }

    /// Every order of peaks in every number of rounds is within what is charged.
    #[test]
    fn a_loop_has_at_most_what_is_charged() {
        let calls = [(7, 2), (5, 5), (9, 0), (1, 1)];
        for rounds in 1..5 {
            for first in 0..calls.len() {
                for second in 0..calls.len() {
                    let calls = [calls[first], calls[second]];
                    let mut account = enter_loop(open("handler", HANDLER));
                    for (peak, retained) in calls {
                        account = super::step(account, "a", pair(peak, retained), rounds);
                    }
                    let (mut held, mut real) = (0, 0);
                    for _ in 0..rounds {
                        for (peak, retained) in calls {
                            real = real.max(held + peak);
                            held += retained;
                        }
                    }
                    let account = leave_loop(account);
                    assert!(account.used.memory_bytes >= real, "{calls:?} {rounds}");
                    assert_eq!(account.retained, held);
                }
            }
        }
        let single = super::step(enter_loop(open("handler", HANDLER)), "a", pair(9, 2), 10);
        assert_eq!(single.used.memory_bytes, 27, "one call in a loop is exact");
    }

    #[test]
    fn a_loop_says_how_often_and_what_is_left() {
        let account = super::step(open("handler", HANDLER), "a", pair(300_000, 100_000), 1);
        let account = enter_loop(account);
        assert_eq!(
            refusal(account, pair(200_000, 100_000), 9),
            "over budget: 9 calls of `fetch` need 1 MB of memory but `handler` has 900 KB left of its 1 MB"
        );
        let account = super::step(account, "b", pair(200_000, 0), 9);
        assert_eq!(
            refusal(account, pair(100_000, 100_000), 8),
            "over budget: 8 calls of `fetch` need 800 KB of memory but `handler` has 700 KB left of its 1 MB"
        );
    }
}
