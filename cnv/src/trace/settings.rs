//! What an operator says of traces in the environment.

use std::env;
use std::ffi::OsString;
use std::time::Duration;

use super::baggage;
use super::file::{SpanFile, SpanFileError};
use super::pipe::QueueLimits;
use super::resource::Resource;
use super::sampler::Sampler;
use super::tracer::{Tracer, TracerBuilder};

/// A variable cannot be used, or not all of it, and was ignored.
#[derive(Debug, thiserror::Error)]
#[error("the variable `{name}` is ignored: {fault}{of}", of = self.shown_value())]
#[non_exhaustive]
pub struct SettingWarning {
    /// Its name.
    pub name: String,
    /// What it says, but for what may be a secret, and at most 100 characters of it.
    pub value: Option<String>,
    /// What is wrong with it.
    #[source]
    pub fault: SettingFault,
}

/// What is wrong with a variable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingFault {
    /// It is no text.
    #[error("it is no UTF-8")]
    Encoding,
    /// It is none of the words that it may be.
    #[error("it is not {0}")]
    Choice(&'static str),
    /// It is no whole number above zero.
    #[error("it is no whole number above 0")]
    Number,
    /// It is no share.
    #[error("it is no number from 0 to 1")]
    Share,
    /// It is no list of keys and values.
    #[error("it is no list as `key=value,key=value`")]
    List,
    /// A batch would be larger than the queue: it is as large as the queue.
    #[error("a batch is no larger than the queue")]
    LargerThanQueue,
    /// The queue would be larger than any is: it is as large as that.
    #[error("no more than {0} wait")]
    LargerThanAny(usize),
    /// It has no meaning here.
    #[error("there is no such thing here")]
    Unsupported,
    /// It needs a feature that is not there.
    #[error("it needs cnv's feature `{0}`")]
    NeedsFeature(&'static str),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] SpanFileError),
    /// A header of a list cannot be sent. Neither its name nor its value is shown: either may be a secret.
    #[cfg(feature = "otel")]
    #[error("its header {position} cannot be sent: {why}")]
    Header {
        /// Where it stands in the list, from 1.
        position: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There can be no such exporter.
    #[cfg(feature = "otel")]
    #[error(transparent)]
    Otlp(#[from] super::otlp::OtlpError),
}

impl SettingWarning {
    fn shown_value(&self) -> String {
        let value = self.value.as_ref();
        value.map_or_else(String::new, |value| format!(": {value:?}"))
    }
}

/// What an environment says, and what of it cannot be used.
pub(super) struct Variables<'a> {
    variable: &'a mut dyn FnMut(&str) -> Option<OsString>,
    warnings: Vec<SettingWarning>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(variable: &'a mut dyn FnMut(&str) -> Option<OsString>) -> Self {
        Self {
            variable,
            warnings: Vec::new(),
        }
    }

    /// What a variable says. An empty one says nothing.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match (self.variable)(name)?.into_string() {
            Ok(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Err(_) => {
                self.warn(name, None, SettingFault::Encoding);
                None
            }
        }
    }

    /// What a variable means, as `read` has it.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, SettingFault>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let read = read(&text);
        read.map_err(|fault| self.warn(name, Some(&text), fault))
            .ok()
    }

    pub(super) fn warn(&mut self, name: &str, value: Option<&str>, fault: SettingFault) {
        let warning = SettingWarning {
            name: name.to_owned(),
            value: value.map(|value| value.chars().take(100).collect()),
            fault,
        };
        // What is for all signals is read for each.
        let text = warning.to_string();
        if self
            .warnings
            .iter()
            .all(|earlier| earlier.to_string() != text)
        {
            self.warnings.push(warning);
        }
    }

    fn count(&mut self, name: &str) -> Option<usize> {
        self.read(name, |text| {
            let count = text.parse().ok().filter(|count| *count > 0);
            count.ok_or(SettingFault::Number)
        })
    }

    pub(super) fn milliseconds(&mut self, name: &str) -> Option<Duration> {
        self.read(name, |text| {
            // More than a century is a slip, and no clock goes as far.
            let ms = text.parse().ok().filter(|ms| (1..=CENTURY_MS).contains(ms));
            ms.map(Duration::from_millis).ok_or(SettingFault::Number)
        })
    }

    pub(super) fn into_warnings(self) -> Vec<SettingWarning> {
        self.warnings
    }
}

