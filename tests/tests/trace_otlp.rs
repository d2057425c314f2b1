//! Export over OTLP: what is sent, and what becomes of it whatever the other end does.

mod otlp;

use std::collections::HashSet;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use cnv::trace::metrics::{Distribution, Family, Number, Point, Points, Snapshot};
use cnv::trace::{
    Boundary, DropCause, Exported, Exporter, Incoming, Level, LogRecord, OtlpExporter,
    OtlpSettings, QueueLimits, Report, Resource, SpanRecord, TraceContext, Tracer, TracerBuilder,
};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data as Metric;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as NumberValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rustix::process::Signal;

use otlp::collectors::{self, OtelTap};
use otlp::grpc_server::{self, GrpcServer, framed};
use otlp::http_server::{self, HttpServer, answer};
use otlp::{LONG, SHORT, recorded, soon, spans, wait_until};

const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";
const DELIVERED: Exported = Exported::Delivered;

fn exporter(settings: OtlpSettings) -> OtlpExporter {
    let resource = Resource::new("shop").with("host.name", "h");
    OtlpExporter::new(settings, resource).unwrap()
}

fn over_http(server: &HttpServer) -> OtlpSettings {
    OtlpSettings::http(&server.url()).unwrap()
}

fn over_grpc(server: &GrpcServer) -> OtlpSettings {
    OtlpSettings::grpc(&server.url()).unwrap()
}

fn rejecting(rejected_spans: i64, why: &str) -> Vec<u8> {
    let partial_success = ExportTracePartialSuccess {
        rejected_spans,
        error_message: why.to_owned(),
    };
    let response = ExportTraceServiceResponse {
        partial_success: Some(partial_success),
    };
    response.encode_to_vec()
}

fn partial(rejected: usize, why: &str) -> Exported {
    Exported::Partial {
        rejected,
        why: why.to_owned(),
    }
}

/// What was wrong, of what was not delivered, or not all of it.
fn why(exported: &Exported) -> &str {
    match exported {
        Exported::Partial { why, .. }
        | Exported::Unavailable { why, .. }
        | Exported::Refused(why)
        | Exported::Unknown(why) => why,
        other => panic!("{other:?}"),
    }
}

fn only_spans(request: ExportTraceServiceRequest) -> Vec<Span> {
    let of_resource = request.resource_spans.into_iter();
    let of_scope = of_resource.flat_map(|resource| resource.scope_spans);
    of_scope.flat_map(|scope| scope.spans).collect()
}

fn texts(attributes: &[KeyValue]) -> Vec<(&str, String)> {
    let text = |pair: &KeyValue| match pair.value.clone().unwrap().value.unwrap() {
        AnyValue::StringValue(text) => text,
        AnyValue::IntValue(number) => format!("{number}"),
        AnyValue::DoubleValue(number) => format!("{number:?}"),
        AnyValue::BoolValue(yes) => format!("{yes}"),
        other => panic!("{other:?}"),
    };
    let pairs = attributes.iter();
    pairs.map(|pair| (&*pair.key, text(pair))).collect()
}

