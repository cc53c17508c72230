//! Paths: what was cut has happened, or not, or happens yet; never by half, and never to another name.

use crate::cut::Cutter;
use maniac_io::fs::{self, Dir, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Steps that take files through their lives, each under names of its own.
pub(crate) async fn paths(cutter: Cutter) {
    let dir = tempfile::tempdir().unwrap();
    let handle = Arc::new(Dir::open(dir.path()).await.unwrap());
    for step in 0..12 {
        let name = |what: &str| dir.path().join(format!("{what}{step}"));
        let (from, to) = (name("from"), name("to"));
        std::fs::write(&from, "text").unwrap();
        renamed(&cutter, &handle, &from, &to).await;
        linked(&cutter, &from, &name("link"), &name("symlink")).await;
        made(&cutter, &handle, &name("folder"), &name("file")).await;
        removed(&cutter, &name("victim"), &name("nobody")).await;
        looked_at(&cutter, dir.path()).await;
    }
    // What was cut may still put files there.
    let mut left = fs::remove_dir_all(dir.path()).await;
    while left.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::DirectoryNotEmpty) {
        maniac_runtime::task::yield_now().await;
        left = fs::remove_dir_all(dir.path()).await;
    }
    left.unwrap();
}

async fn renamed(cutter: &Cutter, dir: &Arc<Dir>, from: &Path, to: &Path) {
    let (dir, by_handle, a, b) = (Arc::clone(dir), cutter.below(2) == 0, from.to_owned(), to.to_owned());
    let rename = async move {
        if by_handle {
            dir.rename_at(a.file_name().unwrap(), &dir, b.file_name().unwrap()).await.unwrap();
        } else {
            fs::rename(a, b).await.unwrap();
        }
    };
    let done = cutter.cut(rename).await.is_some();
    // Looking for the new name once more, since it may come between the first two looks.
    let text = [to, from, to].iter().find_map(|path| std::fs::read(path).ok());
    assert_eq!(text.as_deref(), Some(&b"text"[..]), "neither name has the file");
    assert!(!done || to.exists());
}

async fn linked(cutter: &Cutter, from: &Path, link: &Path, symlink: &Path) {
    std::fs::write(from, "text").unwrap();
    let (a, b) = (from.to_owned(), link.to_owned());
    if cutter.cut(async move { fs::hard_link(a, b).await }).await.is_some_and(|done| done.is_ok()) {
        assert_eq!(std::fs::read(link).unwrap(), b"text");
    }
    let (a, b) = (from.to_owned(), symlink.to_owned());
    if cutter.cut(async move { fs::symlink(a, b).await.unwrap() }).await.is_some() {
        assert_eq!(std::fs::read_link(symlink).unwrap(), from);
    }
}

async fn made(cutter: &Cutter, dir: &Arc<Dir>, folder: &Path, file: &Path) {
    let (dir, name) = (Arc::clone(dir), folder.file_name().unwrap().to_owned());
    if cutter.cut(async move { dir.create_dir_at(name).await.unwrap() }).await.is_some() {
        assert!(folder.is_dir());
    }
    let path = file.to_owned();
    if cutter.cut(async move { File::create_new(path).await.unwrap() }).await.is_some() {
        assert_eq!(std::fs::metadata(file).unwrap().len(), 0);
    }
    let path = file.with_extension("whole");
    let whole = path.clone();
    match cutter.cut(async move { fs::write(path, [7; 10_000]).await.unwrap() }).await {
        Some(()) => assert_eq!(std::fs::read(&whole).unwrap(), [7; 10_000]),
        None => assert!(std::fs::read(&whole).map_or(true, |part| part.iter().all(|byte| *byte == 7))),
    }
}

async fn removed(cutter: &Cutter, victim: &Path, folder: &Path) {
    std::fs::write(victim, "").unwrap();
    std::fs::create_dir(folder).unwrap();
    let path = victim.to_owned();
    if cutter.cut(async move { fs::remove_file(path).await.unwrap() }).await.is_some() {
        assert!(!victim.exists());
    }
    let path = folder.to_owned();
    if cutter.cut(async move { fs::remove_dir(path).await.unwrap() }).await.is_some() {
        assert!(!folder.exists());
    }
}

/// What changes nothing.
async fn looked_at(cutter: &Cutter, dir: &Path) {
    let path = dir.to_owned();
    let list = async move {
        let mut entries = fs::read_dir(path).await.unwrap();
        let mut names: Vec<PathBuf> = Vec::new();
        while let Some(entry) = entries.next_entry().await.unwrap() {
            names.push(entry.path());
        }
        names.len()
    };
    cutter.cut(list).await;
    let path = dir.to_owned();
    cutter.cut(async move { assert!(fs::metadata(path).await.unwrap().is_dir()) }).await;
    let path = dir.to_owned();
    cutter.cut(async move { fs::canonicalize(path).await.unwrap() }).await;
    let path = dir.to_owned();
    cutter.cut(async move { Dir::open(path).await.unwrap() }).await;
}