/// The most that may wait. Room for all of it is there from the start.
const MAX_QUEUE: usize = 1 << 20;

const CENTURY_MS: u64 = 100 * 365 * 24 * 3600 * 1000;

impl TracerBuilder {
    /// A builder as this process's environment has it, for a program that is called `service` unless the environment says
    /// otherwise.
    ///
    /// The variables are OpenTelemetry's, and `CNV_TRACE_FILE`, the path of a [`SpanFile`]. The table is in
    /// `docs/tracing.md`. Where they name no endpoint and no exporter there is none: OpenTelemetry's default is to send to
    /// this machine, where seldom anybody listens.
    ///
    /// What cannot be used is ignored, and a warning says so, as OpenTelemetry has it. Show the warnings: who misspells an
    /// endpoint sees no spans and nothing else.
    ///
    /// ```
    /// use cnv::trace::TracerBuilder;
    ///
    /// let (builder, warnings) = TracerBuilder::from_env("shop");
    /// for warning in &warnings {
    ///     eprintln!("shop: {warning}");
    /// }
    /// let tracer = builder.build()?;
    /// # let _ = tracer;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_env(service: impl Into<Resource>) -> (Self, Vec<SettingWarning>) {
        Self::from_variables(service, |name| env::var_os(name))
    }

    /// A builder as `variable` has it for each name: see [`from_env`](Self::from_env).
    pub fn from_variables(
        service: impl Into<Resource>,
        mut variable: impl FnMut(&str) -> Option<OsString>,
    ) -> (Self, Vec<SettingWarning>) {
        let mut variables = Variables::new(&mut variable);
        let builder = builder(&mut variables, service.into());
        (builder, variables.into_warnings())
    }
}

fn builder(variables: &mut Variables<'_>, resource: Resource) -> TracerBuilder {
    let mut builder = Tracer::builder();
    if is_disabled(variables) {
        return builder;
    }
    unsupported(variables);
    let resource = described(variables, resource);
    if let Some(sampler) = sampler(variables) {
        builder = builder.sampler(sampler);
    }
    builder = builder.queue(queue(variables));
    const FILE: &str = "CNV_TRACE_FILE";
    if let Some(file) = variables.read(FILE, |path| Ok(SpanFile::open(path, resource.clone())?)) {
        builder = builder.exporter(file);
    }
    #[cfg(feature = "otel")]
    {
        super::otlp::add_exporter(variables, resource, builder)
    }
    #[cfg(not(feature = "otel"))]
    {
        for name in [
            "OTEL_TRACES_EXPORTER",
            "OTEL_LOGS_EXPORTER",
            "OTEL_METRICS_EXPORTER",
        ] {
            variables.read(name, |text| match text.to_ascii_lowercase().as_str() {
                "none" => Ok(()),
                "otlp" => Err(SettingFault::NeedsFeature("otel")),
                _ => Err(SettingFault::Choice("`otlp` or `none`")),
            });
        }
        for name in [
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        ] {
            if variables.text(name).is_some() {
                variables.warn(name, None, SettingFault::NeedsFeature("otel"));
            }
        }
        builder
    }
}

fn is_disabled(variables: &mut Variables<'_>) -> bool {
    let is_disabled = variables.read("OTEL_SDK_DISABLED", |text| {
        match text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(SettingFault::Choice("`true` or `false`")),
        }
    });
    is_disabled.unwrap_or(false)
}

/// Says of variables that have no meaning here that they have none.
fn unsupported(variables: &mut Variables<'_>) {
    for name in [
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_SPAN_EVENT_COUNT_LIMIT",
        "OTEL_SPAN_LINK_COUNT_LIMIT",
        "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_BLRP_SCHEDULE_DELAY",
        "OTEL_BLRP_EXPORT_TIMEOUT",
        "OTEL_BLRP_MAX_QUEUE_SIZE",
        "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
        "OTEL_METRIC_EXPORT_TIMEOUT",
    ] {
        variables.read(name, |_| Err::<(), _>(SettingFault::Unsupported));
    }
    variables.read("OTEL_PROPAGATORS", |text| {
        let mut words = text.split(',').map(str::trim);
        let is_ours = |word: &str| ["tracecontext", "baggage"].contains(&word);
        let are_ours = words.all(|word| is_ours(&word.to_ascii_lowercase()));
        are_ours.then_some(()).ok_or(SettingFault::Unsupported)
    });
}

