//! SQLite on maniac: the library blocks, so a connection is used on the blocking pool. Works without tokio.

use maniac::runtime::Handle;
use rusqlite::{Connection, Result, params};

/// One connection, opened and used where blocking is welcome.
fn remember(path: &std::path::Path, word: &str) -> Result<i64> {
    let connection = Connection::open(path)?;
    connection.execute_batch("CREATE TABLE IF NOT EXISTS words (word TEXT)")?;
    connection.execute("INSERT INTO words VALUES (?1)", params![word])?;
    connection.query_row("SELECT count(*) FROM words", [], |row| row.get(0))
}

#[maniac::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("words.db");
    let mut count = 0;
    for word in ["none", "of", "them", "blocks", "a", "worker"] {
        let path = path.clone();
        count = Handle::current().spawn_blocking(move || remember(&path, word)).await??;
    }
    assert_eq!(count, 6);
    println!("{count} words");
    Ok(())
}

#[test]
fn works() {
    main().unwrap();
}
