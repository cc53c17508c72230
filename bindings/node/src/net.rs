//! Sockets: the table of an environment, by numbers that JavaScript chooses, and what its entries ask of them.
//!
//! Sockets take no operation's id: each gives events under its own number (`CROSSING.md`, section 10), so that any
//! number of them may wait. What flows through them is in `net_flow.rs`.

use crate::engine::Engine;
use crate::layout::{
    AREA_BYTES, DATA_AREA, DATA_GONE, DATA_STAGED, ENTRY_WORDS, W_ARG0, W_ARG1, W_DATA, W_EXTRA, W_FD, W_OP,
    W_PATH, W_PATH2, W_PAYLOAD, W_POSITION, op,
};
use crate::net_make;
use crate::net_names::{self, IPV4, IPV6};
use crate::net_together::Together;
use crate::outcome::errno_of;
use maniac::driver::host::sys::SockAddr;
use maniac::driver::{OwnedDescriptor, Registration, Remote, SharedFd};
use rustix::io::Errno;
use socket2::Type;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Most sockets that an environment may number.
const MAX_SOCKETS: usize = 1 << 24;

/// What an event tells of; `ops.ts` has the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read = 1,
    Written = 2,
    Connected = 3,
    Shut = 4,
    Accepted = 5,
    Closed = 6,
    Reply = 7,
    Message = 8,
}

/// Something that JavaScript shall hear of.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) number: usize,
    pub(crate) kind: Kind,
    pub(crate) result: i32,
    pub(crate) step: u8,
    pub(crate) data: Vec<u8>,
}

/// Sockets whose descriptors became ready, by number and direction.
#[derive(Default)]
pub(crate) struct Woken(Mutex<Vec<Turn>>);

impl Woken {
    fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(crate) fn take(&self, into: &mut VecDeque<Turn>) {
        into.extend(self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..));
    }
}

/// A socket's turn to go on with reading (and accepting) or writing (and connecting).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Read(usize),
    Write(usize),
}

struct Bell {
    turn: Turn,
    woken: Arc<Woken>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.turn);
    }
}

/// What kind of socket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Stream,
    Listener,
    Datagrams,
}

/// Bytes on their way out.
pub(crate) struct Outgoing {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sent: usize,
    pub(crate) to: Option<SocketAddr>,
    /// Why it cannot be sent: told in its turn.
    pub(crate) fault: Option<Errno>,
}

/// One socket.
pub(crate) struct Socket {
    // It holds the descriptor; dropping it ends the kernel's watch and closes.
    pub(crate) watch: Registration,
    pub(crate) reader: Waker,
    pub(crate) writer: Waker,
    pub(crate) role: Role,
    pub(crate) connecting: bool,
    /// Reading, or accepting.
    pub(crate) reading: bool,
    referenced: bool,
    /// Whether it keeps the event loop alive.
    holds: bool,
    pub(crate) out: VecDeque<Outgoing>,
    /// The first of `out` is with the kernel: see `net_together.rs`.
    pub(crate) gathered: bool,
    /// What a Unix domain listener leaves in the file system.
    path: Option<PathBuf>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = rustix::fs::unlink(path);
        }
    }
}

/// All sockets of an environment.
pub(crate) struct Net {
    sockets: Vec<Option<Socket>>,
    open: usize,
    holding: usize,
    pub(crate) remote: Remote,
    pub(crate) woken: Arc<Woken>,
    pub(crate) turns: VecDeque<Turn>,
    pub(crate) events: VecDeque<Event>,
    /// Closed, but the driver may not have let go of the descriptors yet.
    closing: Vec<usize>,
    /// A descriptor to spare when there are no more: see `net_flow.rs`.
    pub(crate) spare: Option<OwnedDescriptor>,
    pub(crate) together: Together,
}

/// An entry's words and what they refer to.
struct Entry<'a> {
    words: &'a [i32; ENTRY_WORDS],
    area: &'a [u8],
}

impl<'a> Entry<'a> {
    fn int64(&self, at: usize) -> i64 {
        i64::from(self.words[at + 1]) << 32 | i64::from(self.words[at] as u32)
    }

