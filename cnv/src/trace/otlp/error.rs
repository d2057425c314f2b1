//! What is found out when an exporter is made.

use std::io;
use std::path::PathBuf;

use super::endpoint::EndpointFault;

/// There can be no such exporter. A retry does not help, but for [`Io`](Self::Io).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OtlpError {
    /// The endpoint cannot be used. It is not shown, since it may have a password in it.
    #[error("the endpoint cannot be used: {0}")]
    Endpoint(#[from] EndpointFault),
    /// The header of this name cannot be sent.
    #[error("the header `{name}` cannot be sent: {why}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What a header is to be called is no name of one. It is not shown, since it may have the value in it.
    #[error("a header cannot be sent: its name is no name of a header")]
    HeaderName,
    /// The endpoint begins with `https://`, and the feature `otel-tls` is not there.
    #[error("an endpoint that begins with `https://` needs cnv's feature `otel-tls`")]
    NeedsTls,
    /// The file with the roots' certificates cannot be used.
    #[error("the certificates in {path} cannot be used: {why}", path = path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The operating system trusts no one.
    #[error("the operating system has no root certificates")]
    NoRoots,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The operating system has nothing to make a runtime of.
    #[error("there is no runtime for the exporter: {0}")]
    Io(#[from] io::Error),
}
