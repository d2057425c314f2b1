//! The checked meaning of all attributes on one function.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Block, Ident, Path, Signature};

use super::function::{Function, Kind, crate_path};
use crate::args::Arguments;
use crate::attestation::{GuardModel, PermitModel};
use crate::budget::BudgetModel;
use crate::budget::call::{self, PRIMITIVES};
use crate::budget::plan::{self, Spends};
use crate::budget::units::UNLIMITED;
use crate::errors::ErrorSink;
use crate::recovery::{self, RecoveryModel};
use crate::verb::VerbModel;

/// Where a function stands, as far as it is known.
#[derive(Clone)]
pub(crate) enum Place {
    /// In a module, or in a block. So it seems where nothing in the signature shows an `impl` block.
    Free,
    /// In an `impl` block without a trait.
    Inherent,
    /// In an `impl` block of this trait.
    Implementation(Path),
    /// In a trait.
    Trait,
}

/// Everything that the expansion needs. It exists even where there were faults, so that the user's
/// function and its companion are there and no second wave of errors follows.
pub(crate) struct ItemModel {
    pub(crate) krate: Path,
    pub(crate) place: Place,
    /// Whether there is a body; a method of a trait may have none.
    pub(crate) has_body: bool,
    /// Without cnv's attributes, on the function or on its parameters.
    pub(crate) function: Function,
    pub(crate) companion: Ident,
    /// Whether a `#[verb]` stands here, even one at fault.
    pub(crate) is_verb: bool,
    pub(crate) verb: Option<VerbModel>,
    pub(crate) guard: Option<GuardModel>,
    /// The parameter that the guard fills, which is not in the signature any more.
    pub(crate) permit: Option<PermitModel>,
    pub(crate) budget: Option<BudgetModel>,
    /// Under which policy the body runs.
    pub(crate) recovery: Option<RecoveryModel>,
    /// The body with its spends turned into calls, where it has any.
    pub(crate) rewritten: Option<Block>,
    pub(crate) spends: Spends,
}

impl ItemModel {
    pub(crate) fn new(
        mut attributes: Vec<(Kind, Arguments)>,
        mut function: Function,
        has_body: bool,
        place: Place,
        errors: &mut ErrorSink,
    ) -> Self {
        attributes.extend(function.take_siblings(errors));
        function.lift_inner_attributes();
        let krate = crate_path(&attributes, errors);
        let guarded = attributes
            .iter()
            .any(|(kind, _)| *kind == Kind::RequiresAttestation);
        let permit = guarded
            .then(|| PermitModel::take(&mut function.signature, errors))
            .flatten();
        let parameters = function.take_parameter_attributes();
        let signature = function.signature.clone();

        let Written {
            verb,
            budget,
            guard,
            recovery,
        } = Written::take(&mut attributes, errors);
        let is_verb = verb.is_some();
        let public = verb
            .as_ref()
            .is_some_and(|verb| verb.list.iter().any(|argument| argument.key == "public"));

        let may_inherit = matches!(place, Place::Implementation(_));
        let mut budget =
            budget.map(|arguments| BudgetModel::from_arguments(arguments, may_inherit, errors));
        let place = match place {
            Place::Free if budget.is_some() && of_an_impl(&signature).is_some() => Place::Inherent,
            place => place,
        };
        let is_method = !matches!(place, Place::Free);
        if let Some(budget) = &budget {
            check_place(budget, &place, &function, errors);
        }
        if !has_body {
            check_without_body(&recovery, &signature, errors);
        }
        let has_permit = permit.is_some();
        let recovery =
            RecoveryModel::from_arguments(recovery, &signature, is_verb, has_permit, errors);
        let supported = check_function(&signature, is_verb, budget.is_some(), guarded, errors);
        if !supported
            && !is_verb
            && let Some(budget) = &mut budget
        {
            // What is reported is left out, so that nothing more is.
            budget.is_faulty = true;
            function.signature.constness = None;
            function.signature.safety = syn::Safety::Default;
            function.signature.abi = None;
        }
        let supported = supported || !is_verb && budget.is_some();
        let signature = function.signature.clone();
        let guard = guard
            .and_then(|arguments| GuardModel::from_arguments(arguments, &signature, errors))
            .filter(|_| supported);
        let verb = verb.and_then(|arguments| {
            let docs: Vec<_> = function.docs().collect();
            VerbModel::from_arguments(arguments, &signature, &docs, parameters, errors)
        });
        if let Some(verb) = &verb {
            verb.check_siblings(public, guard.as_ref(), guarded, budget.as_ref(), errors);
            if let Some(recovery) = &recovery {
                let names = (&*verb.noun, &*verb.name);
                recovery.check_verb(names, verb.effect.name, verb.idempotent, errors);
            }
        }

        let mut budget = budget.filter(|_| supported);
        let mut rewritten = None;
        let mut spends = Spends::default();
        if let Some(budget) = &mut budget {
            budget.attempts = recovery.as_ref().map_or(1, RecoveryModel::attempts);
            (rewritten, spends) = spend(budget, &function, is_method, has_body, &krate, errors);
        }
        let companion = budget
            .as_ref()
            .and_then(|budget| budget.card.clone())
            .unwrap_or_else(|| signature.ident.clone());
        Self {
            krate,
            place,
            has_body,
            function,
            companion,
            is_verb: is_verb && supported,
            verb: verb.filter(|_| supported),
            guard,
            permit,
            budget,
            recovery: recovery.filter(|_| supported && has_body),
            rewritten,
            spends,
        }
    }

