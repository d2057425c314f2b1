//! The error of a function has to have room for the end of a loop.

use cnv::budget;

#[budget(cpu = "1ms")]
fn sum(numbers: &[u32]) -> Result<u32, std::num::ParseIntError> {
    let mut sum = 0;
    #[repeat(max = 2)]
    for number in numbers {
        sum += number;
    }
    Ok(sum)
}

fn main() {
    let _ = cnv::run!(sum(&[]));
}
