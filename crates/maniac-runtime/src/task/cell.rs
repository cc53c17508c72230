//! The payload of a slot: the future, then its output; what a task's type decides about both.

use super::error::{JoinError, contain};
use super::header::{PAYLOAD, PAYLOAD_ALIGN, TaskRef, Vtable};
use maniac_arena::SizeClass;
use maniac_context::coroutine::is_abort_payload;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What lies behind the header, or in a box to which what lies there points: the future until COMPLETE, the output afterwards.
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<Result<F::Output, JoinError>>,
}

/// Where a task of this future lies, chosen at compile time.
pub(crate) struct Layout<F>(PhantomData<F>);

impl<F: Future> Layout<F> {
    const INLINE: bool = align_of::<Stage<F>>() <= PAYLOAD_ALIGN
        && PAYLOAD + size_of::<Stage<F>>() <= SizeClass::COUNT * SizeClass::STEP;

    /// The size class of the slot.
    pub(crate) const CLASS: SizeClass = {
        let payload = if Self::INLINE { size_of::<Stage<F>>() } else { size_of::<Box<Stage<F>>>() };
        match SizeClass::for_size(PAYLOAD + payload) {
            Some(class) => class,
            None => unreachable!(),
        }
    };

    pub(crate) const VTABLE: &'static Vtable = &Vtable {
        poll: poll::<F>,
        cancel: cancel::<F>,
        take_output: take_output::<F>,
        drop_output: drop_output::<F>,
        drop_payload: drop_payload::<F>,
    };

    /// Moves the future into a slot.
    ///
    /// # Safety
    /// The caller allocated the slot, which is of [`Layout::CLASS`] or a larger one, and no task is in it.
    #[inline]
    pub(crate) unsafe fn write(task: TaskRef, future: F) {
        let stage = Stage { future: ManuallyDrop::new(future) };
        if Self::INLINE {
            // SAFETY: [TASK-5] the slot is the caller's and large enough; INLINE checked the alignment.
            unsafe { task.payload().cast::<Stage<F>>().write(stage) };
        } else {
            // SAFETY: [TASK-5] as above: a box is a pointer.
            unsafe { task.payload().cast::<*mut Stage<F>>().write(Box::into_raw(Box::new(stage))) };
        }
    }

    /// # Safety
    /// The task's vtable is that of `F`, and its payload was not dropped.
    #[inline]
    unsafe fn stage(task: TaskRef) -> *mut Stage<F> {
        if Self::INLINE {
            task.payload().as_ptr().cast()
        } else {
            // SAFETY: [TASK-5] `write` put the box's pointer there.
            unsafe { task.payload().cast::<*mut Stage<F>>().read() }
        }
    }
}

unsafe fn poll<F: Future>(task: TaskRef, cx: &mut Context<'_>) -> bool {
    // SAFETY: [TASK-5] called through the vtable of `F`.
    let stage = unsafe { Layout::<F>::stage(task) };
    let result = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: [TASK-6] RUNNING without COMPLETE: the stage is this thread's alone.
        let stage = unsafe { &mut *stage };
        // SAFETY: [TASK-6] as above: it is the future.
        let future: &mut F = unsafe { &mut stage.future };
        // SAFETY: [TASK-6] the future never moves: it is dropped in its place.
        unsafe { Pin::new_unchecked(future) }.poll(cx)
    }));
    let output = match result {
        Ok(Poll::Pending) => return false,
        Ok(Poll::Ready(value)) => Ok(value),
        // The unwind by which an abort ends a stack.
        Err(payload) if is_abort_payload(&*payload) => Err(JoinError::cancelled()),
        Err(payload) => Err(JoinError::panic(payload)),
    };
    // SAFETY: [TASK-6] as above; the future is not used after this.
    unsafe { finish(stage, output) };
    true
}

unsafe fn cancel<F: Future>(task: TaskRef) {
    // SAFETY: [TASK-5] called through the vtable of `F`.
    let stage = unsafe { Layout::<F>::stage(task) };
    // SAFETY: [TASK-6] RUNNING without COMPLETE, by this function's contract.
    unsafe { finish(stage, Err(JoinError::cancelled())) };
}

/// Drops the future in its place and writes the output there. A panic of the future's destructor becomes the output.
unsafe fn finish<F: Future>(stage: *mut Stage<F>, output: Result<F::Output, JoinError>) {
    let dropped = catch_unwind(AssertUnwindSafe(|| {
        // A union's field has the union's own place.
        // SAFETY: [TASK-6] the stage is still the future, and this thread's alone; it is dropped once.
        unsafe { stage.cast::<F>().drop_in_place() };
    }));
    let output = match dropped {
        Ok(()) => output,
        Err(payload) => {
            // What the future gave is dropped for the panic; if that panics too, the first panic stands.
            contain(|| drop(output));
            Err(JoinError::panic(payload))
        }
    };
    // SAFETY: [TASK-6] the future is gone; the stage has room for the output.
    unsafe { stage.write(Stage { output: ManuallyDrop::new(output) }) };
}

unsafe fn take_output<F: Future>(task: TaskRef, to: *mut ()) {
    // SAFETY: [TASK-5] called through the vtable of `F`.
    let stage = unsafe { Layout::<F>::stage(task) };
    // SAFETY: [TASK-7] COMPLETE: the stage is the output, and the caller's; it is taken once.
    let output = unsafe { stage.cast::<Result<F::Output, JoinError>>().read() };
    // SAFETY: [TASK-7] the caller gives a place for this type.
    unsafe { to.cast::<Result<F::Output, JoinError>>().write(output) };
}

unsafe fn drop_output<F: Future>(task: TaskRef) {
    // SAFETY: [TASK-5] called through the vtable of `F`.
    let stage = unsafe { Layout::<F>::stage(task) };
    // SAFETY: [TASK-7] COMPLETE: the stage is the output, and the caller's; it is dropped once.
    unsafe { stage.cast::<Result<F::Output, JoinError>>().drop_in_place() };
}

unsafe fn drop_payload<F: Future>(task: TaskRef) {
    if !Layout::<F>::INLINE {
        // SAFETY: [TASK-5] called through the vtable of `F`.
        let stage = unsafe { Layout::<F>::stage(task) };
        // SAFETY: [TASK-5] the box of `write`; what it holds is in a ManuallyDrop and was emptied before.
        drop(unsafe { Box::from_raw(stage) });
    }
}
