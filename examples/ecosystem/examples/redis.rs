//! The redis crate on maniac: its connection takes any stream that has tokio's traits, and so one of ours. Works without tokio's runtime.
//! Its own time-outs, its connection manager and `Client::get_multiplexed_async_connection` call tokio: without them, as here, our
//! `time::timeout` does the same; with them, the compatibility reactor is needed.

use maniac::net::{TcpListener, TcpStream};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig, RedisConnectionInfo};
use std::collections::HashMap;

/// Stands in for a server where there is none: the few commands that are used below, in Redis' own protocol (RESP 2).
async fn fake_server(listener: TcpListener) -> std::io::Result<()> {
    let (stream, _) = listener.accept().await?;
    let mut stream = maniac::io::BufReader::new(stream);
    let mut values = HashMap::<String, String>::new();
    loop {
        let words = command(&mut stream).await?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer = match words[..] {
            [] => return Ok(()),
            ["SET", key, value] => {
                values.insert(key.to_owned(), value.to_owned());
                "+OK\r\n".to_owned()
            }
            ["GET", key] => match values.get(key) {
                Some(value) => format!("${}\r\n{value}\r\n", value.len()),
                None => "$-1\r\n".to_owned(),
            },
            ["INCRBY", key, by] => {
                let old: i64 = values.get(key).map_or(0, |value| value.parse().unwrap_or(0));
                let next = old + by.parse::<i64>().unwrap_or(0);
                values.insert(key.to_owned(), next.to_string());
                format!(":{next}\r\n")
            }
            _ => "+OK\r\n".to_owned(),
        };
        stream.get_mut().write_all(answer.as_bytes()).await?;
    }
}

/// The words of one command; none at the end.
async fn command(stream: &mut maniac::io::BufReader<TcpStream>) -> std::io::Result<Vec<String>> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let count = line.trim().strip_prefix('*').and_then(|count| count.parse().ok()).unwrap_or(0);
    let mut words = Vec::new();
    for _ in 0..count {
        line.clear();
        stream.read_line(&mut line).await?;
        line.clear();
        stream.read_line(&mut line).await?;
        words.push(line.trim_end().to_owned());
    }
    Ok(words)
}

#[maniac::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let _server = maniac::spawn(fake_server(listener)).abort_on_drop();
    let stream = TcpStream::connect(address).await?;
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let (connection, driver) =
        MultiplexedConnection::new_with_config(&RedisConnectionInfo::default(), stream, config).await?;
    let _driver = maniac::spawn(driver).abort_on_drop();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let mut connection = connection.clone();
            maniac::spawn(async move { connection.incr::<_, _, u32>("count", 1).await })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let mut connection = connection;
    let _: () = connection.set("name", "maniac").await?;
    assert_eq!(connection.get::<_, String>("name").await?, "maniac");
    assert_eq!(connection.get::<_, u32>("count").await?, 50);
    println!("50 increments");
    Ok(())
}

#[test]
fn works() {
    main().unwrap();
}
