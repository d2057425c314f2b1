//! What a run found: figures, goals and where they were measured. As a table and as JSON.

use std::fmt;

use comfy_table::{Cell, CellAlignment, Row, Table, presets};
use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::rounds::{Measured, Ratio, median};

/// One run, or the medians of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Where it was measured.
    pub environment: Environment,
    /// Processes of which these are the medians.
    pub launches: usize,
    /// Rounds of each.
    pub rounds: usize,
    /// What each contender took.
    pub groups: Vec<Group>,
    /// What was wanted, and what is.
    pub goals: Vec<Goal>,
}

/// Contenders that did the same work in turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// What the work was.
    pub name: String,
    /// The contenders.
    pub figures: Vec<Figure>,
}

/// What one contender took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The contender.
    pub contender: String,
    /// Nanoseconds an item, the median over the rounds.
    pub ns: f64,
}

impl From<&Measured> for Group {
    fn from(measured: &Measured) -> Self {
        let figure = |(contender, ns): (&str, f64)| Figure {
            contender: contender.into(),
            ns,
        };
        Self {
            name: measured.name().into(),
            figures: measured.medians().map(figure).collect(),
        }
    }
}

/// Something that is wanted, and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// Its number in the list of goals. Several lines may be parts of one goal.
    pub number: u8,
    /// What is compared.
    pub text: String,
    /// The size or the case, if the goal has several.
    pub part: String,
    /// What is wanted.
    pub wanted: Wanted,
    /// What was measured. Of a count, the count, without a spread.
    pub measured: Ratio,
}

/// A bound on what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// It may not be over this.
    AtMost(f64),
    /// It may not be under this.
    AtLeast(f64),
    /// Nothing: it is there to be seen beside the others.
    ForInformation,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "<= {bound:.2}"),
            Self::AtLeast(bound) => write!(f, ">= {bound:.2}"),
            Self::ForInformation => Ok(()),
        }
    }
}

impl Goal {
    /// Whether it is met; nothing where nothing is wanted.
    pub fn is_met(&self) -> Option<bool> {
        match self.wanted {
            Wanted::AtMost(bound) => Some(self.measured.median <= bound),
            Wanted::AtLeast(bound) => Some(self.measured.median >= bound),
            Wanted::ForInformation => None,
        }
    }

    fn verdict(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "not met",
            None => "",
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "goal {}, {}, {}: {:.2}, wanted {}",
            self.number, self.text, self.part, self.measured.median, self.wanted
        )
    }
}

/// Launches that cannot be taken together.
#[derive(Debug, thiserror::Error)]
#[error("the launches did not measure the same things")]
pub struct DifferentRuns;

impl Run {
    /// The goals that are not met.
    pub fn missed(&self) -> impl Iterator<Item = &Goal> {
        self.goals
            .iter()
            .filter(|goal| goal.is_met() == Some(false))
    }

    /// The medians of `runs`, number by number.
    ///
    /// # Errors
    ///
    /// [`DifferentRuns`] if there is none, or if not all have the same groups and goals.
    pub fn median_of(runs: &[Self]) -> Result<Self, DifferentRuns> {
        let mut middle = runs.first().ok_or(DifferentRuns)?.clone();
        middle.launches = runs.len();
        if !runs.iter().all(|run| run.is_like(&middle)) {
            return Err(DifferentRuns);
        }
        let of =
            |number: &dyn Fn(&Self) -> f64| median(&runs.iter().map(number).collect::<Vec<f64>>());
        for (at, group) in middle.groups.iter_mut().enumerate() {
            for (index, figure) in group.figures.iter_mut().enumerate() {
                figure.ns = of(&|run| run.groups[at].figures[index].ns);
            }
        }
        for (at, goal) in middle.goals.iter_mut().enumerate() {
            goal.measured.median = of(&|run| run.goals[at].measured.median);
            for (index, quartile) in goal.measured.quartiles.iter_mut().enumerate() {
                *quartile = of(&|run| run.goals[at].measured.quartiles[index]);
            }
        }
        Ok(middle)
    }

    fn is_like(&self, other: &Self) -> bool {
        let groups = |run: &Self| -> Vec<(String, Vec<String>)> {
            let names = |group: &Group| {
                let figures = group.figures.iter();
                figures.map(|figure| figure.contender.clone()).collect()
            };
            let groups = run.groups.iter();
            groups
                .map(|group| (group.name.clone(), names(group)))
                .collect()
        };
        let goals = |run: &Self| -> Vec<(u8, String, String)> {
            let goals = run.goals.iter();
            goals
                .map(|goal| (goal.number, goal.text.clone(), goal.part.clone()))
                .collect()
        };
        groups(self) == groups(other) && goals(self) == goals(other)
    }

