//! Changes of files and directories as the system tells of them, through the `notify` crate: inotify, FSEvents, kqueue, ReadDirectoryChangesW.

use crate::rt;
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Changes that wait to be taken; what comes beyond is lost, and that is told.
const LIMIT: usize = 4096;

/// How far a watch reaches.
///
/// ```
/// assert_ne!(maniac_io::fs::Reach::Entry, maniac_io::fs::Reach::Below);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The file; or the directory and what lies directly in it.
    Entry,
    /// The directory and all below it, also what comes later.
    Below,
}

/// What happened.
///
/// ```
/// assert_ne!(maniac_io::fs::ChangeKind::Created, maniac_io::fs::ChangeKind::Removed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// There is something new.
    Created,
    /// Bytes, length, times or permissions are others.
    Modified,
    /// A file that was open for writing was closed. Linux alone tells of it.
    Written,
    /// Something has another name: the paths are the old and the new one, or the one that is known.
    Renamed,
    /// Something is gone.
    Removed,
    /// Something else, that the system does not name.
    Other,
    /// More happened than was taken in time: have a look at everything.
    Lost,
}

/// One change.
///
/// ```
/// # use maniac_io::fs::{Change, ChangeKind};
/// fn is_new(change: &Change) -> bool {
///     change.kind == ChangeKind::Created && !change.paths.is_empty()
/// }
/// # let _ = is_new;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// To what; none for [`ChangeKind::Lost`].
    pub paths: Vec<PathBuf>,
}

impl Change {
    fn lost() -> Change {
        Change { kind: ChangeKind::Lost, paths: Vec::new() }
    }
}

/// Tells of changes below the paths that it is given. Needs the feature `watch`.
///
/// A thread of the `notify` crate's hears the system. At most 4,096 changes wait to be taken.
///
/// ```
/// use maniac_io::fs::{ChangeKind, Reach, Watcher, write};
/// # fn main() -> std::io::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let runtime = maniac_runtime::runtime::Runtime::new_multi_threaded(1, 64).unwrap();
/// # runtime.block_on(async {
/// let mut watcher = Watcher::new()?;
/// watcher.add(folder.path(), Reach::Below).await?;
/// write(folder.path().join("new"), "text").await?;
/// loop {
///     let change = watcher.next().await?;
///     if change.kind == ChangeKind::Created {
///         assert!(change.paths[0].ends_with("new"));
///         break;
///     }
/// }
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct Watcher {
    system: Arc<Mutex<RecommendedWatcher>>,
    shared: Arc<Shared>,
}

impl Watcher {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// What the system says, such as too many watchers of one user (EMFILE).
    ///
    /// ```
    /// assert!(maniac_io::fs::Watcher::new().is_ok());
    /// ```
    pub fn new() -> io::Result<Watcher> {
        let shared = Arc::new(Shared::default());
        let told = Arc::clone(&shared);
        let system = notify::recommended_watcher(move |event| told.take(event)).map_err(error_of)?;
        Ok(Watcher { system: Arc::new(Mutex::new(system)), shared })
    }

    /// Watches a path too. On a thread of the pool: a large tree is walked.
    ///
    /// Cancel safety: what has begun is done, also if the future is dropped.
    ///
    /// # Errors
    /// If there is no such path, and what the system says, such as too many watches of one user.
    ///
    /// ```
    /// # let runtime = maniac_runtime::runtime::Runtime::new_multi_threaded(1, 64).unwrap();
    /// # runtime.block_on(async {
    /// let watcher = maniac_io::fs::Watcher::new().unwrap();
    /// let error = watcher.add("/none/such", maniac_io::fs::Reach::Entry).await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// # });
    /// ```
    pub async fn add(&self, path: impl AsRef<Path>, reach: Reach) -> io::Result<()> {
        let path = path.as_ref().to_owned();
        let mode = match reach {
            Reach::Entry => RecursiveMode::NonRecursive,
            Reach::Below => RecursiveMode::Recursive,
        };
        self.unblock(move |system| system.watch(&path, mode)).await
    }

