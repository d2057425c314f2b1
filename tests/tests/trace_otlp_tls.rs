//! Export over TLS: who is believed, and what is said of whom is not.

// The other test of the export uses the rest of it.
#[allow(dead_code)]
mod otlp;
#[path = "otlp/tls.rs"]
mod tls;

use std::fs;
use std::path::Path;

use cnv::trace::{
    Exported, Exporter, OtlpError, OtlpExporter, OtlpSettings, SettingFault, TracerBuilder,
};

use otlp::grpc_server::{self, GrpcServer};
use otlp::http_server::{self, HttpServer, answer};
use otlp::{soon, spans};
use tls::Authority;

fn http() -> HttpServer {
    HttpServer::start(|_| http_server::Reply::Bytes(answer("200 OK", "", b"")))
}

fn sent(settings: OtlpSettings, roots: &Path) -> Exported {
    let exporter = OtlpExporter::new(settings.roots(roots), "shop");
    exporter.unwrap().spans(&spans(2), soon())
}

fn over_http(name: &str, port: u16) -> OtlpSettings {
    OtlpSettings::http(&format!("https://{name}:{port}")).unwrap()
}

/// Why there was no connection.
#[track_caller]
fn unreached(sent: Exported) -> String {
    match sent {
        Exported::Unavailable { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn whom_the_roots_vouch_for_gets_the_spans() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let roots = authority.file(&folder);
    // By name, and by address.
    for name in ["localhost", "127.0.0.1"] {
        let server = http();
        let port = authority.serve(name, "http/1.1", &server.url());
        let sent = sent(over_http(name, port), &roots);
        assert_eq!(sent, Exported::Delivered, "{name}");
        let requests = server.requests();
        let host = format!("{name}:{port}");
        assert_eq!(requests[0].header("host"), Some(&*host));
    }
    for name in ["localhost", "127.0.0.1"] {
        let server = GrpcServer::start(|_| grpc_server::ok(b""));
        let port = authority.serve(name, "h2", &server.url());
        let settings = OtlpSettings::grpc(&format!("https://{name}:{port}")).unwrap();
        assert_eq!(sent(settings, &roots), Exported::Delivered, "{name}");
        assert_eq!(server.calls().len(), 1);
    }
}

#[test]
fn whom_others_vouch_for_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let roots = Authority::new().file(&folder);
    let server = http();
    let port = Authority::new().serve("localhost", "http/1.1", &server.url());
    let why = unreached(sent(over_http("localhost", port), &roots));
    let place = format!("https://localhost:{port}: ");
    assert!(why.starts_with(&place), "{why}");
    assert!(why.contains("invalid peer certificate"), "{why}");
    assert!(server.requests().is_empty());
}

#[test]
fn who_is_somebody_else_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let roots = authority.file(&folder);
    let server = http();
    for (is, asked) in [
        ("other.example", "localhost"),
        ("localhost", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.1"),
    ] {
        let port = authority.serve(is, "http/1.1", &server.url());
        let why = unreached(sent(over_http(asked, port), &roots));
        assert!(why.contains("not valid for name"), "{is}: {why}");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn who_speaks_another_protocol_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let roots = authority.file(&folder);
    let server = http();
    let port = authority.serve("localhost", "http/1.1", &server.url());
    let settings = OtlpSettings::grpc(&format!("https://localhost:{port}")).unwrap();
    let why = unreached(sent(settings, &roots));
    assert!(why.contains("NoApplicationProtocol"), "{why}");
    // Nor does who speaks no TLS.
    let plain = server.url().replace("http:", "https:");
    unreached(sent(OtlpSettings::http(&plain).unwrap(), &roots));
    assert!(server.requests().is_empty());
}

#[test]
fn a_file_without_certificates_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    let error = || {
        let settings = OtlpSettings::http("https://localhost").unwrap();
        match OtlpExporter::new(settings.roots(&path), "shop") {
            Err(OtlpError::Certificates { path: named, why }) => {
                assert_eq!(named, path);
                why
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(error().contains("No such file"), "{}", error());
    let block =
        |text: &str| format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    let own = "there is no certificate in it";
    for (text, why) in [
        (String::new(), own),
        ("no certificate\n".to_owned(), own),
        ("\u{0}\u{1}\n".to_owned(), own),
        (block("?"), ""),
        (block("AAAA"), ""),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n".to_owned(), ""),
    ] {
        fs::write(&path, &text).unwrap();
        let said = error();
        assert!(!said.is_empty() && said.contains(why), "{text:?}: {said}");
    }

    // An operator hears of it.
    let (_, warnings) = TracerBuilder::from_variables("shop", |name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("https://localhost".into()),
        "OTEL_EXPORTER_OTLP_CERTIFICATE" => Some(path.clone().into()),
        _ => None,
    });
    assert_eq!(warnings[0].name, "OTEL_EXPORTER_OTLP_CERTIFICATE");
    let fault = &warnings[0].fault;
    assert!(
        matches!(fault, SettingFault::Otlp(OtlpError::Certificates { .. })),
        "{fault:?}"
    );
}
