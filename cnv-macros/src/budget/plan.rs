//! What a body spends: finds every `spend!(callee(args))`, turns it into the call, and records what
//! has to be added up, in sequence or as the larger of several branches.
//!
//! A `spend!` that stands where it cannot be counted is an error, never free.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, BinOp, Block, Expr, ExprMacro, Ident, Item, Local, Macro, MacroDelimiter, Pat,
    PatOr, Path, Signature, Stmt, Token,
};

use super::call::{
    Callee, End, Spend, SpentCall, find_call_of, find_spend, parse_spent_call, without_spends,
};
use super::names::InnerNames;
use super::repeat::{Bound, Repeat};
use crate::errors::ErrorSink;

/// The spends of a body, in the order in which they happen.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    Spend(Spend),
    /// Only one of these runs, so the larger counts.
    Branches(Vec<Vec<Plan>>),
    /// What runs several times: a loop, with those in it. How often, every spend says itself.
    Loop(Vec<Plan>),
}

/// Rewrites the spends of `body` into calls and returns what they add up to.
pub(crate) fn rewrite(
    body: &mut Block,
    signature: &Signature,
    krate: &Path,
    errors: &mut ErrorSink,
) -> Spends {
    let mut planner = Planner {
        function: &signature.ident,
        signature,
        krate,
        errors,
        plan: Vec::new(),
        uncountable: None,
        end: End::Pending,
        is_concurrent: false,
        rounds: Vec::new(),
        is_unordered: false,
        constants: Vec::new(),
        inner_names: InnerNames::default(),
        spends: Vec::new(),
    };
    // The names of the outermost block are seen where the check stands.
    visit_mut::visit_block_mut(&mut planner, body);
    Spends {
        plan: planner.plan,
        all: planner.spends,
        rounds: planner.constants,
    }
}

/// What a body spends.
#[derive(Debug, Default)]
pub(crate) struct Spends {
    /// What has to be added up.
    pub(crate) plan: Vec<Plan>,
    /// Every call that was rewritten, also one that could not be counted.
    pub(crate) all: Vec<Spend>,
    /// The constants that the check and the loops take their rounds from, with what they are.
    pub(crate) rounds: Vec<(Ident, TokenStream)>,
}

struct Planner<'a> {
    function: &'a Ident,
    signature: &'a Signature,
    krate: &'a Path,
    errors: &'a mut ErrorSink,
    plan: Vec<Plan>,
    /// Where the walk stands, when a spend there could not be counted.
    uncountable: Option<Place>,
    /// Of the spend that is walked to next.
    end: End,
    /// Whether the walk stands in a macro that runs its arguments together.
    is_concurrent: bool,
    /// How often each of the loops around the walk runs.
    rounds: Vec<TokenStream>,
    /// Whether the walk stands where the order of peaks is not followed.
    is_unordered: bool,
    constants: Vec<(Ident, TokenStream)>,
    /// What the blocks around the walk declare, the outermost left out.
    inner_names: InnerNames,
    spends: Vec<Spend>,
}

