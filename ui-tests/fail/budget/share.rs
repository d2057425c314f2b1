use cnv::quota::{LargeBudget, MediumBudget, share, split};

fn main() {
    share::<MediumBudget, _>(|all| {
        let (_part, _rest) = split!(all => LargeBudget);
    });
}
