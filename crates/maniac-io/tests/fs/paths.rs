//! Options, directories and paths.

use crate::support::pattern;
use crate::temp;
use maniac_io::fs::{self, Dir, File, OpenOptions};
use std::io::ErrorKind;

on_both_drivers! {
    options_like_std directories dir_handles many_entries paths copies deep_directories missing_things
}

/// Every combination of options does what the standard library does.
async fn options_like_std() {
    let dir = temp();
    for bits in 0..64u32 {
        for exists in [false, true] {
            let bit = |n: u32| bits & (1 << n) != 0;
            let prepare = |name: &str| {
                let path = dir.path().join(name);
                let _ = std::fs::remove_file(&path);
                if exists {
                    std::fs::write(&path, "contents").unwrap();
                }
                path
            };
            let (ours, theirs) = (prepare("ours"), prepare("theirs"));
            let mut options = std::fs::OpenOptions::new();
            options
                .read(bit(0))
                .write(bit(1))
                .append(bit(2))
                .truncate(bit(3))
                .create(bit(4))
                .create_new(bit(5));
            let expected = options.open(&theirs).map(drop).map_err(|error| error.kind());
            let mut options = OpenOptions::new();
            options
                .read(bit(0))
                .write(bit(1))
                .append(bit(2))
                .truncate(bit(3))
                .create(bit(4))
                .create_new(bit(5));
            let got = options.open(&ours).await.map(drop).map_err(|error| error.kind());
            assert_eq!(got, expected, "bits {bits:06b}, exists: {exists}");
            assert_eq!(std::fs::read(&ours).ok(), std::fs::read(&theirs).ok(), "bits {bits:06b}");
        }
    }
}

