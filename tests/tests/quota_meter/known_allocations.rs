//! Allocations whose sizes are known, against what is counted.

use super::*;

fn bytes(work: impl FnOnce()) -> (u64, u64) {
    let ((), usage) = measure("test", Limits::unlimited(), work);
    let metered = "the metered allocator is installed";
    (
        usage.memory_peak_bytes.expect(metered),
        usage.memory_gross_bytes.expect(metered),
    )
}

#[test]
fn peak_and_gross_are_exact() {
    assert_eq!(bytes(|| drop(allocate(12_345))), (12_345, 12_345));
    assert_eq!(bytes(|| drop(black_box(Box::new([0_u64; 9])))), (72, 72));
    let one_after_the_other = bytes(|| {
        drop(allocate(3 * KB));
        drop(allocate(2 * KB));
    });
    assert_eq!(one_after_the_other, (3_000, 5_000));
    let together = bytes(|| {
        let first = allocate(3 * KB);
        drop(allocate(2 * KB));
        drop(first);
    });
    assert_eq!(together, (5_000, 5_000));
}

#[test]
fn zeroed_memory_counts_as_any() {
    assert_eq!(bytes(|| drop(black_box(vec![0_u8; 4_096]))), (4_096, 4_096));
}

#[test]
fn a_block_that_grows_or_shrinks_counts_as_the_difference() {
    let grown = bytes(|| {
        let mut block = allocate(1_000);
        block.reserve_exact(5_000);
    });
    assert_eq!(grown, (5_000, 5_000));
    let shrunk = bytes(|| {
        let mut block = allocate(5_000);
        block.shrink_to(1_000);
        drop(allocate(3_000));
    });
    assert_eq!(shrunk, (5_000, 8_000));
}

#[test]
fn a_block_freed_by_another_thread_stays_with_the_one_that_allocated_it() {
    let (other, usage) = measure("test", Limits::unlimited(), || {
        let block = allocate(7_000);
        let other = thread::scope(|scope| {
            scope
                .spawn(move || bytes(|| drop(block)))
                .join()
                .expect("it does not panic")
        });
        assert_eq!(other, (0, 0), "a free is no use of the thread that frees");
        drop(allocate(1_000));
        other
    });
    assert_eq!(other, (0, 0));
    // The thread's handle and stack bookkeeping are this thread's allocations, too.
    assert!(usage.memory_peak_bytes >= Some(8_000));
}

#[test]
fn the_observed_peak_is_the_innermost_s_own_and_counts_further_out() {
    let ((), outer) = measure("outer", Limits::unlimited(), || {
        let held = allocate(10 * KB);
        assert_eq!(bytes(|| drop(allocate(20 * KB))), (20_000, 20_000));
        drop(held);
    });
    assert_eq!(outer.memory_peak_bytes, Some(30_000));
}
