//! The numbers of the four attributes, read and checked one by one.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Expr, ExprLit, Lit, Path};

use crate::args::Argument;
use crate::budget::units::{CPU, IO, UNLIMITED, parse_quantity, shown_time};
use crate::errors::{ErrorSink, nearest};

/// The longest time that a policy counts with: a century.
const LONGEST_NS: u64 = 100 * 365 * 24 * 3600 * 1_000_000_000;

/// The most calls that a bulkhead lets run, or wait.
const BULKHEAD_MAX: u64 = (1 << 20) - 1;

const MS: u64 = 1_000_000;

const JITTERS: &[(&str, &str)] = &[("full", "Full"), ("equal", "Equal"), ("none", "None")];

/// A time, and the literal that says it.
pub(super) struct Time {
    pub(super) ns: u64,
    pub(super) value: Expr,
    pub(super) key: Span,
}

/// "1.5 s".
pub(super) fn duration(ns: u64) -> String {
    shown_time(ns)
}

fn find<'a>(list: &'a [Argument], key: &str) -> Option<&'a Argument> {
    list.iter().find(|argument| argument.key == key)
}

/// The value of `key`, which has one.
fn value<'a>(argument: &'a Argument, example: &str, errors: &mut ErrorSink) -> Option<&'a Expr> {
    let name = argument.name();
    if argument.value.is_none() {
        errors.at(
            &argument.key,
            format!("`{name}` needs a value: write `{name} = {example}`"),
        );
    }
    argument.value.as_ref()
}

/// A time that is longer than nothing.
fn time(
    list: &[Argument],
    key: &'static str,
    example: &'static str,
    errors: &mut ErrorSink,
) -> Option<Time> {
    let argument = find(list, key)?;
    let value = value(argument, &format!("\"{example}\""), errors)?;
    if let Expr::Lit(ExprLit {
        lit: Lit::Int(number),
        ..
    }) = value
        && number.suffix().is_empty()
        && number.base10_digits() != "0"
    {
        errors.at(value, format!("a time needs a unit: write \"{number}s\""));
        return None;
    }
    let dimension = CPU.of_policy(key, example);
    let ns = errors.take(parse_quantity(value, &dimension))?;
    if ns == 0 || ns > LONGEST_NS {
        let message = match ns {
            0 => format!("this is no time at all: write one such as \"{example}\""),
            UNLIMITED => "what has no limit is left out".to_owned(),
            _ => format!("this is longer than a century: write one such as \"{example}\""),
        };
        errors.at(value, message);
        return None;
    }
    Some(Time {
        ns,
        value: value.clone(),
        key: argument.key.span(),
    })
}

/// A count from `least` to `most`.
fn count(
    list: &[Argument],
    key: &'static str,
    (least, most): (u64, u64),
    errors: &mut ErrorSink,
) -> Option<(u64, Span)> {
    let argument = find(list, key)?;
    let value = value(argument, "3", errors)?;
    let dimension = IO.of_policy(key, "3");
    let count = errors.take(parse_quantity(value, &dimension))?;
    if !(least..=most).contains(&count) {
        errors.at(value, format!("`{key}` is from {least} to {most}"));
        return None;
    }
    Some((count, syn::spanned::Spanned::span(value)))
}

/// A part of the whole, `0.5` or `"50%"`, as a literal that is a `f64`.
fn ratio(
    list: &[Argument],
    key: &'static str,
    may_be_none: bool,
    errors: &mut ErrorSink,
) -> Option<f64> {
    let argument = find(list, key)?;
    let value = value(argument, "0.5", errors)?;
    let ratio = match value {
        Expr::Lit(ExprLit { lit, .. }) => match lit {
            Lit::Float(number) => number.base10_parse::<f64>().ok(),
            Lit::Int(number) => number.base10_parse::<f64>().ok(),
            Lit::Str(text) => text
                .value()
                .strip_suffix('%')
                .and_then(|number| number.trim().parse::<f64>().ok())
                .map(|percent| percent / 100.0),
            _ => None,
        },
        _ => None,
    };
    let is_part = |ratio: &f64| *ratio <= 1.0 && (*ratio > 0.0 || may_be_none && *ratio == 0.0);
    if ratio.as_ref().is_none_or(|ratio| !is_part(ratio)) {
        errors.at(
            value,
            format!("`{key}` is a part of the calls: write `{key} = 0.5`, or \"50%\""),
        );
        return None;
    }
    ratio
}

