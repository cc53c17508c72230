//! An environment's ends of channels: what JavaScript calls, and one `uv_async` handle that tells it which ends have something
//! to do. Who waits at an end, and in which order, is known to JavaScript alone.

use crate::channel_ends::{self as ends, Half, Kind, Message, Received, Sent};
use crate::channel_wake::{self as wake, EndWaker, Post};
use crate::host::{guarded, ok};
use crate::seat::{self, Call, Function, Owner, Seat};
use crate::uv::{self, Memory};
use napi::bindgen_prelude::{Env, Result, Unknown};
use napi::sys;
use napi_derive::napi;
use std::collections::HashMap;
use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Numbers in JavaScript's array; also the ends in one call of it.
const WORDS: usize = 1024;
/// Messages up to this size go into JavaScript's slab.
const SLAB: usize = 64 * 1024;

/// What the functions return beside lengths, counts and numbers.
const DONE: i32 = 0;
const PENDING: i32 = -1;
const CLOSED: i32 = -2;
const LARGE: i32 = -3;
const UNKNOWN: i32 = -4;

const METHODS: [(&CStr, Function); 15] = [
    (c"make", make),
    (c"send", send),
    (c"ready", ready),
    (c"release", release),
    (c"receive", receive),
    (c"take", take),
    (c"blockReady", block_ready),
    (c"blockReceive", block_receive),
    (c"another", another),
    (c"park", park),
    (c"open", open),
    (c"discard", discard),
    (c"drop", drop_end),
    (c"isClosed", is_closed),
    (c"keep", keep),
];

/// An end that is open in this environment.
struct End {
    kind: Kind,
    half: Half,
    waker: Arc<EndWaker>,
    std_waker: Waker,
}

/// See the module's page.
pub(crate) struct Channels {
    own: u64,
    ends: HashMap<u32, End>,
    last: u32,
    post: Arc<Post<u32>>,
    /// A message that the slab has no room for, until `take`.
    large: Option<Message>,
    /// JavaScript's arrays. See [INV-1].
    slab: *mut u8,
    words: *mut u32,
}

/// Opens this environment's ends of channels.
#[napi(
    ts_args_type = "slab: Uint8Array, words: Uint32Array, onWoken: (count: number) => void",
    ts_return_type = "{ make(kind: number, capacity: number): number, send(end: number, bytes: Uint8Array): number, ready(end: number): number, release(end: number): void, receive(end: number): number, take(): ArrayBuffer, blockReady(end: number, milliseconds: number): number, blockReceive(end: number, milliseconds: number): number, another(end: number): number, park(end: number): number, open(high: number, low: number, kind: number, sends: number): number, discard(high: number, low: number, kind: number, sends: number): number, drop(end: number): void, isClosed(end: number): number, keep(wanted: number): void }"
)]
pub fn open_channels<'env>(
    env: Env,
    slab: Unknown<'env>,
    words: Unknown<'env>,
    on_woken: Unknown<'env>,
) -> Result<Unknown<'env>> {
    crate::image::pin();
    let raw = env.raw();
    let bytes = crate::memory(raw, &slab, sys::TypedarrayType::uint8_array, SLAB)?;
    let numbers = crate::memory(raw, &words, sys::TypedarrayType::uint32_array, WORDS)?;
    let references = vec![crate::reference(raw, &slab)?, crate::reference(raw, &words)?];
    let callback = crate::reference(raw, &on_woken)?;
    let seat = Seat::install(raw, callback, references, |_, handle| Channels {
        own: wake::unique(),
        ends: HashMap::new(),
        last: 0,
        post: Post::new(handle),
        large: None,
        slab: bytes.cast(),
        words: numbers.cast(),
    });
    let seat = seat.ok_or_else(|| crate::refused("the event loop refused the channels".into()))?;
    // SAFETY: [local] a handle of the current call.
    Ok(unsafe { Unknown::from_raw_unchecked(raw, seat::object(raw, seat, &METHODS)) })
}

impl Owner for Channels {
    fn memory() -> Memory {
        Memory::new(uv::Kind::Async)
    }

    unsafe fn init(on: *mut uv::Loop, handle: *mut uv::Handle) -> c_int {
        // SAFETY: [caller] as this function's contract says.
        unsafe { uv::uv_async_init(on, handle, on_woken) }
    }

    fn end(self) {
        self.post.close();
        let own = self.own;
        // Closes the ends, which wakes those who wait at the others.
        drop(self);
        wake::unpark_all(own);
    }
}

