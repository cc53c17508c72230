//! axum on maniac: connections are accepted by our listener and served by hyper over our streams. Works without tokio's runtime.
//! (`axum::serve` spawns tasks by itself, with tokio; four lines replace it.)

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use maniac::net::{TcpListener, TcpStream};

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/double/{number}", get(|Path(number): Path<u32>| async move { Json(number * 2) }))
        .route("/late", get(late))
}

async fn late() -> &'static str {
    maniac::time::sleep(std::time::Duration::from_millis(5)).await;
    "late"
}

async fn serve(listener: TcpListener, router: Router) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(router.clone());
        drop(maniac::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service)));
    }
}

/// A request by hand; gives the body.
async fn ask(address: std::net::SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    maniac::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await?;
    Ok(answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
}

#[maniac::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = maniac::spawn(serve(listener, router())).abort_on_drop();
    let clients: Vec<_> = (0..50)
        .map(|number| maniac::spawn(async move { ask(address, &format!("/double/{number}")).await }))
        .collect();
    for (number, client) in clients.into_iter().enumerate() {
        assert_eq!(client.await.unwrap()?, (number * 2).to_string());
    }
    assert_eq!(ask(address, "/").await?, "hello");
    assert_eq!(ask(address, "/late").await?, "late");
    drop(server);
    println!("52 answers");
    Ok(())
}

#[test]
fn works() {
    main().unwrap();
}
