//! An environment's timers: one wheel, one `uv_timer` handle, and an array in which JavaScript finds the numbers of the
//! timers that have fired. Who waits for a timer is known to JavaScript alone.

use crate::host::guarded;
use crate::seat::{self, Call, Function, Owner, Seat};
use crate::uv::{self, Memory};
use maniac::time::wheel::{TimerId, TimerWheel};
use napi::bindgen_prelude::{Env, Result, Unknown};
use napi::sys;
use napi_derive::napi;
use std::ffi::{CStr, c_int};
use std::ptr;

/// Timers in one call of JavaScript's.
const BATCH: usize = 4096;
/// Calls in one turn of the event loop before sockets and files have theirs.
const ROUNDS: u32 = 8;
const NS_PER_MS: u64 = 1_000_000;
/// No deadline.
const NEVER: u64 = u64::MAX;
/// In a wheel's value: the timer keeps the event loop alive. The rest is the timer's number.
const KEEPS: u32 = 1 << 31;

const METHODS: [(&CStr, Function); 2] = [(c"add", add), (c"remove", remove)];

/// A timer by its number.
#[derive(Clone, Copy, Default)]
struct Slot {
    id: Option<TimerId>,
    /// What the wheel may have been given is earlier, if it does not reach so far.
    deadline: u64,
}

/// See the module's page.
pub(crate) struct Timers {
    wheel: TimerWheel<u32>,
    slots: Vec<Slot>,
    on: *mut uv::Loop,
    handle: *mut uv::Handle,
    /// What the handle is set for.
    armed: u64,
    /// Timers that keep the event loop alive.
    keeping: usize,
    /// JavaScript's array of `BATCH` numbers. See [INV-1].
    fired: *mut u32,
    /// Timers whose first steps are done; empty between calls.
    steps: Vec<u32>,
}

/// Opens this environment's timers.
#[napi(
    ts_args_type = "fired: Uint32Array, onFired: (count: number) => void",
    ts_return_type = "{ add(number: number, milliseconds: number, keeps: number): void, remove(number: number): void }"
)]
pub fn open_timers<'env>(env: Env, fired: Unknown<'env>, on_fired: Unknown<'env>) -> Result<Unknown<'env>> {
    crate::image::pin();
    let raw = env.raw();
    let array = crate::memory(raw, &fired, sys::TypedarrayType::uint32_array, BATCH)?;
    let (array_reference, callback) = (crate::reference(raw, &fired)?, crate::reference(raw, &on_fired)?);
    let seat = Seat::install(raw, callback, vec![array_reference], |on, handle| Timers {
        wheel: TimerWheel::new(now()),
        slots: Vec::new(),
        on,
        handle,
        armed: NEVER,
        keeping: 0,
        fired: array.cast(),
        steps: Vec::new(),
    });
    let seat = seat.ok_or_else(|| crate::refused("the event loop refused the timers".into()))?;
    // SAFETY: [local] a handle of the current call.
    Ok(unsafe { Unknown::from_raw_unchecked(raw, seat::object(raw, seat, &METHODS)) })
}

/// The time in nanoseconds, of the clock that libuv's own is made from.
fn now() -> u64 {
    // SAFETY: [local] takes nothing.
    unsafe { uv::uv_hrtime() }
}

impl Owner for Timers {
    fn memory() -> Memory {
        Memory::timer()
    }

    unsafe fn init(on: *mut uv::Loop, handle: *mut uv::Handle) -> c_int {
        // SAFETY: [caller] as this function's contract says.
        unsafe { uv::uv_timer_init(on, handle) }
    }

    fn end(self) {}
}

impl Timers {
    fn add(&mut self, number: u32, milliseconds: u32, keeps: bool) {
        let now = now();
        if self.wheel.is_empty() {
            // Brings the wheel's time up to now, so that timers are filed by their true distance.
            self.wheel.poll(now, 0, |_, _, _| ());
        }
        let deadline = now + u64::from(milliseconds) * NS_PER_MS;
        let at = number as usize;
        if at >= self.slots.len() {
            self.slots.resize(at + 1, Slot::default());
        }
        // A number is used again only after its timer fired or was removed.
        debug_assert!(self.slots[at].id.is_none());
        self.slots[at].deadline = deadline;
        self.keeping += usize::from(keeps);
        let scheduled = self.schedule(number | if keeps { KEEPS } else { 0 });
        if scheduled < self.armed {
            self.arm(scheduled);
        }
    }