    fn bytes(&self, at: usize) -> Result<&'a [u8], Errno> {
        let (start, length) = (self.words[at] as u32 as usize, self.words[at + 1] as u32 as usize);
        start.checked_add(length).and_then(|end| self.area.get(start..end)).ok_or(Errno::INVAL)
    }

    /// The address in the first path's words, of the kind in `W_ARG1`, with the port in `W_ARG0`.
    fn address(&self) -> Result<SockAddr, Errno> {
        net_make::address(self.words[W_ARG1], self.bytes(W_PATH)?, self.words[W_ARG0])
    }

    fn flags(&self) -> i32 {
        self.int64(W_POSITION) as i32
    }
}

impl Net {
    pub(crate) fn new(remote: Remote) -> Self {
        Self {
            sockets: Vec::new(),
            open: 0,
            holding: 0,
            remote,
            woken: Arc::default(),
            turns: VecDeque::new(),
            events: VecDeque::new(),
            closing: Vec::new(),
            spare: None,
            together: Together::default(),
        }
    }

    /// Whether nothing of the driver's concerns sockets.
    pub(crate) fn is_idle(&self) -> bool {
        self.open == 0 && self.closing.is_empty() && self.events.is_empty()
    }

    /// Whether nothing can go on before the driver reports.
    pub(crate) fn is_quiet(&self) -> bool {
        self.events.is_empty() && self.turns.is_empty() && self.closing.is_empty() && self.woken.is_empty()
    }

    /// Whether a socket keeps the event loop alive.
    pub(crate) fn holds(&self) -> bool {
        self.holding > 0 || !self.events.is_empty() || !self.closing.is_empty()
    }

    pub(crate) fn get(&mut self, number: usize) -> Option<&mut Socket> {
        self.sockets.get_mut(number)?.as_mut()
    }

    /// Tells JavaScript something that has no bytes.
    pub(crate) fn tell(&mut self, number: usize, kind: Kind, result: Result<i32, Errno>) {
        let result = result.unwrap_or_else(|errno| -errno.raw_os_error());
        self.events.push_back(Event { number, kind, result, step: 0, data: Vec::new() });
    }

    /// Puts a new socket into the table.
    fn insert(&mut self, number: usize, fd: SharedFd, role: Role) -> Result<&mut Socket, Errno> {
        if number >= MAX_SOCKETS {
            return Err(Errno::MFILE);
        }
        if number >= self.sockets.len() {
            self.sockets.resize_with(number + 1, || None);
        }
        if self.sockets[number].is_some() {
            return Err(Errno::ALREADY);
        }
        let bell = |turn| Waker::from(Arc::new(Bell { turn, woken: self.woken.clone() }));
        let socket = Socket {
            watch: Registration::new(fd, &self.remote).map_err(|error| errno_of(&error))?,
            reader: bell(Turn::Read(number)),
            writer: bell(Turn::Write(number)),
            role,
            connecting: false,
            reading: false,
            referenced: true,
            holds: false,
            out: VecDeque::new(),
            gathered: false,
            path: None,
        };
        self.open += 1;
        Ok(self.sockets[number].insert(socket))
    }

    /// Notes what has changed for the event loop: requests hold it always, reading and listening while referenced.
    pub(crate) fn update(&mut self, number: usize) {
        let Some(socket) = self.sockets.get_mut(number).and_then(Option::as_mut) else { return };
        let holds = socket.connecting || !socket.out.is_empty() || (socket.reading && socket.referenced);
        if holds != socket.holds {
            socket.holds = holds;
            self.holding = if holds { self.holding + 1 } else { self.holding - 1 };
        }
    }

    fn close(&mut self, number: usize, reset: bool) {
        let Some(socket) = self.sockets.get_mut(number).and_then(Option::take) else {
            // Its opening failed.
            return self.tell(number, Kind::Closed, Ok(0));
        };
        self.open -= 1;
        self.holding -= usize::from(socket.holds);
        let result = if reset { net_make::reset_on_close(socket.watch.fd()) } else { Ok(()) };
        drop(socket);
        match result {
            Ok(()) => self.closing.push(number),
            Err(errno) => self.tell(number, Kind::Closed, Err(errno)),
        }
    }

    /// The driver has had its turn, so what was closed before is closed by now.
    pub(crate) fn tell_closed(&mut self) {
        for number in std::mem::take(&mut self.closing) {
            self.tell(number, Kind::Closed, Ok(0));
        }
    }

    /// Closes all.
    pub(crate) fn end(&mut self) {
        self.sockets.clear();
        self.open = 0;
        self.holding = 0;
    }
}

