//! What stands in for TLS where it is not compiled in: nothing can be made of it.

use std::path::Path;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::connection::Version;
use super::error::OtlpError;

#[derive(Debug)]
pub(super) enum Tls {}

impl Tls {
    pub(super) const fn new(_: Option<&Path>, _: Version) -> Result<Self, OtlpError> {
        Err(OtlpError::NeedsTls)
    }

    pub(super) async fn connect(
        &self,
        _: &str,
        _: TcpStream,
    ) -> Result<TokioIo<TcpStream>, String> {
        match *self {}
    }
}