    /// Puts a timer into the wheel, or its first step if it is longer than that; gives the time of it.
    fn schedule(&mut self, value: u32) -> u64 {
        let slot = &mut self.slots[(value & !KEEPS) as usize];
        let (id, actual) = self.wheel.schedule_timer_best_fit(slot.deadline, value);
        slot.id = Some(id);
        actual
    }

    fn remove(&mut self, number: u32) {
        let Some(id) = self.slots.get_mut(number as usize).and_then(|slot| slot.id.take()) else { return };
        if let Some(value) = self.wheel.cancel_timer(id) {
            self.keeping -= usize::from(value & KEEPS != 0);
        }
        if self.wheel.is_empty() {
            self.arm(NEVER);
        }
    }

    /// Sets the handle: never before the deadline, since libuv's time is cut to milliseconds.
    fn arm(&mut self, deadline: u64) {
        self.armed = deadline;
        if deadline == NEVER {
            // SAFETY: [INV-6] open while the owner is there.
            unsafe { uv::uv_timer_stop(self.handle) };
            return;
        }
        // SAFETY: [INV-6] the loop outlives its handles.
        let loop_now = unsafe { uv::uv_now(self.on) };
        let timeout = deadline.div_ceil(NS_PER_MS).saturating_sub(loop_now);
        // SAFETY: [INV-6] open while the owner is there.
        unsafe { uv::uv_timer_start(self.handle, on_timer, timeout, 0) };
    }

    /// Writes the numbers of timers that are due; gives how many.
    fn expire(&mut self) -> usize {
        let now = now();
        let mut count = 0;
        let Self { wheel, slots, keeping, fired, steps, .. } = self;
        wheel.poll(now, BATCH, |_, _, value| {
            let number = value & !KEEPS;
            let slot = &mut slots[number as usize];
            slot.id = None;
            if slot.deadline > now {
                return steps.push(value);
            }
            *keeping -= usize::from(value & KEEPS != 0);
            // SAFETY: [INV-1] at most BATCH are fired, and the array holds so many.
            let at = unsafe { fired.add(count) };
            // SAFETY: [INV-1] as above.
            unsafe { at.write(number) };
            count += 1;
        });
        let mut steps = std::mem::take(&mut self.steps);
        for value in steps.drain(..) {
            self.schedule(value);
        }
        self.steps = steps;
        count
    }

    /// Sets the handle for what is to come.
    fn arm_next(&mut self) {
        let next = if self.wheel.has_backlog() { 0 } else { self.wheel.next_deadline().unwrap_or(NEVER) };
        self.arm(next);
    }
}

unsafe extern "C" fn on_timer(handle: *mut uv::Handle) {
    guarded(|| {
        // SAFETY: [INV-6] an open handle of a seat of timers, and its thread.
        let seat = unsafe { Seat::<Timers>::of(handle) };
        for _ in 0..ROUNDS {
            // SAFETY: [INV-6] JavaScript does not run now, so this is the only reference; it ends before JavaScript is called.
            let this = unsafe { &mut *seat };
            let Some(timers) = &mut this.owner else { return };
            timers.armed = NEVER;
            let count = timers.expire();
            let keeps = timers.keeping > 0;
            this.refer(keeps);
            if count == 0 {
                break;
            }
            // SAFETY: [INV-6] no reference into the seat is held.
            unsafe { Seat::call(seat, count) };
        }
        // SAFETY: [INV-6] as above.
        if let Some(timers) = unsafe { &mut (*seat).owner } {
            timers.arm_next();
        }
    });
}

unsafe extern "C" fn add(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<Timers, 3>::new(env, info) };
        let (number, milliseconds, keeps) = (call.number(0) & !KEEPS, call.number(1), call.number(2) != 0);
        let seat = call.seat();
        if let Some(timers) = &mut seat.owner {
            timers.add(number, milliseconds, keeps);
            let keeps = timers.keeping > 0;
            seat.refer(keeps);
        }
        ptr::null_mut()
    })
}

unsafe extern "C" fn remove(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<Timers, 1>::new(env, info) };
        let number = call.number(0);
        let seat = call.seat();
        if let Some(timers) = &mut seat.owner {
            timers.remove(number);
            let keeps = timers.keeping > 0;
            seat.refer(keeps);
        }
        ptr::null_mut()
    })
}
