//! The overlay's file: read once it is at rest, and not in part.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::attestation::trusted_file::{self, TrustedFileError};
use crate::grammar::MAX_OVERLAY_BYTES;

/// A file that did not change for so long is not being written.
pub(super) const SETTLED: Duration = Duration::from_millis(50);
/// How often it is looked at until then.
const LOOK: Duration = Duration::from_millis(10);

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileFault {
    #[error(transparent)]
    File(#[from] TrustedFileError),
    #[error("{path} has {len_bytes} bytes, and an overlay has at most {MAX_OVERLAY_BYTES}")]
    TooLarge { path: String, len_bytes: u64 },
    #[error("{path} is not UTF-8 after byte {valid_bytes}")]
    NotUtf8 { path: String, valid_bytes: usize },
    /// It is written all the time. Not a verdict: it is looked at again.
    #[error("{path} is being written")]
    Unsettled { path: String },
}

/// What tells one state of a file from another, of whatever a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    len_bytes: u64,
    modified: Option<SystemTime>,
    /// Device, inode, and when anything of it changed, its name included.
    #[cfg(unix)]
    identity: (u64, u64, i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Self {
            len_bytes: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            identity: (
                metadata.dev(),
                metadata.ino(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ),
        }
    }

    /// The file at a path; `None` where there is none.
    fn at(path: &Path) -> Result<Option<Self>, FileFault> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => {
                let path = path.to_owned();
                Err(TrustedFileError::Io { path, source }.into())
            }
        }
    }

    /// Whether by its own times it did not change lately. Times ahead of the clock say nothing.
    fn is_at_rest(&self) -> bool {
        #[cfg(unix)]
        let changed = {
            let (_, _, seconds, nanoseconds) = self.identity;
            let since = Duration::new(
                u64::try_from(seconds).unwrap_or(0),
                u32::try_from(nanoseconds).unwrap_or(0),
            );
            SystemTime::UNIX_EPOCH.checked_add(since)
        };
        #[cfg(not(unix))]
        let changed = self.modified;
        let age = |time: Option<SystemTime>| time.and_then(|time| time.elapsed().ok());
        age(changed).is_some_and(|age| age >= SETTLED)
            && age(self.modified).is_some_and(|age| age >= SETTLED)
    }
}

/// The text of the file, once that is at rest; `None` where there is no file, and `is_awaited` says whether there may be
/// one in a moment.
pub(super) async fn settled(
    path: &Path,
    is_awaited: bool,
    patience: Duration,
) -> Result<Option<String>, FileFault> {
    let begin = Instant::now();
    let mut seen: Option<(Option<Stamp>, Instant)> = None;
    loop {
        let stamp = Stamp::at(path)?;
        let since = match seen {
            Some((before, since)) if before == stamp => since,
            _ => Instant::now(),
        };
        seen = Some((stamp, since));
        let is_at_rest = since.elapsed() >= SETTLED;
        match stamp {
            None if is_at_rest || !is_awaited => return Ok(None),
            Some(stamp) if is_at_rest || stamp.is_at_rest() => {
                if let Some(text) = read(path, stamp)? {
                    return Ok(Some(text));
                }
            }
            _ => {}
        }
        if begin.elapsed() >= patience {
            let path = path.display().to_string();
            return Err(FileFault::Unsettled { path });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The text of the file that was looked at; `None` where it is another one by now.
fn read(path: &Path, stamp: Stamp) -> Result<Option<String>, FileFault> {
    let shown = || path.display().to_string();
    let io_error = |source| TrustedFileError::Io {
        path: path.to_owned(),
        source,
    };
    if stamp.len_bytes > MAX_OVERLAY_BYTES as u64 {
        let (path, len_bytes) = (shown(), stamp.len_bytes);
        return Err(FileFault::TooLarge { path, len_bytes });
    }
    let mut file = match trusted_file::open(path) {
        Err(TrustedFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        file => file?,
    };
    let is_same = |metadata: Metadata| Stamp::of(&metadata) == stamp;
    if !is_same(file.metadata().map_err(io_error)?) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let limit = MAX_OVERLAY_BYTES as u64 + 1;
    file.by_ref()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(io_error)?;
    if !is_same(file.metadata().map_err(io_error)?) {
        return Ok(None);
    }
    let text = String::from_utf8(bytes).map_err(|error| FileFault::NotUtf8 {
        path: shown(),
        valid_bytes: error.utf8_error().valid_up_to(),
    });
    text.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path, patience: Duration) -> Result<Option<String>, FileFault> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(settled(path, false, patience))
    }

    #[test]
    fn a_file_that_was_written_just_now_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ops.toml");
        let hour = Duration::from_secs(3600);
        assert!(text(&path, hour).unwrap().is_none());
        // Where this thread had to wait for long, the file is at rest by then.
        let is_waited_for = (0..100).any(|_| {
            fs::write(&path, "schema = 1").unwrap();
            matches!(
                text(&path, Duration::ZERO),
                Err(FileFault::Unsettled { .. })
            )
        });
        assert!(is_waited_for);
        assert_eq!(text(&path, hour).unwrap().unwrap(), "schema = 1");
        // Once it is at rest, no longer.
        let is_read = (0..100).any(|_| text(&path, Duration::ZERO).is_ok());
        assert!(is_read);
    }

    #[test]
    fn a_file_that_another_took_the_place_of_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ops.toml");
        fs::write(&path, "schema = 1").unwrap();
        let stamp = Stamp::at(&path).unwrap().unwrap();
        assert_eq!(read(&path, stamp).unwrap().unwrap(), "schema = 1");
        fs::write(&path, "schema = 1 # and more").unwrap();
        assert!(read(&path, stamp).unwrap().is_none());
        fs::remove_file(&path).unwrap();
        assert!(read(&path, stamp).unwrap().is_none());
    }
}
