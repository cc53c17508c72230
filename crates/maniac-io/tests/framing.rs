//! Frames by `tokio_util`'s codecs over our streams: cut at every byte, longer than is allowed, and left half-way by a peer.
#![cfg(all(unix, feature = "tokio-compat"))]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

#[macro_use]
mod support;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, SinkExt, StreamExt};
use maniac_io::compat::tokio::TokioCompat;
use maniac_io::io::BufReader;
use maniac_io::net::{TcpListener, TcpStream};
use std::io::ErrorKind;
use std::time::Duration;
use support::pattern;
use tokio_util::codec::{
    Decoder, Encoder, Framed, FramedRead, LengthDelimitedCodec, LinesCodec, LinesCodecError,
};

on_both_drivers! {
    lines_cut_at_every_byte lengths_cut_at_every_byte buffered_by_ours long_lines long_frames left_half_way reset_half_way both_ways_at_once
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// What `codec` makes of `items`.
fn encoded<C: Encoder<I>, I>(mut codec: C, items: impl IntoIterator<Item = I>) -> Vec<u8>
where
    C::Error: std::fmt::Debug,
{
    let mut bytes = BytesMut::new();
    items.into_iter().for_each(|item| codec.encode(item, &mut bytes).unwrap());
    bytes.to_vec()
}

/// Sends `bytes` in two pieces, cut at each place, and then one by one; gives the frames of each time. A piece is sent when the
/// one before was read.
async fn cut<C: Decoder + Clone>(codec: C, bytes: &[u8]) -> Vec<Vec<C::Item>>
where
    C::Error: std::fmt::Debug,
{
    let in_two = (0..=bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]]);
    let mut all = Vec::new();
    for pieces in in_two.chain([bytes.chunks(1).collect()]) {
        let (mut sender, receiver) = tcp_pair().await;
        let mut framed = Framed::new(receiver, codec.clone());
        let mut frames = Vec::new();
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            sender.write_all(piece).await.unwrap();
            framed.get_ref().readable().await.unwrap();
            while let Some(frame) = framed.next().now_or_never() {
                frames.push(frame.expect("not the end").unwrap());
            }
        }
        drop(sender);
        // A task whose time is up reads nothing, whatever there is, and has it here.
        while let Some(frame) = framed.next().await {
            frames.push(frame.unwrap());
        }
        all.push(frames);
    }
    all
}

async fn lines_cut_at_every_byte() {
    let lines = ["one", "", "zwölf", "the last"];
    let bytes = encoded(LinesCodec::new(), lines);
    for frames in cut(LinesCodec::new(), &bytes).await {
        assert_eq!(frames, lines);
    }
}

async fn lengths_cut_at_every_byte() {
    let frames = [pattern(0, 5), Vec::new(), pattern(5, 17)].map(Bytes::from);
    let bytes = encoded(LengthDelimitedCodec::new(), frames.clone());
    for got in cut(LengthDelimitedCodec::new(), &bytes).await {
        assert_eq!(got, frames);
    }
}

/// What has only our traits, in `TokioCompat`.
async fn buffered_by_ours() {
    for capacity in 1..=12 {
        let (mut sender, receiver) = tcp_pair().await;
        let source = TokioCompat::new(BufReader::with_capacity(capacity, receiver));
        let mut framed = FramedRead::new(source, LengthDelimitedCodec::new());
        sender
            .write_all(&encoded(LengthDelimitedCodec::new(), [Bytes::from("first"), Bytes::from("second")]))
            .await
            .unwrap();
        assert_eq!(framed.next().await.unwrap().unwrap(), "first");
        assert_eq!(framed.next().await.unwrap().unwrap(), "second");
        drop(sender);
        assert!(framed.next().await.is_none());
    }
}

/// The line is thrown away, whatever its length, and the next ones are read.
async fn long_lines() {
    let (mut sender, receiver) = tcp_pair().await;
    let mut framed = Framed::new(TokioCompat::new(receiver), LinesCodec::new_with_max_length(10));
    let sending = maniac_runtime::spawn(async move {
        let long = "x".repeat(1 << 20);
        sender.write_all(format!("0123456789\n0123456789a\n{long}\nafter\n").as_bytes()).await.unwrap();
    });
    assert_eq!(framed.next().await.unwrap().unwrap(), "0123456789", "as long as is allowed");
    let mut refused = 0;
    let next = loop {
        match framed.next().await {
            Some(Err(LinesCodecError::MaxLineLengthExceeded)) => refused += 1,
            Some(Ok(line)) => break line,
            // Where an error was given the stream says once that it is paused.
            None => {}
            Some(Err(other)) => panic!("{other}"),
        }
        assert!(framed.read_buffer().len() < 1 << 17, "what is thrown away is not kept");
    };
    assert_eq!((next.as_str(), refused), ("after", 2));
    sending.await.unwrap();
}