/// Where a spend cannot be counted.
#[derive(Clone, Copy)]
enum Place {
    /// It stands in a loop that nothing is known of.
    Unbounded(&'static str),
    /// It may run any number of times.
    Repeated(&'static str),
    /// It may not be there at all.
    Conditional,
}

impl Place {
    fn message(self) -> String {
        match self {
            Self::Unbounded(place) => format!(
                "`spend!` cannot be counted inside {place} without a bound: write `#[repeat(max = 100)]` before the loop, with the number of rounds that it may take"
            ),
            Self::Repeated(place) => format!(
                "`spend!` cannot be counted {place}, because how often it runs is not known: spend before it, or move it whole into a budgeted function and spend that"
            ),
            Self::Conditional => "`spend!` cannot be counted under `#[cfg]`, because it may not be there: write `if cfg!(..)`, or put the `#[cfg]` on two versions of a function".to_owned(),
        }
    }
}

impl Planner<'_> {
    /// Walks one of several branches with a plan of its own.
    fn branch(&mut self, walk: impl FnOnce(&mut Self)) -> Vec<Plan> {
        let outer = std::mem::take(&mut self.plan);
        walk(self);
        std::mem::replace(&mut self.plan, outer)
    }

    fn push_branches(&mut self, branches: Vec<Vec<Plan>>) {
        if branches.iter().any(|branch| !branch.is_empty()) {
            self.plan.push(Plan::Branches(branches));
        }
    }

    fn uncountable(&mut self, place: Place, walk: impl FnOnce(&mut Self)) {
        let outer = self.uncountable.replace(place);
        walk(self);
        self.uncountable = outer;
    }

    /// Walks what runs in no certain order, as the rounds of a loop do; the outermost of several is one entry of the plan.
    fn unordered(&mut self, walk: impl FnOnce(&mut Self)) {
        if self.is_unordered {
            return walk(self);
        }
        self.is_unordered = true;
        let body = self.branch(walk);
        self.is_unordered = false;
        if !body.is_empty() {
            self.plan.push(Plan::Loop(body));
        }
    }

    /// Walks what runs `rounds` times.
    fn times(&mut self, rounds: TokenStream, walk: impl FnOnce(&mut Self)) {
        self.rounds.push(rounds);
        walk(self);
        self.rounds.pop();
    }

    /// Takes `#[repeat]` off a loop and walks what it runs: its condition once more than its body.
    fn looping(
        &mut self,
        attributes: &mut Vec<Attribute>,
        place: &'static str,
        condition: Option<&mut Expr>,
        body: &mut Block,
    ) -> Option<Repeat> {
        let repeat = match Repeat::take(attributes, self.signature, self.errors) {
            Bound::Known(repeat) => Some(repeat),
            Bound::Faulty => None,
            Bound::Missing => {
                self.uncountable(Place::Unbounded(place), |p| {
                    if let Some(condition) = condition {
                        p.visit_expr_mut(condition);
                    }
                    p.visit_block_mut(body);
                });
                return None;
            }
        };
        let repeat = repeat.map(|repeat| self.with_constant(repeat));
        // One that cannot be read is reported, and counts as one round.
        let max = repeat
            .as_ref()
            .map_or_else(|| quote!(1), |repeat| repeat.max.clone());
        self.unordered(|p| {
            if let Some(condition) = condition {
                let conditions = quote!(__cnv_conditions(#max));
                p.times(conditions, |p| p.visit_expr_mut(condition));
            }
            p.times(max.clone(), |p| p.visit_block_mut(body));
        });
        repeat
    }

    /// Gives a bound that is a constant a name that means the same in the check and where the loop stands.
    fn with_constant(&mut self, mut repeat: Repeat) -> Repeat {
        if repeat.is_constant {
            let name = format_ident!("__CNV_ROUNDS_{}", self.constants.len());
            let max = std::mem::replace(&mut repeat.max, name.to_token_stream());
            self.constants.push((name, max));
        }
        repeat
    }

    /// Walks the arguments of a macro that runs them together, such as `join!`: what is to stand in its place.
    fn join(&mut self, mac: &Macro) -> Option<Expr> {
        let is_join = mac
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "join" || last.ident == "try_join");
        if !is_join || find_spend(mac.tokens.clone()).is_none() {
            return None;
        }
        let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
        let mut futures = parser.parse2(mac.tokens.clone()).ok()?;
        let outer = std::mem::replace(&mut self.is_concurrent, true);
        for future in &mut futures {
            self.visit_expr_mut(future);
        }
        self.is_concurrent = outer;
        // Whatever a macro of this name does with its arguments, it is handed what was called once.
        let names: Vec<Ident> = (0..futures.len())
            .map(|i| format_ident!("future_{i}", span = Span::mixed_site()))
            .collect();
        let futures = futures.into_iter();
        let path = &mac.path;
        syn::parse2(quote! {
            match (#(#futures,)*) {
                (#(#names,)*) => #path!(#(#names),*),
            }
        })
        .ok()
    }

    fn under(&mut self, attributes: &[Attribute], walk: impl FnOnce(&mut Self)) {
        let outer = self.uncountable;
        if attributes.iter().any(is_cfg) {
            self.uncountable = Some(Place::Conditional);
        }
        walk(self);
        self.uncountable = outer;
    }

    /// `run!` would start a budget of its own, so that this one would not be charged.
    fn refuse_run(&mut self, mac: &Macro) {
        let segments = &mac.path.segments;
        let krate = self.krate.segments.last();
        let is_ours = match segments.first() {
            Some(_) if segments.len() == 1 => true,
            Some(first) => {
                first.ident == "cnv" || krate.is_some_and(|krate| krate.ident == first.ident)
            }
            None => false,
        };
        let is_ours = is_ours || segments.iter().any(|segment| segment.ident == "prelude");
        let run = match segments.last() {
            Some(last) if is_ours && last.ident == "run" => Some(last.ident.span()),
            _ => find_call_of(&["run"], mac.tokens.clone()),
        };
        if let Some(span) = run {
            self.errors.push(syn::Error::new(
                span,
                "`run!` starts a budget of its own, and this function's would not be charged: write `spend!`",
            ));
        }
    }

    /// Walks the guard of an arm. Guards of several arms may run before one is taken, so they add up; that of a pattern with
    /// alternatives may run once for each.
    fn guard(&mut self, pat: &mut Pat) {
        match pat {
            Pat::Guard(guarded) if has_alternatives(&guarded.pat) => {
                let place = Place::Repeated("in the guard of a pattern with `|`");
                self.uncountable(place, |p| p.visit_expr_mut(&mut guarded.guard));
            }
            pat => self.visit_pat_mut(pat),
        }
    }

    /// The call that replaces a `spend!`, or `None` where it is some other macro.
    fn spend(&mut self, attributes: &[Attribute], mac: &mut Macro) -> Option<Expr> {
        let end = std::mem::replace(&mut self.end, End::Pending);
        if !is_spend(&mac.path) {
            self.refuse_run(mac);
            if let Some(joined) = self.join(mac) {
                return Some(joined);
            }
            if let Some(span) = find_spend(mac.tokens.clone()) {
                let name = mac.path.to_token_stream().to_string().replace(' ', "");
                self.errors.push(syn::Error::new(
                    span,
                    format!(
                        "`spend!` cannot be counted inside `{name}!`: call it before, and hand over the result (`let value = spend!(..);`)"
                    ),
                ));
                mac.tokens = without_spends(mac.tokens.clone(), &self.krate.to_token_stream());
            }
            return None;
        }
        // A `spend!` that cannot be read stays, and reports itself.
        let SpentCall {
            mut call,
            mut spend,
        } = parse_spent_call(mac.tokens.clone(), "spend").ok()?;
        // The receiver and the arguments run before the call, and may spend themselves.
        match &mut call {
            Expr::Call(call) => {
                for argument in &mut call.args {
                    self.visit_expr_mut(argument);
                }
            }
            Expr::MethodCall(call) => {
                self.visit_expr_mut(&mut call.receiver);
                for argument in &mut call.args {
                    self.visit_expr_mut(argument);
                }
            }
            _ => {}
        }
        spend.macro_path = Some(mac.path.clone());
        spend.end = if self.is_concurrent {
            End::Concurrent
        } else {
            end
        };
        spend.rounds.clone_from(&self.rounds);
        let number = self.spends.len();
        match &mut spend.callee {
            Callee::Companion { alias, .. } => {
                *alias = Ident::new(&format!("__cnv_spent_{number}"), spend.name_span);
                if let Expr::Call(call) = &mut call {
                    *call.func = through(&call.func, alias);
                    call.attrs = attributes.to_vec();
                }
            }
            Callee::Site { site } => {
                *site = format_ident!("site_{number}", span = Span::mixed_site());
                *site = Ident::new(&site.to_string(), site.span().located_at(spend.name_span));
                call = paid(site, attributes, &call);
            }
        }
        self.spends.push(spend.clone());
        let conditional = attributes.iter().any(is_cfg).then_some(Place::Conditional);
        if let Some(place) = conditional.or(self.uncountable) {
            self.errors
                .push(syn::Error::new(spend.name_span, place.message()));
        } else if let Some(message) = self.unseen(&spend) {
            self.errors.push(syn::Error::new(spend.name_span, message));
        } else {
            self.plan.push(Plan::Spend(spend));
        }
        Some(call)
    }

    /// Why a call of a function cannot be looked up, or cannot be paid for by anybody.
    fn unseen(&self, spend: &Spend) -> Option<String> {
        let Callee::Companion { path, .. } = &spend.callee else {
            return None;
        };
        if self.inner_names.declare(path) {
            return Some(format!(
                "`{}` is declared in a block inside `{}`, where the budget cannot see it: move the declaration to the top of the function",
                spend.name, self.function
            ));
        }
        path.is_ident(self.function).then(|| {
            format!(
                "`{0}` spends itself, so no budget is large enough: make it a loop, or call a function that does not call `{0}`",
                self.function
            )
        })
    }
}

/// `a::load::call::<T>` through the import of `a::load`: `alias::call::<T>`.
fn through(callee: &Expr, alias: &Ident) -> Expr {
    let call = match callee {
        Expr::Path(path) => path.path.segments.last(),
        _ => None,
    };
    syn::parse_quote!(#alias::#call)
}

/// `site.pay(call)`, with the spans of the call, so that what is wrong with its value is shown there.
fn paid(site: &Ident, attributes: &[Attribute], call: &Expr) -> Expr {
    let span = call.span();
    let mut arguments = Group::new(Delimiter::Parenthesis, call.to_token_stream());
    arguments.set_span(span);
    let pay = Ident::new("pay", span);
    syn::parse_quote_spanned!(span=> #(#attributes)* #site.#pay #arguments)
}

fn is_spend(path: &Path) -> bool {
    path.segments
        .last()
        .is_some_and(|segment| segment.ident == "spend")
}

impl VisitMut for Planner<'_> {
    fn visit_stmt_mut(&mut self, stmt: &mut Stmt) {
        if let Stmt::Macro(statement) = stmt {
            if let Some(call) = self.spend(&statement.attrs, &mut statement.mac) {
                // Braces end a statement, and the call in their place does not.
                let is_ended = matches!(statement.mac.delimiter, MacroDelimiter::Brace(_));
                let call = if is_ended && statement.semi_token.is_none() {
                    syn::parse_quote!({ #call })
                } else {
                    call
                };
                *stmt = Stmt::Expr(call, statement.semi_token);
            }
            return;
        }
        visit_mut::visit_stmt_mut(self, stmt);
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        self.inner_names.enter(block);
        visit_mut::visit_block_mut(self, block);
        self.inner_names.leave();
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        let Local { attrs, init, .. } = local;
        let Some(init) = init else { return };
        self.under(attrs, |planner| {
            planner.visit_expr_mut(&mut init.expr);
            if let Some((_, diverge)) = &mut init.diverge {
                let branch = planner.branch(|planner| planner.visit_expr_mut(diverge));
                planner.push_branches(vec![branch, Vec::new()]);
            }
        });
    }

    /// Items inside a body have bodies of their own; a stray `spend!` in one reports itself.
    fn visit_item_mut(&mut self, _: &mut Item) {}

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Some(attributes) = conditional_attributes(expr) {
            return self.under(&attributes, |planner| planner.visit_plain_expr(expr));
        }
        self.visit_plain_expr(expr);
    }
}

impl Planner<'_> {
    fn visit_plain_expr(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Macro(ExprMacro { attrs, mac }) => {
                if let Some(call) = self.spend(attrs, mac) {
                    *expr = call;
                }
            }
            Expr::If(branching) => {
                self.visit_expr_mut(&mut branching.cond);
                let then = self.branch(|p| p.visit_block_mut(&mut branching.then_branch));
                let otherwise = match &mut branching.else_branch {
                    Some((_, otherwise)) => self.branch(|p| p.visit_expr_mut(otherwise)),
                    None => Vec::new(),
                };
                self.push_branches(vec![then, otherwise]);
            }
            Expr::Match(branching) => {
                self.visit_expr_mut(&mut branching.expr);
                let mut branches = Vec::new();
                for arm in &mut branching.arms {
                    self.guard(&mut arm.pat);
                    branches.push(self.branch(|p| {
                        p.under(&arm.attrs, |p| p.visit_expr_mut(&mut arm.body));
                    }));
                }
                self.push_branches(branches);
            }
            // The right side is evaluated first.
            Expr::Assign(assigned) => {
                self.visit_expr_mut(&mut assigned.right);
                self.visit_expr_mut(&mut assigned.left);
            }
            // Which side is first depends on the types.
            Expr::Binary(binary) if is_assignment(&binary.op) => self.unordered(|p| {
                p.visit_expr_mut(&mut binary.right);
                p.visit_expr_mut(&mut binary.left);
            }),
            Expr::Await(awaiting) => {
                if matches!(&*awaiting.base, Expr::Macro(_)) {
                    self.end = End::Awaited;
                }
                self.visit_expr_mut(&mut awaiting.base);
                self.end = End::Pending;
            }
            Expr::ForLoop(looping) => {
                self.visit_expr_mut(&mut looping.expr);
                let repeat =
                    self.looping(&mut looping.attrs, "a `for` loop", None, &mut looping.body);
                self.count(repeat, expr);
            }
            Expr::While(looping) => {
                let repeat = self.looping(
                    &mut looping.attrs,
                    "a `while` loop",
                    Some(&mut looping.cond),
                    &mut looping.body,
                );
                self.count(repeat, expr);
            }
            Expr::Loop(looping) => {
                let repeat = self.looping(&mut looping.attrs, "a `loop`", None, &mut looping.body);
                self.count(repeat, expr);
            }
            Expr::Closure(closure) => {
                self.uncountable(Place::Repeated("inside a closure"), |p| {
                    p.visit_expr_mut(&mut closure.body);
                });
            }
            Expr::Async(block) => {
                self.uncountable(Place::Repeated("inside an `async` block"), |p| {
                    p.visit_block_mut(&mut block.block);
                });
            }
            Expr::Const(block) => {
                self.uncountable(Place::Repeated("inside a `const` block"), |p| {
                    p.visit_block_mut(&mut block.block);
                });
            }
            Expr::Verbatim(tokens) => {
                if let Some(span) = find_spend(tokens.clone()) {
                    self.errors.push(syn::Error::new(
                        span,
                        "`spend!` cannot be counted here: write it as a statement of its own",
                    ));
                }
            }
            other => visit_mut::visit_expr_mut(self, other),
        }
    }
}

impl Planner<'_> {
    fn count(&self, repeat: Option<Repeat>, expr: &mut Expr) {
        if let Some(repeat) = repeat {
            let repeated = std::mem::replace(expr, Expr::PLACEHOLDER);
            *expr = repeat.count(repeated, self.function, self.krate);
        }
    }
}

/// `+=` and its like.
fn is_assignment(op: &BinOp) -> bool {
    use BinOp::{
        AddAssign, BitAndAssign, BitOrAssign, BitXorAssign, DivAssign, MulAssign, RemAssign,
        ShlAssign, ShrAssign, SubAssign,
    };
    matches!(
        op,
        AddAssign(_)
            | SubAssign(_)
            | MulAssign(_)
            | DivAssign(_)
            | RemAssign(_)
            | BitXorAssign(_)
            | BitAndAssign(_)
            | BitOrAssign(_)
            | ShlAssign(_)
            | ShrAssign(_)
    )
}

/// Whether the pattern has alternatives at any depth.
fn has_alternatives(pat: &Pat) -> bool {
    struct Alternatives(bool);
    impl Visit<'_> for Alternatives {
        fn visit_pat_or(&mut self, _: &PatOr) {
            self.0 = true;
        }
    }
    let mut alternatives = Alternatives(false);
    alternatives.visit_pat(pat);
    alternatives.0
}

fn is_cfg(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr")
}

/// The attributes of an expression that holds others, where one of them is a `#[cfg]`.
fn conditional_attributes(expr: &Expr) -> Option<Vec<Attribute>> {
    let attributes = match expr {
        Expr::Await(expr) => &expr.attrs,
        Expr::Block(expr) => &expr.attrs,
        Expr::Call(expr) => &expr.attrs,
        Expr::If(expr) => &expr.attrs,
        Expr::Match(expr) => &expr.attrs,
        Expr::MethodCall(expr) => &expr.attrs,
        Expr::Paren(expr) => &expr.attrs,
        Expr::Return(expr) => &expr.attrs,
        Expr::Try(expr) => &expr.attrs,
        Expr::Tuple(expr) => &expr.attrs,
        Expr::Unsafe(expr) => &expr.attrs,
        _ => return None,
    };
    attributes.iter().any(is_cfg).then(|| attributes.clone())
}

/// A body that parses, or `None`: then the compiler's own error on it is the best there is.
pub(crate) fn parse_body(body: TokenStream) -> Option<Block> {
    syn::parse2(body).ok()
}
