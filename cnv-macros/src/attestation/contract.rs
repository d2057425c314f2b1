//! What the attestation has to say: a class, other values for the dimensions beside it, an audience.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Ident, LitStr, Path};

use crate::args::{Argument, listed};
use crate::errors::{ErrorSink, nearest};

/// The classes of `CapabilityContract`; each has a constructor of the first name and a type of the second.
const CLASSES: &[(&str, &str)] = &[
    ("pure", "Pure"),
    ("read_only", "ReadOnly"),
    ("read_write", "ReadWrite"),
    ("network", "Network"),
    ("dangerous", "Dangerous"),
];

/// A dimension that an argument can set: its key, its type, its values as written and as variants.
struct Dimension {
    key: &'static str,
    ty: &'static str,
    values: &'static [(&'static str, &'static str)],
}

const DIMENSIONS: &[Dimension] = &[
    Dimension {
        key: "band",
        ty: "ResourceBand",
        values: &[
            ("tiny", "Tiny"),
            ("small", "Small"),
            ("medium", "Medium"),
            ("large", "Large"),
            ("unlimited", "Unlimited"),
        ],
    },
    Dimension {
        key: "stability",
        ty: "Stability",
        values: &[
            ("experimental", "Experimental"),
            ("stable", "Stable"),
            ("frozen", "Frozen"),
        ],
    },
    Dimension {
        key: "safety",
        ty: "Safety",
        values: &[
            ("irreversible", "Irreversible"),
            ("reversible", "Reversible"),
            ("harmless", "Harmless"),
        ],
    },
];

/// The longest audience that an attestation can name.
const MAX_AUDIENCE_BYTES: usize = 256;

/// The class, what differs from its own contract, and the audience.
#[derive(Clone)]
pub(crate) struct ContractModel {
    pub(crate) class: Ident,
    marker: Ident,
    /// `with_safety`, `Safety`, `Reversible`.
    set: Vec<(Ident, Ident, Ident)>,
    audience: Option<LitStr>,
}

impl ContractModel {
    pub(super) fn parse(
        class: Ident,
        arguments: &[Argument],
        errors: &mut ErrorSink,
    ) -> Option<Self> {
        let class = known_class(class, errors);
        let mut set = Vec::new();
        for dimension in DIMENSIONS {
            let argument = arguments
                .iter()
                .find(|argument| argument.key == dimension.key);
            set.extend(argument.and_then(|argument| dimension.parse(argument, errors)));
        }
        let audience = arguments
            .iter()
            .find(|argument| argument.key == "audience")
            .and_then(|argument| audience(argument, errors));
        let (class, marker) = class?;
        Some(Self {
            class,
            marker: call_site(marker),
            set,
            audience,
        })
    }

    /// The contract as a constant expression.
    pub(crate) fn contract(&self, krate: &Path) -> TokenStream {
        let class = &self.class;
        let set = self.set(krate);
        quote!(#krate::capability::CapabilityContract::#class() #set)
    }

    /// All of it as a constant expression of type `Requirement<Class>`.
    pub(super) fn requirement(&self, krate: &Path) -> TokenStream {
        let marker = &self.marker;
        let set = self.set(krate);
        let audience = self
            .audience
            .as_ref()
            .map(|audience| quote!(.for_audience(#audience)));
        quote!(#krate::attestation::Requirement::<#krate::attestation::#marker>::new() #set #audience)
    }

    fn set(&self, krate: &Path) -> TokenStream {
        self.set
            .iter()
            .map(|(with, ty, variant)| quote!(.#with(#krate::capability::#ty::#variant)))
            .collect()
    }
}

impl Dimension {
    fn parse(&self, argument: &Argument, errors: &mut ErrorSink) -> Option<(Ident, Ident, Ident)> {
        let Self { key, ty, values } = self;
        let literal = argument.string(values[1].0, errors)?;
        let name = literal.value();
        let Some((_, variant)) = values.iter().find(|(value, _)| *value == name) else {
            let names: Vec<&str> = values.iter().map(|(value, _)| *value).collect();
            let advice = match nearest(&name, &names) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("it is one of {}", listed(&names).replace('`', "\"")),
            };
            errors.push(syn::Error::new(
                literal.span(),
                format!("unknown {key} \"{name}\"; {advice}"),
            ));
            return None;
        };
        Some((
            call_site(&format!("with_{key}")),
            call_site(ty),
            call_site(variant),
        ))
    }
}

fn call_site(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

/// The names of the classes, as they are written.
pub(super) fn classes() -> String {
    let names: Vec<&str> = CLASSES.iter().map(|(name, _)| *name).collect();
    listed(&names)
}

fn known_class(class: Ident, errors: &mut ErrorSink) -> Option<(Ident, &'static str)> {
    let name = class.to_string();
    if let Some((_, marker)) = CLASSES.iter().find(|(known, _)| *known == name) {
        return Some((class, marker));
    }
    let names: Vec<&str> = CLASSES.iter().map(|(name, _)| *name).collect();
    let advice = match nearest(&name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the classes are {}", classes()),
    };
    errors.at(&class, format!("unknown capability `{name}`; {advice}"));
    None
}

/// Whether an attestation can have a character in a name: as `cnv::attestation` decides it.
fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{061C}'
                | '\u{200E}'
                | '\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2066}'..='\u{2069}'
                | '\u{FEFF}'
        )
}

/// A name that no attestation can have would refuse everybody.
fn audience(argument: &Argument, errors: &mut ErrorSink) -> Option<LitStr> {
    let literal = argument.string("fetcher", errors)?;
    let name = literal.value();
    let fault = if name.is_empty() {
        "is empty".to_owned()
    } else if name.len() > MAX_AUDIENCE_BYTES {
        format!("is longer than {MAX_AUDIENCE_BYTES} bytes")
    } else if let Some(character) = name.chars().find(|&character| !is_plain(character)) {
        format!("has the character {character:?}, which is not allowed")
    } else {
        return Some(literal);
    };
    errors.push(syn::Error::new(
        literal.span(),
        format!("no attestation can name this audience, because it {fault}: write the name that the verifier answers to"),
    ));
    None
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    /// Control characters, bidirectional controls, line separators and the byte order mark, as `cnv` refuses them.
    #[test]
    fn what_could_rearrange_a_line_is_in_no_name() {
        let refused = "\0\n\u{7F}\u{85}\u{61C}\u{200E}\u{200F}\u{2028}\u{2029}\u{202A}\u{202E}\u{2066}\u{2069}\u{FEFF}";
        assert!(refused.chars().all(|character| !is_plain(character)));
        let allowed = " az-_/\u{200D}\u{2027}\u{202F}\u{2065}\u{206A}\u{e9}\u{1F600}";
        assert!(allowed.chars().all(is_plain));
    }
}
