use cnv::budget;

#[budget(cpu = "1ms")]
fn faults() -> Result<(), std::io::Error> {
    #[repeat]
    loop {
        break;
    }
    #[repeat(100)]
    loop {
        break;
    }
    #[repeat(max = -1)]
    loop {
        break;
    }
    #[repeat(times = 100)]
    loop {
        break;
    }
    #[repeat(max = 1, max = 2)]
    loop {
        break;
    }
    #[repeat(max = "many")]
    loop {
        break;
    }
    #[repeat(max = "unlimited")]
    loop {
        break;
    }
    #[repeat(max = 1)]
    #[repeat(max = 2)]
    loop {
        break;
    }
    Ok(())
}

#[budget(cpu = "1ms")]
fn no_error() {
    #[repeat(max = 2)]
    loop {
        break;
    }
}

fn main() {}
