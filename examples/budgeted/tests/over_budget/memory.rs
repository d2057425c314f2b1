//! Texts that are kept add up.

use std::io;
use std::path::Path;

use budgeted::read;
use cnv::{budget, spend};

#[budget(memory = "100KB", cpu = "10ms", io = 20)]
fn compare(a: &Path, b: &Path, c: &Path) -> io::Result<bool> {
    let (a, b) = (spend!(read(a))?, spend!(read(b))?);
    let c = spend!(read(c))?; //~ over budget: `read` needs 34 KB of memory but `compare` has 32 KB left of its 100 KB
    Ok(a == b && b == c)
}

fn main() {}
