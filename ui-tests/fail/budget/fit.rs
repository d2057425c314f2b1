use cnv::quota::{MediumBudget, SmallBudget};

cnv::require_budget_fit!(MediumBudget, SmallBudget);

fn main() {}