impl Channels {
    fn insert(&mut self, kind: Kind, half: Half) -> u32 {
        loop {
            // Numbers travel in signed words, and 0 is none.
            self.last = (self.last + 1) & 0x7fff_ffff;
            if self.last != 0 && !self.ends.contains_key(&self.last) {
                break;
            }
        }
        let waker = EndWaker::new(Arc::clone(&self.post), self.last);
        let std_waker = Waker::from(Arc::clone(&waker));
        self.ends.insert(self.last, End { kind, half, waker, std_waker });
        self.last
    }

    fn word(&mut self, index: usize, value: u32) {
        assert!(index < WORDS, "beyond the array");
        // SAFETY: [INV-1] within the array.
        let at = unsafe { self.words.add(index) };
        // SAFETY: [INV-1] as above.
        unsafe { at.write(value) };
    }

    fn make(&mut self, kind: u32, capacity: u32) -> i32 {
        let Some(kind) = Kind::from_number(kind) else { return UNKNOWN };
        let Some((sender, receiver)) = ends::channel(kind, capacity) else { return UNKNOWN };
        let sender = self.insert(kind, Half::Tx(sender));
        let receiver = self.insert(kind, Half::Rx(receiver));
        self.word(0, sender);
        self.word(1, receiver);
        DONE
    }

    fn tx(&mut self, end: u32) -> Option<(&mut Box<dyn ends::Tx>, &Waker)> {
        match self.ends.get_mut(&end) {
            Some(End { half: Half::Tx(tx), std_waker, .. }) => Some((tx, std_waker)),
            _ => None,
        }
    }

    fn send(&mut self, end: u32, bytes: (*const u8, usize)) -> i32 {
        let Some((tx, _)) = self.tx(end) else { return UNKNOWN };
        let sent = tx.try_send(&mut || {
            let mut message = Vec::with_capacity(bytes.1);
            if bytes.1 > 0 {
                // SAFETY: [local] no JavaScript runs, so the view's memory stays; the Vec has this room.
                unsafe { ptr::copy_nonoverlapping(bytes.0, message.as_mut_ptr(), bytes.1) };
                // SAFETY: [local] so many bytes were just written.
                unsafe { message.set_len(bytes.1) };
            }
            message
        });
        match sent {
            Sent::Yes => DONE,
            Sent::Full => PENDING,
            Sent::Closed => CLOSED,
        }
    }

    /// Waits for room, at most `limit`; without one it has the environment told.
    fn ready(&mut self, end: u32, limit: Option<Duration>) -> i32 {
        let Some((tx, waker)) = self.tx(end) else { return UNKNOWN };
        let room = match limit {
            Some(limit) => wake::block(limit, |context| tx.poll_ready(context)),
            None => match tx.poll_ready(&mut Context::from_waker(waker)) {
                Poll::Ready(room) => Some(room),
                Poll::Pending => None,
            },
        };
        match room {
            Some(true) => DONE,
            Some(false) => CLOSED,
            None => PENDING,
        }
    }

    /// Waits for a message, at most `limit`; without one it has the environment told.
    fn receive(&mut self, end: u32, limit: Option<Duration>) -> i32 {
        let Some(End { half: Half::Rx(rx), std_waker, .. }) = self.ends.get_mut(&end) else { return UNKNOWN };
        let polled = match limit {
            Some(limit) => wake::block(limit, |context| rx.poll(context)),
            None => match rx.poll(&mut Context::from_waker(std_waker)) {
                Poll::Ready(message) => Some(message),
                Poll::Pending => None,
            },
        };
        let received = match polled {
            Some(Some(message)) => Received::Message(message),
            Some(None) => Received::Closed,
            None => Received::Nothing,
        };
        match received {
            Received::Nothing => PENDING,
            Received::Closed => CLOSED,
            Received::Message(message) if message.len() > SLAB => {
                self.large = Some(message);
                LARGE
            }
            Received::Message(message) => {
                // SAFETY: [INV-1] the slab has room for it, and no JavaScript runs.
                unsafe { ptr::copy_nonoverlapping(message.as_ptr(), self.slab, message.len()) };
                message.len() as i32
            }
        }
    }

    /// Takes an end out of this environment; its token is left in the array.
    fn park(&mut self, end: u32) -> i32 {
        let Some(End { kind, mut half, .. }) = self.ends.remove(&end) else { return UNKNOWN };
        if let Half::Tx(tx) = &mut half {
            tx.release();
        }
        let token = wake::park(self.own, kind, half);
        self.word(0, (token >> 32) as u32);
        self.word(1, token as u32);
        DONE
    }
}

