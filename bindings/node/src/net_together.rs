//! Short writes that cross in one flush go to the kernel together, where the driver has a ring: one system call instead of one for each.
//!
//! All of them are over before the flush does anything else, so nothing here outlasts it: a socket's writes keep their order, and its
//! close finds none of them under way.

use crate::engine::Engine;
use crate::net::{Kind, Outgoing, Role};
use crate::outcome::errno_of;
use maniac::driver::Op;
use maniac::driver::op::Send;
use rustix::io::Errno;
use std::time::Duration;

/// Longest write that goes along: the copying of a longer one costs more than its call.
const LONGEST: usize = 16 * 1024;
/// With fewer entries in a flush, plain calls are cheaper than entries of a ring.
const FEWEST: usize = 4;

/// See the module's page.
#[derive(Default)]
pub(crate) struct Together {
    /// Whether writes are gathered now.
    open: bool,
    /// Those gathered, each the first of what its socket sends.
    writes: Vec<(usize, Op<Send<Vec<u8>>>)>,
}

impl Engine {
    /// A flush of so many entries begins.
    pub(crate) fn begin_together(&mut self, entries: usize) {
        self.net.together.open = entries >= FEWEST && self.driver.gathers::<Send<Vec<u8>>>();
    }

    /// Sends what waits in a socket: together with others if it can, and else now.
    pub(crate) fn send_out(&mut self, number: usize) {
        if !self.gather(number) {
            self.pump(number);
        }
    }

    /// Gathers a socket's write; false if it is not for here.
    fn gather(&mut self, number: usize) -> bool {
        if !self.net.together.open {
            return false;
        }
        let Some(socket) = self.net.get(number) else { return false };
        if socket.gathered {
            // Behind the one that is gathered.
            return true;
        }
        let only = socket.role == Role::Stream && socket.out.len() == 1 && !socket.connecting;
        let Some(write) = socket.out.front_mut().filter(|write| only && may_go_along(write)) else {
            return false;
        };
        // One that is known to have no room is not asked.
        if !socket.watch.snapshot().is_writable() {
            return false;
        }
        let bytes = std::mem::take(&mut write.bytes);
        socket.gathered = true;
        let op = self.driver.submit(Send::new(socket.watch.fd().clone(), bytes, 0));
        self.net.together.writes.push((number, op));
        true
    }

    /// Gives the kernel what is gathered, and takes its answers.
    pub(crate) fn end_together(&mut self) {
        if self.net.together.writes.is_empty() {
            return;
        }
        let mut writes = std::mem::take(&mut self.net.together.writes);
        // An error shows again below, where an answer is missing.
        let _ = self.driver.poll(Some(Duration::ZERO), &mut self.done);
        for (number, op) in writes.drain(..) {
            let (result, bytes) = self.answer(op);
            let Some(socket) = self.net.get(number) else { continue };
            socket.gathered = false;
            let Some(write) = socket.out.front_mut() else { continue };
            match result {
                Ok(count) if count < bytes.len() => (write.bytes, write.sent) = (bytes, count),
                Err(Errno::CANCELED) => write.bytes = bytes,
                result => {
                    socket.out.pop_front();
                    self.net.tell(number, Kind::Written, result.map(|count| count as i32));
                }
            }
            // What is left of it, and what was written behind it.
            self.pump(number);
        }
        self.net.together.writes = writes;
    }

    /// What came of a gathered write, and its bytes. The kernel answers at once, since sockets do not block; the driver has one that
    /// found no room wait in the ring, from where it is fetched back: `CANCELED` says that nothing of it was sent.
    fn answer(&mut self, mut op: Op<Send<Vec<u8>>>) -> (Result<usize, Errno>, Vec<u8>) {
        loop {
            op = match op.try_take() {
                Ok((result, bytes)) => return (result.map_err(|error| errno_of(&error)), bytes),
                Err(under_way) => under_way,
            };
            self.driver.cancel(&op);
            if let Err(error) = self.driver.poll(None, &mut self.done) {
                self.driver.abandon(op);
                return (Err(errno_of(&error)), Vec::new());
            }
        }
    }
}

fn may_go_along(write: &Outgoing) -> bool {
    write.fault.is_none() && write.to.is_none() && (1..=LONGEST).contains(&write.bytes.len())
}
