//! A libuv handle of an environment, the function of JavaScript's that it leads to, and what its owner keeps: timers and
//! channels have one each. Its life is that of a host; see README.md, "An environment's end".

use crate::host::{guarded, ok};
use crate::uv::{self, Memory};
use napi::sys;
use std::ffi::{CStr, c_int, c_void};
use std::ptr;

/// What sits on a [`Seat`].
pub(crate) trait Owner: Sized {
    /// Memory for the handle.
    fn memory() -> Memory;

    /// Initialises the handle; 0 if libuv is content.
    ///
    /// # Safety
    ///
    /// The loop is alive, this is its thread, and the handle stays in place until it is closed.
    unsafe fn init(on: *mut uv::Loop, handle: *mut uv::Handle) -> c_int;

    /// The environment ends: JavaScript is not called again, and the handle is closed after this.
    fn end(self);
}

/// See the module's page. Used on its environment's thread only.
pub(crate) struct Seat<T> {
    env: sys::napi_env,
    /// None once the environment ends.
    pub(crate) owner: Option<T>,
    handle: Memory,
    /// Whether the handle keeps the event loop alive.
    referenced: bool,
    callback: sys::napi_ref,
    /// The arrays that JavaScript lent.
    _arrays: Vec<sys::napi_ref>,
    cleanup: sys::napi_async_cleanup_hook_handle,
}

impl<T: Owner> Seat<T> {
    /// Puts an owner into `env`'s event loop, unreferenced. `make` gets the handle.
    pub(crate) fn install(
        env: sys::napi_env,
        callback: sys::napi_ref,
        arrays: Vec<sys::napi_ref>,
        make: impl FnOnce(*mut uv::Loop, *mut uv::Handle) -> T,
    ) -> Option<*mut Self> {
        let mut on: *mut uv::Loop = ptr::null_mut();
        // SAFETY: [local] within a call of this environment.
        if !ok(unsafe { sys::napi_get_uv_event_loop(env, &mut on) }) {
            return None;
        }
        let seat = Box::into_raw(Box::new(Self {
            env,
            owner: None,
            handle: T::memory(),
            referenced: false,
            callback,
            _arrays: arrays,
            cleanup: ptr::null_mut(),
        }));
        // SAFETY: [INV-6] just made.
        let this = unsafe { &mut *seat };
        let handle = this.handle.handle();
        // SAFETY: [INV-6] the memory stays in place until libuv's close callback.
        if unsafe { T::init(on, handle) } != 0 {
            // SAFETY: [local] libuv has not taken the handle, so nobody else knows the box.
            drop(unsafe { Box::from_raw(seat) });
            return None;
        }
        // SAFETY: [INV-6] an open handle, whose first field is the data.
        unsafe { (*handle).data = seat.cast() };
        // SAFETY: [INV-6] as above.
        unsafe { uv::uv_unref(handle) };
        this.owner = Some(make(on, handle));
        // SAFETY: [INV-6] the hook gets the seat, which lives until the hook's handle has been removed.
        unsafe {
            sys::napi_add_async_cleanup_hook(env, Some(on_cleanup::<T>), seat.cast(), &mut this.cleanup)
        };
        Some(seat)
    }

    /// Keeps the event loop alive, or does not.
    pub(crate) fn refer(&mut self, wanted: bool) {
        if wanted == self.referenced || self.owner.is_none() {
            return;
        }
        self.referenced = wanted;
        let handle = self.handle.handle();
        if wanted {
            // SAFETY: [INV-6] open: the owner is there.
            unsafe { uv::uv_ref(handle) };
        } else {
            // SAFETY: [INV-6] as above.
            unsafe { uv::uv_unref(handle) };
        }
    }

    /// The seat of a handle that libuv calls for.
    ///
    /// # Safety
    ///
    /// The handle is one that [`Seat::install`] made, and open.
    pub(crate) unsafe fn of(handle: *mut uv::Handle) -> *mut Self {
        // SAFETY: [caller] the data field holds the seat.
        unsafe { (*handle).data }.cast()
    }

    /// Calls JavaScript with a number.
    ///
    /// # Safety
    ///
    /// [INV-6]: the seat is alive, this is its thread, and no reference into the seat is held.
    pub(crate) unsafe fn call(seat: *mut Self, count: usize) {
        // SAFETY: [caller] alive, and this is the only reference; it ends here.
        let this = unsafe { &*seat };
        let (env, callback) = (this.env, this.callback);
        // SAFETY: [caller] its thread; no reference is held.
        unsafe { crate::host::call_back(env, callback, count) };
    }
}

