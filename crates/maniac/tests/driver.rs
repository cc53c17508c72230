//! The driver of a run is the one that `MANIAC_DRIVER` asks for, by the kernel's own count. Alone in its process, so that no other
//! test's rings are counted.
#![cfg(all(target_os = "linux", any(feature = "iouring", feature = "mio")))]
#![allow(clippy::print_stdout, reason = "a test says what it counted")]

#[path = "../../maniac-runtime/tests/support/kernel.rs"]
mod kernel;

use maniac::net::{TcpListener, TcpStream};

#[maniac::test]
async fn the_kernel_counts_the_driver_that_was_asked_for() -> std::io::Result<()> {
    let active = maniac::spawn(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let (mut server, _) = listener.accept().await?;
        for _ in 0..100 {
            client.write_all(&maniac::fs::read("Cargo.toml").await?[..100]).await?;
            let mut text = [0; 100];
            server.read_exact(&mut text).await?;
        }
        let (kind, _) = maniac::driver::metrics().expect("a worker has a driver");
        Ok::<_, std::io::Error>(format!("{kind:?}").to_lowercase())
    });
    kernel::assert_driver(&active.await.expect("it does not panic")?);
    Ok(())
}
