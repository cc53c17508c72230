//! Changes of files as a watcher tells of them.
#![cfg(all(feature = "watch", target_os = "linux"))]

use maniac_io::fs::{self, Change, ChangeKind, Reach, Watcher};
use maniac_runtime::runtime::Runtime;
use std::path::Path;
use std::time::Duration;

fn runtime() -> Runtime {
    Runtime::new_multi_threaded(1, 1024).unwrap()
}

/// The next change of this kind.
async fn until(watcher: &mut Watcher, kind: ChangeKind) -> Change {
    loop {
        let change = watcher.next().await.unwrap();
        if change.kind == kind {
            return change;
        }
    }
}

fn names(change: &Change) -> Vec<&str> {
    change.paths.iter().filter_map(|path| path.file_name()?.to_str()).collect()
}

#[test]
fn a_file_comes_changes_moves_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    runtime().block_on(async {
        let mut watcher = Watcher::new().unwrap();
        watcher.add(folder.path(), Reach::Entry).await.unwrap();
        fs::write(at("first"), "text").await.unwrap();
        assert_eq!(names(&until(&mut watcher, ChangeKind::Created).await), ["first"]);
        assert_eq!(names(&until(&mut watcher, ChangeKind::Modified).await), ["first"]);
        assert_eq!(names(&until(&mut watcher, ChangeKind::Written).await), ["first"]);
        fs::rename(at("first"), at("second")).await.unwrap();
        assert_eq!(names(&until(&mut watcher, ChangeKind::Renamed).await), ["first", "second"]);
        fs::remove_file(at("second")).await.unwrap();
        assert_eq!(names(&until(&mut watcher, ChangeKind::Removed).await), ["second"]);
    });
}

#[test]
fn below_reaches_what_lies_deeper_and_entry_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("deep");
    runtime().block_on(async {
        fs::create_dir(&deep).await.unwrap();
        let (mut all, mut one) = (Watcher::new().unwrap(), Watcher::new().unwrap());
        all.add(folder.path(), Reach::Below).await.unwrap();
        one.add(folder.path(), Reach::Entry).await.unwrap();
        fs::write(deep.join("inner"), "").await.unwrap();
        assert_eq!(names(&until(&mut all, ChangeKind::Created).await), ["inner"]);
        fs::write(folder.path().join("outer"), "").await.unwrap();
        assert_eq!(names(&until(&mut one, ChangeKind::Created).await), ["outer"]);
    });
}

#[test]
fn a_path_that_is_removed_tells_nothing_more() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    runtime().block_on(async {
        let mut watcher = Watcher::new().unwrap();
        for path in [folder.path(), other.path()] {
            watcher.add(path, Reach::Entry).await.unwrap();
        }
        watcher.remove(folder.path()).await.unwrap();
        fs::write(folder.path().join("unseen"), "").await.unwrap();
        fs::write(other.path().join("seen"), "").await.unwrap();
        assert_eq!(names(&until(&mut watcher, ChangeKind::Created).await), ["seen"]);
    });
}

#[test]
fn a_wait_that_is_dropped_loses_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let make = |path: &Path| std::fs::write(path, "").unwrap();
    runtime().block_on(async {
        let mut watcher = Watcher::new().unwrap();
        watcher.add(folder.path(), Reach::Entry).await.unwrap();
        for number in 0..100 {
            let name = format!("file-{number}");
            let early = maniac_runtime::time::timeout(Duration::ZERO, watcher.next()).await;
            make(&folder.path().join(&name));
            // What the short wait got belongs to the file before.
            assert!(!matches!(early, Ok(Ok(Change { kind: ChangeKind::Created, .. }))));
            assert_eq!(names(&until(&mut watcher, ChangeKind::Created).await), [name.as_str()]);
        }
    });
}
