//! Files.

use crate::support::{self, Rig, both, errno, peek};
use maniac_driver::buf::{AlignedBuf, BufferPool, BufferPoolConfig, Slice};
use maniac_driver::op::{
    Allocate, Fsync, Inline, Read, ReadAt, ReadVectoredAt, StatFile, SyncRange, Truncate, Write, WriteAt,
    WriteVectoredAt, try_inline,
};
use maniac_driver::{Completions, SharedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

pub fn reads_at_an_offset(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello, world");
    let (result, buf) = rig.run(ReadAt::new(file, Vec::with_capacity(5), 7));
    assert_eq!(result.unwrap(), 5);
    assert_eq!(buf, b"world");
}

pub fn reads_short_at_the_end(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    let (result, buf) = rig.run(ReadAt::new(file.clone(), vec![b'x'; 100], 3));
    assert_eq!(result.unwrap(), 2);
    assert_eq!(buf, b"lo");
    let (result, buf) = rig.run(ReadAt::new(file, vec![b'x'; 100], 5));
    assert_eq!(result.unwrap(), 0);
    assert_eq!(buf, b"");
}

pub fn writes_at_an_offset(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello, world");
    let (result, buf) = rig.run(WriteAt::new(file, b"W".to_vec(), 7));
    assert_eq!(result.unwrap(), 1);
    assert_eq!(buf, b"W");
    assert_eq!(std::fs::read(rig.dir.join("a")).unwrap(), b"hello, World");
}

pub fn vectored(rig: &mut Rig) {
    let file = rig.dir.file("a", b"");
    let parts = vec![b"one".to_vec(), b"".to_vec(), b"three".to_vec()];
    let (result, parts) = rig.run(WriteVectoredAt::new(file.clone(), parts, 2));
    assert_eq!(result.unwrap(), 8);
    assert_eq!(parts[2], b"three");
    let bufs = vec![Vec::with_capacity(4), Vec::with_capacity(4), Vec::with_capacity(100)];
    let (result, bufs) = rig.run(ReadVectoredAt::new(file, bufs, 1));
    assert_eq!(result.unwrap(), 9);
    assert_eq!(bufs[0], b"\0one");
    assert_eq!(bufs[1], b"thre");
    assert_eq!(bufs[2], b"e");
}

/// A thread finds out, once for each descriptor at most, that no program serves the file; from then on the ring does without threads.
pub fn by_the_ring_once_known(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    rig.run(WriteAt::new(file.clone(), b"H".to_vec(), 0)).0.unwrap();
    let before = rig.driver.metrics().offloaded;
    let (result, buf) = rig.run(ReadAt::new(file.clone(), Vec::with_capacity(5), 0));
    assert_eq!((result.unwrap(), &buf[..]), (5, &b"Hello"[..]));
    rig.run(WriteAt::new(file, b"h".to_vec(), 0)).0.unwrap();
    let (result, buf) = rig.run(Read::new(rig.dir.file("a", b"hello"), vec![0; 9]));
    assert_eq!((result.unwrap(), &buf[..]), (5, &b"hello"[..]));
    let by_threads = rig.driver.metrics().offloaded - before;
    assert_eq!(by_threads, if rig.flavour.in_ring() && !support::is_bare() { 0 } else { 2 });
}

pub fn fsync(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    rig.run(Fsync::new(file.clone())).unwrap();
    rig.run(Fsync::data(file)).unwrap();
    let (reader, _writer) = crate::support::pipe();
    assert_eq!(errno(rig.run(Fsync::new(reader))), libc::EINVAL);
}

pub fn syncs_ranges(rig: &mut Rig) {
    let file = rig.dir.file("a", &[7; 100_000]);
    // The last is longer than an entry of the ring can say.
    for (offset, len) in [(0, 0), (4096, 8192), (1, 1), (90_000, 1 << 40)] {
        rig.run(SyncRange::new(file.clone(), offset, len)).unwrap();
    }
    assert_eq!(errno(rig.run(SyncRange::new(file.clone(), u64::MAX, 1))), libc::EINVAL);
    assert_eq!(errno(rig.run(SyncRange::new(file, 1, u64::MAX))), libc::EINVAL);
    let (reader, _writer) = crate::support::pipe();
    assert_eq!(errno(rig.run(SyncRange::new(reader, 0, 0))), libc::ESPIPE);
}

pub fn allocates(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    match rig.run(Allocate::new(file.clone(), 0, 8192)) {
        Ok(()) => assert_eq!(rig.run(StatFile::new(file.clone())).unwrap().size, 8192),
        // Not every file system can.
        Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP)),
    }
    let error = errno(rig.run(Allocate::with_mode(file, 1 << 30, 0, 8192)));
    assert_eq!(error, libc::EOPNOTSUPP);
}

