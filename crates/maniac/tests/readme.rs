//! The example of the repo's README, as it stands there, and run.
#![cfg(all(unix, any(feature = "iouring", feature = "mio")))]
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use maniac::net::{TcpListener, TcpStream};
use maniac::time::{Duration, timeout};

#[maniac::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = maniac::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let text = maniac::fs::read("Cargo.toml").await?; // io_uring, or a thread where there is none
        stream.write_all(&text).await
    });

    let mut stream = TcpStream::connect(address).await?;
    let mut text = Vec::new();
    let late = timeout(Duration::from_secs(5), stream.read_to_end(&mut text)).await;
    println!("{} bytes in time: {}", text.len(), late.is_ok());
    server.await.expect("the task does not panic")?;

    // Blocking-style code that awaits, however deep in callbacks.
    let sum =
        maniac::spawn_stackful(|| (1..4).map(|n| maniac::sync_await(async move { n * n })).sum::<i32>());
    println!("sum of squares: {}", sum.await.expect("nor does this one"));
    Ok(())
}

#[test]
fn the_example_of_the_readme_runs() {
    let readme = include_str!("../../../README.md");
    let block = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    let block = block.expect("the README has a block of Rust");
    assert!(include_str!("readme.rs").contains(block), "this file does not hold the README's example");
    main().expect("the example works");
}
