//! What flows through sockets: bytes and datagrams in and out, connections taken and made.
//!
//! Nothing waits in a buffer of its own: a socket that is read from is watched for readiness, and its bytes go straight
//! into the slab when they are there. A turn is one receive, or some connections or datagrams, so that none starves the others.

use crate::engine::{Engine, SLAB_RESULT_MAX};
use crate::layout::{DATA_NONE, DATA_SLAB, INFO_KIND_SHIFT, INFO_STEP_SHIFT, NET_ID};
use crate::net::{Event, Kind, Outgoing, Role, Turn};
use crate::net_make;
use crate::net_names;
use crate::outcome::errno_of;
use maniac::driver::host::sys::SockAddr;
use maniac::driver::op::{Accept, Inline, try_inline};
use maniac::driver::{Interest, Registration, SharedFd};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags};
use std::io;
use std::task::{Context, Poll, Waker};

/// Connections or datagrams that one socket gives before the others have their turn.
const BURST: usize = 64;
/// Room for a datagram's sender, behind the datagram.
const NAME_ROOM: usize = 256;

#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

/// What is to be done after a turn.
enum After {
    /// There may be more.
    Again,
    /// Nothing until the kernel reports.
    Waits,
    /// There is no room for results.
    Full,
}

impl Engine {
    /// Gives each socket that may go on its turn; false if there was no room for more results.
    pub(crate) fn turn_sockets(&mut self) -> bool {
        self.net_events();
        let woken = self.net.woken.clone();
        woken.take(&mut self.net.turns);
        while let Some(turn) = self.net.turns.pop_front() {
            let after = match turn {
                Turn::Read(number) => self.read_turn(number),
                Turn::Write(number) => {
                    self.write_turn(number);
                    After::Waits
                }
            };
            match after {
                After::Waits => (),
                After::Again => self.net.turns.push_back(turn),
                After::Full => {
                    self.net.turns.push_front(turn);
                    return false;
                }
            }
            self.net_events();
        }
        self.net.events.is_empty()
    }

    /// Puts into records what is to be told.
    pub(crate) fn net_events(&mut self) {
        while self.has_record()
            && let Some(event) = self.net.events.pop_front()
        {
            let Event { number, kind, result, step, data } = event;
            let (place, at, length) =
                if data.is_empty() { (DATA_NONE, 0, 0) } else { self.place_small(data) };
            let info = place | i32::from(step) << INFO_STEP_SHIFT | (kind as i32) << INFO_KIND_SHIFT;
            self.fill(NET_ID | number, result, info, at, length, 0);
        }
    }

    fn read_turn(&mut self, number: usize) -> After {
        if !self.has_record() {
            return After::Full;
        }
        let Some(socket) = self.net.get(number).filter(|socket| socket.reading) else { return After::Waits };
        // Handles, so that slab and records can be used meanwhile.
        let (role, watch, waker) = (socket.role, socket.watch.clone(), socket.reader.clone());
        match role {
            Role::Stream => self.receive(number, &watch, &waker),
            Role::Listener => self.accept_some(number, &watch, &waker),
            Role::Datagrams => self.receive_datagrams(number, &watch, &waker),
        }
    }

    fn receive(&mut self, number: usize, watch: &Registration, waker: &Waker) -> After {
        let Some(at) = self.slab_room(SLAB_RESULT_MAX) else { return After::Full };
        let before = watch.snapshot();
        let slice = self.slab_slice(at, SLAB_RESULT_MAX);
        let mut context = Context::from_waker(waker);
        match watch.poll_io(&mut context, Interest::READABLE, || recv(watch.fd(), &mut *slice)) {
            Poll::Pending => After::Waits,
            Poll::Ready(Ok(0)) => self.stop_reading(number, 0),
            Poll::Ready(Ok(count)) => {
                self.slab_used = (at + count).next_multiple_of(8);
                let info = DATA_SLAB | (Kind::Read as i32) << INFO_KIND_SHIFT;
                self.fill(NET_ID | number, count as i32, info, at as u32, count, 0);
                if count == SLAB_RESULT_MAX {
                    return After::Again;
                }
                // That was all there was: it waits for the next report at once, without another call.
                watch.clear_ready(before, Interest::READABLE);
                match watch.poll_ready(&mut context, Interest::READABLE) {
                    Poll::Pending => After::Waits,
                    Poll::Ready(_) => After::Again,
                }
            }
            Poll::Ready(Err(error)) => self.stop_reading(number, -errno_of(&error).raw_os_error()),
        }
    }

    /// Tells of a stream's end or failure.
    fn stop_reading(&mut self, number: usize, result: i32) -> After {
        if let Some(socket) = self.net.get(number) {
            socket.reading = false;
        }
        self.net.update(number);
        self.net.events.push_back(Event { number, kind: Kind::Read, result, step: 0, data: Vec::new() });
        After::Waits
    }

    fn accept_some(&mut self, number: usize, watch: &Registration, waker: &Waker) -> After {
        let mut context = Context::from_waker(waker);
        for _ in 0..BURST {
            if !self.has_record() {
                return After::Full;
            }
            let before = watch.snapshot();
            match watch.poll_io(&mut context, Interest::READABLE, || accept(watch.fd())) {
                Poll::Pending => return After::Waits,
                Poll::Ready(Ok((fd, _))) => {
                    let data = net_make::names(&fd);
                    let result = self.keep(fd);
                    self.net.events.push_back(Event { number, kind: Kind::Accepted, result, step: 0, data });
                    self.net_events();
                }
                Poll::Ready(Err(error)) => match errno_of(&error) {
                    Errno::CONNABORTED | Errno::PROTO => (),
                    Errno::MFILE | Errno::NFILE if self.turn_away(watch.fd()) => (),
                    errno => {
                        watch.clear_ready(before, Interest::READABLE);
                        self.net.tell(number, Kind::Accepted, Err(errno));
                        return After::Waits;
                    }
                },
            }
        }
        After::Again
    }

