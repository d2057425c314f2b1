//! A grammar that changes while the program runs: the overlay's file, judged and put in force.

mod control;
mod file;
mod last_good;
mod recording;
mod status;
mod turn;
mod watch;

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

pub use control::grammar_control;
pub use status::{LiveState, LiveStatus};
pub use watch::Watch;

use self::turn::Turn;
use super::app::App;
use super::audit::Tell;
use super::evidence::STATE;
use super::failure::Failure;
use super::version::Version;
use crate::attestation::{Clock, Timestamp};
use crate::audit::{AuditLog, Digest};
use crate::grammar::{Grammar, Published};
use crate::recovery::Policy;

/// How long a name that an argument had is understood.
const DRAIN: Duration = Duration::from_secs(600);

/// As many grammars that were in force are remembered.
const MAX_SUPERSEDED: usize = 64;

/// How long a file that is being written is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where an application's overlay is, for [`App::overlay`].
#[derive(Debug, Clone)]
pub struct Overlaid {
    path: PathBuf,
    drain: Duration,
}

impl Overlaid {
    /// The overlay in a file, which need not be there yet.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            drain: DRAIN,
        }
    }

    /// How long the names under `renamed` are understood from when they are first in force; 10 minutes where nothing is
    /// said. After that a caller that uses one hears of the name that the argument has.
    #[must_use]
    pub const fn drain(mut self, window: Duration) -> Self {
        self.drain = window;
        self
    }
}

impl<P: Into<PathBuf>> From<P> for Overlaid {
    fn from(path: P) -> Self {
        Self::file(path)
    }
}

/// The grammar of a running application, and what its operator may do with it. Clones are the same one.
///
/// ```
/// use cnv::prelude::*;
///
/// /// Scans.
/// #[verb(noun = "log", effect = "pure")]
/// fn scan(#[arg(long, default_value_t = 10)] top: u8) -> Result<u8, Failure> {
///     Ok(top)
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("ops.toml");
/// std::fs::write(&file, "schema = 1\nverbs.\"log scan\".defaults = { top = \"20\" }")?;
/// let app = App::new("ops").verbs(verbs![scan]).overlay(&file);
/// assert_eq!(app.call_blocking(["log", "scan"]).result.unwrap().as_json(), "20");
///
/// std::fs::write(&file, "schema = 1\nverbs.\"log scan\".enabled = false")?;
/// let live = app.live_grammar().unwrap();
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// live.reload().await.unwrap();
/// # });
/// let reply = app.call_blocking(["log", "scan"]);
/// assert_eq!(reply.result.unwrap_err().to_string(), "`log scan` is switched off");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct LiveGrammar {
    shared: Arc<Shared>,
}

