//! A disk that moves less than it is asked for, fails amid a transfer or is full there, at every length: what was written is what was
//! asked for, in order, none of it twice; what was read is whole; and the count says what was done.
//!
//! The disk is a file system in memory (`scripts/faulty-disk.mjs`), whose answers the kernel passes on, to a ring and to a plain call alike. A file's name
//! says what it does. Needs node, and /dev/fuse in a mount namespace; says so where there is none.

use crate::support::{assert_errno, pattern};
use crate::{EIO, EMFILE, ENFILE, ENOSPC, EROFS};
use maniac_io::fs::{self, Dir, File, OpenOptions, splice};
use maniac_io::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter, copy};
use maniac_io::net::{UnixStream, pipe};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};

on_both_drivers! {
    whole cursor positioned owned vectored unknown written_behind copies splices bad_from_some_byte_on full_from_some_byte_on nothing_written not_opened no_room read_only
}

/// Each transfer is cut at each length below this, and at this.
const LEN: usize = 23;
const DISK: &str = "MANIAC_FAULTY_DISK";
/// The disk could not be had.
const NOT_RUN: i32 = 77;

/// The disk; else none, after `test` of this program was run alone with it, and passed.
async fn disk(test: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(DISK) {
        return Some(path.into());
    }
    let name = format!("disk::{test}::{}", crate::support::metrics().await.0);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/faulty-disk.mjs");
    if !script.exists() {
        eprintln!("skipped: {} is not there", script.display());
        return None;
    }
    let run = move || {
        let program = std::env::current_exe().unwrap();
        let mut command = std::process::Command::new("node");
        command.arg(script).arg(program).args([&name, "--exact", "--nocapture", "--test-threads=1"]).output()
    };
    let output = match maniac_runtime::blocking::unblock(run).await {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: node could not be started: {error}");
            return None;
        }
    };
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(NOT_RUN) {
        eprintln!("skipped: {why}");
        return None;
    }
    assert!(output.status.success() && said.contains("1 passed"), "{said}{why}");
    // The faults that the test is about took place.
    assert!(!said.contains("did less 0 times and refused 0 times"), "{said}");
    None
}

/// A new file on the disk that cuts each transfer to `most` bytes.
fn cutting(disk: &Path, most: usize, name: &str) -> PathBuf {
    disk.join(format!("cut-{most}-{name}"))
}

async fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).await.unwrap()
}

/// What the file holds, by the standard library's own reading.
async fn content(path: &Path) -> Vec<u8> {
    let path = path.to_owned();
    maniac_runtime::blocking::unblock(move || std::fs::read(path)).await.unwrap()
}

async fn whole() {
    let Some(disk) = disk("whole").await else { return };
    let text: String = ('a'..='z').take(LEN).collect();
    for most in 1..=LEN {
        let path = cutting(&disk, most, "whole");
        fs::write(&path, &text).await.unwrap();
        assert_eq!(content(&path).await, text.as_bytes());
        assert_eq!(fs::read(&path).await.unwrap(), text.as_bytes());
        assert_eq!(fs::read_to_string(&path).await.unwrap(), text);
        let to = cutting(&disk, most, "copy");
        assert_eq!(fs::copy(&path, &to).await.unwrap(), LEN as u64);
        assert_eq!(content(&to).await, text.as_bytes());
    }
    // Longer than a worker copies at a time, and than the kernel hands over at once.
    let (path, long) = (cutting(&disk, 99_991, "long"), pattern(0, 3 << 20));
    fs::write(&path, &long).await.unwrap();
    assert!(content(&path).await == long && fs::read(&path).await.unwrap() == long);
}

async fn cursor() {
    let Some(disk) = disk("cursor").await else { return };
    for most in 1..=LEN {
        let path = cutting(&disk, most, "cursor");
        let mut file = open(&path).await;
        assert_eq!(file.write(&pattern(0, LEN)).await.unwrap(), most, "a write is one, and says how much");
        file.write_all(&pattern(most as u64, 2 * LEN - most)).await.unwrap();
        assert_eq!(file.stream_position().await.unwrap(), 2 * LEN as u64);
        assert_eq!(content(&path).await, pattern(0, 2 * LEN));

        file.rewind().await.unwrap();
        assert_eq!(file.read(&mut [0; LEN]).await.unwrap(), most, "so is a read");
        let mut exact = [0; LEN];
        file.read_exact(&mut exact).await.unwrap();
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).await.unwrap();
        assert_eq!([&exact[..], &rest].concat(), pattern(most as u64, 2 * LEN - most));
        assert_eq!(file.read_exact(&mut [0]).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);

        let mut end = OpenOptions::new().append(true).open(&path).await.unwrap();
        end.write_all(&pattern(2 * LEN as u64, LEN)).await.unwrap();
        assert_eq!(content(&path).await, pattern(0, 3 * LEN), "appended piece by piece");
    }
}

