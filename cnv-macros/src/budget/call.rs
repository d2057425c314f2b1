//! One `spend!(callee(args))`: what may stand inside it, and the call that it stands for.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::{Expr, ExprCall, ExprPath, Ident, Path, PathArguments};

use crate::args::without_groups;

/// One `spend!`.
#[derive(Debug, Clone)]
pub(crate) struct Spend {
    pub(crate) callee: Callee,
    /// `spend` as it was written, for the import that brought it.
    pub(crate) macro_path: Option<Path>,
    /// The callee as the message names it.
    pub(crate) name: String,
    /// The callee's last path segment.
    pub(crate) name_span: Span,
    /// The parentheses of the call.
    pub(crate) paren_span: Span,
    /// When the call is over.
    pub(crate) end: End,
    /// How often each of the loops around the call runs at most, the outermost first: expressions.
    pub(crate) rounds: Vec<TokenStream>,
}

/// How the callee says what it costs.
#[derive(Debug, Clone)]
pub(crate) enum Callee {
    /// A function: by a companion item of its name.
    Companion {
        /// Its path without generic arguments.
        path: Path,
        /// The name under which the expansion imports it.
        alias: Ident,
        /// How many arguments the call has.
        arity: usize,
    },
    /// A method or an associated function: by what it returns.
    Site {
        /// The variable of the site.
        site: Ident,
    },
}

/// When what a call uses is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Before the next call begins.
    Awaited,
    /// The same for a function; a future that is not awaited here runs at some other time.
    Pending,
    /// It runs together with others.
    Concurrent,
}

/// Whether the tokens hold a `spend!`, a `run!` or a `#[repeat]` at any depth. Bodies without one stay as
/// they were written.
pub(crate) fn mentions_payment(tokens: TokenStream) -> bool {
    find_call_of(&["spend", "run"], tokens.clone()).is_some() || mentions_repeat(tokens)
}

fn mentions_repeat(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => {
            let is_repeat = group.delimiter() == Delimiter::Bracket
                && matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(first)) if first == "repeat");
            is_repeat || mentions_repeat(group.stream())
        }
        _ => false,
    })
}

pub(super) fn find_spend(tokens: TokenStream) -> Option<Span> {
    find_call_of(&["spend"], tokens)
}

/// Where the first `name!` stands, of any of the names.
pub(super) fn find_call_of(names: &[&str], tokens: TokenStream) -> Option<Span> {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) if names.iter().any(|name| ident == name) => {
                if matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == '!')
                {
                    return Some(ident.span());
                }
            }
            TokenTree::Group(group) => {
                if let Some(span) = find_call_of(names, group.stream()) {
                    return Some(span);
                }
            }
            _ => {}
        }
    }
    None
}

/// The call that a `spend!` stands for, and what it spends.
pub(crate) struct SpentCall {
    pub(crate) call: Expr,
    pub(crate) spend: Spend,
}

