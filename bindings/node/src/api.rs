//! The engine's calls as raw functions of napi: fifteen nanoseconds each, where a generated wrapper takes ten times that.

use crate::host::{Host, guarded, ok};
use crate::region::{Block, Regions};
use napi::sys;
use std::ffi::{CStr, c_void};
use std::os::raw::c_char;
use std::ptr;
use std::sync::Arc;

type Function = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

/// The methods of the object that `openEngine` returns.
const METHODS: [(&CStr, Function); 8] = [
    (c"flush", flush),
    (c"reap", reap),
    (c"take", take),
    (c"copyOut", copy_out),
    (c"drop", drop_handed),
    (c"stage", stage),
    (c"allocRegion", alloc_region),
    (c"shutdown", shutdown),
];

/// A call under way.
struct Call<const N: usize> {
    env: sys::napi_env,
    arguments: [sys::napi_value; N],
    host: *mut Host,
}

impl<const N: usize> Call<N> {
    /// # Safety
    ///
    /// The two arguments of a function made by [`object`].
    unsafe fn new(env: sys::napi_env, info: sys::napi_callback_info) -> Self {
        let mut arguments = [ptr::null_mut(); N];
        let (mut count, mut data) = (N, ptr::null_mut());
        // SAFETY: [caller] a call of this environment; napi fills as many arguments as there is room for.
        unsafe {
            sys::napi_get_cb_info(env, info, &mut count, arguments.as_mut_ptr(), ptr::null_mut(), &mut data)
        };
        Self { env, arguments, host: data.cast() }
    }

    /// The host. Only one reference may be in use at a time.
    fn host(&mut self) -> &mut Host {
        // SAFETY: [INV-2] functions carry the host, which outlives all of JavaScript's calls.
        unsafe { &mut *self.host }
    }

    fn number(&self, index: usize) -> u32 {
        let mut value = 0;
        // SAFETY: [local] a value of the current call; what is no number leaves 0.
        unsafe { sys::napi_get_value_uint32(self.env, self.arguments[index], &mut value) };
        value
    }

    fn make_number(&self, value: u32) -> sys::napi_value {
        let mut result = ptr::null_mut();
        // SAFETY: [local] within a call of this environment.
        unsafe { sys::napi_create_uint32(self.env, value, &mut result) };
        result
    }

    /// The memory of a typed array, for as long as no JavaScript runs.
    fn view(&self, index: usize) -> Option<(*mut u8, usize)> {
        let (mut kind, mut length, mut data) = (0, 0, ptr::null_mut());
        // SAFETY: [local] a value of the current call.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                self.env,
                self.arguments[index],
                &mut kind,
                &mut length,
                &mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        // Bytes only: lengths of other arrays count elements.
        (ok(status) && kind == sys::TypedarrayType::uint8_array).then_some((data.cast(), length))
    }

    fn throw(&self, code: &CStr, message: &CStr) -> sys::napi_value {
        // SAFETY: [local] within a call of this environment; the texts are static.
        unsafe { sys::napi_throw_error(self.env, code.as_ptr(), message.as_ptr()) };
        ptr::null_mut()
    }

    fn closed(&self) -> sys::napi_value {
        self.throw(c"ERR_MANIAC_ENGINE_CLOSED", c"The engine of this environment has been shut down")
    }
}

unsafe extern "C" fn flush(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<1>::new(env, info) };
        let entries = (call.number(0) as usize).min(crate::layout::SUBMISSION_ENTRIES);
        let host = call.host();
        let Some(engine) = &mut host.engine else { return call.closed() };
        let count = engine.flush(entries);
        host.update_reference();
        call.make_number(count as u32)
    })
}

unsafe extern "C" fn reap(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<0>::new(env, info) };
        let host = call.host();
        let Some(engine) = &mut host.engine else { return call.closed() };
        let count = engine.reap();
        host.update_reference();
        call.make_number(count as u32)
    })
}

/// The bytes of the hand-over that the first argument names.
fn handed<const N: usize>(call: &mut Call<N>) -> Option<Vec<u8>> {
    let number = call.number(0);
    call.host().engine.as_mut()?.take_handed(number)
}

fn unknown<const N: usize>(call: &Call<N>) -> sys::napi_value {
    call.throw(c"ERR_MANIAC_PROTOCOL", c"There is no such hand-over")
}

unsafe extern "C" fn take(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<1>::new(env, info) };
        match handed(&mut call) {
            Some(bytes) => array_buffer(env, bytes),
            None => unknown(&call),
        }
    })
}

/// An ArrayBuffer of `bytes`, without a copy where the host allows external memory; for calls of this environment. Throws when
/// there is no memory.
pub(crate) fn array_buffer(env: sys::napi_env, bytes: Vec<u8>) -> sys::napi_value {
    let holder = Box::into_raw(Box::new(bytes));
    // SAFETY: [local] just made, and this is the only reference.
    let bytes = unsafe { &mut *holder };
    let (data, length) = (bytes.as_mut_ptr(), bytes.len());
    let mut result = ptr::null_mut();
    // SAFETY: [INV-4] the memory is JavaScript's until the finalizer frees it.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env,
            data.cast(),
            length,
            Some(free_bytes),
            holder.cast(),
            &mut result,
        )
    };
    if ok(status) {
        return result;
    }
    // A host without external memory (Electron): a copy. SAFETY: [local] napi has not taken it.
    let bytes = unsafe { Box::from_raw(holder) };
    copied_buffer(env, &bytes)
}