    /// With no descriptor left a connection would wait for ever, and the listener be ready for ever: the spare
    /// descriptor's place takes it, to close it at once. False if even that fails.
    fn turn_away(&mut self, listener: &SharedFd) -> bool {
        let had_spare = self.net.spare.take().is_some();
        let accepted = accept(listener).is_ok();
        self.keep_spare();
        had_spare && accepted
    }

    /// Sees to it that there is a descriptor to spare.
    pub(crate) fn keep_spare(&mut self) {
        if self.net.spare.is_none() {
            self.net.spare = rustix::io::fcntl_dupfd_cloexec(&self.driver, 0).ok();
        }
    }

    fn receive_datagrams(&mut self, number: usize, watch: &Registration, waker: &Waker) -> After {
        let mut context = Context::from_waker(waker);
        for _ in 0..BURST {
            let room = SLAB_RESULT_MAX + NAME_ROOM;
            let Some(at) = self.slab_room_for(room).filter(|_| self.has_record()) else { return After::Full };
            let slice = self.slab_slice(at, SLAB_RESULT_MAX);
            match watch.poll_io(&mut context, Interest::READABLE, || recv_from(watch.fd(), &mut *slice)) {
                Poll::Pending => return After::Waits,
                Poll::Ready(Ok((count, from))) => {
                    let mut name = Vec::new();
                    net_names::write(from.as_ref(), &mut name);
                    name.truncate(NAME_ROOM);
                    self.slab_slice(at + count, name.len()).copy_from_slice(&name);
                    let length = count + name.len();
                    self.slab_used = (at + length).next_multiple_of(8);
                    let info = DATA_SLAB | (Kind::Message as i32) << INFO_KIND_SHIFT;
                    self.fill(NET_ID | number, count as i32, info, at as u32, length, 0);
                }
                Poll::Ready(Err(error)) => {
                    self.net.tell(number, Kind::Message, Err(errno_of(&error)));
                    return After::Again;
                }
            }
        }
        After::Again
    }

    fn write_turn(&mut self, number: usize) {
        match self.net.get(number) {
            Some(socket) if socket.connecting => self.connect_turn(number),
            Some(_) => self.pump(number),
            None => (),
        }
    }

    fn connect_turn(&mut self, number: usize) {
        let Some(socket) = self.net.get(number) else { return };
        let (watch, waker) = (&socket.watch, &socket.writer);
        let mut context = Context::from_waker(waker);
        let ended = watch.poll_io(&mut context, Interest::WRITABLE, || net_make::end_connect(watch.fd()));
        let Poll::Ready(result) = ended else { return };
        socket.connecting = false;
        let data = net_make::names(watch.fd());
        let result = result.map_or_else(|error| -errno_of(&error).raw_os_error(), |()| 0);
        self.net.update(number);
        self.net.events.push_back(Event { number, kind: Kind::Connected, result, step: 0, data });
    }

    /// Sends what waits, as far as there is room.
    pub(crate) fn pump(&mut self, number: usize) {
        loop {
            let Some(socket) = self.net.get(number) else { return };
            let Some(outgoing) = socket.out.front_mut() else { break };
            let watch = &socket.watch;
            let mut context = Context::from_waker(&socket.writer);
            let sent = watch.poll_io(&mut context, Interest::WRITABLE, || send(watch.fd(), &*outgoing));
            let result = match sent {
                Poll::Pending => break,
                Poll::Ready(Ok(count)) => {
                    outgoing.sent += count;
                    if outgoing.to.is_none()
                        && socket.role == Role::Stream
                        && outgoing.sent < outgoing.bytes.len()
                    {
                        continue;
                    }
                    Ok(i32::try_from(outgoing.sent).unwrap_or(i32::MAX))
                }
                Poll::Ready(Err(error)) => Err(errno_of(&error)),
            };
            socket.out.pop_front();
            self.net.tell(number, Kind::Written, result);
        }
        self.net.update(number);
    }
}

/// recv(2)
fn recv(fd: &SharedFd, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::net::recv(fd, &mut *buffer, RecvFlags::DONTWAIT))?.0)
}

/// recvfrom(2)
fn recv_from(fd: &SharedFd, buffer: &mut [u8]) -> io::Result<(usize, Option<SockAddr>)> {
    let (count, _, from) = retry_on_intr(|| rustix::net::recvfrom(fd, &mut *buffer, RecvFlags::DONTWAIT))?;
    let from = from.and_then(|from| std::net::SocketAddr::try_from(from).ok()).map(SockAddr::from);
    Ok((count, from))
}

/// send(2), or sendto(2) for a datagram with an address.
fn send(fd: &SharedFd, outgoing: &Outgoing) -> io::Result<usize> {
    if let Some(errno) = outgoing.fault {
        return Err(errno.into());
    }
    let bytes = &outgoing.bytes[outgoing.sent..];
    let flags = NO_SIGNAL | SendFlags::DONTWAIT;
    Ok(match &outgoing.to {
        None => retry_on_intr(|| rustix::net::send(fd, bytes, flags))?,
        Some(to) => retry_on_intr(|| rustix::net::sendto(fd, bytes, flags, to))?,
    })
}

/// accept4(2)
fn accept(listener: &SharedFd) -> io::Result<(SharedFd, SockAddr)> {
    match try_inline(Accept::new(listener.clone())) {
        Inline::Done(result) => result.map(|(fd, peer)| (SharedFd::new(fd), peer)),
        Inline::Pending(_) => Err(io::ErrorKind::WouldBlock.into()),
    }
}
