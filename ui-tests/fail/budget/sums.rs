use cnv::quota::{Budget, MediumBudget, Minus, Plus, SmallBudget, Times};

cnv::require_budget_fit!(Plus<MediumBudget, SmallBudget>, MediumBudget);
cnv::require_budget_fit!(Times<SmallBudget, 101>, MediumBudget);

const _: u64 = <Minus<SmallBudget, MediumBudget> as Budget>::LIMITS.io_ops;

fn main() {}