async fn positioned() {
    let Some(disk) = disk("positioned").await else { return };
    for most in 1..=LEN {
        let path = cutting(&disk, most, "positioned");
        let file = open(&path).await;
        for at in [0, 1, 7] {
            file.write_all_at(&pattern(at, LEN), at).await.unwrap();
            let mut buf = [0; LEN];
            file.read_exact_at(&mut buf, at).await.unwrap();
            assert_eq!(buf, *pattern(at, LEN));
            assert_eq!(file.read_at(&mut buf, at).await.unwrap(), most);
            assert_eq!(file.write_at(&buf, at).await.unwrap(), most);
        }
        assert_eq!(content(&path).await, pattern(0, LEN + 7));
    }
}

async fn owned() {
    let Some(disk) = disk("owned").await else { return };
    for most in 1..=LEN {
        let path = cutting(&disk, most, "owned");
        let file = open(&path).await;
        let (result, buf) = file.write_all_owned_at(pattern(0, LEN), 0).await;
        result.unwrap();
        assert_eq!((buf, content(&path).await), (pattern(0, LEN), pattern(0, LEN)));
        let (result, buf) = file.write_owned_at(pattern(0, LEN), 0).await;
        assert_eq!((result.unwrap(), buf.len()), (most, LEN));
        let (result, buf) = file.read_owned_at(Vec::with_capacity(LEN), 0).await;
        assert_eq!((result.unwrap(), buf), (most, pattern(0, most)), "as long as what was read");
    }
}

/// A disk that does not say what it is is none that a ring is trusted with; nor is what was learnt of another that lies beside it held for it.
async fn unknown() {
    let Some(disk) = disk("unknown").await else { return };
    for most in 1..=LEN {
        fs::write(disk.join("../small/file"), pattern(0, LEN)).await.unwrap();
        let file = open(&disk.join(format!("mute-{most}-file"))).await;
        file.write_all_at(&pattern(0, LEN), 0).await.unwrap();
        let (result, buf) = file.read_owned_at(Vec::with_capacity(LEN), 0).await;
        assert_eq!((result.unwrap(), buf), (most, pattern(0, most)));
        let (result, _) = file.write_owned_at(pattern(0, LEN), 0).await;
        assert_eq!(result.unwrap(), most);
        let mut all = vec![0; LEN];
        file.read_exact_at(&mut all, 0).await.unwrap();
        assert_eq!(all, pattern(0, LEN));
    }
}

/// One call is one transfer, or several up to the first that is cut: the count is always that of the bytes from the front.
async fn vectored() {
    let Some(disk) = disk("vectored").await else { return };
    for most in 1..=LEN {
        for split in 0..=LEN {
            let path = cutting(&disk, most, "vectored");
            let (file, data) = (open(&path).await, pattern(0, LEN));
            let (a, b) = data.split_at(split);
            let count = file.write_vectored_at(&[IoSlice::new(a), IoSlice::new(b)], 0).await.unwrap();
            assert!((most.min(LEN)..=LEN).contains(&count));
            assert_eq!(content(&path).await, data[..count], "{most} of {split}, of which {count}");

            file.set_len(0).await.unwrap();
            let (result, bufs) = file.write_vectored_owned_at(vec![a.to_vec(), b.to_vec()], 0).await;
            let count = result.unwrap();
            assert_eq!((count, bufs.concat()), (most, data.clone()));
            assert_eq!(content(&path).await, data[..count]);

            file.write_all_at(&data, 0).await.unwrap();
            let (mut c, mut d) = (vec![0; split], vec![0; LEN - split]);
            let mut parts = [IoSliceMut::new(&mut c), IoSliceMut::new(&mut d)];
            let count = file.read_vectored_at(&mut parts, 0).await.unwrap();
            assert!((most.min(LEN)..=LEN).contains(&count));
            assert_eq!([c, d].concat()[..count], data[..count]);

            let bufs = vec![Vec::with_capacity(split), Vec::with_capacity(LEN - split)];
            let (result, bufs) = file.read_vectored_owned_at(bufs, 0).await;
            // Room beyond what was asked for may be there.
            let count = result.unwrap();
            assert_eq!(bufs.concat(), data[..count]);
        }
    }
}

