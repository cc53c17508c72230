//! Pipes that have room for a part of what is written: cut at every length, by the kernel.

use crate::support::pattern;
use maniac_io::fs::{self, File, splice};
use maniac_io::io::{AsyncWriteExt, BufWriter, copy};
use maniac_io::net::pipe::{Receiver, Sender};
use std::io::{self, IoSlice, Write};
use std::path::Path;

on_both_drivers! {
    one_write_says_how_much all_is_written
}

const PAGE: usize = 4096;
/// A pipe's size here: it counts as writable while a page is free.
const SIZE: usize = 2 * PAGE;

/// A pipe with so much room, of which less than a page is in the one that is begun; what fills it is zeros.
fn with_room(room: usize) -> (Sender, Receiver) {
    let (reader, mut writer) = io::pipe().unwrap();
    assert_eq!(rustix::pipe::fcntl_setpipe_size(&writer, SIZE).unwrap(), SIZE, "pages are larger here");
    writer.write_all(&vec![0; SIZE - room]).unwrap();
    (Sender::from_owned_fd(writer.into()).unwrap(), Receiver::from_owned_fd(reader.into()).unwrap())
}

fn rooms() -> impl Iterator<Item = usize> {
    (1..40).chain([PAGE / 2, PAGE - 2, PAGE - 1]).map(|begun| PAGE + begun)
}

/// What is read of a pipe, some bytes at a time, but for what it was filled with.
fn collect(mut receiver: Receiver, room: usize) -> maniac_runtime::task::JoinHandle<Vec<u8>> {
    maniac_runtime::spawn(async move {
        let (mut all, mut buf) = (Vec::new(), vec![0; room - PAGE / 2]);
        loop {
            match receiver.read(&mut buf).await.unwrap() {
                0 => return all.split_off(SIZE - room),
                count => all.extend_from_slice(&buf[..count]),
            }
        }
    })
}

/// As long as it takes for the kernel to put its first part into the page that is begun, as there is room for it (pipe(7) says nothing of that;
/// seen on Linux 6.18).
fn long(room: usize) -> Vec<u8> {
    pattern(0, 2 * SIZE + room % PAGE)
}

async fn one_write_says_how_much() {
    for room in rooms() {
        let data = long(room);
        let (mut sender, receiver) = with_room(room);
        assert_eq!(sender.write(&data).await.unwrap(), room);
        drop(sender);
        assert_eq!(collect(receiver, room).await.unwrap(), data[..room]);

        let (mut sender, receiver) = with_room(room);
        let parts = [IoSlice::new(&data[..room / 2]), IoSlice::new(&data[room / 2..])];
        assert_eq!(sender.write_vectored(&parts).await.unwrap(), room);
        drop(sender);
        assert_eq!(collect(receiver, room).await.unwrap(), data[..room]);
    }
}

async fn all_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for room in rooms() {
        let data = long(room);
        fs::write(&path, &data).await.unwrap();
        for way in 0..5 {
            let (sender, receiver) = with_room(room);
            let collecting = collect(receiver, room);
            write_all(way, sender, &data, &path).await;
            assert!(collecting.await.unwrap() == data, "way {way}, with room for {room}");
        }
    }
}

async fn write_all(way: u32, mut sender: Sender, data: &[u8], path: &Path) {
    match way {
        0 => sender.write_all(data).await.unwrap(),
        1 => AsyncWriteExt::write_all(&mut sender, data).await.unwrap(),
        2 => {
            let mut buffered = BufWriter::with_capacity(1000, sender);
            for part in data.chunks(777) {
                AsyncWriteExt::write_all(&mut buffered, part).await.unwrap();
            }
            AsyncWriteExt::flush(&mut buffered).await.unwrap();
        }
        3 => {
            let mut file = File::open(path).await.unwrap();
            assert_eq!(copy(&mut file, &mut sender).await.unwrap(), data.len() as u64);
        }
        _ => {
            let file = File::open(path).await.unwrap();
            assert_eq!(splice(&file, sender.fd(), 2 * data.len()).await.unwrap(), data.len());
        }
    }
}
