//! The caller's end of an operation.

use super::{CANCEL, COMPLETE, GONE, QUEUED, RecordRef, WAKER, payload};
use crate::op::{Operation, Returned};
use crate::shim::ordering;
use maniac_sync::wait::{self, Word};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

/// An operation under way, and the right to its result.
///
/// It is a future that any executor can poll; or the token given at submission comes back from
/// [`Driver::poll`](crate::Driver::poll), and [`try_take`](Op::try_take) fetches the result.
///
/// Dropping the handle orphans the operation: the driver cancels it and cleans up when the kernel is done (an
/// accepted socket is closed, the buffer dropped). Forgetting it leaves the operation to end by itself; its record is
/// then never freed. In no case does memory go back to anyone before the kernel has let go of it.
///
/// Cancel safety: what was done by the time of the drop stays done, and its result is lost; see each operation.
#[must_use = "dropping an operation cancels it"]
pub struct Op<T: Operation> {
    record: Option<RecordRef>,
    operation: PhantomData<T>,
}

// SAFETY: [INV-1] an operation is Send; shared access to a handle reads the state word only.
unsafe impl<T: Operation> Sync for Op<T> {}
impl<T: Operation> Unpin for Op<T> {}

impl<T: Operation> Op<T> {
    pub(crate) fn new(record: RecordRef) -> Self {
        Self { record: Some(record), operation: PhantomData }
    }

    pub(crate) fn record(&self) -> Option<&RecordRef> {
        self.record.as_ref()
    }

    /// Whether the result is there.
    pub fn is_complete(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.flags() & COMPLETE != 0)
    }

    /// Asks for the operation to be ended early. Its result then says whether that came in time: `ECANCELED` if so.
    /// Does nothing to a completed one.
    pub fn cancel(&self) {
        if let Some(record) = &self.record
            && record.flags() & (COMPLETE | CANCEL) == 0
        {
            // A driver that is gone has ended (or given up) all of its operations by itself.
            let _ = record.request(CANCEL);
        }
    }

    /// The result, or the handle back if it is not there yet.
    ///
    /// # Errors
    ///
    /// The handle, if the operation is not complete.
    ///
    /// # Panics
    ///
    /// If the result was taken before.
    pub fn try_take(mut self) -> Result<T::Output, Self> {
        let record = self.record.take().expect("result taken before");
        if record.header().state.load(ordering("record.take", Ordering::Acquire)) & COMPLETE == 0 {
            self.record = Some(record);
            return Err(self);
        }
        // SAFETY: [INV-2] complete, and this handle, which is not gone, just gave its reference up.
        Ok(unsafe { Self::take(&record) })
    }

    /// Takes payload and result out of a completed record.
    ///
    /// # Safety
    ///
    /// The record is complete, the completion was acquired, and the handle's right to it ends here.
    unsafe fn take(record: &RecordRef) -> T::Output {
        // SAFETY: [caller] as the caller promises.
        let result = unsafe { record.take_result() };
        // SAFETY: [INV-2] as above; the record was made for a T and its payload is read out once.
        let op = unsafe { payload::<T>(record.header).read() };
        op.finish(result.map(Returned))
    }
}

impl RecordRef {
    /// Registers `cx`'s waker; true if the record is complete instead.
    fn register(&self, cx: &Context<'_>) -> bool {
        let header = self.header();
        let state = header.state.load(ordering("record.take", Ordering::Acquire));
        if state & COMPLETE != 0 {
            return true;
        }
        if state & WAKER != 0 && !self.retract_waker() {
            return true;
        }
        // SAFETY: [INV-2] without WAKER (or COMPLETE before it) the waker cell is the handle's.
        let old = header.waker.with_mut(|cell| unsafe { (*cell).take() });
        let waker = match old {
            Some(old) if old.will_wake(cx.waker()) => old,
            _ => cx.waker().clone(),
        };
        // SAFETY: [INV-2] as above; what was there has been taken out.
        header.waker.with_mut(|cell| unsafe { *cell = Some(waker) });
        let before = header.state.fetch_or(WAKER, ordering("record.waker", Ordering::AcqRel));
        if before & COMPLETE == 0 {
            return false;
        }
        // Completed without seeing the waker, which is still the handle's.
        // SAFETY: [INV-2] as above: COMPLETE was set while WAKER was not.
        drop(header.waker.with_mut(|cell| unsafe { (*cell).take() }));
        true
    }

    /// Takes the waker cell back from the completing side; false if it completed meanwhile.
    fn retract_waker(&self) -> bool {
        let before = self.header().state.fetch_and(!WAKER, ordering("record.retract", Ordering::Acquire));
        before & COMPLETE == 0
    }

    /// The handle goes: its waker first, then its claim.
    fn abandon(self) -> Option<RecordRef> {
        let header = self.header();
        if header.state.load(Ordering::Relaxed) & (WAKER | COMPLETE) == WAKER && self.retract_waker() {
            // SAFETY: [INV-2] WAKER was taken back before completion, so the cell is the handle's.
            drop(header.waker.with_mut(|cell| unsafe { (*cell).take() }));
        }
        let before = header.state.fetch_or(GONE | CANCEL, ordering("record.gone", Ordering::AcqRel));
        if before & COMPLETE != 0 { Some(self) } else { self.ask_to_cancel(before) }
    }

    /// Puts the record into the inbox, unless it is there.
    fn ask_to_cancel(self, before: u32) -> Option<RecordRef> {
        if before & (QUEUED | CANCEL) == 0 {
            let _ = self.request(CANCEL);
        }
        None
    }
}

impl<T: Operation> Future for Op<T> {
    type Output = T::Output;

    /// # Panics
    ///
    /// If it is polled after completion.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T::Output> {
        let record = self.record.as_ref().expect("operation polled after completion");
        if !record.register(cx) {
            return wait::pending_on(const { &Word::operation(T::NAME) });
        }
        let record = self.record.take().expect("checked above");
        // SAFETY: [INV-2] complete and acquired, and the handle just gave its reference up.
        Poll::Ready(unsafe { Self::take(&record) })
    }
}

impl<T: Operation> Drop for Op<T> {
    fn drop(&mut self) {
        let Some(record) = self.record.take() else { return };
        if let Some(complete) = record.abandon() {
            // SAFETY: [INV-2] it was complete before GONE was set: payload and result are the handle's.
            drop(unsafe { Self::take(&complete) });
        }
    }
}

impl<T: Operation> fmt::Debug for Op<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Op").field(&self.record).finish()
    }
}