    /// Watches a path no longer.
    ///
    /// Cancel safety: what has begun is done, also if the future is dropped.
    ///
    /// # Errors
    /// If it was not watched.
    ///
    /// ```
    /// # use maniac_io::fs::{Reach, Watcher};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let runtime = maniac_runtime::runtime::Runtime::new_multi_threaded(1, 64).unwrap();
    /// # runtime.block_on(async {
    /// let watcher = Watcher::new().unwrap();
    /// watcher.add(folder.path(), Reach::Entry).await.unwrap();
    /// watcher.remove(folder.path()).await.unwrap();
    /// assert!(watcher.remove(folder.path()).await.is_err());
    /// # });
    /// ```
    pub async fn remove(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref().to_owned();
        self.unblock(move |system| system.unwatch(&path)).await
    }

    async fn unblock(
        &self,
        call: impl FnOnce(&mut dyn notify::Watcher) -> notify::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let system = Arc::clone(&self.system);
        rt::unblock(move || {
            call(&mut *system.lock().unwrap_or_else(PoisonError::into_inner)).map_err(error_of)
        })
        .await
    }

    /// The next change; waits for it.
    ///
    /// Cancel safety: no change is lost.
    ///
    /// # Errors
    /// What the system says meanwhile; the watching goes on.
    pub async fn next(&mut self) -> io::Result<Change> {
        rt::charge().await;
        poll_fn(|cx| self.shared.poll(cx)).await
    }
}

/// Between the thread that hears and the task that waits.
#[derive(Debug, Default)]
struct Shared(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    changes: VecDeque<io::Result<Change>>,
    lost: bool,
    waker: Option<Waker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, event: notify::Result<notify::Event>) {
        let change = match event {
            Ok(event) if event.need_rescan() => Some(Ok(Change::lost())),
            Ok(event) => kind_of(event.kind).map(|kind| Ok(Change { kind, paths: event.paths })),
            Err(error) => Some(Err(error_of(error))),
        };
        if let Some(change) = change {
            self.push(change);
        }
    }

    fn push(&self, change: io::Result<Change>) {
        let mut state = self.lock();
        if state.changes.len() < LIMIT {
            state.changes.push_back(change);
        } else {
            state.lost = true;
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<Change>> {
        let mut state = self.lock();
        if let Some(change) = state.changes.pop_front() {
            return Poll::Ready(change);
        }
        if std::mem::take(&mut state.lost) {
            return Poll::Ready(Ok(Change::lost()));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// `None` for what is no change: a look at a file.
fn kind_of(kind: EventKind) -> Option<ChangeKind> {
    match kind {
        EventKind::Create(_) => Some(ChangeKind::Created),
        // The halves of a rename come by themselves, too, and mean what they say.
        EventKind::Modify(ModifyKind::Name(RenameMode::From | RenameMode::To)) => None,
        EventKind::Modify(ModifyKind::Name(_)) => Some(ChangeKind::Renamed),
        EventKind::Modify(_) => Some(ChangeKind::Modified),
        EventKind::Remove(_) => Some(ChangeKind::Removed),
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(ChangeKind::Written),
        EventKind::Access(_) => None,
        EventKind::Any | EventKind::Other => Some(ChangeKind::Other),
    }
}

fn error_of(error: notify::Error) -> io::Error {
    let kind = match &error.kind {
        notify::ErrorKind::PathNotFound | notify::ErrorKind::WatchNotFound => io::ErrorKind::NotFound,
        notify::ErrorKind::Io(error) => error.kind(),
        notify::ErrorKind::MaxFilesWatch => {
            let reason = "the user has as many watches as may be: see fs.inotify.max_user_watches";
            return io::Error::new(io::ErrorKind::QuotaExceeded, reason);
        }
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::CreateKind;

    #[test]
    fn what_is_not_taken_in_time_is_lost_and_told_once() {
        let shared = Shared::default();
        for _ in 0..LIMIT + 3 {
            shared.take(Ok(notify::Event::new(EventKind::Create(CreateKind::File))));
        }
        let mut cx = Context::from_waker(Waker::noop());
        let mut kinds = Vec::new();
        while let Poll::Ready(change) = shared.poll(&mut cx) {
            kinds.push(change.unwrap().kind);
        }
        assert_eq!(kinds.len(), LIMIT + 1);
        assert_eq!(kinds.last(), Some(&ChangeKind::Lost));
        assert_eq!(kinds.iter().filter(|kind| **kind == ChangeKind::Created).count(), LIMIT);
    }

    #[test]
    fn a_look_at_a_file_is_no_change() {
        let shared = Shared::default();
        shared.take(Ok(notify::Event::new(EventKind::Access(AccessKind::Read))));
        assert!(shared.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}
