use cnv::budget;

#[budget(memory = "1KB", retains = "2KB")]
fn more_than_all() {}

#[budget(memory = "1KB", retains = "unlimited")]
fn everything() {}

#[budget(memory = "1KB", retains = 3)]
fn no_unit() {}

fn main() {}