unsafe extern "C" fn on_cleanup<T: Owner>(_handle: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    guarded(|| {
        // SAFETY: [INV-6] the hook carries the seat, which is alive until its handle has been removed.
        let this = unsafe { &mut *data.cast::<Seat<T>>() };
        if let Some(owner) = this.owner.take() {
            owner.end();
        }
        // SAFETY: [INV-6] open until now, and the hook runs once.
        unsafe { uv::uv_close(this.handle.handle(), Some(on_closed::<T>)) };
    });
}

unsafe extern "C" fn on_closed<T: Owner>(handle: *mut uv::Handle) {
    guarded(|| {
        // SAFETY: [INV-6] the data field holds the seat.
        let seat = unsafe { Seat::<T>::of(handle) };
        // SAFETY: [INV-6] made by `Box::into_raw`; nothing refers to it any more.
        let seat = unsafe { Box::from_raw(seat) };
        let cleanup = seat.cleanup;
        drop(seat);
        // SAFETY: [INV-6] the handle that napi gave, removed once.
        unsafe { sys::napi_remove_async_cleanup_hook(cleanup) };
    });
}

/// A call of JavaScript's under way.
pub(crate) struct Call<T, const N: usize> {
    pub(crate) env: sys::napi_env,
    arguments: [sys::napi_value; N],
    seat: *mut Seat<T>,
}

impl<T: Owner, const N: usize> Call<T, N> {
    /// # Safety
    ///
    /// The two arguments of a function made by [`object`] for this owner.
    pub(crate) unsafe fn new(env: sys::napi_env, info: sys::napi_callback_info) -> Self {
        let mut arguments = [ptr::null_mut(); N];
        let (mut count, mut data) = (N, ptr::null_mut());
        // SAFETY: [caller] a call of this environment; napi fills as many arguments as there is room for.
        unsafe {
            sys::napi_get_cb_info(env, info, &mut count, arguments.as_mut_ptr(), ptr::null_mut(), &mut data)
        };
        Self { env, arguments, seat: data.cast() }
    }

    /// The seat. Only one reference may be in use at a time.
    pub(crate) fn seat(&mut self) -> &mut Seat<T> {
        // SAFETY: [INV-6] functions carry the seat, which outlives all of JavaScript's calls.
        unsafe { &mut *self.seat }
    }

    /// What sits on it, unless the environment ends.
    pub(crate) fn owner(&mut self) -> Option<&mut T> {
        self.seat().owner.as_mut()
    }

    /// An argument as an unsigned number; what is none gives 0.
    pub(crate) fn number(&self, index: usize) -> u32 {
        let mut value = 0;
        // SAFETY: [local] a value of the current call.
        unsafe { sys::napi_get_value_uint32(self.env, self.arguments[index], &mut value) };
        value
    }

    /// All arguments as unsigned numbers.
    pub(crate) fn numbers(&self) -> [u32; N] {
        std::array::from_fn(|index| self.number(index))
    }

    /// An argument as it is.
    pub(crate) fn value(&self, index: usize) -> sys::napi_value {
        self.arguments[index]
    }

    /// The bytes of a `Uint8Array`, for as long as no JavaScript runs.
    pub(crate) fn view(&self, index: usize) -> Option<(*const u8, usize)> {
        bytes(self.env, self.arguments[index])
    }

    /// A number for JavaScript.
    pub(crate) fn make(&self, value: i32) -> sys::napi_value {
        let mut result = ptr::null_mut();
        // SAFETY: [local] within a call of this environment.
        unsafe { sys::napi_create_int32(self.env, value, &mut result) };
        result
    }
}

/// The bytes of a `Uint8Array` of the current call, for as long as no JavaScript runs.
pub(crate) fn bytes(env: sys::napi_env, value: sys::napi_value) -> Option<(*const u8, usize)> {
    let (mut kind, mut length, mut data) = (0, 0, ptr::null_mut());
    // SAFETY: [local] a value of the current call.
    let status = unsafe {
        sys::napi_get_typedarray_info(
            env,
            value,
            &mut kind,
            &mut length,
            &mut data,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    (ok(status) && kind == sys::TypedarrayType::uint8_array).then_some((data.cast_const().cast(), length))
}

/// A function of napi's.
pub(crate) type Function = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

/// An object whose methods carry the seat.
pub(crate) fn object<T>(
    env: sys::napi_env,
    seat: *mut Seat<T>,
    methods: &[(&CStr, Function)],
) -> sys::napi_value {
    let mut object = ptr::null_mut();
    // SAFETY: [local] within a call of this environment.
    unsafe { sys::napi_create_object(env, &mut object) };
    for (name, function) in methods {
        let mut value = ptr::null_mut();
        let length = name.count_bytes() as isize;
        // SAFETY: [INV-6] the function carries the seat.
        unsafe {
            sys::napi_create_function(env, name.as_ptr(), length, Some(*function), seat.cast(), &mut value)
        };
        // SAFETY: [local] handles of the current call.
        unsafe { sys::napi_set_named_property(env, object, name.as_ptr(), value) };
    }
    object
}
