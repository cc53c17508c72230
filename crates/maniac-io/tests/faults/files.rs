//! Disks that fail, are read-only or full, and a system with too many files.

use crate::support::assert_errno;
use crate::{EIO, ENFILE, ENOSPC, EROFS, by_calls, is_child, refuse};
use maniac_io::fs::{self, Dir, File, OpenOptions};
use maniac_io::io::AsyncWriteExt;

on_both_drivers! {
    reads_fail writes_fail read_only too_many_files full
}

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A file that is open to read and write, of ten bytes.
async fn file(dir: &tempfile::TempDir) -> File {
    let path = dir.path().join("file");
    fs::write(&path, "0123456789").await.unwrap();
    OpenOptions::new().read(true).write(true).open(path).await.unwrap()
}

async fn reads_fail() {
    if !is_child("files::reads_fail").await {
        return;
    }
    let dir = temp();
    let mut file = file(&dir).await;
    file.read_exact(&mut [0; 4]).await.unwrap();
    refuse(&[libc::SYS_preadv2, libc::SYS_pread64, libc::SYS_preadv], EIO);
    assert_errno(file.read(&mut [0; 4]).await, EIO);
    assert_errno(file.read_at(&mut [0; 4], 0).await, EIO);
    assert_errno(file.read_to_end(&mut Vec::new()).await, EIO);
    let (result, buf) = file.read_owned_at(vec![7; 4], 0).await;
    assert_errno(result, EIO);
    assert_eq!(buf, [7; 4], "the buffer comes back as it was");
    // The cursor stands where it stood, and all else goes on.
    assert_eq!(file.stream_position().await.unwrap(), 4);
    file.write_all(b"x").await.unwrap();
    file.sync_all().await.unwrap();
    drop(file);
    let (mut a, mut b) = maniac_io::net::UnixStream::pair().unwrap();
    a.write_all(b"socket").await.unwrap();
    b.read_exact(&mut [0; 6]).await.unwrap();
}

async fn writes_fail() {
    if !is_child("files::writes_fail").await {
        return;
    }
    let dir = temp();
    let mut file = file(&dir).await;
    refuse(&[libc::SYS_pwritev2, libc::SYS_pwrite64, libc::SYS_pwritev], EIO);
    assert_errno(file.write(b"lost").await, EIO);
    assert_errno(file.write_all_at(b"lost", 0).await, EIO);
    let (result, buf) = file.write_owned_at(b"kept".to_vec(), 0).await;
    assert_errno(result, EIO);
    assert_eq!(buf, b"kept");
    // Told when it is written, or by the next call: once.
    match AsyncWriteExt::write(&mut file, b"lost").await {
        Ok(_) => assert_errno(AsyncWriteExt::flush(&mut file).await, EIO),
        Err(error) => assert_eq!(error.raw_os_error(), Some(EIO)),
    }
    AsyncWriteExt::flush(&mut file).await.unwrap();
    assert_eq!(file.stream_position().await.unwrap(), 0);
    assert_eq!(fs::read(dir.path().join("file")).await.unwrap(), b"0123456789");
    if by_calls().await {
        refuse(&[libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_ftruncate, libc::SYS_fallocate], EIO);
        assert_errno(file.sync_all().await, EIO);
        assert_errno(file.sync_data().await, EIO);
        assert_errno(file.set_len(3).await, EIO);
        assert_errno(file.allocate(0, 100).await, EIO);
        assert_eq!(fs::metadata(dir.path().join("file")).await.unwrap().len(), 10);
    }
}

async fn read_only() {
    if !is_child("files::read_only").await {
        return;
    }
    let dir = temp();
    drop(file(&dir).await);
    let (from, to) = (dir.path().join("file"), dir.path().join("other"));
    let open = Dir::open(dir.path()).await.unwrap();
    let calls = [
        libc::SYS_unlinkat,
        libc::SYS_renameat,
        libc::SYS_renameat2,
        libc::SYS_mkdirat,
        libc::SYS_linkat,
        libc::SYS_symlinkat,
        libc::SYS_fchmod,
        libc::SYS_fchmodat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_chmod,
    ];
    refuse(&calls, EROFS);
    let permissions = fs::metadata(&from).await.unwrap().permissions();
    assert_errno(fs::set_permissions(&from, permissions.clone()).await, EROFS);
    assert_errno(File::open(&from).await.unwrap().set_permissions(permissions).await, EROFS);
    if by_calls().await {
        assert_errno(fs::remove_file(&from).await, EROFS);
        assert_errno(fs::remove_dir(&from).await, EROFS);
        assert_errno(fs::rename(&from, &to).await, EROFS);
        assert_errno(fs::create_dir(&to).await, EROFS);
        assert_errno(fs::create_dir_all(to.join("deep")).await, EROFS);
        assert_errno(fs::hard_link(&from, &to).await, EROFS);
        assert_errno(fs::symlink(&from, &to).await, EROFS);
        assert_errno(open.unlink_at("file").await, EROFS);
        assert_errno(open.create_dir_at("other").await, EROFS);
    }
    assert_eq!(fs::read(&from).await.unwrap(), b"0123456789");
    assert!(!fs::try_exists(&to).await.unwrap());
    // So that the directory can be removed: by its parent, which has no filter.
    drop(open);
    let _left_to_the_parent = dir.keep();
}

async fn too_many_files() {
    if !is_child("files::too_many_files").await {
        return;
    }
    let dir = temp();
    let kept = file(&dir).await;
    let path = dir.path().join("file");
    refuse(&[libc::SYS_openat2, libc::SYS_openat], ENFILE);
    assert_errno(File::open(&path).await, ENFILE);
    assert_errno(fs::read(&path).await, ENFILE);
    assert_errno(fs::read_dir(dir.path()).await, ENFILE);
    assert_errno(fs::copy(&path, dir.path().join("copy")).await, ENFILE);
    if by_calls().await {
        assert_errno(File::create(&path).await, ENFILE);
        assert_errno(fs::write(&path, "lost").await, ENFILE);
    }
    let mut buf = [0; 10];
    kept.read_exact_at(&mut buf, 0).await.unwrap();
    assert_eq!(&buf, b"0123456789", "what is open stays so, and nothing was emptied");
    fs::remove_file(path).await.unwrap();
    let _left_to_the_parent = dir.keep();
}

async fn full() {
    if !is_child("files::full").await {
        return;
    }
    let dir = temp();
    let mut sink = file(&dir).await;
    let mut source = File::open("/proc/self/status").await.unwrap();
    refuse(&[libc::SYS_pwritev2, libc::SYS_pwrite64, libc::SYS_pwritev], ENOSPC);
    assert_errno(maniac_io::io::copy(&mut source, &mut sink).await, ENOSPC);
    refuse(&[libc::SYS_copy_file_range], ENOSPC);
    let mut source = File::open(dir.path().join("file")).await.unwrap();
    assert_errno(maniac_io::io::copy(&mut source, &mut sink).await, ENOSPC);
    assert_eq!(source.stream_position().await.unwrap(), 0, "nothing was taken");
}
