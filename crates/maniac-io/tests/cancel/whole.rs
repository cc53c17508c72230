//! `write_all` and what comes after it: a dropped one may have sent a part, from the front, and nothing of it comes later than a later
//! write.

use crate::cut::Cutter;
use crate::streams::tcp_pair;
use maniac_io::net::TcpStream;
use std::io::IoSlice;
use std::sync::Arc;
use tokio::sync::Mutex;

/// How many writes there are in a round: each has a byte of its own.
const WRITES: u8 = 60;

/// What is known of a write: how many bytes have arrived at least, and at most.
type Bounds = (usize, usize);

pub(crate) async fn whole(cutter: Cutter) {
    let (one, mut other) = tcp_pair().await;
    let pauses = cutter.again();
    let reading = maniac_runtime::spawn(async move {
        let (mut all, mut buf) = (Vec::new(), [0; 4096]);
        loop {
            match other.read(&mut buf).await? {
                0 => return std::io::Result::Ok(all),
                count => all.extend_from_slice(&buf[..count]),
            }
            pauses.pause().await;
        }
    });
    let writer = Arc::new(Mutex::new(one));
    let mut bounds = Vec::new();
    for byte in 0..WRITES {
        bounds.push(write(&cutter, Arc::clone(&writer), byte).await);
        cutter.pause().await;
    }
    drop(writer);
    let all = reading.await.unwrap().unwrap();
    assert!(all.is_sorted(), "bytes of an earlier write came after those of a later one: {all:?}");
    for (byte, (least, most)) in (0..WRITES).zip(bounds) {
        let count = all.iter().filter(|&&other| other == byte).count();
        assert!((least..=most).contains(&count), "write {byte}: {count} bytes of {least} to {most}");
    }
}

/// Writes some times `byte`, in one way or another.
async fn write(cutter: &Cutter, writer: Arc<Mutex<TcpStream>>, byte: u8) -> Bounds {
    let (len, way) = (cutter.len(), cutter.below(8));
    let bytes = vec![byte; len];
    let writing = async move {
        let mut writer = writer.lock_owned().await;
        match way {
            0 => writer.write(&bytes).await.unwrap(),
            1 => writer.write_vectored(&[IoSlice::new(&bytes)]).await.unwrap(),
            2 => writer.write_owned(bytes).await.0.unwrap(),
            3 => {
                writer.writable().await.unwrap();
                // A report may be wrong.
                writer.try_write(&bytes).unwrap_or(0)
            }
            _ => {
                writer.write_all(&bytes).await.unwrap();
                len
            }
        }
    };
    match cutter.cut(writing).await {
        Some(count) => (count, count),
        None if way > 3 => (0, len),
        None => (0, 0),
    }
}
