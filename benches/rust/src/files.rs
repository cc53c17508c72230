//! Reads of 4 KiB that the page cache has, in processor time: what the way to the kernel costs.

use crate::measure::{Entry, Options, bench, cpu};
use crate::peers::{maniac, monoio, tokio};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

const BLOCK: usize = 4096;
const BLOCKS: usize = 4096;
const READS: usize = 50_000;

pub fn run(options: &Options) {
    let folder = tempfile::tempdir().expect("a folder for the file");
    let path = folder.path().join("blocks");
    std::fs::write(&path, vec![7; BLOCK * BLOCKS]).expect("a file of 16 MiB");
    for depth in [1, 32] {
        let name = format!("4 KiB read, cached, {depth} at a time");
        bench(options, "files", &name, "ns of CPU", || entries(&path, depth));
    }
}

fn entries(path: &Path, depth: usize) -> Vec<Entry> {
    let path: Arc<PathBuf> = Arc::new(path.to_owned());
    let (a, b, c) = (Arc::clone(&path), Arc::clone(&path), path);
    let ours = maniac::start(1);
    let theirs = tokio::start(1);
    let local = Rc::new(monoio::start(1));
    vec![
        Entry {
            name: maniac::NAME,
            round: Box::new(move || cpu(READS, || maniac::run(&ours, maniac_reads(Arc::clone(&a), depth)))),
        },
        Entry {
            name: "tokio::fs",
            round: Box::new(move || {
                let reads = READS / 10;
                cpu(reads, || tokio::run(&theirs, tokio_reads(Arc::clone(&b), depth, reads)))
            }),
        },
        Entry {
            name: monoio::NAME,
            round: Box::new(move || cpu(READS, || monoio::run(&local, monoio_reads(Arc::clone(&c), depth)))),
        },
    ]
}

/// Where the `n`th read of reader `reader` begins: all over the file.
fn position(reader: usize, n: usize) -> u64 {
    ((reader * 977 + n * 31) % BLOCKS * BLOCK) as u64
}

async fn maniac_reads(path: Arc<PathBuf>, depth: usize) {
    let mut readers = Vec::new();
    for reader in 0..depth {
        let path = Arc::clone(&path);
        readers.push(maniac::spawn(async move {
            let file = maniac_io::fs::File::open(path.as_path()).await.unwrap();
            let mut buf = vec![0; BLOCK];
            for n in 0..READS / depth {
                let count = file.read_at(&mut buf, position(reader, n)).await;
                assert_eq!(count.unwrap(), BLOCK);
            }
        }));
    }
    for reader in readers {
        maniac::join(reader).await;
    }
}

async fn tokio_reads(path: Arc<PathBuf>, depth: usize, reads: usize) {
    use ::tokio::io::{AsyncReadExt, AsyncSeekExt};
    let mut readers = Vec::new();
    for reader in 0..depth {
        let path = Arc::clone(&path);
        readers.push(tokio::spawn(async move {
            let mut file = ::tokio::fs::File::open(path.as_path()).await.unwrap();
            let mut buf = vec![0; BLOCK];
            for n in 0..reads / depth {
                file.seek(std::io::SeekFrom::Start(position(reader, n))).await.unwrap();
                file.read_exact(&mut buf).await.unwrap();
            }
        }));
    }
    for reader in readers {
        tokio::join(reader).await;
    }
}

async fn monoio_reads(path: Arc<PathBuf>, depth: usize) {
    let mut readers = Vec::new();
    for reader in 0..depth {
        let path = Arc::clone(&path);
        readers.push(monoio::spawn(async move {
            let file = ::monoio::fs::File::open(path.as_path()).await.unwrap();
            let mut buf = vec![0; BLOCK];
            for n in 0..READS / depth {
                let (count, back) = file.read_at(buf, position(reader, n)).await;
                assert_eq!(count.unwrap(), BLOCK);
                buf = back;
            }
        }));
    }
    for reader in readers {
        monoio::join(reader).await;
    }
}
