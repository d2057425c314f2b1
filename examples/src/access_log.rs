//! Access logs in the combined format that Apache and nginx write:
//! `host ident user [time] "request" status bytes "referer" "agent"`.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::top::TopCounter;

/// A longer line is counted as unparsable, whatever it says.
pub const MAX_LINE_BYTES: usize = 64 << 10;

/// How many different paths and clients are counted exactly.
const MAX_KEYS: usize = 1 << 16;

/// One line of the log, borrowed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The client's address or name.
    pub client: &'a [u8],
    /// When, as the log has it.
    pub time: &'a [u8],
    /// The method, or the whole request line where it has no parts.
    pub method: &'a [u8],
    /// The path without its query.
    pub path: &'a [u8],
    /// The status, 100 to 599.
    pub status: u16,
    /// Bytes sent; `-` is 0.
    pub bytes: u64,
}

impl<'a> Request<'a> {
    /// Reads one line without its newline; `None` where it has another form.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let (client, rest) = split_at_byte(line, b' ')?;
        let (_ident, rest) = split_at_byte(rest, b' ')?;
        // A user name may hold spaces, so the time is found by its bracket.
        let (user, rest) = split_at_byte(rest, b'[')?;
        let (time, rest) = split_at_byte(rest, b']')?;
        let (request, rest) = quoted(rest.strip_prefix(b" ")?)?;
        let rest = rest.strip_prefix(b" ")?;
        let (status, rest) = split_at_byte(rest, b' ')?;
        // Referer and agent follow. Clients choose them, servers cut them off, and nothing here needs
        // them, so a request counts whatever they look like.
        let bytes = memchr::memchr(b' ', rest).map_or(rest, |end| &rest[..end]);
        if client.is_empty() || user.is_empty() || time.is_empty() {
            return None;
        }
        let (method, target) = split_at_byte(request, b' ').unwrap_or((request, b""));
        let target = memchr::memchr(b' ', target).map_or(target, |end| &target[..end]);
        let path = memchr::memchr(b'?', target).map_or(target, |end| &target[..end]);
        Some(Self {
            client,
            time,
            method,
            path,
            status: status_code(status)?,
            bytes: if bytes == b"-" { 0 } else { number(bytes)? },
        })
    }
}

fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, text)?;
    Some((&text[..at], &text[at + 1..]))
}

/// The inside of a quoted field, in which a backslash escapes, and what follows it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', &text[from..])?;
        if text[at] == b'"' {
            return Some((&text[..at], &text[at + 1..]));
        }
        from = at + 2;
        if from > text.len() {
            return None;
        }
    }
}

fn status_code(text: &[u8]) -> Option<u16> {
    let status = u16::try_from(number(text)?).ok()?;
    (text.len() == 3 && (100..600).contains(&status)).then_some(status)
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// What a log says, gathered line by line in bounded memory.
#[derive(Debug)]
pub struct Scan {
    lines: u64,
    requests: u64,
    bytes: u64,
    statuses: [u64; 5],
    paths: TopCounter,
    clients: TopCounter,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            lines: 0,
            requests: 0,
            bytes: 0,
            statuses: [0; 5],
            paths: TopCounter::new(MAX_KEYS),
            clients: TopCounter::new(MAX_KEYS),
        }
    }
}

impl Scan {
    /// Counts one line.
    pub fn line(&mut self, line: &[u8]) {
        self.lines += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(request) = Request::parse(line) {
            self.requests += 1;
            self.bytes = self.bytes.saturating_add(request.bytes);
            self.statuses[usize::from(request.status / 100 - 1)] += 1;
            self.paths.add(request.path);
            self.clients.add(request.client);
        }
    }

    /// Counts a line that is too long to be looked at.
    pub fn overlong_line(&mut self) {
        self.lines += 1;
    }

    /// Lines seen so far.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Lines that were requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// The report, with `top` rows in each table.
    #[must_use]
    pub fn report(&self, top: usize) -> Report {
        let named = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        Report {
            requests: self.requests,
            bytes: self.bytes,
            unparsable_lines: self.lines - self.requests,
            counts_too_low_by_at_most: self.paths.error().max(self.clients.error()),
            statuses: named
                .into_iter()
                .zip(self.statuses)
                .map(|(status, requests)| StatusRow { status, requests })
                .collect(),
            top_paths: self
                .paths
                .top(top)
                .into_iter()
                .map(|(path, requests)| PathRow { path, requests })
                .collect(),
            top_clients: self
                .clients
                .top(top)
                .into_iter()
                .map(|(client, requests)| ClientRow {
                    family: client.parse().map_or("name", |address| match address {
                        IpAddr::V4(_) => "IPv4",
                        IpAddr::V6(_) => "IPv6",
                    }),
                    client,
                    requests,
                })
                .collect(),
        }
    }
}

/// What `log scan` says of a log.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Report {
    /// Lines that are requests.
    pub requests: u64,
    /// Bytes sent in answer to them.
    pub bytes: u64,
    /// Lines of any other form.
    pub unparsable_lines: u64,
    /// Zero unless the log has very many different paths or clients.
    pub counts_too_low_by_at_most: u64,
    /// Requests by class of status.
    pub statuses: Vec<StatusRow>,
    /// The most requested paths.
    pub top_paths: Vec<PathRow>,
    /// The clients with most requests.
    pub top_clients: Vec<ClientRow>,
}