async fn written_behind() {
    let Some(disk) = disk("written_behind").await else { return };
    for most in 1..=LEN {
        let path = cutting(&disk, most, "behind");
        let mut file = open(&path).await;
        for at in 0..5 {
            AsyncWriteExt::write_all(&mut file, &pattern(at * LEN as u64, LEN)).await.unwrap();
        }
        AsyncWriteExt::flush(&mut file).await.unwrap();
        assert_eq!(content(&path).await, pattern(0, 5 * LEN));

        let mut buffered = BufWriter::with_capacity(17, open(&path).await);
        for byte in pattern(0, 5 * LEN) {
            AsyncWriteExt::write_all(&mut buffered, &[byte]).await.unwrap();
        }
        AsyncWriteExt::flush(&mut buffered).await.unwrap();
        assert_eq!(content(&path).await, pattern(0, 5 * LEN));

        fs::write(&path, "one\ntwo, which is longer\n\nfour").await.unwrap();
        let mut lines = BufReader::with_capacity(5, File::open(&path).await.unwrap());
        let mut read = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            read.push(line);
        }
        assert_eq!(read, ["one", "two, which is longer", "", "four"]);
    }
}

/// All that is written to the other end.
fn collect(mut end: UnixStream) -> maniac_runtime::task::JoinHandle<Vec<u8>> {
    maniac_runtime::spawn(async move {
        let mut all = Vec::new();
        end.read_to_end(&mut all).await.unwrap();
        all
    })
}

/// Long enough that the kernel would move it by itself, short enough for each length.
const COPIED: usize = 300;

async fn copies() {
    let Some(disk) = disk("copies").await else { return };
    let data = pattern(0, COPIED);
    for most in (1..=LEN).chain([COPIED - 1]) {
        let (from, to) = (cutting(&disk, most, "from"), cutting(&disk, most, "to"));
        fs::write(&from, &data).await.unwrap();
        let (mut source, mut sink) = (File::open(&from).await.unwrap(), open(&to).await);
        assert_eq!(copy(&mut source, &mut sink).await.unwrap(), COPIED as u64);
        assert_eq!(content(&to).await, data);
        let positions = (source.stream_position().await.unwrap(), sink.stream_position().await.unwrap());
        assert_eq!(positions, (COPIED as u64, COPIED as u64));

        source.rewind().await.unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        let collecting = collect(far);
        assert_eq!(copy(&mut source, &mut near).await.unwrap(), COPIED as u64);
        drop(near);
        assert_eq!(collecting.await.unwrap(), data);

        let (mut near, mut far) = UnixStream::pair().unwrap();
        far.write_all(&data).await.unwrap();
        drop(far);
        let mut sink = open(&to).await;
        assert_eq!(copy(&mut near, &mut sink).await.unwrap(), COPIED as u64);
        assert_eq!(content(&to).await, data);
    }
}

/// Only what is written is cut: splice(2) reads by way of the page cache, where this disk would end at what it served.
async fn splices() {
    let Some(disk) = disk("splices").await else { return };
    let (from, data) = (disk.join("from"), pattern(0, COPIED));
    fs::write(&from, &data).await.unwrap();
    for most in (1..=LEN).chain([COPIED - 1]) {
        let to = cutting(&disk, most, "to");
        let (source, sink) = (File::open(&from).await.unwrap(), open(&to).await);
        // By way of the runtime's own pipe.
        assert_eq!(splice(&source, &sink, 2 * COPIED).await.unwrap(), COPIED);
        assert_eq!(content(&to).await, data);

        let ((mut sender, receiver), sink) = (pipe::pipe().unwrap(), open(&to).await);
        sender.write_all(&data).await.unwrap();
        drop(sender);
        assert_eq!(splice(receiver.fd(), &sink, 2 * COPIED).await.unwrap(), COPIED);
        assert_eq!(content(&to).await, data);

        let ((near, mut far), sink) = (UnixStream::pair().unwrap(), open(&to).await);
        far.write_all(&data).await.unwrap();
        drop(far);
        assert_eq!(splice(near.fd(), &sink, 2 * COPIED).await.unwrap(), COPIED);
        assert_eq!(content(&to).await, data);
    }
}