/// The program, as the environment has it.
fn described(variables: &mut Variables<'_>, mut resource: Resource) -> Resource {
    let attributes = variables.read("OTEL_RESOURCE_ATTRIBUTES", pairs);
    for (key, value) in attributes.into_iter().flatten() {
        // Who says what is not for the environment to say.
        if !key.starts_with("telemetry.sdk.") {
            resource = resource.with(&key, value);
        }
    }
    if let Some(name) = variables.text("OTEL_SERVICE_NAME") {
        resource = resource.with("service.name", name);
    }
    resource.with_instance()
}

/// A list as `key=value,key=value`, whose values may have escapes. Of one that is wrong nothing is taken.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, SettingFault> {
    let members = text.split(',').map(str::trim);
    let members = members.filter(|member| !member.is_empty());
    members
        .map(|member| {
            let (key, value) = member.split_once('=').ok_or(SettingFault::List)?;
            let [key, value] = [key, value].map(|part| baggage::decode(part.trim()).into_owned());
            if key.is_empty() {
                return Err(SettingFault::List);
            }
            Ok((key, value))
        })
        .collect()
}

fn sampler(variables: &mut Variables<'_>) -> Option<Sampler> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    const KNOWN: &str =
        "`always_on`, `always_off`, `traceidratio` or one of them after `parentbased_`";
    let text = variables.text(NAME)?;
    let name = text.to_ascii_lowercase();
    let own = name.strip_prefix("parentbased_").unwrap_or(&name);
    let sampler = match own {
        "always_on" => Sampler::ALWAYS,
        "always_off" => Sampler::NEVER,
        // A share that cannot be used is as good as none, and without one it is all of them.
        "traceidratio" => {
            let share = variables.read("OTEL_TRACES_SAMPLER_ARG", |text| {
                let share = text
                    .parse()
                    .ok()
                    .and_then(|share| Sampler::ratio(share).ok());
                share.ok_or(SettingFault::Share)
            });
            share.unwrap_or(Sampler::ALWAYS)
        }
        _ => {
            variables.warn(NAME, Some(&text), SettingFault::Choice(KNOWN));
            return None;
        }
    };
    Some(if own == name {
        sampler
    } else {
        sampler.unless_parent_decides()
    })
}