/// Requests with a status of one class.
#[derive(Debug, JsonSchema, Serialize)]
pub struct StatusRow {
    /// `2xx` and so on.
    pub status: &'static str,
    /// How many.
    pub requests: u64,
}

/// Requests for one path.
#[derive(Debug, JsonSchema, Serialize)]
pub struct PathRow {
    /// The path without its query.
    pub path: String,
    /// How many.
    pub requests: u64,
}

/// Requests of one client.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ClientRow {
    /// Address or name.
    pub client: String,
    /// `IPv4`, `IPv6` or `name`.
    pub family: &'static str,
    /// How many.
    pub requests: u64,
}

/// Cuts a stream of blocks into lines, keeping at most one unfinished line of bounded length.
#[derive(Debug, Default)]
pub struct LineSplitter {
    unfinished: Vec<u8>,
    /// Whether the unfinished line has already become too long.
    overlong: bool,
}

impl LineSplitter {
    /// Feeds one block to the scan.
    pub fn block(&mut self, mut block: &[u8], scan: &mut Scan) {
        while let Some(end) = memchr::memchr(b'\n', block) {
            let (head, rest) = (&block[..end], &block[end + 1..]);
            if self.unfinished.is_empty() && !self.overlong && head.len() <= MAX_LINE_BYTES {
                scan.line(head);
            } else {
                self.extend(head);
                self.finish_line(scan);
            }
            block = rest;
        }
        self.extend(block);
    }

    /// Ends the stream: a last line needs no newline.
    pub fn finish(&mut self, scan: &mut Scan) {
        if !self.unfinished.is_empty() || self.overlong {
            self.finish_line(scan);
        }
    }

    fn extend(&mut self, part: &[u8]) {
        if self.overlong || self.unfinished.len() + part.len() > MAX_LINE_BYTES {
            self.overlong = true;
            self.unfinished.clear();
        } else {
            self.unfinished.extend_from_slice(part);
        }
    }

    fn finish_line(&mut self, scan: &mut Scan) {
        if self.overlong {
            scan.overlong_line();
        } else {
            scan.line(&self.unfinished);
        }
        self.overlong = false;
        self.unfinished.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = br#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a/b?c=d HTTP/1.1" 200 2326 "http://example.com/" "agent \"quoted\" x""#;

    #[test]
    fn a_line_has_its_parts() {
        let request = Request::parse(LINE).unwrap();
        assert_eq!(request.client, b"192.0.2.1");
        assert_eq!(request.time, b"17/May/2015:10:05:03 +0000");
        assert_eq!((request.method, request.path), (&b"GET"[..], &b"/a/b"[..]));
        assert_eq!((request.status, request.bytes), (200, 2326));
    }

    #[test]
    fn the_common_format_and_a_missing_size_are_read_too() {
        let line = br#"host - some user [now] "-" 408 -"#;
        let request = Request::parse(line).unwrap();
        assert_eq!((request.method, request.bytes), (&b"-"[..], 0));
    }

    #[test]
    fn an_agent_that_was_cut_off_leaves_the_request_whole() {
        let request = Request::parse(&LINE[..LINE.len() - 1]).unwrap();
        assert_eq!((request.status, request.bytes), (200, 2326));
    }

    #[test]
    fn every_shortened_line_is_refused_or_shorter() {
        for end in 0..LINE.len() {
            if let Some(request) = Request::parse(&LINE[..end]) {
                assert!(request.bytes <= 2326 && end >= 72, "{end}");
            }
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for line in [
            &b""[..],
            b"\0\x01\x02",
            br#"a - - [t] "GET / HTTP/1.1" 999 1 "-" "-""#,
            br#"a - - [t] "GET / HTTP/1.1" 0200 1 "-" "-""#,
            br#"a - - [t] "GET / HTTP/1.1" 200 99999999999999999999 "-" "-""#,
            br#"a - - [t] GET / HTTP/1.1 200 1 "-" "-""#,
            br#"a - - [t] "GET / HTTP/1.1\"#,
        ] {
            assert_eq!(
                Request::parse(line),
                None,
                "{}",
                String::from_utf8_lossy(line)
            );
        }
    }

    #[test]
    fn blocks_of_any_size_give_the_same_report() {
        let mut log = Vec::new();
        for _ in 0..3 {
            log.extend_from_slice(LINE);
            log.push(b'\n');
        }
        log.extend_from_slice(&vec![b'x'; MAX_LINE_BYTES + 1]);
        log.push(b'\n');
        log.extend_from_slice(LINE);
        let whole = scanned(&log, log.len());
        assert_eq!((whole.requests, whole.unparsable_lines), (4, 1));
        for size in [1, 7, 100, 4096] {
            let report = scanned(&log, size);
            assert_eq!((report.requests, report.unparsable_lines), (4, 1), "{size}");
        }
    }

    fn scanned(log: &[u8], block_bytes: usize) -> Report {
        let mut scan = Scan::default();
        let mut lines = LineSplitter::default();
        for block in log.chunks(block_bytes) {
            lines.block(block, &mut scan);
        }
        lines.finish(&mut scan);
        scan.report(10)
    }
}
