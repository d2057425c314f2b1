use cnv::budget;

#[budget(cpu = "1ms", enforce = "cooperative")]
fn sum(numbers: &[u32]) -> u32 {
    let mut sum = 0;
    for number in numbers {
        sum += number;
    }
    sum
}

#[budget(cpu = "1ms", enforce = "cooperative")]
async fn count() -> u32 {
    1
}

fn main() {
    cnv::run!(sum(&[]));
}
