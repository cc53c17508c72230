//! The scheduler's loop: what a role's owner does from one task to the next.
//!
//! The loop keeps nothing in local variables from one turn to the next but the guard: what it knows lies in the role, so that it goes over with the
//! role when another thread takes on.

use super::local::{Glance, HOUSEKEEPING};
use super::role::{Role, RoleGuard, leave_task};
use super::run::run_entry;
use super::thread::{NO_TASK, Thread};
use crate::runtime::core::Core;
use crate::task::contain;
use std::task::Waker;
use std::time::Duration;

/// Tasks run in a row from the batch, then from `next`, then from the thread's inbox, before the ready set gets a turn.
const STREAK: u32 = 16;
/// Expired timers woken in one turn; the rest are carried over to the next (slide 18).
pub(crate) const TIMER_EXPIRY_BUDGET: usize = 4096;
/// A stretch of work this long, with more waiting, wakes another worker: less is done before that one is awake.
const HELP_AFTER: u64 = 50_000;
/// How long a worker with nothing to do looks on before it sleeps, in nanoseconds.
const SPIN: u64 = 20_000;
/// A role that has polled the same task for so long, in nanoseconds, is helped out even if one task alone waits there.
const LONG_POLL: u64 = 15_000;

/// What a turn of the loop came to.
pub(crate) enum Turn {
    /// A task ran, or something was woken.
    Busy(RoleGuard),
    /// There was nothing to run.
    Nothing(RoleGuard),
    /// The role was given away.
    Lost,
}

impl Turn {
    #[inline]
    fn busy(guard: Option<RoleGuard>) -> Turn {
        guard.map_or(Turn::Lost, Turn::Busy)
    }
}

/// Runs the role until it is lost (`None`) or `stop` says so with nothing left to run.
pub(crate) fn run(mut guard: RoleGuard, stop: impl Fn() -> bool) -> Option<RoleGuard> {
    loop {
        guard = match turn(guard) {
            Turn::Busy(guard) => guard,
            Turn::Lost => return None,
            Turn::Nothing(guard) => {
                if stop() {
                    return Some(guard);
                }
                idle(guard, None)?
            }
        };
    }
}

/// Runs one task, if there is one.
#[inline]
pub(crate) fn turn(mut guard: RoleGuard) -> Turn {
    let role = guard.role();
    let local = guard.local();
    local.since_housekeeping += 1;
    if local.since_housekeeping >= HOUSEKEEPING {
        match housekeeping(guard) {
            Some(kept) => guard = kept,
            None => return Turn::Lost,
        }
    }
    let local = guard.local();
    local.streak += 1;
    // What was ready before goes first, so that a task which waits for many is woken by the first of them and runs when more are done.
    if local.streak <= STREAK
        && let Some(index) = role.batch.take()
    {
        return Turn::busy(run_entry(guard, index));
    }
    if local.streak <= 2 * STREAK
        && let Some(index) = role.next.pop(&mut local.next)
    {
        return Turn::busy(run_entry(guard, index));
    }
    if local.streak <= 3 * STREAK
        && let Some(index) = take_pinned(&mut guard)
    {
        return Turn::busy(run_entry(guard, index));
    }
    let local = guard.local();
    local.streak = 0;
    if let Some(index) = local.take_ready(role) {
        return Turn::busy(run_entry(guard, index));
    }
    if let Some(index) = role.next.pop(&mut local.next) {
        return Turn::busy(run_entry(guard, index));
    }
    match take_pinned(&mut guard) {
        Some(index) => Turn::busy(run_entry(guard, index)),
        None => Turn::Nothing(guard),
    }
}

/// As [`turn`]; with nothing else to run on this role, runs a background task, if there is one.
pub(crate) fn turn_with_background(guard: RoleGuard) -> Turn {
    match turn(guard) {
        Turn::Nothing(guard) => match guard.core().background.pop() {
            Some(index) => Turn::busy(run_entry(guard, index)),
            None => Turn::Nothing(guard),
        },
        other => other,
    }
}

/// Takes the next entry of a task pinned to this thread, in the order of their wakes.
#[inline]
fn take_pinned(guard: &mut RoleGuard) -> Option<u32> {
    let (core, thread) = (guard.core(), guard.thread());
    let local = guard.local();
    if local.pinned.is_empty() {
        if thread.inbox.is_empty() {
            return None;
        }
        core.take_inbox(thread, &mut local.pinned);
    }
    local.pinned.pop()
}