async fn directories() {
    let dir = temp();
    let path = dir.path().join("a");
    fs::create_dir(&path).await.unwrap();
    assert_eq!(fs::create_dir(&path).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    fs::write(path.join("file"), "x").await.unwrap();
    assert_eq!(fs::remove_dir(&path).await.unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
    assert_eq!(
        File::open(&path).await.unwrap().read(&mut [0]).await.unwrap_err().kind(),
        ErrorKind::IsADirectory
    );
    fs::rename(path.join("file"), dir.path().join("moved")).await.unwrap();
    fs::remove_dir(&path).await.unwrap();
    fs::remove_file(dir.path().join("moved")).await.unwrap();
    assert!(fs::read_dir(dir.path()).await.unwrap().next_entry().await.unwrap().is_none());
}

async fn dir_handles() {
    let temp = temp();
    let dir = Dir::open(temp.path()).await.unwrap();
    assert_eq!(Dir::open("/dev/null").await.unwrap_err().kind(), ErrorKind::NotADirectory);
    dir.create_dir_at("sub").await.unwrap();
    let sub = dir.open_dir_at("sub", false).await.unwrap();
    let mut file = sub.open_at("file", OpenOptions::new().write(true).create_new(true)).await.unwrap();
    file.write_all(b"text").await.unwrap();
    sub.hard_link_at("file", &dir, "other").await.unwrap();
    dir.symlink_at("sub", "link").await.unwrap();
    assert!(dir.open_dir_at("link", false).await.is_err());
    assert_eq!(dir.read_link_at("link").await.unwrap(), std::path::Path::new("sub"));
    assert_eq!(dir.metadata_at("link/file").await.unwrap().stat().nlink, 2);
    assert!(dir.symlink_metadata_at("link").await.unwrap().is_symlink());
    // It is the directory, not its name.
    std::fs::rename(temp.path().join("sub"), temp.path().join("elsewhere")).unwrap();
    sub.rename_at("file", &dir, "moved").await.unwrap();
    assert!(sub.metadata().await.unwrap().is_dir());
    let mut entries = dir.read_dir().await.unwrap();
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await.unwrap() {
        assert_eq!(entry.path().as_os_str(), entry.file_name());
        assert_eq!(entry.ino(), entry.metadata().await.unwrap().stat().ino);
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort_unstable();
    assert_eq!(names, ["elsewhere", "link", "moved", "other"]);
    for name in ["moved", "other", "link"] {
        dir.unlink_at(name).await.unwrap();
    }
    dir.remove_dir_at("elsewhere").await.unwrap();
    dir.sync_all().await.unwrap();
    if cfg!(target_os = "linux") {
        let mut options = OpenOptions::new();
        options.read(true).beneath(true);
        assert!(dir.open_at("../../etc/passwd", &options).await.is_err());
    }
}

async fn many_entries() {
    let dir = temp();
    for n in 0..3000 {
        std::fs::write(
            dir.path().join(format!("a rather long name of a file, so that more calls are needed {n}")),
            "",
        )
        .unwrap();
    }
    let mut entries = fs::read_dir(dir.path()).await.unwrap();
    let mut names = std::collections::BTreeSet::new();
    while let Some(entry) = entries.next_entry().await.unwrap() {
        assert!(entry.file_type().await.unwrap().is_file());
        assert!(names.insert(entry.file_name()));
    }
    assert_eq!(names.len(), 3000);
    assert!(entries.next_entry().await.unwrap().is_none());
    fs::remove_dir_all(dir.path()).await.unwrap();
    assert!(!dir.path().exists());
}

async fn paths() {
    let dir = temp();
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    fs::write(&file, "text").await.unwrap();
    fs::symlink("file", &link).await.unwrap();
    assert_eq!(fs::read_link(&link).await.unwrap(), std::path::Path::new("file"));
    assert_eq!(fs::canonicalize(&link).await.unwrap(), file.canonicalize().unwrap());
    assert!(fs::metadata(&link).await.unwrap().is_file());
    assert!(fs::symlink_metadata(&link).await.unwrap().is_symlink());
    assert_eq!(fs::metadata(&link).await.unwrap().len(), std::fs::metadata(&link).unwrap().len());
    assert_eq!(
        fs::metadata(&file).await.unwrap().modified().unwrap(),
        std::fs::metadata(&file).unwrap().modified().unwrap()
    );
    fs::remove_file(&file).await.unwrap();
    assert!(!fs::try_exists(&link).await.unwrap());
    assert_eq!(fs::read(&link).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::read("zero\0byte").await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

async fn copies() {
    use std::os::unix::fs::PermissionsExt;
    let dir = temp();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::write(&from, pattern(0, 300_000)).await.unwrap();
    fs::set_permissions(&from, fs::Permissions::from_mode(0o640)).await.unwrap();
    assert_eq!(fs::copy(&from, &to).await.unwrap(), 300_000);
    assert!(fs::read(&to).await.unwrap() == pattern(0, 300_000));
    assert_eq!(fs::metadata(&to).await.unwrap().stat().mode & 0o777, 0o640);
    let (mut a, mut b) = (File::open(&from).await.unwrap(), File::create(&to).await.unwrap());
    assert_eq!(maniac_io::io::copy(&mut a, &mut b).await.unwrap(), 300_000);
    assert!(fs::read(&to).await.unwrap() == pattern(0, 300_000));
}

async fn deep_directories() {
    let dir = temp();
    let path = dir.path().join("a/b/c/d");
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let path = path.clone();
            maniac_runtime::spawn(async move { fs::create_dir_all(&path).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    fs::create_dir_all("").await.unwrap();
    fs::create_dir_all("/").await.unwrap();
    fs::write(path.join("file"), "").await.unwrap();
    assert_eq!(fs::create_dir_all(path.join("file/e")).await.unwrap_err().kind(), ErrorKind::NotADirectory);
    assert_eq!(fs::create_dir_all(path.join("file")).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
}

async fn missing_things() {
    let missing = temp().path().join("missing");
    assert_eq!(File::open(&missing).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::read(&missing).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::read_dir(&missing).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::metadata(&missing).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::remove_file(&missing).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::remove_dir_all(&missing).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::copy(&missing, "/tmp/never").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::rename(&missing, "/tmp/never").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::create_dir(missing.join("sub")).await.unwrap_err().kind(), ErrorKind::NotFound);
}
