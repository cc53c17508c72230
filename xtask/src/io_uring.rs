//! Whether this machine lets a program open an `io_uring`, so that a test run can say why it left the ring out.

use crate::Outcome;

#[cfg(target_os = "linux")]
pub(crate) fn run() -> Outcome {
    match io_uring::IoUring::new(8) {
        Ok(_) => println!("io_uring is available"),
        Err(error) => {
            println!("io_uring is refused here: {error}");
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn run() -> Outcome {
    println!("io_uring is Linux's");
    Ok(false)
}
