//! Each thread's own use, and nobody else's.

use super::*;

#[test]
fn each_thread_has_its_own_ceilings() {
    let both = Arc::new(Barrier::new(2));
    let other = Arc::clone(&both);
    let handle = thread::spawn(move || {
        cooperative("other", memory(1_000), || {
            drop(allocate(2_000));
            other.wait();
            other.wait();
            checkpoint()
        })
        .0
    });
    both.wait();
    checkpoint().expect("this thread has no limit");
    cooperative("this", memory(10_000), || {
        drop(allocate(2_000));
        checkpoint().expect("2000 of 10000 bytes");
    });
    both.wait();
    let other = handle.join().unwrap();
    assert_eq!(other.unwrap_err().operation, Some("other"));
}

/// Work that is handed over is not this work's.
#[test]
#[cfg(target_os = "linux")]
fn what_another_thread_uses_is_its_own() {
    let (result, usage) = cooperative("this", cpu(20 * MS), || {
        thread::spawn(|| spin(40 * MS)).join().unwrap()?;
        checkpoint()
    });
    result.unwrap();
    assert!(usage.cpu_ns < 20 * MS);
}
