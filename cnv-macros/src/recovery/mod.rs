//! `#[timeout]`, `#[retry]`, `#[circuit_breaker]` and `#[bulkhead]`: how a function is called that may fail.

mod expand;
mod settings;

use proc_macro2::Span;
use syn::{FnArg, Ident, Pat, Path, ReceiverKind, ReturnType, Signature, Type};

use crate::args::{Argument, Arguments};
use crate::attestation::is_context;
use crate::errors::ErrorSink;
use crate::item::function::Kind;
pub(crate) use expand::Body;
use settings::{BreakerModel, BulkheadModel, RetryModel, TimeoutModel, duration};

/// The attributes of this module, in the order in which a call meets them.
pub(crate) const KINDS: [Kind; 4] = [
    Kind::Timeout,
    Kind::Bulkhead,
    Kind::Retry,
    Kind::CircuitBreaker,
];

/// What stands before the body, checked.
pub(crate) struct RecoveryModel {
    timeout: Option<TimeoutModel>,
    retry: Option<RetryModel>,
    breaker: Option<BreakerModel>,
    bulkhead: Option<BulkheadModel>,
    /// Says what an error means: a `fn(&E) -> impl Into<Verdict>`.
    when: Option<Path>,
    /// The policy that the function shares with others.
    on: Option<Path>,
    /// The parameter that carries the deadline.
    context: Option<ContextParameter>,
    /// Where the return type stands.
    output: Span,
}

/// The parameter `cx: Context` or `cx: &Context`.
struct ContextParameter {
    name: Ident,
    is_reference: bool,
}

impl RecoveryModel {
    /// What the attributes say together; `None` where none of them stands on the function.
    pub(crate) fn from_arguments(
        attributes: Vec<(Kind, Arguments)>,
        signature: &Signature,
        is_verb: bool,
        has_permit: bool,
        errors: &mut ErrorSink,
    ) -> Option<Self> {
        let (first, span) = attributes
            .first()
            .map(|(kind, arguments)| (*kind, arguments.span))?;
        let faults = errors.count();
        let mut model = Self {
            timeout: None,
            retry: None,
            breaker: None,
            bulkhead: None,
            when: None,
            on: None,
            context: None,
            output: span,
        };
        let mut shared: Option<Argument> = None;
        for (kind, arguments) in attributes {
            let span = arguments.span;
            let (readable, written) = (arguments.readable, arguments.list.len());
            let list = arguments.known(kind.name(), keys(kind), errors);
            // A key that is missing may be one that was misspelt, which is reported already.
            let complete = readable && list.len() == written;
            let on = list.iter().find(|argument| argument.key == "on").cloned();
            if let Some(on) = &on {
                model.share(kind, on, &list, &mut shared, errors);
                continue;
            }
            match kind {
                Kind::Timeout => model.timeout = TimeoutModel::parse(&list, span, complete, errors),
                Kind::Retry => model.retry = RetryModel::parse(&list, span, errors),
                Kind::CircuitBreaker => model.breaker = BreakerModel::parse(&list, errors),
                _ => model.bulkhead = BulkheadModel::parse(&list, span, complete, errors),
            }
            model.say_when(&list, errors);
        }
        model.check_shared(shared.as_ref(), errors);
        model.check_times(errors);
        model.check_signature(first, span, signature, is_verb, has_permit, errors);
        (errors.count() == faults).then_some(model)
    }

    /// Reads `when = PATH`.
    fn say_when(&mut self, list: &[Argument], errors: &mut ErrorSink) {
        let Some(when) = list.iter().find(|argument| argument.key == "when") else {
            return;
        };
        if self.when.is_some() {
            errors.at(
                &when.key,
                "`when` is given twice; what an error means is said once, for the retry and the circuit breaker alike",
            );
        }
        self.when = when.path(errors);
    }

    /// Reads `on = PATH`, beside which an attribute says nothing.
    fn share(
        &mut self,
        kind: Kind,
        on: &Argument,
        list: &[Argument],
        shared: &mut Option<Argument>,
        errors: &mut ErrorSink,
    ) {
        let name = kind.name();
        for other in list {
            if !["on", "crate", "when"].contains(&&*other.name()) {
                errors.at(
                    &other.key,
                    format!(
                        "the policy that `on` names has its own `{}`: set it there, or leave `on` out of `#[{name}]`",
                        other.name()
                    ),
                );
            }
        }
        self.say_when(list, errors);
        let path = on.path(errors);
        if let (Some(earlier), Some(path)) = (&self.on, &path)
            && earlier != path
        {
            errors.at(
                path,
                "a function is called under one policy: name the same one, or put both parts into it",
            );
        }
        if shared.is_none() {
            *shared = Some(on.clone());
        }
        self.on = self.on.take().or(path);
    }

