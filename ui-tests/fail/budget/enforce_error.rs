//! The error of a function that may be stopped has to have room for that.

use cnv::budget;

#[budget(cpu = "1us", io = 1)]
fn read() {}

#[budget(cpu = "1ms", io = 1, enforce = "cooperative")]
fn sum(numbers: &[u32]) -> Result<u32, std::num::ParseIntError> {
    let mut sum = 0;
    for number in numbers {
        sum += number;
    }
    cnv::spend!(read());
    Ok(sum)
}

#[budget(cpu = "1ms", enforce = "cooperative")]
async fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
    text.parse()
}

fn main() {
    let _ = cnv::run!(sum(&[]));
}
