//! Spans in a file, for people and for `cnv trace show`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::exporter::{Exported, Exporter};
use super::json;
use super::record::SpanRecord;
use super::resource::Resource;

/// A file of spans: each line is a batch as OTLP's JSON has it, which OpenTelemetry's collector reads and writes as well.
///
/// Several processes may append to one file. It takes no more once it has 1 GiB, or what [`up_to`](Self::up_to) says.
#[derive(Debug)]
pub struct SpanFile {
    file: File,
    path: PathBuf,
    resource: Resource,
    max_bytes: u64,
    /// Whether the last line of the file is one that could not be written to its end.
    is_broken: bool,
}

impl SpanFile {
    /// Opens a file, or makes one that only its owner can read, for the spans of this program.
    ///
    /// # Errors
    ///
    /// Where the file cannot be opened to append.
    pub fn open(
        path: impl AsRef<Path>,
        resource: impl Into<Resource>,
    ) -> Result<Self, SpanFileError> {
        let path = path.as_ref().to_owned();
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // A pipe without a reader is no file, and nobody waits for one.
            options
                .mode(0o600)
                .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        }
        match options.open(&path) {
            Ok(file) => Ok(Self {
                file,
                path,
                resource: resource.into(),
                max_bytes: 1 << 30,
                is_broken: false,
            }),
            Err(source) => Err(SpanFileError { path, source }),
        }
    }

    /// With another limit to its size, in bytes.
    #[must_use]
    pub const fn up_to(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    fn append(&mut self, line: &[u8]) -> io::Result<Result<(), String>> {
        let len = self.file.metadata()?.len();
        if len.saturating_add(line.len() as u64) > self.max_bytes {
            return Ok(Err(format!(
                "{}: it has {len} bytes and takes no more than {}",
                self.path.display(),
                self.max_bytes
            )));
        }
        if self.is_broken {
            self.file.write_all(b"\n")?;
        }
        self.is_broken = true;
        self.file.write_all(line)?;
        self.is_broken = false;
        Ok(Ok(()))
    }
}

impl Exporter for SpanFile {
    fn name(&self) -> String {
        format!("file {}", self.path.display())
    }

    fn spans(&mut self, spans: &[SpanRecord], _: Instant) -> Exported {
        let mut line = json::traces(&self.resource, spans).to_string();
        line.push('\n');
        match self.append(line.as_bytes()) {
            Ok(Ok(())) => Exported::Delivered,
            Ok(Err(why)) => Exported::Refused(why),
            Err(error) => Exported::Unavailable {
                retry_after: None,
                why: format!("{}: {error}", self.path.display()),
            },
        }
    }
}

/// A file of spans cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("spans cannot be written to {path}: {source}", path = path.display())]
pub struct SpanFileError {
    path: PathBuf,
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{IdGenerator, SpanKind, TraceFlags, TraceParent};

    fn span() -> SpanRecord {
        let ids = IdGenerator::from_seed([7; 24]);
        let context = TraceParent::new(ids.trace_id(), ids.span_id(), TraceFlags::SAMPLED);
        SpanRecord::new(context, "log scan".into(), SpanKind::Server, 1)
    }

    fn file(max_bytes: u64) -> (tempfile::TempDir, SpanFile) {
        let folder = tempfile::tempdir().unwrap();
        let file = SpanFile::open(folder.path().join("spans.jsonl"), "shop").unwrap();
        (folder, file.up_to(max_bytes))
    }

    fn lines(file: &SpanFile) -> Vec<String> {
        let text = std::fs::read_to_string(&file.path).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_file_takes_whole_lines_up_to_its_limit() {
        let (_folder, mut file) = file(u64::MAX);
        assert_eq!(file.spans(&[span()], Instant::now()), Exported::Delivered);
        let len = file.file.metadata().unwrap().len();
        file.max_bytes = 2 * len;
        assert_eq!(file.spans(&[span()], Instant::now()), Exported::Delivered);
        let Exported::Refused(why) = file.spans(&[span()], Instant::now()) else {
            panic!("it takes more");
        };
        let said = format!("it has {} bytes and takes no more than {0}", 2 * len);
        assert!(why.contains(&said), "{why}");
        assert_eq!(lines(&file).len(), 2);
    }

    #[test]
    fn what_was_cut_off_spoils_no_line_but_its_own() {
        let (_folder, mut file) = file(u64::MAX);
        file.file.write_all(b"{\"resourceSpans\":[").unwrap();
        file.is_broken = true;
        for _ in 0..2 {
            assert_eq!(file.spans(&[span()], Instant::now()), Exported::Delivered);
        }
        let lines = lines(&file);
        assert_eq!(lines.len(), 3);
        for line in &lines[1..] {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok());
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_reads_a_file() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, file) = file(u64::MAX);
        let mode = file.file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