/// As [`array_buffer`], always a copy: what is small costs less so.
pub(crate) fn copied_buffer(env: sys::napi_env, bytes: &[u8]) -> sys::napi_value {
    let (mut target, mut result) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: [local] within a call of this environment.
    if !ok(unsafe { sys::napi_create_arraybuffer(env, bytes.len(), &mut target, &mut result) }) {
        let (code, message) = (c"ERR_MANIAC_UNSUPPORTED", c"There is no memory for the result");
        // SAFETY: [local] as above; the texts are static.
        unsafe { sys::napi_throw_error(env, code.as_ptr(), message.as_ptr()) };
        return ptr::null_mut();
    }
    if !bytes.is_empty() {
        // SAFETY: [local] the new buffer has this length and overlaps nothing.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target.cast(), bytes.len()) };
    }
    result
}

unsafe extern "C" fn free_bytes(_env: sys::napi_env, _data: *mut c_void, holder: *mut c_void) {
    // SAFETY: [INV-4] the Vec that `take` gave away; finalizers run once.
    guarded(|| drop(unsafe { Box::from_raw(holder.cast::<Vec<u8>>()) }));
}

unsafe extern "C" fn copy_out(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<2>::new(env, info) };
        let Some(bytes) = handed(&mut call) else { return unknown(&call) };
        if let Some((target, length)) = call.view(1) {
            // SAFETY: [local] no JavaScript runs, so the view's memory stays; a Vec of our own does not overlap it.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, length.min(bytes.len())) };
        }
        ptr::null_mut()
    })
}

unsafe extern "C" fn drop_handed(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<1>::new(env, info) };
        drop(handed(&mut call));
        ptr::null_mut()
    })
}

unsafe extern "C" fn stage(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<1>::new(env, info) };
        let bytes = match call.view(0) {
            Some((data, length)) if length > 0 => {
                let mut bytes = Vec::with_capacity(length);
                // SAFETY: [local] no JavaScript runs, so the view's memory stays; the Vec has this room.
                unsafe { ptr::copy_nonoverlapping(data, bytes.as_mut_ptr(), length) };
                // SAFETY: [local] so many bytes were just written.
                unsafe { bytes.set_len(length) };
                bytes
            }
            _ => Vec::new(),
        };
        let Some(engine) = &mut call.host().engine else { return call.closed() };
        let token = engine.stage(bytes);
        call.make_number(token)
    })
}

/// What an ArrayBuffer over the runtime's memory keeps.
struct Lent {
    block: Arc<Block>,
    entry: Option<(Regions, u32)>,
}

unsafe extern "C" fn free_lent(_env: sys::napi_env, _data: *mut c_void, lent: *mut c_void) {
    guarded(|| {
        // SAFETY: [INV-4] the box that `lend` gave away; finalizers run once, on the environment's thread.
        let lent = unsafe { Box::from_raw(lent.cast::<Lent>()) };
        if let Some((regions, number)) = lent.entry {
            regions.remove(number);
        }
        drop(lent.block);
    });
}

/// An ArrayBuffer over `block`.
fn lend(env: sys::napi_env, block: Arc<Block>, entry: Option<(Regions, u32)>) -> Option<sys::napi_value> {
    let (data, length) = (block.address(), block.len());
    let lent = Box::into_raw(Box::new(Lent { block, entry }));
    let mut result = ptr::null_mut();
    // SAFETY: [INV-4] the box keeps the memory until the finalizer.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env,
            data.cast(),
            length,
            Some(free_lent),
            lent.cast(),
            &mut result,
        )
    };
    if ok(status) {
        return Some(result);
    }
    // SAFETY: [local] napi has not taken it.
    drop(unsafe { Box::from_raw(lent) });
    None
}

unsafe extern "C" fn alloc_region(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<2>::new(env, info) };
        let (size, alignment) = (call.number(0) as usize, call.number(1) as usize);
        let Some(engine) = &mut call.host().engine else { return call.closed() };
        let regions = engine.regions.clone();
        let no_memory = c"There is no memory for the region";
        let Some(block) = Block::new(size, alignment) else {
            return call.throw(c"ERR_MANIAC_UNSUPPORTED", no_memory);
        };
        let number = regions.add(block.clone());
        let Some(memory) = lend(env, block, Some((regions.clone(), number))) else {
            regions.remove(number);
            return call.throw(c"ERR_MANIAC_UNSUPPORTED", no_memory);
        };
        let number = call.make_number(number);
        let mut result = ptr::null_mut();
        // SAFETY: [local] within a call of this environment.
        unsafe { sys::napi_create_object(env, &mut result) };
        set(env, result, c"region", number);
        set(env, result, c"memory", memory);
        result
    })
}

unsafe extern "C" fn shutdown(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<0>::new(env, info) };
        call.host().shut_down();
        ptr::null_mut()
    })
}

fn set(env: sys::napi_env, object: sys::napi_value, name: &CStr, value: sys::napi_value) {
    // SAFETY: [local] handles of the current call.
    unsafe { sys::napi_set_named_property(env, object, name.as_ptr(), value) };
}

/// The object that stands for the engine in JavaScript.
pub(crate) fn object(env: sys::napi_env, host: *mut Host, slab: Arc<Block>) -> Option<sys::napi_value> {
    let slab = lend(env, slab, None)?;
    let mut object = ptr::null_mut();
    // SAFETY: [local] within a call of this environment.
    unsafe { sys::napi_create_object(env, &mut object) };
    set(env, object, c"slab", slab);
    for (name, function) in METHODS {
        let mut value = ptr::null_mut();
        let text: *const c_char = name.as_ptr();
        let length = name.count_bytes() as isize;
        // SAFETY: [INV-2] the function carries the host.
        unsafe { sys::napi_create_function(env, text, length, Some(function), host.cast(), &mut value) };
        set(env, object, name, value);
    }
    Some(object)
}
