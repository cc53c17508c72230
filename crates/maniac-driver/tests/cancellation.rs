//! Operations of every family, ended at random points in every way there is: afterwards no descriptor, no buffer and no byte
//! is missing. `MANIAC_SEED` repeats a run, `MANIAC_DEEP=1` makes it longer.
#![cfg(all(target_os = "linux", feature = "iouring", feature = "mio", not(any(loom, miri))))]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::print_stdout,
    reason = "a test program that prints its seeds"
)]

mod support;

use maniac_driver::buf::{BufferPool, BufferPoolConfig};
use maniac_driver::op::splice::End;
use maniac_driver::op::{
    Accept, Allocate, Close, Connect, CopyRange, Fsync, LinkAt, MkdirAt, OpenAt, Operation, PollOnce, Read,
    ReadAt, ReadLinkAt, ReadVectoredAt, Recv, RecvFrom, RenameAt, Send, SendTo, Shutdown, Splice, StatAt,
    StatFile, SymlinkAt, SyncRange, Tee, Truncate, UnlinkAt, Write, WriteAt, WriteVectoredAt, path::OpenHow,
};
use maniac_driver::{Interest, Op, Registration, SharedFd, sys};
use socket2::{Domain, Socket, Type};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, mpsc};
use support::{Flavour, Random, Rig, open_descriptors, pair, peek, pipe};

/// How many operations a flavour's run gives up while they are under way.
fn goal() -> u64 {
    if support::deep() { 400_000 } else { 25_000 }
}

/// The length of the file that is read and written.
const FILE: usize = 100_000;

struct World {
    rig: Rig,
    random: Random,
    bufs: BufferPool,
    /// Handles that are dropped later.
    kept: Vec<Box<dyn Kept>>,
    /// A thread that drops what it is sent.
    dropper: mpsc::Sender<Box<dyn Kept>>,
    /// How many operations were given up while they were under way.
    cancelled: u64,
    stream: Stream,
    listener: SharedFd,
    addr: std::net::SocketAddr,
    file: SharedFd,
}

/// A handle of some operation.
trait Kept: std::marker::Send {
    fn is_under_way(&self) -> bool;
}

impl<T: Operation> Kept for Op<T> {
    fn is_under_way(&self) -> bool {
        !self.is_complete()
    }
}

/// A stream whose every byte is accounted for.
struct Stream {
    reader: Registration,
    writer: SharedFd,
    written: u64,
    read: u64,
}

impl Stream {
    fn write(&mut self, count: u64) {
        let bytes: Vec<u8> = (0..count).map(|at| ((self.written + at) % 251) as u8).collect();
        if let Ok(done) = sys::write(&self.writer, &bytes) {
            self.written += done as u64;
        }
    }

    fn check(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            assert_eq!(
                u64::from(byte),
                self.read % 251,
                "byte {} of the stream is not the one sent",
                self.read
            );
            self.read += 1;
        }
    }
}

impl World {
    fn new(flavour: Flavour) -> Self {
        let rig = Rig::new(flavour);
        let (dropper, dropped) = mpsc::channel();
        std::thread::spawn(move || dropped.iter().for_each(drop));
        let (a, b) = pair();
        b.set_nonblocking().unwrap();
        let reader = Registration::new(a, &rig.driver.remote()).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let file = rig.dir.file("file", &[7; FILE]);
        Self {
            random: Random::from_env(&format!("{flavour:?}")),
            bufs: BufferPool::new(BufferPoolConfig::new()),
            kept: Vec::new(),
            dropper,
            cancelled: 0,
            stream: Stream { reader, writer: b, written: 0, read: 0 },
            listener: SharedFd::new(listener.into()),
            addr,
            file,
            rig,
        }
    }

    fn buf(&self) -> maniac_driver::buf::PoolBuf {
        self.bufs.try_acquire(4096).expect("far below the limit")
    }

    fn full_buf(&self) -> maniac_driver::buf::PoolBuf {
        let mut buf = self.buf();
        buf.extend_from_slice(&[1; 100]);
        buf
    }

    fn turns(&mut self) {
        for _ in 0..self.random.below(3) {
            self.rig.glance();
        }
    }

