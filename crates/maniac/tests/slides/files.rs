//! Slides 10, 11 and 33: files.

use crate::run;
use std::path::Path;

/// Runs `body` in a process of its own, whose working folder is an empty one: the slides name their files without a folder. `test` is
/// the path of the calling test.
fn in_a_folder(test: &str, body: impl FnOnce(&Path)) {
    const FOLDER: &str = "MANIAC_SLIDES_FOLDER";
    if let Some(folder) = std::env::var_os(FOLDER) {
        return body(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .current_dir(folder.path())
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ran = String::from_utf8_lossy(&output.stdout);
    assert!(ran.contains("1 passed"), "{ran}");
}

#[cfg(target_os = "linux")]
#[test]
#[rustfmt::skip]
fn slide_10_1() {
    use maniac::buf::BufResult;
    use maniac::fs::{Fd, File, io_uring_read_at, splice};
    use std::io;
    // slide 10.1 begin
// Zero-copy file read
async fn read_file(fd: Fd, buf: Vec<u8>, offset: u64) -> BufResult<usize, Vec<u8>> {
    io_uring_read_at(fd, buf, offset).await
}

// Zero-copy splice (file → file)
async fn copy_file(src: Fd, dst: Fd, len: usize) -> io::Result<usize> {
    splice(src, dst, len).await  // No userspace copy!
}
    // slide 10.1 end
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, "0123456789").unwrap();
    run(async {
        let (src, dst) = (File::open(&from).await.unwrap(), File::create(&to).await.unwrap());
        let (count, buf) = read_file(src.fd(), Vec::with_capacity(4), 3).await;
        assert_eq!((count.unwrap(), &buf[..]), (4, &b"3456"[..]));
        assert_eq!(copy_file(src.fd(), dst.fd(), 100).await.unwrap(), 10);
    });
    assert_eq!(std::fs::read(&to).unwrap(), b"0123456789");
}

#[test]
#[rustfmt::skip]
fn slide_11_1() {
    in_a_folder("files::slide_11_1", |_| {
        std::fs::write("file.txt", "theirs").unwrap();
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            // slide 11.1 begin
// Tokio: Spawns to blocking thread pool
let data = tokio::fs::read("file.txt").await;  // Not truly async!
            // slide 11.1 end
            assert_eq!(data.unwrap(), b"theirs");
        });
    });
}

#[test]
#[rustfmt::skip]
fn slide_11_2() {
    in_a_folder("files::slide_11_2", |_| {
        std::fs::write("file.txt", "ours").unwrap();
        run(async {
            // slide 11.2 begin
// True async via io_uring
let data = maniac::fs::read("file.txt").await;  // Real async I/O!
            // slide 11.2 end
            assert_eq!(data.unwrap(), b"ours");
        });
    });
}

#[test]
#[rustfmt::skip]
fn slide_11_3() {
    mod traits {
        use std::io;
        // slide 11.3 begin
// deviates: docs/decisions/0004-slides-that-need-words.md
//- pub trait RawBufRead {
pub unsafe trait RawBufRead: Send + 'static {
// deviates end
    fn as_buf_ptr(&self) -> *const u8;
    fn buf_len(&self) -> usize;
}

// deviates: docs/decisions/0004-slides-that-need-words.md
//- pub trait RawBufWrite {
pub unsafe trait RawBufWrite: Send + 'static {
// deviates end
    fn as_buf_mut_ptr(&mut self) -> *mut u8;
    fn buf_capacity(&self) -> usize;
    // deviates: docs/decisions/0004-slides-that-need-words.md
    unsafe fn set_filled(&mut self, filled: usize);
    // deviates end
}

// Buffer ownership returned with result
pub type BufResult<T, B> = (io::Result<T>, B);
        // slide 11.3 end
    }
    // The crate's own have these methods and no others that must be given: what has the slide's traits can be given its.
    struct Page<B>(B);
    // SAFETY: [local] the slide's trait promises the same, and each call is passed on.
    unsafe impl<B: traits::RawBufWrite> maniac::buf::RawBufWrite for Page<B> {
        fn as_buf_mut_ptr(&mut self) -> *mut u8 { self.0.as_buf_mut_ptr() }
        fn buf_capacity(&self) -> usize { self.0.buf_capacity() }
        // SAFETY: [caller] passed on to the caller.
        unsafe fn set_filled(&mut self, filled: usize) { unsafe { self.0.set_filled(filled) } }
    }
    // SAFETY: [local] as above.
    unsafe impl<B: traits::RawBufRead> maniac::buf::RawBufRead for Page<B> {
        fn as_buf_ptr(&self) -> *const u8 { self.0.as_buf_ptr() }
        fn buf_len(&self) -> usize { self.0.buf_len() }
    }
    struct Words { bytes: Box<[u8; 16]>, filled: usize }
    // SAFETY: [local] the box stays where it is and is written by nobody else.
    unsafe impl traits::RawBufWrite for Words {
        fn as_buf_mut_ptr(&mut self) -> *mut u8 { self.bytes.as_mut_ptr() }
        fn buf_capacity(&self) -> usize { self.bytes.len() }
        unsafe fn set_filled(&mut self, filled: usize) { self.filled = filled }
    }
    // SAFETY: [local] as above; all of it is initialised from the start.
    unsafe impl traits::RawBufRead for Words {
        fn as_buf_ptr(&self) -> *const u8 { self.bytes.as_ptr() }
        fn buf_len(&self) -> usize { self.filled }
    }
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let file = maniac::fs::File::create_new(folder.path().join("file")).await.unwrap();
        let words = Page(Words { bytes: Box::new(*b"0123456789abcdef"), filled: 10 });
        let (count, words): traits::BufResult<usize, _> = file.write_owned_at(words, 0).await;
        assert_eq!(count.unwrap(), 10);
        let (count, words): traits::BufResult<usize, _> = file.read_owned_at(words, 4).await;
        assert_eq!((count.unwrap(), words.0.filled, &words.0.bytes[..6]), (6, 6, &b"456789"[..]));
    });
}