/// A trace with all that there is in spans, and a record of a log.
fn everything() -> (Vec<SpanRecord>, Vec<LogRecord>) {
    recorded(|tracer| {
        let boundary = Boundary::new(Incoming::Continue);
        let headers = cnv::trace::Headers {
            traceparent: Some(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            tracestate: Some(b"vendor=1"),
            ..Default::default()
        };
        let context = TraceContext::extract(headers, boundary, tracer.ids());
        let transaction = tracer.ids().transaction();
        let mut entry = tracer.entry("log scan", &context, Some(transaction));
        let current = entry.current().clone();
        current.in_scope(|| {
            let mut inner = cnv::trace::span("read").to_another_process();
            inner.set("file.name", "a.log");
            inner.set("file.lines", 3_i64);
            inner.set("file.share", 0.5);
            inner.set("file.open", true);
            inner.event("retry", [("attempt", 2_i64.into())]);
        });
        let mut record = LogRecord::new(7, Level::Warn, "scan".into(), "slow".to_owned());
        record.context = entry.current().traceparent();
        record.transaction = Some(transaction);
        record.set("lines", 3_i64);
        tracer.log(record);
        entry.ended(Some("it broke".into()));
        drop(entry);
        // One that another trace led to.
        let boundary = Boundary::new(Incoming::RestartWithLink);
        let context = TraceContext::extract(headers, boundary, tracer.ids());
        drop(tracer.entry("log tail", &context, None));
    })
}

/// Compares what arrived, as OpenTelemetry's own types have it, with what was recorded.
fn compare(message: &[u8], records: &[SpanRecord]) {
    let request = ExportTraceServiceRequest::decode(message).unwrap();
    let of_resource = &request.resource_spans[0];
    let resource = texts(&of_resource.resource.as_ref().unwrap().attributes);
    assert_eq!(resource[0], ("service.name", "shop".to_owned()));
    assert!(resource.contains(&("host.name", "h".to_owned())));
    let scope = of_resource.scope_spans[0].scope.clone().unwrap();
    let cnv = InstrumentationScope {
        name: "cnv".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Default::default()
    };
    assert_eq!(scope, cnv);

    let spans = only_spans(request);
    assert_eq!(spans.len(), 3);
    for (span, record) in spans.iter().zip(records) {
        assert_eq!(span.trace_id, record.context.trace_id().to_bytes());
        assert_eq!(span.span_id, record.context.span_id().to_bytes());
        assert_eq!(span.name, record.name);
        assert_eq!(span.start_time_unix_nano, record.start_unix_ns);
        assert_eq!(span.end_time_unix_nano, record.end_unix_ns);
    }
    let [read, scan, tail] = &spans[..] else {
        unreachable!()
    };
    assert_eq!((read.kind, scan.kind), (3, 2));
    assert_eq!(read.parent_span_id, scan.span_id);
    assert_eq!(scan.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    // Sampled, and whether the parent is remote, which is known.
    assert_eq!((read.flags, scan.flags), (0x101, 0x301));
    assert_eq!(scan.trace_state, "vendor=1");
    let transaction = records[0].transaction.unwrap().to_string();
    let facts = [
        ("file.name", "a.log"),
        ("file.lines", "3"),
        ("file.share", "0.5"),
        ("file.open", "true"),
        ("cnv.transaction.id", &transaction),
    ];
    let facts = facts.map(|(key, value)| (key, value.to_owned()));
    assert_eq!(texts(&read.attributes), facts);
    assert_eq!(read.events[0].name, "retry");
    assert_eq!(read.events[0].time_unix_nano, records[0].events[0].unix_ns);
    let attempt = [("attempt", "2".to_owned())];
    assert_eq!(texts(&read.events[0].attributes), attempt);
    let status = scan.status.clone().unwrap();
    assert_eq!((status.code, &*status.message), (2, "it broke"));
    assert_eq!(read.status, None);
    assert_eq!(tail.links[0].trace_id, scan.trace_id);
    assert_eq!(tail.links[0].span_id, scan.parent_span_id);
    assert_ne!(tail.trace_id, scan.trace_id);
}

fn compare_logs(message: &[u8], records: &[LogRecord]) {
    let request = ExportLogsServiceRequest::decode(message).unwrap();
    let record = &request.resource_logs[0].scope_logs[0].log_records[0];
    let context = records[0].context.unwrap();
    assert_eq!(record.trace_id, context.trace_id().to_bytes());
    assert_eq!(record.span_id, context.span_id().to_bytes());
    assert_eq!((record.flags, record.time_unix_nano), (1, 7));
    assert_eq!(
        (record.severity_number, &*record.severity_text),
        (13, "WARN")
    );
    let body = record.body.clone().unwrap().value.unwrap();
    assert_eq!(body, AnyValue::StringValue("slow".to_owned()));
    let transaction = records[0].transaction.unwrap().to_string();
    let facts = [
        ("lines", "3"),
        ("cnv.transaction.id", &transaction),
        ("cnv.log.target", "scan"),
    ];
    let facts = facts.map(|(key, value)| (key, value.to_owned()));
    assert_eq!(texts(&record.attributes), facts);
}

#[test]
fn all_that_is_known_arrives_by_http() {
    let (records, logs) = everything();
    let server = HttpServer::start(|_| http_server::Reply::Bytes(answer("200 OK", PROTOBUF, b"")));
    let settings = OtlpSettings::http(&format!("{}/base/", server.url())).unwrap();
    let mut exporter = exporter(settings.header("Api-Key", "1234").unwrap());
    assert_eq!(exporter.spans(&records, soon()), DELIVERED);
    assert_eq!(exporter.logs(&logs, soon()), DELIVERED);
    let [spans, logged] = &server.requests()[..] else {
        panic!("two requests")
    };
    assert_eq!(spans.line, "POST /base/v1/traces HTTP/1.1");
    assert_eq!(logged.line, "POST /base/v1/logs HTTP/1.1");
    assert_eq!(spans.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(spans.header("api-key"), Some("1234"));
    assert_eq!(spans.header("host"), server.url().strip_prefix("http://"));
    compare(&spans.body, &records);
    compare_logs(&logged.body, &logs);
}

#[test]
fn all_that_is_known_arrives_by_grpc() {
    let (records, logs) = everything();
    let server = GrpcServer::start(|_| grpc_server::ok(b""));
    let settings = over_grpc(&server).header("api-key", "1234").unwrap();
    let mut exporter = exporter(settings);
    assert_eq!(exporter.spans(&records, soon()), DELIVERED);
    assert_eq!(exporter.logs(&logs, soon()), DELIVERED);
    let [spans, logged] = &server.calls()[..] else {
        panic!("two calls")
    };
    let service = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    assert_eq!(spans.path, service);
    let service = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    assert_eq!(logged.path, service);
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("api-key", "1234"),
    ] {
        assert_eq!(spans.headers[name], value);
    }
    assert_eq!(spans.body, framed(&spans.body[5..]));
    compare(&spans.body[5..], &records);
    compare_logs(&logged.body[5..], &logs);
}

#[test]
fn requests_are_compressed_where_that_is_asked_for() {
    let (records, _) = everything();
    let http = HttpServer::start(|_| http_server::Reply::Bytes(answer("200 OK", PROTOBUF, b"")));
    let sent = exporter(over_http(&http).gzip()).spans(&records, soon());
    assert_eq!(sent, DELIVERED);
    let request = &http.requests()[0];
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    compare(&unzipped(&request.body), &records);

    let grpc = GrpcServer::start(|_| grpc_server::ok(b""));
    let sent = exporter(over_grpc(&grpc).gzip()).spans(&records, soon());
    assert_eq!(sent, DELIVERED);
    let call = &grpc.calls()[0];
    assert_eq!(call.headers["grpc-encoding"], "gzip");
    assert_eq!(call.body[0], 1);
    compare(&unzipped(&call.body[5..]), &records);
}

#[test]
fn what_http_answers_is_what_becomes_of_a_batch() {
    use http_server::Reply::{Bytes, Last, Nothing};
    let records = spans(5);
    let unavailable = |retry_after, why: &str| Exported::Unavailable {
        retry_after,
        why: why.to_owned(),
    };
    let refused = |why: &str| Exported::Refused(why.to_owned());
    let unknown = |why: &str| Exported::Unknown(why.to_owned());
    let whole = rejecting(2, "too old");
    let cut = answer("200 OK", PROTOBUF, &whole);
    let cut = cut[..cut.len() - 3].to_vec();
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let cases = [
        (
            Bytes(answer("200 OK", PROTOBUF, &whole)),
            partial(2, ": too old"),
        ),
        (
            Bytes(answer("200 OK", PROTOBUF, &rejecting(-1, "too old"))),
            partial(0, ": too old"),
        ),
        (
            Bytes(answer(
                "200 OK",
                "content-type: Application/X-Protobuf; charset=utf-8\r\n",
                &whole,
            )),
            partial(2, ": too old"),
        ),
        (
            Bytes(answer("200 OK", PROTOBUF, &rejecting(1, ""))),
            partial(1, ": it does not say why"),
        ),
        (
            Bytes(answer("200 OK", PROTOBUF, &rejecting(0, ""))),
            DELIVERED,
        ),
        (Bytes(answer("204 No Content", "", b"")), DELIVERED),
        (
            Bytes(answer("200 OK", "content-type: text/html\r\n", b"ok")),
            DELIVERED,
        ),
        (
            Bytes(answer("200 OK", PROTOBUF, b"\xff")),
            unknown("the answer cannot be read"),
        ),
        (
            Bytes(answer("429 Too Many Requests", "retry-after: 7\r\n", b"")),
            unavailable(seconds(7), "HTTP status 429 Too Many Requests"),
        ),
        (
            Bytes(answer("503 Service Unavailable", "", b"")),
            unavailable(None, "HTTP status 503"),
        ),
        (
            Bytes(answer(
                "502 Bad Gateway",
                "retry-after: 99999999999999999999\r\n",
                b"",
            )),
            unavailable(None, "HTTP status 502"),
        ),
        (
            Bytes(answer(
                "504 Gateway Timeout",
                "retry-after: 18446744073709551615\r\n",
                b"",
            )),
            unavailable(seconds(24 * 3600), "HTTP status 504"),
        ),
        (
            Bytes(answer("400 Bad Request", "", b"no\nspans")),
            refused("HTTP status 400 Bad Request: no\\nspans"),
        ),
        (
            Bytes(answer("401 Unauthorized", PROTOBUF, b"\x12\x06go off")),
            refused("HTTP status 401 Unauthorized: go off"),
        ),
        (
            Bytes(answer("500 Internal Server Error", "", b"")),
            refused("HTTP status 500"),
        ),
        (
            Bytes(answer("302 Found", "location: /other\r\n", b"")),
            refused("HTTP status 302"),
        ),
        (Last(Vec::new()), unknown("")),
        (Last(b"HTTP/1.1 20".to_vec()), unknown("")),
        (Last(cut.clone()), unknown("")),
        (Last(b"no HTTP at all\r\n\r\n".to_vec()), unknown("")),
        (Bytes(cut), unknown("the answer did not end in time")),
        (Nothing, unknown("there was no answer in time")),
        (
            Bytes(answer("200 OK", PROTOBUF, &vec![0; 70 << 10])),
            unknown("the answer has more than 65536 bytes"),
        ),
    ];
    for (index, (reply, expected)) in cases.into_iter().enumerate() {
        let mut reply = Some(reply);
        let server = HttpServer::start(move |_| reply.take().unwrap());
        let mut exporter = exporter(over_http(&server).timeout(patience(&expected)));
        let sent = exporter.spans(&records, soon());
        assert_matches(&sent, &expected, &format!("case {index}"));
        assert_eq!(server.requests().len(), 1, "case {index}");
    }
}

/// Only what does not come is waited for in vain.
fn patience(expected: &Exported) -> Duration {
    match expected {
        Exported::Unknown(why) if why.ends_with("in time") => SHORT,
        _ => LONG,
    }
}

/// The same, and where something was wrong what was expected is said of it.
#[track_caller]
fn assert_matches(sent: &Exported, expected: &Exported, case: &str) {
    match (sent, expected) {
        (Exported::Delivered, Exported::Delivered) => return,
        (
            Exported::Partial { rejected, .. },
            Exported::Partial {
                rejected: expected, ..
            },
        ) => assert_eq!(rejected, expected, "{case}"),
        (
            Exported::Unavailable { retry_after, .. },
            Exported::Unavailable {
                retry_after: expected,
                ..
            },
        ) => assert_eq!(retry_after, expected, "{case}"),
        (Exported::Refused(_), Exported::Refused(_))
        | (Exported::Unknown(_), Exported::Unknown(_)) => {}
        _ => panic!("{case}: {sent:?} in place of {expected:?}"),
    }
    let (said, expected) = (why(sent), why(expected));
    assert!(said.contains(expected), "{case}: {said} without {expected}");
    assert!(said.starts_with("http://127.0.0.1:"), "{case}: {said}");
}

#[test]
fn what_grpc_answers_is_what_becomes_of_a_batch() {
    use grpc_server::Reply::{Answer, Broken, End, Head, Http, Nothing, Refused};
    let records = spans(5);
    let unavailable = |retry_after, why: &str| Exported::Unavailable {
        retry_after,
        why: why.to_owned(),
    };
    let refused = |why: &str| Exported::Refused(why.to_owned());
    let unknown = |why: &str| Exported::Unknown(why.to_owned());
    let status = |code: &str| vec![("grpc-status", code.to_owned())];
    let saying = |code: &str, message: &str| {
        let mut status = status(code);
        status.push(("grpc-message", message.to_owned()));
        status
    };
    // `google.rpc.Status` with a `RetryInfo` of 1.5 s: seconds in field 1, nanoseconds in field 2.
    let delay = b"\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01";
    let url = b"type.googleapis.com/google.rpc.RetryInfo";
    let mut any = vec![0x0a, u8::try_from(url.len()).unwrap()];
    any.extend(url);
    any.extend([0x12, u8::try_from(delay.len()).unwrap()]);
    any.extend(delay);
    let mut details = vec![0x08, 8, 0x1a, u8::try_from(any.len()).unwrap()];
    details.extend(any);
    let later = |code: &str, pad: &str| {
        let mut status = status(code);
        let details = base64(&details) + pad;
        status.push(("grpc-status-details-bin", details));
        status
    };
    let at = Some(Duration::from_millis(1500));
    let mut compressed = framed(b"");
    compressed[0] = 1;
    let cases = [
        (
            grpc_server::ok(&rejecting(2, "too old")),
            partial(2, ": too old"),
        ),
        (grpc_server::ok(&rejecting(-1, "x")), partial(0, ": x")),
        (
            Answer(Vec::new(), status("0")),
            unknown("there is no message"),
        ),
        (
            Answer(framed(b"\xff"), status("0")),
            unknown("cannot be read"),
        ),
        (Answer(compressed, status("0")), unknown("it is compressed")),
        (
            Answer(vec![0, 0, 0, 0, 9], status("0")),
            unknown("its length is another"),
        ),
        (
            Answer(framed(b""), Vec::new()),
            unknown("the answer has no status"),
        ),
        (
            Answer(framed(b""), status("ok")),
            unknown("the answer has no status"),
        ),
        (
            Head(saying("14", "come%20back")),
            unavailable(None, "gRPC status UNAVAILABLE: come back"),
        ),
        (Head(later("14", "")), unavailable(at, "UNAVAILABLE")),
        (
            Answer(Vec::new(), later("8", "")),
            unavailable(at, "RESOURCE_EXHAUSTED"),
        ),
        (Head(status("8")), refused("RESOURCE_EXHAUSTED")),
        (
            Head(saying("3", "no%0Aspans")),
            refused("INVALID_ARGUMENT: no\\nspans"),
        ),
        (Head(status("16")), refused("gRPC status UNAUTHENTICATED")),
        (Head(status("99")), refused("gRPC status 99")),
        (Http(503), unavailable(None, "HTTP status 503")),
        (
            Http(404),
            refused("HTTP status 404 Not Found, without one of gRPC"),
        ),
        (Broken, unknown("")),
        (End, unknown("")),
        (Refused, unavailable(None, "refused stream")),
        (Nothing, unknown("there was no answer in time")),
        (
            Answer(framed(&vec![0; 70 << 10]), status("0")),
            unknown("the answer has more than 65536 bytes"),
        ),
    ];
    for (index, (reply, expected)) in cases.into_iter().enumerate() {
        let mut reply = Some(reply);
        let server = GrpcServer::start(move |_| reply.take().unwrap());
        let mut exporter = exporter(over_grpc(&server).timeout(patience(&expected)));
        let sent = exporter.spans(&records, soon());
        assert_matches(&sent, &expected, &format!("case {index}"));
        assert_eq!(server.calls().len(), 1, "case {index}");
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let mut padded = [0; 4];
        padded[1..=chunk.len()].copy_from_slice(chunk);
        let number = u32::from_be_bytes(padded);
        (0..=chunk.len()).map(move |digit| {
            let digit = number >> (18 - 6 * digit) & 63;
            char::from(DIGITS[digit as usize])
        })
    });
    digits.collect()
}

#[test]
fn nothing_is_sent_where_nobody_listens() {
    let records = spans(1);
    let port = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    for settings in [OtlpSettings::http, OtlpSettings::grpc] {
        let settings = settings(&format!("http://127.0.0.1:{port}")).unwrap();
        let sent = exporter(settings).spans(&records, soon());
        let Exported::Unavailable { why, .. } = sent else {
            panic!("{sent:?}");
        };
        assert!(why.contains("refused"), "{why}");
    }
}

#[test]
fn an_exporter_is_done_when_it_has_to_be() {
    let records = spans(1);
    let http = HttpServer::start(|_| http_server::Reply::Nothing);
    let grpc = GrpcServer::start(|_| grpc_server::Reply::Nothing);
    for settings in [over_http(&http), over_grpc(&grpc)] {
        let mut exporter = exporter(settings.timeout(LONG));
        let begun = Instant::now();
        let sent = exporter.spans(&records, begun + SHORT);
        assert!(matches!(sent, Exported::Unknown(_)), "{sent:?}");
        assert!(begun.elapsed() < LONG);
        // There is no time left for a connection.
        let sent = exporter.spans(&records, begun);
        assert!(matches!(sent, Exported::Unavailable { .. }), "{sent:?}");
    }
}

#[test]
fn a_connection_is_used_again_and_one_that_ended_meanwhile_is_not() {
    use http_server::Reply::{Bytes, Last};
    let records = spans(1);
    let answers = AtomicUsize::new(0);
    let ok = answer("200 OK", PROTOBUF, b"");
    let server = HttpServer::start(move |_| match answers.fetch_add(1, Ordering::Relaxed) {
        0 => Bytes(ok.clone()),
        _ => Last(ok.clone()),
    });
    let mut exporter = exporter(over_http(&server));
    for request in 1..=6 {
        assert_eq!(exporter.spans(&records, soon()), DELIVERED, "{request}");
        // Longer than the exporter takes a connection to be there without asking.
        std::thread::sleep(Duration::from_millis(30));
    }
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn a_call_is_not_sent_over_a_connection_that_ended_meanwhile() {
    let records = spans(1);
    let server = GrpcServer::start(|_| grpc_server::ok(b""));
    let mut exporter = exporter(over_grpc(&server));
    for call in 1..=3 {
        assert_eq!(exporter.spans(&records, soon()), DELIVERED, "{call}");
        server.disconnect();
        // Longer than the exporter takes a connection to be there without asking.
        std::thread::sleep(Duration::from_millis(30));
    }
    assert_eq!(server.calls().len(), 3);
}

#[test]
fn what_is_too_much_for_one_request_is_sent_in_several() {
    let (records, _) = recorded(|tracer| {
        for _ in 0..600 {
            let context = TraceContext::fresh(tracer.ids());
            tracer
                .entry("log scan", &context, None)
                .set("text", "x".repeat(16_000));
        }
    });
    let server = GrpcServer::start(|_| grpc_server::ok(b""));
    let mut exporter = exporter(over_grpc(&server));
    let mut rest = &records[..];
    while let Exported::Front { count, exported } = exporter.spans(rest, soon()) {
        assert_eq!(*exported, DELIVERED);
        rest = &rest[count..];
    }
    let calls = server.calls();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.body.len() <= 4 << 20));
    let arrived = calls.iter().flat_map(|call| {
        let request = ExportTraceServiceRequest::decode(&call.body[5..]).unwrap();
        only_spans(request).into_iter().map(|span| span.span_id)
    });
    let given = records
        .iter()
        .map(|record| record.context.span_id().to_bytes());
    assert!(arrived.eq(given));
}

