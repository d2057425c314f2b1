//! Metrics: how many calls there are, how they end, how long they take, and how what they need stands.
//!
//! A log says what one call did; whether a service is well is a question about all of them, which is answered out of counts
//! that are read every few seconds. Each call adds to some ten numbers of its verb, and whoever asks gets all numbers as a
//! [`Snapshot`]: plain data, out of which the text for Prometheus and OTLP are made. The crates `prometheus` and
//! `opentelemetry` were the other way: they look the labels of each call up behind a lock, and their types would be in this
//! interface.
//!
//! # Where to start
//! [`App::snapshot`](crate::command::App::snapshot) for all that an application counts,
//! [`Snapshot::to_prometheus_text`] for the text; `ops serve --metrics IP:PORT`,
//! `SessionServer::metrics` and `MetricsServer` answer scrapes. A [`Source`] adds metrics of one's own.
//!
//! ```
//! # #[cfg(feature = "command")] {
//! use cnv::prelude::*;
//! use cnv::trace::metrics::{Family, Point, Points, Source};
//!
//! /// Adds two numbers.
//! #[verb(noun = "sum", effect = "pure")]
//! fn add(left: i64, right: i64) -> Result<i64, Failure> {
//!     left.checked_add(right).ok_or_else(|| Failure::failed("the sum is too large"))
//! }
//!
//! struct Disk;
//!
//! impl Source for Disk {
//!     fn collect(&self) -> Vec<Family> {
//!         let free = Points::Gauge(vec![Point::new([("device", "sda")], 5_u64)]);
//!         vec![Family::new("calc.disk.free", "By", "Free space.", free)]
//!     }
//! }
//!
//! let app = App::new("calc").verbs(verbs![add]).metrics_of(Disk);
//! app.call_blocking(["sum", "add", "2", "3"]);
//! let text = app.snapshot().to_prometheus_text();
//! assert!(text.contains("cnv_calls_total{noun=\"sum\",verb=\"add\",outcome=\"ok\"} 1\n"));
//! assert!(text.contains("calc_disk_free_bytes{device=\"sda\"} 5\n"));
//! # }
//! ```
//!
//! # Labels
//! Every set of labels is kept apart for as long as whoever scrapes remembers, so what a caller sends is no label. Those of
//! calls are the application's verbs and the [codes](crate::command::FailureCode) of failures, which are known at the start.
//! All are there from the start, but for `cnv.budget.*`, each of which is there from the first call that was metered: a counter
//! that appears with its first count has no rate before the second.
//!
//! # Costs and limits
//! A call reads the clock and adds to some ten numbers: no lock, no allocation, and as many copies of the numbers as there
//! are processors, up to 16, so that threads rarely meet. A copy is 320 bytes for each verb. A snapshot of a verb is some 30 lines of text, and is
//! made while calls go on: what ends meanwhile may be in one number and not yet in another.
//!
//! Durations are counted in 18 buckets, from 0.1 ms to 10 s and above. Counts begin when the application is first called or
//! asked, and end with the process.
//!
//! # Sources
//! OpenTelemetry, "Metrics Data Model" and its semantic conventions (names, units, buckets of `http.server.request.duration`),
//! "Prometheus and OpenMetrics Compatibility" (how names become those of Prometheus); Prometheus, "Exposition formats".
//!
//! Needs the feature `trace`, and `command` for what an application counts.

#[cfg(feature = "command")]
mod calls;
#[cfg(feature = "prometheus")]
mod endpoint;
mod family;
#[cfg(feature = "command")]
mod histogram;
mod prometheus_text;
mod snapshot;
#[cfg(feature = "command")]
mod stripe;

#[cfg(feature = "command")]
pub(crate) use calls::{CallMetrics, Counting};
#[cfg(feature = "prometheus")]
pub use endpoint::MetricsServer;
pub use family::{Distribution, Family, Label, Number, Point, Points};
pub use prometheus_text::PROMETHEUS_CONTENT_TYPE;
pub use snapshot::{Clash, Snapshot, Source};
