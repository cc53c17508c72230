#![cfg(windows)]
use maniac_context::preempt::Target;
use std::sync::Arc;
#[test]
fn t() {
    let t = Arc::new(Target::new());
    let t2 = t.clone();
    std::thread::spawn(move || { t2.bind(); let mut x = 1u64; loop { x = std::hint::black_box(x.wrapping_mul(3)); } });
    std::thread::sleep(std::time::Duration::from_millis(100));
    let s = std::time::Instant::now();
    for _ in 0..200 { let _ = t.request(1); }
    println!("{:?} each", s.elapsed() / 200);
    let s = std::time::Instant::now();
    for _ in 0..200 { std::thread::yield_now() }
    println!("yield {:?} each", s.elapsed() / 200);
    let s = std::time::Instant::now();
    for _ in 0..200 { std::thread::sleep(std::time::Duration::from_micros(50)) }
    println!("sleep {:?} each", s.elapsed() / 200);
}
