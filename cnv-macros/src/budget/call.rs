//! One `spend!(callee(args))`: what may stand inside it, and the call that it stands for.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, ExprCall, ExprPath, Ident, Path, PathArguments};

/// One `spend!`.
#[derive(Debug, Clone)]
pub(crate) struct Spend {
    /// The name under which the expansion imports the callee's companion item.
    pub(crate) alias: Ident,
    /// How many arguments the call has.
    pub(crate) arity: usize,
    /// `spend` as it was written, for the import that brought it.
    pub(crate) macro_path: Option<Path>,
    /// The callee's companion item: its path without generic arguments.
    pub(crate) companion: Path,
    /// The callee as the message names it.
    pub(crate) name: String,
    /// The callee's last path segment.
    pub(crate) name_span: Span,
    /// The parentheses of the call.
    pub(crate) paren_span: Span,
}

/// Whether the tokens hold a `spend!` or a `run!` at any depth. Bodies without one stay as they were
/// written.
pub(crate) fn mentions_payment(tokens: TokenStream) -> bool {
    find_call_of(&["spend", "run"], tokens).is_some()
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
    pub(crate) call: ExprCall,
    pub(crate) spend: Spend,
}

/// Reads the inside of `spend!(..)` or `run!(..)`.
pub(crate) fn parse_spent_call(tokens: TokenStream, macro_name: &str) -> syn::Result<SpentCall> {
    let expr: Expr = syn::parse2(tokens.clone()).map_err(|_| {
        syn::Error::new_spanned(
            tokens,
            format!("`{macro_name}!` takes one call: write `{macro_name}!(load(path))`"),
        )
    })?;
    let call = match expr {
        Expr::Call(mut call) => {
            // A path that a `macro_rules!` macro was given comes in a group that cannot be seen.
            while let Expr::Group(group) = *call.func {
                call.func = group.expr;
            }
            call
        }
        Expr::Await(inner) => {
            return Err(syn::Error::new(
                inner.await_token.span,
                format!("put `.await` outside: write `{macro_name}!(load(path)).await`"),
            ));
        }
        Expr::Try(inner) => {
            return Err(syn::Error::new(
                inner.question_token.span,
                format!("put `?` outside: write `{macro_name}!(load(path))?`"),
            ));
        }
        Expr::MethodCall(inner) => {
            return Err(syn::Error::new(
                inner.method.span(),
                format!(
                    "methods have no budget of their own yet; put the work into a free function and write `{macro_name}!({}(..))`",
                    inner.method
                ),
            ));
        }
        other => {
            return Err(syn::Error::new_spanned(
                other,
                format!("`{macro_name}!` takes one call: write `{macro_name}!(load(path))`"),
            ));
        }
    };
    charge(call)
}

/// `a::load::<T>(x)` becomes `a::load::call::<T>(x)`, charged to the companion `a::load`.
fn charge(mut call: ExprCall) -> syn::Result<SpentCall> {
    let Expr::Path(ExprPath {
        qself: None, path, ..
    }) = &mut *call.func
    else {
        return Err(syn::Error::new_spanned(
            &call.func,
            "only a call of a named function can be spent, because its budget is read from its name",
        ));
    };
    let mut companion = path.clone();
    for segment in &mut companion.segments {
        segment.arguments = PathArguments::None;
    }
    let Some(last) = path.segments.last_mut() else {
        return Err(syn::Error::new_spanned(path, "a call needs a name"));
    };
    let spend = Spend {
        alias: last.ident.clone(),
        arity: call.args.len(),
        macro_path: None,
        name: last.ident.to_string(),
        name_span: last.ident.span(),
        paren_span: call.paren_token.span.join(),
        companion,
    };
    let generics = std::mem::replace(&mut last.arguments, PathArguments::None);
    path.segments.push(syn::PathSegment {
        ident: Ident::new("call", spend.name_span),
        arguments: generics,
    });
    Ok(SpentCall { call, spend })
}

/// The tokens with every `spend!(call)` replaced by the call, so that a fault reported here is not
/// reported again by the macro itself.
pub(super) fn without_spends(tokens: TokenStream) -> TokenStream {
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
                        Ok(spent) => spent.call.to_tokens(&mut kept),
                        Err(_) => kept.extend(group.stream()),
                    }
                }
            }
            TokenTree::Group(group) => {
                let mut inner =
                    proc_macro2::Group::new(group.delimiter(), without_spends(group.stream()));
                inner.set_span(group.span());
                kept.extend([TokenTree::Group(inner)]);
            }
            other => kept.extend([other]),
        }
    }
    kept
}
