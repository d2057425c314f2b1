//! What an operator says of the export in the environment (OpenTelemetry's specification, "OTLP Exporter" and "General SDK
//! Configuration").

use std::path::PathBuf;

use super::OtlpExporter;
use super::endpoint::Endpoint;
use super::error::OtlpError;
use super::settings::{OtlpProtocol, OtlpSettings, Target, header};
use super::signal::Signal;
use crate::trace::resource::Resource;
use crate::trace::settings::{SettingFault, Variables, pairs};
use crate::trace::tracer::TracerBuilder;

/// Adds the exporter that the environment asks for, if it does.
pub(in crate::trace) fn add_exporter(
    variables: &mut Variables<'_>,
    resource: Resource,
    builder: TracerBuilder,
) -> TracerBuilder {
    let settings = settings(variables);
    if settings.is_empty() {
        return builder;
    }
    match OtlpExporter::new(settings, resource) {
        Ok(exporter) => builder.exporter(exporter),
        Err(error) => {
            let name = match error {
                OtlpError::Certificates { .. } => CERTIFICATE,
                _ => "OTEL_EXPORTER_OTLP_ENDPOINT",
            };
            variables.warn(name, None, error.into());
            builder
        }
    }
}

fn settings(variables: &mut Variables<'_>) -> OtlpSettings {
    let signals = Signal::ALL.map(|signal| format!("{}_", signal.in_variables()));
    for what in ["CLIENT_KEY", "CLIENT_CERTIFICATE", "INSECURE"] {
        for signal in signals.iter().map(String::as_str).chain([""]) {
            let name = format!("OTEL_EXPORTER_OTLP_{signal}{what}");
            if variables.text(&name).is_some() {
                variables.warn(&name, None, SettingFault::Unsupported);
            }
        }
    }
    const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    variables.read(TEMPORALITY, |text| {
        let is_ours = text.eq_ignore_ascii_case("cumulative");
        is_ours.then_some(()).ok_or(SettingFault::Unsupported)
    });
    let mut settings = OtlpSettings::default();
    for signal in Signal::ALL {
        if let Some(target) = target(variables, signal) {
            settings.set(target);
        }
    }
    settings
}

const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";

/// Where a signal is sent, if it is: where an endpoint is named or the exporter is asked for by its name.
fn target(variables: &mut Variables<'_>, signal: Signal) -> Option<Target> {
    let is_asked_for = match chosen(variables, signal) {
        Some(false) => return None,
        asked => asked.is_some(),
    };
    let endpoint = Named::of(variables, signal, "ENDPOINT");
    if endpoint.is_none() && !is_asked_for {
        return None;
    }
    let protocol = Named::of(variables, signal, "PROTOCOL");
    let protocol = protocol.and_then(|named| named.read(variables, protocol_of));
    let protocol = protocol.unwrap_or_default();
    let endpoint = match endpoint {
        // Whoever names a place that is none does not mean another.
        Some(named) => place(variables, signal, protocol, &named)?,
        None => Target::endpoint(signal, protocol, protocol.usual_place(), false).ok()?,
    };
    let mut target = Target::new(signal, protocol, endpoint);
    if let Some(named) = Named::of(variables, signal, "HEADERS") {
        headers(variables, &named, &mut target);
    }
    let timeout = Named::of(variables, signal, "TIMEOUT");
    if let Some(timeout) = timeout.and_then(|named| variables.milliseconds(&named.name)) {
        target.timeout = timeout;
    }
    if let Some(named) = Named::of(variables, signal, "COMPRESSION") {
        let is_gzipped = named.read(variables, |text| match text.to_ascii_lowercase().as_str() {
            "gzip" => Ok(true),
            "none" => Ok(false),
            _ => Err(SettingFault::Choice("`gzip` or `none`")),
        });
        target.is_gzipped = is_gzipped.unwrap_or(false);
    }
    if let Some(named) = Named::of(variables, signal, "CERTIFICATE") {
        if cfg!(feature = "otel-tls") {
            target.roots = Some(PathBuf::from(named.text));
        } else {
            variables.warn(&named.name, None, SettingFault::NeedsFeature("otel-tls"));
        }
    }
    Some(target)
}

