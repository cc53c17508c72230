//! Servers word by word the same for the runtimes that lend a buffer for a read: `servers!` builds them on `listen`, `no_delay`, `readable`,
//! `try_read`, `socket` and what those give.

macro_rules! servers {
    () => {
        /// Answers each connection in a task of its own. From the last of `hog_after` connections on, a task computes without ever yielding.
        pub async fn echo(listener: std::net::TcpListener, hog_after: Option<usize>) {
            let listener = listen(listener);
            let mut accepted = 0;
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                no_delay(&stream);
                detach(spawn(async move {
                    let mut buf = [0; 1024];
                    while let Ok(count @ 1..) = stream.read(&mut buf).await {
                        stream.write_all(&buf[..count]).await.unwrap();
                    }
                }));
                accepted += 1;
                if hog_after == Some(accepted) {
                    detach(spawn(async { $crate::hog::for_ever() }));
                }
            }
        }

        /// As `echo`; a connection that waits has no buffer.
        pub async fn echo_without_buffer(listener: std::net::TcpListener) {
            let listener = listen(listener);
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                detach(spawn(async move {
                    loop {
                        readable(&stream).await;
                        match received(&stream) {
                            Ok(message) if message.is_empty() => break,
                            Ok(message) => stream.write_all(&message).await.unwrap(),
                            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                            Err(_) => break,
                        }
                    }
                }));
            }
        }

        /// Not async, so that the buffer is no part of the task.
        fn received(stream: &TcpStream) -> std::io::Result<Vec<u8>> {
            let mut buf = [0; 1024];
            let count = try_read(stream, &mut buf)?;
            Ok(buf[..count].to_vec())
        }

        /// Sends each connection a byte, and closes it.
        pub async fn answer_once(listener: std::net::TcpListener) {
            let listener = listen(listener);
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                detach(spawn(async move { stream.write_all(&[7]).await.unwrap() }));
            }
        }

        /// Sends each datagram back.
        pub async fn echo_datagrams(datagrams: std::net::UdpSocket) {
            let socket = socket(datagrams);
            let mut buf = [0; 1024];
            loop {
                let (count, from) = socket.recv_from(&mut buf).await.unwrap();
                socket.send_to(&buf[..count], from).await.unwrap();
            }
        }
    };
}
pub(crate) use servers;
