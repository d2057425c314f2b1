//! TLS before a server that has none, with certificates that are made for the test.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto};

/// Somebody who vouches for servers.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// Its certificate, in a file.
    pub fn file(&self, folder: &tempfile::TempDir) -> PathBuf {
        let path = folder.path().join("roots.pem");
        std::fs::write(&path, &self.pem).unwrap();
        path
    }

    /// Starts a server for this name or address, which speaks this protocol and sends on to one without TLS: its port.
    pub fn serve(&self, name: &str, protocol: &str, to: &str) -> u16 {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let chain = vec![certificate.der().clone()];
        let mut config = config.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];

        let to = to.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let acceptor = TlsAcceptor::from(Arc::new(config));
            runtime.unwrap().block_on(run(listener, acceptor, to));
        });
        port
    }
}

async fn run(listener: std::net::TcpListener, acceptor: TlsAcceptor, to: SocketAddr) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // Whoever does not believe it goes away.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut plain = TcpStream::connect(to).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut plain).await;
        });
    }
}
