//! The limit: multishot accept, multishot receive into a ring of buffers, sends, and one loop.

use io_uring::types::{BufRingEntry, Fd};
use io_uring::{IoUring, cqueue, opcode, squeue};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, Ordering};

const BUFFERS: u16 = 2048;
const SIZE: usize = 256;
const GROUP: u16 = 1;
/// User data: what it is in the low bits, the descriptor and the buffer above.
const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1;
const SEND: u64 = 2;

/// Buffers that the kernel takes from.
struct Buffers {
    ring: *mut BufRingEntry,
    memory: Vec<u8>,
    tail: u16,
}

impl Buffers {
    fn give(&mut self, number: u16) {
        // SAFETY: the ring has BUFFERS entries, and the one at the tail is not the kernel's.
        let entry = unsafe { &mut *self.ring.add(usize::from(self.tail % BUFFERS)) };
        entry.set_addr(self.memory[usize::from(number) * SIZE..].as_ptr() as u64);
        entry.set_len(SIZE as u32);
        entry.set_bid(number);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the ring's first entry.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.ring).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

fn set_up() -> (IoUring, Buffers) {
    let ring = IoUring::builder()
        .setup_coop_taskrun()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(8192)
        .build(2048)
        .expect("a ring");
    let length = usize::from(BUFFERS) * size_of::<BufRingEntry>();
    // SAFETY: new memory, looked at below.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    assert_ne!(memory, libc::MAP_FAILED);
    // SAFETY: the memory stays until the process ends.
    unsafe { ring.submitter().register_buf_ring_with_flags(memory as u64, BUFFERS, GROUP, 0) }
        .expect("a ring of buffers");
    let mut buffers = Buffers { ring: memory.cast(), memory: vec![0; usize::from(BUFFERS) * SIZE], tail: 0 };
    (0..BUFFERS).for_each(|number| buffers.give(number));
    (ring, buffers)
}

fn push(ring: &mut IoUring, entry: &squeue::Entry) {
    // SAFETY: entries point into buffers that live as long as the process.
    while unsafe { ring.submission().push(entry) }.is_err() {
        ring.submit().expect("the ring takes entries");
    }
}

pub fn echo(listener: &TcpListener) {
    let (mut ring, mut buffers) = set_up();
    let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).build().user_data(ACCEPT);
    push(&mut ring, &accept);
    let mut done: Vec<cqueue::Entry> = Vec::new();
    loop {
        ring.submit_and_wait(1).expect("the ring");
        done.extend(ring.completion());
        for entry in done.drain(..) {
            let (kind, fd, number) =
                (entry.user_data() & 3, (entry.user_data() >> 32) as i32, (entry.user_data() >> 2) as u16);
            match kind {
                ACCEPT => receive(&mut ring, entry.result()),
                RECEIVE if entry.result() > 0 => {
                    let number = cqueue::buffer_select(entry.flags()).expect("a buffer");
                    let at = buffers.memory[usize::from(number) * SIZE..].as_ptr();
                    let send = opcode::Send::new(Fd(fd), at, entry.result() as u32).build();
                    push(&mut ring, &send.user_data((fd as u64) << 32 | u64::from(number) << 2 | SEND));
                    if !cqueue::more(entry.flags()) {
                        receive(&mut ring, fd);
                    }
                }
                // Out of buffers: once more. The end needs nothing done.
                RECEIVE if entry.result() == -libc::ENOBUFS => receive(&mut ring, fd),
                RECEIVE => {}
                _ => buffers.give(number),
            }
        }
    }
}

fn receive(ring: &mut IoUring, fd: i32) {
    push(ring, &opcode::RecvMulti::new(Fd(fd), GROUP).build().user_data((fd as u64) << 32 | RECEIVE));
}
