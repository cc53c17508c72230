//! Files that do not stop at the page cache: sent into a socket, and read past it. Processor time of this process; what receives is another.

use crate::measure::{Entry, Options, bench, cpu, wall};
use crate::peers::{maniac, monoio, tokio};
use maniac_io::buf::AlignedBuf;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;

const BLOCK: usize = 4096;
const SENT: usize = 64 << 20;
const DIRECT: usize = 16 << 20;
const DEPTH: usize = 256;
const READS: usize = 25_600;

const SENDFILE: &str = "sendfile (limit)";
const COPIED: &str = "pread and send (limit)";
const RING: &str = "raw ring, buffers registered (limit)";

pub fn run(options: &Options) {
    let folder = tempfile::tempdir().expect("a folder for the files");
    let (sent, direct) = (folder.path().join("sent"), folder.path().join("direct"));
    bench(options, "files", "64 MiB of the page cache to a socket", "ms of CPU a GB", || {
        std::fs::write(&sent, vec![7; SENT]).expect("a file of 64 MiB");
        sends(&Arc::new(sent.clone()))
    });
    let direct = Arc::new(direct);
    for unit in ["thousands a second", "us of CPU"] {
        bench(options, "files", "4 KiB read past the page cache, 256 at a time", unit, || {
            std::fs::File::create(&*direct)
                .and_then(|mut file| file.write_all(&vec![7; DIRECT]).and_then(|()| file.sync_all()))
                .expect("a file of 16 MiB");
            if open_direct(&direct).is_none() {
                return Vec::new();
            }
            directs(
                &direct,
                if unit == "us of CPU" {
                    |work| cpu(READS, work) / 1e3
                } else {
                    |work| 1e6 / wall(READS, work)
                },
            )
        });
    }
}

/// A process that takes what comes, for as long as this one is there.
struct Sink {
    address: SocketAddr,
    child: Child,
}

impl Sink {
    fn start() -> Self {
        let own = std::env::current_exe().expect("this program");
        let mut child = Command::new(own)
            .arg("--sink")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sink");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its address");
        Self { address: line.trim().parse().expect("an address"), child }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the sink does: it answers each connection's end with a byte.
pub fn sink() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("bound"));
    let mut buf = vec![0; 1 << 20];
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        while stream.read(&mut buf).expect("bytes") > 0 {}
        let _ = stream.write_all(&[1]);
    }
}

/// A round in which `send` sends the file once, in milliseconds a gigabyte.
fn sending(name: &'static str, mut send: impl FnMut(SocketAddr) + 'static) -> Entry {
    let sink = Sink::start();
    let round = move || {
        // All of it: it is there as long as the bench.
        let Sink { address, .. } = &sink;
        cpu(SENT, || send(*address)) * 1e3
    };
    Entry { name, round: Box::new(round) }
}

fn sends(path: &Arc<PathBuf>) -> Vec<Entry> {
    let (ours, theirs) = (Rc::new(maniac::start(1)), Rc::new(tokio::start(1)));
    let (for_ours, for_tokio, for_calls, for_copies) =
        (path.clone(), path.clone(), path.clone(), path.clone());
    vec![
        sending(maniac::NAME, move |address| {
            let path = for_ours.clone();
            maniac::run(&ours, async move {
                let mut file = maniac_io::fs::File::open(path.as_path()).await.unwrap();
                let mut stream = maniac_io::net::TcpStream::connect(address).await.unwrap();
                assert_eq!(maniac_io::io::copy(&mut file, &mut stream).await.unwrap(), SENT as u64);
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                assert_eq!(stream.read(&mut [0]).await.unwrap(), 1);
            });
        }),
        sending(tokio::NAME, move |address| {
            let path = for_tokio.clone();
            tokio::run(&theirs, async move {
                use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut file = ::tokio::fs::File::open(path.as_path()).await.unwrap();
                let mut stream = ::tokio::net::TcpStream::connect(address).await.unwrap();
                assert_eq!(::tokio::io::copy(&mut file, &mut stream).await.unwrap(), SENT as u64);
                stream.shutdown().await.unwrap();
                assert_eq!(stream.read(&mut [0]).await.unwrap(), 1);
            });
        }),
        sending(COPIED, move |address| {
            let (mut file, mut stream) = opened(&for_copies, address);
            let mut buf = vec![0; 64 << 10];
            loop {
                match file.read(&mut buf).unwrap() {
                    0 => break,
                    count => stream.write_all(&buf[..count]).unwrap(),
                }
            }
            ended(stream);
        }),
        sending(SENDFILE, move |address| {
            let (file, stream) = opened(&for_calls, address);
            let mut left = SENT;
            while left > 0 {
                // SAFETY: both descriptors are open, and no offset is asked for.
                let count = unsafe {
                    libc::sendfile(stream.as_raw_fd(), file.as_raw_fd(), std::ptr::null_mut(), left)
                };
                left -= usize::try_from(count).expect("sendfile(2)");
            }
            ended(stream);
        }),
    ]
}

fn opened(path: &Path, address: SocketAddr) -> (std::fs::File, TcpStream) {
    (std::fs::File::open(path).expect("the file"), TcpStream::connect(address).expect("the sink"))
}

fn ended(mut stream: TcpStream) {
    stream.shutdown(std::net::Shutdown::Write).expect("the end");
    stream.read_exact(&mut [0]).expect("the sink's answer");
}

