//! Contenders that take turns, so that what a busy machine takes it takes from all of them.
//!
//! A group of contenders does the same work. In every round each has one turn, in an order that is
//! shuffled anew; a turn is one pass that warms the caches and then as many timed passes as fill a slice
//! of time. A figure is the median over the rounds, and a ratio is that of two medians, with the quartiles
//! of the ratio round by round as its spread. Contenders that are measured one after the other, each for
//! seconds, were the other way: a neighbour that wakes up meanwhile is then a difference between them.
//!
//! A closure hides its input from the optimiser itself (`black_box(bytes)`), since the passes of a turn
//! are one loop.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Rounds of every group, at least 1.
    pub rounds: usize,
    /// The shortest time for which a contender's turn is measured.
    pub slice: Duration,
}

impl Settings {
    /// With at most `rounds` rounds, for groups of which one pass takes milliseconds.
    pub fn at_most(self, rounds: usize) -> Self {
        Self {
            rounds: self.rounds.min(rounds),
            ..self
        }
    }
}

/// A way to do the work of a group.
pub struct Contender<'a> {
    name: &'static str,
    /// Runs so many passes and says how long they took.
    turn: Box<dyn FnMut(u32) -> Duration + 'a>,
}

impl<'a> Contender<'a> {
    /// A contender whose pass is `pass`. What it returns is what the work is for.
    pub fn new<R>(name: &'static str, mut pass: impl FnMut() -> R + 'a) -> Self {
        // The loop is compiled for this one closure, so that a pass of a few ns is not a call.
        let turn = move |passes| {
            let start = Instant::now();
            for _ in 0..passes {
                black_box(pass());
            }
            start.elapsed()
        };
        Self {
            name,
            turn: Box::new(turn),
        }
    }

    /// A contender that takes its time itself: so many passes, and how long they took.
    pub fn timed(name: &'static str, turn: impl FnMut(u32) -> Duration + 'a) -> Self {
        Self {
            name,
            turn: Box::new(turn),
        }
    }

    /// A contender of which the slowest pass but one in a hundred counts, not the mean. Its group needs turns of some
    /// hundred passes.
    pub fn at_p99<R>(name: &'static str, mut pass: impl FnMut() -> R + 'a) -> Self {
        let mut taken = Vec::new();
        let turn = move |passes| {
            taken.clear();
            for _ in 0..passes {
                let start = Instant::now();
                black_box(pass());
                taken.push(start.elapsed());
            }
            p99(&mut taken) * passes
        };
        Self {
            name,
            turn: Box::new(turn),
        }
    }

    /// Does `before` at the start of each turn, which is not timed, and then one pass that warms the caches again: what
    /// the passes put into a queue is gone when they begin anew.
    pub fn after(self, mut before: impl FnMut() + 'a) -> Self {
        let mut turn = self.turn;
        let turn = move |passes| {
            before();
            turn(1);
            turn(passes)
        };
        Self {
            turn: Box::new(turn),
            ..self
        }
    }

    /// How many passes fill the slice.
    fn calibrate(&mut self, slice: Duration) -> u32 {
        let mut passes = 1;
        while (self.turn)(passes) < slice && passes < 1 << 24 {
            passes *= 2;
        }
        passes
    }
}

/// What a group's contenders took, round by round.
#[derive(Debug)]
pub struct Measured {
    name: String,
    series: Vec<Series>,
}

/// What one contender took.
#[derive(Debug)]
struct Series {
    name: &'static str,
    /// Nanoseconds an item, one number a round.
    ns: Vec<f64>,
}

/// Measures contenders of which each pass does `items` items.
pub fn measure(
    name: impl Into<String>,
    items: usize,
    settings: Settings,
    mut contenders: Vec<Contender<'_>>,
) -> Measured {
    let passes: Vec<u32> = contenders
        .iter_mut()
        .map(|contender| contender.calibrate(settings.slice))
        .collect();
    let mut series: Vec<Series> = contenders
        .iter()
        .map(|contender| Series {
            name: contender.name,
            ns: Vec::with_capacity(settings.rounds),
        })
        .collect();
    let mut order = Order::new(contenders.len());
    for _ in 0..settings.rounds {
        for &index in order.next_round() {
            let turn = &mut contenders[index].turn;
            turn(1);
            let elapsed = turn(passes[index]).as_secs_f64() * 1e9;
            series[index]
                .ns
                .push(elapsed / (f64::from(passes[index]) * items as f64));
        }
    }
    Measured {
        name: name.into(),
        series,
    }
}

