//! Children: what they say, how they end, who reaps them.

use crate::support::pattern;
use maniac_io::process::{Child, Command, Stdio};
use std::io::ErrorKind;
use std::time::Duration;

on_both_drivers! {
    statuses talks says_much_on_both kills killed_on_drop runs_on_when_dropped many_at_once cannot_start pipes_between
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

async fn statuses() {
    assert!(shell("exit 0").status().await.unwrap().success());
    assert_eq!(shell("exit 3").status().await.unwrap().code(), Some(3));
    let mut child = shell("exit 4").spawn().unwrap();
    assert!(child.id().is_some());
    assert_eq!(child.wait().await.unwrap().code(), Some(4));
    // Told again, though the process is gone, and its number may be another's.
    assert_eq!(child.wait().await.unwrap().code(), Some(4));
    assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(4));
    assert_eq!(child.id(), None);
    child.start_kill().unwrap();
    child.kill().await.unwrap();
}

async fn talks() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for round in 0..50u8 {
        input.write_all(&[round; 100]).await.unwrap();
        let mut back = [0; 100];
        output.read_exact(&mut back).await.unwrap();
        assert_eq!(back, [round; 100]);
    }
    drop(input);
    assert_eq!(output.read(&mut [0]).await.unwrap(), 0);
    assert!(child.wait().await.unwrap().success());
    // Waiting closes the input, which is what this child waits for.
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    assert!(child.wait().await.unwrap().success());
}

/// More than a pipe holds, on both at the same time.
async fn says_much_on_both() {
    let script = "head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2; exit 5";
    let output = shell(script).output().await.unwrap();
    assert_eq!((output.stdout.len(), output.stderr.len()), (300_000, 200_000));
    assert_eq!(output.status.code(), Some(5));
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let feeding = maniac_runtime::spawn(async move { input.write_all(&pattern(0, 500_000)).await.unwrap() });
    let output = child.wait_with_output().await.unwrap();
    feeding.await.unwrap();
    assert!(output.stdout == pattern(0, 500_000));
}

async fn kills() {
    use std::os::unix::process::ExitStatusExt;
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    assert!(child.try_wait().unwrap().is_none());
    child.kill().await.unwrap();
    assert_eq!(child.wait().await.unwrap().signal(), Some(9));
}

/// The end of a child whose standard output is the pipe that `from` reads: nobody has its other end any more.
async fn ended(mut from: maniac_io::process::ChildStdout) {
    assert_eq!(from.read(&mut [0]).await.unwrap(), 0);
}

async fn killed_on_drop() {
    let mut command = Command::new("sleep");
    let mut child = command.arg("1000").stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let output = child.stdout.take().unwrap();
    drop(child);
    ended(output).await;
}

async fn runs_on_when_dropped() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    drop(child);
    input.write_all(b"still here").await.unwrap();
    output.read_exact(&mut [0; 10]).await.unwrap();
    drop(input);
    ended(output).await;
}

async fn many_at_once() {
    let tasks: Vec<_> = (0..24)
        .map(|n| {
            maniac_runtime::spawn(async move {
                let output = shell(&format!("echo {n}; exit {n}")).output().await.unwrap();
                assert_eq!(output.stdout, format!("{n}\n").as_bytes());
                assert_eq!(output.status.code(), Some(n));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn cannot_start() {
    let error = Command::new("no such program").spawn().map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = Command::new("true").current_dir("/no such folder").status().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// One child's output is another's input, without going through this process.
async fn pipes_between() {
    let mut first: Child = shell("echo one; echo two").stdout(Stdio::piped()).spawn().unwrap();
    let between: Stdio = first.stdout.take().unwrap().into_stdio().await.unwrap();
    let second = Command::new("wc").arg("-l").stdin(between).stdout(Stdio::piped()).spawn().unwrap();
    let output = maniac_runtime::time::timeout(Duration::from_secs(30), second.wait_with_output()).await;
    assert_eq!(output.unwrap().unwrap().stdout.trim_ascii(), b"2");
    assert!(first.wait().await.unwrap().success());
}