    /// Whether an item stands beside the function.
    pub(crate) fn has_companion(&self) -> bool {
        self.is_verb || self.budget.is_some() && matches!(self.place, Place::Free)
    }

    /// How long a call takes at most, where it has a timeout of its own.
    pub(crate) fn timeout_ns(&self) -> Option<u64> {
        self.recovery.as_ref().and_then(RecoveryModel::timeout_ns)
    }

    /// What runs before the body: the guard, and the permit that it gives.
    pub(crate) fn entry(&self) -> Option<TokenStream> {
        let permit = self.permit.as_ref();
        match &self.guard {
            Some(guard) => Some(guard.statements(permit, &self.krate)),
            None => permit.map(|permit| permit.unreachable(&self.krate)),
        }
    }
}

/// The attributes as they are written, each once.
struct Written {
    verb: Option<Arguments>,
    budget: Option<Arguments>,
    guard: Option<Arguments>,
    recovery: Vec<(Kind, Arguments)>,
}

impl Written {
    fn take(attributes: &mut Vec<(Kind, Arguments)>, errors: &mut ErrorSink) -> Self {
        let mut take = |wanted: Kind| one(attributes, wanted, errors);
        Self {
            verb: take(Kind::Verb),
            budget: take(Kind::Budget),
            guard: take(Kind::RequiresAttestation),
            recovery: recovery::KINDS
                .into_iter()
                .filter_map(|kind| Some((kind, take(kind)?)))
                .collect(),
        }
    }
}

/// The body with its spends turned into calls, where it has any, and what they are.
fn spend(
    budget: &mut BudgetModel,
    function: &Function,
    is_method: bool,
    has_body: bool,
    krate: &Path,
    errors: &mut ErrorSink,
) -> (Option<Block>, Spends) {
    let signature = &function.signature;
    budget.cooperative = budget
        .cooperative
        .take()
        .filter(|level| level.is_possible(&signature.ident, &signature.output, has_body, errors));
    let mut rewritten = None;
    let mut spends = Spends::default();
    if budget.cooperative.is_some() || call::mentions_payment(function.body.stream()) {
        let body = quote::ToTokens::to_token_stream(&function.body);
        if let Some(mut block) = plan::parse_body(body) {
            if let Some(cooperative) = &budget.cooperative {
                cooperative.insert(&mut block);
            }
            spends = plan::rewrite(&mut block, signature, krate, errors);
            rewritten = Some(block);
        }
    }
    check_circles(budget, is_method, &spends, signature, errors);
    if budget.is_faulty {
        // Nothing adds up with numbers that cannot be read.
        budget.charge_nothing();
        spends.plan.clear();
    }
    (rewritten, spends)
}