pub fn truncates(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    rig.run(Truncate::new(file.clone(), 2)).unwrap();
    assert_eq!(std::fs::read(rig.dir.join("a")).unwrap(), b"he");
    rig.run(Truncate::new(file.clone(), 4)).unwrap();
    assert_eq!(std::fs::read(rig.dir.join("a")).unwrap(), b"he\0\0");
    rig.run(Truncate::new(file, u64::MAX)).unwrap_err();
}

pub fn stats(rig: &mut Rig) {
    use std::os::unix::fs::MetadataExt;
    let file = rig.dir.file("a", b"hello");
    let ours = rig.run(StatFile::new(file.clone())).unwrap();
    let theirs = std::fs::metadata(rig.dir.join("a")).unwrap();
    assert_eq!((ours.size, ours.ino, ours.mode), (5, theirs.ino(), theirs.mode()));
    assert_eq!(
        (ours.dev, ours.nlink, ours.uid, ours.gid),
        (theirs.dev(), theirs.nlink(), theirs.uid(), theirs.gid())
    );
    assert_eq!((ours.blocks, ours.blksize, ours.rdev), (theirs.blocks(), theirs.blksize(), theirs.rdev()));
    assert_eq!((ours.mtime.secs, i64::from(ours.mtime.nanos)), (theirs.mtime(), theirs.mtime_nsec()));
    assert_eq!((ours.ctime.secs, i64::from(ours.ctime.nanos)), (theirs.ctime(), theirs.ctime_nsec()));
    assert_eq!((ours.atime.secs, i64::from(ours.atime.nanos)), (theirs.atime(), theirs.atime_nsec()));
    assert!(ours.is_file() && !ours.is_dir() && !ours.is_symlink());
    let Inline::Done(inline) = try_inline(StatFile::new(file)) else { panic!("a plain call is made") };
    assert_eq!(inline.unwrap(), ours);
}

/// The number of a descriptor that was closed behind the owner's back gives EBADF.
pub fn bad_descriptor(rig: &mut Rig) {
    let directory = SharedFd::new(std::fs::File::open(rig.dir.path()).unwrap().into());
    let (result, buf) = rig.run(ReadAt::new(directory, vec![0; 10], 0));
    assert_eq!(errno(result), libc::EISDIR);
    assert_eq!(buf, [0; 10]);
}

pub fn wrong_mode(rig: &mut Rig) {
    rig.dir.file("a", b"hello");
    let read_only = SharedFd::new(std::fs::File::open(rig.dir.join("a")).unwrap().into());
    let (result, buf) = rig.run(WriteAt::new(read_only, b"x".to_vec(), 0));
    assert_eq!(errno(result), libc::EBADF);
    assert_eq!(buf, b"x");
}

/// Offsets that the system would take for negative ones, of which it takes -1 for the file's own position.
pub fn offsets_beyond_all(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    for at in [u64::MAX, u64::MAX - 1, 1 << 63] {
        assert_eq!(errno(rig.run(ReadAt::new(file.clone(), vec![0; 10], at)).0), libc::EINVAL);
        assert_eq!(errno(rig.run(WriteAt::new(file.clone(), b"x", at)).0), libc::EINVAL);
        assert_eq!(errno(rig.run(ReadVectoredAt::new(file.clone(), vec![vec![0; 10]], at)).0), libc::EINVAL);
        assert_eq!(errno(rig.run(WriteVectoredAt::new(file.clone(), vec![b"x"], at)).0), libc::EINVAL);
        assert_eq!(errno(maniac_driver::sys::read_at_nowait(&file, &mut [0; 10], at)), libc::EINVAL);
        assert_eq!(errno(maniac_driver::sys::write_at_nowait(&file, b"x", at)), libc::EINVAL);
    }
    assert_eq!(std::fs::read(rig.dir.join("a")).unwrap(), b"hello");
}

pub fn every_buffer_type(rig: &mut Rig) {
    let file = rig.dir.file("a", b"");
    let mut at = 0;
    macro_rules! write {
        ($($buf:expr),+) => {
            $(let (result, _) = rig.run(WriteAt::new(file.clone(), $buf, at));
            at += result.unwrap() as u64;)+
        };
    }
    write!(
        b"a".to_vec(),
        Box::<[u8]>::from(*b"b"),
        *b"c",
        Box::new(*b"d"),
        &b"e"[..],
        "f",
        String::from("g")
    );
    write!(
        Arc::<[u8]>::from(*b"h"),
        Arc::new(b"i".to_vec()),
        Box::<str>::from("j"),
        Slice::new(b"xkx".to_vec(), 1..2)
    );
    assert_eq!((&std::fs::read(rig.dir.join("a")).unwrap()[..], at), (&b"abcdefghijk"[..], 11));
    macro_rules! read {
        ($buf:expr) => {{
            let (result, buf) = rig.run(ReadAt::new(file.clone(), $buf, 0));
            assert!(result.unwrap() > 0);
            buf
        }};
    }
    assert_eq!(read!(Vec::with_capacity(3))[..], *b"abc");
    assert_eq!(read!(vec![0; 3].into_boxed_slice())[..], *b"abc");
    assert_eq!(read!([0; 3]), *b"abc");
    assert_eq!(*read!(Box::new([0; 3])), *b"abc");
    let mut half = Vec::with_capacity(6);
    half.extend_from_slice(b"xyz");
    assert_eq!(read!(Slice::new(half, 3..)).into_inner(), b"xyzabc");
    let pool = BufferPool::new(BufferPoolConfig::new());
    assert_eq!(read!(pool.try_acquire(100).unwrap())[..], *b"abcdefghijk");
    assert_eq!(pool.stats().lent, 0);
    #[cfg(feature = "bytes")]
    {
        assert_eq!(read!(bytes::BytesMut::with_capacity(3))[..3], *b"abc");
        let (result, _) = rig.run(WriteAt::new(file.clone(), bytes::Bytes::from_static(b"z"), 0));
        assert_eq!(result.unwrap(), 1);
    }
}