/// Whether the exporter is asked for by its name, or is not to be. Who asks for another does not mean this one.
fn chosen(variables: &mut Variables<'_>, signal: Signal) -> Option<bool> {
    let name = format!("OTEL_{}_EXPORTER", signal.in_variables());
    let text = variables.text(&name)?;
    let words = || text.split(',').map(str::trim);
    let is = |word: &str, other: &str| word.eq_ignore_ascii_case(other);
    if !words().all(|word| is(word, "otlp") || is(word, "none")) {
        variables.warn(&name, Some(&text), SettingFault::Choice("`otlp` or `none`"));
    }
    Some(words().any(|word| is(word, "otlp")))
}

fn protocol_of(text: &str) -> Result<OtlpProtocol, SettingFault> {
    match text.to_ascii_lowercase().as_str() {
        "grpc" => Ok(OtlpProtocol::Grpc),
        "http/protobuf" => Ok(OtlpProtocol::Http),
        _ => Err(SettingFault::Choice("`grpc` or `http/protobuf`")),
    }
}

fn place(
    variables: &mut Variables<'_>,
    signal: Signal,
    protocol: OtlpProtocol,
    named: &Named,
) -> Option<Endpoint> {
    let endpoint = Target::endpoint(signal, protocol, &named.text, named.is_for_one);
    let endpoint = endpoint.map_err(OtlpError::from).and_then(|endpoint| {
        if endpoint.is_tls() && !cfg!(feature = "otel-tls") {
            return Err(OtlpError::NeedsTls);
        }
        Ok(endpoint)
    });
    // It is not shown, since it may have a password in it.
    endpoint
        .map_err(|error| variables.warn(&named.name, None, error.into()))
        .ok()
}

/// Sets those that can be sent. What they say is never shown, nor are their names: who writes `name: value` has the value
/// before the `=`.
fn headers(variables: &mut Variables<'_>, named: &Named, target: &mut Target) {
    match pairs(&named.text) {
        Ok(pairs) => {
            for ((name, value), position) in pairs.into_iter().zip(1..) {
                match header(&name, &value) {
                    Ok((name, value)) => drop(target.headers.insert(name, value)),
                    Err(fault) => {
                        let why = fault.why();
                        let fault = SettingFault::Header { position, why };
                        variables.warn(&named.name, None, fault);
                    }
                }
            }
        }
        Err(fault) => variables.warn(&named.name, None, fault),
    }
}

/// A variable that is for one signal or for all.
struct Named {
    name: String,
    text: String,
    is_for_one: bool,
}

impl Named {
    /// The one for this signal, or the one for all.
    fn of(variables: &mut Variables<'_>, signal: Signal, what: &str) -> Option<Self> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.in_variables());
        let common = format!("OTEL_EXPORTER_OTLP_{what}");
        [(own, true), (common, false)]
            .into_iter()
            .find_map(|(name, is_for_one)| {
                let text = variables.text(&name)?;
                Some(Self {
                    name,
                    text,
                    is_for_one,
                })
            })
    }

