//! Shapes that once did not compile, or were charged for another order than they run in.

use cnv::quota::{LargeBudget, MediumBudget, RoundsExceeded, SmallBudget, Times, share, split};
use cnv::{budget, run, spend};
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

#[budget]
trait Named {
    #[budget(cpu = "1us", io = 1)]
    fn name(&self) -> String;

    #[budget(cpu = "1us", io = 1)]
    fn twin(&self) -> Self;

    #[budget(cpu = "1us", io = 1)]
    fn made() -> Self;
}

#[budget]
impl Named for u8 {
    #[budget]
    fn name(&self) -> String {
        self.to_string()
    }

    #[budget]
    fn twin(&self) -> Self {
        *self
    }

    #[budget]
    fn made() -> Self {
        7
    }
}

#[budget]
trait Length {
    #[budget(cpu = "1us", io = 1)]
    fn length(&self) -> usize;
}

#[budget]
impl Length for str {
    #[budget]
    fn length(&self) -> usize {
        self.len()
    }
}

#[budget(cpu = "1us", io = 1)]
fn size<T: Default>(text: impl AsRef<str>) -> (T, usize) {
    (T::default(), text.as_ref().len())
}


#[budget(cpu = "1ms", io = 6)]
fn all() -> usize {
    let seven = spend!(u8::made());
    let twin = spend!(seven.twin());
    let name = spend!(twin.name());
    let (_, length) = spend!(size::<u8>("abc"));
    spend! { ask() }
    spend!("ab".length()) + name.len() + length
}

#[budget(cpu = "1us", io = 1)]
fn ask() {}

// Called once, however often a macro of this name writes it.
macro_rules! join {
    ($first:expr, $second:expr) => {{
        let _ = (&$first, &$first);
        ($first, $second)
    }};
}

static FETCHED: AtomicU32 = AtomicU32::new(0);

#[budget(cpu = "1us", memory = "1KB", retains = 0)]
fn fetch(number: u32) -> impl Future<Output = u32> {
    FETCHED.fetch_add(1, Ordering::Relaxed);
    std::future::ready(number)
}

#[budget(cpu = "1ms", memory = "2KB")]
async fn together() -> u32 {
    let (first, second) = join!(spend!(fetch(1)), spend!(fetch(2)));
    first.await + second.await
}

const ROUNDS: usize = 1;

#[budget(cpu = "1ms", io = 1)]
fn rounds() -> Result<(), RoundsExceeded> {
    {
        #[allow(dead_code)]
        const ROUNDS: usize = 1_000;
        #[repeat(max = ROUNDS)]
        for _ in 0..2 {
            spend!(ask());
        }
    }
    Ok(())
}

#[budget(memory = "16KB", cpu = "1ms")]
fn branches(last: u32) -> Result<(), RoundsExceeded> {
    #[budget(memory = "6KB", retains = 0, cpu = "1us")]
    fn peak() {}

    #[budget(memory = "1KB", cpu = "1us")]
    fn keep() {}

    #[repeat(max = 10)]
    for round in 0..10 {
        if round < last { spend!(keep()) } else { spend!(peak()) }
    }
    Ok(())
}

macro_rules! many {
    ($($name:ident)*) => {
        #[budget(cpu = "1ms", io = 200)]
        fn many(named: &str) -> usize {
            0 $(+ { let $name = spend!(named.length()); $name })*
        }
    };
}

many!(
    a b c d e f g h i j k l m n o p q r s t u v w x y z
    aa ab ac ad ae af ag ah ai aj ak al am an ao ap aq ar at au av aw ax ay az
    ba bb bc bd be bf bg bh bi bj bk bl bm bn bo bp bq br bs bt bu bv bw bx by bz
    ca cb cc cd ce cf cg ch ci cj ck cl cm cn co cp cq cr cs ct cu cv cw cx cy cz
    da db dc dd de df dg dh di dj dk dl dm dn dp dq dr ds dt du dv dw dx dy dz
    ea eb ec ed ee ef eg eh ei ej ek el em en eo ep eq er es et eu ev ew ex ey ez
);

#[budget(cpu = "1ms", io = 1)]
fn grouped() -> usize {
    run_it()
}

#[budget(cpu = "1us", open)]
fn run_it() -> usize {
    1
}

fn main() {
    assert_eq!(run!(all()), 6);
    let mut future = std::pin::pin!(run!(together()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(future.as_mut().poll(&mut context), std::task::Poll::Ready(3));
    assert_eq!(FETCHED.load(Ordering::Relaxed), 2);
    assert_eq!(run!(rounds()).unwrap_err().max, 1);
    run!(branches(9)).unwrap();
    assert_eq!(run!(many("ab")), 2 * 154);
    assert_eq!(run!(grouped()), 1);
    share::<LargeBudget, _>(|all| {
        let (medium, rest) = split!(all => MediumBudget);
        let (small, rest) = split!(rest => SmallBudget);
        let (three, rest) = split!(rest => Times<SmallBudget, 3>);
        let (two, _) = split!(three => Times<SmallBudget, 2>);
        let _ = rest.merge(medium).merge(small).merge(two);
    });
    let _ = pay_at_the_top();
}

#[budget(cpu = "1ms", io = 1)]
fn paid_by_a_macro() -> usize {
    spend!("ab".length())
}

fn pay_at_the_top() -> usize {
    macro_rules! start {
        ($call:expr) => {
            run!($call)
        };
    }
    start!(paid_by_a_macro())
}
