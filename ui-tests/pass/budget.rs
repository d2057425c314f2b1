//! Everything that a budget allows: sequences, branches, several modules, async, generics, cards.

use cnv::{budget, run, spend};

mod store {
    use cnv::budget;

    #[budget(memory = "1KB", cpu = "1us", io = 2)]
    pub fn load<T: Default>(name: &str) -> Result<(T, usize), std::num::ParseIntError> {
        Ok((T::default(), name.parse()?))
    }

    pub mod inner {
        #[cnv::budget(cpu = "2us", io = 3)]
        pub async fn later(_: &str) -> u8 {
            3
        }
    }

    pub use inner::later as renamed;
}

use store::load;

mod packed {
    //! A module of the function's name, for which the companion steps aside.
}

#[budget(cpu = "1us", io = 1, card = PackedBudget)]
fn packed() -> u8 {
    2
}

#[budget(cpu = "1us", open)]
fn open_to_all() -> u8 {
    1
}

#[budget(cpu = "1ms", io = 9)]
async fn handler<'a>(names: &'a [&'a str]) -> Result<usize, std::num::ParseIntError> {
    let load_was_shadowed = 1;
    let (_, first): (u8, _) = spend!(load::<u8>(names[0]))?;
    let second = match first {
        0 => usize::from(spend!(store::inner::later(names[1])).await),
        1 if spend!(store::load::<u16>("1"))?.1 == 1 => 0,
        _ => usize::from(spend!(store::renamed("")).await),
    };
    let Some(third) = names.first() else {
        return Ok(spend!(load::<u8>("1"))?.1);
    };
    // At most 2 + 2 + 3 + 2 operations.
    Ok(first + second + third.len() + load_was_shadowed + usize::from(open_to_all()))
}

#[budget(cpu = "5us", io = 1)]
fn with_a_card() -> u8 {
    let packed = 1;
    spend!(PackedBudget()) + packed
}

fn local() {
    #[budget(cpu = "1us", io = 1)]
    fn inner(n: u8) -> u8 {
        n
    }

    #[budget(cpu = "1ms", io = 2)]
    fn outer() -> u8 {
        spend!(inner(spend!(inner(4))))
    }

    assert_eq!(run!(outer()), 4);
}

#[budget(memory = "unlimited", cpu = "unlimited", io = "unlimited", network = "unlimited")]
fn unlimited() -> u8 {
    spend!(limited())
}

#[budget(memory = "1MiB", cpu = "1.5ms", io = "1k", network = "0.5KB")]
fn limited() -> u8 {
    4
}

/// Lints that the author allows inside the body stay allowed.
#[budget(cpu = "1ms", io = 2)]
fn with_inner_attributes() -> u8 {
    #![allow(unused_variables)]
    let unused = 1;
    spend!(packed_too())
}

#[budget(cpu = "1us", io = 1)]
fn packed_too() -> u8 {
    2
}

macro_rules! spend_it {
    ($callee:path) => {{
        #[budget(cpu = "1ms", io = 2)]
        fn through() -> u8 {
            spend!($callee())
        }
        run!(through())
    }};
}

fn main() {
    local();
    assert_eq!(run!(with_inner_attributes()), 2);
    assert_eq!(spend_it!(packed_too), 2);
    assert_eq!(run!(with_a_card()), 3);
    assert_eq!(run!(unlimited()), 4);
    let mut future = std::pin::pin!(run!(handler(&["5", "6"])));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(result) = future.as_mut().poll(&mut context) else {
        panic!("nothing in it waits");
    };
    assert_eq!(result, Ok(11));
}