#[test]
fn only_what_is_wanted_is_taken() {
    let settings = OtlpSettings::http("http://localhost:1").unwrap();
    let mut exporter = exporter(settings.without(cnv::trace::Signal::Traces));
    assert!(!exporter.takes_spans() && exporter.takes_logs());
    let sent = exporter.spans(&spans(1), soon());
    assert!(matches!(sent, Exported::Refused(_)), "{sent:?}");
    assert_eq!(exporter.name(), "otlp http://localhost:1");
    // Each place once, wherever it stands.
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:1"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://localhost:2"),
    ];
    let (builder, _) = TracerBuilder::from_variables("shop", |asked| {
        let found = variables.iter().find(|(name, _)| *name == asked);
        found.map(|(_, value)| value.into())
    });
    let name = builder.build().unwrap().reports().remove(0).exporter;
    assert_eq!(name, "otlp http://localhost:1, http://localhost:2");
    // Without an exporter of spans none is recorded.
    let tracer = otlp::seeded().exporter(exporter).build().unwrap();
    assert!(!tracer.is_recording() && tracer.takes_logs());
}

/// A counter, a gauge and a histogram.
fn metrics() -> Snapshot {
    static BOUNDS: [f64; 2] = [0.1, 1.0];
    let since = UNIX_EPOCH + Duration::from_secs(5);
    let mut snapshot = Snapshot::new(since, since + Duration::from_secs(2));
    let call = |value| Point::new([("verb", "scan")], value);
    let families = [
        Family::new(
            "shop.calls",
            "{call}",
            "Calls.",
            Points::Counter(vec![call(Number::Integer(3))]),
        ),
        Family::new(
            "shop.load",
            "1",
            "Load.",
            Points::Gauge(vec![call(Number::Real(0.5))]),
        ),
        {
            let distribution = Distribution::new(&BOUNDS, vec![4, 2, 1], 3.5).unwrap();
            let points = Points::Histogram(vec![Point::new([("verb", "scan")], distribution)]);
            Family::new("shop.duration", "s", "Durations.", points)
        },
    ];
    families
        .into_iter()
        .for_each(|family| snapshot.push(family).unwrap());
    snapshot
}

