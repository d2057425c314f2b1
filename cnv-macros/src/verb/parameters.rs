//! The parameters of a verb: plain Rust types that become typed arguments. `#[arg(..)]` has clap's
//! own names.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, ExprLit, FnArg, GenericArgument, Ident, Lit, Pat, PathArguments, Signature,
    Type,
};

use super::Help;
use crate::args::Arguments;
use crate::attestation::is_context;
use crate::errors::{ErrorSink, nearest};

/// Methods of clap's `Arg` that `#[arg(..)]` may name.
const KEYS: &[&str] = &[
    "action",
    "alias",
    "aliases",
    "allow_hyphen_values",
    "allow_negative_numbers",
    "conflicts_with",
    "conflicts_with_all",
    "default_missing_value",
    "default_value",
    "default_value_t",
    "display_order",
    "env",
    "help",
    "help_heading",
    "hide",
    "ignore_case",
    "last",
    "long",
    "long_help",
    "num_args",
    "overrides_with",
    "require_equals",
    "required",
    "required_unless_present",
    "requires",
    "secret",
    "short",
    "trailing_var_arg",
    "value_delimiter",
    "value_enum",
    "value_hint",
    "value_name",
    "value_parser",
    "visible_alias",
];

/// Options that every command has; an argument of the same name would be ambiguous.
pub(super) const TAKEN_LONG: &[&str] = &[
    "attestation",
    "dry-run",
    "frames",
    "help",
    "json",
    "output",
    "quiet",
    "timeout",
    "transaction",
    "trust",
    "version",
];
const TAKEN_SHORT: &[char] = &['h', 'q', 'V'];

/// One parameter of the function.
pub(crate) enum Parameter {
    Context { by_reference: bool },
    Argument(Box<Argument>),
}

/// A typed argument.
pub(crate) struct Argument {
    pub(crate) name: String,
    /// The type of one value: `T` of `T`, `Option<T>` and `Vec<T>`.
    pub(crate) value: Type,
    pub(crate) shape: Shape,
    pub(crate) help: Help,
    /// The part after `Arg::new(name)`, from `#[arg(..)]`.
    pub(crate) methods: TokenStream,
    /// What reads one value, where `#[arg(..)]` says so.
    pub(crate) parser: Option<TokenStream>,
    /// Whether it has `--name` or `-n`, or stands in its place.
    pub(crate) named: bool,
    pub(crate) has_default: bool,
    /// Whether its value is shown nowhere.
    pub(crate) is_secret: bool,
}

/// How many values an argument has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    Optional,
    Many,
    Flag,
}

/// All parameters, or `None` where one of them is at fault.
pub(crate) fn parse(
    signature: &Signature,
    attributes: Vec<Vec<Attribute>>,
    errors: &mut ErrorSink,
) -> Option<Vec<Parameter>> {
    let parameters: Option<Vec<Parameter>> = signature
        .inputs
        .iter()
        .zip(attributes)
        .map(|(input, attributes)| (input, parameter(input, &attributes, errors)))
        .collect::<Vec<_>>()
        .into_iter()
        .map(|(input, parameter)| Some((input, parameter?)))
        .collect::<Option<Vec<_>>>()
        .filter(|parameters| check_places(parameters, errors))
        .map(|parameters| {
            parameters
                .into_iter()
                .map(|(_, parameter)| parameter)
                .collect()
        });
    parameters
}