impl Engine {
    /// Does what an entry asks of a socket.
    pub(crate) fn of_socket(&mut self, words: &[i32; ENTRY_WORDS]) {
        // SAFETY: [INV-1] the area is alive and unchanged during the call.
        let area = unsafe { std::slice::from_raw_parts(self.area(), AREA_BYTES) };
        let entry = Entry { words, area };
        let number = words[W_FD] as u32 as usize;
        let code = (words[W_OP] & 0xff) as u8;
        if !matches!(code, op::NET_WRITE | op::NET_READ) {
            self.end_together();
        }
        match code {
            op::NET_CONNECT => self.connect(number, &entry),
            op::NET_ADOPT => self.adopt(number, words[W_ARG0]),
            op::NET_LISTEN => {
                let result = self.listen(number, &entry);
                self.reply_with_name(number, result);
            }
            op::NET_BIND => {
                let result = entry.address().and_then(|address| {
                    let fd = SharedFd::new(net_make::datagrams(&address, entry.flags())?);
                    self.net.insert(number, fd, Role::Datagrams).map(|_| ())
                });
                self.reply_with_name(number, result);
            }
            op::NET_READ => self.set_reading(number, words[W_ARG0] != 0),
            op::NET_WRITE => self.write_out(number, &entry),
            op::NET_SHUTDOWN => {
                let result = match self.net.get(number) {
                    Some(socket) => {
                        rustix::net::shutdown(socket.watch.fd(), rustix::net::Shutdown::Write).map(|()| 0)
                    }
                    None => Err(Errno::NOTCONN),
                };
                self.net.tell(number, Kind::Shut, result);
            }
            op::NET_CLOSE => self.net.close(number, words[W_ARG0] != 0),
            op::NET_REF => {
                if let Some(socket) = self.net.get(number) {
                    socket.referenced = words[W_ARG0] != 0;
                    self.net.update(number);
                }
            }
            op::NET_OPTION => self.set_option(number, &entry),
            op::NET_ATTACH => {
                let result = match self.net.get(number) {
                    Some(socket) => attach(socket, &entry),
                    None => Err(Errno::BADF),
                };
                self.reply_with_name(number, result);
            }
            _ => self.net.tell(number, Kind::Reply, Err(Errno::NOSYS)),
        }
    }

    /// Answers with both addresses of the socket.
    fn reply_with_name(&mut self, number: usize, result: Result<(), Errno>) {
        let data = match (&result, self.net.get(number)) {
            (Ok(()), Some(socket)) => net_make::names(socket.watch.fd()),
            _ => Vec::new(),
        };
        let result = result.map_or_else(|errno| -errno.raw_os_error(), |()| 0);
        self.net.events.push_back(Event { number, kind: Kind::Reply, result, step: 0, data });
    }

    fn listen(&mut self, number: usize, entry: &Entry<'_>) -> Result<(), Errno> {
        let backlog = entry.int64(W_EXTRA) as i32;
        let (fd, path) = match entry.words[W_ARG1] {
            0 => {
                let fd = self.foreign(entry.words[W_ARG0])?;
                net_make::listen_on(&fd, backlog)?;
                (fd, None)
            }
            _ => {
                let address = entry.address()?;
                let fd = net_make::listener(&address, backlog, entry.flags())?;
                (SharedFd::new(fd), net_make::path_of(&address))
            }
        };
        self.keep_spare();
        let socket = self.net.insert(number, fd, Role::Listener)?;
        socket.path = path;
        socket.reading = true;
        self.net.turns.push_back(Turn::Read(number));
        self.net.update(number);
        Ok(())
    }

