//! Where a collector is.

use core::fmt;

use hyper::Uri;
use hyper::http::uri::{PathAndQuery, Scheme};

/// Why a text says of no collector where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointFault {
    /// It is no URL.
    #[error("it is no URL")]
    Url,
    /// It begins with neither `http://` nor `https://`.
    #[error("it begins with neither `http://` nor `https://`")]
    Scheme,
    /// It names a user, and whoever reads it would know the password.
    #[error("it names a user: say who asks in a header")]
    User,
    /// It has a part behind a question mark, which may be a key.
    #[error("it has a query: say who asks in a header")]
    Query,
    /// It has a path, and gRPC has its own.
    #[error("it has a path, and gRPC has its own")]
    Path,
}

/// A URL of which all parts are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    uri: Uri,
    is_tls: bool,
}

impl Endpoint {
    pub(super) fn parse(text: &str) -> Result<Self, EndpointFault> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(EndpointFault::Scheme);
        };
        let is_tls = scheme.eq_ignore_ascii_case("https");
        if !is_tls && !scheme.eq_ignore_ascii_case("http") {
            return Err(EndpointFault::Scheme);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(EndpointFault::User);
        }
        let uri: Uri = text.parse().map_err(|_| EndpointFault::Url)?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(EndpointFault::Url)?;
        // What stands behind the host is a port, or nothing.
        if authority.len() > host.len() && uri.port_u16().is_none() {
            return Err(EndpointFault::Url);
        }
        if rest.contains(['?', '#']) {
            return Err(EndpointFault::Query);
        }
        Ok(Self { uri, is_tls })
    }

    /// The same place with `path` behind its own.
    pub(super) fn join(&self, path: &str) -> Self {
        let base = self.uri.path().trim_end_matches('/');
        self.at(&format!("{base}/{path}"))
    }

    /// The place of this path there.
    pub(super) fn at(&self, path: &str) -> Self {
        let mut parts = self.uri.clone().into_parts();
        // What is put together of two paths is one.
        parts.path_and_query = PathAndQuery::try_from(path).ok();
        let uri = Uri::from_parts(parts).unwrap_or_else(|_| self.uri.clone());
        Self { uri, ..*self }
    }

    pub(super) fn has_path(&self) -> bool {
        !matches!(self.uri.path(), "" | "/")
    }

    pub(super) const fn is_tls(&self) -> bool {
        self.is_tls
    }

    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The host, an IPv6 address without its brackets.
    pub(super) fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(super) fn port(&self) -> u16 {
        let usual = if self.is_tls { 443 } else { 80 };
        self.uri.port_u16().unwrap_or(usual)
    }

    /// Host and port as they were written, for the header `host`.
    pub(super) fn authority(&self) -> &str {
        self.uri
            .authority()
            .map_or("", |authority| authority.as_str())
    }
}

impl fmt::Display for Endpoint {
    /// Without the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        Endpoint::parse(text).unwrap()
    }

    #[test]
    fn an_endpoint_has_a_host_and_a_port() {
        let places = [
            ("http://localhost", "localhost", 80, false),
            ("https://collector.example", "collector.example", 443, true),
            ("HTTP://127.0.0.1:4318/", "127.0.0.1", 4318, false),
            ("http://[::1]:4317", "::1", 4317, false),
        ];
        for (text, host, port, is_tls) in places {
            let place = endpoint(text);
            assert_eq!((place.host(), place.port()), (host, port), "{text}");
            assert_eq!(place.is_tls(), is_tls, "{text}");
        }
        assert_eq!(
            endpoint("http://[::1]:4317/a").to_string(),
            "http://[::1]:4317"
        );
    }

    #[test]
    fn paths_are_put_together() {
        for (base, whole) in [
            ("http://h:1", "http://h:1/v1/traces"),
            ("http://h:1/", "http://h:1/v1/traces"),
            ("http://h:1/otlp", "http://h:1/otlp/v1/traces"),
            ("http://h:1/otlp/", "http://h:1/otlp/v1/traces"),
        ] {
            assert_eq!(endpoint(base).join("v1/traces").uri().to_string(), whole);
        }
        assert_eq!(endpoint("http://h/a").at("/b/C").uri().path(), "/b/C");
        assert!(endpoint("http://h/a").has_path());
        assert!(!endpoint("http://h/").has_path());
    }

    #[test]
    fn what_says_of_no_collector_where_it_is_says_what_is_wrong() {
        for (text, fault) in [
            ("", EndpointFault::Scheme),
            ("localhost:4317", EndpointFault::Scheme),
            ("ftp://localhost", EndpointFault::Scheme),
            ("http://", EndpointFault::Url),
            ("http://:4318", EndpointFault::Url),
            ("http://h:99999", EndpointFault::Url),
            ("http://h:", EndpointFault::Url),
            ("http://a b", EndpointFault::Url),
            ("http://user:secret@h", EndpointFault::User),
            ("http://h/?key=secret", EndpointFault::Query),
            ("http://h/#part", EndpointFault::Query),
        ] {
            assert_eq!(Endpoint::parse(text), Err(fault), "{text}");
        }
    }
}
