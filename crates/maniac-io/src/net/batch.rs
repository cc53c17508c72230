//! Several datagrams by one call.

use super::UdpSocket;
use crate::sys;
pub use crate::sys::MAX_DATAGRAMS;
use std::io;
use std::net::SocketAddr;

/// Room for the datagrams that [`UdpSocket::recv_many`] receives, and those it received last. To be used again and again.
///
/// ```
/// use maniac_io::net::{DatagramBatch, UdpSocket};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let (a, b) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
/// let to = b.local_addr()?;
/// assert_eq!(a.send_many(&["one", "two", "three"].map(|text| (text, to))).await?, 3);
/// let mut batch = DatagramBatch::new(8, 1500);
/// let mut all = Vec::new();
/// while all.len() < 3 {
///     b.recv_many(&mut batch).await?;
///     all.extend(batch.iter().map(|datagram| (datagram.bytes.to_vec(), datagram.from)));
/// }
/// assert_eq!(all[2], (b"three".to_vec(), a.local_addr()?));
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
pub struct DatagramBatch {
    room: Vec<u8>,
    size: usize,
    infos: Vec<sys::DatagramInfo>,
}

/// A datagram in a [`DatagramBatch`].
///
/// ```
/// use maniac_io::net::{DatagramBatch, ReceivedDatagram, UdpSocket};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let (a, b) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
/// let mut batch = DatagramBatch::new(2, 4);
/// assert_eq!(b.try_recv_many(&mut batch).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
/// assert!(batch.is_empty());
/// a.send_to(b"too long", b.local_addr()?).await?;
/// b.recv_many(&mut batch).await?;
/// let datagram: ReceivedDatagram<'_> = batch.iter().next().unwrap();
/// assert_eq!((datagram.bytes, datagram.from), (&b"too "[..], a.local_addr()?));
/// # #[cfg(target_os = "linux")]
/// assert!(datagram.is_cut);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedDatagram<'a> {
    /// What was sent.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub from: SocketAddr,
    /// It was longer than the batch has room for, and the rest is lost. Only Linux and Android tell.
    pub is_cut: bool,
}

impl DatagramBatch {
    /// Room for `count` datagrams of `size` bytes; at least one of each, at most [`MAX_DATAGRAMS`] datagrams.
    pub fn new(count: usize, size: usize) -> Self {
        let (count, size) = (count.clamp(1, MAX_DATAGRAMS), size.max(1));
        Self { room: vec![0; count * size], size, infos: Vec::with_capacity(count) }
    }

    /// How many were received last.
    pub fn len(&self) -> usize {
        self.infos.len()
    }

    /// Whether nothing was received yet, or the last attempt failed.
    pub fn is_empty(&self) -> bool {
        self.infos.is_empty()
    }

    /// What was received last, in the order in which it came.
    pub fn iter(&self) -> impl Iterator<Item = ReceivedDatagram<'_>> {
        self.room.chunks(self.size).zip(&self.infos).filter_map(|(bytes, info)| {
            Some(ReceivedDatagram { bytes: &bytes[..info.len], from: info.from?, is_cut: info.is_cut })
        })
    }

    fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.infos.clear();
        sys::receive_datagrams(socket.shared_fd(), self.room.chunks_mut(self.size), &mut self.infos)
    }
}

impl UdpSocket {
    /// Receives as many datagrams as there are, but at least one, into `batch`; says how many. One call does it on Linux and
    /// Android (recvmmsg(2)), one for each datagram elsewhere.
    ///
    /// # Errors
    ///
    /// Those of recvmmsg(2).
    ///
    /// # Cancel safety
    ///
    /// No datagram is lost, but `batch` may be empty.
    pub async fn recv_many(&self, batch: &mut DatagramBatch) -> io::Result<usize> {
        self.datagram().receive(|| batch.receive(self)).await
    }

    /// As [`recv_many`](UdpSocket::recv_many), without waiting.
    ///
    /// # Errors
    ///
    /// Those of recvmmsg(2); `WouldBlock` if there is none.
    pub fn try_recv_many(&self, batch: &mut DatagramBatch) -> io::Result<usize> {
        self.datagram().try_now(maniac_driver::Interest::READABLE, || batch.receive(self))
    }

    /// Sends datagrams, each to its address; says how many were sent, which may be fewer: call it again with the rest. At most
    /// [`MAX_DATAGRAMS`] go at a time, by one call on Linux and Android (sendmmsg(2)), by one each elsewhere.
    ///
    /// # Errors
    ///
    /// What happened to the first of them; those after it are told of by the next call.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has sent nothing.
    pub async fn send_many<B: AsRef<[u8]>>(&self, datagrams: &[(B, SocketAddr)]) -> io::Result<usize> {
        if datagrams.is_empty() {
            return Ok(0);
        }
        let each = || datagrams.iter().map(|(bytes, to)| (bytes.as_ref(), *to));
        self.datagram().send(|| sys::send_datagrams(self.shared_fd(), each())).await
    }
}
