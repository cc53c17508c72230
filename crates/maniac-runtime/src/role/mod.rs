//! Roles and threads: who runs tasks, and how a role changes hands.
//!
//! What lives here: the role and its owner-only part, the thread's record, the bracket around runtime calls, the scheduler's loop. What does not:
//! what a task is (`task`), and what the roles of a runtime share (`runtime`).

mod batch;
mod bracket;
pub(crate) mod context;
mod inbox;
mod local;
mod next;
pub(crate) mod park;
mod reactor;
mod remote;
#[allow(clippy::module_inception)]
mod role;
mod run;
mod thread;
mod word;
pub(crate) mod worker;

pub(crate) use bracket::with_role;
pub(crate) use local::RoleLocal;
pub(crate) use next::NEXT;
pub(crate) use reactor::Reactor;
pub(crate) use remote::{Request, Ticket};
pub(crate) use role::{Role, RoleGuard, leave_task};
pub(crate) use run::{Outcome, begins_to_wait, poll_in_task, run_aside};
pub(crate) use thread::{NO_TASK, Thread, Trace};
