//! The verbs that an operator has over the live grammar.

use super::{LiveGrammar, LiveStatus};
use crate::capability::CapabilityContract;
use crate::command::context::Context;
use crate::command::failure::Failure;
use crate::command::output::Output;
use crate::command::spec::verb_spec;
use crate::command::verb::{Registration, invocation};
use crate::grammar::Effect;

/// `grammar status` and `grammar reload`, for a program that serves more than one call and has an
/// [`overlay`](crate::command::App::overlay). The first needs an attestation for `read_only`, the second one for
/// `read_write`.
///
/// ```
/// use cnv::command::grammar_control;
/// use cnv::prelude::*;
///
/// let app = App::new("ops").overlay("ops.toml").verbs(grammar_control());
/// app.check().unwrap();
/// let failure = app.call_blocking(["grammar", "reload"]).result.unwrap_err();
/// assert!(failure.to_string().starts_with("attestation refused"), "{failure}");
/// ```
#[must_use]
pub fn grammar_control() -> [Registration; 2] {
    let status = Registration {
        spec: verb_spec(
            ("grammar", "status", &[]),
            (
                "Shows which grammar is in force, and how the overlay stands to it",
                None,
                None,
            ),
            (Effect::Read, true),
            Some(CapabilityContract::read_only()),
            None,
            (concat!(module_path!(), "::status"), file!(), line!()),
        ),
        arguments: Vec::new,
        output: || None,
        #[cfg(feature = "session")]
        is_blocking: false,
        policy: || None,
        invoke: |cx, _| invocation(async move { Output::of(&live(&cx)?.status()) }),
    };
    let reload = Registration {
        spec: verb_spec(
            ("grammar", "reload", &[]),
            ("Reads the overlay and puts it in force", None, None),
            (Effect::Write, true),
            Some(CapabilityContract::read_write()),
            None,
            (concat!(module_path!(), "::reload"), file!(), line!()),
        ),
        arguments: Vec::new,
        output: || None,
        #[cfg(feature = "session")]
        is_blocking: false,
        policy: || None,
        invoke: |cx, _| {
            invocation(async move {
                let status: LiveStatus = live(&cx)?.reload().await?;
                Output::of(&status)
            })
        },
    };
    [status, reload]
}

fn live(cx: &Context) -> Result<&LiveGrammar, Failure> {
    cx.live_grammar()
        .ok_or_else(|| Failure::failed("the application has no overlay"))
}