fn compare_metrics(message: &[u8]) {
    let request = ExportMetricsServiceRequest::decode(message).unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let [calls, load, duration] = &metrics[..] else {
        panic!("three metrics")
    };
    assert_eq!(
        (&*calls.name, &*calls.unit, &*calls.description),
        ("shop.calls", "{call}", "Calls.")
    );
    let (start, at) = (5_000_000_000, 7_000_000_000);
    let verb = [("verb", "scan".to_owned())];
    let Some(Metric::Sum(sum)) = &calls.data else {
        panic!("{calls:?}")
    };
    assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (2, true));
    let point = &sum.data_points[0];
    assert_eq!(point.value, Some(NumberValue::AsInt(3)));
    assert_eq!(
        (point.start_time_unix_nano, point.time_unix_nano),
        (start, at)
    );
    assert_eq!(texts(&point.attributes), verb);
    let Some(Metric::Gauge(gauge)) = &load.data else {
        panic!("{load:?}")
    };
    assert_eq!(gauge.data_points[0].value, Some(NumberValue::AsDouble(0.5)));
    assert_eq!(gauge.data_points[0].time_unix_nano, at);
    let Some(Metric::Histogram(histogram)) = &duration.data else {
        panic!("{duration:?}")
    };
    assert_eq!(histogram.aggregation_temporality, 2);
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum), (7, Some(3.5)));
    assert_eq!(point.bucket_counts, [4, 2, 1]);
    assert_eq!(point.explicit_bounds, [0.1, 1.0]);
    assert_eq!(
        (point.start_time_unix_nano, point.time_unix_nano),
        (start, at)
    );
    assert_eq!(texts(&point.attributes), verb);
}