/// A ratio of two contenders.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The ratio of the medians.
    pub median: f64,
    /// The quartiles of the ratio in each round.
    pub quartiles: [f64; 2],
}

impl Ratio {
    /// A number that is the same in every round.
    pub const fn exact(value: f64) -> Self {
        Self {
            median: value,
            quartiles: [value; 2],
        }
    }

    /// The median and the quartiles of `values`, which are at least one.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self {
            median: quantile(&values, 0.5),
            quartiles: [quantile(&values, 0.25), quantile(&values, 0.75)],
        }
    }

    /// Each of its numbers as `change` has it, which keeps their order.
    pub fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self {
            median: change(self.median),
            quartiles: self.quartiles.map(change),
        }
    }
}

impl Measured {
    /// The name of the group.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Each contender and its median, in nanoseconds an item.
    pub fn medians(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.series
            .iter()
            .map(|series| (series.name, median(&series.ns)))
    }

    /// How long `name` takes, as a multiple of the fastest of `others`.
    pub fn time_over(&self, name: &str, others: &[&str]) -> Ratio {
        self.ratio(self.series(name), self.fastest(others))
    }

    /// How many times as fast as the fastest of `others` the contender `name` is.
    pub fn speed_over(&self, name: &str, others: &[&str]) -> Ratio {
        self.ratio(self.fastest(others), self.series(name))
    }

    /// How long `name` takes, in nanoseconds an item: a figure of the machine that it was measured on.
    pub fn ns(&self, name: &str) -> Ratio {
        Ratio::of(self.series(name).ns.clone())
    }

    /// How much longer than `other` the contender `name` takes, in nanoseconds an item: the difference of the medians,
    /// with the quartiles of the difference in each round.
    pub fn ns_over(&self, name: &str, other: &str) -> Ratio {
        let (over, under) = (&self.series(name).ns, &self.series(other).ns);
        let by_round = over.iter().zip(under).map(|(a, b)| a - b);
        Ratio {
            median: median(over) - median(under),
            ..Ratio::of(by_round.collect())
        }
    }

    fn ratio(&self, over: &Series, under: &Series) -> Ratio {
        let mut by_round: Vec<f64> = over.ns.iter().zip(&under.ns).map(|(a, b)| a / b).collect();
        by_round.sort_by(f64::total_cmp);
        Ratio {
            median: median(&over.ns) / median(&under.ns),
            quartiles: [quantile(&by_round, 0.25), quantile(&by_round, 0.75)],
        }
    }

    /// # Panics
    ///
    /// If no contender has this name.
    fn series(&self, name: &str) -> &Series {
        self.series
            .iter()
            .find(|series| series.name == name)
            .unwrap_or_else(|| panic!("`{}` has no contender `{name}`", self.name))
    }

    fn fastest(&self, names: &[&str]) -> &Series {
        names
            .iter()
            .map(|name| self.series(name))
            .min_by(|a, b| median(&a.ns).total_cmp(&median(&b.ns)))
            .expect("the name of a contender")
    }
}

/// The median of `values`, which are at least one.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

/// What one in a hundred is above, and no more.
fn p99(taken: &mut [Duration]) -> Duration {
    taken.sort_unstable();
    taken[(taken.len() * 99).div_ceil(100) - 1]
}

/// The value below which the part `part` of `sorted` lies, between two of them where it must.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = part * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

/// The order of the turns, shuffled for each round: in a rotation a contender would always run behind the
/// same one, whose caches it inherits.
struct Order {
    indices: Vec<usize>,
    state: u64,
}

impl Order {
    fn new(len: usize) -> Self {
        Self {
            indices: (0..len).collect(),
            state: 1,
        }
    }

    fn next_round(&mut self) -> &[usize] {
        for last in (1..self.indices.len()).rev() {
            let other = random(&mut self.state) % (last as u64 + 1);
            self.indices.swap(last, other as usize);
        }
        &self.indices
    }
}