/// Arguments without a name are told apart by their places, so what may be missing comes after what may
/// not, and what takes any number comes last.
fn check_places(parameters: &[(&FnArg, Parameter)], errors: &mut ErrorSink) -> bool {
    let mut optional: Option<&str> = None;
    let mut many: Option<&str> = None;
    let mut unambiguous = true;
    for (input, parameter) in parameters {
        let Parameter::Argument(argument) = parameter else {
            continue;
        };
        if argument.named {
            continue;
        }
        let name = &argument.name;
        let required = argument.shape == Shape::One && !argument.has_default;
        let fault = match (many, optional) {
            (Some(many), _) => Some(format!(
                "`{many}` takes all that follows, so `{name}` would get nothing: put `{many}` last, or give one of them a name with `#[arg(long)]`"
            )),
            (None, Some(optional)) if required => Some(format!(
                "`{optional}` may be left out, and then nobody could tell which place `{name}` stands in: put `{name}` first, or give one of them a name with `#[arg(long)]`"
            )),
            _ => None,
        };
        if let Some(fault) = fault {
            errors.at(input, fault);
            unambiguous = false;
        }
        if argument.shape == Shape::Many {
            many = Some(name);
        } else if !required {
            optional = Some(name);
        }
    }
    unambiguous
}

fn parameter(input: &FnArg, attributes: &[Attribute], errors: &mut ErrorSink) -> Option<Parameter> {
    let parameter = match input {
        FnArg::Typed(parameter) => parameter,
        FnArg::Receiver(receiver) => {
            errors.at(
                receiver,
                "a verb is a free function: what it needs besides its arguments comes with the `Context`",
            );
            return None;
        }
    };
    if let Some(cfg) = parameter.attrs.iter().find(|a| a.path().is_ident("cfg")) {
        errors.at(
            cfg,
            "a verb has the same arguments in every build: put the `#[cfg]` on two versions of the function",
        );
        return None;
    }
    if is_context(&parameter.ty) {
        if let Type::Reference(reference) = &*parameter.ty
            && reference.mutability.is_some()
        {
            errors.at(
                &parameter.ty,
                "a context is shared by all that serve the call: write `cx: &Context`",
            );
            return None;
        }
        return Some(Parameter::Context {
            by_reference: matches!(&*parameter.ty, Type::Reference(_)),
        });
    }
    let Pat::Ident(name) = &*parameter.pat else {
        errors.at(
            &parameter.pat,
            "an argument is known by its name: write `name: Type`, and take it apart in the body",
        );
        return None;
    };
    let (shape, value) = shape(&name.ident, &parameter.ty, errors)?;
    let help = Help::from_attributes(attributes.iter());
    let mut argument = Argument {
        name: name.ident.unraw().to_string(),
        value,
        shape,
        help,
        methods: TokenStream::new(),
        parser: None,
        named: false,
        has_default: false,
        is_secret: false,
    };
    let arg = attributes.iter().filter(|a| a.path().is_ident("arg"));
    for attribute in arg {
        if let Some(arguments) = errors.take(attribute.parse_args::<Arguments>()) {
            argument.apply(arguments, errors);
        }
    }
    // A bare `bool` has no value to stand in a place, so it is a switch.
    if shape == Shape::Flag && !argument.named {
        argument.long(argument.name.replace('_', "-"), name.ident.span(), errors);
    }
    Some(Parameter::Argument(Box::new(argument)))
}