fn duration_tokens(ns: u64) -> TokenStream {
    quote!(::core::time::Duration::from_nanos(#ns))
}

/// `.method(argument)` for what is said.
fn set<T>(method: &str, argument: Option<T>, tokens: impl Fn(T) -> TokenStream) -> TokenStream {
    let method = syn::Ident::new(method, Span::call_site());
    match argument {
        Some(argument) => {
            let argument = tokens(argument);
            quote!(.#method(#argument))
        }
        None => TokenStream::new(),
    }
}

fn small(count: u64) -> TokenStream {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    quote!(#count)
}

/// `#[timeout("1s", attempt = "200ms")]`.
pub(super) struct TimeoutModel {
    pub(super) span: Span,
    pub(super) total: Time,
    pub(super) attempt: Option<Time>,
}

impl TimeoutModel {
    pub(super) fn parse(
        list: &[Argument],
        span: Span,
        complete: bool,
        errors: &mut ErrorSink,
    ) -> Option<Self> {
        let total = time(list, "total", "1s", errors);
        let attempt = time(list, "attempt", "200ms", errors);
        if find(list, "total").is_none() && complete {
            errors.push(syn::Error::new(
                span,
                "say how long a call may take in all: write `#[timeout(\"1s\")]`",
            ));
        }
        Some(Self {
            span,
            total: total?,
            attempt,
        })
    }

    pub(super) fn tokens(&self) -> TokenStream {
        let total = duration_tokens(self.total.ns);
        let attempt = set("attempt_timeout", self.attempt.as_ref(), |time| {
            duration_tokens(time.ns)
        });
        quote!(.timeout(#total) #attempt)
    }
}

/// `#[retry(attempts = 3, base = "50ms", cap = "20s", jitter = "full")]`.
pub(super) struct RetryModel {
    pub(super) span: Span,
    pub(super) attempts: u64,
    pub(super) attempts_span: Span,
    base_ns: u64,
    cap_ns: u64,
    jitter: &'static str,
    ratio: Option<f64>,
    per_second: Option<u64>,
    /// The key that sets a retry budget, if one does.
    pub(super) rate: Option<syn::Ident>,
}

impl RetryModel {
    pub(super) fn parse(list: &[Argument], span: Span, errors: &mut ErrorSink) -> Option<Self> {
        let faults = errors.count();
        let attempts = count(list, "attempts", (2, 100), errors);
        let base = time(list, "base", "50ms", errors);
        let cap = time(list, "cap", "20s", errors);
        let base_ns = base.as_ref().map_or(50 * MS, |base| base.ns);
        let cap_ns = cap.as_ref().map_or(20_000 * MS, |cap| cap.ns);
        if base_ns > cap_ns
            && let Some(time) = base.as_ref().or(cap.as_ref())
        {
            errors.at(
                &time.value,
                format!(
                    "the first backoff is {} and the longest {}: write a shorter `base`, or a longer `cap`",
                    duration(base_ns),
                    duration(cap_ns)
                ),
            );
        }
        let jitter = find(list, "jitter").and_then(|argument| jitter(argument, errors));
        let ratio = ratio(list, "ratio", true, errors);
        let per_second = count(list, "per_second", (0, 1_000_000), errors);
        (errors.count() == faults).then_some(Self {
            span,
            attempts: attempts.map_or(3, |(attempts, _)| attempts),
            attempts_span: attempts.map_or(span, |(_, span)| span),
            base_ns,
            cap_ns,
            jitter: jitter.unwrap_or("Full"),
            ratio,
            per_second: per_second.map(|(per_second, _)| per_second),
            rate: (find(list, "ratio").or_else(|| find(list, "per_second")))
                .map(|argument| argument.key.clone()),
        })
    }

    /// All backoffs together, as long as they can be.
    pub(super) fn longest_backoff_ns(&self) -> u64 {
        let mut backoff = self.base_ns;
        let mut sum = 0_u64;
        for _ in 1..self.attempts {
            sum = sum.saturating_add(backoff);
            backoff = backoff.saturating_mul(2).min(self.cap_ns);
        }
        sum
    }

    pub(super) fn tokens(&self, krate: &Path) -> TokenStream {
        let recovery = quote!(#krate::recovery);
        let attempts = small(self.attempts);
        let (base, cap) = (duration_tokens(self.base_ns), duration_tokens(self.cap_ns));
        let jitter = syn::Ident::new(self.jitter, Span::call_site());
        let budget = (self.ratio.is_some() || self.per_second.is_some()).then(|| {
            let ratio = self.ratio.unwrap_or(0.2);
            let per_second = small(self.per_second.unwrap_or(10));
            quote!(.budget(#ratio, #per_second))
        });
        quote! {
            .retry(
                #recovery::Retry::new()
                    .attempts(#attempts)
                    .base(#base)
                    .cap(#cap)
                    .jitter(#recovery::Jitter::#jitter)
                    #budget
            )
        }
    }
}

fn jitter(argument: &Argument, errors: &mut ErrorSink) -> Option<&'static str> {
    let literal = argument.string("full", errors)?;
    let value = literal.value();
    if let Some((_, variant)) = JITTERS.iter().find(|(name, _)| *name == value) {
        return Some(variant);
    }
    let names: Vec<&str> = JITTERS.iter().map(|(name, _)| *name).collect();
    let advice = match nearest(&value, &names) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "it is \"full\", \"equal\" or \"none\"".to_owned(),
    };
    errors.push(syn::Error::new(
        literal.span(),
        format!("unknown jitter \"{value}\"; {advice}"),
    ));
    None
}

/// `#[circuit_breaker(failures = 0.5, window = "10s", open = "5s")]`.
pub(super) struct BreakerModel {
    failures: Option<f64>,
    window: Option<Time>,
    minimum: Option<u64>,
    consecutive: Option<u64>,
    pub(super) slow: Option<Time>,
    slow_ratio: Option<f64>,
    open: Option<Time>,
    longest_open: Option<Time>,
    probes: Option<u64>,
    half_open: Option<Time>,
}

impl BreakerModel {
    pub(super) fn parse(list: &[Argument], errors: &mut ErrorSink) -> Option<Self> {
        let faults = errors.count();
        let counted = |key, errors: &mut ErrorSink| {
            count(list, key, (1, u64::from(u32::MAX)), errors).map(|(count, _)| count)
        };
        let model = Self {
            failures: ratio(list, "failures", false, errors),
            window: time(list, "window", "10s", errors),
            minimum: counted("minimum", errors),
            consecutive: counted("consecutive", errors),
            slow: time(list, "slow", "2s", errors),
            slow_ratio: ratio(list, "slow_ratio", false, errors),
            open: time(list, "open", "5s", errors),
            longest_open: time(list, "longest_open", "60s", errors),
            probes: counted("probes", errors),
            half_open: time(list, "half_open", "10s", errors),
        };
        if let Some(window) = &model.window
            && window.ns < 10 * MS
        {
            errors.at(
                &window.value,
                format!(
                    "the window slides by tenths of at least 1 ms, and this one has {}: write \"10ms\" or more",
                    duration(window.ns)
                ),
            );
        }
        if let (Some(longest), open) = (&model.longest_open, model.open_ns())
            && longest.ns < open
        {
            errors.at(
                &longest.value,
                format!(
                    "it stays open for {} at first, and this is shorter: write a longer `longest_open`, or a shorter `open`",
                    duration(open)
                ),
            );
        }
        if let (Some(_), None) = (model.slow_ratio, &model.slow)
            && let Some(argument) = find(list, "slow_ratio")
            && find(list, "slow").is_none()
        {
            errors.at(
                &argument.key,
                "say from when on a call is slow: write `slow = \"2s\"` beside `slow_ratio`",
            );
        }
        (errors.count() == faults).then_some(model)
    }

    fn open_ns(&self) -> u64 {
        self.open.as_ref().map_or(5_000 * MS, |open| open.ns)
    }

    pub(super) fn tokens(&self, krate: &Path) -> TokenStream {
        let ratio = |ratio: f64| quote!(#ratio);
        let time = |time: &Time| duration_tokens(time.ns);
        let parts = [
            set("failures", self.failures, ratio),
            set("window", self.window.as_ref(), time),
            set("minimum", self.minimum, small),
            set("consecutive", self.consecutive, small),
            set("slow", self.slow.as_ref(), time),
            set("slow_ratio", self.slow_ratio, ratio),
            set("open", self.open.as_ref(), time),
            set("longest_open", self.longest_open.as_ref(), time),
            set("probes", self.probes, small),
            set("half_open", self.half_open.as_ref(), time),
        ];
        quote!(.circuit_breaker(#krate::recovery::CircuitBreaker::new() #(#parts)*))
    }
}

/// `#[bulkhead(max = 16, queue = 32, wait = "100ms")]`.
pub(super) struct BulkheadModel {
    max: u64,
    queue: Option<u64>,
    pub(super) wait: Option<Time>,
    is_back_pressure: bool,
}

impl BulkheadModel {
    pub(super) fn parse(
        list: &[Argument],
        span: Span,
        complete: bool,
        errors: &mut ErrorSink,
    ) -> Option<Self> {
        let max = count(list, "max", (1, BULKHEAD_MAX), errors);
        let queue = count(list, "queue", (0, BULKHEAD_MAX), errors);
        let wait = time(list, "wait", "100ms", errors);
        let back_pressure = find(list, "back_pressure");
        let is_back_pressure = back_pressure.is_some_and(|argument| argument.flag(errors));
        if find(list, "max").is_none() && complete {
            errors.push(syn::Error::new(
                span,
                "say how many calls may run at a time: write `#[bulkhead(max = 16)]`",
            ));
        }
        if is_back_pressure {
            for key in ["queue", "wait"] {
                if let Some(argument) = find(list, key) {
                    errors.at(
                        &argument.key,
                        format!(
                            "with `back_pressure` whoever has no place waits as long as its deadline allows: leave `{key}` out, or `back_pressure`"
                        ),
                    );
                }
            }
        } else if let Some(wait) = &wait
            && queue.is_none_or(|(queue, _)| queue == 0)
        {
            errors.push(syn::Error::new(
                wait.key,
                "nobody waits without a queue: write `queue = 32` beside `wait`",
            ));
        }
        Some(Self {
            max: max?.0,
            queue: queue.map(|(queue, _)| queue),
            wait,
            is_back_pressure,
        })
    }

    pub(super) fn tokens(&self, krate: &Path) -> TokenStream {
        let max = small(self.max);
        let queue = set("queue", self.queue, small);
        let wait = set("wait", self.wait.as_ref(), |wait| duration_tokens(wait.ns));
        let back_pressure = self.is_back_pressure.then(|| quote!(.back_pressure()));
        quote!(.bulkhead(#krate::recovery::Bulkhead::new(#max) #queue #wait #back_pressure))
    }
}
