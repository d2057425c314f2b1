//! `cnv attestation`: issues and delegates tokens, shows what they say, checks whether they hold, and takes them back.

mod grant;
mod inspection;
mod token;
mod verification;
mod withdrawal;

pub use grant::{delegate, issue};
pub use inspection::inspect;
pub use verification::verify;
pub use withdrawal::revoke;

pub(crate) use token::{VARIABLE as TOKEN_VARIABLE, read as read_token};
