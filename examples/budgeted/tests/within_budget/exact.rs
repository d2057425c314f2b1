//! What two calls of `read` declare, and the nanosecond that a caller needs for itself.

use std::io;
use std::path::Path;

use budgeted::read;
use cnv::{budget, spend};

#[budget(memory = "68KB", cpu = "2000001ns", io = 10)]
fn compare(a: &Path, b: &Path) -> io::Result<bool> {
    Ok(spend!(read(a))? == spend!(read(b))?)
}

fn main() {
    let _ = cnv::run!(compare(Path::new("a"), Path::new("b")));
}
