//! The system's allocator, metered.

mod work;

use std::alloc::System;

use cnv::quota::MeteredAllocator;

#[global_allocator]
static ALLOCATOR: MeteredAllocator<System> = MeteredAllocator::new(System);

fn main() {
    work::main();
}
