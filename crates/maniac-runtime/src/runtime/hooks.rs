//! What a runtime tells the program by itself, and whom it tells.

use super::core::Core;
use super::deadlock::Deadlock;
use super::stall::Stall;
use crate::task::contain;
use std::fmt;
use std::sync::Arc;

type Hook<T> = Option<Arc<dyn Fn(&T) + Send + Sync>>;

/// What is called on a thread itself.
type ThreadHook = Option<Arc<dyn Fn() + Send + Sync>>;

/// The callbacks of one runtime. They belong to it and not to its core, which serves other runtimes later.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(super) stall: Hook<Stall>,
    pub(super) deadlock: Hook<Deadlock>,
    pub(super) thread_start: ThreadHook,
    pub(super) thread_stop: ThreadHook,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hooks { stall, deadlock, thread_start, thread_stop } = self;
        f.debug_struct("Hooks")
            .field("stall", &stall.is_some())
            .field("deadlock", &deadlock.is_some())
            .field("thread_start", &thread_start.is_some())
            .field("thread_stop", &thread_stop.is_some())
            .finish()
    }
}

impl Core {
    /// Calls the hook that `choose` picks; whether there is one.
    pub(super) fn tell_hook<T>(&self, report: &T, choose: impl FnOnce(&Hooks) -> &Hook<T>) -> bool {
        let Some(life) = self.current_life() else { return false };
        let Some(hook) = choose(&life.hooks).clone() else { return false };
        // The program's code; its panic is not the runtime's.
        contain(|| hook(report));
        true
    }

    /// Called by a thread that runs tasks or blocking work, before the first of them.
    pub(crate) fn thread_starts(&self) {
        self.call_thread_hook(|hooks| &hooks.thread_start);
    }

    /// Called by it after the last of them.
    pub(crate) fn thread_stops(&self) {
        self.call_thread_hook(|hooks| &hooks.thread_stop);
    }

    fn call_thread_hook(&self, choose: impl FnOnce(&Hooks) -> &ThreadHook) {
        let Some(life) = self.current_life() else { return };
        if let Some(hook) = choose(&life.hooks) {
            contain(|| hook());
        }
    }
}