    fn read<T>(
        &self,
        variables: &mut Variables<'_>,
        read: impl FnOnce(&str) -> Result<T, SettingFault>,
    ) -> Option<T> {
        variables.read(&self.name, read)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::time::Duration;

    use super::*;

    fn read(set: &[(&str, &str)]) -> ([Option<Target>; 3], Vec<String>) {
        let mut variable = |name: &str| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let mut variables = Variables::new(&mut variable);
        let targets = settings(&mut variables).into_targets();
        let warnings = variables.into_warnings();
        (targets, warnings.iter().map(ToString::to_string).collect())
    }

    fn places(set: &[(&str, &str)]) -> ([String; 3], usize) {
        let (targets, warnings) = read(set);
        let place = |target: Option<Target>| {
            target.map_or(String::new(), |target| target.endpoint.uri().to_string())
        };
        (targets.map(place), warnings.len())
    }

    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    const LOGS: &str = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT";
    const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";

    #[test]
    fn each_signal_has_its_endpoint() {
        let all =
            |traces: &str, logs: &str, metrics: &str| [traces, logs, metrics].map(str::to_owned);
        assert_eq!(places(&[]), (all("", "", ""), 0));
        assert_eq!(
            places(&[(ENDPOINT, "http://h:1/otlp/"), (TRACES, "http://t:2/own")]),
            (
                all(
                    "http://t:2/own",
                    "http://h:1/otlp/v1/logs",
                    "http://h:1/otlp/v1/metrics"
                ),
                0
            )
        );
        assert_eq!(
            places(&[(TRACES, "http://t:2"), ("OTEL_LOGS_EXPORTER", "otlp")]),
            (all("http://t:2/", "http://localhost:4318/v1/logs", ""), 0)
        );
        let none = [
            ("OTEL_TRACES_EXPORTER", "none"),
            ("OTEL_METRICS_EXPORTER", "none"),
        ];
        assert_eq!(
            places(&[(ENDPOINT, "http://h:1"), none[0], none[1]]),
            (all("", "http://h:1/v1/logs", ""), 0)
        );
        let service = |name: &str, place: &str| {
            let (package, service) = name.split_once(' ').unwrap();
            format!("{place}/opentelemetry.proto.collector.{package}.v1.{service}/Export")
        };
        assert_eq!(
            places(&[
                (PROTOCOL, "grpc"),
                ("OTEL_TRACES_EXPORTER", "otlp"),
                (LOGS, "http://h:1"),
                ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/protobuf"),
            ]),
            (
                all(
                    &service("trace TraceService", "http://localhost:4317"),
                    "http://h:1/",
                    ""
                ),
                0
            )
        );
    }

    #[test]
    fn what_cannot_be_used_is_said_and_not_sent_elsewhere() {
        let none = [""; 3].map(str::to_owned);
        // Once, though it is for three signals.
        for wrong in ["h:4318", "http://user:secret@h", "http://h?key=secret"] {
            let otlp = ("OTEL_TRACES_EXPORTER", "otlp");
            assert_eq!(
                places(&[(ENDPOINT, wrong), otlp]),
                (none.clone(), 1),
                "{wrong}"
            );
            let (_, warnings) = read(&[(ENDPOINT, wrong)]);
            assert!(!warnings[0].contains("secret"), "{warnings:?}");
            assert!(warnings[0].contains(ENDPOINT), "{warnings:?}");
        }
        let grpc = [(PROTOCOL, "grpc"), (ENDPOINT, "http://h:1/v1/traces")];
        assert_eq!(places(&grpc), (none.clone(), 1));
        let tls = read(&[(TRACES, "https://h")]);
        if cfg!(feature = "otel-tls") {
            assert!(tls.0[0].is_some() && tls.1.is_empty());
        } else {
            assert!(tls.0[0].is_none());
            assert!(
                tls.1[0].contains(TRACES) && tls.1[0].contains("`otel-tls`"),
                "{tls:?}"
            );
        }
        for set in [
            (PROTOCOL, "http/json"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "key.pem"),
            ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "cert.pem"),
            ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", "true"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        ] {
            let (targets, warnings) = read(&[(ENDPOINT, "http://h"), set]);
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            let target = targets[0].as_ref().unwrap();
            let usual = (OtlpProtocol::Http, Duration::from_secs(10), false);
            assert_eq!((target.protocol, target.timeout, target.is_gzipped), usual);
        }
    }

