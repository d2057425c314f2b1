//! The checked meaning of all attributes on one function.

use syn::{Block, Ident, Path, Signature};

use super::function::{Function, Kind, crate_path};
use crate::args::Arguments;
use crate::attestation::GuardModel;
use crate::budget::BudgetModel;
use crate::budget::call;
use crate::budget::plan::{self, Spends};
use crate::errors::ErrorSink;
use crate::verb::VerbModel;

/// Everything that the expansion needs. It exists even where there were faults, so that the user's
/// function and its companion are there and no second wave of errors follows.
pub(crate) struct ItemModel {
    pub(crate) krate: Path,
    /// Without cnv's attributes, on the function or on its parameters.
    pub(crate) function: Function,
    pub(crate) companion: Ident,
    /// Whether a `#[verb]` stands here, even one at fault.
    pub(crate) is_verb: bool,
    pub(crate) verb: Option<VerbModel>,
    pub(crate) guard: Option<GuardModel>,
    pub(crate) budget: Option<BudgetModel>,
    /// The body with its spends turned into calls, where it has any.
    pub(crate) rewritten: Option<Block>,
    pub(crate) spends: Spends,
}

impl ItemModel {
    pub(crate) fn new(
        kind: Kind,
        arguments: Arguments,
        mut function: Function,
        errors: &mut ErrorSink,
    ) -> Self {
        let mut attributes = vec![(kind, arguments)];
        attributes.extend(function.take_siblings(errors));
        function.lift_inner_attributes();
        let krate = crate_path(&attributes, errors);
        let parameters = function.take_parameter_attributes();
        let signature = function.signature.clone();

        let mut take = |wanted: Kind| one(&mut attributes, wanted, errors);
        let verb = take(Kind::Verb);
        let budget = take(Kind::Budget);
        let guard = take(Kind::RequiresAttestation);
        let is_verb = verb.is_some();
        let guarded = guard.is_some();
        let public = verb
            .as_ref()
            .is_some_and(|verb| verb.list.iter().any(|argument| argument.key == "public"));

        let budget = budget.map(|arguments| BudgetModel::from_arguments(arguments, errors));
        let supported = check_function(&signature, is_verb, budget.is_some(), errors);
        let guard = guard
            .and_then(|arguments| GuardModel::from_arguments(arguments, &signature, errors))
            .filter(|_| supported);
        let verb = verb.and_then(|arguments| {
            let docs: Vec<_> = function.docs().collect();
            VerbModel::from_arguments(arguments, &signature, &docs, parameters, errors)
        });
        if let Some(verb) = &verb {
            verb.check_siblings(public, guard.as_ref(), guarded, budget.as_ref(), errors);
        }

        let budget = budget.filter(|_| supported);
        let mut rewritten = None;
        let mut spends = Spends::default();
        if budget.is_some() && call::mentions_payment(function.body.stream()) {
            let body = quote::ToTokens::to_token_stream(&function.body);
            if let Some(mut block) = plan::parse_body(body) {
                spends = plan::rewrite(&mut block, &signature.ident, &krate, errors);
                rewritten = Some(block);
            }
        }
        let companion = budget
            .as_ref()
            .and_then(|budget| budget.card.clone())
            .unwrap_or_else(|| signature.ident.clone());
        Self {
            krate,
            function,
            companion,
            is_verb: is_verb && supported,
            verb: verb.filter(|_| supported),
            guard,
            budget,
            rewritten,
            spends,
        }
    }
}

/// The one attribute of `wanted`; a second is a fault.
fn one(
    attributes: &mut Vec<(Kind, Arguments)>,
    wanted: Kind,
    errors: &mut ErrorSink,
) -> Option<Arguments> {
    let mut found = None;
    attributes.retain(|(kind, arguments)| {
        if *kind != wanted {
            return true;
        }
        if found.is_some() {
            let name = wanted.name();
            errors.push(syn::Error::new(
                arguments.span,
                format!("`#[{name}]` stands on this function twice; keep one of the two"),
            ));
        } else {
            found = Some(arguments.clone());
        }
        false
    });
    found
}

/// Whether the function can have a companion item. A guard alone needs none.
fn check_function(
    signature: &Signature,
    is_verb: bool,
    budgeted: bool,
    errors: &mut ErrorSink,
) -> bool {
    if !is_verb && !budgeted {
        if let Some(token) = &signature.constness {
            errors.at(
                token,
                "`#[requires_attestation]` checks the evidence as the function runs, which a `const fn` cannot: drop `const`",
            );
        }
        return signature.constness.is_none();
    }
    let attribute = if budgeted { "budget" } else { "verb" };
    let mut supported = true;
    let mut refuse = |tokens: &dyn quote::ToTokens, message: String| {
        errors.push(syn::Error::new_spanned(tokens, message));
        supported = false;
    };
    if let Some(token) = &signature.constness {
        refuse(
            token,
            format!(
                "`#[{attribute}]` meters the body as it runs, which a `const fn` cannot: drop `const`"
            ),
        );
    }
    if let syn::Safety::Unsafe(token) = &signature.safety {
        refuse(
            token,
            format!(
                "`#[{attribute}]` goes on a safe function: keep the `unsafe` block inside the body"
            ),
        );
    }
    if let Some(abi) = &signature.abi {
        refuse(
            abi,
            format!("`#[{attribute}]` goes on a Rust function: drop the `extern`"),
        );
    }
    if budgeted && let Some(receiver) = signature.receiver() {
        refuse(
            receiver,
            "`#[budget]` goes on free functions so far: put the work into one, and let the method call it".to_owned(),
        );
    } else if is_verb && signature.receiver().is_some() {
        // The verb reports its receiver itself.
        supported = false;
    }
    supported
}
