//! jemalloc, metered.

mod work;

use cnv::quota::MeteredAllocator;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: MeteredAllocator<Jemalloc> = MeteredAllocator::new(Jemalloc);

fn main() {
    work::main();
}