    /// A policy that is shared has its breaker and its bulkhead; a timeout and a retry can be the function's own.
    fn check_shared(&self, shared: Option<&Argument>, errors: &mut ErrorSink) {
        let Some(on) = shared else { return };
        if let Some(rate) = self.retry.as_ref().and_then(|retry| retry.rate.as_ref()) {
            errors.at(
                rate,
                format!(
                    "the retries of everybody who calls under one policy have one budget: set `{rate}` with `Retry::budget` \
                     in the policy that `on` names, or leave `on` out"
                ),
            );
        }
        let own = match (&self.breaker, &self.bulkhead) {
            (Some(_), _) => "circuit_breaker",
            (_, Some(_)) => "bulkhead",
            _ => return,
        };
        errors.at(
            &on.key,
            format!(
                "`on` names a policy, and `#[{own}]` makes another: say `on` there as well, or leave it out here"
            ),
        );
    }

    /// Times that contradict each other.
    fn check_times(&self, errors: &mut ErrorSink) {
        let Some(timeout) = &self.timeout else { return };
        let total = timeout.total.ns;
        if let Some(attempt) = &timeout.attempt
            && attempt.ns > total
        {
            errors.at(
                &attempt.value,
                format!(
                    "one attempt may take {}, and the call with all its attempts no more than {}: write a shorter one, or a longer timeout",
                    duration(attempt.ns),
                    duration(total)
                ),
            );
        }
        if let Some(retry) = &self.retry {
            let longest = retry.longest_backoff_ns();
            if longest >= total {
                errors.push(syn::Error::new(
                    retry.attempts_span,
                    format!(
                        "{} attempts wait up to {} between them, and the call has {}: write fewer attempts, a shorter `base` or `cap`, or a longer timeout",
                        retry.attempts,
                        duration(longest),
                        duration(total)
                    ),
                ));
            }
        }
        if let Some(wait) = self.bulkhead.as_ref().and_then(|b| b.wait.as_ref())
            && wait.ns >= total
        {
            errors.at(
                &wait.value,
                format!(
                    "a call that waits {} for its turn has no time left of its {}: write a shorter `wait`, or a longer timeout",
                    duration(wait.ns),
                    duration(total)
                ),
            );
        }
        let attempt = timeout.attempt.as_ref().map_or(total, |attempt| attempt.ns);
        if let Some(slow) = self.breaker.as_ref().and_then(|b| b.slow.as_ref())
            && slow.ns >= attempt
        {
            errors.at(
                &slow.value,
                format!(
                    "no call is ever that slow: it is cut off after {}; write a shorter `slow`",
                    duration(attempt)
                ),
            );
        }
    }

    fn check_signature(
        &mut self,
        first: Kind,
        span: Span,
        signature: &Signature,
        is_verb: bool,
        has_permit: bool,
        errors: &mut ErrorSink,
    ) {
        let name = &signature.ident;
        let mut refuse = |span: Span, message: String| errors.push(syn::Error::new(span, message));
        match &signature.output {
            ReturnType::Type(_, ty) => self.output = syn::spanned::Spanned::span(ty),
            ReturnType::Default => refuse(
                name.span(),
                format!(
                    "`{name}` has no way to say that it was not called: let it return `Result<_, E>` where `E: From<Refused>`"
                ),
            ),
        }
        if let Some(token) = &signature.constness {
            refuse(
                token.span,
                format!(
                    "`#[{}]` needs a clock as the function runs, which a `const fn` has not: drop `const`",
                    first.name()
                ),
            );
        }
        self.find_context(signature, is_verb.then_some(span), &mut refuse);
        if signature.asyncness.is_none() {
            self.check_blocking(signature, &mut refuse);
        }
        if let Some(retry) = &self.retry {
            if has_permit {
                refuse(
                    retry.span,
                    format!(
                        "a permit is given once, and `#[retry]` makes several attempts: put it on a function that takes `&Permit<..>`, and call that from `{name}`"
                    ),
                );
            }
            check_arguments(signature, &mut refuse);
        }
    }

