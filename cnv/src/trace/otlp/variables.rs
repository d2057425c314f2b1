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
    for name in [
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_INSECURE",
    ] {
        if variables.text(name).is_some() {
            variables.warn(name, None, SettingFault::Unsupported);
        }
    }
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
        let is_gzipped = named.read(variables, |text| match text {
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

/// Whether the exporter is asked for by its name, or is not to be.
fn chosen(variables: &mut Variables<'_>, signal: Signal) -> Option<bool> {
    let name = format!("OTEL_{}_EXPORTER", signal.in_variables());
    variables.read(&name, |text| {
        let mut is_asked_for = false;
        for word in text.split(',').map(str::trim) {
            match word {
                "otlp" => is_asked_for = true,
                "none" => {}
                _ => return Err(SettingFault::Choice("`otlp` or `none`")),
            }
        }
        Ok(is_asked_for)
    })
}

fn protocol_of(text: &str) -> Result<OtlpProtocol, SettingFault> {
    match text {
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

/// Sets those that can be sent. What they say is never shown.
fn headers(variables: &mut Variables<'_>, named: &Named, target: &mut Target) {
    match pairs(&named.text) {
        Ok(pairs) => {
            for (name, value) in pairs {
                match header(&name, &value) {
                    Ok((name, value)) => drop(target.headers.insert(name, value)),
                    Err(error) => variables.warn(&named.name, None, error.into()),
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
