//! The backend of systems whose own is not built yet (Windows): it sleeps until it is woken or a time has come, so that everything works but
//! operations, each of which fails as unsupported.

use super::core::Core;
use super::shared::Shared;
use crate::record::RecordRef;
use crate::unpark::Bell;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// What ends the sleep.
#[derive(Default)]
pub(crate) struct Alarm {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Alarm {
    pub(crate) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    /// Sleeps until it rings, or rang since the last time, at most for `timeout`.
    fn wait(&self, timeout: Option<Duration>) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rung = match timeout {
            Some(timeout) => {
                let waited = self.changed.wait_timeout_while(rung, timeout, |rung| !*rung);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.changed.wait_while(rung, |rung| !*rung).unwrap_or_else(PoisonError::into_inner),
        };
        *rung = false;
    }
}

/// See the module's documentation.
pub(crate) struct Park {
    alarm: Arc<Alarm>,
}

impl Park {
    pub(crate) fn new() -> (Self, Shared) {
        let alarm = Arc::new(Alarm::default());
        (Self { alarm: alarm.clone() }, Shared::new(Bell::Alarm(alarm)))
    }

    /// Ends an operation with what its call says: that there is none here.
    pub(crate) fn start(&mut self, core: &mut Core, record: RecordRef) {
        // SAFETY: [INV-1] the owner drives a record that is neither kept nor with a job.
        let result = unsafe { record.call() };
        core.complete(record, result);
    }

    /// Sleeps.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>) {
        if timeout != Some(Duration::ZERO) {
            self.alarm.wait(timeout);
        }
    }
}
