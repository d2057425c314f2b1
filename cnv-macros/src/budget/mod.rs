//! `#[budget(..)]`: what a function may use, and what it spends on the functions that it calls.

pub(crate) mod call;
pub(crate) mod check;
pub(crate) mod checkpoint;
mod names;
pub(crate) mod plan;
mod repeat;
pub(crate) mod units;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Ident, Path};

use crate::args::{Argument, Arguments};
use crate::errors::ErrorSink;
use checkpoint::Cooperative;
use units::{CPU, IO, MEMORY, NETWORK, RETAINED, UNLIMITED};

const KEYS: &[&str] = &[
    "memory", "cpu", "io", "network", "retains", "enforce", "open", "card", "crate",
];

/// A checked budget: bytes, nanoseconds, operations, bytes.
#[derive(Clone)]
pub(crate) struct BudgetModel {
    pub(crate) memory_bytes: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) io_ops: u64,
    pub(crate) network_bytes: u64,
    /// What of the memory may be there after a call; all of it, where nothing is said.
    pub(crate) retained_bytes: u64,
    /// How often a call runs the body at most: each time it may use all of this.
    pub(crate) attempts: u64,
    /// Whether nothing is said, so that a method of a trait has what the trait declares.
    pub(crate) inherits: bool,
    /// Whether a body that is over is stopped.
    pub(crate) cooperative: Option<Cooperative>,
    /// Where plain calls are allowed.
    pub(crate) open: Option<Span>,
    /// Whether something of it is reported, so that its numbers mean nothing.
    pub(crate) is_faulty: bool,
    /// The name of the companion item, where it cannot be the function's own.
    pub(crate) card: Option<Ident>,
}

impl BudgetModel {
    /// Unnamed: memory and CPU are unlimited, I/O and network are denied.
    pub(crate) fn unnamed() -> Self {
        Self {
            memory_bytes: UNLIMITED,
            cpu_ns: UNLIMITED,
            io_ops: 0,
            network_bytes: 0,
            retained_bytes: UNLIMITED,
            attempts: 1,
            inherits: false,
            cooperative: None,
            open: None,
            is_faulty: false,
            card: None,
        }
    }

    /// `may_inherit`: whether nothing but `open` may be said, because a trait declares the rest.
    pub(crate) fn from_arguments(
        arguments: Arguments,
        may_inherit: bool,
        errors: &mut ErrorSink,
    ) -> Self {
        let mut model = Self::unnamed();
        let faults = errors.count();
        model.is_faulty = !arguments.readable;
        let span = arguments.span;
        let says_nothing = |argument: &Argument| ["crate", "enforce"].contains(&&*argument.name());
        let empty = arguments.list.iter().all(says_nothing) && arguments.readable;
        let list = arguments.known("budget", KEYS, errors);
        model.inherits = empty && may_inherit;
        if empty && !may_inherit {
            errors.push(syn::Error::new(
                span,
                "an empty budget says nothing: name what the function may use, as in `#[budget(memory = \"1MB\", cpu = \"1ms\", io = 100)]`",
            ));
        }
        let mut retained = None;
        for argument in &list {
            match argument.name().as_str() {
                "memory" => quantity(argument, &MEMORY, errors, &mut model.memory_bytes),
                "cpu" => quantity(argument, &CPU, errors, &mut model.cpu_ns),
                "io" => quantity(argument, &IO, errors, &mut model.io_ops),
                "network" => quantity(argument, &NETWORK, errors, &mut model.network_bytes),
                "retains" => {
                    retained = read(argument, &RETAINED, errors).map(|bytes| (argument, bytes))
                }
                "enforce" => model.cooperative = Cooperative::from_argument(argument, errors),
                "open" => model.open = argument.flag(errors).then(|| argument.key.span()),
                "card" => model.card = argument.path(errors).and_then(|path| card(&path, errors)),
                _ => {}
            }
        }
        model.retained_bytes = match retained {
            Some((argument, bytes)) if bytes > model.memory_bytes => {
                errors.at(
                    argument.value.to_token_stream(),
                    "a call cannot retain more memory than it may use: `retains` is at most `memory`",
                );
                model.memory_bytes
            }
            Some((_, bytes)) => bytes,
            None => model.memory_bytes,
        };
        model.is_faulty |= errors.count() > faults;
        model
    }