impl SpentCall {
    /// The call where nobody is charged.
    pub(crate) fn free_of_charge(&self, krate: &TokenStream) -> TokenStream {
        let call = &self.call;
        match self.spend.callee {
            Callee::Companion { .. } => call.to_token_stream(),
            Callee::Site { .. } => quote!(#krate::__private::quota::paid(#call)),
        }
    }
}

/// Reads the inside of `spend!(..)` or `run!(..)`.
pub(crate) fn parse_spent_call(tokens: TokenStream, macro_name: &str) -> syn::Result<SpentCall> {
    let expr: Expr = syn::parse2(tokens.clone()).map_err(|_| {
        syn::Error::new_spanned(
            tokens,
            format!("`{macro_name}!` takes one call: write `{macro_name}!(load(path))`"),
        )
    })?;
    match without_groups(expr) {
        Expr::Call(mut call) => {
            *call.func = without_groups(*call.func);
            function(call)
        }
        Expr::MethodCall(mut call) => {
            let spend = Spend::new(Callee::site(), &call.method, call.paren_token.span.join());
            call.method = spend_name(&call.method);
            let call = Expr::MethodCall(call);
            Ok(SpentCall { call, spend })
        }
        Expr::Await(inner) => Err(syn::Error::new(
            inner.await_token.span,
            format!("put `.await` outside: write `{macro_name}!(load(path)).await`"),
        )),
        Expr::Try(inner) => Err(syn::Error::new(
            inner.question_token.span,
            format!("put `?` outside: write `{macro_name}!(load(path))?`"),
        )),
        other => Err(syn::Error::new_spanned(
            other,
            format!("`{macro_name}!` takes one call: write `{macro_name}!(load(path))`"),
        )),
    }
}

impl Spend {
    fn new(callee: Callee, name: &Ident, paren_span: Span) -> Self {
        Self {
            callee,
            macro_path: None,
            name: name.to_string(),
            name_span: name.span(),
            paren_span,
            end: End::Pending,
            rounds: Vec::new(),
        }
    }
}

impl Callee {
    /// A site that has no variable yet.
    fn site() -> Self {
        Self::Site {
            site: Ident::new("site", Span::mixed_site()),
        }
    }
}

/// The method that stands beside the method `name`, and returns its charge with its value. Where there is none, the
/// compiler's message says this name.
pub(crate) fn spend_name(name: &Ident) -> Ident {
    format_ident!("__{}_with_a_budget", name)
}

/// `a::load::<T>(x)` becomes `a::load::call::<T>(x)`, charged to the companion `a::load`;
/// `Store::open(x)` becomes `Store::__open_with_a_budget(x)`.
fn function(mut call: ExprCall) -> syn::Result<SpentCall> {
    let Expr::Path(ExprPath { qself, path, .. }) = &mut *call.func else {
        return Err(syn::Error::new_spanned(
            &call.func,
            "only a call of a named function can be spent, because its budget is read from its name: put the closure's work into a function with a `#[budget(..)]`",
        ));
    };
    let is_associated = qself.is_some() || is_in_a_type(path);
    let companion = companion(path);
    let Some(last) = path.segments.last_mut() else {
        return Err(syn::Error::new_spanned(path, "a call needs a name"));
    };
    let name = last.ident.clone();
    let paren_span = call.paren_token.span.join();
    if is_associated {
        last.ident = spend_name(&name);
        let spend = Spend::new(Callee::site(), &name, paren_span);
        let call = Expr::Call(call);
        return Ok(SpentCall { call, spend });
    }
    let callee = Callee::Companion {
        path: companion,
        alias: name.clone(),
        arity: call.args.len(),
    };
    let spend = Spend::new(callee, &name, paren_span);
    let generics = std::mem::replace(&mut last.arguments, PathArguments::None);
    path.segments.push(syn::PathSegment {
        ident: Ident::new("call", spend.name_span),
        arguments: generics,
    });
    let call = Expr::Call(call);
    Ok(SpentCall { call, spend })
}

/// The path without generic arguments.
fn companion(path: &Path) -> Path {
    let mut companion = path.clone();
    for segment in &mut companion.segments {
        segment.arguments = PathArguments::None;
    }
    companion
}

/// Whether the last name stands in a type rather than in a module: types begin with a capital letter.
fn is_in_a_type(path: &Path) -> bool {
    let Some(parent) = path.segments.iter().nth_back(1) else {
        return false;
    };
    let name = parent.ident.to_string();
    PRIMITIVES.contains(&&*name)
        || name
            .trim_start_matches("r#")
            .starts_with(char::is_uppercase)
}

/// Types that are written small.
pub(crate) const PRIMITIVES: &[&str] = &[
    "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64",
    "i128", "isize", "f32", "f64",
];

/// The tokens with every `spend!(call)` replaced by the call, so that a fault reported here is not
/// reported again by the macro itself.
pub(super) fn without_spends(tokens: TokenStream, krate: &TokenStream) -> TokenStream {
    let mut kept = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_bang =
            matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == '!');
        match token {
            TokenTree::Ident(ident) if ident == "spend" && is_bang => {
                tokens.next();
                if let Some(TokenTree::Group(group)) = tokens.next() {
                    match parse_spent_call(group.stream(), "spend") {
                        Ok(spent) => kept.extend(spent.free_of_charge(krate)),
                        Err(_) => kept.extend(group.stream()),
                    }
                }
            }
            TokenTree::Group(group) => {
                let mut inner = proc_macro2::Group::new(
                    group.delimiter(),
                    without_spends(group.stream(), krate),
                );
                inner.set_span(group.span());
                kept.extend([TokenTree::Group(inner)]);
            }
            other => kept.extend([other]),
        }
    }
    kept
}