/// Tells JavaScript which ends have something to do.
unsafe extern "C" fn on_woken(handle: *mut uv::Handle) {
    guarded(|| {
        // SAFETY: [INV-6] an open handle of a seat of channels, and its thread.
        let seat = unsafe { Seat::<Channels>::of(handle) };
        let mut woken: Vec<u32> = Vec::new();
        loop {
            // SAFETY: [INV-6] JavaScript does not run now, so this is the only reference; it ends before JavaScript is called.
            let this = unsafe { &mut *seat };
            let Some(channels) = &mut this.owner else { return };
            if woken.is_empty() {
                // One look for each time that libuv calls: what comes later calls again.
                woken = channels.post.take();
                woken.iter().filter_map(|end| channels.ends.get(end)).for_each(|end| end.waker.looked());
            }
            let count = woken.len().min(WORDS);
            for (index, end) in woken.drain(..count).enumerate() {
                channels.word(index, end);
            }
            if count == 0 {
                return;
            }
            // SAFETY: [INV-6] no reference into the seat is held.
            unsafe { Seat::call(seat, count) };
            if woken.is_empty() {
                return;
            }
        }
    });
}

/// A method that takes numbers and gives one; `UNKNOWN` once the environment ends.
macro_rules! method {
    ($name:ident, |$channels:ident, [$($argument:ident),+]| $body:expr) => {
        unsafe extern "C" fn $name(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
            guarded(|| {
                // SAFETY: [caller] napi calls with its own arguments.
                let mut call = unsafe { Call::<Channels, { [$(stringify!($argument)),+].len() }>::new(env, info) };
                let [$($argument),+] = call.numbers();
                let value: i32 = match call.owner() {
                    Some($channels) => $body,
                    None => UNKNOWN,
                };
                call.make(value)
            })
        }
    };
}

fn limit(milliseconds: u32) -> Option<Duration> {
    Some(Duration::from_millis(milliseconds.into()))
}

/// Takes a parked end.
fn unpark(high: u32, low: u32, kind: u32, sends: u32) -> Option<(Kind, Half)> {
    let kind = Kind::from_number(kind)?;
    Some((kind, wake::unpark(u64::from(high) << 32 | u64::from(low), kind, sends != 0)?))
}

method!(make, |channels, [kind, capacity]| channels.make(kind, capacity));
method!(ready, |channels, [end]| channels.ready(end, None));
method!(block_ready, |channels, [end, milliseconds]| channels.ready(end, limit(milliseconds)));
method!(receive, |channels, [end]| channels.receive(end, None));
method!(block_receive, |channels, [end, milliseconds]| channels.receive(end, limit(milliseconds)));
method!(release, |channels, [end]| match channels.tx(end) {
    Some((tx, _)) => {
        tx.release();
        DONE
    }
    None => UNKNOWN,
});
method!(another, |channels, [end]| {
    let further = channels.tx(end).and_then(|(tx, _)| tx.another());
    further.map_or(UNKNOWN, |tx| channels.insert(Kind::Mpsc, Half::Tx(tx)) as i32)
});
method!(park, |channels, [end]| channels.park(end));
method!(open, |channels, [high, low, kind, sends]| {
    unpark(high, low, kind, sends).map_or(UNKNOWN, |(kind, half)| channels.insert(kind, half) as i32)
});
method!(discard, |_channels, [high, low, kind, sends]| {
    if unpark(high, low, kind, sends).is_some() { DONE } else { UNKNOWN }
});
method!(drop_end, |channels, [end]| if channels.ends.remove(&end).is_some() { DONE } else { UNKNOWN });
method!(is_closed, |channels, [end]| channels.tx(end).map_or(UNKNOWN, |(tx, _)| i32::from(tx.is_closed())));

unsafe extern "C" fn send(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<Channels, 2>::new(env, info) };
        let (end, bytes) = (call.number(0), call.view(1));
        let value = match (call.owner(), bytes) {
            (Some(channels), Some(bytes)) => channels.send(end, bytes),
            _ => UNKNOWN,
        };
        call.make(value)
    })
}

unsafe extern "C" fn keep(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<Channels, 1>::new(env, info) };
        let wanted = call.number(0) != 0;
        call.seat().refer(wanted);
        ptr::null_mut()
    })
}

/// The message that the slab had no room for, as an ArrayBuffer of its own.
unsafe extern "C" fn take(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    guarded(|| {
        // SAFETY: [caller] napi calls with its own arguments.
        let mut call = unsafe { Call::<Channels, 0>::new(env, info) };
        let message = call.owner().and_then(|channels| channels.large.take()).unwrap_or_default();
        let length = message.len();
        let (mut memory, mut result): (*mut c_void, _) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: [local] within a call of this environment.
        if ok(unsafe { sys::napi_create_arraybuffer(env, length, &mut memory, &mut result) }) && length > 0 {
            // SAFETY: [local] the new buffer has this length and overlaps nothing.
            unsafe { ptr::copy_nonoverlapping(message.as_ptr(), memory.cast(), length) };
        }
        result
    })
}