    /// Nothing, for callers that are not at fault.
    pub(crate) fn charge_nothing(&mut self) {
        self.memory_bytes = 0;
        self.cpu_ns = 0;
        self.io_ops = 0;
        self.network_bytes = 0;
        self.retained_bytes = 0;
    }

    /// The type of what a call of a method costs.
    pub(crate) fn charge_type(&self, is_async: bool, krate: &Path) -> TokenStream {
        self.of_a_call().charged(is_async, krate)
    }

    /// The const-generic budget type of a call.
    pub(crate) fn budget_type(&self, krate: &Path) -> TokenStream {
        self.of_a_call().limits_type(krate)
    }

    /// The type of what one attempt of a call costs.
    pub(crate) fn attempt_type(&self, is_async: bool, krate: &Path) -> TokenStream {
        self.charged(is_async, krate)
    }

    /// What all attempts of a call may use, one after the other: what an attempt retains is there in the next.
    fn of_a_call(&self) -> Self {
        let times = |amount: u64, times: u64| match amount {
            UNLIMITED => UNLIMITED,
            amount => amount.saturating_mul(times).min(UNLIMITED - 1),
        };
        let retained_before = times(self.retained_bytes, self.attempts - 1);
        let memory_bytes = match (self.memory_bytes, retained_before) {
            (UNLIMITED, _) | (_, UNLIMITED) => UNLIMITED,
            (memory, retained) => memory.saturating_add(retained).min(UNLIMITED - 1),
        };
        Self {
            memory_bytes,
            cpu_ns: times(self.cpu_ns, self.attempts),
            io_ops: times(self.io_ops, self.attempts),
            network_bytes: times(self.network_bytes, self.attempts),
            retained_bytes: times(self.retained_bytes, self.attempts),
            ..self.clone()
        }
    }

    fn charged(&self, is_async: bool, krate: &Path) -> TokenStream {
        let Self {
            memory_bytes,
            cpu_ns,
            io_ops,
            network_bytes,
            retained_bytes,
            ..
        } = self;
        quote! {
            #krate::__private::quota::Charged<
                #memory_bytes, #cpu_ns, #io_ops, #network_bytes, #retained_bytes, #is_async
            >
        }
    }

    fn limits_type(&self, krate: &Path) -> TokenStream {
        let Self {
            memory_bytes,
            cpu_ns,
            io_ops,
            network_bytes,
            ..
        } = self;
        quote! {
            #krate::quota::ResourceBudget<
                #krate::quota::MemoryQuota<#memory_bytes>,
                #krate::quota::CpuQuota<#cpu_ns>,
                #krate::quota::IoQuota<#io_ops>,
                #krate::quota::NetworkQuota<#network_bytes>,
            >
        }
    }

    /// What of a call may be there after it.
    pub(crate) fn retained_of_a_call(&self) -> Option<u64> {
        let all = self.of_a_call();
        (all.retained_bytes != all.memory_bytes).then_some(all.retained_bytes)
    }
}

/// Reads a quantity into `slot`, which stays as it is where there is a fault.
fn quantity(
    argument: &Argument,
    dimension: &units::Dimension,
    errors: &mut ErrorSink,
    slot: &mut u64,
) {
    if let Some(quantity) = read(argument, dimension, errors) {
        *slot = quantity;
    }
}

fn read(argument: &Argument, dimension: &units::Dimension, errors: &mut ErrorSink) -> Option<u64> {
    if let Some(value) = &argument.value {
        return errors.take(units::parse_quantity(value, dimension));
    }
    let name = argument.name();
    errors.at(
        &argument.key,
        format!("`{name}` needs a value: write `{name} = \"..\"`"),
    );
    None
}

fn card(path: &Path, errors: &mut ErrorSink) -> Option<Ident> {
    let ident = path.get_ident().cloned();
    if ident.is_none() {
        errors.at(path, "`card` takes one name: write `card = LoadBudget`");
    }
    ident
}
