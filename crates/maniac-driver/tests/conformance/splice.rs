//! Moving data inside the kernel.

use crate::support::{Rig, both, errno, pair, peek, pipe};
use maniac_driver::op::splice::End;
use maniac_driver::op::{CopyRange, Read, Recv, Send, Splice, Tee, Write};

pub fn file_to_pipe(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello, world");
    let (reader, writer) = pipe();
    let moved = rig.run(Splice::new(End::at(file, 7), End::stream(writer), 100)).unwrap();
    assert_eq!(moved, 5);
    let (_, buf) = rig.run(Read::new(reader, Vec::with_capacity(10)));
    assert_eq!(buf, b"world");
}

pub fn pipe_to_file(rig: &mut Rig) {
    let file = rig.dir.file("a", b"0123456789");
    let (reader, writer) = pipe();
    rig.run(Write::new(writer, b"xyz".to_vec())).0.unwrap();
    assert_eq!(rig.run(Splice::new(End::stream(reader.clone()), End::at(file.clone(), 4), 100)).unwrap(), 3);
    assert_eq!(std::fs::read(rig.dir.join("a")).unwrap(), b"0123xyz789");
    // No writer is left.
    assert_eq!(rig.run(Splice::new(End::stream(reader), End::at(file, 0), 100)).unwrap(), 0);
}

pub fn waits_for_a_pipe(rig: &mut Rig) {
    let file = rig.dir.file("a", b"");
    let (reader, writer) = pipe();
    let mut splice = rig.driver.submit(Splice::new(End::stream(reader), End::at(file, 0), 100));
    for _ in 0..10 {
        rig.driver.poll(Some(std::time::Duration::from_millis(1)), &mut rig.done).unwrap();
    }
    assert!(peek(&mut splice).is_pending());
    let write = rig.driver.submit(Write::new(writer, b"late".to_vec()));
    let (moved, _) = rig.wait(both(splice, write));
    assert_eq!(moved.unwrap(), 4);
    assert_eq!(std::fs::read(rig.dir.join("a")).unwrap(), b"late");
}

pub fn full_pipe(rig: &mut Rig) {
    let file = rig.dir.file("a", &[7; 100_000]);
    let (reader, writer) = pipe();
    let mut filled = 0;
    let mut splice = loop {
        let mut splice =
            rig.driver.submit(Splice::new(End::at(file.clone(), 0), End::stream(writer.clone()), 30_000));
        for _ in 0..10 {
            rig.driver.poll(Some(std::time::Duration::from_millis(1)), &mut rig.done).unwrap();
        }
        match peek(&mut splice) {
            std::task::Poll::Ready(moved) => filled += moved.unwrap(),
            std::task::Poll::Pending => break splice,
        }
    };
    assert!(filled > 0 && peek(&mut splice).is_pending());
    let mut drained = 0;
    while drained < filled {
        let (count, buf) = rig.run(Read::new(reader.clone(), vec![0; filled]));
        drained += count.unwrap();
        assert!(buf.iter().all(|&byte| byte == 7));
    }
    assert!(rig.wait(splice).unwrap() > 0);
}

pub fn tees(rig: &mut Rig) {
    let ((a_reader, a_writer), (b_reader, b_writer)) = (pipe(), pipe());
    rig.run(Write::new(a_writer, b"twice".to_vec())).0.unwrap();
    assert_eq!(rig.run(Tee::new(a_reader.clone(), b_writer, 100)).unwrap(), 5);
    assert_eq!(rig.run(Read::new(b_reader, Vec::with_capacity(9))).1, b"twice");
    assert_eq!(rig.run(Read::new(a_reader, Vec::with_capacity(9))).1, b"twice");
    let file = rig.dir.file("a", b"x");
    let (reader, _writer) = pipe();
    assert_eq!(errno(rig.run(Tee::new(reader, file, 1))), libc::EINVAL);
}

pub fn socket_through_pipe(rig: &mut Rig) {
    let ((a, b), (reader, writer), (c, d)) = (pair(), pipe(), pair());
    let splice = rig.driver.submit(Splice::new(End::stream(b), End::stream(writer), 100));
    rig.glance();
    let send = rig.driver.submit(Send::new(a, "through", 0));
    let (moved, _) = rig.wait(both(splice, send));
    assert_eq!(moved.unwrap(), 7);
    assert_eq!(rig.run(Splice::new(End::stream(reader), End::stream(c), 100)).unwrap(), 7);
    assert_eq!(rig.run(Recv::new(d, Vec::with_capacity(10), 0)).1, b"through");
}

/// Offsets belong to files.
pub fn offsets(rig: &mut Rig) {
    let file = rig.dir.file("a", b"hello");
    let (reader, writer) = pipe();
    let op = Splice::new(End::stream(file.clone()), End::at(writer.clone(), 3), 10);
    assert_eq!(errno(rig.run(op)), libc::ESPIPE);
    let op = Splice::new(End::at(file.clone(), u64::MAX), End::stream(writer.clone()), 10);
    assert_eq!(errno(rig.run(op)), libc::EINVAL);
    // The file's own position moves.
    assert_eq!(rig.run(Splice::new(End::stream(file.clone()), End::stream(writer.clone()), 2)).unwrap(), 2);
    assert_eq!(rig.run(Splice::new(End::stream(file.clone()), End::stream(writer), 10)).unwrap(), 3);
    assert_eq!(rig.run(Read::new(reader, Vec::with_capacity(10))).1, b"hello");
    let op = Splice::new(End::stream(file.clone()), End::stream(file), 10);
    assert_eq!(errno(rig.run(op)), libc::EINVAL);
}

pub fn copies_ranges(rig: &mut Rig) {
    let (from, to) = (rig.dir.file("from", b"0123456789"), rig.dir.file("to", b"abcdef"));
    assert_eq!(rig.run(CopyRange::new((from.clone(), 7), (to.clone(), 2), 100)).unwrap(), 3);
    assert_eq!(std::fs::read(rig.dir.join("to")).unwrap(), b"ab789f");
    assert_eq!(rig.run(CopyRange::new((from.clone(), 10), (to.clone(), 0), 100)).unwrap(), 0, "the end");
    assert_eq!(errno(rig.run(CopyRange::new((from.clone(), u64::MAX), (to, 0), 1))), libc::EINVAL);
    let (_reader, writer) = pipe();
    assert_eq!(errno(rig.run(CopyRange::new((from, 0), (writer, 0), 1))), libc::EINVAL, "no file");
}