/// The next number of SplitMix64 (Steele, Lea and Flood 2014): the same for the same state on every run.
pub fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn measured(series: &[(&'static str, &[f64])]) -> Measured {
        Measured {
            name: "group".into(),
            series: series
                .iter()
                .map(|&(name, ns)| Series {
                    name,
                    ns: ns.to_vec(),
                })
                .collect(),
        }
    }

    #[test]
    fn a_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 100.0]), 3.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), 3.0);
        assert_eq!(median(&[7.0]), 7.0);
        assert_eq!(quantile(&[0.0, 1.0, 2.0, 3.0, 4.0], 0.25), 1.0);
        assert_eq!(quantile(&[0.0, 1.0], 0.75), 0.75);
    }

    #[test]
    fn a_ratio_is_that_of_medians_and_its_spread_that_of_rounds() {
        let measured = measured(&[
            ("slow", &[2.0, 40.0, 6.0, 8.0, 10.0]),
            ("fast", &[1.0, 2.0, 4.0, 4.0, 5.0]),
        ]);
        let ratio = measured.time_over("slow", &["fast"]);
        // Medians 8 and 4; by round 2, 20, 1.5, 2, 2.
        assert_eq!(ratio.median, 2.0);
        assert_eq!(ratio.quartiles, [2.0, 2.0]);
        assert_eq!(measured.speed_over("fast", &["slow"]), ratio);
        assert_eq!(measured.time_over("fast", &["slow"]).median, 0.5);
    }

    #[test]
    fn a_time_has_the_spread_of_its_rounds() {
        let measured = measured(&[("a", &[5.0, 1.0, 3.0, 2.0, 40.0])]);
        let expected = Ratio {
            median: 3.0,
            quartiles: [2.0, 5.0],
        };
        assert_eq!(measured.ns("a"), expected);
    }

    #[test]
    fn a_difference_is_that_of_medians_and_its_spread_that_of_rounds() {
        let measured = measured(&[("a", &[5.0, 9.0, 7.0]), ("b", &[4.0, 2.0, 3.0])]);
        let expected = Ratio {
            median: 4.0,
            quartiles: [2.5, 5.5],
        };
        assert_eq!(measured.ns_over("a", "b"), expected);
        let halves = expected.map(|ns| ns / 2.0);
        assert_eq!((halves.median, halves.quartiles), (2.0, [1.25, 2.75]));
    }

    #[test]
    fn a_ratio_is_over_the_fastest_of_several() {
        let measured = measured(&[("a", &[4.0]), ("b", &[8.0]), ("c", &[2.0])]);
        assert_eq!(measured.time_over("a", &["b", "c"]).median, 2.0);
        assert_eq!(measured.speed_over("a", &["b"]).median, 2.0);
    }

    #[test]
    fn every_round_has_every_contender_once_and_the_orders_differ() {
        let mut order = Order::new(4);
        let mut firsts = [0; 4];
        let mut behind = [[0; 4]; 4];
        for _ in 0..400 {
            let round = order.next_round().to_vec();
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3]);
            firsts[round[0]] += 1;
            for pair in round.windows(2) {
                behind[pair[0]][pair[1]] += 1;
            }
        }
        assert!(firsts.iter().all(|&count| count > 50), "{firsts:?}");
        for (first, counts) in behind.iter().enumerate() {
            for (second, &count) in counts.iter().enumerate() {
                assert_eq!(count > 50, first != second, "{behind:?}");
            }
        }
    }

    #[test]
    fn a_contender_has_one_turn_a_round_and_time_is_for_an_item() {
        let settings = Settings {
            rounds: 5,
            slice: Duration::ZERO,
        };
        let mut passes = 0;
        let counting = Contender::new("counting", || passes += 1);
        let measured = measure("group", 10, settings, vec![counting]);
        assert_eq!(measured.series[0].ns.len(), 5);
        // One to calibrate, then one that warms and one that is timed, five times.
        assert_eq!(passes, 11);
        assert_eq!(measured.medians().count(), 1);
    }

    #[test]
    fn what_comes_before_a_turn_is_not_timed() {
        let log = RefCell::new(String::new());
        let turn = |passes: u32| {
            log.borrow_mut().push_str(&"p".repeat(passes as usize));
            Duration::from_secs(passes.into())
        };
        let contender = Contender::timed("resting", turn);
        let mut contender = contender.after(|| log.borrow_mut().push('b'));
        assert_eq!((contender.turn)(3), Duration::from_secs(3));
        assert_eq!(*log.borrow(), "bpppp");
    }

    #[test]
    fn one_in_a_hundred_may_be_slower() {
        let ms = Duration::from_millis;
        let mut taken: Vec<Duration> = (1..=200).rev().map(ms).collect();
        assert_eq!(p99(&mut taken), ms(198));
        assert_eq!(p99(&mut [ms(7)]), ms(7));
    }
}
