//! An engine's place in its environment: the event loop's handles, the call back into JavaScript, and the end.
//!
//! The life of a [`Host`] is in README.md, "An environment's end".

use crate::engine::Engine;
use crate::uv::{self, Kind, Memory};
use napi::sys;
use std::ffi::{c_int, c_void};
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// How often JavaScript is called in one turn of the event loop before timers and sockets have theirs.
const ROUNDS: u32 = 8;

/// What one environment has. Used on its thread only; reached through a pointer that napi's functions and libuv's handles carry.
pub(crate) struct Host {
    env: sys::napi_env,
    /// None once it has been shut down.
    pub(crate) engine: Option<Engine>,
    poll: Memory,
    again: Memory,
    /// Whether the poll handle keeps the event loop alive.
    referenced: bool,
    /// The arrays, and the function to call.
    references: [sys::napi_ref; 4],
    cleanup: sys::napi_async_cleanup_hook_handle,
    /// Handles that libuv has not let go of.
    open_handles: u32,
    /// Nobody reaches the host any more but libuv.
    ended: bool,
}

/// Runs `body`; a panic ends the process, since what it leaves behind is not to be trusted, and must not unwind into node.
pub(crate) fn guarded<T>(body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(_) => std::process::abort(),
    }
}

/// Whether napi is content.
pub(crate) fn ok(status: sys::napi_status) -> bool {
    status == sys::Status::napi_ok
}

impl Host {
    /// Installs `engine` into `env`'s event loop. `references` keep the arrays and the callback (last).
    ///
    /// # Safety
    ///
    /// `env` is the environment of the current call.
    pub(crate) unsafe fn install(
        env: sys::napi_env,
        engine: Engine,
        references: [sys::napi_ref; 4],
    ) -> Option<*mut Host> {
        let mut on: *mut uv::Loop = ptr::null_mut();
        // SAFETY: [caller] of the current call.
        if !ok(unsafe { sys::napi_get_uv_event_loop(env, &mut on) }) {
            return None;
        }
        let fd = engine.driver.as_fd().as_raw_fd();
        let host = Box::into_raw(Box::new(Host {
            env,
            engine: Some(engine),
            poll: Memory::new(Kind::Poll),
            again: Memory::new(Kind::Async),
            referenced: true,
            references,
            cleanup: ptr::null_mut(),
            open_handles: 0,
            ended: false,
        }));
        // SAFETY: [INV-2] just made.
        let this = unsafe { &mut *host };
        if !this.start_handles(on, fd, host) {
            return None;
        }
        // SAFETY: [INV-2] the hook gets the host, which lives until the hook's handle has been removed.
        unsafe { sys::napi_add_async_cleanup_hook(env, Some(on_cleanup), host.cast(), &mut this.cleanup) };
        Some(host)
    }

    fn start_handles(&mut self, on: *mut uv::Loop, fd: c_int, host: *mut Host) -> bool {
        let (poll, again) = (self.poll.handle(), self.again.handle());
        // SAFETY: [INV-2] memory of the right size that stays in place until libuv's close callback.
        if unsafe { uv::uv_poll_init(on, poll, fd) } != 0 {
            return false;
        }
        // SAFETY: [INV-2] as above; the data field is the handle's first.
        unsafe { (*poll).data = host.cast() };
        // SAFETY: [INV-2] as above.
        if unsafe { uv::uv_async_init(on, again, on_again) } != 0 {
            return false;
        }
        // SAFETY: [INV-2] as above.
        unsafe { (*again).data = host.cast() };
        self.open_handles = 2;
        // SAFETY: [INV-2] as above.
        unsafe { uv::uv_unref(again) };
        // SAFETY: [INV-2] as above.
        let started = unsafe { uv::uv_poll_start(poll, uv::READABLE, on_readable) } == 0;
        self.update_reference();
        started
    }

    /// Keeps the event loop alive while JavaScript waits for something, and not otherwise; asks for a turn if there is more to give.
    pub(crate) fn update_reference(&mut self) {
        if self.engine.as_ref().is_some_and(Engine::is_stalled) {
            // SAFETY: [INV-2] open until the environment's end, after which there is no engine.
            unsafe { uv::uv_async_send(self.again.handle()) };
        }
        let wanted = self.engine.as_ref().is_some_and(Engine::is_awaited);
        if wanted == self.referenced {
            return;
        }
        self.referenced = wanted;
        let poll = self.poll.handle();
        if wanted {
            // SAFETY: [INV-2] an open handle.
            unsafe { uv::uv_ref(poll) };
        } else {
            // SAFETY: [INV-2] as above.
            unsafe { uv::uv_unref(poll) };
        }
    }

    /// Ends the engine; the handles stay until the environment ends.
    pub(crate) fn shut_down(&mut self) {
        if let Some(engine) = self.engine.take() {
            self.close_handle(Kind::Poll);
            engine.end();
        }
    }