impl Argument {
    fn apply(&mut self, arguments: Arguments, errors: &mut ErrorSink) {
        let arguments = arguments.known("arg", KEYS, errors);
        let is_secret = arguments.iter().any(|argument| argument.key == "secret");
        let is_default =
            |argument: &&crate::args::Argument| argument.name().starts_with("default_");
        if is_secret && let Some(default) = arguments.iter().find(is_default) {
            errors.at(
                &default.key,
                "a default stands in the help, where it is no secret: leave the default out, or `secret`",
            );
        }
        for argument in arguments {
            let key = &argument.key;
            let span = key.span();
            match (argument.name().as_str(), &argument.value) {
                ("long", None) => self.long(self.name.replace('_', "-"), span, errors),
                ("long", Some(_)) => {
                    if let Some(text) = argument.string("name", errors) {
                        self.long(text.value(), text.span(), errors);
                    }
                }
                ("short", None) => {
                    let initial = self.name.chars().next().unwrap_or('x');
                    self.short(initial, span, errors);
                }
                (
                    "short",
                    Some(Expr::Lit(ExprLit {
                        lit: Lit::Char(initial),
                        ..
                    })),
                ) => self.short(initial.value(), initial.span(), errors),
                ("short", Some(value)) => {
                    errors.at(value, "`short` takes one character: write `short = 'x'`")
                }
                ("value_enum", None) => {
                    let value = &self.value;
                    self.parser = Some(quote_spanned!(span=> ValueEnum #value));
                }
                ("secret", None) => {
                    if self.shape == Shape::Flag {
                        errors.at(
                            key,
                            "a switch has no value that could be secret: leave `secret` out",
                        );
                    }
                    self.is_secret = true;
                    self.methods
                        .extend(quote_spanned!(span=> .hide_env_values(true)));
                }
                ("secret", Some(_)) => {
                    argument.flag(errors);
                }
                ("value_parser", Some(parser)) => self.parser = Some(parser.to_token_stream()),
                ("default_value_t", Some(value)) => {
                    let ty = &self.value;
                    self.has_default = true;
                    self.methods
                        .extend(quote_spanned!(span=> .default_value(__cnv_command::default_value::<#ty>(#value))));
                }
                ("default_value", Some(value)) => {
                    self.has_default = true;
                    self.methods
                        .extend(quote_spanned!(span=> .default_value(#value)));
                }
                (_, Some(value)) => self.methods.extend(quote_spanned!(span=> .#key(#value))),
                (name, None) => {
                    errors.at(key, format!("`{name}` needs a value: write `{name} = ..`"))
                }
            }
        }
    }

    fn long(&mut self, name: String, span: Span, errors: &mut ErrorSink) {
        if TAKEN_LONG.contains(&name.as_str()) {
            errors.push(syn::Error::new(
                span,
                format!("every command has a `--{name}` of its own: give this one another name, as in `#[arg(long = \"..\")]`"),
            ));
        }
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_word) {
            errors.push(syn::Error::new(
                span,
                format!("`--{name}` is hard to type: use lower-case letters, digits and dashes, starting with a letter, as in `#[arg(long = \"name\")]`"),
            ));
        }
        self.named = true;
        self.methods.extend(quote_spanned!(span=> .long(#name)));
    }

    fn short(&mut self, initial: char, span: Span, errors: &mut ErrorSink) {
        if TAKEN_SHORT.contains(&initial) {
            errors.push(syn::Error::new(
                span,
                format!("every command has a `-{initial}` of its own: choose another letter, as in `#[arg(short = 'x')]`"),
            ));
        }
        if !initial.is_ascii_alphanumeric() {
            errors.push(syn::Error::new(
                span,
                format!("`-{initial}` is no option: choose a letter or a digit, as in `#[arg(short = 'x')]`"),
            ));
        }
        self.named = true;
        self.methods.extend(quote_spanned!(span=> .short(#initial)));
    }
}

/// How many values the type takes, and the type of one; types that cannot come from outside are
/// refused with the type to write instead.
fn shape(name: &Ident, ty: &Type, errors: &mut ErrorSink) -> Option<(Shape, Type)> {
    let mut refuse = |message: String| {
        errors.push(syn::Error::new(ty.span(), message));
        None
    };
    match ty {
        Type::Paren(inner) => shape(name, &inner.elem, errors),
        Type::Group(inner) => shape(name, &inner.elem, errors),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let inner = |arguments: &PathArguments| match arguments {
                PathArguments::AngleBracketed(arguments) => {
                    arguments.args.first().and_then(|argument| match argument {
                        GenericArgument::Type(ty) => Some(ty.clone()),
                        _ => None,
                    })
                }
                _ => None,
            };
            match (last.ident.to_string().as_str(), inner(&last.arguments)) {
                ("bool", None) => Some((Shape::Flag, ty.clone())),
                ("Option", Some(value)) => Some((Shape::Optional, value)),
                ("Vec", Some(value)) => Some((Shape::Many, value)),
                _ => Some((Shape::One, ty.clone())),
            }
        }
        Type::Reference(reference) => {
            let owned = owned_form(&reference.elem);
            refuse(format!(
                "`{name}` comes from outside, so it has to own its value: write `{name}: {owned}`"
            ))
        }
        Type::ImplTrait(_) => refuse(format!(
            "`{name}` comes from outside, where nothing can choose a type: name one, as in `{name}: String`"
        )),
        Type::Tuple(_) => refuse(format!(
            "an argument is one value: write one parameter for each part of `{name}`"
        )),
        Type::Array(array) => {
            let element = array.elem.to_token_stream();
            refuse(format!(
                "an argument has one value or any number: write `{name}: Vec<{element}>`, and check the length in the body"
            ))
        }
        other => {
            let shown = other.to_token_stream();
            refuse(format!(
                "`{shown}` cannot be read from a command line: write a type with `FromStr`, such as `String`, `u64` or `PathBuf`"
            ))
        }
    }
}

fn owned_form(elem: &Type) -> String {
    match elem {
        Type::Slice(slice) => format!("Vec<{}>", slice.elem.to_token_stream()),
        Type::Path(path) => match path
            .path
            .segments
            .last()
            .map(|segment| segment.ident.to_string())
        {
            Some(name) if name == "str" => "String".to_owned(),
            Some(name) if name == "Path" => "PathBuf".to_owned(),
            Some(name) if name == "OsStr" => "OsString".to_owned(),
            _ => nearest_owned(path.to_token_stream()),
        },
        other => nearest_owned(other.to_token_stream()),
    }
}

fn nearest_owned(tokens: TokenStream) -> String {
    let text = tokens.to_string();
    match nearest(&text, &["String", "PathBuf"]) {
        Some(near) => near.to_owned(),
        None => text,
    }
}

/// The function's own name for a parameter, or one made for a pattern.
pub(crate) fn name_or(pat: &Pat, index: usize) -> Ident {
    match pat {
        Pat::Ident(pat) => pat.ident.clone(),
        _ => Ident::new(&format!("argument_{index}"), Span::mixed_site()),
    }
}

/// Tokens that build clap's `Arg`.
pub(crate) fn build(argument: &Argument) -> TokenStream {
    let Argument {
        name,
        value,
        shape,
        help,
        methods,
        parser,
        named,
        has_default,
        is_secret: _,
    } = argument;
    let short = (!help.short.is_empty()).then(|| {
        let short = &help.short;
        quote!(.help(#short))
    });
    let long = help.long.as_ref().map(|long| quote!(.long_help(#long)));
    let parser = match (parser, shape) {
        (_, Shape::Flag) => quote!(),
        (Some(parser), _) if parser.to_string().starts_with("ValueEnum ") => {
            quote_spanned!(value.span()=> .value_parser(__cnv_command::enum_parser::<#value>()))
        }
        (Some(parser), _) => quote!(.value_parser(#parser)),
        (None, _) => value_parser(value),
    };
    let shape = match shape {
        Shape::Flag => quote!(.action(__cnv_command::clap::ArgAction::SetTrue)),
        Shape::One if *has_default => quote!(),
        Shape::One => quote!(.required(true)),
        Shape::Optional => quote!(),
        Shape::Many if *named => quote!(.action(__cnv_command::clap::ArgAction::Append)),
        Shape::Many => quote!(.num_args(0..)),
    };
    quote!(__cnv_command::clap::Arg::new(#name) #short #long #parser #shape #methods)
}

/// clap's own parsers for the types it knows, `FromStr` for all others.
fn value_parser(value: &Type) -> TokenStream {
    const KNOWN: &[&str] = &[
        "String", "PathBuf", "OsString", "u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64",
    ];
    let known = matches!(value, Type::Path(path) if path
        .path
        .segments
        .last()
        .is_some_and(|segment| KNOWN.iter().any(|known| segment.ident == known)));
    if known {
        quote!(.value_parser(__cnv_command::clap::value_parser!(#value)))
    } else {
        let parser = Ident::new("parser", value.span());
        quote_spanned!(value.span()=> .value_parser(__cnv_command::#parser::<#value>()))
    }
}
