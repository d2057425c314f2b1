//! Composition, proved at compile time: what a function calls must fit in what it declares.
//!
//! An expansion opens an account for the caller and charges every call to it, in a `const _` item:
//!
//! ```text
//! const _: () = {
//!     let a = open("handler", <handler as Budgeted>::LIMITS);
//!     let a = step(a, "fetch", <fetch as Budgeted>::LIMITS, 1);
//!     let _ = a;
//! };
//! ```
//!
//! A call that is over panics in const evaluation, which is a compile error with the panic's
//! message under that `step(..)`. A const function rather than arithmetic in types: the error
//! appears in `cargo check`, reads as a sentence, and costs a quarter of the compile time.

use super::budget::Budget;
use super::limits::Limits;
use super::resource::{Resource, UNLIMITED};
use crate::const_text::Text;

/// A function with a budget. `#[budget]` implements it for an item of the function's name.
#[diagnostic::on_unimplemented(
    message = "the function that is spent here has no budget",
    label = "not a function with a `#[budget(..)]`",
    note = "put `#[budget(..)]` on the function, and name it by the path it is declared or imported under"
)]
pub trait Budgeted {
    /// The function's name, as messages show it.
    const NAME: &'static str;
    /// What one call may use.
    const LIMITS: Limits = <Self::Budget as Budget>::LIMITS;
    /// The same as a type.
    type Budget: Budget;
    /// How many calls deep the function spends, where nothing else keeps functions from spending each
    /// other in a circle. In a circle this has no value, and does not compile.
    const DEPTH_OF_SPENDS: u32 = 0;
}

/// The larger of `depth` and one more than the callee's.
pub const fn deeper(depth: u32, callee: u32) -> u32 {
    if callee >= depth { callee + 1 } else { depth }
}

/// A function whose budget the caller pays for. Nothing implements it: a function that is bound by it
/// can be named, but not called as it stands.
#[diagnostic::on_unimplemented(
    message = "`{Self}` must be paid for: write `spend!(..)` around this call",
    label = "a plain call of a function with a budget",
    note = "in a function with a `#[budget(..)]`, `spend!({Self}(..))` charges it; `open` in the budget of `{Self}` allows plain calls"
)]
pub trait PaidFor<'a> {}

/// [`Limits`] in the order of [`Resource::ALL`].
pub const fn limits(memory_bytes: u64, cpu_ns: u64, io_ops: u64, network_bytes: u64) -> Limits {
    Limits {
        memory_bytes,
        cpu_ns,
        io_ops,
        network_bytes,
    }
}

/// What a function declares, and how much of it the calls so far may use.
#[derive(Clone, Copy, Debug)]
#[must_use = "the account is only checked as far as it is carried on"]
pub struct Account {
    name: &'static str,
    limits: Limits,
    /// Of a resource that is limited. Memory counts as retained after every call, so that calls
    /// one after another add up.
    used: Limits,
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
    Account { name, limits, used }
}

/// Charges `times` calls of `callee`, each of which may use `limits`.
///
/// # Panics
/// Where the account does not hold as much; in const evaluation that is the compile error.
#[track_caller]
pub const fn step(account: Account, callee: &'static str, limits: Limits, times: u64) -> Account {
    match charge(account, callee, limits, times) {
        Ok(account) => account,
        Err(call) => panic!("{}", call.message(&account).as_str()),
    }
}

/// Where only one of two ways is taken: the larger use of each resource.
pub const fn larger(a: Account, b: Account) -> Account {
    const fn max(a: u64, b: u64) -> u64 {
        if a > b { a } else { b }
    }
    Account {
        used: Limits {
            memory_bytes: max(a.used.memory_bytes, b.used.memory_bytes),
            cpu_ns: max(a.used.cpu_ns, b.used.cpu_ns),
            io_ops: max(a.used.io_ops, b.used.io_ops),
            network_bytes: max(a.used.network_bytes, b.used.network_bytes),
        },
        ..a
    }
}

/// The account afterwards, or the part of the charge that is over.
const fn charge(
    mut account: Account,
    callee: &'static str,
    limits: Limits,
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
            each: limits.limit(resource),
        };
        match call.charge(&account) {
            Some(used) => *account.used_mut(resource) = used,
            None => return Err(call),
        }
        i += 1;
    }
    Ok(account)
}

impl Account {
    const fn used_mut(&mut self, resource: Resource) -> &mut u64 {
        match resource {
            Resource::Memory => &mut self.used.memory_bytes,
            Resource::Cpu => &mut self.used.cpu_ns,
            Resource::Io => &mut self.used.io_ops,
            Resource::Network => &mut self.used.network_bytes,
        }
    }
}

/// One resource of one charge.
#[derive(Debug)]
struct Call {
    callee: &'static str,
    times: u64,
    resource: Resource,
    each: u64,
}

impl Call {
    /// What is used of the resource after the call; `None` where that is too much.
    const fn charge(&self, account: &Account) -> Option<u64> {
        let limit = account.limits.limit(self.resource);
        let used = account.used.limit(self.resource);
        if limit == UNLIMITED {
            return Some(used);
        }
        if self.each == UNLIMITED {
            return None;
        }
        // A function has to take some time itself. Without that rule a function could call
        // itself within its own budget.
        let itself = matches!(self.resource, Resource::Cpu) as u128;
        let needed = self.needed();
        if used as u128 + needed + itself > limit as u128 {
            return None;
        }
        Some(used + needed as u64)
    }

    /// Why the call is over.
    const fn message(&self, account: &Account) -> Message {
        if self.each == UNLIMITED {
            self.unlimited(account)
        } else {
            self.over(account)
        }
    }

    /// Wide enough for every product of a limit and a count.
    const fn needed(&self) -> u128 {
        self.each as u128 * self.times as u128
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
        let left = limit - account.used.limit(self.resource);
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
        let left = limit - account.used.limit(self.resource);
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

    #[track_caller]
    fn message(account: Account, limits: Limits, times: u64) -> String {
        match charge(account, "fetch", limits, times) {
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
        assert!(charge(account, "b", memory(1), 1).is_err());
        assert!(charge(account, "b", memory(UNLIMITED - 1), 0).is_ok());
    }
}
