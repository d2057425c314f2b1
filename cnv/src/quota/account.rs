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
    /// How long a call of the function takes at most; [`UNLIMITED`] where it has no timeout.
    timeout_ns: u64,
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
        timeout_ns: UNLIMITED,
    }
}

/// The account of a function that takes no longer than this.
pub const fn within(account: Account, timeout_ns: u64) -> Account {
    Account {
        timeout_ns,
        ..account
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
    if cost.timeout_ns != UNLIMITED && cost.timeout_ns > account.timeout_ns {
        let text = Message::new()
            .code(callee)
            .str(" has a timeout of ")
            .quantity(Resource::Cpu, cost.timeout_ns as u128)
            .str(", and ")
            .code(account.name)
            .str(", which calls it, one of ")
            .quantity(Resource::Cpu, account.timeout_ns as u128)
            .str(": write a shorter one there, or a longer one here");
        panic!("{}", text.as_str());
    }
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
mod tests;
