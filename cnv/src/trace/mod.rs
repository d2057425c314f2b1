//! Traces across processes: which trace a call belongs to, and what travels with it.
//!
//! A call that goes through several processes is one story only where each tells the next which one it is. The W3C's
//! headers say it in three texts, and this module reads, checks and writes them. `opentelemetry`'s propagators were the
//! other way: they allocate for every call, take what the standard forbids (upper-case digits in the version, ids of the
//! wrong length), and drop the flag that says that an id is random. Here bad input begins a new trace and never is an error
//! for the call.
//!
//! # Where to start
//! [`TraceContext::extract`] for a call that came in, with a [`Boundary`] that says how far its sender is trusted;
//! [`TraceContext::child`] for a call that goes out; [`Environment`] for processes. [`TraceParent`], [`TraceState`] and
//! [`Baggage`] read one text each, and say which byte is wrong.
//!
//! ```
//! use std::process::Command;
//! use cnv::trace::{Boundary, Environment, IdGenerator, Incoming, TraceContext};
//!
//! let ids = IdGenerator::new()?;
//! let environment = Environment::from_fn(|name| match name {
//!     "TRACEPARENT" => Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
//!     "BAGGAGE" => Some("tenant=acme%20ltd,password=1234".into()),
//!     _ => None,
//! }); // or `Environment::of_process()`
//!
//! let boundary = Boundary::new(Incoming::Continue).allow_baggage(&["tenant"]);
//! let context = TraceContext::extract(environment.headers(), boundary, &ids);
//! assert_eq!(context.traceparent().trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
//! assert!(context.traceparent().flags().is_sampled());
//! assert_eq!(context.baggage().get("tenant").as_deref(), Some("acme ltd"));
//!
//! // The next process is told of a span within this one, and of the tenant, but not of the password.
//! let mut command = Command::new("true");
//! context.child(&ids).write_to(&mut command);
//! # let baggage = command.get_envs().find(|(name, _)| *name == "BAGGAGE");
//! # assert_eq!(baggage.unwrap().1.unwrap(), "tenant=acme%20ltd");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Costs and limits
//!
//! Reading and printing allocate nothing, but for decoding a value of baggage that has escapes and for writing an
//! environment. A `traceparent` takes tens of nanoseconds; `tracestate` and `baggage` are read once when they come in, and
//! again, without checks, when their members are looked at.
//!
//! | text | taken | sent |
//! |---|---|---|
//! | `traceparent` | version 00 exactly; of higher versions what 00 has | version 00, the flags sampled and random |
//! | `tracestate` | 32 members, empty ones counted, no key twice, 256 characters for a key and for a value, 16 447 bytes | 512 characters: [`TraceState`] says what is left out |
//! | `baggage` | 64 members, 8192 bytes | what a boundary let in |
//!
//! What goes over a limit is left out as a whole. By default a [`Boundary`] lets no baggage in. Whoever may send a
//! `traceparent` that is continued chooses the trace's id and asks for it to be recorded: at the edge of a system use
//! [`Incoming::RestartWithLink`] or [`Incoming::Ignore`].
//!
//! # Sources
//!
//! W3C Trace Context Level 2 (Candidate Recommendation Draft of 28 March 2024), which takes all that Level 1 (Recommendation
//! of 23 November 2021) does and adds the flag for random ids and the shorter grammar of keys. W3C Baggage (Candidate
//! Recommendation Snapshot of 30 May 2024). The names in the environment: OpenTelemetry's specification, "Environment
//! Variables as Context Propagation Carriers".
//!
//! Needs the feature `trace`.

mod baggage;
mod boundary;
#[cfg(feature = "command")]
mod carried;
mod context;
mod current;
mod environment;
mod exporter;
mod file;
mod generator;
mod hex;
mod ids;
mod json;
pub mod metrics;
#[cfg(feature = "otel")]
mod otlp;
mod ows;
mod pipe;
mod record;
mod resource;
mod sampler;
mod settings;
mod span;
mod telemetry;
mod traceparent;
mod tracer;
mod tracestate;
#[cfg(feature = "tracing")]
mod tracing;

#[cfg(all(feature = "command", feature = "tracing"))]
#[doc = include_str!("../../../docs/tracing.md")]
pub mod walk_through {}

pub use crate::transaction::{TransactionId, TransactionIdError};
pub use baggage::{
    Baggage, BaggageBuf, BaggageError, BaggageFault, BaggageMember, BaggageMembers,
    BaggageProperties, BaggageProperty,
};
pub use boundary::{Boundary, Incoming};
#[cfg(feature = "command")]
pub(crate) use carried::Carried;
pub use context::{Headers, LeftOut, TraceContext};
#[cfg(all(feature = "tracing", feature = "command"))]
pub(crate) use current::Listener;
pub use current::{Current, During, event, span};
pub use environment::Environment;
pub use exporter::{Delivery, DropCause, Exported, Exporter, Report};
pub use file::{SpanFile, SpanFileError};
pub use generator::IdGenerator;
pub use ids::{ParseIdError, SpanId, TraceFlags, TraceId};
#[cfg(feature = "otel")]
pub use otlp::{EndpointFault, OtlpError, OtlpExporter, OtlpProtocol, OtlpSettings, Signal};
pub use pipe::QueueLimits;
pub use record::{
    Attribute, Facts, Level, LogRecord, SpanEvent, SpanKind, SpanRecord, SpanStatus, Value,
};
pub use resource::Resource;
pub use sampler::{RatioError, Sampler};
pub use settings::{SettingFault, SettingWarning};
pub use span::{EntrySpan, Span};
pub use traceparent::{TraceParent, TraceParentError, TraceParentFault, TraceParentText};
pub use tracer::{Tracer, TracerBuilder};
pub use tracestate::{
    TraceState, TraceStateError, TraceStateFault, TraceStateMember, TraceStateMembers,
};
#[cfg(all(feature = "tracing", feature = "session"))]
pub(crate) use tracing::json;
#[cfg(feature = "tracing")]
pub use tracing::{LogFormat, TracingLayer};
