//! A budget that every call would have kept to.

use cnv::quota::{Resource, UNLIMITED};

use super::measured::Measured;

/// Of this many calls that are alike, the next one is above all of them in one case of 21, and the margin is for that
/// one. Of fewer, the largest says little. Those that failed do not count towards it: they may have ended early.
const MIN_CALLS: u64 = 20;

/// What is suggested for a verb, and what there is to know about it.
#[derive(Debug, Default)]
pub(super) struct Suggestion {
    pub(super) attribute: Option<String>,
    pub(super) notes: Vec<String>,
}

impl Suggestion {
    pub(super) fn of(measured: &Measured) -> Self {
        let mut notes = Vec::new();
        if measured.declared_otherwise {
            notes.push("the budget changed within these calls; the last one is shown".to_owned());
        }
        if measured.stopped > 0 {
            notes.push(format!(
                "{} stopped by the budget, and would have used more: raise it and measure again",
                were(measured.stopped)
            ));
        }
        let succeeded = match measured.succeeded() {
            1 => "1 call".to_owned(),
            count => format!("{count} calls"),
        };
        if measured.succeeded() < MIN_CALLS {
            notes.push(format!(
                "{succeeded} succeeded, and a suggestion needs {MIN_CALLS}"
            ));
        }
        if measured.stopped > 0 || measured.succeeded() < MIN_CALLS {
            return Self {
                attribute: None,
                notes,
            };
        }
        notes.push(format!("from {succeeded} that succeeded"));
        let mut keys = Vec::new();
        for resource in Resource::ALL {
            match (resource, measured.maximum(resource)) {
                (_, Some(maximum)) => keys.extend(key(resource, maximum)),
                (Resource::Memory, None) => notes.push(
                    "memory was not metered in every call, and is left out: install `MeteredAllocator`".to_owned(),
                ),
                (resource, None) => {
                    notes.push(format!("{resource} was not metered in every call, so nothing is suggested"));
                    return Self { attribute: None, notes };
                }
            }
        }
        let attribute = Some(format!("#[budget({})]", keys.join(", ")));
        Self { attribute, notes }
    }
}

fn were(count: u64) -> String {
    match count {
        1 => "1 call was".to_owned(),
        count => format!("{count} calls were"),
    }
}

/// `memory = "1.6MB"`; nothing for I/O and network of which there was none.
fn key(resource: Resource, maximum: u64) -> Option<String> {
    let name = resource.name();
    let amount = match resource {
        // None at all would refuse the first allocation of a later version, and the smallest clock tick.
        Resource::Memory => with_margin(resource, maximum).max(1_000),
        Resource::Cpu => with_margin(resource, maximum).max(1_000),
        _ if maximum == 0 => return None,
        _ => with_margin(resource, maximum),
    };
    let literal = resource.shown(amount).to_string().replace(' ', "");
    Some(match literal.parse::<u64>() {
        Ok(count) => format!("{name} = {count}"),
        Err(_) => format!("{name} = \"{literal}\""),
    })
}

/// A quarter more, and of processor time as much again, which differs most from one machine to the next; rounded up to
/// two digits.
fn with_margin(resource: Resource, maximum: u64) -> u64 {
    let margin = match resource {
        Resource::Cpu => maximum,
        _ => maximum.div_ceil(4),
    };
    let amount = maximum.saturating_add(margin);
    let mut step = 1;
    while amount / step >= 100 {
        step *= 10;
    }
    amount.div_ceil(step).checked_mul(step).unwrap_or(UNLIMITED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_up_in_the_units_of_people() {
        for (resource, maximum, written) in [
            (Resource::Memory, 0, r#"memory = "1KB""#),
            (Resource::Memory, 1_203_456, r#"memory = "1.6MB""#),
            (Resource::Memory, 80_000, r#"memory = "100KB""#),
            (Resource::Memory, 80_001, r#"memory = "110KB""#),
            (Resource::Memory, u64::MAX - 1, r#"memory = "unlimited""#),
            (Resource::Cpu, 0, r#"cpu = "1us""#),
            (Resource::Cpu, 363_328, r#"cpu = "730us""#),
            (Resource::Cpu, 30_000_000_000, r#"cpu = "1min""#),
            (Resource::Cpu, 33_000_000_000, r#"cpu = "66s""#),
            (Resource::Io, 3, "io = 4"),
            (Resource::Io, 900, "io = 1200"),
            (Resource::Io, 96_000, r#"io = "120k""#),
            (Resource::Network, 1, r#"network = "2B""#),
            (Resource::Network, 5_000, r#"network = "6.3KB""#),
        ] {
            assert_eq!(
                key(resource, maximum).as_deref(),
                Some(written),
                "{maximum}"
            );
        }
        assert_eq!(key(Resource::Io, 0), None);
        assert_eq!(key(Resource::Network, 0), None);
    }

    #[test]
    fn a_margin_is_never_lost_in_rounding() {
        let mut amount = 1_u64;
        while amount < u64::MAX / 3 {
            for resource in Resource::ALL {
                let rounded = with_margin(resource, amount);
                assert!(rounded >= amount + amount / 4, "{amount}: {rounded}");
                assert!(rounded <= amount.saturating_mul(3), "{amount}: {rounded}");
            }
            amount = amount + amount / 7 + 1;
        }
    }
}
