//! reqwest on maniac: it connects by tokio's sockets, so its futures run in the context of [`Reactor`]. Works through the compatibility
//! reactor; the requests are tasks of ours.

use maniac::compat::tokio::Reactor;
use maniac::net::TcpListener;

/// A server that answers each connection with the path that it was asked for.
async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        drop(maniac::spawn(async move {
            let mut request = vec![0; 4096];
            let count = maniac::io::AsyncReadExt::read(&mut stream, &mut request).await?;
            let text = String::from_utf8_lossy(&request[..count]).into_owned();
            let path = text.split(' ').nth(1).unwrap_or("?");
            let length = path.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{path}");
            stream.write_all(answer.as_bytes()).await
        }));
    }
}

#[maniac::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let _server = maniac::spawn(serve(listener)).abort_on_drop();
    let reactor = Reactor::start()?;
    let client = reqwest::Client::new();
    let requests: Vec<_> = (0..20)
        .map(|number| {
            let request = client.get(format!("http://{address}/{number}"));
            maniac::spawn(reactor.run(async move { request.send().await?.text().await }))
        })
        .collect();
    for (number, request) in requests.into_iter().enumerate() {
        assert_eq!(request.await??, format!("/{number}"));
    }
    println!("20 answers");
    Ok(())
}

#[test]
fn works() {
    main().unwrap();
}
