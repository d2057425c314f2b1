//! The attribute and derive macros of cnv. Their documentation stands on the re-exports in `cnv`.

mod args;
mod attestation;
mod budget;
mod errors;
mod frame_enum;
mod item;
mod recovery;
mod simd_frame;
#[cfg(test)]
mod snapshot;
mod spend;
mod verb;
mod verbs;

use item::function::Kind;
use proc_macro::TokenStream;

/// Whether cnv meters, or one of several in a build: cargo compiles the macros once, for programs and for build scripts. A
/// cnv that does not meter has functions in the meter's place that do nothing.
const IS_METERED: bool = cfg!(feature = "metering");

#[proc_macro_attribute]
#[allow(missing_docs, reason = "documented on the re-export")]
pub fn verb(arguments: TokenStream, item: TokenStream) -> TokenStream {
    item::expand(Kind::Verb, arguments.into(), item.into(), IS_METERED).into()
}

#[proc_macro_attribute]
#[allow(missing_docs, reason = "documented on the re-export")]
pub fn budget(arguments: TokenStream, item: TokenStream) -> TokenStream {
    item::expand(Kind::Budget, arguments.into(), item.into(), IS_METERED).into()
}

#[proc_macro_attribute]
#[allow(missing_docs, reason = "documented on the re-export")]
pub fn requires_attestation(arguments: TokenStream, item: TokenStream) -> TokenStream {
    item::expand(
        Kind::RequiresAttestation,
        arguments.into(),
        item.into(),
        IS_METERED,
    )
    .into()
}

#[proc_macro_attribute]
#[allow(missing_docs, reason = "documented on the re-export")]
pub fn timeout(arguments: TokenStream, item: TokenStream) -> TokenStream {
    item::expand(Kind::Timeout, arguments.into(), item.into(), IS_METERED).into()
}

#[proc_macro_attribute]
#[allow(missing_docs, reason = "documented on the re-export")]
pub fn retry(arguments: TokenStream, item: TokenStream) -> TokenStream {
    item::expand(Kind::Retry, arguments.into(), item.into(), IS_METERED).into()
}

#[proc_macro_attribute]
#[allow(missing_docs, reason = "documented on the re-export")]
pub fn circuit_breaker(arguments: TokenStream, item: TokenStream) -> TokenStream {
    item::expand(
        Kind::CircuitBreaker,
        arguments.into(),
        item.into(),
        IS_METERED,
    )
    .into()
}

#[proc_macro_attribute]
#[allow(missing_docs, reason = "documented on the re-export")]
pub fn bulkhead(arguments: TokenStream, item: TokenStream) -> TokenStream {
    item::expand(Kind::Bulkhead, arguments.into(), item.into(), IS_METERED).into()
}

#[proc_macro]
#[allow(missing_docs, reason = "documented on the re-export")]
pub fn spend(input: TokenStream) -> TokenStream {
    spend::misplaced(input.into()).into()
}

#[proc_macro]
#[allow(missing_docs, reason = "documented on the re-export")]
pub fn run(input: TokenStream) -> TokenStream {
    spend::run(input.into()).into()
}

#[proc_macro]
#[allow(missing_docs, reason = "documented on the re-export")]
pub fn verbs(input: TokenStream) -> TokenStream {
    verbs::expand(input.into()).into()
}

#[proc_macro_derive(SimdFrame, attributes(frame))]
#[allow(missing_docs, reason = "documented on the re-export")]
pub fn simd_frame(input: TokenStream) -> TokenStream {
    simd_frame::derive(input.into()).into()
}

#[proc_macro_derive(FrameEnum, attributes(frame))]
#[allow(missing_docs, reason = "documented on the re-export")]
pub fn frame_enum(input: TokenStream) -> TokenStream {
    frame_enum::derive(input.into()).into()
}
