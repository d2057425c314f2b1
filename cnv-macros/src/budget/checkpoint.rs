//! `enforce = "cooperative"`: the places where a body can stop when its memory or its processor time is over.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprAsync, ExprClosure, ExprConst, Item, Macro, Path, ReturnType, Stmt};

use super::call::find_spend;
use crate::args::Argument;
use crate::errors::{ErrorSink, nearest};

const LEVELS: &[&str] = &["observe", "cooperative"];

/// That a body is stopped when it is over; where nothing is said, it is only observed.
#[derive(Clone)]
pub(crate) struct Cooperative {
    /// The value in the attribute, which is underlined where the function has no room for the error.
    span: Span,
}

impl Cooperative {
    /// Reads `enforce = ".."`.
    pub(crate) fn from_argument(argument: &Argument, errors: &mut ErrorSink) -> Option<Self> {
        let level = argument.string("cooperative", errors)?;
        match level.value().as_str() {
            "observe" => None,
            "cooperative" => Some(Self { span: level.span() }),
            other => {
                let advice = match nearest(other, LEVELS) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => "it is \"observe\" or \"cooperative\"".to_owned(),
                };
                errors.at(
                    &level,
                    format!("unknown level of enforcement \"{other}\"; {advice}"),
                );
                None
            }
        }
    }

    /// Reports a function that has nowhere to stop, or no way to say so.
    pub(crate) fn is_possible(
        &self,
        function: &Ident,
        output: &ReturnType,
        has_body: bool,
        errors: &mut ErrorSink,
    ) -> bool {
        let message = if !has_body {
            format!(
                "`{function}` has no body here that could stop: write `enforce` where it is implemented"
            )
        } else if matches!(output, ReturnType::Default) {
            format!(
                "`enforce = \"cooperative\"` stops a function with an error, so `{function}` has to return a `Result`"
            )
        } else {
            return true;
        };
        errors.push(syn::Error::new(self.span, message));
        false
    }

    /// Brings the names that checkpoints use, and checks before anything runs.
    pub(crate) fn entry(&self, krate: &Path) -> TokenStream {
        let checkpoint = self.checkpoint();
        quote! {
            use #krate::__private::quota::{
                checkpoint as __cnv_checkpoint, stopped as __cnv_stopped,
            };
            #checkpoint
        }
    }

    /// What turns the error into what the function returns.
    pub(crate) fn stop(&self) -> TokenStream {
        quote_spanned!(self.mixed()=> __cnv_stopped)
    }

    /// Puts a checkpoint at the head of every loop of the body itself, and before every statement of it that
    /// spends.
    pub(crate) fn insert(&self, body: &mut Block) {
        Inserter {
            checkpoint: syn::parse2(self.checkpoint()).ok(),
        }
        .visit_block_mut(body);
    }

    fn checkpoint(&self) -> TokenStream {
        let span = self.mixed();
        let exceeded = Ident::new("exceeded", span);
        // All of it at the value in the attribute.
        let stop = quote_spanned!(span=> __cnv_stopped(#exceeded));
        quote! {
            if let ::core::result::Result::Err(#exceeded) = __cnv_checkpoint() {
                return #stop;
            }
        }
    }

    fn mixed(&self) -> Span {
        Span::mixed_site().located_at(self.span)
    }
}

struct Inserter {
    checkpoint: Option<Stmt>,
}

impl VisitMut for Inserter {
    fn visit_block_mut(&mut self, block: &mut Block) {
        let statements = std::mem::take(&mut block.stmts);
        for mut statement in statements {
            if spends(&mut statement) {
                block.stmts.extend(self.checkpoint.clone());
            }
            self.visit_stmt_mut(&mut statement);
            block.stmts.push(statement);
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        visit_mut::visit_expr_mut(self, expr);
        let body = match expr {
            Expr::ForLoop(looping) => &mut looping.body,
            Expr::While(looping) => &mut looping.body,
            Expr::Loop(looping) => &mut looping.body,
            _ => return,
        };
        let rest = std::mem::take(&mut body.stmts);
        body.stmts.extend(self.checkpoint.clone());
        body.stmts.extend(rest);
    }

    // Their bodies are not the function's own: a `return` there would leave something else.
    fn visit_expr_closure_mut(&mut self, _: &mut ExprClosure) {}
    fn visit_expr_async_mut(&mut self, _: &mut ExprAsync) {}
    fn visit_expr_const_mut(&mut self, _: &mut ExprConst) {}
    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// Whether the statement spends, blocks inside it left out: their statements are asked themselves.
fn spends(statement: &mut Stmt) -> bool {
    let mut finder = Finder { found: false };
    visit_mut::visit_stmt_mut(&mut finder, statement);
    finder.found
}

/// Changes nothing.
struct Finder {
    found: bool,
}

impl VisitMut for Finder {
    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        let is_spend = mac.path.segments.last().is_some_and(|s| s.ident == "spend");
        self.found |= is_spend || find_spend(mac.tokens.clone()).is_some();
    }

    fn visit_block_mut(&mut self, _: &mut Block) {}
    fn visit_expr_closure_mut(&mut self, _: &mut ExprClosure) {}
    fn visit_item_mut(&mut self, _: &mut Item) {}
}
