//! A function as an attribute sees it: its signature parsed, its body left as it was written.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Meta, Path, Signature, Visibility};

use crate::args::Arguments;
use crate::errors::ErrorSink;

/// The attributes that expand together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Verb,
    Budget,
    RequiresAttestation,
    Timeout,
    Bulkhead,
    Retry,
    CircuitBreaker,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Verb,
        Self::Budget,
        Self::RequiresAttestation,
        Self::Timeout,
        Self::Bulkhead,
        Self::Retry,
        Self::CircuitBreaker,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Verb => "verb",
            Self::Budget => "budget",
            Self::RequiresAttestation => "requires_attestation",
            Self::Timeout => "timeout",
            Self::Bulkhead => "bulkhead",
            Self::Retry => "retry",
            Self::CircuitBreaker => "circuit_breaker",
        }
    }

    /// Reads what stands in the parentheses.
    pub(crate) fn parse(self, arguments: TokenStream) -> syn::Result<Arguments> {
        match self {
            Self::Timeout => Arguments::with_first("total").parse2(arguments),
            _ => syn::parse2(arguments),
        }
    }

    /// The sibling that `attribute` is, under whatever path.
    pub(crate) fn of(attribute: &Attribute) -> Option<Self> {
        let segments = &attribute.path().segments;
        let last = segments.last()?;
        Self::ALL.into_iter().find(|kind| last.ident == kind.name())
    }
}

/// A function with its body as raw tokens.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: Group,
    /// The paths of the siblings that were taken off. An import of one is used, and the expansion has
    /// to say so in their place.
    pub(crate) taken: Vec<Path>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature = input.parse()?;
        match input.parse()? {
            TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => Ok(Self {
                attributes,
                visibility,
                signature,
                body,
                taken: Vec::new(),
            }),
            other => Err(syn::Error::new(other.span(), "expected a function body")),
        }
    }
}

impl Function {
    /// A function of an `impl` block or a trait, and whether it has a body.
    pub(crate) fn of_block(tokens: TokenStream) -> Option<(Self, bool)> {
        if let Ok(function) = syn::parse2::<Self>(tokens.clone()) {
            return Some((function, true));
        }
        let declared = syn::parse2::<syn::TraitItemFn>(tokens).ok()?;
        let function = Self {
            attributes: declared.attrs,
            visibility: Visibility::Inherited,
            signature: declared.sig,
            body: Group::new(Delimiter::Brace, TokenStream::new()),
            taken: Vec::new(),
        };
        Some((function, false))
    }

    /// Takes the sibling attributes off the item, with their arguments.
    pub(crate) fn take_siblings(&mut self, errors: &mut ErrorSink) -> Vec<(Kind, Arguments)> {
        let mut siblings = Vec::new();
        let taken = &mut self.taken;
        self.attributes.retain(|attribute| {
            let Some(kind) = Kind::of(attribute) else {
                return true;
            };
            taken.push(attribute.path().clone());
            let list = match &attribute.meta {
                Meta::Path(_) => Some(Vec::new()),
                Meta::List(list) => errors
                    .take(kind.parse(list.tokens.clone()))
                    .map(|arguments| arguments.list),
                _ => errors
                    .take(attribute.parse_args::<Arguments>())
                    .map(|arguments| arguments.list),
            };
            let span = attribute.path().span();
            siblings.push((kind, Arguments::new(span, list)));
            false
        });
        siblings
    }

    /// Lifts `#![..]` from the start of the body onto the function, where it means the same: the body
    /// becomes a block inside another, which can have none.
    pub(crate) fn lift_inner_attributes(&mut self) {
        let parser = |input: ParseStream<'_>| {
            Ok((
                input.call(Attribute::parse_inner)?,
                input.parse::<TokenStream>()?,
            ))
        };
        let Ok((inner, rest)) = parser.parse2(self.body.stream()) else {
            return;
        };
        if inner.is_empty() {
            return;
        }
        self.attributes
            .extend(inner.into_iter().map(|mut attribute| {
                attribute.style = syn::AttrStyle::Outer;
                attribute
            }));
        let mut body = Group::new(Delimiter::Brace, rest);
        body.set_span(self.body.span());
        self.body = body;
    }

    /// The attributes of every parameter, taken off: `#[arg(..)]` and documentation are the
    /// macro's to read, and the compiler refuses them on a plain function.
    pub(crate) fn take_parameter_attributes(&mut self) -> Vec<Vec<Attribute>> {
        self.signature
            .inputs
            .iter_mut()
            .map(|input| {
                let attributes = match input {
                    FnArg::Typed(parameter) => &mut parameter.attrs,
                    FnArg::Receiver(receiver) => &mut receiver.attrs,
                };
                let (ours, theirs) =
                    std::mem::take(attributes)
                        .into_iter()
                        .partition(|a: &Attribute| {
                            a.path().is_ident("arg") || a.path().is_ident("doc")
                        });
                *attributes = theirs;
                ours
            })
            .collect()
    }

    /// Those that decide whether the item exists: every item of the expansion has to carry them.
    pub(crate) fn cfgs(&self) -> Vec<&Attribute> {
        self.attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("cfg"))
            .collect()
    }

    pub(crate) fn docs(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("doc"))
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            attributes,
            visibility,
            signature,
            body,
            taken: _,
        } = self;
        tokens.extend(quote!(#(#attributes)* #visibility #signature #body));
    }
}

/// `crate = ".."` of whichever attribute says it, or `::cnv`.
pub(crate) fn crate_path(siblings: &[(Kind, Arguments)], errors: &mut ErrorSink) -> Path {
    siblings
        .iter()
        .flat_map(|(_, arguments)| &arguments.list)
        .find(|argument| argument.key == "crate")
        .and_then(|argument| argument.path(errors))
        .unwrap_or_else(|| syn::parse_quote!(::cnv))
}