#[test]
fn metrics_arrive_every_so_often_and_at_the_end() {
    let server = HttpServer::start(|_| http_server::Reply::Bytes(answer("200 OK", PROTOBUF, b"")));
    let mut limits = QueueLimits::default();
    limits.delay = Duration::from_millis(1);
    limits.metrics_every = Duration::from_millis(5);
    let tracer = otlp::seeded()
        .queue(limits)
        .exporter(exporter(over_http(&server)));
    let tracer = tracer.build().unwrap();
    tracer.measure(metrics);
    wait_until("metrics arrive", || server.requests().len() >= 2);
    let before = tracer.reports().remove(0).metrics;
    let report = tracer.shutdown(LONG).remove(0);
    assert!(report.is_complete(), "{report}");
    assert!(report.metrics.delivered > before.delivered);
    let requests = server.requests();
    assert_eq!(requests.len() as u64 * 3, report.metrics.delivered);
    for request in &requests {
        assert_eq!(request.line, "POST /v1/metrics HTTP/1.1");
        compare_metrics(&request.body);
    }
}

#[test]
fn metrics_that_are_too_many_for_one_request_are_sent_in_several() {
    let mut many = Snapshot::new(UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(1));
    for name in ["a", "b", "c"] {
        let points = (0..1000_u64).map(|n| Point::new([("of", format!("{n:03000}"))], n));
        let points = Points::Counter(points.collect());
        many.push(Family::new(name, "{call}", "Many.", points))
            .unwrap();
    }
    let names = |server: &HttpServer| {
        let of = |request: &http_server::Request| {
            let request = ExportMetricsServiceRequest::decode(&request.body[..]).unwrap();
            let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
            metrics
                .iter()
                .map(|metric| metric.name.clone())
                .collect::<String>()
        };
        server.requests().iter().map(of).collect::<Vec<_>>()
    };
    let ok = || answer("200 OK", PROTOBUF, b"");
    let some = || answer("200 OK", PROTOBUF, &rejecting(7, "too old"));
    let no = || answer("503 Service Unavailable", "", b"");
    let unavailable = Exported::Unavailable {
        retry_after: None,
        why: "HTTP status 503".to_owned(),
    };
    for (answers, expected, arrived) in [
        ([ok(), ok(), ok()], DELIVERED, 3),
        ([ok(), some(), some()], partial(14, "too old"), 3),
        ([some(), no(), no()], partial(2007, "HTTP status 503"), 2),
        ([no(), no(), no()], unavailable, 1),
    ] {
        let mut answers = answers.into_iter();
        let server = HttpServer::start(move |_| http_server::Reply::Bytes(answers.next().unwrap()));
        let sent = exporter(over_http(&server)).metrics(&many, soon());
        assert_matches(&sent, &expected, &format!("{arrived}"));
        assert_eq!(names(&server), ["a", "b", "c"][..arrived]);
    }
}