    /// Begins `op` one way or another, and ends it one way or another.
    fn act<T: Operation>(&mut self, op: T) {
        let mut op = if self.random.chance(3) {
            self.rig.driver.remote().submit(op)
        } else {
            self.rig.driver.submit(op)
        };
        // Leaves a waker, unless it is done already.
        if self.random.chance(2) && peek(&mut op).is_ready() {
            return;
        }
        self.turns();
        let way = self.random.below(8);
        // What is kept is given up later.
        self.cancelled += u64::from(way < 6 && op.is_under_way());
        match way {
            0 => drop(op),
            1 => self.rig.driver.abandon(op),
            2 => {
                op.cancel();
                self.turns();
                self.kept.push(Box::new(op));
            }
            3 => {
                self.rig.driver.cancel(&op);
                drop(op);
            }
            4 => self.dropper.send(Box::new(op)).unwrap(),
            5 => {
                op.cancel();
                if op.is_complete() {
                    drop(op.try_take());
                } else {
                    drop(self.rig.wait(op));
                }
            }
            _ => self.kept.push(Box::new(op)),
        }
        if self.kept.len() > 50 {
            let at = self.random.below(self.kept.len() as u64) as usize;
            let old = self.kept.swap_remove(at);
            self.cancelled += u64::from(old.is_under_way());
        }
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..=3 => self.stream_step(),
            4 if self.random.chance(3) => {
                let bufs = vec![self.buf(), self.buf()];
                self.act(ReadVectoredAt::new(self.file.clone(), bufs, self.file_offset()));
            }
            4 => self.act(ReadAt::new(self.file.clone(), self.buf(), self.file_offset())),
            5 if self.random.chance(3) => {
                let bufs = vec![self.full_buf(), self.full_buf()];
                self.act(WriteVectoredAt::new(self.file.clone(), bufs, 0));
            }
            5 => self.act(WriteAt::new(self.file.clone(), self.full_buf(), 0)),
            6 if self.random.chance(2) => {
                self.act(SyncRange::new(self.file.clone(), self.file_offset(), 4096));
            }
            6 if self.random.chance(2) => {
                self.act(Allocate::new(self.file.clone(), self.file_offset(), 4096));
            }
            6 if self.random.chance(2) => self.act(StatFile::new(self.file.clone())),
            6 if self.random.chance(2) => self.act(Truncate::new(self.file.clone(), FILE as u64)),
            6 => self.act(Fsync::data(self.file.clone())),
            7 => self.accept(),
            8 => self.connect(),
            9 => {
                let (a, b) = pair();
                let _ = sys::write(&b, b"x").map(|_| self.random.chance(2).then(|| drop(b)));
                self.act(Recv::new(a, self.buf(), 0));
            }
            10 => self.act(Recv::new(pair().0, self.buf(), 0)),
            11 if self.random.chance(4) => self.act(Shutdown::new(pair().0, std::net::Shutdown::Write)),
            11 => self.act(Send::new(pair().0, self.full_buf(), 0)),
            12 => self.open(),
            13 => self.paths(),
            14 => self.splice(),
            15 => self.act(PollOnce::new(self.stream.reader.fd().clone(), Interest::READABLE)),
            16 => self.datagram(),
            17 => {
                let (reader, writer) = pipe();
                self.act(Write::new(writer, self.full_buf()));
                self.act(Read::new(reader, self.buf()));
            }
            18 => {
                let fd: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
                self.act(Close::new(fd));
            }
            _ => self.turns(),
        }
    }

    fn file_offset(&self) -> u64 {
        self.rig.driver.metrics().submitted % 90_000
    }

    /// Reads that end early must not take bytes with them.
    fn stream_step(&mut self) {
        let count = self.random.below(64);
        self.stream.write(count);
        if self.random.chance(2) {
            // A future of a borrowed buffer, dropped unless it is done at once or after some turns.
            let mut buf = [0; 48];
            let reader = self.stream.reader.clone();
            let done = {
                let mut read =
                    std::pin::pin!(reader.io(Interest::READABLE, || sys::read(reader.fd(), &mut buf)));
                let mut done = peek(&mut read);
                for _ in 0..self.random.below(3) {
                    if done.is_pending() {
                        self.rig.glance();
                        done = peek(&mut read);
                    }
                }
                done
            };
            match done {
                std::task::Poll::Ready(count) => self.stream.check(&buf[..count.unwrap()]),
                std::task::Poll::Pending => self.cancelled += 1,
            }
        } else {
            // An operation that is cancelled and waited for says what it has taken.
            let buf = self.buf();
            let op = self.rig.driver.submit(Recv::new(self.stream.reader.fd().clone(), buf, 0));
            self.turns();
            self.cancelled += u64::from(op.is_under_way());
            op.cancel();
            let (result, buf) =
                if op.is_complete() { op.try_take().expect("complete") } else { self.rig.wait(op) };
            if result.is_ok() {
                self.stream.check(&buf);
            }
        }
    }

    fn accept(&mut self) {
        let client = self.random.chance(2).then(|| std::net::TcpStream::connect(self.addr).unwrap());
        self.act(Accept::new(self.listener.clone()));
        let late = self.random.chance(2).then(|| std::net::TcpStream::connect(self.addr).unwrap());
        self.turns();
        drop((client, late));
        // Those that no operation took must not fill the queue.
        if self.random.chance(4) {
            while let maniac_driver::op::Inline::Done(accepted) =
                maniac_driver::op::try_inline(Accept::new(self.listener.clone()))
            {
                drop(accepted.unwrap());
            }
        }
    }

    fn connect(&mut self) {
        let socket = SharedFd::new(Socket::new(Domain::IPV4, Type::STREAM, None).unwrap().into());
        self.act(Connect::new(socket, self.addr.into()));
    }

    fn open(&mut self) {
        let name = format!("open-{}", self.random.below(10));
        let how = OpenHow::new(libc::O_CREAT | libc::O_RDWR);
        self.act(OpenAt::new(None, self.rig.dir.join(&name), how).unwrap());
    }

    fn paths(&mut self) {
        let name = |at: u64| format!("path-{at}");
        let (a, b) = (name(self.random.below(5)), name(self.random.below(5)));
        let (a, b) = (self.rig.dir.join(&a), self.rig.dir.join(&b));
        match self.random.below(8) {
            0 => self.act(MkdirAt::new(None, a, 0o700).unwrap()),
            1 => self.act(RenameAt::new(None, a, None, b).unwrap()),
            2 => self.act(UnlinkAt::directory(None, a).unwrap()),
            3 => self.act(UnlinkAt::file(None, a).unwrap()),
            4 => self.act(LinkAt::new(None, a, None, b).unwrap()),
            5 => self.act(SymlinkAt::new("path-0", None, b).unwrap()),
            6 => self.act(ReadLinkAt::new(None, a).unwrap()),
            _ => self.act(StatAt::new(None, a, true).unwrap()),
        }
    }

    fn splice(&mut self) {
        let ((a_reader, a_writer), (b_reader, b_writer)) = (pipe(), pipe());
        if self.random.chance(2) {
            sys::write(&a_writer, b"some").unwrap();
        }
        match self.random.below(4) {
            3 => self.act(CopyRange::new((self.file.clone(), 0), (self.file.clone(), 50_000), 1000)),
            0 => self.act(Splice::new(End::at(self.file.clone(), 0), End::stream(a_writer), 1000)),
            1 => self.act(Tee::new(a_reader, b_writer, 1000)),
            _ => self.act(Splice::new(End::stream(a_reader), End::stream(b_writer), 1000)),
        }
        drop(b_reader);
    }

    fn datagram(&mut self) {
        let (a, b) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let (a, b) = (SharedFd::new(a.into()), SharedFd::new(b.into()));
        self.act(SendTo::new(a, self.full_buf(), None, 0));
        self.act(RecvFrom::new(b, self.buf(), 0));
    }

    /// Ends everything and counts.
    fn finish(mut self, before: &[String]) {
        self.cancelled += self.kept.drain(..).filter(|old| old.is_under_way()).count() as u64;
        let (gone, here) = mpsc::channel();
        // Behind all that the thread has to drop.
        self.dropper.send(Box::new(Hook(gone))).unwrap();
        here.recv().unwrap();
        self.rig.until(|driver| driver.in_flight() == 0);
        while self.stream.read < self.stream.written {
            let mut buf = [0; 1000];
            let reader = self.stream.reader.clone();
            let count =
                self.rig.wait(reader.io(Interest::READABLE, || sys::read(reader.fd(), &mut buf))).unwrap();
            assert!(count > 0);
            self.stream.check(&buf[..count]);
        }
        self.rig.glance();
        assert_eq!(self.bufs.stats().lent, 0, "buffers are missing");
        self.rig.assert_used();
        println!(
            "{:?}: {} given up under way, {:?}",
            self.rig.flavour,
            self.cancelled,
            self.rig.driver.metrics()
        );
        let Self { rig, stream, listener, file, dropper, .. } = self;
        drop((stream, listener, file, dropper));
        drop(rig);
        assert_eq!(open_descriptors(), before, "descriptors are missing or left over");
    }
}

/// Tells when it is dropped.
struct Hook(mpsc::Sender<()>);

impl Kept for Hook {
    fn is_under_way(&self) -> bool {
        false
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
    }
}

/// One after the other: descriptors are counted for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn nothing_is_lost_by_uring() {
    for flavour in [Flavour::Uring, Flavour::UringBare, Flavour::UringTiny, Flavour::UringOld] {
        nothing_is_lost(flavour);
    }
}

#[test]
fn nothing_is_lost_by_poll() {
    nothing_is_lost(Flavour::Poll);
}

fn nothing_is_lost(flavour: Flavour) {
    let _alone = ALONE.lock();
    let before = open_descriptors();
    let mut world = World::new(flavour);
    while world.cancelled < goal() {
        world.step();
    }
    world.finish(&before);
}
