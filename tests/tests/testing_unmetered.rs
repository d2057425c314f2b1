//! Assertions about memory in a test that does not meter any: this file installs no allocator.

use std::panic::catch_unwind;

use cnv::budget;
use cnv::testing::{assert_fits, use_of};

#[budget(memory = "10KB", cpu = "1min")]
fn list(count: usize) -> Vec<u8> {
    vec![0; count]
}

#[budget(cpu = "1min")]
fn unlimited(count: usize) -> Vec<u8> {
    vec![0; count]
}

#[test]
fn a_limit_on_memory_that_is_not_metered_fails_loudly() {
    let payload = catch_unwind(|| assert_fits!(list(1))).unwrap_err();
    let said = payload.downcast::<String>().unwrap();
    assert!(
        said.starts_with("memory is not metered in this test"),
        "{said}"
    );
    assert!(
        said.contains("write this into tests/tests/testing_unmetered.rs:"),
        "{said}"
    );
    assert!(
        said.contains("#[global_allocator]\n    static ALLOCATOR: cnv::quota::MeteredAllocator"),
        "{said}"
    );
}

#[test]
fn what_needs_no_meter_of_memory_holds() {
    assert_eq!(assert_fits!(unlimited(1)).len(), 1);
    assert_eq!(use_of!(list(1)).assert_cpu_fits().result.len(), 1);
}
