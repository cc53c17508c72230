//! Paths.

use crate::support::{Rig, errno};
use maniac_driver::SharedFd;
use maniac_driver::op::path::OpenHow;
use maniac_driver::op::{
    Inline, LinkAt, MkdirAt, OpenAt, ReadLinkAt, RenameAt, StatAt, SymlinkAt, UnlinkAt, WriteAt, try_inline,
};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

fn directory(rig: &Rig) -> SharedFd {
    SharedFd::new(std::fs::File::open(rig.dir.path()).unwrap().into())
}

pub fn opens_and_creates(rig: &mut Rig) {
    let path = rig.dir.join("new");
    let how = OpenHow::new(libc::O_CREAT | libc::O_EXCL | libc::O_RDWR).mode(0o600);
    let fd = rig.run(OpenAt::new(None, &path, how).unwrap()).unwrap();
    // SAFETY: takes no pointer.
    assert_ne!(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) } & libc::FD_CLOEXEC, 0);
    let (result, _) = rig.run(WriteAt::new(SharedFd::new(fd), b"hello", 0));
    assert_eq!(result.unwrap(), 5);
    assert_eq!(std::fs::read(&path).unwrap(), b"hello");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(errno(rig.run(OpenAt::new(None, &path, how).unwrap())), libc::EEXIST);
    // Creating is never done inline.
    assert!(matches!(try_inline(OpenAt::new(None, &path, how).unwrap()), Inline::Pending(_)));
    match try_inline(OpenAt::new(None, &path, OpenHow::new(libc::O_RDONLY)).unwrap()) {
        Inline::Done(result) => drop(result.unwrap()),
        Inline::Pending(op) => drop(rig.run(op).unwrap()),
    }
}

pub fn open_errors(rig: &mut Rig) {
    let missing = rig.dir.join("missing");
    let read = OpenHow::new(libc::O_RDONLY);
    assert_eq!(errno(rig.run(OpenAt::new(None, &missing, read).unwrap())), libc::ENOENT);
    rig.dir.file("file", b"");
    let below = rig.dir.join("file/below");
    assert_eq!(errno(rig.run(OpenAt::new(None, &below, read).unwrap())), libc::ENOTDIR);
    assert_eq!(errno(rig.run(OpenAt::new(None, "", read).unwrap())), libc::ENOENT);
}

/// `RESOLVE_NO_SYMLINKS` and `RESOLVE_BENEATH` of openat2(2).
pub fn resolves(rig: &mut Rig) {
    rig.dir.file("file", b"");
    std::os::unix::fs::symlink("file", rig.dir.join("link")).unwrap();
    let dir = directory(rig);
    let read = OpenHow::new(libc::O_RDONLY);
    rig.run(OpenAt::new(Some(dir.clone()), "link", read.resolve(0x08)).unwrap()).unwrap();
    let op = OpenAt::new(Some(dir.clone()), "link", read.resolve(0x04)).unwrap();
    assert_eq!(errno(rig.run(op)), libc::ELOOP);
    let op = OpenAt::new(Some(dir), "../file", read.resolve(0x08)).unwrap();
    assert_eq!(errno(rig.run(op)), libc::EXDEV);
}

pub fn opens_below_a_directory(rig: &mut Rig) {
    rig.dir.file("file", b"");
    let dir = directory(rig);
    rig.run(OpenAt::new(Some(dir.clone()), "file", OpenHow::new(libc::O_RDONLY)).unwrap()).unwrap();
    rig.run(MkdirAt::new(Some(dir.clone()), "sub", 0o700).unwrap()).unwrap();
    rig.run(RenameAt::new(Some(dir.clone()), "file", Some(dir.clone()), "sub/file").unwrap()).unwrap();
    assert!(rig.run(StatAt::new(Some(dir.clone()), "sub/file", true).unwrap()).unwrap().is_file());
    rig.run(UnlinkAt::file(Some(dir.clone()), "sub/file").unwrap()).unwrap();
    rig.run(UnlinkAt::directory(Some(dir), "sub").unwrap()).unwrap();
    assert_eq!(std::fs::read_dir(rig.dir.path()).unwrap().count(), 0);
}