/// The file past the page cache, where its file system can do that.
fn open_direct(path: &Path) -> Option<std::fs::File> {
    std::fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path).ok()
}

fn position(lane: usize, n: usize) -> u64 {
    ((lane * 977 + n * 31) % (DIRECT / BLOCK) * BLOCK) as u64
}

fn directs(path: &Arc<PathBuf>, measured: fn(&mut dyn FnMut()) -> f64) -> Vec<Entry> {
    let (runtime, bound) = (Rc::new(maniac::start(1)), Rc::new(monoio::start(1)));
    let (for_ours, for_monoio) = (path.clone(), path.clone());
    let mut ring = Ring::new(path);
    vec![
        Entry {
            name: maniac::NAME,
            round: Box::new(move || {
                let path = for_ours.clone();
                measured(&mut || maniac::run(&runtime, ours(path.clone())))
            }),
        },
        Entry {
            name: monoio::NAME,
            round: Box::new(move || {
                let path = for_monoio.clone();
                measured(&mut || monoio::run(&bound, monoios(path.clone())))
            }),
        },
        Entry { name: RING, round: Box::new(move || measured(&mut || ring.read_all())) },
    ]
}

async fn ours(path: Arc<PathBuf>) {
    let file = maniac_io::fs::OpenOptions::new().read(true).direct(true).open(path.as_path()).await.unwrap();
    let file = Arc::new(file);
    let lane = |lane| {
        let file = Arc::clone(&file);
        maniac::spawn(async move {
            let mut buf = AlignedBuf::new(BLOCK, BLOCK).unwrap();
            for n in 0..READS / DEPTH {
                buf.set_len(0);
                let (count, back) = file.read_owned_at(buf, position(lane, n)).await;
                assert_eq!(count.unwrap(), BLOCK);
                buf = back;
            }
        })
    };
    for lane in (0..DEPTH).map(lane).collect::<Vec<_>>() {
        maniac::join(lane).await;
    }
}

/// A block that monoio reads into.
struct Aligned(Box<Page>);

#[repr(align(4096))]
struct Page([u8; BLOCK]);

// SAFETY: the page stays where it is, and all of it may be written.
unsafe impl ::monoio::buf::IoBufMut for Aligned {
    fn write_ptr(&mut self) -> *mut u8 {
        self.0.0.as_mut_ptr()
    }

    fn bytes_total(&mut self) -> usize {
        BLOCK
    }

    unsafe fn set_init(&mut self, _: usize) {}
}

async fn monoios(path: Arc<PathBuf>) {
    let file = Rc::new(::monoio::fs::File::from_std(open_direct(&path).unwrap()).unwrap());
    let lane = |lane| {
        let file = Rc::clone(&file);
        monoio::spawn(async move {
            let mut buf = Aligned(Box::new(Page([0; BLOCK])));
            for n in 0..READS / DEPTH {
                let (count, back) = file.read_at(buf, position(lane, n)).await;
                assert_eq!(count.unwrap(), BLOCK);
                buf = back;
            }
        })
    };
    for lane in (0..DEPTH).map(lane).collect::<Vec<_>>() {
        monoio::join(lane).await;
    }
}

/// What no runtime can do better: a loop over a ring whose buffers the kernel knows.
struct Ring {
    ring: io_uring::IoUring,
    file: std::fs::File,
    pages: Vec<Page>,
}

impl Ring {
    fn new(path: &Path) -> Self {
        let ring = io_uring::IoUring::builder()
            .setup_coop_taskrun()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(DEPTH as u32)
            .expect("a ring");
        let mut pages: Vec<Page> = (0..DEPTH).map(|_| Page([0; BLOCK])).collect();
        let buffers: Vec<libc::iovec> = pages
            .iter_mut()
            .map(|page| libc::iovec { iov_base: page.0.as_mut_ptr().cast(), iov_len: BLOCK })
            .collect();
        // SAFETY: the pages live as long as the ring, and are not moved.
        unsafe { ring.submitter().register_buffers(&buffers) }.expect("registered buffers");
        Self { ring, file: open_direct(path).expect("the file"), pages }
    }

    fn read_all(&mut self) {
        let mut lanes = vec![0; DEPTH];
        (0..DEPTH).for_each(|lane| self.push(lane, 0));
        let mut left = READS;
        while left > 0 {
            self.ring.submit_and_wait(1).expect("the ring");
            let done: Vec<(usize, i32)> =
                self.ring.completion().map(|entry| (entry.user_data() as usize, entry.result())).collect();
            for (lane, result) in done {
                assert_eq!(result, BLOCK as i32);
                left -= 1;
                lanes[lane] += 1;
                if lanes[lane] < READS / DEPTH {
                    self.push(lane, lanes[lane]);
                }
            }
        }
    }

    fn push(&mut self, lane: usize, n: usize) {
        let fd = io_uring::types::Fd(self.file.as_raw_fd());
        let at = self.pages[lane].0.as_mut_ptr();
        let read = io_uring::opcode::ReadFixed::new(fd, at, BLOCK as u32, lane as u16);
        let entry = read.offset(position(lane, n)).build().user_data(lane as u64);
        // SAFETY: the page is this lane's, which has nothing else in flight.
        unsafe { self.ring.submission().push(&entry) }.expect("a lane has one entry");
    }
}
