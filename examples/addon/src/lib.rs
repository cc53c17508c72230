//! A whole addon built on maniac-napi: files, timers, channels, blocking work, errors, and its runtime's end and restart.

use maniac::runtime::RuntimeBuilder;
use maniac::sync::mpsc;
use maniac::task::JoinSet;
use maniac_napi::Maniac;
use napi::bindgen_prelude::{Buffer, Error, Result, Status, shutdown_async_runtime, start_async_runtime};
use napi_derive::napi;
use std::time::Duration;

/// Runs when the addon is loaded. The runtime's threads begin with the first environment.
#[napi_derive::module_init]
fn init() {
    let builder = || RuntimeBuilder::new().worker_count(2).thread_name("words");
    maniac_napi::register(Maniac::with_builder(builder));
}

fn failed(reason: impl std::fmt::Display) -> Error {
    Error::new(Status::GenericFailure, reason.to_string())
}

/// Waits.
#[napi]
pub async fn wait(milliseconds: u32) {
    maniac::time::sleep(Duration::from_millis(milliseconds.into())).await;
}

/// Counts the words of files, all at the same time; in the files' order.
#[napi]
pub async fn count_words(paths: Vec<String>) -> Result<Vec<u32>> {
    let mut counts = vec![0; paths.len()];
    // Dropped when one fails, which ends the others.
    let mut tasks = JoinSet::new();
    for (index, path) in paths.into_iter().enumerate() {
        tasks.spawn(async move {
            let text = maniac::fs::read_to_string(&path).await.map_err(|error| format!("{path}: {error}"))?;
            Ok::<_, String>((index, text.split_whitespace().count() as u32))
        });
    }
    while let Some(ended) = tasks.join_next().await {
        let (index, count) = ended.map_err(failed)?.map_err(failed)?;
        counts[index] = count;
    }
    Ok(counts)
}

/// Adds bytes up on a thread that may block, where long computing holds nobody up.
#[napi]
pub async fn add_up(bytes: Buffer) -> u32 {
    maniac::blocking::unblock(move || bytes.iter().map(|byte| u32::from(*byte)).sum()).await
}

/// Sends values through a bounded channel from one task to another; gives their sum.
#[napi]
pub async fn pass(values: Vec<f64>) -> Result<f64> {
    let (sender, mut receiver) = mpsc::channel(4);
    let sending = maniac::spawn(async move {
        for value in values {
            if sender.send(value).await.is_err() {
                break;
            }
        }
    });
    let mut sum = 0.0;
    while let Some(value) = receiver.recv().await {
        sum += value;
    }
    sending.await.map_err(failed)?;
    Ok(sum)
}

/// Rejects.
#[napi]
pub async fn fail(reason: String) -> Result<()> {
    maniac::task::yield_now().await;
    Err(failed(reason))
}

/// Panics; its promise rejects, and nothing else happens.
#[napi]
pub async fn break_down() -> Result<()> {
    maniac::task::yield_now().await;
    panic!("broken on purpose");
}

/// Ends the runtime: promises that are pending reject, its threads end. May be called again.
#[napi]
pub fn stop() {
    shutdown_async_runtime();
}

/// Starts it again; so does the next call that needs it.
#[napi]
pub fn start() {
    start_async_runtime();
}
