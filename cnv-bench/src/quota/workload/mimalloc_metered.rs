//! mimalloc, metered.

mod work;

use cnv::quota::MeteredAllocator;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MeteredAllocator<MiMalloc> = MeteredAllocator::new(MiMalloc);

fn main() {
    work::main();
}