pub fn unlinks(rig: &mut Rig) {
    rig.dir.file("file", b"");
    std::fs::create_dir(rig.dir.join("sub")).unwrap();
    let path = rig.dir.join("file");
    assert_eq!(errno(rig.run(UnlinkAt::directory(None, &path).unwrap())), libc::ENOTDIR);
    rig.run(UnlinkAt::file(None, &path).unwrap()).unwrap();
    assert_eq!(errno(rig.run(UnlinkAt::file(None, &path).unwrap())), libc::ENOENT);
    assert_eq!(errno(rig.run(UnlinkAt::file(None, rig.dir.join("sub")).unwrap())), libc::EISDIR);
    rig.run(UnlinkAt::directory(None, rig.dir.join("sub")).unwrap()).unwrap();
}

pub fn makes_directories(rig: &mut Rig) {
    let path = rig.dir.join("sub");
    rig.run(MkdirAt::new(None, &path, 0o700).unwrap()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(errno(rig.run(MkdirAt::new(None, &path, 0o700).unwrap())), libc::EEXIST);
    std::fs::write(path.join("file"), b"").unwrap();
    assert_eq!(errno(rig.run(UnlinkAt::directory(None, &path).unwrap())), libc::ENOTEMPTY);
}

pub fn renames(rig: &mut Rig) {
    rig.dir.file("a", b"a");
    rig.dir.file("b", b"b");
    let (a, b) = (rig.dir.join("a"), rig.dir.join("b"));
    // RENAME_NOREPLACE, then RENAME_EXCHANGE
    assert_eq!(errno(rig.run(RenameAt::new(None, &a, None, &b).unwrap().flags(1))), libc::EEXIST);
    rig.run(RenameAt::new(None, &a, None, &b).unwrap().flags(2)).unwrap();
    assert_eq!(std::fs::read(&a).unwrap(), b"b");
    rig.run(RenameAt::new(None, &a, None, &b).unwrap()).unwrap();
    assert_eq!(std::fs::read(&b).unwrap(), b"b");
    assert_eq!(errno(rig.run(RenameAt::new(None, &a, None, &b).unwrap())), libc::ENOENT);
}

pub fn links(rig: &mut Rig) {
    rig.dir.file("a", b"a");
    let (a, b) = (rig.dir.join("a"), rig.dir.join("b"));
    rig.run(LinkAt::new(None, &a, None, &b).unwrap()).unwrap();
    assert_eq!(rig.run(StatAt::new(None, &b, true).unwrap()).unwrap().nlink, 2);
    assert_eq!(errno(rig.run(LinkAt::new(None, &a, None, &b).unwrap())), libc::EEXIST);
}

pub fn symlinks(rig: &mut Rig) {
    let link = rig.dir.join("link");
    let long = "x".repeat(300);
    rig.run(SymlinkAt::new(&long, None, &link).unwrap()).unwrap();
    assert_eq!(rig.run(ReadLinkAt::new(None, &link).unwrap()).unwrap(), std::path::Path::new(&long));
    assert_eq!(errno(rig.run(SymlinkAt::new("y", None, &link).unwrap())), libc::EEXIST);
    assert!(rig.run(StatAt::new(None, &link, false).unwrap()).unwrap().is_symlink());
    let dangling = rig.run(StatAt::new(None, &link, true).unwrap()).unwrap_err().raw_os_error();
    assert!(matches!(dangling, Some(libc::ENOENT | libc::ENAMETOOLONG)));
    assert_eq!(errno(rig.run(ReadLinkAt::new(None, rig.dir.path()).unwrap())), libc::EINVAL);
}

pub fn stats_paths(rig: &mut Rig) {
    assert!(rig.run(StatAt::new(None, rig.dir.path(), true).unwrap()).unwrap().is_dir());
    assert_eq!(errno(rig.run(StatAt::new(None, rig.dir.join("missing"), true).unwrap())), libc::ENOENT);
    let dir = directory(rig);
    assert_eq!(errno(rig.run(StatAt::new(Some(dir), "", true).unwrap())), libc::ENOENT);
}

pub fn zero_byte_in_path(_: &mut Rig) {
    let error = OpenAt::new(None, "a\0b", OpenHow::new(0)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
