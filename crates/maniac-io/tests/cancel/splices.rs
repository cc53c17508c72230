//! Splicing: what was taken and not delivered is what is read next; of what is copied, nothing is copied by half.

use crate::cut::Cutter;
use crate::support::pattern;
use maniac_io::fs::{Fd, File, splice, tee};
use maniac_io::net::{UnixStream, pipe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::sync::oneshot;

/// More than a socket and a pipe hold.
const SIZE: usize = 600_000;

pub(crate) async fn splices(cutter: Cutter) {
    match cutter.below(4) {
        0 => between_sockets(&cutter).await,
        1 => from_file(&cutter).await,
        2 => into_file(&cutter).await,
        _ => between_pipes(&cutter).await,
    }
}

/// Cuts splices until there were enough or nothing is left; gives whether that is so.
async fn splice_some(cutter: &Cutter, src: &Fd, dst: &Fd) -> bool {
    for _ in 0..25 {
        let (src, dst, len) = (src.clone(), dst.clone(), 1 + cutter.below(SIZE as u64 / 8) as usize);
        if cutter.cut(async move { splice(src, dst, len).await.unwrap() }).await == Some(0) {
            return true;
        }
        cutter.pause().await;
    }
    false
}

/// Two connected sockets, of which the other end writes all of the pattern.
fn source() -> (UnixStream, maniac_runtime::task::JoinHandle<()>) {
    let (mut writer, reader) = UnixStream::pair().unwrap();
    let feeding = maniac_runtime::spawn(async move {
        writer.write_all(&pattern(0, SIZE)).await.unwrap();
    });
    (reader, feeding)
}

/// Reads all that comes, at its own pace; half of the time only once `begun` is told, so that until then the socket runs full.
fn drain(
    cutter: &Cutter,
    mut from: UnixStream,
    begun: oneshot::Receiver<()>,
) -> maniac_runtime::task::JoinHandle<Vec<u8>> {
    let cutter = cutter.again();
    maniac_runtime::spawn(async move {
        if cutter.below(2) == 0 {
            let _ = begun.await;
        }
        let (mut all, mut buf) = (Vec::new(), vec![0; 20_000]);
        loop {
            match from.read(&mut buf).await.unwrap() {
                0 => return all,
                count => all.extend_from_slice(&buf[..count]),
            }
            cutter.pause().await;
        }
    })
}

async fn between_sockets(cutter: &Cutter) {
    let (mut from, feeding) = source();
    let (to, sink) = UnixStream::pair().unwrap();
    let (begin, begun) = oneshot::channel();
    let draining = drain(cutter, sink, begun);
    splice_some(cutter, &from.fd(), &to.fd()).await;
    drop((to, begin));
    let mut all = draining.await.unwrap();
    let moved = all.len();
    from.read_to_end(&mut all).await.unwrap();
    feeding.await.unwrap();
    assert!(all == pattern(0, SIZE), "{moved} were moved, {} are there in all", all.len());
}

async fn from_file(cutter: &Cutter) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("from"), pattern(0, SIZE)).unwrap();
    let from = File::open(dir.path().join("from")).await.unwrap();
    let (to, sink) = UnixStream::pair().unwrap();
    let (begin, begun) = oneshot::channel();
    let draining = drain(cutter, sink, begun);
    let (src, dst) = (from.fd(), to.fd());
    splice_some(cutter, &src, &dst).await;
    let cursor = from.stream_position().await.unwrap() as usize;
    drop((to, dst, begin));
    let all = draining.await.unwrap();
    assert!(all == pattern(0, all.len()), "what was delivered is not what the file holds");
    assert_eq!(all.len(), cursor, "the cursor does not say what was delivered");
}

async fn into_file(cutter: &Cutter) {
    let dir = tempfile::tempdir().unwrap();
    let (from, feeding) = source();
    let to = File::create(dir.path().join("to")).await.unwrap();
    let (src, dst) = (from.fd(), to.fd());
    splice_some(cutter, &src, &dst).await;
    while splice(&src, &dst, SIZE).await.unwrap() > 0 {}
    feeding.await.unwrap();
    let all = std::fs::read(dir.path().join("to")).unwrap();
    assert!(all == pattern(0, SIZE), "{} of {SIZE} bytes are in the file, or others", all.len());
}

async fn between_pipes(cutter: &Cutter) {
    let ((mut feeder, mut from), (to, mut sink)) = (pipe::pipe().unwrap(), pipe::pipe().unwrap());
    let feeding = maniac_runtime::spawn(async move {
        feeder.write_all(&pattern(0, SIZE)).await.unwrap();
    });
    let draining = maniac_runtime::spawn(async move {
        let mut all = Vec::new();
        sink.read_to_end(&mut all).await.unwrap();
        all
    });
    splice_some(cutter, &from.fd(), &to.fd()).await;
    drop(to);
    let mut all = draining.await.unwrap();
    from.read_to_end(&mut all).await.unwrap();
    feeding.await.unwrap();
    assert!(all == pattern(0, SIZE));
}

/// Copies the front of a pipe, reads that, and so on.
pub(crate) async fn tees(cutter: Cutter) {
    let ((mut feeder, mut from), (to, mut sink)) = (pipe::pipe().unwrap(), pipe::pipe().unwrap());
    let feeding = maniac_runtime::spawn({
        let cutter = cutter.again();
        async move {
            for at in 0..30 {
                feeder.write_all(&pattern(at * 100, 100)).await.unwrap();
                cutter.pause().await;
            }
        }
    });
    let (src, dst) = (from.fd(), to.fd());
    let copied = Arc::new(AtomicUsize::new(0));
    let mut all = Vec::new();
    loop {
        let (src, dst, len, log) = (src.clone(), dst.clone(), cutter.len(), Arc::clone(&copied));
        let copy = async move {
            let count = tee(src, dst, len).await.unwrap();
            log.store(count, SeqCst);
            count
        };
        let ended = cutter.cut(copy).await == Some(0);
        let count = copied.swap(0, SeqCst);
        let (mut theirs, mut ours) = (vec![0; count], vec![0; count]);
        sink.read_exact(&mut theirs).await.unwrap();
        assert_eq!(rustix::io::ioctl_fionread(sink.fd()).unwrap(), 0, "more is copied than was said");
        from.read_exact(&mut ours).await.unwrap();
        assert!(theirs == ours);
        all.extend_from_slice(&ours);
        if ended {
            break;
        }
    }
    feeding.await.unwrap();
    assert!(all == pattern(0, 3000));
}
