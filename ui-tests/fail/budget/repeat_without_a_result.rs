use cnv::budget;

#[budget(cpu = "1ms")]
fn sum(numbers: &[u32]) -> u32 {
    let mut sum = 0;
    #[repeat(max = 2)]
    for number in numbers {
        sum += number;
    }
    sum
}

fn main() {
    cnv::run!(sum(&[]));
}