/// The error is the system's, and comes where the disk is bad: what lies before is read and written.
async fn bad_from_some_byte_on() {
    let Some(disk) = disk("bad_from_some_byte_on").await else { return };
    ends_at(&disk, "bad", EIO).await;
    for good in 0..LEN {
        let path = disk.join(format!("bad-{good}-read"));
        let mut file = open(&path).await;
        file.set_len(LEN as u64).await.unwrap();
        assert_errno(fs::read(&path).await, EIO);
        let mut part = Vec::new();
        assert_errno(file.read_to_end(&mut part).await, EIO);
        assert_eq!((part.len(), file.stream_position().await.unwrap()), (good, good as u64));
        assert_errno(file.read_exact_at(&mut [0; LEN], 0).await, EIO);
        let (mut near, far) = UnixStream::pair().unwrap();
        let collecting = collect(far);
        file.rewind().await.unwrap();
        assert_errno(copy(&mut file, &mut near).await, EIO);
        near.write_all(b"!").await.unwrap();
        drop(near);
        assert_eq!(collecting.await.unwrap(), [&vec![0; good][..], b"!"].concat(), "the socket goes on");
    }
}

async fn full_from_some_byte_on() {
    let Some(disk) = disk("full_from_some_byte_on").await else { return };
    ends_at(&disk, "full", ENOSPC).await;
}

/// Each way of writing brings all that has room, then fails; the cursor says how much that was, and what is read then is that.
async fn ends_at(disk: &Path, kind: &str, errno: i32) {
    let data = pattern(0, LEN);
    let source = disk.join("source");
    fs::write(&source, &data).await.unwrap();
    for room in 0..LEN {
        let path = disk.join(format!("{kind}-{room}-file"));
        let check = async |what: &str| {
            // A bad byte cannot be read, and none was written.
            let file = File::open(&path).await.unwrap();
            let mut got = vec![0; room];
            file.read_exact_at(&mut got, 0).await.unwrap();
            assert_eq!(
                (file.metadata().await.unwrap().len(), &got[..]),
                (room as u64, &data[..room]),
                "{what}"
            );
        };
        assert_errno(fs::write(&path, &data).await, errno);
        check("fs::write").await;
        let mut file = open(&path).await;
        assert_errno(file.write_all(&data).await, errno);
        assert_eq!(file.stream_position().await.unwrap(), room as u64);
        check("write_all").await;
        assert_errno(file.write_all_at(&data, 0).await, errno);
        let (result, kept) = file.write_all_owned_at(data.clone(), 0).await;
        assert_errno(result, errno);
        assert_eq!(kept, data);
        check("owned").await;
        assert_errno(behind(&mut open(&path).await, &data).await, errno);
        check("written behind").await;
        let mut from = File::open(&source).await.unwrap();
        assert_errno(copy(&mut from, &mut open(&path).await).await, errno);
        check("a copy").await;
    }
}

async fn behind(sink: &mut (impl AsyncWrite + Unpin), data: &[u8]) -> io::Result<()> {
    AsyncWriteExt::write_all(sink, data).await?;
    AsyncWriteExt::flush(sink).await
}

/// Not an error of the system's, and not a reason to try for ever.
async fn nothing_written() {
    let Some(disk) = disk("nothing_written").await else { return };
    let (path, source) = (disk.join("none-file"), disk.join("source"));
    fs::write(&source, "text").await.unwrap();
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    let mut file = open(&path).await;
    assert_eq!(kind(fs::write(&path, "text").await), ErrorKind::WriteZero);
    assert_eq!(kind(file.write_all(b"text").await), ErrorKind::WriteZero);
    assert_eq!(kind(file.write_all_at(b"text", 0).await), ErrorKind::WriteZero);
    assert_eq!(kind(file.write_all_owned_at(b"text".to_vec(), 0).await.0), ErrorKind::WriteZero);
    assert_eq!(kind(behind(&mut file, b"text").await), ErrorKind::WriteZero);
    assert_eq!(kind(behind(&mut BufWriter::new(file), b"text").await), ErrorKind::WriteZero);
    let (mut from, mut to) = (File::open(&source).await.unwrap(), open(&path).await);
    assert_eq!(kind(copy(&mut from, &mut to).await.map(drop)), ErrorKind::WriteZero);
    let from = File::open(&source).await.unwrap();
    assert_eq!(kind(splice(&from, &to, 4).await.map(drop)), ErrorKind::WriteZero);
    assert_eq!(to.metadata().await.unwrap().len(), 0);
    let mut text = String::new();
    AsyncReadExt::read_to_string(&mut File::open(&source).await.unwrap(), &mut text).await.unwrap();
    assert_eq!(text, "text");
}