    #[test]
    fn who_asks_for_another_exporter_gets_none() {
        const METRICS: &str = "OTEL_METRICS_EXPORTER";
        for (asked, is_sent, warned) in [
            ("prometheus", false, 1),
            ("console", false, 1),
            ("none", false, 0),
            ("otlp", true, 0),
            ("otlp,console", true, 1),
        ] {
            let (targets, warnings) = read(&[(ENDPOINT, "http://h"), (METRICS, asked)]);
            assert_eq!(targets[2].is_some(), is_sent, "{asked}");
            assert!(targets[0].is_some() && targets[1].is_some());
            assert_eq!(warnings.len(), warned, "{asked}: {warnings:?}");
        }
    }

    #[test]
    fn words_are_the_same_in_capitals() {
        let (targets, warnings) = read(&[
            ("OTEL_TRACES_EXPORTER", "OTLP"),
            ("OTEL_LOGS_EXPORTER", "None"),
            (LOGS, "http://h"),
            (PROTOCOL, "GRPC"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "Gzip"),
            (
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
                "Cumulative",
            ),
        ]);
        assert_eq!(warnings, [""; 0]);
        let [Some(traces), None, None] = targets else {
            panic!("{targets:?}");
        };
        assert_eq!(
            (traces.protocol, traces.is_gzipped),
            (OtlpProtocol::Grpc, true)
        );
    }

    #[test]
    fn a_header_written_as_http_has_it_is_not_shown() {
        for (all, position) in [
            ("Authorization: Basic dXNlcjpwYXNz==", 1),
            ("Authorization: Bearer eyJhbGciOi.eyJzdWIi=", 1),
            ("api-key=1,,Authorization: Basic dXNlcjpwYXNz=", 2),
            ("dXNlcjpwYXNz=%0a", 1),
        ] {
            for name in [
                "OTEL_EXPORTER_OTLP_HEADERS",
                "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
            ] {
                let (_, warnings) = read(&[(ENDPOINT, "http://h"), (name, all)]);
                let [warning] = &warnings[..] else {
                    panic!("{all}: {warnings:?}");
                };
                assert!(
                    !["dXNl", "eyJ"].iter().any(|part| warning.contains(part)),
                    "{warning}"
                );
                assert!(
                    warning.contains(&format!("header {position} ")),
                    "{warning}"
                );
            }
        }
    }

    #[test]
    fn headers_are_sent_and_never_shown() {
        const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
        const OWN: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
        let set = [
            (ENDPOINT, "http://h"),
            (HEADERS, "api-key=secret%2C1,X-Other = b"),
            (OWN, "Api-Key=secret2"),
        ];
        let (targets, warnings) = read(&set);
        assert_eq!(warnings, [""; 0]);
        assert!(!format!("{targets:?}").contains("secret"));
        let [traces, logs, _] = targets.map(|target| target.unwrap().headers);
        assert_eq!(traces["api-key"], "secret2");
        assert_eq!(
            (&logs["api-key"], &logs["x-other"]),
            (&"secret,1".parse().unwrap(), &"b".parse().unwrap())
        );
        assert_eq!(traces.len(), 1);
        for wrong in [
            "secret",
            "a b=secret",
            "content-type=secret",
            "grpc-status=secret",
            "k=secret%0a",
        ] {
            let (targets, warnings) = read(&[(ENDPOINT, "http://h"), (HEADERS, wrong)]);
            assert_eq!(warnings.len(), 1, "{wrong}: {warnings:?}");
            assert!(
                !warnings[0].contains("\"") && !warnings[0].contains("=secret"),
                "{warnings:?}"
            );
            assert!(targets[0].as_ref().unwrap().headers.is_empty(), "{wrong}");
        }
    }

    #[test]
    fn time_and_compression_are_for_all_or_for_one() {
        let (targets, warnings) = read(&[
            (ENDPOINT, "http://h"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "3000"),
            ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "200"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none"),
        ]);
        assert_eq!(warnings, [""; 0]);
        let [traces, logs, _] = targets.map(Option::unwrap);
        assert_eq!(
            (traces.timeout, traces.is_gzipped),
            (Duration::from_secs(3), true)
        );
        assert_eq!(
            (logs.timeout, logs.is_gzipped),
            (Duration::from_millis(200), false)
        );
    }
}
