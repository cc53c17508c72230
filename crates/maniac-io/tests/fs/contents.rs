//! Reading and writing regular files.

use crate::support::{self, assert_errno, pattern};
use crate::{EBADF, ESPIPE, temp, temp_on_disk};
use maniac_io::buf::{AlignedBuf, DEFAULT_ALIGN, Slice, shared_pool};
use maniac_io::fs::{self, Fd, File, OpenOptions, io_uring_read_at, io_uring_write_at};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

on_both_drivers! {
    round_trip cursor appends seeks positioned owned vectored direct direct_cancelled sizes_and_syncs clones standard_library large_file many_at_once raw_calls not_waiting
}

async fn round_trip() {
    let dir = temp();
    let path = dir.path().join("file");
    fs::write(&path, b"Hello").await.unwrap();
    assert_eq!(fs::read(&path).await.unwrap(), b"Hello");
    assert_eq!(fs::read_to_string(&path).await.unwrap(), "Hello");
    fs::write(&path, [0xff, 0xfe]).await.unwrap();
    assert_eq!(fs::read_to_string(&path).await.unwrap_err().kind(), ErrorKind::InvalidData);
    fs::write(&path, "").await.unwrap();
    assert!(fs::read(&path).await.unwrap().is_empty());
}

async fn cursor() {
    let dir = temp();
    let mut file = File::create_new(dir.path().join("file")).await.unwrap();
    file.write_all(b"0123456789").await.unwrap();
    assert_eq!(file.stream_position().await.unwrap(), 10);
    file.rewind().await.unwrap();
    let mut buf = [0; 4];
    assert_eq!(file.read(&mut buf).await.unwrap(), 4);
    assert_eq!(file.read(&mut []).await.unwrap(), 0);
    // Positioned calls leave it where it is.
    file.write_all_at(b"ab", 5).await.unwrap();
    let mut rest = b"rest: ".to_vec();
    assert_eq!(file.read_to_end(&mut rest).await.unwrap(), 6);
    assert_eq!(rest, b"rest: 4ab789");
    assert_eq!(file.read(&mut buf).await.unwrap(), 0);
    assert_eq!(file.read_exact(&mut buf).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

async fn appends() {
    let dir = temp();
    let path = dir.path().join("file");
    fs::write(&path, "start,").await.unwrap();
    let mut file = OpenOptions::new().read(true).append(true).open(&path).await.unwrap();
    let mut buf = [0; 3];
    file.read_exact(&mut buf).await.unwrap();
    file.write_all(b"one,").await.unwrap();
    assert_eq!(file.stream_position().await.unwrap(), 10);
    assert_eq!(file.read(&mut buf).await.unwrap(), 0, "the cursor stands behind what was written");
    let mut other = OpenOptions::new().append(true).open(&path).await.unwrap();
    other.write_all(b"two,").await.unwrap();
    file.write_all(b"three").await.unwrap();
    assert_eq!(fs::read(&path).await.unwrap(), b"start,one,two,three");
    file.seek(SeekFrom::Start(6)).await.unwrap();
    file.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"one");
}

async fn seeks() {
    let dir = temp();
    let mut file = File::create_new(dir.path().join("file")).await.unwrap();
    file.write_all(b"abc").await.unwrap();
    assert_eq!(file.seek(SeekFrom::Start(100)).await.unwrap(), 100);
    assert_eq!(file.read(&mut [0; 4]).await.unwrap(), 0);
    file.write_all(b"far").await.unwrap();
    assert_eq!(file.metadata().await.unwrap().len(), 103);
    assert_eq!(file.seek(SeekFrom::End(-3)).await.unwrap(), 100);
    assert_eq!(file.seek(SeekFrom::Current(-50)).await.unwrap(), 50);
    let error = file.seek(SeekFrom::Current(-51)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(file.seek(SeekFrom::Start(u64::MAX)).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(file.stream_position().await.unwrap(), 50);
}

async fn positioned() {
    let dir = temp();
    let file = File::create_new(dir.path().join("file")).await.unwrap();
    assert_eq!(file.write_at(b"hello", 3).await.unwrap(), 5);
    let mut buf = [9; 16];
    assert_eq!(file.read_at(&mut buf, 0).await.unwrap(), 8);
    assert_eq!(&buf[..8], b"\0\0\0hello");
    assert_eq!(file.read_at(&mut buf, 8).await.unwrap(), 0);
    assert_eq!(file.read_at(&mut buf, 1 << 40).await.unwrap(), 0);
    file.read_exact_at(&mut buf[..2], 4).await.unwrap();
    assert_eq!(&buf[..2], b"el");
    let error = file.read_exact_at(&mut buf, 4).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    let reader = File::open(dir.path().join("file")).await.unwrap();
    assert_errno(reader.write_at(b"x", 0).await, EBADF);
    let mut writer = OpenOptions::new().write(true).open(dir.path().join("file")).await.unwrap();
    assert_errno(writer.read(&mut buf).await, EBADF);
    assert_eq!(shared_pool().stats().waiting, 0);
}

async fn owned() {
    let dir = temp();
    let file = File::create_new(dir.path().join("file")).await.unwrap();
    let (done, buf) = file.write_all_owned_at(pattern(0, 100_000), 0).await;
    done.unwrap();
    let (count, back) = file.read_owned_at(Vec::with_capacity(100_000), 0).await;
    assert_eq!((count.unwrap(), back), (100_000, buf));
    let (count, array) = file.read_owned_at([0; 8], 256).await;
    assert_eq!((count.unwrap(), &array[..]), (8, &pattern(256, 8)[..]));
    let (count, text) = file.write_owned_at(String::from("string"), 0).await;
    assert_eq!((count.unwrap(), &text[..]), (6, "string"));
    let (count, part) = file.read_owned_at(Slice::new(vec![1, 2, 3], 3..6), 0).await;
    // A vector of three has no room for more.
    assert_eq!((count.unwrap(), part.into_inner()), (0, vec![1, 2, 3]));
    let reader = File::open(dir.path().join("file")).await.unwrap();
    let (result, buf) = reader.write_owned_at(vec![7; 3], 0).await;
    assert_errno(result, EBADF);
    assert_eq!(buf, [7; 3]);
}

async fn vectored() {
    let dir = temp();
    let file = File::create_new(dir.path().join("file")).await.unwrap();
    let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
    assert_eq!(file.write_vectored_at(&parts, 2).await.unwrap(), 7);
    let (mut a, mut b) = ([0; 6], [0; 20]);
    let mut parts = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
    assert_eq!(file.read_vectored_at(&mut parts, 0).await.unwrap(), 9);
    assert_eq!((&a, &b[..3]), (b"\0\0one ", &b"two"[..]));
    let (count, _) = file.write_vectored_owned_at(vec![b"abc".to_vec(), b"def".to_vec()], 0).await;
    assert_eq!(count.unwrap(), 6);
    let (count, bufs) = file.read_vectored_owned_at(vec![vec![0; 2], vec![0; 100]], 1).await;
    assert_eq!(
        (count.unwrap(), &bufs[1][..]),
        (8, &b"defwo"[..3].iter().chain(b"two").copied().collect::<Vec<u8>>()[..])
    );
    assert_eq!(bufs[0], b"bc");
}

async fn direct() {
    let dir = temp_on_disk();
    let path = dir.path().join("file");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).direct(true);
    let mut file = match options.open(&path).await {
        Ok(file) => file,
        Err(error) => return eprintln!("skipped: no O_DIRECT here: {error}"),
    };
    let mut block = AlignedBuf::new(8192, DEFAULT_ALIGN).unwrap();
    block.extend_from_slice(&pattern(0, 8192));
    assert_eq!(file.write_direct(&mut block).await.unwrap(), 8192);
    file.rewind().await.unwrap();
    let mut back = AlignedBuf::new(16_384, DEFAULT_ALIGN).unwrap();
    assert_eq!(file.read_direct(&mut back).await.unwrap(), 8192);
    assert_eq!(back[..], pattern(0, 8192));
    assert_eq!(file.read_direct(&mut back).await.unwrap(), 0);
    assert!(back.is_empty());
    // Owned and borrowed buffers work on such a file too, as long as the offsets suit it.
    let (count, buf) = file.read_owned_at(AlignedBuf::new(4096, DEFAULT_ALIGN).unwrap(), 4096).await;
    assert_eq!((count.unwrap(), &buf[..]), (4096, &pattern(4096, 4096)[..]));
    let mut odd = [0; 100];
    assert_eq!(file.read_at(&mut odd, 4096).await.unwrap(), 100);
    assert_eq!(odd[..], pattern(4096, 100));
    let error = file.read_direct_at(&mut back, 100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("multiples"), "{error}");
    // A file that was opened without the flag.
    let mut plain = File::options().read(true).write(true).open(&path).await.unwrap();
    assert_eq!(plain.read_direct(&mut back).await.unwrap(), 8192);
    assert_eq!(plain.write_direct_at(&mut block, 0).await.unwrap(), 8192);
    assert_eq!(plain.read_at(&mut odd, 7).await.unwrap(), 100, "the file itself is as it was");
    assert_eq!(odd[..], pattern(7, 100));
}

/// A buffer that the kernel kept is replaced by one of the same size.
async fn direct_cancelled() {
    let dir = temp_on_disk();
    let path = dir.path().join("file");
    fs::write(&path, pattern(0, 1 << 16)).await.unwrap();
    let Ok(file) = File::options().read(true).direct(true).open(&path).await else {
        return eprintln!("skipped: no O_DIRECT here");
    };
    for _ in 0..20 {
        let mut buf = AlignedBuf::new(1 << 16, DEFAULT_ALIGN).unwrap();
        let poll = {
            let read = std::pin::pin!(file.read_direct_at(&mut buf, 0));
            read.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
        };
        let expected = match poll {
            // A thread of the pool may have been quick.
            std::task::Poll::Ready(count) => count.unwrap(),
            std::task::Poll::Pending => 0,
        };
        assert_eq!((buf.len(), buf.capacity(), buf.align()), (expected, 1 << 16, DEFAULT_ALIGN));
        assert_eq!(file.read_direct_at(&mut buf, 0).await.unwrap(), 1 << 16);
        assert_eq!(buf[..], pattern(0, 1 << 16));
    }
}

async fn sizes_and_syncs() {
    let dir = temp();
    let mut file = File::create_new(dir.path().join("file")).await.unwrap();
    file.write_all(b"0123456789").await.unwrap();
    file.set_len(4).await.unwrap();
    file.sync_range(0, 5).await.unwrap();
    file.sync_data().await.unwrap();
    assert_eq!(file.metadata().await.unwrap().len(), 4);
    file.set_len(8).await.unwrap();
    assert_eq!(fs::read(dir.path().join("file")).await.unwrap(), b"0123\0\0\0\0");
    if cfg!(target_os = "linux") {
        file.allocate(0, 4096).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 4096);
    }
    file.sync_all().await.unwrap();
    let mut permissions = file.metadata().await.unwrap().permissions();
    permissions.set_readonly(true);
    file.set_permissions(permissions).await.unwrap();
    assert!(fs::metadata(dir.path().join("file")).await.unwrap().permissions().readonly());
}

async fn clones() {
    let dir = temp();
    let mut one = File::create_new(dir.path().join("file")).await.unwrap();
    let mut other = one.try_clone().unwrap();
    one.write_all(b"one,").await.unwrap();
    other.write_all(b"other").await.unwrap();
    assert_eq!(fs::read(dir.path().join("file")).await.unwrap(), b"one,other");
    drop(one);
    assert_eq!(other.read_at(&mut [0; 16], 0).await.unwrap(), 9);
}

async fn standard_library() {
    let dir = temp();
    let path = dir.path().join("file");
    std::fs::write(&path, "one two three").unwrap();
    let mut std = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    std.seek(SeekFrom::Start(4)).unwrap();
    let mut file = File::from_std(std);
    let mut word = [0; 3];
    file.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"two");
    let clone = file.try_clone().unwrap();
    let mut std = file.into_std().await.unwrap();
    assert_eq!(std.stream_position().unwrap(), 7);
    assert_eq!(clone.read_at(&mut word, 0).await.unwrap(), 3, "a clone keeps a descriptor");
    std.write_all(b"!").unwrap();
    let mut std = clone.into_std().await.unwrap();
    std.rewind().unwrap();
    let mut text = String::new();
    std.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one two!three");
    // A descriptor that was opened to append is known as such.
    let std = std::fs::File::options().append(true).open(&path).unwrap();
    let mut file = File::from(std);
    file.write_all(b".").await.unwrap();
    assert_eq!(fs::read(&path).await.unwrap(), b"one two!three.");
}

