//! Export over OTLP.

mod channel;
mod connection;
mod encode;
mod endpoint;
mod error;
mod grpc;
mod http;
mod message;
mod settings;
mod signal;
#[cfg(feature = "otel-tls")]
mod tls;
#[cfg(not(feature = "otel-tls"))]
#[path = "no_tls.rs"]
mod tls;
mod variables;

use core::fmt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use prost::Message;
use tokio::runtime::{Builder, Runtime};

pub use endpoint::EndpointFault;
pub use error::OtlpError;
pub use settings::{OtlpProtocol, OtlpSettings};
pub use signal::Signal;
pub(super) use variables::add_exporter;

use self::channel::Channel;
use super::exporter::{Exported, Exporter};
use super::metrics::{Family, Snapshot};
use super::record::{LogRecord, SpanRecord};
use super::resource::Resource;

/// Who sends.
const AGENT: &str = concat!("OTel-OTLP-Exporter-cnv/", env!("CARGO_PKG_VERSION"));

/// Takes spans, log records and metrics to a collector over OTLP, by gRPC or by HTTP with protobuf.
///
/// What became of each batch is what the collector says, or whether it was asked at all:
///
/// | what happens | what becomes of the batch |
/// |---|---|
/// | it answers that it took all, or all but so many | delivered, and so many rejected |
/// | no connection, or the request did not leave | sent again |
/// | HTTP 429, 502, 503, 504; gRPC's codes that OTLP has as retryable | sent again, after the time that it asks for |
/// | every other status | rejected |
/// | a stream of HTTP/2 that is refused, which was not looked at (RFC 9113, section 8.7) | sent again |
/// | no answer in time, or one that breaks off or cannot be read | unknown, and not sent again |
///
/// Where it is not certain that nothing arrived it is taken for unknown, so that nothing is there twice.
///
/// A request has 4 MiB at most, before it is compressed, and an answer 64 KiB. There is one connection for each signal, and
/// one request at a time. No proxy is used.
///
/// The crate `opentelemetry-otlp` was the other way. Its exporters take a batch in which some spans were not wanted for one
/// that was, cannot be told whether a request had left when a connection broke, and need the whole SDK.
///
/// ```no_run
/// use cnv::trace::{OtlpExporter, OtlpSettings, Tracer};
///
/// let settings = OtlpSettings::http("http://localhost:4318")?;
/// let tracer = Tracer::builder()
///     .exporter(OtlpExporter::new(settings, "shop")?)
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An operator says all that in the environment: see [`TracerBuilder::from_env`](super::TracerBuilder::from_env). Needs the
/// feature `otel`, and for `https://` the feature `otel-tls`.
pub struct OtlpExporter {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    resource: message::Resource,
    channels: [Option<Channel>; Signal::ALL.len()],
}

impl OtlpExporter {
    /// An exporter for this program, with a `service.instance.id` of its own unless the resource has one. It connects when
    /// there is something to send.
    ///
    /// # Errors
    ///
    /// [`OtlpError`] for an endpoint that TLS cannot be spoken to, and where the operating system has no runtime to give.
    pub fn new(settings: OtlpSettings, resource: impl Into<Resource>) -> Result<Self, OtlpError> {
        let mut channels = [const { None }; Signal::ALL.len()];
        for (channel, target) in channels.iter_mut().zip(settings.into_targets()) {
            *channel = target.map(Channel::new).transpose()?;
        }
        Ok(Self {
            runtime: Some(Builder::new_current_thread().enable_all().build()?),
            resource: encode::resource(&resource.into().with_instance()),
            channels,
        })
    }

    fn export<R, M: Message + Default + fmt::Debug>(
        &mut self,
        signal: Signal,
        records: &[R],
        message: impl Fn(&R) -> M,
        until: Instant,
    ) -> Exported {
        let channel = &mut self.channels[signal as usize];
        let (Some(channel), Some(runtime)) = (channel, &self.runtime) else {
            return Exported::Refused("none are taken here".to_owned());
        };
        let (request, count) = encode::request(&self.resource, records, message);
        let exported = runtime.block_on(channel.export(request, until));
        if count == records.len() {
            return exported;
        }
        Exported::Front {
            count,
            exported: Box::new(exported),
        }
    }
}

impl Exporter for OtlpExporter {
    fn name(&self) -> String {
        let mut places: Vec<String> = Vec::new();
        for place in self.channels.iter().flatten().map(Channel::place) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        format!("otlp {}", places.join(", "))
    }

    fn takes_spans(&self) -> bool {
        self.channels[Signal::Traces as usize].is_some()
    }

    fn spans(&mut self, spans: &[SpanRecord], until: Instant) -> Exported {
        self.export(Signal::Traces, spans, encode::span, until)
    }

    fn takes_logs(&self) -> bool {
        self.channels[Signal::Logs as usize].is_some()
    }

    fn logs(&mut self, logs: &[LogRecord], until: Instant) -> Exported {
        self.export(Signal::Logs, logs, encode::log, until)
    }

    fn takes_metrics(&self) -> bool {
        self.channels[Signal::Metrics as usize].is_some()
    }

    fn metrics(&mut self, snapshot: &Snapshot, until: Instant) -> Exported {
        let unix_ns = |time: SystemTime| {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        };
        let times = encode::Times {
            since: unix_ns(snapshot.since()),
            at: unix_ns(snapshot.at()),
        };
        let metric = |family: &Family| encode::metric(family, times);
        let mut rest = snapshot.families();
        let (mut arrived, mut rejected, mut said) = (0, 0, None);
        loop {
            let (count, exported) = match self.export(Signal::Metrics, rest, metric, until) {
                Exported::Front { count, exported } => (count.clamp(1, rest.len()), *exported),
                exported => (rest.len(), exported),
            };
            let values = values(&rest[..count]);
            match exported {
                Exported::Delivered => {}
                Exported::Partial {
                    rejected: some,
                    why,
                } => {
                    rejected += some.min(values);
                    said = Some(why);
                }
                // One request of several has no fate of its own: what it did not bring there counts as not wanted, and
                // nothing is sent behind it.
                exported if arrived > 0 => {
                    return Exported::Partial {
                        rejected: rejected + self::values(rest),
                        why: why(exported),
                    };
                }
                exported => return exported,
            }
            arrived += count;
            rest = &rest[count..];
            if rest.is_empty() {
                break;
            }
        }
        match said {
            Some(why) => Exported::Partial { rejected, why },
            None => Exported::Delivered,
        }
    }
}

fn values(families: &[Family]) -> usize {
    families.iter().map(Family::values).sum()
}

/// What was wrong with what was not delivered.
fn why(exported: Exported) -> String {
    match exported {
        Exported::Partial { why, .. }
        | Exported::Unavailable { why, .. }
        | Exported::Refused(why)
        | Exported::Unknown(why) => why,
        Exported::Front { exported, .. } => why(*exported),
        Exported::Delivered => String::new(),
    }
}

impl Drop for OtlpExporter {
    /// A name that is being looked up is not waited for.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for OtlpExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OtlpExporter").field(&self.name()).finish()
    }
}
