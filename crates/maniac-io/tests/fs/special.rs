//! Files that are no plain ones on a disk with room: FIFOs, devices, what is full; and files through the traits.

use crate::support::{self, assert_errno, pattern};
use crate::{ENOSPC, ESPIPE, O_NONBLOCK, temp};
use maniac_io::fs::{self, File, OpenOptions};
use maniac_io::io::{AsyncReadExt, AsyncWriteExt};
use maniac_runtime::runtime::DriverKind;
use std::io::{Read, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

on_both_drivers! {
    fifo fifo_waits_for_a_writer opened_in_a_crowd fifo_opening_is_dropped fifos_both_ways proc_file device_full small_device polled_writes polled_error
}

/// A FIFO is no regular file: it is waited for, not asked at offsets, and its reader waits for a first writer.
async fn fifo() {
    let dir = temp();
    let path = dir.path().join("fifo");
    maniac_io::net::pipe::make_fifo(&path, 0o600).await.unwrap();
    // At once, as open(2) does with this flag; reads wait for a first writer.
    let mut reader = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&path).await.unwrap();
    assert_errno(reader.read_at(&mut [0; 4], 0).await, ESPIPE);
    let path_of_writer = path.clone();
    let writing = maniac_runtime::spawn(async move {
        let mut writer = OpenOptions::new().write(true).open(&path_of_writer).await.unwrap();
        for _ in 0..3 {
            maniac_runtime::task::yield_now().await;
            writer.write_all(b"through ").await.unwrap();
        }
        writer.write_all(&[b'x'; 200_000]).await.unwrap();
    });
    let mut all = Vec::new();
    reader.read_to_end(&mut all).await.unwrap();
    writing.await.unwrap();
    assert_eq!(all.len(), 24 + 200_000);
    assert!(all.starts_with(b"through through through x"));
    drop(reader);
    // Whole at once, with a blocking writer of the standard library's.
    let writer_path = path.clone();
    let writer = std::thread::spawn(move || std::fs::write(writer_path, "whole").unwrap());
    assert_eq!(fs::read(&path).await.unwrap(), b"whole");
    writer.join().unwrap();
    // A writer that waits for a reader.
    let reader_path = path.clone();
    let opening = maniac_runtime::spawn(async move { OpenOptions::new().write(true).open(path).await });
    let reader = std::thread::spawn(move || std::fs::read(reader_path).unwrap());
    opening.await.unwrap().unwrap().write_all(b"late").await.unwrap();
    assert_eq!(reader.join().unwrap(), b"late");
}

/// The two ways to open a file to read.
async fn open_to_read(path: PathBuf, options: bool) -> File {
    match options {
        true => OpenOptions::new().read(true).open(path).await.unwrap(),
        false => File::open(path).await.unwrap(),
    }
}

/// As open(2): who reads is there when somebody writes, neither before nor too late.
async fn fifo_waits_for_a_writer() {
    let dir = temp();
    let path = dir.path().join("fifo");
    maniac_io::net::pipe::make_fifo(&path, 0o600).await.unwrap();
    for options in [false, true] {
        // The writer comes second, and writes only once the reader is there.
        let opening = maniac_runtime::spawn(open_to_read(path.clone(), options));
        for _ in 0..10 {
            maniac_runtime::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(!opening.is_finished(), "opened, though nobody writes");
        let mut writer = OpenOptions::new().write(true).open(&path).await.unwrap();
        let file = opening.await.unwrap();
        writer.write_all(b"after").await.unwrap();
        drop(writer);
        let mut text = String::new();
        file.into_std().await.unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "after");
        // The writer waits already, writes and is gone.
        let writer_path = path.clone();
        let writer = std::thread::spawn(move || std::fs::write(writer_path, "before").unwrap());
        let (file, (sender, mut receiver)) =
            (open_to_read(path.clone(), options).await, maniac_io::net::pipe::pipe().unwrap());
        assert_eq!(
            fs::splice(&file, sender.fd(), 100).await.unwrap(),
            6,
            "nothing is lost, nor an end before"
        );
        let mut buf = [0; 6];
        receiver.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"before");
        writer.join().unwrap();
    }
}