async fn large_file() {
    const SIZE: usize = 9 << 20;
    let dir = temp();
    let path = dir.path().join("file");
    let contents = pattern(0, SIZE);
    fs::write(&path, &contents).await.unwrap();
    assert!(fs::read(&path).await.unwrap() == contents);
    let mut file = File::open(&path).await.unwrap();
    let mut all = vec![0; SIZE];
    file.read_exact(&mut all).await.unwrap();
    assert!(all == contents);
}

async fn many_at_once() {
    let dir = temp();
    let file = Arc::new(File::create_new(dir.path().join("file")).await.unwrap());
    let tasks: Vec<_> = (0..256u64)
        .map(|n| {
            let file = Arc::clone(&file);
            maniac_runtime::spawn(async move {
                file.write_all_at(&pattern(n * 1000, 1000), n * 1000).await.unwrap();
                let (count, buf) = file.read_owned_at(Vec::with_capacity(1000), n * 1000).await;
                assert_eq!((count.unwrap(), buf), (1000, pattern(n * 1000, 1000)));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(fs::read(dir.path().join("file")).await.unwrap() == pattern(0, 256_000));
}

async fn raw_calls() {
    let dir = temp();
    let file = File::create_new(dir.path().join("file")).await.unwrap();
    let (count, _) = io_uring_write_at(&file, pattern(0, 10_000), 0).await;
    assert_eq!(count.unwrap(), 10_000);
    let fd: Fd = file.fd();
    let (count, buf) = io_uring_read_at(&fd, Vec::with_capacity(100), 5000).await;
    assert_eq!((count.unwrap(), buf), (100, pattern(5000, 100)));
    let (one, _other) = maniac_io::net::UnixStream::pair().unwrap();
    assert_errno(io_uring_read_at(&one, vec![0; 4], 0).await.0, ESPIPE);
    assert_errno(io_uring_write_at(&one, vec![0; 4], 0).await.0, ESPIPE);
}

/// What the page cache holds is read in the first poll, without the driver.
async fn not_waiting() {
    let dir = temp_on_disk();
    let path = dir.path().join("file");
    fs::write(&path, pattern(0, 8192)).await.unwrap();
    let mut file = File::open(&path).await.unwrap();
    file.read_at(&mut [0; 8192], 0).await.unwrap();
    loop {
        let before = support::metrics().await.1.submitted;
        let thread = std::thread::current().id();
        file.rewind().await.unwrap();
        for at in 0..100 {
            assert_eq!(file.read_at(&mut [0; 64], at).await.unwrap(), 64);
            assert_eq!(file.read(&mut [0; 64]).await.unwrap(), 64);
            assert_eq!(file.read_owned_at(vec![0; 64], at).await.0.unwrap(), 64);
        }
        assert_eq!(shared_pool().stats().waiting, 0);
        // Nothing waited, so this is the same worker as before, unless its role was taken away from a slow machine's thread.
        if let (true, Some((_, after))) =
            (thread == std::thread::current().id(), maniac_runtime::driver::metrics())
        {
            return assert_eq!(after.submitted, before, "only Linux can promise that");
        }
    }
}

/// Outside a runtime there is an error that says so, and the buffer comes back.
#[test]
fn outside_a_runtime() {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let file = File::from_std(std::fs::File::open("/proc/self/status").unwrap());
    let read = std::pin::pin!(io_uring_read_at(&file, vec![1, 2, 3], 0));
    let std::task::Poll::Ready((result, buf)) = read.poll(&mut cx) else { panic!("nothing to wait for") };
    assert!(result.unwrap_err().to_string().contains("runtime"));
    assert_eq!(buf, [1, 2, 3]);
    assert!(maniac_io::net::UnixStream::pair().unwrap_err().to_string().contains("runtime"));
}