    /// A descriptor that becomes the engine's: one that it accepted, or one of the program's own.
    fn foreign(&mut self, raw: i32) -> Result<SharedFd, Errno> {
        let at = usize::try_from(raw).map_err(|_| Errno::BADF)?;
        if let Some(fd) = self.files.get_mut(at).and_then(Option::take) {
            return Ok(fd);
        }
        // SAFETY: [INV-5] only looked at; fails if there is no such descriptor.
        let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(raw) };
        rustix::io::fcntl_getfd(borrowed)?;
        // SAFETY: [INV-5] the program gives it up by naming it.
        Ok(SharedFd::new(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    fn adopt(&mut self, number: usize, raw: i32) {
        if let Err(errno) =
            self.foreign(raw).and_then(|fd| self.net.insert(number, fd, Role::Stream).map(|_| ()))
        {
            self.net.tell(number, Kind::Read, Err(errno));
        }
    }

    fn connect(&mut self, number: usize, entry: &Entry<'_>) {
        match self.begin_connect(number, entry) {
            Ok(()) => {
                self.net.turns.push_back(Turn::Write(number));
                self.net.update(number);
            }
            Err((step, errno)) => {
                let data = match self.net.get(number) {
                    Some(socket) => net_make::names(socket.watch.fd()),
                    None => Vec::new(),
                };
                let result = -errno.raw_os_error();
                self.net.events.push_back(Event { number, kind: Kind::Connected, result, step, data });
            }
        }
    }

    /// Steps: 0 the connection's end, 1 the bind to an address of its own, 2 the call itself.
    fn begin_connect(&mut self, number: usize, entry: &Entry<'_>) -> Result<(), (u8, Errno)> {
        let call = |errno| (2, errno);
        let address = entry.address().map_err(call)?;
        let socket = net_make::socket(&address, Type::STREAM).map_err(call)?;
        let own = entry.bytes(W_PATH2).map_err(call)?;
        if !own.is_empty() {
            let own = net_names::parse(entry.words[W_ARG1], own, entry.int64(W_EXTRA) as u16);
            let bound = own.and_then(|own| {
                socket
                    .set_reuse_address(true)
                    .and_then(|()| socket.bind(&own))
                    .map_err(|error| errno_of(&error))
            });
            bound.map_err(|errno| (1, errno))?;
        }
        let begun = net_make::begin_connect(&socket, &address);
        let kept = self.net.insert(number, SharedFd::new(socket.into()), Role::Stream).map_err(call)?;
        match begun {
            Ok(_) => {
                kept.connecting = true;
                Ok(())
            }
            // What a peer or a path answered, not the call's own failure.
            Err(errno) if errno == Errno::CONNREFUSED || address.is_unix() => Err((0, errno)),
            Err(errno) => Err((2, errno)),
        }
    }

    fn set_reading(&mut self, number: usize, on: bool) {
        if let Some(socket) = self.net.get(number) {
            socket.reading = on;
            if on {
                self.net.turns.push_back(Turn::Read(number));
            }
            self.net.update(number);
        }
    }

    fn write_out(&mut self, number: usize, entry: &Entry<'_>) {
        let bytes = match entry.words[W_DATA] {
            DATA_AREA => entry.bytes(W_PAYLOAD).map(<[u8]>::to_vec),
            DATA_STAGED => self.staged(entry.words[W_PAYLOAD] as u32).ok_or(Errno::INVAL),
            DATA_GONE => Err(Errno::FAULT),
            _ => Ok(Vec::new()),
        };
        let to = match entry.words[W_ARG1] {
            IPV4 | IPV6 => entry.address().map(|address| address.as_socket()),
            _ => Ok(None),
        };
        let sendable = bytes.and_then(|bytes| Ok((bytes, to?)));
        let fault = sendable.as_ref().err().copied();
        let (bytes, to) = sendable.unwrap_or_default();
        if let Some(socket) = self.net.get(number) {
            socket.out.push_back(Outgoing { bytes, sent: 0, to, fault });
            self.send_out(number);
        } else {
            self.net.tell(number, Kind::Written, Err(Errno::BADF));
        }
    }

    fn set_option(&mut self, number: usize, entry: &Entry<'_>) {
        let [which, value] = [entry.words[W_ARG0], entry.words[W_ARG1]];
        let texts = entry.bytes(W_PATH).and_then(|text| Ok([text, entry.bytes(W_PATH2)?]));
        let result = match (texts, self.net.get(number)) {
            (Ok(texts), Some(socket)) => {
                net_make::set(socket.watch.fd(), which, value, entry.int64(W_EXTRA), texts)
            }
            (Err(errno), _) => Err(errno),
            (_, None) => Err(Errno::BADF),
        };
        if entry.flags() != 0 {
            self.net.tell(number, Kind::Reply, result);
        }
    }
}

/// Connects a datagram socket to an address, or to none.
fn attach(socket: &Socket, entry: &Entry<'_>) -> Result<(), Errno> {
    let to = match entry.words[W_ARG1] {
        IPV4 | IPV6 => Some(entry.address()?),
        _ => None,
    };
    net_make::connect_datagrams(socket.watch.fd(), to.as_ref())
}