/// What the clones share.
struct Shared {
    application: &'static str,
    overlaid: Overlaid,
    program: Arc<Version>,
    policies: Arc<[&'static Policy]>,
    /// The program's grammar, and what names it.
    compiled: Grammar,
    compiled_digest: Digest,
    clock: Arc<dyn Clock>,
    /// The folder that keeps the overlay which is in force.
    folder: Option<PathBuf>,
    /// The program's own audit log.
    audit: Option<Arc<AuditLog>>,
    /// The operator's, while a call has it open.
    lent: Mutex<Weak<AuditLog>>,
    #[cfg(feature = "trace")]
    tracer: Option<crate::trace::Tracer>,
    published: Arc<Published<Version>>,
    /// Held by whoever judges the file: one at a time.
    turn: tokio::sync::Mutex<Turn>,
    state: Mutex<LiveState>,
    /// Why what is in force could not be written down, where that is so.
    unkept: Mutex<Option<String>>,
    /// What was in force before, and until when whoever was written for it is understood.
    superseded: Mutex<VecDeque<(Digest, Timestamp)>>,
    /// Whether the file was read once, and something is in force.
    has_begun: AtomicBool,
    compilations: AtomicU64,
}

/// Why a reload changed nothing: with the line of the file that is wrong, where it is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the overlay is not in force, and what was before is:\n{why}")]
#[non_exhaustive]
pub struct NotReloaded {
    /// What is wrong.
    pub why: String,
}

impl LiveGrammar {
    pub(super) fn new(app: &App, overlaid: Overlaid) -> Self {
        let program = app.compiled_version();
        let compiled = program.grammar();
        let folder = app.state.clone();
        let shared = Shared {
            application: app.name,
            overlaid,
            compiled_digest: compiled.digest(),
            turn: tokio::sync::Mutex::new(Turn::new(compiled.clone())),
            compiled,
            published: Arc::new(Published::of(Arc::clone(&program))),
            program,
            policies: Arc::clone(app.known_policies()),
            clock: app.time(),
            folder: folder.or_else(|| std::env::var_os(STATE).map(PathBuf::from)),
            audit: app.audit.clone(),
            lent: Mutex::new(Weak::new()),
            #[cfg(feature = "trace")]
            tracer: app.tracer.clone(),
            state: Mutex::new(LiveState::Current),
            unkept: Mutex::new(None),
            superseded: Mutex::new(VecDeque::new()),
            has_begun: AtomicBool::new(false),
            compilations: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Reads the file now, and puts it in force where it is in order. What is being called goes on by what was.
    ///
    /// Waits until the file has not changed for 50 ms, up to 2 s.
    ///
    /// # Errors
    ///
    /// Where it is not in order, gone, or cannot be read; then what was in force stays so. The same file fails again.
    pub async fn reload(&self) -> Result<LiveStatus, NotReloaded> {
        self.shared.look(Why::Asked).await;
        let status = self.status();
        match &status.state {
            LiveState::Current | LiveState::Draining { .. } => Ok(status),
            LiveState::Candidate => Err(NotReloaded {
                why: format!("{} is being written", status.file.display()),
            }),
            LiveState::Rejected { why } | LiveState::Stale { why } => {
                Err(NotReloaded { why: why.clone() })
            }
        }
    }

    /// What is in force, and what is wrong with the file where something is.
    #[must_use]
    pub fn status(&self) -> LiveStatus {
        let version = self.version();
        LiveStatus {
            file: self.shared.overlaid.path.clone(),
            state: self.shared.state().clone(),
            version: version.number(),
            grammar: version.digest().to_string(),
            compilations: self.shared.compilations.load(Ordering::Relaxed),
            unkept: self.shared.unkept().clone(),
        }
    }

    /// Follows the file until the answer is dropped, for a program that serves more than one call: by what the operating
    /// system says of its folder, every 2 seconds, and on Unix whenever the process gets SIGHUP.
    ///
    /// # Errors
    ///
    /// Where there is no thread for it.
    pub fn watch(&self) -> std::io::Result<Watch> {
        Watch::start(self)
    }

    /// The grammar that is in force.
    #[must_use]
    pub fn grammar(&self) -> Grammar {
        self.version().grammar()
    }

    /// Whether a caller that was written for the grammar with this digest is understood: it is in force, or was until a
    /// short while ago, and what has changed since was declared.
    #[cfg(feature = "session")]
    pub(super) fn understands(&self, digest: &str) -> bool {
        let now = self.shared.clock.now();
        let superseded = self.shared.superseded();
        let mut superseded = superseded.iter();
        self.version().digest().to_string() == digest
            || superseded.any(|(other, until)| *until > now && other.to_string() == digest)
    }

    pub(super) fn version(&self) -> Arc<Version> {
        self.shared.published.current()
    }

    /// The version of a call that begins now; the first one reads the file.
    pub(super) async fn ready(&self, tell: &Tell<'_>) -> Result<Arc<Version>, Failure> {
        self.shared.begin().await.map_err(Failure::failed)?;
        let told = match &*self.shared.state() {
            LiveState::Rejected { why } | LiveState::Stale { why } => Some(why.clone()),
            _ => None,
        };
        if let Some(why) = told {
            tell(&format!(
                "the overlay is not in force, and an earlier one is:\n{why}"
            ));
        }
        let unkept = self.shared.unkept().clone();
        if let Some(why) = unkept {
            tell(&why);
        }
        Ok(self.version())
    }

    /// The log that a call has open, which takes the entries of changes as long as it is.
    pub(super) fn lend(&self, log: &Arc<AuditLog>) {
        *self
            .shared
            .lent
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(log);
    }
}

/// Why the file is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The program starts.
    Begins,
    /// Somebody asked for it.
    Asked,
    /// It may have changed.
    Watched,
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unkept(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.unkept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is in force now is not, soon.
    fn supersede(&self, digest: Digest) {
        let now = self.clock.now();
        let until = now
            .checked_add_seconds(self.overlaid.drain.as_secs())
            .unwrap_or(now);
        let mut superseded = self.superseded();
        superseded.retain(|&(other, end)| other != digest && end > now);
        if superseded.len() == MAX_SUPERSEDED {
            superseded.pop_front();
        }
        superseded.push_back((digest, until));
    }

    fn superseded(&self) -> std::sync::MutexGuard<'_, VecDeque<(Digest, Timestamp)>> {
        self.superseded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn set_state(&self, state: LiveState) {
        *self.state() = state;
    }
}

impl fmt::Debug for LiveGrammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveGrammar")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{WhenUnavailable, on_a_broken_disk};
    use crate::command::Registration;
    use crate::command::output::Output;
    use crate::command::spec::faulty_spec;

    fn call(when: WhenUnavailable) -> Result<Output, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ops.toml");
        std::fs::write(&path, "schema = 1\nverbs.\"log scan\".enabled = false").unwrap();
        let mut spec = faulty_spec();
        (spec.noun, spec.name) = ("log", "scan");
        let verb = Registration {
            spec,
            arguments: Vec::new,
            output: || None,
            #[cfg(feature = "session")]
            is_blocking: false,
            policy: || None,
            invoke: |_cx, _matches| Box::pin(async { Output::of("ran") }),
        };
        let app = App::new("ops")
            .verbs([verb])
            .overlay(path)
            .audit(Arc::new(on_a_broken_disk(when)));
        app.call_blocking(["log", "scan"]).result
    }

    #[test]
    fn a_change_that_cannot_be_recorded_is_not_made() {
        let told = call(WhenUnavailable::Deny).unwrap_err().to_string();
        assert!(told.starts_with("no command is run"), "{told}");
        assert!(told.contains("the change cannot be recorded"), "{told}");
    }

    #[test]
    fn it_is_made_where_that_was_asked_for() {
        let told = call(WhenUnavailable::Allow).unwrap_err().to_string();
        assert_eq!(told, "`log scan` is switched off");
    }
}
