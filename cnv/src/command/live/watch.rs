//! Follows the overlay's file. What the operating system says of a folder is a reason to look, and no more: an event may
//! be missing, come late, or be of a file that is gone by then.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::{LiveGrammar, Why};

/// How often the file is read where no event comes.
const POLL: Duration = Duration::from_secs(2);

/// Between two looks: not more than 20 a second, however often the file changes.
const GAP: Duration = Duration::from_millis(50);

/// Follows an overlay's file as long as it is there. Comes from [`LiveGrammar::watch`].
#[derive(Debug)]
#[must_use = "the file is followed until this is dropped"]
pub struct Watch {
    wake: Arc<Wake>,
}

/// What the thread waits for. Any number of events before it looks are one.
#[derive(Debug, Default)]
struct Wake {
    notify: Notify,
    is_asked: AtomicBool,
    is_over: AtomicBool,
}

impl Watch {
    pub(super) fn start(live: &LiveGrammar) -> io::Result<Self> {
        let wake = Arc::new(Wake::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // Before this returns: who is signalled after that does not end.
        #[cfg(unix)]
        listen_for_hangup(&runtime, Arc::clone(&wake));
        let (live, woken) = (live.clone(), Arc::clone(&wake));
        std::thread::Builder::new()
            .name("grammar".to_owned())
            .spawn(move || runtime.block_on(follow(&live, &woken)))?;
        Ok(Self { wake })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.wake.is_over.store(true, Ordering::Release);
        self.wake.notify.notify_one();
    }
}

async fn follow(live: &LiveGrammar, wake: &Arc<Wake>) {
    let mut folders = Folders::new(wake);
    loop {
        // Before the look, so that no change between the two is missed.
        folders.follow(&live.shared.overlaid.path);
        let why = match wake.is_asked.swap(false, Ordering::AcqRel) {
            true => Why::Asked,
            false => Why::Watched,
        };
        live.shared.look(why).await;
        tokio::time::sleep(GAP).await;
        let _ = tokio::time::timeout(POLL, wake.notify.notified()).await;
        if wake.is_over.load(Ordering::Acquire) {
            return;
        }
    }
}

/// Without the signal there are the events, the poll and the verb.
#[cfg(unix)]
fn listen_for_hangup(runtime: &tokio::runtime::Runtime, wake: Arc<Wake>) {
    use tokio::signal::unix::{SignalKind, signal};
    let _within = runtime.enter();
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        return;
    };
    // Ends with the thread's runtime.
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            wake.is_asked.store(true, Ordering::Release);
            wake.notify.notify_one();
        }
    });
}

/// The folders in which a change can be seen: the file's, and that of the file a link leads to. A watch on the file itself
/// would end with the first file that takes its place.
struct Folders {
    watcher: Option<RecommendedWatcher>,
    /// With what tells a folder from another one of its name.
    followed: BTreeMap<PathBuf, Identity>,
}

type Identity = (u64, u64);

impl Folders {
    fn new(wake: &Arc<Wake>) -> Self {
        let wake = Arc::clone(wake);
        let seen = move |event: notify::Result<Event>| {
            // Reading is no change, and the reader here is this thread.
            let is_change = !matches!(&event, Ok(event) if matches!(event.kind, EventKind::Access(_)) && !event.need_rescan());
            if is_change {
                wake.notify.notify_one();
            }
        };
        Self {
            // Without events, as on some file systems, there is the poll.
            watcher: notify::recommended_watcher(seen).ok(),
            followed: BTreeMap::new(),
        }
    }

    /// Sees to it that the folders are followed that are there now.
    fn follow(&mut self, file: &Path) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let folder_of = |path: &Path| match path.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let target = file.canonicalize().ok();
        let folders = [Some(folder_of(file)), target.as_deref().map(folder_of)];
        let wanted: BTreeMap<PathBuf, Identity> = folders
            .into_iter()
            .flatten()
            .filter_map(|folder| Some((folder.clone(), identity(&folder)?)))
            .collect();
        let gone = self.followed.iter();
        let gone = gone.filter(|(folder, identity)| wanted.get(*folder) != Some(*identity));
        for (folder, _) in gone {
            // Where the folder is gone, so is its watch.
            let _ = watcher.unwatch(folder);
        }
        self.followed
            .retain(|folder, identity| wanted.get(folder) == Some(identity));
        for (folder, identity) in wanted {
            if !self.followed.contains_key(&folder)
                && watcher.watch(&folder, RecursiveMode::NonRecursive).is_ok()
            {
                self.followed.insert(folder, identity);
            }
        }
    }
}

#[cfg(unix)]
fn identity(folder: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = folder.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(folder: &Path) -> Option<Identity> {
    folder.metadata().ok().map(|_| (0, 0))
}
