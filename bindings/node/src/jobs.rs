//! An environment's jobs: what JavaScript calls, and one `uv_async` handle that tells it which have ended. What jobs do is in the
//! files below; who waits for one is known to JavaScript alone.

mod codec;
mod hash;
mod lanes;
mod password;
mod stream;
mod task;

use self::lanes::{Batch, Ended, Inputs};
use self::stream::Stream;
use self::task::{Stop, Task, WORDS};
use crate::api;
use crate::channel_wake::Post;
use crate::host::{guarded, ok};
use crate::seat::{self, Call, Function, Owner, Seat};
use crate::uv::{self, Memory};
use napi::bindgen_prelude::{Env, Result, Unknown};
use napi::sys;
use napi_derive::napi;
use std::collections::{HashMap, VecDeque};
use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::{Arc, Mutex};

/// What `run` and `step` answer.
const STARTED: i32 = 0;
const REFUSED: i32 = -1;

const METHODS: [(&CStr, Function); 6] = [
    (c"run", run),
    (c"open", open),
    (c"step", step),
    (c"close", close),
    (c"cancel", cancel),
    (c"take", take),
];

/// See the module's page.
pub(crate) struct Jobs {
    post: Arc<Post<Ended>>,
    /// Under way, or ended and not yet taken. Bounded by what the program asks for.
    flights: HashMap<u32, Stop>,
    ended: VecDeque<Ended>,
    streams: HashMap<u32, Arc<Mutex<Stream>>>,
    /// JavaScript's array. See [INV-1].
    words: *const u32,
}

/// Opens this environment's jobs.
#[napi(
    ts_args_type = "words: Uint32Array, onEnded: (count: number) => void",
    ts_return_type = "{ run(id: number, inputs: Uint8Array[]): number, open(stream: number): number, step(id: number, stream: number, last: number, inputs: Uint8Array[]): number, close(stream: number): void, cancel(id: number): void, take(): unknown[] }"
)]
pub fn open_jobs<'env>(env: Env, words: Unknown<'env>, on_ended: Unknown<'env>) -> Result<Unknown<'env>> {
    crate::image::pin();
    let raw = env.raw();
    let numbers = crate::memory(raw, &words, sys::TypedarrayType::uint32_array, WORDS)?;
    let references = vec![crate::reference(raw, &words)?];
    let callback = crate::reference(raw, &on_ended)?;
    let seat = Seat::install(raw, callback, references, |_, handle| Jobs {
        post: Post::new(handle),
        flights: HashMap::new(),
        ended: VecDeque::new(),
        streams: HashMap::new(),
        words: numbers.cast_const().cast(),
    });
    let seat = seat.ok_or_else(|| crate::refused("the event loop refused the jobs".into()))?;
    // SAFETY: [local] a handle of the current call.
    Ok(unsafe { Unknown::from_raw_unchecked(raw, seat::object(raw, seat, &METHODS)) })
}

impl Owner for Jobs {
    fn memory() -> Memory {
        Memory::new(uv::Kind::Async)
    }

    unsafe fn init(on: *mut uv::Loop, handle: *mut uv::Handle) -> c_int {
        // SAFETY: [caller] as this function's contract says.
        unsafe { uv::uv_async_init(on, handle, on_ended) }
    }

    /// What is under way ends at its next chunk, and finds nobody.
    fn end(self) {
        self.post.close();
        self.flights.values().for_each(Stop::set);
    }
}

impl Jobs {
    fn words(&self) -> [u32; WORDS] {
        // SAFETY: [INV-1] an array of so many words, and no JavaScript runs.
        unsafe { self.words.cast::<[u32; WORDS]>().read() }
    }

    fn start(&mut self, id: u32, task: Task, inputs: Inputs) -> i32 {
        let stop = Stop::default();
        self.flights.insert(id, stop.clone());
        lanes::submit(Arc::new(Batch::new(id, task, inputs, stop, Arc::clone(&self.post))));
        STARTED
    }

    /// As many inputs as the last word says belong to all others.
    fn run(&mut self, id: u32, inputs: Inputs) -> i32 {
        let words = self.words();
        let Some((shared, inputs)) = inputs.split(words[WORDS - 1] as usize) else { return REFUSED };
        let Some(task) = Task::decode(&words, shared) else { return REFUSED };
        let secret = matches!(task, Task::Derive(_));
        self.start(id, task, Inputs { secret, ..inputs })
    }

    fn open(&mut self, number: u32) -> i32 {
        let Some(stream) = Task::stream(&self.words()) else { return REFUSED };
        self.streams.insert(number, Arc::new(Mutex::new(stream)));
        STARTED
    }

    fn step(&mut self, id: u32, stream: u32, last: bool, inputs: Inputs) -> i32 {
        let Some(stream) = self.streams.get(&stream).cloned() else { return REFUSED };
        self.start(id, Task::Step(stream, last), inputs.joined())
    }
}