/// Also where a ring opens the file.
async fn not_opened() {
    let Some(disk) = disk("not_opened").await else { return };
    for errno in [EMFILE, ENFILE, EIO] {
        let (kept, path) = (disk.join("kept"), disk.join(format!("closed-{errno}-file")));
        fs::write(&kept, "text").await.unwrap();
        assert_errno(File::create(&path).await, errno);
        assert_errno(fs::write(&path, "lost").await, errno);
        assert_errno(File::options().append(true).create(true).open(&path).await, errno);
        assert!(!fs::try_exists(&path).await.unwrap(), "nor made");
        assert_errno(fs::copy(&kept, &path).await, errno);
        let file = File::open(&kept).await.unwrap();
        fs::rename(&kept, &path).await.unwrap();
        assert_errno(File::open(&path).await, errno);
        assert_errno(File::options().write(true).truncate(true).open(&path).await, errno);
        assert_errno(fs::read(&path).await, errno);
        // What is open stays so.
        let mut buf = [0; 4];
        file.read_exact_at(&mut buf, 0).await.unwrap();
        assert_eq!(&buf, b"text");
        fs::remove_file(&path).await.unwrap();
    }
}

/// A file system that is full, of which 64 KiB are all.
async fn no_room() {
    const ROOM: usize = 64 << 10;
    let Some(disk) = disk("no_room").await else { return };
    let (path, data) = (disk.join("../small/file"), pattern(0, ROOM + 5000));
    assert_errno(fs::write(disk.join("full-0-file"), "lost").await, ENOSPC);
    for _ in 0..3 {
        assert_errno(fs::write(&path, &data).await, ENOSPC);
        assert!(content(&path).await == data[..ROOM]);
        assert_errno(fs::write(disk.join("../small/other"), "more").await, ENOSPC);
        let mut file = open(&path).await;
        assert_errno(file.allocate(0, 2 * ROOM as u64).await, ENOSPC);
        assert_errno(file.write_all(&data).await, ENOSPC);
        assert_eq!(file.stream_position().await.unwrap(), ROOM as u64);
        let (result, kept) = file.write_all_owned_at(vec![7; 10], ROOM as u64).await;
        assert_errno(result, ENOSPC);
        assert_eq!(kept, [7; 10]);
        assert!(content(&path).await == data[..ROOM]);
        assert_errno(behind(&mut open(&path).await, &data).await, ENOSPC);
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let sending = data.clone();
        let sender = maniac_runtime::spawn(async move { far.write_all(&sending).await });
        assert_errno(copy(&mut near, &mut open(&path).await).await, ENOSPC);
        drop(near);
        drop(sender.await.unwrap());
        // With room again all goes on.
        fs::remove_file(&path).await.unwrap();
        drop(file);
        fs::write(&path, &data[..ROOM - 4096]).await.unwrap();
        fs::remove_file(disk.join("../small/other")).await.unwrap();
        fs::remove_file(&path).await.unwrap();
    }
}

/// The system's own error of each operation that would change something, also where a ring does it.
async fn read_only() {
    let Some(disk) = disk("read_only").await else { return };
    let place = disk.join("../read-only");
    let (file, other) = (place.join("file"), place.join("other"));
    assert_errno(fs::write(&file, "lost").await, EROFS);
    assert_errno(File::create(&other).await, EROFS);
    assert_errno(File::options().append(true).open(&file).await, EROFS);
    assert_errno(fs::create_dir(&other).await, EROFS);
    assert_errno(fs::create_dir_all(other.join("below")).await, EROFS);
    assert_errno(fs::remove_file(&file).await, EROFS);
    assert_errno(fs::rename(&file, &other).await, EROFS);
    assert_errno(fs::hard_link(&file, &other).await, EROFS);
    assert_errno(fs::symlink("file", &other).await, EROFS);
    assert_errno(fs::copy(&file, &other).await, EROFS);
    let permissions = fs::metadata(&file).await.unwrap().permissions();
    assert_errno(fs::set_permissions(&file, permissions).await, EROFS);
    let dir = Dir::open(&place).await.unwrap();
    assert_errno(dir.create_dir_at("other").await, EROFS);
    assert_errno(dir.unlink_at("file").await, EROFS);
    assert_eq!(fs::read(&file).await.unwrap(), b"0123456789");
    // The other disk's refusals are those that are counted.
    assert_errno(File::create(disk.join("closed-30-file")).await, EROFS);
}