/// Looks at the clock, the timers, the requests of others and the driver, without waiting.
pub(crate) fn housekeeping(mut guard: RoleGuard) -> Option<RoleGuard> {
    let (core, role) = (guard.core(), guard.role());
    let local = guard.local();
    // Not if somebody asked for this look, since the others have not had their turn yet; but not twice in a row.
    local.passed_over = local.since_housekeeping > HOUSEKEEPING && !local.passed_over;
    if !local.passed_over
        && let Some(index) = local.left.pop_front()
    {
        local.pinned.insert(0, index);
    }
    local.since_housekeeping = 0;
    local.now = core.clock().now();
    local.reactor.poll(Some(Duration::ZERO), &mut local.due);
    let dropped = serve_requests(&mut guard);
    expire_timers(&mut guard);
    let local = guard.local();
    if core.maybe_ready(role.index()) {
        if local.now.saturating_sub(local.busy_since) > HELP_AFTER {
            local.busy_since = local.now;
            core.wake_helper(role.index());
        }
    } else {
        local.busy_since = local.now;
    }
    wake_due(guard, dropped)
}

/// Sets and cancels what other threads asked for; gives the wakers that nobody needs any more.
fn serve_requests(guard: &mut RoleGuard) -> Vec<Waker> {
    let role = guard.role();
    if role.remote.is_empty() {
        return Vec::new();
    }
    let local = guard.local();
    let mut dropped = Vec::new();
    for request in role.remote.take() {
        dropped.extend(local.serve(request));
    }
    dropped
}

fn expire_timers(guard: &mut RoleGuard) {
    let role = guard.role();
    let local = guard.local();
    let expired = &mut local.expired;
    let fired = local.wheel.poll(local.now, TIMER_EXPIRY_BUDGET, |_, _, waker| expired.push_back(waker));
    if fired != 0 {
        role.counts.timers_fired.add(fired as u64);
    }
}

/// Wakes what is due and drops what nobody needs, both of which may be anybody's code: inside a task, as far as the role goes. One by one: what is left
/// when one takes long is in the role, for its next owner.
fn wake_due(mut guard: RoleGuard, dropped: Vec<Waker>) -> Option<RoleGuard> {
    let local = guard.local();
    local.expired.extend(local.due.wakers());
    while let Some(waker) = guard.local().expired.pop_front() {
        guard.thread().set_running(NO_TASK);
        let thread = guard.enter_task();
        // A foreign waker's panic is not the scheduler's.
        contain(|| waker.wake());
        guard = leave_task(thread)?;
    }
    let local = guard.local();
    // Keep the memory, unless a burst made it large.
    local.expired.shrink_to(TIMER_EXPIRY_BUDGET);
    if local.due.is_empty() && dropped.is_empty() {
        return Some(guard);
    }
    let mut due = std::mem::take(&mut local.due);
    guard.thread().set_running(NO_TASK);
    let thread = guard.enter_task();
    for waker in dropped {
        contain(|| drop(waker));
    }
    contain(|| due.clear_garbage());
    let mut guard = leave_task(thread)?;
    let local = guard.local();
    if local.due.is_empty() {
        local.due = due;
    }
    Some(guard)
}

/// Nothing to run: look at timers and driver, help others, look on for a while, then sleep until there is something. At most until
/// `limit`, in nanoseconds on the core's clock, if given.
pub(crate) fn idle(guard: RoleGuard, limit: Option<u64>) -> Option<RoleGuard> {
    idle_unless(guard, limit, || false)
}

/// As [`idle`], but does not sleep when `woken` says that the caller has something to do.
pub(crate) fn idle_unless(
    guard: RoleGuard,
    limit: Option<u64>,
    woken: impl Fn() -> bool,
) -> Option<RoleGuard> {
    let mut guard = housekeeping(guard)?.keep()?;
    let role = guard.role();
    if guard.local().take_last(role) || has_work(&mut guard) || woken() {
        return Some(guard);
    }
    let core = guard.core();
    let stolen = steal(&mut guard);
    if let Stolen::Entry(index) = stolen {
        return run_entry(guard, index);
    }
    if let Some(index) = core.background.pop() {
        return run_entry(guard, index);
    }
    // Who left a task to its owner stays until it knows whether that comes to it.
    let waits = matches!(stolen, Stolen::Later);
    if core.spins() && (waits || guard.local().patience.begins()) {
        let found = look_on(&mut guard);
        if !waits {
            guard.local().patience.learns(!matches!(found, Found::Nothing));
        }
        match found {
            Found::Entry(index) => return run_entry(guard, index),
            Found::Work => return Some(guard),
            Found::Nothing => (),
        }
    }
    sleep(guard, limit, woken)
}

/// What looking on brought.
enum Found {
    /// A task of another role.
    Entry(u32),
    /// Something that the next turn comes to.
    Work,
    Nothing,
}

/// Looks on for a while, since what others do may make work at any moment.
fn look_on(guard: &mut RoleGuard) -> Found {
    let core = guard.core();
    let until = core.clock().now() + SPIN;
    while core.clock().now() < until {
        for _ in 0..32 {
            std::hint::spin_loop();
        }
        if has_work(guard) || !core.background.is_empty() {
            return Found::Work;
        }
        if let Stolen::Entry(index) = steal(guard) {
            return Found::Entry(index);
        }
    }
    Found::Nothing
}

/// What a look at the other roles brought.
enum Stolen {
    Entry(u32),
    /// A task waits, for its owner as it seems.
    Later,
    Nothing,
}

