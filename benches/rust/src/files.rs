//! Files that the page cache has, in processor time: what the way to the kernel costs.

use crate::measure::{Entry, Options, bench, cpu};
use crate::peers::{compio, executor, go, maniac, monoio, tokio};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;

const BLOCK: usize = 4096;
const BLOCKS: usize = 4096;
const READS: usize = 50_000;
const OPENS: usize = 10_000;
const STATS: usize = 20_000;
/// How many of those go to the thread pool of a runtime that has one for files: as many would take long.
const POOLED: usize = 4000;

/// What no runtime can do better.
const CALLS: &str = "plain calls (limit)";
const TOKIO: &str = "tokio::fs";
const SMOL: &str = "blocking (smol)";

pub fn run(options: &Options) {
    let folder = tempfile::tempdir().expect("a folder for the file");
    let path: Arc<PathBuf> = Arc::new(folder.path().join("blocks"));
    std::fs::write(&*path, vec![7; BLOCK * BLOCKS]).expect("a file of 16 MiB");
    for depth in [1, 32] {
        let name = format!("4 KiB read, cached, {depth} at a time");
        bench(options, "files", &name, "ns of CPU", || reads(&path, depth));
        let name = format!("open, read of 4 KiB, close, {depth} at a time");
        bench(options, "files", &name, "ns of CPU", || opens(&path, depth));
    }
    bench(options, "files", "attributes of a path (statx)", "ns of CPU", || stats(&path));
}

/// The same work in `width` tasks of a runtime, each a part of `count`: `|path, lane, n| …` is an async body run for each `n`.
macro_rules! lanes {
    ($peer:ident, $name:expr, $path:expr, $width:expr, $count:expr, |$at:ident, $lane:ident, $each:ident| $lane_body:expr) => {{
        let runtime = Rc::new($peer::start(1));
        let path = Arc::clone($path);
        let (width, count): (usize, usize) = ($width, $count);
        Entry {
            name: $name,
            round: Box::new(move || {
                let path = Arc::clone(&path);
                cpu(count, || {
                    $peer::run(&runtime, async move {
                        let mut all = Vec::new();
                        for $lane in 0..width {
                            let $at = Arc::clone(&path);
                            let $each = count / width;
                            all.push($peer::spawn(async move { $lane_body }));
                        }
                        for lane in all {
                            $peer::join(lane).await;
                        }
                    })
                })
            }),
        }
    }};
}

/// An entry of plain calls: `work(n)` for each `n` below `count`.
fn plain(count: usize, mut work: impl FnMut(usize) + 'static) -> Entry {
    Entry { name: CALLS, round: Box::new(move || cpu(count, || (0..count).for_each(&mut work))) }
}

/// Go's program, which gets the path by its input.
fn gos(path: &Arc<PathBuf>, line: String) -> Option<Entry> {
    let path = Arc::clone(path);
    let round = move || {
        let mut child =
            go::command(1, &line).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Go's program");
        let mut input = child.stdin.take().expect("piped");
        writeln!(input, "{}", path.display()).expect("it reads");
        drop(input);
        let output = child.wait_with_output().expect("Go's program");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
    };
    go::runs().then(|| Entry { name: go::NAME, round: Box::new(round) })
}

/// Where the `n`th read of reader `reader` begins: all over the file.
fn position(reader: usize, n: usize) -> u64 {
    ((reader * 977 + n * 31) % BLOCKS * BLOCK) as u64
}

fn reads(path: &Arc<PathBuf>, depth: usize) -> Vec<Entry> {
    let mut entries = vec![
        lanes!(maniac, maniac::NAME, path, depth, READS, |path, lane, each| {
            let file = maniac_io::fs::File::open(path.as_path()).await.unwrap();
            let mut buf = vec![0; BLOCK];
            for n in 0..each {
                assert_eq!(file.read_at(&mut buf, position(lane, n)).await.unwrap(), BLOCK);
            }
        }),
        lanes!(tokio, TOKIO, path, depth, POOLED, |path, lane, each| {
            use ::tokio::io::{AsyncReadExt, AsyncSeekExt};
            let mut file = ::tokio::fs::File::open(path.as_path()).await.unwrap();
            let mut buf = vec![0; BLOCK];
            for n in 0..each {
                file.seek(std::io::SeekFrom::Start(position(lane, n))).await.unwrap();
                file.read_exact(&mut buf).await.unwrap();
            }
        }),
        lanes!(executor, SMOL, path, depth, POOLED, |path, lane, each| {
            let file = Arc::new(std::fs::File::open(path.as_path()).unwrap());
            let mut buf = vec![0; BLOCK];
            for n in 0..each {
                let file = Arc::clone(&file);
                buf = blocking::unblock(move || {
                    file.read_exact_at(&mut buf, position(lane, n)).unwrap();
                    buf
                })
                .await;
            }
        }),
        lanes!(monoio, monoio::NAME, path, depth, READS, |path, lane, each| {
            let file = ::monoio::fs::File::open(path.as_path()).await.unwrap();
            let mut buf = vec![0; BLOCK];
            for n in 0..each {
                let (count, back) = file.read_at(buf, position(lane, n)).await;
                assert_eq!(count.unwrap(), BLOCK);
                buf = back;
            }
        }),
    ];
    if compio::runs() {
        entries.push(lanes!(compio, compio::NAME, path, depth, READS, |path, lane, each| {
            use ::compio::io::AsyncReadAt;
            let file = ::compio::fs::File::open(path.as_path()).await.unwrap();
            let mut buf = Vec::with_capacity(BLOCK);
            for n in 0..each {
                let ::compio::BufResult(count, back) = file.read_at(buf, position(lane, n)).await;
                assert_eq!(count.unwrap(), BLOCK);
                buf = back;
            }
        }));
    }
    entries.extend(gos(path, format!("reads {depth} {READS}")));
    let file = std::fs::File::open(path.as_path()).expect("the file");
    let mut buf = vec![0; BLOCK];
    entries.push(plain(READS, move |n| file.read_exact_at(&mut buf, position(0, n)).unwrap()));
    entries
}