    /// The goals, one line each.
    pub fn goal_table(&self) -> Table {
        let mut table = table(&["#", "goal", "part", "measured", "spread", "wanted", ""]);
        for goal in &self.goals {
            let ratio = goal.measured;
            table.add_row(vec![
                number(goal.number.to_string()),
                Cell::new(&goal.text),
                Cell::new(&goal.part),
                number(format!("{:.2}", ratio.median)),
                number(format!(
                    "{:.2}-{:.2}",
                    ratio.quartiles[0], ratio.quartiles[1]
                )),
                number(goal.wanted.to_string()),
                Cell::new(goal.verdict()),
            ]);
        }
        table
    }

    /// Every contender of every group.
    pub fn figure_table(&self) -> Table {
        let mut table = table(&["group", "contender", "ns"]);
        for group in &self.groups {
            for figure in &group.figures {
                table.add_row(Row::from(vec![
                    Cell::new(&group.name),
                    Cell::new(&figure.contender),
                    number(format!("{:.3}", figure.ns)),
                ]));
            }
        }
        table
    }

    /// The figures of two groups side by side, for contenders that are in both.
    pub fn side_by_side(&self, first: &str, second: &str) -> Option<Table> {
        let group = |name: &str| self.groups.iter().find(|group| group.name == name);
        let (left, right) = (group(first)?, group(second)?);
        let mut table = table(&["", first, second]);
        for figure in &left.figures {
            let mut others = right.figures.iter();
            let Some(other) = others.find(|other| other.contender == figure.contender) else {
                continue;
            };
            table.add_row(vec![
                Cell::new(&figure.contender),
                number(format!("{:.2} ns", figure.ns)),
                number(format!("{:.2} ns", other.ns)),
            ]);
        }
        Some(table)
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::ASCII_MARKDOWN)
        .set_header(header.to_vec());
    table
}

fn number(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ns: f64, measured: f64) -> Run {
        let ratio = Ratio {
            median: measured,
            quartiles: [measured - 1.0, measured + 1.0],
        };
        Run {
            environment: Environment::here(),
            launches: 1,
            rounds: 3,
            groups: vec![Group {
                name: "group".into(),
                figures: vec![Figure {
                    contender: "cnv".into(),
                    ns,
                }],
            }],
            goals: vec![Goal {
                number: 1,
                text: "a over b".into(),
                part: "L1".into(),
                wanted: Wanted::AtMost(1.1),
                measured: ratio,
            }],
        }
    }

    #[test]
    fn a_bound_is_within_what_is_wanted() {
        let goal = |wanted, median| Goal {
            wanted,
            measured: Ratio {
                median,
                quartiles: [median; 2],
            },
            ..run(1.0, 1.0).goals[0].clone()
        };
        assert_eq!(goal(Wanted::AtMost(1.1), 1.1).is_met(), Some(true));
        assert_eq!(goal(Wanted::AtMost(1.1), 1.11).is_met(), Some(false));
        assert_eq!(goal(Wanted::AtLeast(2.0), 2.0).is_met(), Some(true));
        assert_eq!(goal(Wanted::AtLeast(2.0), 1.99).is_met(), Some(false));
        assert_eq!(goal(Wanted::ForInformation, 9.0).is_met(), None);
    }

    #[test]
    fn what_is_not_a_number_meets_nothing() {
        for wanted in [Wanted::AtMost(1.0), Wanted::AtLeast(1.0)] {
            let mut goal = run(1.0, f64::NAN).goals.remove(0);
            goal.wanted = wanted;
            assert_eq!(goal.is_met(), Some(false));
        }
    }

    #[test]
    fn launches_are_judged_by_their_medians() {
        let runs = [run(1.0, 3.0), run(9.0, 1.0), run(2.0, 1.05)];
        let middle = Run::median_of(&runs).unwrap();
        assert_eq!(middle.launches, 3);
        assert_eq!(middle.groups[0].figures[0].ns, 2.0);
        assert_eq!(middle.goals[0].measured.median, 1.05);
        assert_eq!(middle.goals[0].measured.quartiles, [1.05 - 1.0, 2.05]);
        assert_eq!(middle.missed().count(), 0);
        assert_eq!(runs[0].missed().count(), 1);
    }

    #[test]
    fn launches_that_differ_are_not_taken_together() {
        let mut other = run(1.0, 1.0);
        other.goals[0].part = "L2".into();
        assert!(Run::median_of(&[run(1.0, 1.0), other]).is_err());
        let mut other = run(1.0, 1.0);
        other.groups[0].figures.clear();
        assert!(Run::median_of(&[run(1.0, 1.0), other]).is_err());
        assert!(Run::median_of(&[]).is_err());
    }

    #[test]
    fn json_says_all_of_it() {
        let run = run(1.5, 2.5);
        let json = serde_json::to_string(&run).unwrap();
        assert_eq!(serde_json::from_str::<Run>(&json).unwrap(), run);
    }

    #[test]
    fn a_table_has_a_line_for_each_goal_with_its_verdict() {
        let text = run(1.0, 1.05).goal_table().to_string();
        assert!(text.contains("1.05") && text.contains("<= 1.10") && text.contains("| met"));
        assert!(run(1.0, 2.0).goal_table().to_string().contains("not met"));
    }
}
