//! The descriptors that a driver's epoll or kqueue watches, as the driver's owner sees them: states by key. What speaks with the
//! kernel is the backend's.

use super::IoState;
use crate::completions::Completions;
use crate::fd::SharedFd;
use crate::record::RecordRef;
use slab::Slab;
use std::io;
use std::sync::Arc;

/// See the module's documentation. Whoever has to hear of something is put into a list: wakers into `done`, operations into
/// `records`.
#[derive(Default)]
pub(crate) struct Watched {
    ios: Slab<Arc<IoState>>,
}

impl Watched {
    pub(crate) fn len(&self) -> usize {
        self.ios.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ios.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<IoState>> {
        self.ios.iter().map(|(_, io)| io)
    }

    /// Does what is asked of a state from the inbox. `register` has the kernel report on a descriptor under a key.
    pub(crate) fn handle(
        &mut self,
        io: &Arc<IoState>,
        register: impl FnOnce(&SharedFd, usize) -> io::Result<()>,
        done: &mut Completions,
        records: &mut Vec<RecordRef>,
    ) {
        let release = io.take_requests().release();
        match io.key() {
            Some(key) if release => {
                io.set_key(None);
                self.ios.remove(key);
            }
            None if !release => self.begin(io, register, done, records),
            _ => (),
        }
    }

    /// Has the kernel report on a descriptor.
    pub(crate) fn begin(
        &mut self,
        io: &Arc<IoState>,
        register: impl FnOnce(&SharedFd, usize) -> io::Result<()>,
        done: &mut Completions,
        records: &mut Vec<RecordRef>,
    ) {
        // Held meanwhile, so that its number means this descriptor.
        let Some(fd) = io.fd().upgrade() else { return };
        io.set_armed();
        let key = self.ios.insert(io.clone());
        match register(&fd, key) {
            Ok(()) => io.set_key(Some(key)),
            Err(error) => {
                self.ios.remove(key);
                io.refuse(&error, done, records);
            }
        }
    }

    /// Notes a report; false if it is of a descriptor closed meanwhile.
    pub(crate) fn report(
        &self,
        key: usize,
        bits: u32,
        done: &mut Completions,
        records: &mut Vec<RecordRef>,
    ) -> bool {
        let io = self.ios.get(key);
        if let Some(io) = io {
            io.report(bits, done, records);
        }
        io.is_some()
    }

    /// Tells all who wait that the driver ends.
    pub(crate) fn end(&mut self, done: &mut Completions, records: &mut Vec<RecordRef>) {
        for io in self.ios.drain() {
            io.set_key(None);
            io.shut_down(done, records);
        }
    }
}