async fn long_frames() {
    let (mut sender, receiver) = tcp_pair().await;
    let codec = LengthDelimitedCodec::builder().max_frame_length(10).new_codec();
    let mut framed = Framed::new(receiver, codec);
    let refusal = framed.send(Bytes::from(pattern(0, 11))).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::InvalidInput, "not sent");
    framed.send(Bytes::from(pattern(0, 10))).await.unwrap();
    let mut sent = [0; 14];
    sender.read_exact(&mut sent).await.unwrap();
    assert_eq!(sent[..], [&[0, 0, 0, 10], &pattern(0, 10)[..]].concat());

    // A length, of which nothing is allocated.
    sender.write_all(&[&[0, 0, 0, 1, 7][..], &[0xff; 4]].concat()).await.unwrap();
    assert_eq!(framed.next().await.unwrap().unwrap(), &[7][..]);
    assert_eq!(framed.next().await.unwrap().unwrap_err().kind(), ErrorKind::InvalidData);
    assert!(framed.next().await.is_none());
}

/// A peer that ends amid a frame is told from one that ends behind it; but for `tokio_util`'s taking the end right behind a frame's length
/// for one between frames.
async fn left_half_way() {
    const LENGTH: usize = 4;
    let bytes = encoded(LengthDelimitedCodec::new(), [Bytes::from("whole"), Bytes::from("half")]);
    let ends = [0, LENGTH + "whole".len(), bytes.len()];
    for sent in 0..=bytes.len() {
        let (mut sender, receiver) = tcp_pair().await;
        let mut framed = Framed::new(receiver, LengthDelimitedCodec::new());
        sender.write_all(&bytes[..sent]).await.unwrap();
        drop(sender);
        for _ in ends.iter().filter(|&&end| 0 < end && end <= sent) {
            framed.next().await.unwrap().unwrap();
        }
        let whole = ends.iter().any(|&end| sent == end || sent == end + LENGTH);
        match framed.next().await {
            None => assert!(whole, "{sent} bytes are no whole frames"),
            Some(Err(_)) => assert!(!whole, "{sent} bytes are whole frames"),
            Some(Ok(frame)) => panic!("{frame:?} of {sent} bytes"),
        }
    }
}

async fn reset_half_way() {
    let (mut sender, receiver) = tcp_pair().await;
    let mut framed = Framed::new(receiver, LengthDelimitedCodec::new());
    let mut bytes = encoded(LengthDelimitedCodec::new(), [Bytes::from("whole")]);
    bytes.extend([0, 0, 0, 9, 1]);
    sender.write_all(&bytes).await.unwrap();
    assert_eq!(framed.next().await.unwrap().unwrap(), "whole");
    sender.set_linger(Some(Duration::ZERO)).unwrap();
    drop(sender);
    assert_eq!(framed.next().await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
    let refused = framed.send(Bytes::from("late")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::BrokenPipe);
}

/// Frames longer than any buffer on the way, both ways, by the halves of one connection.
async fn both_ways_at_once() {
    const FRAMES: u64 = 8;
    let frame = |index: u64| Bytes::from(pattern(index, 600_000 + index as usize));
    let (one, other) = tcp_pair().await;
    let ends = [one, other].map(|stream| {
        let (mut sink, mut source) = Framed::new(stream, LengthDelimitedCodec::new()).split();
        let sending = maniac_runtime::spawn(async move {
            for index in 0..FRAMES {
                sink.send(frame(index)).await.unwrap();
            }
            sink
        });
        let receiving = maniac_runtime::spawn(async move {
            for index in 0..FRAMES {
                assert!(source.next().await.unwrap().unwrap() == frame(index));
            }
            source
        });
        (sending, receiving)
    });
    for (sending, receiving) in ends {
        let (sink, source) = (sending.await.unwrap(), receiving.await.unwrap());
        drop(sink.reunite(source).unwrap());
    }
}