/// Takes an entry from another role that has more than it will come to soon: its ready set, its `next`, then its batch.
fn steal(guard: &mut RoleGuard) -> Stolen {
    let (core, role) = (guard.core(), guard.role());
    let count = core.roles().len();
    let mut found = Stolen::Nothing;
    if count == 1 {
        return found;
    }
    let now = core.clock().now();
    let local = guard.local();
    let start = local.victim;
    for step in 0..count {
        let victim = (start + step) % count;
        if victim == role.index() {
            continue;
        }
        let other = &core.roles()[victim];
        match wants_help(other, &mut local.glances[victim], now, core.spins()) {
            Help::Wanted => {}
            Help::Later => {
                found = Stolen::Later;
                continue;
            }
            Help::Unwanted => continue,
        }
        let taken = local.steal_from(core, role, victim).or_else(|| other.next.steal());
        let taken = taken.or_else(|| other.batch.take());
        if let Some(index) = taken {
            local.victim = victim;
            role.counts.steals.add(1);
            return Stolen::Entry(index);
        }
    }
    found
}

/// Whether a role wants others to take from it.
enum Help {
    Wanted,
    /// Not unless its owner stays in the poll that it is in.
    Later,
    Unwanted,
}

/// Whether to take from `other`. A task that waits alone is left to its owner, which comes to it before anybody else could, unless the owner
/// is in a long poll: the last `glance` tells. Without `patience` it is taken at once.
fn wants_help(other: &Role, glance: &mut Glance, now: u64, patience: bool) -> Help {
    let polls = other.counts.polls.get();
    if polls != glance.polls {
        *glance = Glance { polls, since: now };
    }
    match other.waiting() {
        0 => Help::Unwanted,
        1 if patience && now.saturating_sub(glance.since) < LONG_POLL => Help::Later,
        _ => Help::Wanted,
    }
}

fn has_work(guard: &mut RoleGuard) -> bool {
    let (core, role, thread) = (guard.core(), guard.role(), guard.thread());
    let local = guard.local();
    role.next.maybe_ready()
        || !role.batch.is_empty()
        || !local.pinned.is_empty()
        || !local.left.is_empty()
        || !thread.inbox.is_empty()
        || core.maybe_ready(role.index())
        || !role.remote.is_empty()
}

/// Sleeps in the driver until it has something, a timer is due, or somebody wakes this worker.
fn sleep(mut guard: RoleGuard, limit: Option<u64>, woken: impl Fn() -> bool) -> Option<RoleGuard> {
    let (core, role, thread) = (guard.core(), guard.role(), guard.thread());
    core.announce_sleep(role, thread);
    let work = has_work(&mut guard) || !core.background.is_empty();
    if work || guard.is_wanted() || core.stops_sleep() || woken() {
        core.end_sleep(role, thread);
        return Some(guard);
    }
    let local = guard.local();
    let wake_at = match (local.wheel.next_deadline(), limit) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    if let Some(at) = wake_at.filter(|_| core.clock().is_frozen() && local.reactor.driver().in_flight() == 0)
    {
        // Everything waits for virtual time: it passes at once.
        if core.blocking().is_idle() {
            core.clock().jump_to(at);
        }
    }
    let timeout = wake_at.map(|at| Duration::from_nanos(at.saturating_sub(core.clock().now())));
    role.counts.parks.add(1);
    local.reactor.poll(timeout, &mut local.due);
    core.end_sleep(role, thread);
    let local = guard.local();
    local.now = core.clock().now();
    local.busy_since = local.now;
    expire_timers(&mut guard);
    wake_due(guard, Vec::new())
}

/// A host's loop is about to wait in place of this role's owner: announces that, and looks once more. `true`: it may wait, and is
/// woken through the driver's descriptor; the role is given up either way.
pub(crate) fn prepare_host_wait(mut guard: RoleGuard) -> bool {
    let (core, role, thread) = (guard.core(), guard.role(), guard.thread());
    core.announce_sleep(role, thread);
    let nothing = !guard.local().take_last(role)
        && !has_work(&mut guard)
        && core.background.is_empty()
        && guard.local().due.is_empty();
    let waits = nothing && guard.local().reactor.prepare_wait();
    if !waits {
        core.end_sleep(role, thread);
    }
    guard.resign();
    waits
}

/// Runs what is pinned to `thread`, the calling one, which has no role.
pub(crate) fn drain_pinned(thread: &'static Thread) {
    let mut entries = Vec::new();
    while !thread.inbox.is_empty() {
        thread.core().take_inbox(thread, &mut entries);
        while let Some(index) = entries.pop() {
            super::run::run_entry_without_role(thread, index);
        }
    }
}

/// Runs a task whose entry the blocking pool's queue held, on whatever thread this is.
pub(crate) fn run_blocking(core: &'static Core, index: u32) {
    if super::run::run_blocking_entry(core, index) {
        core.count_outside_completion();
    }
}
