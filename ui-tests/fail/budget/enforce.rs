use cnv::budget;

#[budget(cpu = "1ms", enforce = "coopertive")]
fn misspelt() {}

#[budget(cpu = "1ms", enforce = "strict")]
fn unknown() {}

#[budget(cpu = "1ms", enforce = cooperative)]
fn without_quotes() {}

#[budget(cpu = "1ms", enforce)]
fn without_a_level() {}

#[budget(cpu = "1ms", enforce = "cooperative")]
fn no_error() {}

#[budget(enforce = "cooperative")]
fn empty() -> Result<(), cnv::quota::BudgetExceeded> {
    Ok(())
}

#[budget]
trait Source {
    #[budget(cpu = "1ms", enforce = "cooperative")]
    fn fetch(&self) -> Result<(), cnv::quota::BudgetExceeded>;
}

fn main() {}
