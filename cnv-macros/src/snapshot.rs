//! Prints an expansion as a person would write it, for the snapshots.

use proc_macro2::TokenStream;

/// The tokens as formatted source.
///
/// # Panics
///
/// If the tokens are not a valid file: an expansion must be.
pub(crate) fn pretty(tokens: TokenStream) -> String {
    let file = syn::parse2(tokens.clone())
        .unwrap_or_else(|error| panic!("the expansion is not a file: {error}\n{tokens}"));
    prettyplease::unparse(&file)
}