#[test]
fn metrics_that_do_not_arrive_are_counted_and_not_sent_again() {
    for (reply, rejected, unknown, unreachable) in [
        (
            answer("200 OK", PROTOBUF, &rejecting(1, "too old")),
            1,
            0,
            0,
        ),
        (answer("400 Bad Request", "", b""), 3, 0, 0),
        (answer("503 Service Unavailable", "", b""), 0, 0, 3),
        (b"no HTTP".to_vec(), 0, 3, 0),
    ] {
        let server = HttpServer::start(move |_| http_server::Reply::Last(reply.clone()));
        let tracer = otlp::seeded().exporter(exporter(over_http(&server)));
        let tracer = tracer.build().unwrap();
        tracer.measure(metrics);
        let report = tracer.shutdown(LONG).remove(0);
        let counts = report.metrics;
        assert_eq!(counts.given, 3);
        assert_eq!(counts.dropped_by(DropCause::Rejected), rejected);
        assert_eq!(counts.dropped_by(DropCause::Unreachable), unreachable);
        assert_eq!(counts.unknown, unknown);
        assert_eq!(counts.delivered, 3 - rejected - unknown - unreachable);
        assert_eq!(server.requests().len(), 1);
    }
}

/// Short times and a small queue, so that all of them run out.
fn short() -> QueueLimits {
    let mut limits = QueueLimits::default();
    limits.delay = Duration::from_millis(5);
    limits.capacity = 256;
    limits.batch = 32;
    limits.retry_for = Duration::from_secs(2);
    limits
}

#[test]
fn a_batch_that_is_to_be_sent_later_is_sent_later() {
    for retry_after in ["retry-after: 1\r\n", ""] {
        let mut left = 2;
        let server = HttpServer::start(move |_| {
            left -= 1;
            http_server::Reply::Bytes(match left {
                1 => answer("503 Service Unavailable", retry_after, b""),
                _ => answer("200 OK", PROTOBUF, b""),
            })
        });
        let tracer = otlp::seeded().queue(short());
        let tracer = tracer
            .exporter(exporter(over_http(&server)))
            .build()
            .unwrap();
        let begun = Instant::now();
        otlp::call(&tracer);
        wait_until("it arrives", || tracer.reports()[0].spans.delivered == 1);
        let waited = begun.elapsed();
        assert!(retry_after.is_empty() || waited >= Duration::from_secs(1));
        assert_eq!(server.requests().len(), 2);
        assert!(tracer.shutdown(LONG)[0].is_complete());
    }
}

