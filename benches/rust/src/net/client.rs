//! Many connections, each with one request under way, on one thread.

use super::MESSAGE;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// How many connections are made before the server must have accepted them: fewer than wait in a listener's queue, where one too many is
/// tried again after a second only.
const AT_ONCE: usize = 64;

/// A socket that requests go through.
pub trait Link: AsRawFd + Sized {
    fn open(address: SocketAddr) -> io::Result<Self>;
    fn send(&self, request: &[u8]) -> io::Result<()>;
    fn receive(&self, answer: &mut [u8]) -> io::Result<()>;
}

impl Link for TcpStream {
    fn open(address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn send(mut self: &TcpStream, request: &[u8]) -> io::Result<()> {
        self.write_all(request)
    }

    fn receive(mut self: &TcpStream, answer: &mut [u8]) -> io::Result<()> {
        self.read_exact(answer)
    }
}

impl Link for UdpSocket {
    fn open(address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(address)?;
        Ok(socket)
    }

    fn send(&self, request: &[u8]) -> io::Result<()> {
        self.send(request).map(drop)
    }

    fn receive(&self, answer: &mut [u8]) -> io::Result<()> {
        self.recv(answer).map(drop)
    }
}

pub struct Client<L> {
    epoll: OwnedFd,
    links: Vec<L>,
}

impl<L: Link> Client<L> {
    pub fn connect(address: SocketAddr, connections: usize) -> Client<L> {
        // SAFETY: no memory is given; the result is checked.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        assert!(epoll >= 0, "epoll_create1(2): {}", io::Error::last_os_error());
        // SAFETY: just made, and owned by nothing else.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let mut links: Vec<L> = Vec::with_capacity(connections);
        for number in 0..connections {
            if number > 0 && number.is_multiple_of(AT_ONCE) {
                // Those before are served, and so out of the queue.
                let before = &links[number - AT_ONCE..];
                before.iter().for_each(|link| link.send(&[7; MESSAGE]).expect("the server"));
                before.iter().for_each(|link| link.receive(&mut [0; MESSAGE]).expect("an answer"));
            }
            let link = L::open(address).expect("the server");
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number as u64 };
            // SAFETY: the event is a local.
            let result = unsafe {
                libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, link.as_raw_fd(), &raw mut event)
            };
            assert_eq!(result, 0);
            links.push(link);
        }
        Client { epoll, links }
    }

    /// Sends `each` requests on every connection, one after the other, reads the answers, and gives their number.
    pub fn exchange(&mut self, each: usize) -> usize {
        let mut left = vec![each; self.links.len()];
        let mut open = self.links.len();
        self.send_to_all();
        while open > 0 {
            for number in self.answered(-1) {
                left[number] -= 1;
                if left[number] == 0 {
                    open -= 1;
                } else {
                    self.send(number);
                }
            }
        }
        each * self.links.len()
    }

    /// Sends requests for `time`, as soon as the one before is answered: how long answers took, in microseconds, those that have not come by
    /// then counted as if they came then; and how many connections got none at all.
    pub fn watch(&mut self, time: Duration) -> (Vec<f64>, usize) {
        let end = Instant::now() + time;
        let mut sent = vec![Instant::now(); self.links.len()];
        let mut silent = vec![true; self.links.len()];
        let mut times = Vec::new();
        self.send_to_all();
        while let left = end.saturating_duration_since(Instant::now())
            && !left.is_zero()
        {
            for number in self.answered(left.as_millis() as i32 + 1) {
                times.push(sent[number].elapsed().as_secs_f64() * 1e6);
                silent[number] = false;
                sent[number] = Instant::now();
                self.send(number);
            }
        }
        times.extend(sent.iter().map(|sent| sent.elapsed().as_secs_f64() * 1e6));
        (times, silent.into_iter().filter(|silent| *silent).count())
    }

    fn send_to_all(&self) {
        (0..self.links.len()).for_each(|number| self.send(number));
    }

    fn send(&self, number: usize) {
        self.links[number].send(&[7; MESSAGE]).expect("the server is there");
    }

    /// Reads the answers that are there, after at most so many milliseconds: the connections' numbers.
    fn answered(&self, milliseconds: i32) -> Vec<usize> {
        let mut events = [const { libc::epoll_event { events: 0, u64: 0 } }; 256];
        // SAFETY: as many events as are said, alive for the call.
        let count = unsafe {
            libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, milliseconds)
        };
        let numbers = events.iter().take(count.max(0) as usize).map(|event| event.u64 as usize);
        numbers
            .inspect(|number| {
                self.links[*number].receive(&mut [0; MESSAGE]).expect("an answer");
            })
            .collect()
    }
}

/// Makes connections, one after the other, reads each to its end, and gives their number.
pub fn accept_and_read(address: SocketAddr, count: usize) -> usize {
    for _ in 0..count {
        let mut answer = Vec::new();
        TcpStream::connect(address)
            .and_then(|mut stream| stream.read_to_end(&mut answer))
            .expect("the server");
        assert_eq!(answer, [7]);
    }
    count
}
