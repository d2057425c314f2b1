//! `TracesData` as OTLP has it in JSON (OpenTelemetry Protocol Specification 1.5, "JSON Protobuf Encoding"), as far as it is
//! shown. What is not known is passed over, as the specification asks.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use cnv::trace::{SpanId, TraceId};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// What comes with a line. Its elements are read one at a time: as values they take many times the room of their text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Traces<'a> {
    #[serde(borrow)]
    pub(super) resource_spans: Option<Vec<&'a RawValue>>,
}

/// The spans of one program.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceSpans<'a> {
    pub(super) resource: Option<Resource>,
    #[serde(borrow)]
    pub(super) scope_spans: Option<Vec<&'a RawValue>>,
}

/// The program.
#[derive(Deserialize)]
pub(super) struct Resource {
    attributes: Option<Attributes>,
}

impl Resource {
    pub(super) fn service(self) -> Option<String> {
        let mut attributes = self.attributes?.0;
        match attributes.remove("service.name")? {
            Value::String(name) => Some(name),
            _ => None,
        }
    }
}

/// The spans of one library in it.
#[derive(Deserialize)]
pub(super) struct ScopeSpans<'a> {
    #[serde(borrow)]
    pub(super) spans: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span<'a> {
    #[serde(deserialize_with = "trace_id")]
    pub(super) trace_id: TraceId,
    #[serde(deserialize_with = "span_id")]
    pub(super) span_id: SpanId,
    #[serde(default, deserialize_with = "parent_span_id")]
    pub(super) parent_span_id: Option<SpanId>,
    #[serde(borrow)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) kind: Option<Number<'a>>,
    #[serde(borrow)]
    pub(super) start_time_unix_nano: Option<Number<'a>>,
    #[serde(borrow)]
    pub(super) end_time_unix_nano: Option<Number<'a>>,
    pub(super) attributes: Option<Attributes>,
    pub(super) events: Option<Few<Event>>,
    pub(super) dropped_events_count: Option<u32>,
    pub(super) links: Option<Few<Link>>,
    #[serde(borrow)]
    pub(super) status: Option<Status<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    #[serde(default, deserialize_with = "unix_ns")]
    pub(super) time_unix_nano: u64,
    pub(super) name: Option<String>,
    pub(super) attributes: Option<Attributes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link {
    #[serde(deserialize_with = "trace_id")]
    pub(super) trace_id: TraceId,
    #[serde(deserialize_with = "span_id")]
    pub(super) span_id: SpanId,
}

#[derive(Deserialize)]
pub(super) struct Status<'a> {
    #[serde(borrow)]
    pub(super) code: Option<Number<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<Cow<'a, str>>,
}

/// A number as protobuf's JSON may have it: as itself or as a text, and of an enumeration also by its name.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Number<'a> {
    Small(i64),
    Large(u64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Number<'_> {
    fn unsigned(&self) -> Option<u64> {
        match self {
            Self::Small(number) => (*number).try_into().ok(),
            Self::Large(number) => Some(*number),
            Self::Text(digits) => digits.parse().ok(),
        }
    }

    fn signed(&self) -> Option<i64> {
        match self {
            Self::Small(number) => Some(*number),
            Self::Large(_) => None,
            Self::Text(digits) => digits.parse().ok(),
        }
    }

    /// A time, in nanoseconds since 1970.
    pub(super) fn unix_ns(&self) -> Result<u64, serde_json::Error> {
        self.unsigned()
            .ok_or_else(|| Error::custom("a time is a number from 0 to 18446744073709551615"))
    }

    /// The place in its enumeration, of which these are the names; 0 for what a later release has.
    pub(super) fn place(&self, prefix: &str, names: &[&str]) -> usize {
        let place = match self {
            Self::Text(text) => {
                let name = text.strip_prefix(prefix).unwrap_or_default();
                names
                    .iter()
                    .position(|known| known.eq_ignore_ascii_case(name))
            }
            number => number
                .unsigned()
                .and_then(|number| usize::try_from(number).ok()),
        };
        place.filter(|place| *place < names.len()).unwrap_or(0)
    }
}

