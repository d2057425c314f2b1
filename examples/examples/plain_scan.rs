//! `ops log scan` without a framework: the same loop over the same file, to compare the two.

use std::fs::File;
use std::io::Read;

use cnv_examples::access_log::{LineSplitter, Scan};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("name a log file")?;
    let mut file = File::open(path)?;
    let mut scan = Scan::default();
    let mut lines = LineSplitter::default();
    let mut block = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            break;
        }
        lines.block(&block[..read], &mut scan);
    }
    lines.finish(&mut scan);
    println!("{:?}", scan.report(10));
    Ok(())
}
