//! `ops log`: reads access logs. People's addresses stand in them, so that takes an attestation.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cnv::command::Stopped;
use cnv::prelude::*;
use cnv::quota::File;
use cnv_examples::access_log::{LineSplitter, MAX_LINE_BYTES, Report, Request, Scan};
use schemars::JsonSchema;
use serde::Serialize;

const BLOCK_BYTES: usize = 256 << 10;

/// A file whose first lines are all of another form is not read to its end.
const HOPELESS_LINES: u64 = 1000;

/// How often `tail` looks whether the file has grown.
const POLL: Duration = Duration::from_millis(200);

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("not allowed")]
    Denied(#[from] Denied),
    #[error("stopped early")]
    Stopped(#[from] Stopped),
    #[error("cannot read `{}`", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is a directory; name one log file", .0.display())]
    Directory(PathBuf),
    #[error("`{}` is no access log in combined format: no request among the {lines} lines read", path.display())]
    NotALog { path: PathBuf, lines: u64 },
}

impl LogError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Opens a log and says how long it is.
#[budget(memory = "16KB", cpu = "10ms", io = 1)]
fn open(path: &Path) -> Result<(File, u64), LogError> {
    let file = File::open(path).map_err(LogError::io(path))?;
    let metadata = file.get_ref().metadata().map_err(LogError::io(path))?;
    if metadata.is_dir() {
        return Err(LogError::Directory(path.to_owned()));
    }
    Ok((file, metadata.len()))
}

/// Counts requests, bytes, errors, paths and clients in an access log.
///
/// The log is in the combined format that Apache and nginx write. It is read once, in blocks, so a log
/// of any size takes the same memory.
#[verb(noun = "log", effect = "read")]
#[requires_attestation(read_only)]
#[budget(memory = "64MB", cpu = "1min", io = "100k")]
pub async fn scan(
    cx: Context,
    /// The log to read
    path: PathBuf,
    /// How many paths and clients to list
    #[arg(long, default_value_t = 10)]
    top: usize,
) -> Result<Report, LogError> {
    let (mut file, len_bytes) = spend!(open(&path))?;
    let progress = cx.progress(len_bytes);
    let mut scan = Scan::default();
    let mut lines = LineSplitter::default();
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        cx.checkpoint()?;
        let read = file.read(&mut block).map_err(LogError::io(&path))?;
        if read == 0 {
            break;
        }
        lines.block(&block[..read], &mut scan);
        progress.advance(read as u64);
        if scan.requests() == 0 && scan.lines() >= HOPELESS_LINES {
            break;
        }
    }
    lines.finish(&mut scan);
    if scan.requests() == 0 && scan.lines() > 0 {
        return Err(LogError::NotALog {
            path,
            lines: scan.lines(),
        });
    }
    Ok(scan.report(top))
}

/// One request as `tail` shows it.
#[derive(Debug, Serialize)]
struct Row {
    time: String,
    client: String,
    status: u16,
    bytes: u64,
    method: String,
    path: String,
}

/// What `tail` saw.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Followed {
    requests: u64,
    unparsable_lines: u64,
    restarts: u64,
}

/// Shows requests as they are written to a growing access log.
///
/// It goes on until it is interrupted, until its deadline, or until it has seen `--count` requests. A
/// log that was cut or replaced is read again from its start.
#[verb(noun = "log", effect = "read")]
#[requires_attestation(read_only)]
#[budget(memory = "16MB", cpu = "10min", io = "100M")]
pub async fn tail(
    cx: Context,
    /// The log to follow
    path: PathBuf,
    /// Stop after so many requests
    #[arg(long)]
    count: Option<u64>,
    /// Show what is already there, too
    #[arg(long)]
    from_start: bool,
) -> Result<Followed, LogError> {
    let mut follower = Follower::new(&path, spend!(open(&path))?, from_start)?;
    let mut seen = Followed {
        requests: 0,
        unparsable_lines: 0,
        restarts: 0,
    };
    loop {
        while let Some(line) = follower.next_line(&cx)? {
            let Some(request) = Request::parse(&line) else {
                seen.unparsable_lines += 1;
                continue;
            };
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let row = Row {
                time: text(request.time),
                client: text(request.client),
                status: request.status,
                bytes: request.bytes,
                method: text(request.method),
                path: text(request.path),
            };
            // Where nobody reads any more, showing the summary says so.
            if cx.stdout().send(&row).await.is_err() {
                return Ok(seen);
            }
            seen.requests += 1;
            if count.is_some_and(|count| seen.requests >= count) {
                return Ok(seen);
            }
        }
        match cx.sleep(POLL).await {
            Ok(()) => {}
            Err(Stopped::Cancelled) => return Ok(seen),
            Err(stopped) => return Err(stopped.into()),
        }
        seen.restarts += u64::from(follower.restart_if_replaced()?);
    }
}

/// Reads the lines that are added to a file.
struct Follower<'a> {
    path: &'a Path,
    file: File,
    offset: u64,
    buffer: Vec<u8>,
    /// Where the next line starts in the buffer.
    start: usize,
    /// Whether a line that is too long is being passed over.
    skipping: bool,
}

impl<'a> Follower<'a> {
    fn new(
        path: &'a Path,
        (mut file, len_bytes): (File, u64),
        from_start: bool,
    ) -> Result<Self, LogError> {
        let offset = if from_start { 0 } else { len_bytes };
        file.seek(SeekFrom::Start(offset))
            .map_err(LogError::io(path))?;
        Ok(Self {
            path,
            file,
            offset,
            buffer: Vec::new(),
            start: 0,
            skipping: false,
        })
    }

    /// The next whole line, or `None` until more is written or the call is taken back.
    fn next_line(&mut self, cx: &Context) -> Result<Option<Vec<u8>>, LogError> {
        loop {
            match cx.checkpoint() {
                Ok(()) => {}
                // The wait for more ends at once, and the call with it.
                Err(Stopped::Cancelled) => return Ok(None),
                Err(stopped) => return Err(stopped.into()),
            }
            if let Some(len) = memchr::memchr(b'\n', &self.buffer[self.start..]) {
                let line = self.buffer[self.start..self.start + len].to_vec();
                self.start += len + 1;
                if std::mem::take(&mut self.skipping) {
                    continue;
                }
                return Ok(Some(line));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            if self.buffer.len() > MAX_LINE_BYTES {
                self.skipping = true;
                self.buffer.clear();
            }
            let mut block = [0; 8192];
            let read = self
                .file
                .read(&mut block)
                .map_err(LogError::io(self.path))?;
            if read == 0 {
                return Ok(None);
            }
            self.offset += read as u64;
            self.buffer.extend_from_slice(&block[..read]);
        }
    }

    /// Starts again where the file was cut, or where another file took its place.
    fn restart_if_replaced(&mut self) -> Result<bool, LogError> {
        let Ok(there) = std::fs::metadata(self.path) else {
            // Between the two steps of a rotation there is no file; the next look finds one.
            return Ok(false);
        };
        let open = self
            .file
            .get_ref()
            .metadata()
            .map_err(LogError::io(self.path))?;
        if same_file(&there, &open) && there.len() >= self.offset {
            return Ok(false);
        }
        let reopened = File::open(self.path).map_err(LogError::io(self.path))?;
        *self = Self::new(self.path, (reopened, 0), true)?;
        Ok(true)
    }
}

#[cfg(unix)]
fn same_file(a: &std::fs::Metadata, b: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn same_file(_: &std::fs::Metadata, _: &std::fs::Metadata) -> bool {
    true
}
