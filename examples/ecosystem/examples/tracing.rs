//! tracing on maniac: spans and events of tasks, and the runtime's own events, such as that of a task that stalls. Works without tokio.

use maniac::runtime::RuntimeBuilder;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tracing::{Instrument, info, info_span};

/// Where the subscriber writes, for a look at it afterwards.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone()).init();
    let runtime = RuntimeBuilder::new().worker_count(2).stall_after(Duration::from_millis(5)).build()?;
    let tasks: Vec<_> = (0..4)
        .map(|number| {
            let work = async move {
                maniac::time::sleep(Duration::from_millis(1)).await;
                info!("done");
            };
            runtime.spawn(work.instrument(info_span!("job", number)))
        })
        .collect();
    for task in tasks {
        runtime.block_on(task)?;
    }
    // A task that never yields is told by the runtime, once.
    let seen = log.clone();
    let hog = runtime.spawn(async move {
        let start = Instant::now();
        while !seen.text().contains("maniac::stall") {
            assert!(start.elapsed() < Duration::from_secs(60), "{}", seen.text());
        }
    });
    runtime.block_on(hog)?;
    let text = log.text();
    for number in 0..4 {
        assert!(text.contains(&format!("job{{number={number}}}: tracing: done")), "{text}");
    }
    print!("{text}");
    Ok(())
}

#[test]
fn works() {
    main().unwrap();
}
