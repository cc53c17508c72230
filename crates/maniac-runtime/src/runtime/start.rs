//! Starting a runtime: a core, its roles' owner-only parts, its threads.

use super::Runtime;
use super::config::{BuildError, Config, DriverKind};
use super::core::{Core, OPEN};
use super::handle::{Handle, Shared};
use super::hooks::Hooks;
use crate::blocking::Work;
use crate::role::{Reactor, RoleLocal};
use maniac_driver::{DriverConfig, Job, Offload};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Cores whose runtime is gone.
static IDLE: Mutex<Vec<&'static Core>> = Mutex::new(Vec::new());

/// Keeps a core for a later runtime of the same shape.
pub(super) fn retire(core: &'static Core) {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(core);
}

/// A core of this shape that nobody uses, made as good as new, or a new one.
fn acquire_core(config: Config) -> Result<&'static Core, BuildError> {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let fit = idle.iter().position(|core| *core.config() == config && core.renew());
    match fit {
        Some(position) => Ok(idle.swap_remove(position)),
        None => {
            drop(idle);
            Core::register(config)
        }
    }
}

impl Runtime {
    pub(super) fn start(config: Config, hooks: Hooks) -> Result<Runtime, BuildError> {
        let core = acquire_core(config)?;
        let shared = Arc::new(Shared { core, closed: AtomicBool::new(false), hooks });
        core.begin_life(&shared);
        let runtime = Runtime { handle: Handle { shared } };
        // From here on an error drops the runtime, which shuts down what was started.
        core.equip_roles()?;
        core.preinitialize()?;
        if core.config().switches() {
            maniac_context::preempt::install()
                .map_err(|error| BuildError::io("the handler of SIGURG was refused", error))?;
        }
        if !core.config().host {
            for role in core.roles() {
                core.start_worker(role)
                    .map_err(|error| BuildError::io("a worker thread was refused", error))?;
            }
            core.start_monitor()
                .map_err(|error| BuildError::io("the monitor's thread was refused", error))?;
        }
        Ok(runtime)
    }
}

/// Takes a driver's blocking operations to the blocking pool.
#[derive(Debug)]
struct ToPool(&'static Core);

impl Offload for ToPool {
    fn offload(&self, job: Job) -> Result<(), Job> {
        match self.0.blocking().submit(self.0, Work::Operation(job)) {
            Ok(()) => Ok(()),
            Err((Work::Operation(job), _)) => Err(job),
            Err((Work::Task(_), _)) => unreachable!("the pool gives back the work it was given"),
        }
    }
}

impl Core {
    fn begin_life(&'static self, shared: &Arc<Shared>) {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(shared);
        self.blocking().reopen();
        self.phase.store(OPEN, Ordering::Release);
    }

    /// What a runtime's handles share, as long as there is one.
    pub(super) fn current_life(&self) -> Option<Arc<Shared>> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    fn equip_roles(&'static self) -> Result<(), BuildError> {
        let now = self.clock().now();
        let kind = self.driver_kind()?;
        let offload: Arc<dyn Offload> = Arc::new(ToPool(self));
        for role in self.roles() {
            // Not `host_loop`, also where the host drives: a runtime is Send, and whichever thread has it may.
            let driver = DriverConfig::new().kind(kind);
            let reactor = Reactor::new(driver, Arc::clone(&offload))
                .map_err(|error| BuildError::io("no driver", error))?;
            let victim = (role.index() + 1) % self.config.workers;
            role.replace_local(Some(Box::new(RoleLocal::new(now, victim, self.config.workers, reactor))));
        }
        Ok(())
    }

    /// The driver that the builder names, else the environment, else whatever a probe finds.
    fn driver_kind(&self) -> Result<DriverKind, BuildError> {
        if self.config.driver != DriverKind::Auto {
            return Ok(self.config.driver);
        }
        let named = DriverKind::from_env().map_err(|error| BuildError::invalid(error.to_string()))?;
        Ok(named.unwrap_or(DriverKind::Auto))
    }

    /// Makes the first leaves present, where that was asked for.
    fn preinitialize(&'static self) -> Result<(), BuildError> {
        let Some(class) = self.config.preinitialized() else { return Ok(()) };
        let roles = self.roles();
        for leaf in 0..self.config.arena.leaf_count {
            let role = &roles[leaf % roles.len()];
            let leaf = self
                .add_leaf(class, role.index(), role.index() as u32)
                .map_err(|error| BuildError::invalid(error.to_string()))?;
            let mut local = role.replace_local(None).expect("the role was just equipped");
            local.add_leaf(leaf);
            role.replace_local(Some(local));
        }
        Ok(())
    }

    /// Makes a core whose runtime is gone as good as new; `false` if handles still hold results in it.
    fn renew(&'static self) -> bool {
        if !self.renew_slots() {
            return false;
        }
        self.forget_counts();
        self.clock().resume();
        true
    }
}