/// Many tasks that open at the same time: on a ring the driver does it for all of them together, and each gets what it would have got alone.
async fn opened_in_a_crowd() {
    const TASKS: usize = 64;
    let dir = temp();
    let (mut tasks, mut readers) = (Vec::new(), Vec::new());
    let path = |n: usize, kind: &str| dir.path().join(format!("{n}.{kind}"));
    for n in 0..TASKS {
        std::fs::write(path(n, "file"), pattern(n as u64, 1000 + n)).unwrap();
        maniac_io::net::pipe::make_fifo(path(n, "fifo"), 0o600).await.unwrap();
    }
    for n in 0..TASKS {
        let (file, fifo, missing) = (path(n, "file"), path(n, "fifo"), path(n, "missing"));
        readers.push(maniac_runtime::spawn(async move { fs::read(fifo).await.unwrap() }));
        tasks.push(maniac_runtime::spawn(async move {
            for _ in 0..10 {
                let mut buf = vec![0; 2000];
                let opened = File::open(&file).await.unwrap();
                let count = opened.read_at(&mut buf, 0).await.unwrap();
                assert_eq!(buf[..count], pattern(n as u64, 1000 + n));
                assert_eq!(fs::read(&file).await.unwrap(), buf[..count]);
                let error = File::open(&missing).await.unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
            }
            support::metrics().await
        }));
    }
    let mut entries = 0;
    for task in tasks {
        entries = entries.max(task.await.unwrap().1.entries);
    }
    let (kind, _) = support::metrics().await;
    // A ring without this operation, or where a kernel thread opens all files, opens them one by one.
    let masked = std::env::var_os("MANIAC_RING_FAULTS").is_some();
    // The pipes too are waited for through the ring.
    assert!(
        kind != DriverKind::Uring || masked || entries > 5 * TASKS as u64,
        "{entries} entries of the ring: no open went along with another"
    );
    for (n, reader) in readers.into_iter().enumerate() {
        assert!(!reader.is_finished(), "read to its end, though nobody has written");
        let mut writer = OpenOptions::new().write(true).open(path(n, "fifo")).await.unwrap();
        writer.write_all(&pattern(n as u64, 100)).await.unwrap();
        drop(writer);
        assert_eq!(reader.await.unwrap(), pattern(n as u64, 100));
    }
}

/// Nothing stays behind of one that was dropped, and the next is as good.
async fn fifo_opening_is_dropped() {
    let dir = temp();
    let path = dir.path().join("fifo");
    maniac_io::net::pipe::make_fifo(&path, 0o600).await.unwrap();
    let open_here = || {
        let here = path.to_str().unwrap();
        support::descriptors().iter().filter(|(_, name)| name == here).count()
    };
    let opening = maniac_runtime::spawn(open_to_read(path.clone(), false));
    while open_here() == 0 {
        maniac_runtime::task::yield_now().await;
    }
    opening.abort();
    assert!(opening.await.unwrap_err().is_cancelled());
    while open_here() > 0 {
        maniac_runtime::task::yield_now().await;
    }
    let writer_path = path.clone();
    let writer = std::thread::spawn(move || std::fs::write(writer_path, "then").unwrap());
    assert_eq!(fs::read(&path).await.unwrap(), b"then");
    writer.join().unwrap();
}

/// Two that each open their writing end before the other's: neither writes before both are open.
async fn fifos_both_ways() {
    let dir = temp();
    let (there, back) = (dir.path().join("there"), dir.path().join("back"));
    for path in [&there, &back] {
        maniac_io::net::pipe::make_fifo(path, 0o600).await.unwrap();
    }
    let paths = (there.clone(), back.clone());
    let asking = maniac_runtime::spawn(async move {
        let mut question = OpenOptions::new().write(true).open(paths.0).await.unwrap();
        let mut answer = File::open(paths.1).await.unwrap();
        question.write_all(b"question").await.unwrap();
        let mut buf = [0; 6];
        answer.read_exact(&mut buf).await.unwrap();
        buf
    });
    let mut question = File::open(there).await.unwrap();
    let mut answer = OpenOptions::new().write(true).open(back).await.unwrap();
    let mut buf = [0; 8];
    question.read_exact(&mut buf).await.unwrap();
    answer.write_all(b"answer").await.unwrap();
    assert_eq!((&buf, &asking.await.unwrap()), (b"question", b"answer"));
}

