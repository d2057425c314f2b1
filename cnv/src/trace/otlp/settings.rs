//! Where an exporter sends what, and how.

use core::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::endpoint::{Endpoint, EndpointFault};
use super::error::OtlpError;
use super::signal::Signal;

/// How OTLP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtlpProtocol {
    /// gRPC, usually at port 4317.
    Grpc,
    /// Protobuf in requests of HTTP/1.1, usually at port 4318. The default.
    #[default]
    Http,
}

impl OtlpProtocol {
    /// Where a collector listens that nobody told otherwise.
    pub(super) const fn usual_place(self) -> &'static str {
        match self {
            Self::Grpc => "http://localhost:4317",
            Self::Http => "http://localhost:4318",
        }
    }
}

/// Where an [`OtlpExporter`](super::OtlpExporter) sends what, and how.
///
/// ```
/// use std::time::Duration;
/// use cnv::trace::{OtlpSettings, Signal};
///
/// let settings = OtlpSettings::grpc("http://collector.example:4317")?
///     .header("api-key", "1234")?
///     .timeout(Duration::from_secs(3))
///     .gzip()
///     .without(Signal::Logs);
/// // What a header says is shown to nobody.
/// assert!(!format!("{settings:?}").contains("1234"));
/// # Ok::<(), cnv::trace::OtlpError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct OtlpSettings {
    targets: [Option<Target>; Signal::ALL.len()],
}

/// Where one signal is sent.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) signal: Signal,
    pub(super) protocol: OtlpProtocol,
    /// With the path.
    pub(super) endpoint: Endpoint,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) is_gzipped: bool,
    pub(super) roots: Option<PathBuf>,
}

/// How long a request takes at most, as OpenTelemetry has it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Headers that the protocols have themselves.
const OWN_HEADERS: [&str; 10] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

impl OtlpSettings {
    /// All signals by HTTP, with the paths `v1/traces`, `v1/logs` and `v1/metrics` behind this URL:
    /// `http://localhost:4318`.
    ///
    /// # Errors
    ///
    /// [`OtlpError::Endpoint`] for what is no such URL.
    pub fn http(url: &str) -> Result<Self, OtlpError> {
        Self::to(OtlpProtocol::Http, url)
    }

    /// All signals by gRPC, to this URL: `http://localhost:4317`.
    ///
    /// # Errors
    ///
    /// [`OtlpError::Endpoint`] for what is no such URL.
    pub fn grpc(url: &str) -> Result<Self, OtlpError> {
        Self::to(OtlpProtocol::Grpc, url)
    }

    fn to(protocol: OtlpProtocol, url: &str) -> Result<Self, OtlpError> {
        let mut settings = Self::default();
        for signal in Signal::ALL {
            let endpoint = Target::endpoint(signal, protocol, url, false)?;
            settings.set(Target::new(signal, protocol, endpoint));
        }
        Ok(settings)
    }

    pub(super) fn set(&mut self, target: Target) {
        let signal = target.signal;
        self.targets[signal as usize] = Some(target);
    }

    /// Without this signal.
    #[must_use]
    pub fn without(mut self, signal: Signal) -> Self {
        self.targets[signal as usize] = None;
        self
    }

    /// With a header in every request.
    ///
    /// # Errors
    ///
    /// [`OtlpError::HeaderName`] and [`OtlpError::Header`] for what can stand in no header, and for headers that the
    /// protocols have themselves.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, OtlpError> {
        let (name, value) = header(name, value).map_err(|fault| match fault {
            HeaderFault::Name => OtlpError::HeaderName,
            fault => OtlpError::Header {
                name: name.to_owned(),
                why: fault.why(),
            },
        })?;
        self.each(|target| {
            target.headers.insert(name.clone(), value.clone());
        });
        Ok(self)
    }

    /// With another limit to the time that a request takes: 10 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.each(|target| target.timeout = timeout);
        self
    }

    /// With compressed requests.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.each(|target| target.is_gzipped = true);
        self
    }

    /// With these root certificates, in PEM, in place of those that the operating system trusts.
    #[cfg(feature = "otel-tls")]
    #[must_use]
    pub fn roots(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.each(|target| target.roots = Some(path.clone()));
        self
    }

    /// Whether anything is sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.iter().all(Option::is_none)
    }

    pub(super) fn into_targets(self) -> [Option<Target>; Signal::ALL.len()] {
        self.targets
    }

    fn each(&mut self, change: impl FnMut(&mut Target)) {
        self.targets.iter_mut().flatten().for_each(change);
    }
}

impl Target {
    pub(super) fn new(signal: Signal, protocol: OtlpProtocol, endpoint: Endpoint) -> Self {
        Self {
            signal,
            protocol,
            endpoint,
            headers: HeaderMap::new(),
            timeout: TIMEOUT,
            is_gzipped: false,
            roots: None,
        }
    }

    /// Where a signal is sent, by the URL for all signals or for this one only.
    pub(super) fn endpoint(
        signal: Signal,
        protocol: OtlpProtocol,
        url: &str,
        is_for_one: bool,
    ) -> Result<Endpoint, EndpointFault> {
        let endpoint = Endpoint::parse(url)?;
        match protocol {
            OtlpProtocol::Grpc if endpoint.has_path() => Err(EndpointFault::Path),
            OtlpProtocol::Grpc => Ok(endpoint.at(signal.grpc_path())),
            OtlpProtocol::Http if is_for_one => Ok(endpoint),
            OtlpProtocol::Http => Ok(endpoint.join(signal.http_path())),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (f.debug_struct("Target").field("signal", &self.signal))
            .field("protocol", &self.protocol)
            .field("endpoint", &self.endpoint.uri())
            .field("headers", &self.headers.keys())
            .field("timeout", &self.timeout)
            .field("is_gzipped", &self.is_gzipped)
            .field("roots", &self.roots)
            .finish()
    }
}

/// Why a header cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    Name,
    Own,
    Value,
}

impl HeaderFault {
    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::Name => "its name is no name of a header",
            Self::Own => "the protocol has it itself",
            Self::Value => "its value can stand in no header",
        }
    }
}

/// A header that may be sent.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HeaderFault> {
    let name: Result<HeaderName, _> = name.to_ascii_lowercase().parse();
    let name = name.map_err(|_| HeaderFault::Name)?;
    if OWN_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("grpc-") {
        return Err(HeaderFault::Own);
    }
    let value = HeaderValue::from_str(value);
    let mut value = value.map_err(|_| HeaderFault::Value)?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_of_a_header_is_not_shown() {
        let error = |name: &str, value: &str| {
            let settings = OtlpSettings::http("http://h").unwrap();
            settings.header(name, value).unwrap_err()
        };
        // Whoever has it all in one writes the value before the first `=`.
        let error_of_all = error("Authorization: Basic dXNlcjpwYXNz", "=");
        assert!(!format!("{error_of_all:?} {error_of_all}").contains("dXNl"));
        assert!(matches!(error_of_all, OtlpError::HeaderName));
        let shown = error("api-key", "secret\n").to_string();
        assert_eq!(
            shown,
            "the header `api-key` cannot be sent: its value can stand in no header"
        );
    }
}