    fn close_handle(&mut self, kind: Kind) {
        let handle = match kind {
            Kind::Poll => self.poll.handle(),
            Kind::Async => self.again.handle(),
        };
        // SAFETY: [INV-2] open, and closed once: the poll handle with the engine, the other at the environment's end.
        unsafe { uv::uv_close(handle, Some(on_closed)) };
    }
}

/// Hands completions to JavaScript until there are none, or other parts of the program must have their turn.
///
/// # Safety
///
/// [INV-2]: `host` is alive, and this is its thread, in a turn of its event loop.
unsafe fn deliver(host: *mut Host) {
    for _ in 0..ROUNDS {
        // SAFETY: [INV-2] JavaScript does not run now, so this is the only reference; it ends before JavaScript is called.
        let this = unsafe { &mut *host };
        let Some(engine) = &mut this.engine else { return };
        let count = engine.reap();
        this.update_reference();
        if count == 0 {
            return;
        }
        let (env, callback) = (this.env, this.references[3]);
        // SAFETY: [caller] its thread; no reference into the host is held.
        unsafe { call_back(env, callback, count) };
    }
    // SAFETY: [INV-2] as above.
    let again = unsafe { (*host).again.handle() };
    // SAFETY: [INV-2] open until the environment's end, after which nothing is delivered.
    unsafe { uv::uv_async_send(again) };
}

/// Calls `callback(count)` as the event loop does: microtasks run after it, an error is the program's uncaught exception.
///
/// # Safety
///
/// The environment's thread, and no reference into the host is held.
pub(crate) unsafe fn call_back(env: sys::napi_env, callback: sys::napi_ref, count: usize) {
    let mut scope = ptr::null_mut();
    // SAFETY: [caller] the environment is alive on its thread.
    if !ok(unsafe { sys::napi_open_handle_scope(env, &mut scope) }) {
        return;
    }
    let (mut function, mut receiver, mut argument) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: [caller] as above, and the reference lives as long as the host.
    let ready = ok(unsafe { sys::napi_get_reference_value(env, callback, &mut function) })
        // SAFETY: [caller] as above.
        && ok(unsafe { sys::napi_get_global(env, &mut receiver) })
        // SAFETY: [caller] as above.
        && ok(unsafe { sys::napi_create_uint32(env, count as u32, &mut argument) });
    if ready {
        let mut result = ptr::null_mut();
        // SAFETY: [caller] all handles were made in this scope.
        let status = unsafe {
            sys::napi_make_callback(env, ptr::null_mut(), receiver, function, 1, &argument, &mut result)
        };
        if status == sys::Status::napi_pending_exception {
            let mut error = ptr::null_mut();
            // SAFETY: [caller] as above.
            if ok(unsafe { sys::napi_get_and_clear_last_exception(env, &mut error) }) {
                // SAFETY: [caller] as above.
                unsafe { sys::napi_fatal_exception(env, error) };
            }
        }
    }
    // SAFETY: [caller] opened above.
    unsafe { sys::napi_close_handle_scope(env, scope) };
}

unsafe extern "C" fn on_readable(handle: *mut uv::Handle, _status: c_int, _events: c_int) {
    guarded(|| {
        // SAFETY: [INV-2] an open handle, whose data field holds the host.
        let host = unsafe { (*handle).data };
        // SAFETY: [INV-2] alive while its handles are open, and libuv calls on its thread.
        unsafe { deliver(host.cast()) };
    });
}

unsafe extern "C" fn on_again(handle: *mut uv::Handle) {
    guarded(|| {
        // SAFETY: [INV-2] an open handle, whose data field holds the host.
        let host = unsafe { (*handle).data };
        // SAFETY: [INV-2] alive while its handles are open, and libuv calls on its thread.
        unsafe { deliver(host.cast()) };
    });
}

/// The environment ends: the engine first, then the handles; libuv's last word frees the host.
unsafe extern "C" fn on_cleanup(_handle: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    guarded(|| {
        // SAFETY: [INV-2] the hook carries the host, which is alive until its handle has been removed.
        let this = unsafe { &mut *data.cast::<Host>() };
        this.ended = true;
        this.shut_down();
        this.close_handle(Kind::Async);
    });
}

unsafe extern "C" fn on_closed(handle: *mut uv::Handle) {
    guarded(|| {
        // SAFETY: [INV-2] the data field holds the host.
        let host: *mut Host = unsafe { (*handle).data }.cast();
        // SAFETY: [INV-2] alive: freed below only, by the last handle.
        let this = unsafe { &mut *host };
        this.open_handles -= 1;
        if this.open_handles > 0 || !this.ended {
            return;
        }
        let cleanup = this.cleanup;
        // SAFETY: [INV-2] made by `Box::into_raw`; nothing refers to it any more.
        drop(unsafe { Box::from_raw(host) });
        // SAFETY: [INV-2] the handle that napi gave, removed once.
        unsafe { sys::napi_remove_async_cleanup_hook(cleanup) };
    });
}
