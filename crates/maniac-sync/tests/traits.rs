//! Auto traits, checked when this compiles.
#![cfg(not(loom))]
#![allow(missing_docs)]

use maniac_sync::{mpsc, oneshot, spsc};
use std::{
    cell::Cell,
    panic::{RefUnwindSafe, UnwindSafe},
    rc::Rc,
};

/// `check!(Type: Trait)` holds if the type has the trait, `check!(Type: !Trait)` if it lacks it.
macro_rules! check {
    ($type:ty: !$trait:path) => {
        const _: fn() = || {
            trait AmbiguousIfHeld<A> {
                fn item() {}
            }
            impl<T: ?Sized> AmbiguousIfHeld<()> for T {}
            struct Held;
            impl<T: ?Sized + $trait> AmbiguousIfHeld<Held> for T {}
            let _ = <$type as AmbiguousIfHeld<_>>::item;
        };
    };
    ($type:ty: $trait:path) => {
        const _: fn() = || {
            fn held<T: ?Sized + $trait>() {}
            held::<$type>();
        };
    };
}

/// Ends and futures go between threads exactly if messages do; messages need not be `Sync`.
macro_rules! check_all {
    ($($end:ident::$name:ident $(<$life:lifetime>)?),* $(,)?) => { $(
        check!($end::$name<$($life,)? Cell<u8>>: Send);
        check!($end::$name<$($life,)? Rc<u8>>: !Send);
    )* };
}

check_all!(
    mpsc::Sender,
    mpsc::Receiver,
    mpsc::WeakSender,
    mpsc::OwnedPermit,
    mpsc::AsyncMpscSender,
    mpsc::AsyncMpscReceiver,
    mpsc::BlockingMpscSender,
    mpsc::BlockingMpscReceiver,
    mpsc::Send<'static>,
    mpsc::Reserve<'static>,
    mpsc::Permit<'static>,
    mpsc::Closed<'static>,
    mpsc::Recv<'static>,
    mpsc::RecvMany<'static>,
    oneshot::Sender,
    oneshot::Receiver,
    oneshot::Closed<'static>,
);
check!(mpsc::Sender<Cell<u8>>: Sync);
check!(mpsc::Sender<Rc<u8>>: !Sync);
check!(mpsc::Receiver<Cell<u8>>: Sync);
check!(mpsc::Receiver<Rc<u8>>: !Sync);
check!(mpsc::Send<'static, Rc<u8>>: Unpin);
check!(mpsc::Sender<Rc<u8>>: UnwindSafe);
check!(mpsc::Receiver<Rc<u8>>: RefUnwindSafe);
check!(spsc::SegSpsc<Cell<u8>, 4>: Send);
check!(spsc::SegSpsc<Rc<u8>, 4>: !Send);
check!(spsc::Producer<Cell<u8>, 4>: Send);
check!(spsc::Producer<Rc<u8>, 4>: !Send);
check!(spsc::Producer<Rc<u8>, 4>: !Sync);
check!(spsc::Consumer<Cell<u8>, 4>: Send);
check!(spsc::Consumer<Rc<u8>, 4>: !Send);
check!(spsc::Sender<Rc<u8>, 4>: !Send);
check!(spsc::Receiver<Rc<u8>, 4>: !Send);
check!(spsc::Send<'static, Rc<u8>, 4>: Unpin);
check!(spsc::WriteChunk<'static, Rc<u8>, 4>: !Send);
check!(spsc::ReadChunk<'static, Rc<u8>, 4>: !Send);
check!(oneshot::Receiver<Cell<u8>>: Sync);
check!(oneshot::Receiver<Rc<u8>>: !Sync);

#[test]
fn checked_by_the_compiler() {}