/// Refuses what would stand before a body that is not there.
fn check_without_body(
    recovery: &[(Kind, Arguments)],
    signature: &Signature,
    errors: &mut ErrorSink,
) {
    if let Some((kind, arguments)) = recovery.first() {
        let (name, function) = (kind.name(), &signature.ident);
        errors.push(syn::Error::new(
            arguments.span,
            format!("`{function}` has no body here that `#[{name}]` could stand before: put it on the functions that implement this one"),
        ));
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

/// Refuses what has no meaning where the function stands.
fn check_place(budget: &BudgetModel, place: &Place, function: &Function, errors: &mut ErrorSink) {
    let name = &function.signature.ident;
    if !matches!(place, Place::Free)
        && let Some(card) = &budget.card
    {
        errors.at(
            card,
            "a method has no companion item that could have a name: leave `card` out",
        );
    }
    if let (Some(open), Place::Trait | Place::Implementation(_)) = (&budget.open, place) {
        errors.push(syn::Error::new(
            *open,
            "a method of a trait cannot be `open`: an implementation could have a plain method of its own, for which nobody is charged",
        ));
    }
    if !matches!(place, Place::Free) {
        return;
    }
    if let Some(test) = function
        .attributes
        .iter()
        .find(|a| a.path().is_ident("test"))
    {
        errors.at(
            test,
            format!("a test has no budget: put it on the function under test, and write `cnv::run!(..)` in `{name}`"),
        );
    }
    if name == "main" && budget.open.is_none() && function.signature.inputs.is_empty() {
        errors.at(
            name,
            "nobody pays for `main`: put the work into a function with a budget, and write `cnv::run!(..)` in `main`",
        );
    }
    if budget.card.is_none() && PRIMITIVES.contains(&&*name.to_string()) {
        errors.at(
            name,
            format!("the companion of `{name}` would stand in for the type of that name: give it another, as in `card = {}Budget`", capitalised(name)),
        );
    }
}

fn capitalised(name: &Ident) -> String {
    let name = name.to_string();
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Functions that spend each other in a circle are found, but methods only where each that spends limits its processor
/// time: it needs some of that for itself.
fn check_circles(
    budget: &mut BudgetModel,
    is_method: bool,
    spends: &Spends,
    signature: &Signature,
    errors: &mut ErrorSink,
) {
    let is_unlimited = budget.cpu_ns == UNLIMITED && !budget.inherits && !budget.is_faulty;
    if is_method && is_unlimited && !spends.all.is_empty() {
        let name = &signature.ident;
        errors.at(
            name,
            format!(
                "`{name}` spends, so it has to limit its processor time: write `cpu = \"..\"`; without that, methods could spend each other in a circle"
            ),
        );
        budget.is_faulty = true;
    }
}

/// Whether the attributes can do what they say on this function. A verb needs a companion item, for which there is no
/// room in an `impl` block.
fn check_function(
    signature: &Signature,
    is_verb: bool,
    budgeted: bool,
    guarded: bool,
    errors: &mut ErrorSink,
) -> bool {
    let mut supported = true;
    if !is_verb && !budgeted && !guarded {
        return supported;
    }
    let mut refuse = |tokens: &dyn ToTokens, message: String| {
        errors.push(syn::Error::new_spanned(tokens, message));
        supported = false;
    };
    if !is_verb && !budgeted {
        if let Some(token) = &signature.constness {
            refuse(
                token,
                "`#[requires_attestation]` checks the evidence as the function runs, which a `const fn` cannot: drop `const`".to_owned(),
            );
        }
        if let Some(abi) = &signature.abi {
            refuse(
                abi,
                "`#[requires_attestation]` goes on a Rust function, because a foreign caller has no evidence to show: let the `extern` function call a guarded one".to_owned(),
            );
        }
        return supported;
    }
    let attribute = if budgeted { "budget" } else { "verb" };
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
    if is_verb && signature.receiver().is_some() {
        // The verb reports its receiver itself.
        supported = false;
    } else if is_verb && let Some(place) = of_an_impl(signature) {
        refuse(
            &place,
            "`#[verb]` goes on a free function: move this one out of its `impl` block".to_owned(),
        );
    }
    supported
}

/// What shows that the function stands in an `impl` block or a trait: its receiver, or a `Self` in its signature. Without
/// either nothing does.
fn of_an_impl(signature: &Signature) -> Option<TokenStream> {
    match signature.receiver() {
        Some(receiver) => Some(receiver.to_token_stream()),
        None => first_self(signature.to_token_stream()),
    }
}

fn first_self(tokens: TokenStream) -> Option<TokenStream> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == "Self" => Some(ident.into_token_stream()),
        TokenTree::Group(group) => first_self(group.stream()),
        _ => None,
    })
}
