//! Many connections, each with one request under way, on one thread.

use super::MESSAGE;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

pub struct Client {
    epoll: OwnedFd,
    streams: Vec<TcpStream>,
}

impl Client {
    pub fn connect(address: SocketAddr, connections: usize) -> Client {
        // SAFETY: no memory is given; the result is checked.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        assert!(epoll >= 0, "epoll_create1(2): {}", std::io::Error::last_os_error());
        // SAFETY: just made, and owned by nothing else.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let streams: Vec<TcpStream> = (0..connections)
            .map(|number| {
                let stream = TcpStream::connect(address).expect("the server");
                stream.set_nodelay(true).expect("a socket");
                let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number as u64 };
                // SAFETY: the event is a local.
                let result = unsafe {
                    libc::epoll_ctl(
                        epoll.as_raw_fd(),
                        libc::EPOLL_CTL_ADD,
                        stream.as_raw_fd(),
                        &raw mut event,
                    )
                };
                assert_eq!(result, 0);
                stream
            })
            .collect();
        Client { epoll, streams }
    }

    /// Sends `each` requests on every connection, one after the other, and reads the answers.
    pub fn exchange(&mut self, each: usize) {
        let message = [7; MESSAGE];
        let mut left = vec![each; self.streams.len()];
        let mut open = self.streams.len();
        for mut stream in &self.streams {
            stream.write_all(&message).expect("the server is there");
        }
        let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
        while open > 0 {
            // SAFETY: as many events as are said, alive for the call.
            let count = unsafe {
                libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, -1)
            };
            for event in events.iter().take(count.max(0) as usize) {
                let number = event.u64 as usize;
                let mut stream = &self.streams[number];
                stream.read_exact(&mut [0; MESSAGE]).expect("an answer");
                left[number] -= 1;
                if left[number] == 0 {
                    open -= 1;
                } else {
                    stream.write_all(&message).expect("the server is there");
                }
            }
        }
    }
}