pub fn direct(rig: &mut Rig) {
    rig.dir.file("a", &[7; 8192]);
    let opened =
        std::fs::File::options().read(true).write(true).custom_flags(libc::O_DIRECT).open(rig.dir.join("a"));
    // Not every file system can.
    let Ok(file) = opened else { return };
    let file = SharedFd::new(file.into());
    let buf = AlignedBuf::new(4096, 4096).unwrap();
    let (result, mut buf) = rig.run(ReadAt::new(file.clone(), buf, 4096));
    assert_eq!(result.unwrap(), 4096);
    assert!(buf.iter().all(|&byte| byte == 7));
    buf.fill(9);
    let (result, _) = rig.run(WriteAt::new(file.clone(), buf, 0));
    assert_eq!(result.unwrap(), 4096);
    assert_eq!(std::fs::read(rig.dir.join("a")).unwrap()[4095..4097], [9, 7]);
}

pub fn many_at_once(rig: &mut Rig) {
    let contents: Vec<u8> = (0..100_000u32).map(|at| (at % 251) as u8).collect();
    let file = rig.dir.file("a", &contents);
    let ops: Vec<_> = (0..1000)
        .map(|at| rig.driver.submit_with_token(ReadAt::new(file.clone(), [0; 100], at * 100), at))
        .collect();
    let mut seen = vec![false; ops.len()];
    let mut done = Completions::new();
    let mut left = ops.len();
    while left > 0 {
        rig.driver.poll(Some(crate::support::PATIENCE), &mut done).unwrap();
        for token in done.tokens() {
            assert!(!std::mem::replace(&mut seen[token as usize], true), "token {token} came twice");
            left -= 1;
        }
    }
    for (at, op) in ops.into_iter().enumerate() {
        let (result, buf) = op.try_take().expect("complete, since its token came");
        assert_eq!(result.unwrap(), 100);
        assert_eq!(buf, contents[at * 100..][..100]);
    }
    // A thread of the pool says so a moment after it has completed the last one.
    rig.until(|driver| driver.in_flight() == 0);
}

pub fn inline_when_cached(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    let before = rig.driver.metrics();
    match try_inline(ReadAt::new(file.clone(), vec![0; 10], 0)) {
        Inline::Done((result, buf)) => {
            assert_eq!(result.unwrap(), 5);
            assert_eq!(buf, b"hello");
        }
        // The file system does not know RWF_NOWAIT.
        Inline::Pending(op) => assert_eq!(rig.run(op).0.unwrap(), 5),
    }
    let mut buf = [0; 3];
    if let Some(count) = maniac_driver::sys::read_at_nowait(&file, &mut buf, 1).unwrap() {
        assert_eq!((count, &buf), (3, b"ell"));
        assert_eq!(rig.driver.metrics(), before);
    }
}

pub fn inline_write(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    match try_inline(WriteAt::new(file.clone(), b"J".to_vec(), 0)) {
        Inline::Done((result, _)) => assert_eq!(result.unwrap(), 1),
        Inline::Pending(op) => assert_eq!(rig.run(op).0.unwrap(), 1),
    }
    if let Some(count) = maniac_driver::sys::write_at_nowait(&file, b"y", 4).unwrap() {
        assert_eq!(count, 1);
        assert_eq!(std::fs::read(rig.dir.join("a")).unwrap(), b"Jelly");
    }
}

/// Pipes: reads wait for writes, and writes for room.
pub fn streams(rig: &mut Rig) {
    let (reader, writer) = crate::support::pipe();
    let mut read = rig.driver.submit(Read::new(reader.clone(), vec![0; 10]));
    rig.glance();
    assert!(peek(&mut read).is_pending());
    let write = rig.driver.submit(Write::new(writer.clone(), b"hello".to_vec()));
    let ((read, buf), (written, _)) = rig.wait(both(read, write));
    assert_eq!((read.unwrap(), written.unwrap()), (5, 5));
    assert_eq!(buf, b"hello");
    drop(writer);
    let (end, _) = rig.run(Read::new(reader, vec![0; 10]));
    assert_eq!(end.unwrap(), 0);
}
