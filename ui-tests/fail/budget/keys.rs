use cnv::budget;

#[budget(memroy = "1MB")]
fn misspelt() {}

#[budget(disk = "1MB")]
fn unknown() {}

#[budget(io = 1, io = 2)]
fn twice() {}

#[budget(memory)]
fn no_value() {}

#[budget]
fn empty() {}

#[budget(io = 1, open = true)]
fn flag_with_a_value() {}

#[budget(io = 1)]
#[budget(io = 2)]
fn two_attributes() {}

fn main() {}
