//! TLS, with the roots that the operating system trusts, or with an operator's.

use std::path::Path;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::connection::Version;
use super::error::OtlpError;

pub(super) struct Tls {
    connector: TlsConnector,
}

impl Tls {
    /// TLS that believes those whom the certificates in this file vouch for, or whom the operating system trusts.
    pub(super) fn new(roots: Option<&Path>, version: Version) -> Result<Self, OtlpError> {
        let mut store = RootCertStore::empty();
        match roots {
            Some(path) => {
                let unusable = |why: String| OtlpError::Certificates {
                    path: path.to_owned(),
                    why,
                };
                let file = CertificateDer::pem_file_iter(path);
                for root in file.map_err(|error| unusable(error.to_string()))? {
                    let root = root.map_err(|error| unusable(error.to_string()))?;
                    let added = store.add(root);
                    added.map_err(|error| unusable(error.to_string()))?;
                }
                if store.is_empty() {
                    return Err(unusable("there is no certificate in it".to_owned()));
                }
            }
            None => {
                // Of many roots one that is out of date is no reason to believe nobody.
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if store.is_empty() {
                    return Err(OtlpError::NoRoots);
                }
            }
        }
        // Said here, since a program may have two of them, or none that is everybody's.
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| OtlpError::Tls(error.to_string()))?;
        let mut config = config.with_root_certificates(store).with_no_client_auth();
        config.alpn_protocols = vec![match version {
            Version::Http1 => b"http/1.1".to_vec(),
            Version::Http2 => b"h2".to_vec(),
        }];
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TokioIo<TlsStream<TcpStream>>, String> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let stream = self.connector.connect(name, stream).await;
        Ok(TokioIo::new(stream.map_err(|error| error.to_string())?))
    }
}
