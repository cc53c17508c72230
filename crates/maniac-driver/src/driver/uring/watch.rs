//! Descriptors whose readiness is watched. Not by entries of the ring: the kernel completes those by way of the thread that
//! submitted them, one system call at a time, which costs more than epoll's list and stops while that thread is busy
//! elsewhere. An epoll instance watches them all. A wait with no operation in the ring is one for epoll, which saves a system call and an entry;
//! for any other the ring polls epoll's descriptor.

use super::{Uring, WATCH, poll_entry, user_data};
use crate::driver::core::Core;
use crate::ready::{Interest, IoState};
use crate::record::RETRY;
use crate::sys;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

impl Uring {
    /// Does what is asked of a descriptor's state from the inbox.
    pub(crate) fn handle_io(&mut self, core: &mut Core, io: Arc<IoState>) {
        let shared = core.shared.clone();
        let Some(epoll) = &shared.epoll else { return };
        self.watched.handle(&io, |fd, key| epoll.add(fd, key), &mut core.ready, &mut self.ready);
        self.go_on(core);
    }

    /// Whether all that can end a wait is with epoll, so that one call waits and fetches.
    pub(super) fn waits_by_epoll(&mut self, core: &Core) -> bool {
        self.setup.epoll_waits
            && !self.watched.is_empty()
            && !core.keeps_any()
            && self.controls.is_empty()
            && self.ring.submission().is_empty()
    }

    /// Waits for reports. Where that cannot be done the ring does it, from the next wait on.
    pub(super) fn wait_by_epoll(&mut self, core: &mut Core, timeout: Option<Duration>) -> io::Result<()> {
        if self.fetch(core, timeout).is_err() {
            self.setup.epoll_waits = false;
        }
        self.reap(core);
        Ok(())
    }

    /// Has the ring's wait end when there is something to report; false if there is no room to ask for that.
    pub(super) fn arm_watch(&mut self, core: &mut Core) -> bool {
        if self.watch_armed || self.watched.is_empty() {
            return true;
        }
        if !self.room(core) {
            return false;
        }
        let shared = core.shared.clone();
        if let Some(epoll) = &shared.epoll {
            let entry = poll_entry(epoll.as_fd().as_raw_fd(), Interest::READABLE, false);
            self.push(core, entry, user_data(self.wake_key, WATCH));
            self.watch_armed = true;
        }
        true
    }

    /// Fetches what there is to report, by a system call at each look; none while the ring polls epoll's descriptor, for then there is
    /// nothing. The bell's own report, which may be among them, is of nobody, and its count is left as it is.
    pub(super) fn collect(&mut self, core: &mut Core) -> io::Result<()> {
        if self.watch_armed || self.watched.is_empty() {
            return Ok(());
        }
        self.fetch(core, Some(Duration::ZERO))
    }

    fn fetch(&mut self, core: &mut Core, timeout: Option<Duration>) -> io::Result<()> {
        let shared = core.shared.clone();
        let Some(epoll) = &shared.epoll else { return Ok(()) };
        core.metrics.enters += 1;
        for (key, events) in epoll.fetch(&mut self.reports, timeout)? {
            let bits = sys::ready_bits(events);
            if self.watched.report(key, bits, &mut core.ready, &mut self.ready) {
                core.metrics.reports += 1;
            }
        }
        self.go_on(core);
        Ok(())
    }

    /// Goes on with operations whose descriptor became ready.
    fn go_on(&mut self, core: &Core) {
        for record in self.ready.drain(..) {
            debug_assert!(
                !Arc::ptr_eq(record.shared(), &core.shared),
                "a ring's operations wait in the ring"
            );
            // Its own driver goes on with it; if that is gone, it has ended the operation.
            record.request(RETRY);
        }
    }

    /// Tells all who wait that the driver ends.
    pub(super) fn end_watches(&mut self, core: &mut Core) {
        self.watched.end(&mut core.ready, &mut self.ready);
        self.go_on(core);
    }
}