fn opens(path: &Arc<PathBuf>, depth: usize) -> Vec<Entry> {
    let mut entries = vec![
        lanes!(maniac, maniac::NAME, path, depth, OPENS, |path, _lane, each| {
            let mut buf = vec![0; BLOCK];
            for _ in 0..each {
                let file = maniac_io::fs::File::open(path.as_path()).await.unwrap();
                assert_eq!(file.read_at(&mut buf, 0).await.unwrap(), BLOCK);
            }
        }),
        lanes!(tokio, TOKIO, path, depth, POOLED, |path, _lane, each| {
            use ::tokio::io::AsyncReadExt;
            let mut buf = vec![0; BLOCK];
            for _ in 0..each {
                let mut file = ::tokio::fs::File::open(path.as_path()).await.unwrap();
                file.read_exact(&mut buf).await.unwrap();
            }
        }),
        lanes!(executor, SMOL, path, depth, POOLED, |path, _lane, each| {
            let mut buf = vec![0; BLOCK];
            for _ in 0..each {
                let path = Arc::clone(&path);
                buf = blocking::unblock(move || {
                    std::fs::File::open(path.as_path())
                        .and_then(|file| file.read_exact_at(&mut buf, 0))
                        .unwrap();
                    buf
                })
                .await;
            }
        }),
        lanes!(monoio, monoio::NAME, path, depth, OPENS, |path, _lane, each| {
            let mut buf = vec![0; BLOCK];
            for _ in 0..each {
                let file = ::monoio::fs::File::open(path.as_path()).await.unwrap();
                let (count, back) = file.read_at(buf, 0).await;
                assert_eq!(count.unwrap(), BLOCK);
                buf = back;
                file.close().await.unwrap();
            }
        }),
    ];
    if compio::runs() {
        entries.push(lanes!(compio, compio::NAME, path, depth, OPENS, |path, _lane, each| {
            use ::compio::io::AsyncReadAt;
            let mut buf = Vec::with_capacity(BLOCK);
            for _ in 0..each {
                let file = ::compio::fs::File::open(path.as_path()).await.unwrap();
                let ::compio::BufResult(count, back) = file.read_at(buf, 0).await;
                assert_eq!(count.unwrap(), BLOCK);
                buf = back;
                file.close().await.unwrap();
            }
        }));
    }
    entries.extend(gos(path, format!("opens {depth} {OPENS}")));
    let path = Arc::clone(path);
    let mut buf = vec![0; BLOCK];
    entries.push(plain(OPENS, move |_| {
        std::fs::File::open(path.as_path()).and_then(|file| file.read_exact_at(&mut buf, 0)).unwrap();
    }));
    entries
}

fn stats(path: &Arc<PathBuf>) -> Vec<Entry> {
    let length = |length: u64| assert_eq!(length, (BLOCK * BLOCKS) as u64);
    let mut entries = vec![
        lanes!(maniac, maniac::NAME, path, 1, STATS, |path, _lane, each| {
            for _ in 0..each {
                length(maniac_io::fs::metadata(path.as_path()).await.unwrap().len());
            }
        }),
        lanes!(tokio, TOKIO, path, 1, POOLED, |path, _lane, each| {
            for _ in 0..each {
                length(::tokio::fs::metadata(path.as_path()).await.unwrap().len());
            }
        }),
        lanes!(executor, SMOL, path, 1, POOLED, |path, _lane, each| {
            for _ in 0..each {
                let path = Arc::clone(&path);
                length(blocking::unblock(move || std::fs::metadata(path.as_path())).await.unwrap().len());
            }
        }),
        lanes!(monoio, monoio::NAME, path, 1, STATS, |path, _lane, each| {
            for _ in 0..each {
                length(::monoio::fs::metadata(path.as_path()).await.unwrap().len());
            }
        }),
    ];
    if compio::runs() {
        entries.push(lanes!(compio, compio::NAME, path, 1, STATS, |path, _lane, each| {
            for _ in 0..each {
                length(::compio::fs::metadata(path.as_path()).await.unwrap().len());
            }
        }));
    }
    entries.extend(gos(path, format!("stats {STATS}")));
    let path: Box<Path> = path.as_path().into();
    entries.push(plain(STATS, move |_| length(std::fs::metadata(&path).unwrap().len())));
    entries
}