/// Tells JavaScript how many jobs it can take.
unsafe extern "C" fn on_ended(handle: *mut uv::Handle) {
    guarded(|| {
        // SAFETY: [INV-6] an open handle of a seat of jobs, and its thread.
        let seat = unsafe { Seat::<Jobs>::of(handle) };
        // SAFETY: [INV-6] JavaScript does not run now, so this is the only reference; it ends before JavaScript is called.
        let this = unsafe { &mut *seat };
        let Some(jobs) = &mut this.owner else { return };
        jobs.ended.extend(jobs.post.take());
        let count = jobs.ended.len();
        if count > 0 {
            // SAFETY: [INV-6] no reference into the seat is held.
            unsafe { Seat::call(seat, count) };
        }
        // SAFETY: [INV-6] as above: JavaScript has returned.
        let this = unsafe { &mut *seat };
        let waited_for = this.owner.as_ref().is_some_and(|jobs| !jobs.flights.is_empty());
        this.refer(waited_for);
    });
}

/// Copies what an array of `Uint8Array` holds: the caller may do with its memory what it likes after this.
fn copied(env: sys::napi_env, array: sys::napi_value) -> Option<Inputs> {
    let mut count = 0;
    // SAFETY: [local] a value of the current call.
    if !ok(unsafe { sys::napi_get_array_length(env, array, &mut count) }) {
        return None;
    }
    let mut views = Vec::with_capacity(count as usize);
    for index in 0..count {
        let mut value = ptr::null_mut();
        // SAFETY: [local] as above.
        unsafe { sys::napi_get_element(env, array, index, &mut value) };
        views.push(seat::bytes(env, value)?);
    }
    let mut inputs = Inputs::default();
    inputs.bytes.try_reserve_exact(views.iter().map(|view| view.1).sum()).ok()?;
    for (data, length) in views {
        if length > 0 {
            // SAFETY: [local] no JavaScript runs, so the view's memory stays.
            inputs.bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(data, length) });
        }
        inputs.ends.push(inputs.bytes.len());
    }
    Some(inputs)
}

unsafe extern "C" fn run(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<Jobs, 2>::new(env, info) };
        let (id, inputs) = (call.number(0), copied(env, call.value(1)));
        let started = match (call.owner(), inputs) {
            (Some(jobs), Some(inputs)) => jobs.run(id, inputs),
            _ => REFUSED,
        };
        if started == STARTED {
            call.seat().refer(true);
        }
        call.make(started)
    })
}

unsafe extern "C" fn step(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<Jobs, 4>::new(env, info) };
        let (id, stream, last) = (call.number(0), call.number(1), call.number(2) != 0);
        let inputs = copied(env, call.value(3));
        let started = match (call.owner(), inputs) {
            (Some(jobs), Some(inputs)) => jobs.step(id, stream, last, inputs),
            _ => REFUSED,
        };
        if started == STARTED {
            call.seat().refer(true);
        }
        call.make(started)
    })
}

unsafe extern "C" fn open(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<Jobs, 1>::new(env, info) };
        let number = call.number(0);
        let opened = call.owner().map_or(REFUSED, |jobs| jobs.open(number));
        call.make(opened)
    })
}

unsafe extern "C" fn close(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<Jobs, 1>::new(env, info) };
        let number = call.number(0);
        // A step under way has a share of its own.
        drop(call.owner().and_then(|jobs| jobs.streams.remove(&number)));
        ptr::null_mut()
    })
}

unsafe extern "C" fn cancel(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<Jobs, 1>::new(env, info) };
        let id = call.number(0);
        if let Some(stop) = call.owner().and_then(|jobs| jobs.flights.get(&id)) {
            stop.set();
        }
        ptr::null_mut()
    })
}

/// External memory costs more than a copy of this size does.
const SMALL: usize = 16 * 1024;

fn buffer(env: sys::napi_env, bytes: Vec<u8>) -> sys::napi_value {
    if bytes.len() <= SMALL { api::copied_buffer(env, &bytes) } else { api::array_buffer(env, bytes) }
}

/// One job that has ended: its id, the fault and its detail and index, whether a stream has more, and the results as ArrayBuffers.
unsafe extern "C" fn take(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<Jobs, 0>::new(env, info) };
        let taken = call.owner().and_then(|jobs| {
            let ended = jobs.ended.pop_front()?;
            jobs.flights.remove(&ended.id);
            Some(ended)
        });
        let Some(Ended { id, result }) = taken else { return ptr::null_mut() };
        let (outputs, index, fault) = match result {
            Ok(outputs) => (outputs, 0, (0, 0)),
            Err((index, fault)) => (Vec::new(), index, fault.numbers()),
        };
        let more = outputs.iter().any(|output| output.more);
        let numbers = [id as i32, fault.0, fault.1, index as i32, i32::from(more)];
        let buffers = outputs.into_iter().map(|output| buffer(env, output.bytes));
        let values = numbers.into_iter().map(|number| call.make(number)).chain(buffers);
        let mut array = ptr::null_mut();
        // SAFETY: [local] within a call of this environment.
        unsafe { sys::napi_create_array(env, &mut array) };
        for (index, value) in (0..).zip(values) {
            // SAFETY: [local] handles of the current call.
            unsafe { sys::napi_set_element(env, array, index, value) };
        }
        array
    })
}
