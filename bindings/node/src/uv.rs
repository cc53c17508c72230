//! The few functions of libuv that the engine's place in the event loop needs; the node executable exports them.

use std::ffi::{c_int, c_void};

/// `UV_READABLE` of `enum uv_poll_event`.
pub(crate) const READABLE: c_int = 1;
/// `UV_ASYNC`, `UV_POLL` and `UV_TIMER` of `uv_handle_type`: the order of that list has not changed since libuv 1.0.
const ASYNC_TYPE: c_int = 1;
const POLL_TYPE: c_int = 8;
const TIMER_TYPE: c_int = 13;

/// The start of every handle: `UV_HANDLE_FIELDS` begins with `void* data`.
#[repr(C)]
pub(crate) struct Handle {
    pub(crate) data: *mut c_void,
}

pub(crate) type Loop = napi::sys::uv_loop_s;

unsafe extern "C" {
    fn uv_handle_size(kind: c_int) -> usize;
    pub(crate) fn uv_poll_init(on: *mut Loop, handle: *mut Handle, fd: c_int) -> c_int;
    pub(crate) fn uv_poll_start(
        handle: *mut Handle,
        events: c_int,
        call: unsafe extern "C" fn(*mut Handle, c_int, c_int),
    ) -> c_int;
    pub(crate) fn uv_async_init(
        on: *mut Loop,
        handle: *mut Handle,
        call: unsafe extern "C" fn(*mut Handle),
    ) -> c_int;
    pub(crate) fn uv_async_send(handle: *mut Handle) -> c_int;
    pub(crate) fn uv_close(handle: *mut Handle, call: Option<unsafe extern "C" fn(*mut Handle)>);
    pub(crate) fn uv_ref(handle: *mut Handle);
    pub(crate) fn uv_unref(handle: *mut Handle);
    pub(crate) fn uv_hrtime() -> u64;
    pub(crate) fn uv_now(on: *const Loop) -> u64;
    pub(crate) fn uv_timer_init(on: *mut Loop, handle: *mut Handle) -> c_int;
    pub(crate) fn uv_timer_start(
        handle: *mut Handle,
        call: unsafe extern "C" fn(*mut Handle),
        timeout: u64,
        repeat: u64,
    ) -> c_int;
    pub(crate) fn uv_timer_stop(handle: *mut Handle) -> c_int;
}

/// Which kind of handle.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Async,
    Poll,
}

/// Memory for a handle, of the size that this libuv wants; never moved, freed with the value.
pub(crate) struct Memory(Box<[u64]>);

impl Memory {
    pub(crate) fn new(kind: Kind) -> Self {
        let number = match kind {
            Kind::Async => ASYNC_TYPE,
            Kind::Poll => POLL_TYPE,
        };
        Self::of(number)
    }

    /// For a `uv_timer`.
    pub(crate) fn timer() -> Self {
        Self::of(TIMER_TYPE)
    }

    fn of(number: c_int) -> Self {
        // SAFETY: [local] takes a number.
        let size = unsafe { uv_handle_size(number) };
        Self(vec![0; size.div_ceil(8)].into_boxed_slice())
    }

    pub(crate) fn handle(&mut self) -> *mut Handle {
        self.0.as_mut_ptr().cast()
    }
}
