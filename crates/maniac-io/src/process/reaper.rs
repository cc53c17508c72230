//! The thread that waits for children whose owners are gone. There is none as long as there are no such children.

use crate::sys::{self, Orphan};
use std::io::{self, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::{Mutex, PoisonError};

/// Orphans that the thread has not looked at yet, and how to wake it; `None` if there is no thread.
static THREAD: Mutex<Option<Inbox>> = Mutex::new(None);

struct Inbox {
    /// As many as there are children: the system bounds them.
    orphans: Vec<Orphan>,
    bell: PipeWriter,
}

/// Takes over a child that has not been waited for.
pub(super) fn adopt(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        let orphan = Orphan::new(child.id());
        // Where the system gives neither pipe nor thread, the child's end goes unheard until this process ends.
        let _ = hand_over(orphan);
    }
}

fn hand_over(orphan: Orphan) -> io::Result<()> {
    let mut thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(inbox) = &mut *thread {
        inbox.orphans.push(orphan);
        return inbox.bell.write_all(&[1]);
    }
    let (hear, bell) = io::pipe()?;
    let hear = OwnedFd::from(hear);
    std::thread::Builder::new().name("maniac-reaper".into()).spawn(move || run(&hear))?;
    *thread = Some(Inbox { orphans: vec![orphan], bell });
    Ok(())
}

/// Waits for orphans until there are none.
fn run(hear: &OwnedFd) {
    let mut orphans: Vec<Orphan> = Vec::new();
    loop {
        let mut thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *thread {
            Some(inbox) => orphans.append(&mut inbox.orphans),
            None => return,
        }
        orphans.retain(|orphan| !orphan.reap());
        if orphans.is_empty() {
            // Under the lock: the next orphan gets a thread of its own.
            *thread = None;
            return;
        }
        drop(thread);
        sys::wait_for_any(hear, &orphans);
    }
}
