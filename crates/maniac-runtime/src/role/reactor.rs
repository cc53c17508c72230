//! Where a role's owner sleeps: its driver.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use maniac_driver::{Completions, Driver, DriverConfig, Offload, Remote};

/// A role's driver.
pub(crate) struct Reactor {
    driver: Driver,
}

impl Reactor {
    pub(crate) fn new(config: DriverConfig, offload: Arc<dyn Offload>) -> io::Result<Reactor> {
        Ok(Reactor { driver: Driver::new(config, offload)? })
    }

    pub(crate) fn driver(&mut self) -> &mut Driver {
        &mut self.driver
    }

    /// Whether nothing can come from the outside world.
    pub(crate) fn is_idle(&self) -> bool {
        self.driver.is_idle()
    }

    /// The role came to another thread.
    pub(crate) fn moved(&mut self) {
        self.driver.set_thread(None);
    }

    /// The driver as other threads reach it.
    pub(crate) fn remote(&self) -> Remote {
        self.driver.remote()
    }

    /// Submits what waits, waits at most `timeout` (for ever if `None`) for something to happen, and adds what is due to
    /// `due`.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>, due: &mut Completions) {
        // The driver retries what can be retried; an error (EBADF, EFAULT) is a broken invariant.
        if let Err(error) = self.driver.poll(timeout, due) {
            panic!("the driver failed: {error}");
        }
    }

    /// Submits what waits.
    pub(crate) fn submit(&mut self) {
        if let Err(error) = self.driver.submit_pending() {
            panic!("the driver failed: {error}");
        }
    }

    /// Submits what waits and has later events make the driver's descriptor readable; `false` if there is something to collect already.
    pub(crate) fn prepare_wait(&mut self) -> bool {
        match self.driver.prepare_wait() {
            Ok(waits) => waits,
            Err(error) => panic!("the driver failed: {error}"),
        }
    }
}
