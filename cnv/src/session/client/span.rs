//! The span of a call, where it is made.

use crate::session::close::CloseCode;
use crate::session::message::Ending;
use crate::trace::Span;

/// The span of a call that was made. Dropped before its end, the call was cancelled.
pub(super) struct CallSpan {
    pub(super) span: Span,
    /// Noun and verb, until it is known that they are: a word that is none may be an argument.
    pub(super) verb: Option<String>,
}

impl CallSpan {
    pub(super) const NONE: Self = Self {
        span: Span::NONE,
        verb: None,
    };

    /// The server knows the verb.
    pub(super) fn is_understood(&mut self) {
        if let Some(verb) = self.verb.take() {
            self.span.set("rpc.method", verb);
        }
    }

    /// Ends it as the call did.
    pub(super) fn end(&mut self, ending: &Ending, has_result: bool) {
        if has_result || ending.receipt.is_some() || ending.left_out_receipt_bytes.is_some() {
            self.is_understood();
        }
        match &ending.failure {
            // It is the other end's word, and as long as that likes.
            Some(failure) => self
                .span
                .fail(failure.code.chars().take(64).collect::<String>()),
            None if !has_result => self.span.fail(CloseCode::Protocol.as_str()),
            None => {}
        }
        self.over();
    }

    /// Ends it as one that failed. One that is over stays as it is.
    pub(super) fn fail(&mut self, why: &'static str) {
        self.span.fail(why);
        self.over();
    }

    fn over(&mut self) {
        drop(std::mem::replace(&mut self.span, Span::NONE));
    }
}

impl Drop for CallSpan {
    fn drop(&mut self) {
        self.fail("cancelled");
    }
}
