//! Buffers around connections: lines come whole however they were cut, and nothing is lost with a dropped future.

use crate::support::Random;
use crate::tcp_pair;
use maniac_io::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use maniac_io::net::UnixStream;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

on_both_drivers! {
    lines_survive_cuts limits ends_of_lines reads_what_is_ahead_first gathers_writes writer_passes_errors_on
}

/// The `number`th line: of any length, among them none and more than the buffer.
fn line(number: usize) -> String {
    let length = [0, 1, 7, 30, 64, 300][number % 6];
    format!("{number}:{}", "x".repeat(length))
}

/// A peer sends in pieces of any size; futures are dropped after their first poll as often as not.
async fn lines_survive_cuts() {
    const LINES: usize = 2000;
    let (mut client, server) = tcp_pair().await;
    let sending = maniac_runtime::spawn(async move {
        let mut random = Random(7);
        let text: String = (0..LINES).map(|number| line(number) + "\n").collect();
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(1 + random.below(200) as usize));
            client.write_all(piece).await.unwrap();
            rest = after;
            if random.below(3) == 0 {
                maniac_runtime::task::yield_now().await;
            }
        }
    });
    let mut random = Random(8);
    let mut reader = BufReader::with_capacity(32, server);
    let mut got = 0;
    loop {
        let next = {
            let mut next = pin!(reader.next_line());
            if random.below(2) == 0 {
                next.await
            } else {
                match poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await {
                    Poll::Ready(result) => result,
                    Poll::Pending => continue,
                }
            }
        };
        match next.unwrap() {
            Some(text) => assert_eq!(text, line(got)),
            None => break,
        }
        got += 1;
    }
    assert_eq!(got, LINES);
    sending.await.unwrap();
}

/// A line that is too long is an error, and still there; so is what is no text.
async fn limits() {
    let mut reader = BufReader::with_capacity(4, &b"0123456789\nshort\n"[..]).limit(10);
    assert_eq!(reader.next_line().await.unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(reader.next_line().await.unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(reader.buffer(), b"0123456789");
    reader.consume(9);
    assert_eq!(reader.next_line().await.unwrap().as_deref(), Some("9"));
    assert_eq!(reader.next_line().await.unwrap().as_deref(), Some("short"));
    // The limit holds for what was read ahead as well.
    let mut reader = BufReader::new(&b"0123456789\n"[..]).limit(10);
    assert_eq!(reader.next_line().await.unwrap_err().kind(), ErrorKind::InvalidData);
    let mut reader = BufReader::new(&b"0123456789\n"[..]).limit(11);
    assert_eq!(reader.next_line().await.unwrap().as_deref(), Some("0123456789"));
    let mut reader = BufReader::new(&b"\xff\nafter\n"[..]);
    assert_eq!(reader.read_line(&mut String::new()).await.unwrap_err().kind(), ErrorKind::InvalidData);
    let mut bytes = Vec::new();
    assert_eq!(reader.read_until(b'\n', &mut bytes).await.unwrap(), 2);
    assert_eq!(reader.next_line().await.unwrap().as_deref(), Some("after"));
}

async fn ends_of_lines() {
    let mut reader = BufReader::with_capacity(1, &b"\r\n\n a\r\nb\r"[..]);
    for expected in ["", "", " a", "b\r"] {
        assert_eq!(reader.next_line().await.unwrap().as_deref(), Some(expected));
    }
    assert_eq!(reader.next_line().await.unwrap(), None);
    assert_eq!(reader.read_line(&mut String::new()).await.unwrap(), 0);
    assert!(reader.fill_buf().await.unwrap().is_empty());
}

async fn reads_what_is_ahead_first() {
    let (mut client, server) = tcp_pair().await;
    client.write_all(b"line\nand more").await.unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut server = BufReader::new(server);
    assert_eq!(server.next_line().await.unwrap().as_deref(), Some("line"));
    let mut rest = String::new();
    server.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "and more");
    server.write_all(b"back").await.unwrap();
    let (server, ahead) = server.into_parts();
    assert!(ahead.is_empty());
    drop(server);
    let mut back = Vec::new();
    client.read_to_end(&mut back).await.unwrap();
    assert_eq!(back, b"back");
}

async fn gathers_writes() {
    let (client, mut server) = UnixStream::pair().unwrap();
    let mut client = BufWriter::with_capacity(16, client);
    for word in ["aaaa", "bbbb", "cccc"] {
        client.write_all(word.as_bytes()).await.unwrap();
    }
    assert_eq!(server.try_read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(client.buffer().len(), 12);
    // Does not fit beside what is there.
    client.write_all(b"ddddd").await.unwrap();
    let mut buf = [0; 64];
    assert_eq!(server.read(&mut buf).await.unwrap(), 12);
    // Does not fit at all.
    client.write_all(&[7; 40]).await.unwrap();
    assert!(client.buffer().is_empty());
    server.read_exact(&mut buf[..45]).await.unwrap();
    assert_eq!(buf[..6], *b"ddddd\x07");
    client.write_all(b"last").await.unwrap();
    client.close().await.unwrap();
    assert_eq!(server.read(&mut buf).await.unwrap(), 4);
    assert_eq!(server.read(&mut buf).await.unwrap(), 0);
}

/// Takes three bytes at a time, refuses the fourth call, and goes on.
#[derive(Default)]
struct Stubborn {
    calls: usize,
    taken: Vec<u8>,
}

impl AsyncWrite for Stubborn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.calls += 1;
        match self.calls {
            2 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            4 => Poll::Ready(Err(ErrorKind::StorageFull.into())),
            _ => {
                let count = buf.len().min(3);
                self.taken.extend_from_slice(&buf[..count]);
                Poll::Ready(Ok(count))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stubborn {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }
}

/// What was taken is not written again after an error.
async fn writer_passes_errors_on() {
    let mut writer = BufWriter::new(Stubborn::default());
    writer.write_all(b"0123456789").await.unwrap();
    assert_eq!(writer.flush().await.unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(writer.buffer(), b"6789");
    writer.flush().await.unwrap();
    assert_eq!(AsyncReadExt::read(&mut writer, &mut [0; 4]).await.unwrap(), 0);
    assert_eq!(writer.into_parts().0.taken, b"0123456789");
}