fn queue(variables: &mut Variables<'_>) -> QueueLimits {
    const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
    const BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
    let mut limits = QueueLimits::default();
    let own = limits;
    if let Some(delay) = variables.milliseconds("OTEL_BSP_SCHEDULE_DELAY") {
        limits.delay = delay;
    }
    if let Some(timeout) = variables.milliseconds("OTEL_BSP_EXPORT_TIMEOUT") {
        limits.export_timeout = timeout;
    }
    if let Some(every) = variables.milliseconds("OTEL_METRIC_EXPORT_INTERVAL") {
        limits.metrics_every = every;
    }
    if let Some(capacity) = variables.count(QUEUE) {
        if capacity > MAX_QUEUE {
            variables.warn(QUEUE, None, SettingFault::LargerThanAny(MAX_QUEUE));
        }
        limits.capacity = capacity.min(MAX_QUEUE);
    }
    let batch = variables.count(BATCH);
    if batch.is_some_and(|batch| batch > limits.capacity) {
        variables.warn(BATCH, None, SettingFault::LargerThanQueue);
    }
    limits.batch = batch.unwrap_or(own.batch).min(limits.capacity);
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `use_them` makes of these variables, and the warnings.
    fn with<T>(
        set: &[(&str, &str)],
        use_them: impl FnOnce(&mut Variables<'_>) -> T,
    ) -> (T, Vec<String>) {
        let mut variable = |name: &str| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let mut variables = Variables::new(&mut variable);
        let used = use_them(&mut variables);
        let warnings = variables.into_warnings();
        (used, warnings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_sampler_has_a_name() {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        const ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
        let quarter = Sampler::ratio(0.25).unwrap();
        for (name, sampler) in [
            ("always_on", Sampler::ALWAYS),
            ("always_off", Sampler::NEVER),
            ("traceidratio", quarter),
            (
                "parentbased_always_on",
                Sampler::ALWAYS.unless_parent_decides(),
            ),
            (
                "parentbased_always_off",
                Sampler::NEVER.unless_parent_decides(),
            ),
            ("parentbased_traceidratio", quarter.unless_parent_decides()),
            ("ALWAYS_OFF", Sampler::NEVER),
            ("ParentBased_TraceIdRatio", quarter.unless_parent_decides()),
        ] {
            let (read, warnings) = with(&[(NAME, name), (ARG, "0.25")], sampler_of);
            assert_eq!((read, warnings), (Some(sampler), Vec::new()), "{name}");
        }
        assert_eq!(with(&[(NAME, " ")], sampler_of), (None, Vec::new()));
        let (read, warnings) = with(&[(NAME, "xray")], sampler_of);
        assert_eq!((read, warnings.len()), (None, 1));
        assert!(
            warnings[0].starts_with("the variable `OTEL_TRACES_SAMPLER` is ignored: it is not ")
        );
        assert!(warnings[0].ends_with(": \"xray\""), "{warnings:?}");
        // Without a share it is all of them.
        for (arg, warned) in [("1.5", 1), ("much", 1), ("nan", 1), ("", 0)] {
            let (read, warnings) = with(&[(NAME, "traceidratio"), (ARG, arg)], sampler_of);
            assert_eq!(
                (read, warnings.len()),
                (Some(Sampler::ALWAYS), warned),
                "{arg}"
            );
        }
    }

    fn sampler_of(variables: &mut Variables<'_>) -> Option<Sampler> {
        sampler(variables)
    }

    #[test]
    fn a_queue_has_its_limits() {
        let (limits, warnings) = with(
            &[
                ("OTEL_BSP_SCHEDULE_DELAY", "20"),
                ("OTEL_BSP_EXPORT_TIMEOUT", "30"),
                ("OTEL_BSP_MAX_QUEUE_SIZE", "40"),
                ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7"),
                ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
            ],
            queue,
        );
        assert_eq!(warnings, [""; 0]);
        let own = QueueLimits::default();
        let expected = QueueLimits {
            capacity: 40,
            batch: 7,
            delay: Duration::from_millis(20),
            export_timeout: Duration::from_millis(30),
            metrics_every: Duration::from_millis(50),
            ..own
        };
        assert_eq!(limits, expected);

        for wrong in ["0", "-1", "1.5", "99999999999999999999", "many"] {
            for name in ["OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_QUEUE_SIZE"] {
                let (limits, warnings) = with(&[(name, wrong)], queue);
                assert_eq!((limits, warnings.len()), (own, 1), "{name}={wrong}");
            }
        }
        let sizes = [
            ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5"),
        ];
        let (limits, warnings) = with(&sizes, queue);
        assert_eq!((limits.capacity, limits.batch, warnings.len()), (4, 4, 1));
        for capacity in ["1048577", "1000000000", &usize::MAX.to_string()] {
            let sizes = [
                ("OTEL_BSP_MAX_QUEUE_SIZE", capacity),
                ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", capacity),
            ];
            let (limits, warnings) = with(&sizes, queue);
            assert_eq!((limits.capacity, limits.batch), (1 << 20, 1 << 20));
            assert_eq!(warnings.len(), 2, "{warnings:?}");
            assert!(
                warnings[0].ends_with("no more than 1048576 wait"),
                "{warnings:?}"
            );
        }
        let (limits, warnings) = with(&[("OTEL_BSP_MAX_QUEUE_SIZE", "1048576")], queue);
        assert_eq!((limits.capacity, warnings.len()), (1 << 20, 0));
        // Whoever only makes the queue smaller means no larger batches.
        let (limits, warnings) = with(&sizes[..1], queue);
        assert_eq!((limits.batch, warnings.len()), (4, 0));
    }

    #[test]
    fn what_has_no_meaning_here_is_said() {
        for (name, value, warned) in [
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "5", 1),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", "5", 1),
            ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5", 1),
            ("OTEL_BLRP_MAX_QUEUE_SIZE", "5", 1),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "5", 1),
            ("OTEL_PROPAGATORS", "b3", 1),
            ("OTEL_PROPAGATORS", "tracecontext,b3", 1),
            ("OTEL_PROPAGATORS", "none", 1),
            ("OTEL_PROPAGATORS", "TraceContext, baggage", 0),
            ("OTEL_PROPAGATORS", "baggage", 0),
        ] {
            let (_, warnings) = TracerBuilder::from_variables("shop", |asked| {
                (asked == name).then(|| OsString::from(value))
            });
            assert_eq!(warnings.len(), warned, "{name}={value}");
            if let Some(warning) = warnings.first() {
                let said = format!(
                    "the variable `{name}` is ignored: there is no such thing here: {value:?}"
                );
                assert_eq!(warning.to_string(), said);
            }
        }
    }

    #[test]
    fn an_operator_says_what_a_program_is_called() {
        let resource_of = |set: &[(&str, &str)]| {
            let (resource, warnings) =
                with(set, |variables| described(variables, Resource::new("shop")));
            let find = |key| {
                let mut all = resource.attributes();
                let found = all.find(|(name, _)| *name == key);
                found.map_or(String::new(), |(_, value)| value.to_owned())
            };
            let values = ["service.name", "host.name", "telemetry.sdk.name"].map(find);
            (values, warnings.len())
        };
        const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
        let own = |service: &str, host: &str| [service, host, "cnv"].map(str::to_owned);
        assert_eq!(resource_of(&[]), (own("shop", ""), 0));
        let all = "service.name=a%20b, host.name = h ,telemetry.sdk.name=x,";
        assert_eq!(resource_of(&[(ATTRIBUTES, all)]), (own("a b", "h"), 0));
        let both = [(ATTRIBUTES, all), ("OTEL_SERVICE_NAME", "c")];
        assert_eq!(resource_of(&both), (own("c", "h"), 0));
        let instance = |set: &[(&str, &str)]| {
            let (resource, _) = with(set, |variables| described(variables, Resource::new("shop")));
            let mut all = resource.attributes();
            let found = all.find(|(key, _)| *key == "service.instance.id");
            found.unwrap().1.to_owned()
        };
        assert_eq!(instance(&[]).len(), 36);
        assert_eq!(instance(&[(ATTRIBUTES, "service.instance.id=7")]), "7");
        for wrong in ["host.name", "host.name=h,=x", "host.name=h,x"] {
            assert_eq!(
                resource_of(&[(ATTRIBUTES, wrong)]),
                (own("shop", ""), 1),
                "{wrong}"
            );
        }
    }

    #[test]
    fn nothing_is_exported_unless_somebody_says_where_to() {
        let is_recording = |set: &[(&str, &str)]| {
            let (builder, warnings) = TracerBuilder::from_variables("shop", |name| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| OsString::from(value))
            });
            let tracer = builder.build().unwrap();
            let exporters = tracer.shutdown(Duration::from_secs(30)).len();
            (exporters, warnings.len())
        };
        assert_eq!(is_recording(&[]), (0, 0));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spans.jsonl");
        let file = ("CNV_TRACE_FILE", path.to_str().unwrap());
        assert_eq!(is_recording(&[file]), (1, 0));
        assert_eq!(is_recording(&[file, ("OTEL_SDK_DISABLED", "TRUE")]), (0, 0));
        assert_eq!(is_recording(&[file, ("OTEL_SDK_DISABLED", "yes")]), (1, 1));
        let nowhere = folder.path().join("none/spans.jsonl");
        let nowhere = ("CNV_TRACE_FILE", nowhere.to_str().unwrap());
        assert_eq!(is_recording(&[nowhere]), (0, 1));
        let otlp = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")];
        let expected = if cfg!(feature = "otel") {
            (1, 0)
        } else {
            (0, 1)
        };
        assert_eq!(is_recording(&otlp), expected);
        assert_eq!(is_recording(&[("OTEL_TRACES_EXPORTER", "otlp")]), expected);
        assert_eq!(is_recording(&[("OTEL_TRACES_EXPORTER", "none")]), (0, 0));
        assert_eq!(is_recording(&[("OTEL_TRACES_EXPORTER", "zipkin")]), (0, 1));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_said() {
        use std::os::unix::ffi::OsStringExt;
        let (_, warnings) = TracerBuilder::from_variables("shop", |name| {
            (name == "OTEL_SERVICE_NAME").then(|| OsString::from_vec(vec![0xff]))
        });
        let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            ["the variable `OTEL_SERVICE_NAME` is ignored: it is no UTF-8"]
        );
    }
}
