use cnv::budget;

#[budget(memory = "1mb")]
fn unknown_unit() {}

#[budget(memory = "1 parsec")]
fn far_off_unit() {}

#[budget(cpu = "1.0000001ms")]
fn too_many_decimals() {}

#[budget(memory = "99999999999999999999B")]
fn too_large() {}

#[budget(memory = 1000)]
fn no_unit() {}

#[budget(cpu = "10")]
fn no_unit_in_a_string() {}

#[budget(io = "3x")]
fn unknown_count() {}

#[budget(memory = "MB")]
fn no_number() {}

#[budget(io = 1.5)]
fn not_whole() {}

#[budget(memory = 1KB)]
fn not_quoted() {}

#[budget(io = 18446744073709551615)]
fn unlimited_by_number() {}

const LIMIT: u64 = 5;

#[budget(io = LIMIT)]
fn not_a_literal() {}

fn main() {}
