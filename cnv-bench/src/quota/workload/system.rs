//! The system's allocator, as it is.

mod work;

use std::alloc::System;

#[global_allocator]
static ALLOCATOR: System = System;

fn main() {
    work::main();
}
