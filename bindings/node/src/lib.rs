//! The addon of the npm package maniac.
//!
//! Each environment of Node (the main thread, every Worker) opens one engine. README.md holds the invariants that the
//! `SAFETY` comments name and says how an environment ends; `src/internal/CROSSING.md` of the package is the contract with
//! JavaScript.

mod api;
mod calls;
pub mod channel;
mod channel_ends;
mod channel_wake;
mod copy;
mod directory;
mod engine;
mod host;
mod image;
pub mod jobs;
mod lane;
mod layout;
mod net;
mod net_flow;
mod net_make;
mod net_names;
mod net_together;
mod outcome;
mod pool;
mod region;
pub mod report;
mod request;
mod seat;
mod share;
mod start;
mod stat;
pub mod timers;
mod uv;

use crate::engine::{Arrays, Engine};
use crate::host::Host;
use napi::bindgen_prelude::{Env, Error, JsValue, Result, Status, Unknown};
use napi::sys;
use napi_derive::napi;
use std::ptr;

/// Opens this environment's engine; the facade's `internal/binding.ts` says what each argument is.
#[napi(
    ts_args_type = "version: number, submissions: Int32Array, area: Uint8Array, completions: Int32Array, onCompletions: (count: number) => void",
    ts_return_type = "{ readonly slab: ArrayBuffer, flush(count: number): number, reap(): number, take(handed: number): ArrayBuffer, copyOut(handed: number, target: Uint8Array): void, drop(handed: number): void, stage(source: Uint8Array): number, allocRegion(size: number, alignment: number): { readonly region: number, readonly memory: ArrayBuffer }, shutdown(): void }"
)]
pub fn open_engine<'env>(
    env: Env,
    version: u32,
    submissions: Unknown<'env>,
    area: Unknown<'env>,
    completions: Unknown<'env>,
    on_completions: Unknown<'env>,
) -> Result<Unknown<'env>> {
    if version != layout::PROTOCOL_VERSION {
        return Err(refused(format!(
            "the addon speaks version {} of the crossing, the facade version {version}: install the package again",
            layout::PROTOCOL_VERSION
        )));
    }
    image::pin();
    let raw = env.raw();
    let words = sys::TypedarrayType::int32_array;
    let entries = memory(raw, &submissions, words, layout::SUBMISSION_ENTRIES * layout::ENTRY_WORDS)?;
    let bytes = memory(raw, &area, sys::TypedarrayType::uint8_array, layout::AREA_BYTES)?;
    let records = memory(raw, &completions, words, layout::COMPLETION_ENTRIES * layout::COMPLETION_WORDS)?;
    let arrays = Arrays { submissions: entries.cast(), area: bytes.cast(), completions: records.cast() };
    let engine = Engine::new(arrays, report::wanted_driver()?).map_err(|error| refused(error.to_string()))?;
    let slab = engine.slab.clone();
    report::opened(&engine.driver);
    let references = [
        reference(raw, &submissions)?,
        reference(raw, &area)?,
        reference(raw, &completions)?,
        reference(raw, &on_completions)?,
    ];
    // SAFETY: [local] the environment of the current call.
    let host = unsafe { Host::install(raw, engine, references) };
    let host = host.ok_or_else(|| refused("the event loop refused the engine".into()))?;
    let object = api::object(raw, host, slab).ok_or_else(|| refused("no external memory".into()))?;
    // SAFETY: [local] a handle of the current call.
    Ok(unsafe { Unknown::from_raw_unchecked(raw, object) })
}

fn refused(reason: String) -> Error {
    Error::new(Status::GenericFailure, reason)
}

/// The memory of a typed array of that kind with at least `length` elements.
fn memory(
    env: sys::napi_env,
    value: &Unknown<'_>,
    wanted: sys::napi_typedarray_type,
    length: usize,
) -> Result<*mut std::ffi::c_void> {
    let (mut kind, mut have, mut data) = (0, 0, ptr::null_mut());
    // SAFETY: [local] a value of the current call.
    let status = unsafe {
        sys::napi_get_typedarray_info(
            env,
            value.raw(),
            &mut kind,
            &mut have,
            &mut data,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if !host::ok(status) || kind != wanted || have < length {
        return Err(refused("the crossing's arrays do not have their sizes".into()));
    }
    Ok(data)
}

/// Keeps `value` for as long as the environment lives.
fn reference(env: sys::napi_env, value: &Unknown<'_>) -> Result<sys::napi_ref> {
    let mut reference = ptr::null_mut();
    // SAFETY: [local] a value of the current call.
    let status = unsafe { sys::napi_create_reference(env, value.raw(), 1, &mut reference) };
    if host::ok(status) { Ok(reference) } else { Err(refused("a reference was refused".into())) }
}