    /// Finds the parameter that carries the deadline. A verb, whose attributes stand at `verb`, has to have one.
    fn find_context(
        &mut self,
        signature: &Signature,
        verb: Option<Span>,
        refuse: &mut impl FnMut(Span, String),
    ) {
        let mut is_unnamed = false;
        for input in &signature.inputs {
            let FnArg::Typed(parameter) = input else {
                continue;
            };
            if !is_context(&parameter.ty) {
                continue;
            }
            if let Pat::Ident(pat) = &*parameter.pat {
                self.context = Some(ContextParameter {
                    name: pat.ident.clone(),
                    is_reference: matches!(&*parameter.ty, Type::Reference(_)),
                });
            } else {
                is_unnamed = true;
                refuse(
                    syn::spanned::Spanned::span(&parameter.pat),
                    "the context carries the deadline, so it needs a name: write `cx: &Context`"
                        .to_owned(),
                );
            }
        }
        if let Some(span) = verb
            && self.context.is_none()
            && !is_unnamed
        {
            refuse(
                span,
                format!(
                    "`{}` has the deadline of its caller to keep: add a parameter `cx: &Context`",
                    signature.ident
                ),
            );
        }
    }

    /// What blocks its thread cannot be cut off: it has to ask.
    fn check_blocking(&self, signature: &Signature, refuse: &mut impl FnMut(Span, String)) {
        let name = &signature.ident;
        let Some(timeout) = &self.timeout else { return };
        if let Some(attempt) = &timeout.attempt {
            refuse(
                attempt.key,
                format!(
                    "nothing can cut off an attempt of `{name}`, which blocks its thread: make it an `async fn`, or leave `attempt` out"
                ),
            );
        } else if self.context.is_none() {
            refuse(
                timeout.span,
                format!(
                    "nothing can cut off `{name}`, which blocks its thread: make it an `async fn`, or take `cx: &Context` and ask `cx.checkpoint()?` as it goes"
                ),
            );
        }
    }

    /// Holds the retry against the verb on the same function.
    pub(crate) fn check_verb(
        &self,
        verb: (&str, &str),
        effect: &str,
        idempotent: bool,
        errors: &mut ErrorSink,
    ) {
        let (noun, name) = verb;
        if let Some(retry) = &self.retry
            && !idempotent
            && !matches!(effect, "pure" | "read")
        {
            errors.push(syn::Error::new(
                retry.span,
                format!(
                    "`#[retry]` would do `{noun} {name}` again, and its effect is \"{effect}\": say `idempotent` in `#[verb(..)]` if that does no harm, or leave the retry out"
                ),
            ));
        }
    }

    /// How often the body runs at most.
    pub(crate) fn attempts(&self) -> u64 {
        self.retry.as_ref().map_or(1, |retry| retry.attempts)
    }

    /// How long a call takes at most, as far as the function itself says.
    pub(crate) fn timeout_ns(&self) -> Option<u64> {
        self.timeout.as_ref().map(|timeout| timeout.total.ns)
    }
}

/// Holds the arguments against a body that runs several times.
fn check_arguments(signature: &Signature, refuse: &mut impl FnMut(Span, String)) {
    let name = &signature.ident;
    for input in &signature.inputs {
        let (is_lent, name_of) = match input {
            FnArg::Typed(parameter) => {
                let what = quote::ToTokens::to_token_stream(&parameter.pat).to_string();
                (is_exclusive(&parameter.ty), what)
            }
            FnArg::Receiver(receiver) => {
                let (is_kept, is_lent) = match &receiver.kind {
                    ReceiverKind::Reference(_, _, mutability) => (true, mutability.is_some()),
                    ReceiverKind::Typed(_, ty) => {
                        (matches!(&**ty, Type::Reference(_)), is_exclusive(ty))
                    }
                    _ => (false, false),
                };
                if !is_kept {
                    refuse(
                        syn::spanned::Spanned::span(receiver),
                        format!(
                            "`#[retry]` calls the body of `{name}` again, and `self` is gone by then: take `&self`"
                        ),
                    );
                    continue;
                }
                (is_lent, "self".to_owned())
            }
        };
        if is_lent && signature.asyncness.is_some() {
            refuse(
                syn::spanned::Spanned::span(input),
                format!(
                    "an attempt of `{name}` that is cut off in the middle would leave `{name_of}` half changed for the next: take `&`, or return what has to change"
                ),
            );
        }
    }
}

fn keys(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Timeout => &["total", "attempt", "crate"],
        Kind::Retry => &[
            "attempts",
            "base",
            "cap",
            "jitter",
            "when",
            "ratio",
            "per_second",
            "crate",
        ],
        Kind::CircuitBreaker => &[
            "failures",
            "window",
            "minimum",
            "consecutive",
            "slow",
            "slow_ratio",
            "open",
            "longest_open",
            "probes",
            "half_open",
            "when",
            "on",
            "crate",
        ],
        _ => &["max", "queue", "wait", "back_pressure", "on", "crate"],
    }
}

fn is_exclusive(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => reference.mutability.is_some(),
        Type::Paren(inner) => is_exclusive(&inner.elem),
        Type::Group(inner) => is_exclusive(&inner.elem),
        _ => false,
    }
}