#[test]
fn oteltap_reads_all_that_is_known() {
    let Some(folder) = collectors::folder() else {
        return;
    };
    let tap = OtelTap::new(folder);
    let _collector = tap.start();
    let (records, logs) = everything();
    let mut exporter = exporter(OtlpSettings::http(&tap.url()).unwrap());
    assert_eq!(exporter.spans(&records, soon()), DELIVERED);
    assert_eq!(exporter.logs(&logs, soon()), DELIVERED);
    assert_eq!(exporter.metrics(&metrics(), soon()), DELIVERED);
    wait_until("all lines are there", || tap.received().len() == 7);
    let lines = tap.received();
    for record in &records {
        let id = record.context.span_id().to_string();
        let line = lines
            .iter()
            .find(|line| line["spanId"] == *id && line["name"].is_string());
        let line = line.unwrap_or_else(|| panic!("{id}: {lines:#?}"));
        assert_eq!(line["traceId"], record.context.trace_id().to_string());
        assert_eq!(line["name"], *record.name);
        assert_eq!(line["startTimeUnixNano"], record.start_unix_ns.to_string());
    }
    assert!(
        lines
            .iter()
            .any(|line| line["body"]["stringValue"] == "slow")
    );
    for name in ["shop.calls", "shop.load", "shop.duration"] {
        assert!(
            lines.iter().any(|line| line["name"] == name),
            "{name}: {lines:#?}"
        );
    }
}

#[test]
fn rotel_takes_what_is_sent_and_sends_it_on() {
    let Some(folder) = collectors::folder() else {
        return;
    };
    let sink = HttpServer::start(|_| http_server::Reply::Bytes(answer("200 OK", PROTOBUF, b"")));
    let (_collector, grpc, http) = collectors::rotel(&folder, &sink.url());
    let (records, logs) = everything();
    for settings in [OtlpSettings::grpc(&grpc), OtlpSettings::http(&http)] {
        let settings = settings.unwrap();
        for settings in [settings.clone(), settings.gzip()] {
            let mut exporter = exporter(settings);
            assert_eq!(exporter.spans(&records, soon()), DELIVERED);
            assert_eq!(exporter.logs(&logs, soon()), DELIVERED);
            assert_eq!(exporter.metrics(&metrics(), soon()), DELIVERED);
        }
    }
    let mut ids: Vec<_> = records
        .iter()
        .map(|record| record.context.span_id().to_bytes())
        .collect();
    ids = [&ids[..]; 4].concat();
    ids.sort_unstable();
    let sent_on = |path: &str| {
        let requests = sink.requests().into_iter();
        let of_path = requests.filter(|request| request.line.contains(path));
        let plain = |request: http_server::Request| match request.header("content-encoding") {
            Some("gzip") => unzipped(&request.body),
            _ => request.body,
        };
        of_path.map(plain).collect::<Vec<_>>()
    };
    wait_until("all is sent on", || {
        let of_spans = sent_on("/v1/traces").into_iter().flat_map(|message| {
            only_spans(ExportTraceServiceRequest::decode(&message[..]).unwrap())
        });
        let mut arrived: Vec<_> = of_spans.map(|span| span.span_id).collect();
        arrived.sort_unstable();
        let records = sent_on("/v1/logs").into_iter().map(|message| {
            let request = ExportLogsServiceRequest::decode(&message[..]).unwrap();
            request
                .resource_logs
                .iter()
                .flat_map(|of| &of.scope_logs)
                .map(|of| of.log_records.len())
                .sum::<usize>()
        });
        let metrics = sent_on("/v1/metrics").into_iter().map(|message| {
            let request = ExportMetricsServiceRequest::decode(&message[..]).unwrap();
            request
                .resource_metrics
                .iter()
                .flat_map(|of| &of.scope_metrics)
                .map(|of| of.metrics.len())
                .sum::<usize>()
        });
        arrived == ids && records.sum::<usize>() == 4 && metrics.sum::<usize>() == 12
    });
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(bytes);
    decoder.read_to_end(&mut whole).unwrap();
    whole
}

