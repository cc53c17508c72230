//! Files: a dropped write happens before the next one or not at all, a cursor moves only with what is delivered.

use crate::cut::Cutter;
use crate::support::{Random, pattern};
use maniac_io::buf::{AlignedBuf, DEFAULT_ALIGN};
use maniac_io::fs::{self, File, OpenOptions, io_uring_read_at, io_uring_write_at};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex as StdMutex};
use tokio::sync::Mutex;

const BLOCK: usize = 4096;
const BLOCKS: u64 = 6;

/// On the file system of the build, which mostly has O_DIRECT.
fn temp() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A block of random bytes.
fn contents(seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..BLOCK / 8).flat_map(|_| random.next().to_le_bytes()).collect()
}

fn aligned(bytes: &[u8]) -> AlignedBuf {
    let mut buf = AlignedBuf::new(BLOCK, DEFAULT_ALIGN).unwrap();
    buf.extend_from_slice(bytes);
    buf
}

/// What is in each block, as far as that is known: the seed of its contents.
type Known = Arc<StdMutex<BTreeMap<u64, u64>>>;

/// Writes, reads, syncs and sizes at random places of one file.
pub(crate) async fn blocks(cutter: Cutter) {
    let dir = temp();
    let path = dir.path().join("file");
    let opened = Arc::new(StdMutex::new(None));
    while opened.lock().unwrap().is_none() {
        let (path, opened) = (path.clone(), Arc::clone(&opened));
        let open = async move {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).open(&path).await.unwrap();
            *opened.lock().unwrap() = Some(file);
        };
        cutter.cut(open).await;
    }
    let file = Arc::new(opened.lock().unwrap().take().unwrap());
    let direct = matches!(file.read_direct_at(&mut aligned(b""), 0).await, Ok(0));
    let known = Known::default();
    for _ in 0..40 {
        let (block, seed) = (cutter.below(BLOCKS), cutter.below(u64::MAX));
        let (file, known, way) = (Arc::clone(&file), Arc::clone(&known), cutter.below(16));
        match way {
            0..6 => {
                known.lock().unwrap().remove(&block);
                cutter.cut(write(file, block, seed, way, direct, known)).await;
            }
            6..12 => drop(cutter.cut(read(file, block, way, direct, known)).await),
            _ => drop(cutter.cut(other(file, way)).await),
        }
    }
    finish(&cutter, &file, &known, &path).await;
}

/// Writes a block, and notes what is in it then.
async fn write(file: Arc<File>, block: u64, seed: u64, way: u64, direct: bool, known: Known) {
    let (bytes, at) = (contents(seed), block * BLOCK as u64);
    let count = match way {
        0 => file.write_owned_at(bytes, at).await.0.unwrap(),
        1 => io_uring_write_at(&*file, bytes, at).await.0.unwrap(),
        2 => {
            let (a, b) = bytes.split_at(BLOCK / 3);
            file.write_vectored_owned_at(vec![a.to_vec(), b.to_vec()], at).await.0.unwrap()
        }
        3 if direct => file.write_direct_at(&mut aligned(&bytes), at).await.unwrap(),
        4 => {
            file.write_all_at(&bytes, at).await.unwrap();
            BLOCK
        }
        _ => file.write_at(&bytes, at).await.unwrap(),
    };
    if count == BLOCK {
        known.lock().unwrap().insert(block, seed);
    }
}

/// Reads a block, and compares it with what is known of it.
async fn read(file: Arc<File>, block: u64, way: u64, direct: bool, known: Known) {
    let at = block * BLOCK as u64;
    let expected = known.lock().unwrap().get(&block).copied();
    let mut bytes = vec![0; BLOCK];
    let count = match way {
        6 => {
            let (count, back) = file.read_owned_at(bytes, at).await;
            bytes = back;
            count.unwrap()
        }
        7 | 8 => {
            let (count, back) = io_uring_read_at(&*file, bytes, at).await;
            bytes = back;
            count.unwrap()
        }
        9 => {
            let parts = vec![vec![0; BLOCK / 4], vec![0; BLOCK - BLOCK / 4]];
            let (count, back) = file.read_vectored_owned_at(parts, at).await;
            bytes = back.concat();
            count.unwrap()
        }
        10 if direct => {
            let mut buf = aligned(b"");
            let count = file.read_direct_at(&mut buf, at).await.unwrap();
            bytes[..count].copy_from_slice(&buf[..count]);
            count
        }
        _ => file.read_at(&mut bytes, at).await.unwrap(),
    };
    if let Some(seed) = expected {
        assert!(count == BLOCK && bytes[..count] == contents(seed), "block {block} is not what was written");
    }
}

