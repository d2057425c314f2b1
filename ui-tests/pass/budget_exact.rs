//! Budgets that are used to the last unit, in every shape of a body.

use cnv::quota::RoundsExceeded;
use cnv::{budget, run, spend};

#[budget(memory = "1KB", retains = "100B", cpu = "10us", io = 2)]
fn fetch() -> Option<u32> {
    Some(1)
}

#[budget(memory = "2KB", retains = 0, cpu = "10us", io = 3)]
fn parse(_: Option<u32>) -> Result<u32, String> {
    Ok(1)
}

#[budget(memory = "2100B", cpu = "20001ns", io = 5)]
fn question_mark() -> Result<u32, String> {
    let first = spend!(fetch()).ok_or("none")?;
    Ok(first + spend!(parse(None))?)
}

#[budget(memory = "1200B", cpu = "30001ns", io = 6)]
fn early_return(stop: bool) -> Option<u32> {
    if stop {
        return spend!(fetch());
    }
    spend!(fetch());
    spend!(fetch())
}

#[budget(memory = "2100B", cpu = "30001ns", io = 7)]
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

#[budget(memory = "2100B", cpu = "20001ns", io = 5)]
fn let_else() -> u32 {
    let Some(first) = spend!(fetch()) else {
        return spend!(parse(None)).unwrap_or(0);
    };
    first
}

#[budget(memory = "2200B", cpu = "30001ns", io = 7)]
fn guards(n: u32) -> u32 {
    match n {
        0 if spend!(fetch()).is_none() => 1,
        1 if spend!(fetch()).is_none() => 2,
        2 => spend!(parse(None)).unwrap_or(0),
        _ => 3,
    }
}

#[budget(memory = "2100B", cpu = "20001ns", io = 5)]
fn argument() -> Result<u32, String> {
    spend!(parse(spend!(fetch())))
}

const ROUNDS: usize = 3;

// Three rounds keep 300 bytes, and the last of them needs 900 more.
#[budget(memory = "1200B", cpu = "30001ns", io = 6)]
fn with_for() -> Result<u32, RoundsExceeded> {
    let mut sum = 0;
    #[repeat(max = ROUNDS)]
    for _ in 0..ROUNDS {
        sum += spend!(fetch()).unwrap_or(0);
    }
    Ok(sum)
}

// The condition is asked once more than the body runs.
#[budget(memory = "2300B", cpu = "50001ns", io = 12)]
fn with_while() -> Result<u32, RoundsExceeded> {
    let mut rounds = 0;
    #[repeat(max = 2)]
    while spend!(fetch()).is_some() && rounds < 2 {
        rounds += spend!(parse(None)).unwrap_or(0);
    }
    Ok(rounds)
}

#[budget(memory = "1300B", cpu = "40001ns", io = 8)]
fn with_loop() -> Result<u32, RoundsExceeded> {
    let mut rounds = 0;
    let last = #[repeat(max = 4)]
    'all: loop {
        rounds += spend!(fetch()).unwrap_or(0);
        if rounds == 4 {
            break 'all rounds;
        }
    };
    Ok(last)
}

#[budget(memory = "1500B", cpu = "60001ns", io = 12)]
fn nested() -> Result<u32, RoundsExceeded> {
    let mut sum = 0;
    #[repeat(max = 2)]
    for _ in 0..2 {
        #[repeat(max = 3)]
        for _ in 0..3 {
            sum += spend!(fetch()).unwrap_or(0);
        }
    }
    Ok(sum)
}

fn main() {
    assert_eq!(run!(question_mark()), Ok(2));
    assert_eq!(run!(early_return(false)), Some(1));
    assert_eq!(run!(if_let()), 1);
    assert_eq!(run!(let_else()), 1);
    assert_eq!(run!(guards(2)), 1);
    assert_eq!(run!(argument()), Ok(1));
    assert_eq!(run!(with_for()), Ok(3));
    assert_eq!(run!(with_while()), Ok(2));
    assert_eq!(run!(with_loop()), Ok(4));
    assert_eq!(run!(nested()), Ok(6));
}