fn unix_ns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number: Option<Number<'de>> = Option::deserialize(deserializer)?;
    number.map_or(Ok(0), |number| number.unix_ns().map_err(Error::custom))
}

fn hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text: Option<Cow<'de, str>> = Option::deserialize(deserializer)?;
    Ok(text.unwrap_or_default().to_ascii_lowercase())
}

fn trace_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TraceId, D::Error> {
    hex(deserializer)?.parse().map_err(Error::custom)
}

fn span_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SpanId, D::Error> {
    hex(deserializer)?.parse().map_err(Error::custom)
}

/// A span without a parent has an empty id of one, or one that is all zeros.
fn parent_span_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SpanId>, D::Error> {
    let text = hex(deserializer)?;
    if text.is_empty() || text == "0000000000000000" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(Error::custom)
}

/// The first elements of a list, and how many more there are. OpenTelemetry's SDKs have a limit of 128.
pub(super) struct Few<T> {
    pub(super) first: Vec<T>,
    pub(super) more: u32,
}

/// How many elements of a list within a span are kept.
pub(super) const MAX_ELEMENTS: usize = 1024;

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FewVisitor(PhantomData))
    }
}

struct FewVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FewVisitor<T> {
    type Value = Few<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Few<T>, A::Error> {
        let mut few = Few {
            first: Vec::new(),
            more: 0,
        };
        while few.first.len() < MAX_ELEMENTS {
            match elements.next_element()? {
                Some(element) => few.first.push(element),
                None => return Ok(few),
            }
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {
            few.more = few.more.saturating_add(1);
        }
        Ok(few)
    }
}

/// Attributes by name. Of two with one name the last counts.
#[derive(Deserialize, Default)]
#[serde(from = "Few<KeyValue>")]
pub(super) struct Attributes(pub(super) BTreeMap<String, Value>);

impl From<Few<KeyValue>> for Attributes {
    fn from(few: Few<KeyValue>) -> Self {
        Self(few.first.into_iter().map(KeyValue::into_pair).collect())
    }
}

#[derive(Deserialize)]
pub(super) struct KeyValue {
    #[serde(default)]
    key: String,
    value: Option<AnyValue>,
}

impl KeyValue {
    fn into_pair(self) -> (String, Value) {
        (self.key, self.value.map_or(Value::Null, Value::from))
    }
}

/// How deep values are within each other is limited by the parser.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyValue {
    string_value: Option<String>,
    bool_value: Option<bool>,
    #[serde(default, deserialize_with = "int")]
    int_value: Option<i64>,
    double_value: Option<Double>,
    array_value: Option<List<AnyValue>>,
    kvlist_value: Option<List<KeyValue>>,
    bytes_value: Option<String>,
}

#[derive(Deserialize)]
struct List<T> {
    values: Option<Few<T>>,
}

/// What is no number has a name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Double {
    Number(f64),
    Text(String),
}

fn int<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let number: Option<Number<'de>> = Option::deserialize(deserializer)?;
    let wrong = || Error::custom("an intValue is a whole number of 64 bits");
    number
        .map(|number| number.signed().ok_or_else(wrong))
        .transpose()
}

impl From<AnyValue> for Value {
    fn from(any: AnyValue) -> Self {
        let first = |few: Option<Few<AnyValue>>| few.map(|few| few.first).unwrap_or_default();
        if let Some(text) = any.string_value.or(any.bytes_value) {
            Self::String(text)
        } else if let Some(yes) = any.bool_value {
            Self::Bool(yes)
        } else if let Some(number) = any.int_value {
            number.into()
        } else if let Some(number) = any.double_value {
            match number {
                Double::Number(number) => number.into(),
                Double::Text(name) => Self::String(name),
            }
        } else if let Some(list) = any.array_value {
            Self::Array(first(list.values).into_iter().map(Self::from).collect())
        } else if let Some(list) = any.kvlist_value {
            let pairs = list.values.map(|few| few.first).unwrap_or_default();
            Self::Object(pairs.into_iter().map(KeyValue::into_pair).collect())
        } else {
            Self::Null
        }
    }
}