/// Makes so many calls, which nothing holds up, a few at a time.
fn calls(tracer: &Tracer, count: usize) -> u64 {
    let begun = Instant::now();
    for call in 0..count {
        otlp::call(tracer);
        if call % 50 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    // Waiting for the answers that do not come would take minutes.
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    count as u64
}

fn accounted(tracer: &Tracer, given: u64) -> Report {
    let (begun, limit) = (Instant::now(), Duration::from_secs(5));
    let report = tracer.shutdown(limit).remove(0);
    // What the limit is for, and a little for a machine that does other things.
    assert!(begun.elapsed() < limit + Duration::from_secs(1));
    let spans = report.spans;
    assert_eq!(spans.given, given, "{report}");
    let whole = spans.delivered + spans.dropped() + spans.unknown;
    assert_eq!((spans.given, spans.waiting), (whole, 0), "{report}");
    // There was time to send all, so that what nobody answers for was lost on the way.
    assert_eq!(spans.dropped_by(DropCause::Shutdown), 0, "{report}");
    eprintln!("{report}");
    report
}

/// The ids of the spans in these requests.
fn received(requests: &[http_server::Request]) -> Vec<Vec<u8>> {
    let of_spans = |request: &&http_server::Request| request.line.contains("/v1/traces");
    let ids = requests.iter().filter(of_spans).flat_map(|request| {
        let message = match request.header("content-encoding") {
            Some("gzip") => unzipped(&request.body),
            _ => request.body.clone(),
        };
        only_spans(ExportTraceServiceRequest::decode(&message[..]).unwrap())
    });
    ids.map(|span| span.span_id).collect()
}

#[test]
fn a_collector_that_is_slow_has_all_that_it_took_and_nothing_twice() {
    const OF: usize = 5;
    let mut asked = 0;
    let server = HttpServer::start(move |_| {
        asked += 1;
        std::thread::sleep(SHORT / 20);
        match asked % OF {
            // Slower than anybody waits.
            0 => http_server::Reply::Nothing,
            _ => http_server::Reply::Bytes(answer("200 OK", PROTOBUF, b"")),
        }
    });
    let settings = over_http(&server).timeout(SHORT);
    let tracer = otlp::seeded().queue(short()).exporter(exporter(settings));
    let tracer = tracer.build().unwrap();
    let mut given = 0;
    wait_until("some are not answered in time, and some are", || {
        given += calls(&tracer, 100);
        let spans = tracer.reports().remove(0).spans;
        spans.unknown > 0 && spans.delivered > 0
    });
    let report = accounted(&tracer, given).spans;
    let (all, unanswered) = {
        let requests = server.requests();
        let unanswered: Vec<_> = requests.iter().skip(OF - 1).step_by(OF).cloned().collect();
        (received(&requests), received(&unanswered).len() as u64)
    };
    let distinct: HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert_eq!(all.len() as u64, report.delivered + report.unknown);
    assert_eq!(unanswered, report.unknown);
}

#[test]
fn every_span_is_accounted_for_whatever_the_collector_does() {
    let Some(folder) = collectors::folder() else {
        return;
    };
    let tap = OtelTap::new(folder);
    let collector = tap.start();
    let settings = OtlpSettings::http(&tap.url()).unwrap().timeout(SHORT);
    let tracer = otlp::seeded().queue(short()).exporter(exporter(settings));
    let tracer = tracer.build().unwrap();
    let spans = || tracer.reports().remove(0).spans;
    let mut given = calls(&tracer, 200);
    wait_until("some arrive", || spans().delivered >= 200);
    collector.signal(Signal::STOP);
    given += calls(&tracer, 2000);
    wait_until("some are not answered", || spans().unknown > 0);
    collector.signal(Signal::CONT);
    let before = spans().delivered;
    given += calls(&tracer, 200);
    wait_until("some arrive again", || spans().delivered > before);
    collector.signal(Signal::KILL);
    drop(collector);
    given += calls(&tracer, 2000);
    wait_until("some cannot be sent", || {
        spans().dropped_by(DropCause::Unreachable) > 0
    });
    let collector = tap.start();
    let before = spans().delivered;
    wait_until("some arrive once more", || {
        given += calls(&tracer, 1);
        spans().delivered > before
    });
    let report = accounted(&tracer, given).spans;
    assert!(report.dropped_by(DropCause::QueueFull) > 0);
    wait_until("what was delivered is there", || {
        tap.received().len() as u64 >= report.delivered
    });
    drop(collector);
    let received = tap.received();
    let ids: HashSet<_> = received
        .iter()
        .map(|line| line["spanId"].to_string())
        .collect();
    assert_eq!(ids.len(), received.len());
    let most = report.delivered + report.unknown;
    assert!((report.delivered..=most).contains(&(ids.len() as u64)));
}

#[test]
fn spans_are_accounted_for_over_grpc_as_well() {
    let Some(folder) = collectors::folder() else {
        return;
    };
    let sink = HttpServer::start(|_| http_server::Reply::Bytes(answer("200 OK", PROTOBUF, b"")));
    let (collector, grpc, _) = collectors::rotel(&folder, &sink.url());
    let settings = OtlpSettings::grpc(&grpc).unwrap().timeout(SHORT);
    let tracer = otlp::seeded().queue(short()).exporter(exporter(settings));
    let tracer = tracer.build().unwrap();
    let spans = || tracer.reports().remove(0).spans;
    let mut given = calls(&tracer, 200);
    wait_until("some arrive", || spans().delivered >= 200);
    collector.signal(Signal::STOP);
    given += calls(&tracer, 2000);
    wait_until("some are not answered", || spans().unknown > 0);
    collector.signal(Signal::CONT);
    let before = spans().delivered;
    wait_until("some arrive again", || {
        given += calls(&tracer, 1);
        spans().delivered > before
    });
    // It passes on what it took, which is what was delivered and some of what it did not say so of.
    wait_until("all is sent", || spans().waiting == 0);
    let sent = spans();
    wait_until("what was delivered is passed on", || {
        let ids: HashSet<_> = received(&sink.requests()).into_iter().collect();
        let most = sent.delivered + sent.unknown;
        (sent.delivered..=most).contains(&(ids.len() as u64))
    });
    drop(collector);
    given += calls(&tracer, 200);
    // Nobody is there when it ends.
    let report = accounted(&tracer, given).spans;
    assert!(report.dropped_by(DropCause::Unreachable) > 0);
    assert!(report.dropped_by(DropCause::QueueFull) > 0);
}