/// Files that say that they are empty.
async fn proc_file() {
    let status = fs::read_to_string("/proc/self/status").await.unwrap();
    assert!(status.contains("Name:"), "{status}");
    let mut file = File::open("/proc/self/maps").await.unwrap();
    let mut maps = String::new();
    file.read_to_string(&mut maps).await.unwrap();
    assert!(maps.len() > 4096, "longer than one page");
}

async fn device_full() {
    if !support::exists("/dev/full") {
        return eprintln!("skipped: no /dev/full");
    }
    let mut file = OpenOptions::new().write(true).open("/dev/full").await.unwrap();
    assert_errno(file.write(b"x").await, ENOSPC);
    assert_errno(file.write_all_at(&[0; 1 << 20], 0).await, ENOSPC);
    assert_errno(file.write_owned_at(vec![1; 10], 0).await.0, ENOSPC);
    assert_errno(fs::write("/dev/full", "text").await, ENOSPC);
}

/// A real file system that runs full, if this process may mount one.
async fn small_device() {
    let dir = temp();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(dir.path())
        .output();
    if !mount.as_ref().is_ok_and(|output| output.status.success()) {
        return eprintln!("skipped: no file system can be mounted here: {mount:?}");
    }
    let path = dir.path().join("file");
    let mut file = File::create(&path).await.unwrap();
    let result = file.write_all(&vec![7; 1 << 20]).await;
    let (written, copied) = (fs::metadata(&path).await, fs::copy(&path, dir.path().join("copy")).await);
    let cursor = file.stream_position().await;
    let freed = fs::remove_file(&path).await;
    drop(file);
    // A child process that another test just began has the file too, for a moment.
    let again = loop {
        match fs::write(dir.path().join("small"), [1; 1000]).await {
            Err(error) if error.raw_os_error() == Some(ENOSPC) => maniac_runtime::task::yield_now().await,
            again => break again,
        }
    };
    assert!(std::process::Command::new("umount").arg(dir.path()).status().unwrap().success());
    assert_errno(result, ENOSPC);
    assert_eq!(cursor.unwrap(), written.unwrap().len(), "the cursor stands behind what was written");
    assert_errno(copied, ENOSPC);
    freed.unwrap();
    again.unwrap();
}

/// Through the trait, bytes are taken over before they are written.
async fn polled_writes() {
    let dir = temp();
    let path = dir.path().join("file");
    let mut file = File::create_new(&path).await.unwrap();
    for n in 0..50 {
        AsyncWriteExt::write_all(&mut file, &pattern(n * 1000, 1000)).await.unwrap();
    }
    AsyncWriteExt::flush(&mut file).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == pattern(0, 50_000));
    file.seek(SeekFrom::Start(10)).await.unwrap();
    AsyncWriteExt::write_all(&mut file, b"here").await.unwrap();
    // What comes next sees it, flushed or not.
    let mut back = [0; 4];
    file.seek(SeekFrom::Current(-4)).await.unwrap();
    AsyncReadExt::read_exact(&mut file, &mut back).await.unwrap();
    assert_eq!(&back, b"here");
    AsyncWriteExt::write_all(&mut file, b"dropped").await.unwrap();
    file.sync_all().await.unwrap();
    drop(file);
    assert_eq!(&std::fs::read(&path).unwrap()[14..21], b"dropped");
}

/// What was taken over and could not be written is told to the next call, once.
async fn polled_error() {
    if !support::exists("/dev/full") {
        return eprintln!("skipped: no /dev/full");
    }
    let mut file = OpenOptions::new().write(true).open("/dev/full").await.unwrap();
    let taken = AsyncWriteExt::write(&mut file, b"lost").await;
    match taken {
        Ok(count) => {
            assert_eq!(count, 4);
            assert_errno(AsyncWriteExt::flush(&mut file).await, ENOSPC);
        }
        Err(error) => assert_eq!(error.raw_os_error(), Some(ENOSPC)),
    }
    AsyncWriteExt::flush(&mut file).await.unwrap();
}
