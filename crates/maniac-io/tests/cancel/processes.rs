//! Child processes: their end is told however often the wait was cut, and those that nobody waits for are reaped.

use crate::cut::Cutter;
use maniac_io::process::{Child, Command, Stdio};
use std::sync::Arc;
use tokio::sync::Mutex;

/// One child at most that a round spawns to be waited for, and as many that are left alone.
pub(crate) async fn processes(cutter: Cutter) {
    let child = Command::new("sh").args(["-c", "read -r line; exit 7"]).stdin(Stdio::piped()).spawn();
    let child: Arc<Mutex<Child>> = Arc::new(Mutex::new(child.unwrap()));
    let mut status = None;
    while status.is_none() {
        let child = Arc::clone(&child);
        status = cutter.cut(async move { child.lock_owned().await.wait().await.unwrap() }).await;
    }
    assert_eq!(status.and_then(|status| status.code()), Some(7));

    let kill = cutter.below(2) == 0;
    let output = async move {
        let mut command = Command::new("sh");
        let output = command.args(["-c", "echo said"]).kill_on_drop(kill).output().await.unwrap();
        assert_eq!(output.stdout, b"said\n");
        assert!(output.status.success());
    };
    cutter.cut(output).await;
}