/// What changes no contents.
async fn other(file: Arc<File>, way: u64) {
    match way {
        12 => file.sync_all().await.unwrap(),
        13 => {
            file.sync_range(0, 4096).await.unwrap();
            file.sync_data().await.unwrap();
        }
        14 => match file.allocate(0, BLOCKS * BLOCK as u64).await {
            // Not every file system can.
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {}
            result => result.unwrap(),
        },
        _ => assert!(file.metadata().await.unwrap().is_file()),
    }
}

/// Writes what is not known, and compares all of it with what another reads.
async fn finish(cutter: &Cutter, file: &File, known: &Known, path: &std::path::Path) {
    for block in 0..BLOCKS {
        if !known.lock().unwrap().contains_key(&block) {
            let seed = cutter.below(u64::MAX);
            file.write_all_at(&contents(seed), block * BLOCK as u64).await.unwrap();
            known.lock().unwrap().insert(block, seed);
        }
    }
    // The size too is changed only after what was dropped before is over.
    file.set_len(BLOCKS * BLOCK as u64).await.unwrap();
    file.sync_data().await.unwrap();
    let all: Vec<u8> = known.lock().unwrap().values().flat_map(|seed| contents(*seed)).collect();
    assert!(std::fs::read(path).unwrap() == all, "the file is not what was written last");
}

/// Writes at the cursor, then reads at the cursor.
pub(crate) async fn cursor(cutter: Cutter) {
    let dir = temp();
    let path = dir.path().join("file");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).await.unwrap();
    let (file, written) = (Arc::new(Mutex::new(file)), Arc::new(AtomicU64::new(0)));
    for _ in 0..20 {
        let (writer, written, len) = (Arc::clone(&file), Arc::clone(&written), cutter.len());
        let write = async move {
            let mut file = writer.lock_owned().await;
            let count = file.write(&pattern(written.load(SeqCst), len)).await.unwrap();
            written.fetch_add(count as u64, SeqCst);
        };
        cutter.cut(write).await;
        if cutter.below(4) == 0 {
            let file = Arc::clone(&file);
            let len = cutter.below(1 << 20);
            // Behind all that is written, and so of no consequence for it.
            cutter.cut(async move { file.lock_owned().await.set_len((1 << 20) + len).await.unwrap() }).await;
        }
    }
    let total = written.load(SeqCst);
    {
        let mut file = file.lock().await;
        assert_eq!(file.stream_position().await.unwrap(), total);
        // A dropped write may have gone on beyond the cursor.
        file.set_len(total).await.unwrap();
        file.rewind().await.unwrap();
    }
    let got = Arc::new(StdMutex::new(Vec::new()));
    loop {
        let (file, log, len) = (Arc::clone(&file), Arc::clone(&got), cutter.len());
        let read = async move {
            let mut file = file.lock_owned().await;
            let mut bytes = vec![0; len];
            let count = file.read(&mut bytes).await.unwrap();
            log.lock().unwrap().extend_from_slice(&bytes[..count]);
            count
        };
        if cutter.cut(read).await == Some(0) {
            break;
        }
    }
    assert!(*got.lock().unwrap() == pattern(0, total as usize));
    // Whole files, by their names.
    for _ in 0..4 {
        let (from, total) = (path.clone(), total as usize);
        cutter.cut(async move { assert!(fs::read(from).await.unwrap() == pattern(0, total)) }).await;
    }
}

/// Opens to read, many at the same time, and reads what was opened.
pub(crate) async fn opens(cutter: Cutter) {
    let dir = temp();
    let path = Arc::new(dir.path().join("file"));
    std::fs::write(&*path, pattern(7, 5000)).unwrap();
    for _ in 0..20 {
        let (kind, path) = (cutter.below(3), Arc::clone(&path));
        let open = async move {
            let file = match kind {
                0 => return maniac_io::fs::read(&*path).await.unwrap(),
                1 => File::open(&*path).await.unwrap(),
                // Without a ring too this one has to wait.
                _ => OpenOptions::new().read(true).write(true).create(true).open(&*path).await.unwrap(),
            };
            let mut content = vec![0; 6000];
            let count = file.read_at(&mut content, 0).await.unwrap();
            content.truncate(count);
            content
        };
        if let Some(content) = cutter.cut(open).await {
            assert!(content == pattern(7, 5000), "another file's content");
        }
    }
}
