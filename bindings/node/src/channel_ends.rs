//! The ends of channels as an environment uses them: one shape over mpsc, SegSpsc and oneshot. No napi, no libuv.

use maniac::sync::{mpsc, oneshot, spsc};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A value in the form that `v8.serialize` gives it.
pub(crate) type Message = Vec<u8>;

/// Which channel an end is of; the numbers are the facade's, too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Mpsc = 0,
    Spsc = 1,
    Oneshot = 2,
}

impl Kind {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        [Self::Mpsc, Self::Spsc, Self::Oneshot].into_iter().find(|kind| *kind as u32 == number)
    }
}

/// What became of an attempt to send.
pub(crate) enum Sent {
    Yes,
    Full,
    Closed,
}

/// What became of an attempt to receive.
pub(crate) enum Received {
    Message(Message),
    Nothing,
    Closed,
}

/// A sending end. Dropping it closes it.
pub(crate) trait Tx: Send {
    /// Sends what `make` makes if there is room for it now.
    fn try_send(&mut self, make: &mut dyn FnMut() -> Message) -> Sent;
    /// Asks for room; `Ready(false)` says that the channel is closed. Room that it gave is the next `try_send`'s.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<bool>;
    /// Nobody waits for room any more; room that was given goes to others.
    fn release(&mut self);
    /// A further sender, where there may be several.
    fn another(&self) -> Option<Box<dyn Tx>>;
    fn is_closed(&self) -> bool;
}

/// A receiving end. Dropping it closes it, and drops what is in the channel.
pub(crate) trait Rx: Send {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>>;
}

/// One end.
pub(crate) enum Half {
    Tx(Box<dyn Tx>),
    Rx(Box<dyn Rx>),
}

/// Makes a channel; `None` if the capacity is beyond what such a channel can hold.
pub(crate) fn channel(kind: Kind, capacity: u32) -> Option<(Box<dyn Tx>, Box<dyn Rx>)> {
    match kind {
        Kind::Mpsc => {
            let (sender, receiver) = mpsc::try_channel::<Message>(capacity as usize).ok()?;
            Some((Box::new(MpscTx { sender, room: Room::None }), Box::new(MpscRx(receiver))))
        }
        Kind::Spsc => Some(match capacity {
            0..=64 => spsc_of::<0>(),
            65..=512 => spsc_of::<3>(),
            513..=4096 => spsc_of::<6>(),
            4097..=32_768 => spsc_of::<9>(),
            32_769..=262_144 => spsc_of::<12>(),
            _ => return None,
        }),
        Kind::Oneshot => {
            let (sender, receiver) = oneshot::channel();
            Some((Box::new(OneTx(Some(sender))), Box::new(OneRx(receiver))))
        }
    }
}

fn spsc_of<const P: u32>() -> (Box<dyn Tx>, Box<dyn Rx>) {
    let (sender, receiver) = spsc::channel::<Message, P>();
    (Box::new(SpscTx(sender)), Box::new(SpscRx(receiver)))
}

type Reserving = Pin<Box<dyn Future<Output = Result<mpsc::OwnedPermit<Message>, mpsc::ReserveError>> + Send>>;

/// The room of a sender that waits.
enum Room {
    None,
    Asked(Reserving),
    Given(mpsc::OwnedPermit<Message>),
}

struct MpscTx {
    sender: mpsc::Sender<Message>,
    room: Room,
}

impl Tx for MpscTx {
    fn try_send(&mut self, make: &mut dyn FnMut() -> Message) -> Sent {
        if let Room::Given(permit) = std::mem::replace(&mut self.room, Room::None) {
            return if permit.send(make()).is_ok() { Sent::Yes } else { Sent::Closed };
        }
        match self.sender.try_reserve() {
            Ok(permit) => {
                if permit.send(make()).is_ok() {
                    Sent::Yes
                } else {
                    Sent::Closed
                }
            }
            Err(mpsc::TryReserveError::Full) => Sent::Full,
            Err(_) => Sent::Closed,
        }
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if matches!(self.room, Room::None) {
            self.room = Room::Asked(Box::pin(self.sender.clone().reserve_owned()));
        }
        let Room::Asked(asked) = &mut self.room else { return Poll::Ready(!self.sender.is_closed()) };
        let Poll::Ready(outcome) = asked.as_mut().poll(context) else { return Poll::Pending };
        self.room = outcome.map_or(Room::None, Room::Given);
        Poll::Ready(matches!(self.room, Room::Given(_)))
    }

    fn release(&mut self) {
        self.room = Room::None;
    }

    fn another(&self) -> Option<Box<dyn Tx>> {
        Some(Box::new(Self { sender: self.sender.clone(), room: Room::None }))
    }

    fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

struct MpscRx(mpsc::Receiver<Message>);

impl Rx for MpscRx {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.0.poll_recv(context)
    }
}

struct SpscTx<const P: u32>(spsc::Sender<Message, P>);

impl<const P: u32> Tx for SpscTx<P> {
    fn try_send(&mut self, make: &mut dyn FnMut() -> Message) -> Sent {
        // Waits for nothing: whoever wants to wait polls with a waker of its own.
        match self.0.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Sent::Full,
            Poll::Ready(Ok(())) if self.0.try_send(make()).is_ok() => Sent::Yes,
            Poll::Ready(_) => Sent::Closed,
        }
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        self.0.poll_ready(context).map(|room| room.is_ok())
    }

    fn release(&mut self) {}

    fn another(&self) -> Option<Box<dyn Tx>> {
        None
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

struct SpscRx<const P: u32>(spsc::Receiver<Message, P>);

impl<const P: u32> Rx for SpscRx<P> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.0.poll_recv(context)
    }
}

/// Empty once its value is sent.
struct OneTx(Option<oneshot::Sender<Message>>);

impl Tx for OneTx {
    fn try_send(&mut self, make: &mut dyn FnMut() -> Message) -> Sent {
        match self.0.take().map(|sender| sender.send(make())) {
            Some(Ok(())) => Sent::Yes,
            _ => Sent::Closed,
        }
    }

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<bool> {
        Poll::Ready(!self.is_closed())
    }

    fn release(&mut self) {}

    fn another(&self) -> Option<Box<dyn Tx>> {
        None
    }

    fn is_closed(&self) -> bool {
        self.0.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

struct OneRx(oneshot::Receiver<Message>);

impl Rx for OneRx {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}
