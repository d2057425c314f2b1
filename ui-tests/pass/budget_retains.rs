//! Memory that is given back, futures that run one after another, shares.

use cnv::quota::{MediumBudget, SmallBudget, share, split};
use cnv::{budget, run, spend};

#[budget(memory = "900KB", retains = "50KB", cpu = "1us")]
async fn fetch() -> u32 {
    1
}

#[budget(memory = "1MB", cpu = "1ms")]
async fn one_after_another() -> u32 {
    spend!(fetch()).await + spend!(fetch()).await + spend!(fetch()).await
}

#[budget(memory = "300KB", cpu = "1us")]
async fn small() {}

macro_rules! join {
    ($($future:expr),* $(,)?) => { ($($future.await),*) };
}

#[budget(memory = "1MB", cpu = "1ms")]
async fn together() {
    let ((), (), ()) = join!(spend!(small()), spend!(small()), spend!(small()),);
}

fn main() {
    let _ = (run!(one_after_another()), run!(together()));
    share::<MediumBudget, _>(|all| {
        let (part, rest) = split!(all => SmallBudget);
        let _ = rest.merge(part).into_budget::<MediumBudget>();
    });
}