#[test]
#[rustfmt::skip]
fn slide_11_4() {
    use maniac::fs::AlignedBuf;
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let mut file = maniac::fs::File::create_new(folder.path().join("file")).await.unwrap();
        file.write_all(&[7; 8192]).await.unwrap();
        file.rewind().await.unwrap();
        let (mut buf, offset, mut aligned_buf) = ([1; 100], 50, AlignedBuf::new(4096, 4096).unwrap());
        let done = async {
            // slide 11.4 begin
// Positioned reads (no seek needed)
file.read_at(&mut buf, offset).await?;

// Positioned writes
file.write_at(&buf, offset).await?;

// Direct I/O (bypass page cache)
file.read_direct(&mut aligned_buf).await?;
            // slide 11.4 end
            Ok::<_, std::io::Error>(())
        };
        match done.await {
            // A file system without O_DIRECT says so.
            Err(error) if error.raw_os_error() == Some(22) => eprintln!("skipped: no O_DIRECT here: {error}"),
            Err(error) => panic!("{error}"),
            Ok(()) => assert_eq!(aligned_buf[..], [7; 4096]),
        }
        assert_eq!(buf, [7; 100]);
    });
}

#[test]
#[rustfmt::skip]
fn slide_33_1() {
    in_a_folder("files::slide_33_1", |folder| {
        std::fs::write("file.txt", "before").unwrap();
        let done = run(async {
            // slide 33.1 begin
use maniac::fs::{File, OpenOptions};

// Read entire file
let content = maniac::fs::read("file.txt").await?;

// Write entire file
maniac::fs::write("file.txt", b"Hello").await?;

// Open with options
let file = OpenOptions::new()
    .read(true)
    .write(true)
    .create(true)
    .open("file.txt")
    .await?;
            // slide 33.1 end
            let mut file: File = file;
            let mut greeting = String::new();
            maniac::io::AsyncReadExt::read_to_string(&mut file, &mut greeting).await?;
            Ok::<_, std::io::Error>((content, greeting))
        });
        assert_eq!(done.unwrap(), (b"before".to_vec(), "Hello".to_owned()));
        assert_eq!(std::fs::read(folder.join("file.txt")).unwrap(), b"Hello");
    });
}

#[cfg(target_os = "linux")]
#[test]
#[rustfmt::skip]
fn slide_33_2() {
    in_a_folder("files::slide_33_2", |folder| {
        for name in ["file", "old_file", "old"] {
            std::fs::write(name, name).unwrap();
        }
        let done = run(async {
            let mut options = maniac::fs::OpenOptions::new();
            options.read(true).write(true);
            let file = options.open("file").await?;
            let (src, dst) = (maniac::fs::File::open("old").await?, maniac::fs::File::create("copy").await?);
            let (src_fd, dst_fd, length) = (src.fd(), dst.fd(), 3);
            let (mut buf, data, offset) = ([0; 4], *b"FI", 0);
            // slide 33.2 begin
// Positioned I/O (no seek needed)
file.read_at(&mut buf, offset).await?;
file.write_at(&data, offset).await?;

// Zero-copy file transfer
maniac::fs::splice(src_fd, dst_fd, length).await?;

// Directory operations
maniac::fs::create_dir("new_dir").await?;
maniac::fs::remove_file("old_file").await?;
maniac::fs::rename("old", "new").await?;
            // slide 33.2 end
            Ok::<_, std::io::Error>(buf)
        });
        assert_eq!(&done.unwrap(), b"file");
        let text = |name| std::fs::read_to_string(folder.join(name)).ok();
        assert_eq!(text("file").as_deref(), Some("FIle"));
        assert_eq!((text("copy").as_deref(), text("new").as_deref()), (Some("old"), Some("old")));
        assert_eq!((text("old"), text("old_file")), (None, None));
        assert!(folder.join("new_dir").is_dir());
    });
}
