//! One operation too many, in every shape of a body.

use cnv::{budget, spend};

#[budget(cpu = "10us", io = 2)]
fn fetch() -> Option<u32> {
    Some(1)
}

#[budget(cpu = "10us", io = 3)]
fn parse(_: Option<u32>) -> Result<u32, String> {
    Ok(1)
}

#[budget(cpu = "1ms", io = 4)]
fn question_mark() -> Result<u32, String> {
    let first = spend!(fetch()).ok_or("none")?;
    Ok(first + spend!(parse(None))?)
}

#[budget(cpu = "1ms", io = 4)]
fn early_return(stop: bool) -> Option<u32> {
    if stop {
        return spend!(fetch());
    }
    spend!(fetch());
    spend!(fetch())
}

#[budget(cpu = "1ms", io = 6)]
fn if_let() -> u32 {
    if let Some(first) = spend!(fetch()) {
        spend!(fetch());
        first
    } else if let Ok(second) = spend!(parse(None)) {
        spend!(fetch());
        second
    } else {
        0
    }
}

#[budget(cpu = "1ms", io = 4)]
fn let_else() -> u32 {
    let Some(first) = spend!(fetch()) else {
        return spend!(parse(None)).unwrap_or(0);
    };
    first
}

#[budget(cpu = "1ms", io = 6)]
fn guards(n: u32) -> u32 {
    match n {
        0 if spend!(fetch()).is_some() => 1,
        1 if spend!(fetch()).is_some() => 2,
        2 => spend!(parse(None)).unwrap_or(0),
        _ => 3,
    }
}

#[budget(cpu = "1ms", io = 4)]
fn argument() -> Result<u32, String> {
    spend!(parse(spend!(fetch())))
}

#[budget(cpu = "1ms", io = 3)]
fn either_side(a: bool) -> bool {
    a && spend!(fetch()).is_some() || spend!(fetch()).is_none()
}

#[budget(cpu = "1ms", io = 3)]
fn block() -> [Option<u32>; 2] {
    let first = { spend!(fetch()) };
    [first, (spend!(fetch()))]
}

fn main() {}
