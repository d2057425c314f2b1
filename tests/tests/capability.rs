//! The order of capability contracts, over every contract there is.

use std::collections::HashSet;
use std::fmt::{Debug, Display};
use std::str::FromStr;

use cnv::capability::{
    CapabilityClass, CapabilityContract, Gap, ResourceBand, Safety, Stability, UnknownName,
};

/// All 5 x 5 x 3 x 3 of them.
fn every_contract() -> Vec<CapabilityContract> {
    let mut all = Vec::new();
    for &class in CapabilityClass::ALL {
        for &band in ResourceBand::ALL {
            for &stability in Stability::ALL {
                for &safety in Safety::ALL {
                    let contract = CapabilityContract::for_class(class);
                    all.push(
                        contract
                            .with_band(band)
                            .with_stability(stability)
                            .with_safety(safety),
                    );
                }
            }
        }
    }
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 225);
    all
}

#[test]
fn covers_is_a_partial_order() {
    let all = every_contract();
    for a in &all {
        assert!(a.covers(a), "{a} covers itself");
        let below: Vec<_> = all.iter().filter(|b| a.covers(b)).collect();
        for b in below {
            assert!(a == b || !b.covers(a), "{a} and {b} cover each other");
            for c in all.iter().filter(|c| b.covers(c)) {
                assert!(a.covers(c), "{a} covers {b}, which covers {c}");
            }
        }
    }
}

#[test]
fn dangerous_covers_everything_and_nothing_else_does() {
    let all = every_contract();
    for a in &all {
        let covers_all = all.iter().all(|b| a.covers(b));
        assert_eq!(covers_all, *a == CapabilityContract::dangerous(), "{a}");
    }
}

#[test]
fn meet_is_the_widest_contract_that_both_cover() {
    let all = every_contract();
    for a in &all {
        for b in &all {
            let meet = a.meet(b);
            assert!(a.covers(&meet) && b.covers(&meet), "{a} meet {b} is {meet}");
            assert_eq!(meet, b.meet(a));
            assert_eq!(meet == *b, a.covers(b));
        }
    }
    // Widest: whatever both cover is covered by the meet. A sample of pairs keeps the cube small.
    for a in all.iter().step_by(7) {
        for b in all.iter().step_by(5) {
            let meet = a.meet(b);
            for c in all.iter().filter(|c| a.covers(c) && b.covers(c)) {
                assert!(meet.covers(c), "{a} meet {b} is {meet}, which misses {c}");
            }
        }
    }
}

#[test]
fn classes_are_ordered_as_documented() {
    use CapabilityClass::{Dangerous, Network, Pure, ReadOnly, ReadWrite};
    let covered = [
        (Pure, &[Pure][..]),
        (ReadOnly, &[Pure, ReadOnly]),
        (ReadWrite, &[Pure, ReadOnly, ReadWrite]),
        (Network, &[Pure, Network]),
        (Dangerous, &[Pure, ReadOnly, ReadWrite, Network, Dangerous]),
    ];
    assert_eq!(covered.len(), CapabilityClass::ALL.len());
    for (held, expected) in covered {
        for &required in CapabilityClass::ALL {
            assert_eq!(
                held.covers(required),
                expected.contains(&required),
                "{held} and {required}"
            );
        }
        // The constructors keep the order of their classes.
        for &required in CapabilityClass::ALL {
            let whole = CapabilityContract::for_class(held)
                .covers(&CapabilityContract::for_class(required));
            assert_eq!(whole, held.covers(required), "{held} and {required}");
        }
    }
}

#[test]
fn a_larger_band_and_a_lower_floor_cover_more() {
    assert!(ResourceBand::Large.covers(ResourceBand::Small));
    assert!(!ResourceBand::Small.covers(ResourceBand::Large));
    assert!(Stability::Experimental.covers(Stability::Frozen));
    assert!(!Stability::Frozen.covers(Stability::Stable));
    assert!(Safety::Irreversible.covers(Safety::Harmless));
    assert!(!Safety::Harmless.covers(Safety::Reversible));

    assert!(ResourceBand::Tiny < ResourceBand::Unlimited);
    assert!(Stability::Experimental < Stability::Stable && Stability::Stable < Stability::Frozen);
    assert!(Safety::Irreversible < Safety::Reversible && Safety::Reversible < Safety::Harmless);
}

#[test]
fn constructors_say_what_the_documentation_says() {
    let rows = [
        (CapabilityContract::pure(), "pure/unlimited/stable/harmless"),
        (
            CapabilityContract::read_only(),
            "read_only/unlimited/stable/harmless",
        ),
        (
            CapabilityContract::read_write(),
            "read_write/unlimited/stable/reversible",
        ),
        (
            CapabilityContract::network(),
            "network/unlimited/stable/irreversible",
        ),
        (
            CapabilityContract::dangerous(),
            "dangerous/unlimited/experimental/irreversible",
        ),
    ];
    for (contract, text) in rows {
        assert_eq!(contract.to_string(), text);
    }
}

#[test]
fn the_first_gap_names_the_dimension_that_is_missing() {
    let held = CapabilityContract::read_only()
        .with_band(ResourceBand::Small)
        .with_stability(Stability::Stable)
        .with_safety(Safety::Reversible);
    let gap = |required: CapabilityContract| held.first_gap(&required).map(|gap| gap.to_string());
    let enough = held
        .with_stability(Stability::Frozen)
        .with_safety(Safety::Harmless);

    assert_eq!(gap(enough), None);
    assert_eq!(
        gap(CapabilityContract::network()).as_deref(),
        Some("class `network` is needed, `read_only` is held"),
        "the class is named even though the band is missing too"
    );
    assert_eq!(
        gap(enough.with_band(ResourceBand::Medium)).as_deref(),
        Some("resource band `medium` is needed, at most `small` is held")
    );
    assert_eq!(
        gap(enough.with_stability(Stability::Experimental)).as_deref(),
        Some("the command is `experimental`, commands at least `stable` are allowed")
    );
    assert_eq!(
        held.first_gap(&enough.with_safety(Safety::Irreversible)),
        Some(Gap::Safety {
            held: Safety::Reversible,
            needed: Safety::Irreversible
        })
    );
}

#[test]
fn the_order_is_available_at_compile_time() {
    const HELD: CapabilityContract = CapabilityContract::network().with_band(ResourceBand::Medium);
    const COVERS: bool = HELD.covers(&CapabilityContract::network().with_band(ResourceBand::Tiny));
    const GAP: Option<Gap> = HELD.first_gap(&CapabilityContract::read_only());
    const { assert!(COVERS && GAP.is_some()) };
    assert_eq!(HELD.meet(&HELD), HELD);
}

fn names_and_codes_round_trip<T>(
    all: &[T],
    names: &[&str],
    code: fn(T) -> u8,
    from_code: fn(u8) -> Option<T>,
) where
    T: Copy + Debug + Display + PartialEq + FromStr<Err = UnknownName>,
{
    let spelled: Vec<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!(spelled, names);
    let codes: Vec<_> = all.iter().map(|&value| code(value)).collect();
    let ascending: Vec<_> = (1..=all.len())
        .map(|code| u8::try_from(code).unwrap())
        .collect();
    assert_eq!(
        codes, ascending,
        "codes are part of the signed encoding and never change"
    );

    for (&value, name) in all.iter().zip(names) {
        assert_eq!(name.parse::<T>().as_ref(), Ok(&value));
        assert_eq!(from_code(code(value)), Some(value));
        for wrong in [
            name.to_uppercase(),
            format!(" {name}"),
            format!("{name}\n"),
            name[1..].to_owned(),
        ] {
            let error = wrong.parse::<T>().unwrap_err();
            assert_eq!((error.given(), error.expected()), (wrong.as_str(), names));
        }
    }
    let known = (0..=u8::MAX)
        .filter(|&code| from_code(code).is_some())
        .count();
    assert_eq!((known, from_code(0)), (all.len(), None));
}

#[test]
fn names_and_codes() {
    names_and_codes_round_trip(
        CapabilityClass::ALL,
        &["pure", "read_only", "read_write", "network", "dangerous"],
        CapabilityClass::code,
        CapabilityClass::from_code,
    );
    names_and_codes_round_trip(
        ResourceBand::ALL,
        &["tiny", "small", "medium", "large", "unlimited"],
        ResourceBand::code,
        ResourceBand::from_code,
    );
    names_and_codes_round_trip(
        Stability::ALL,
        &["experimental", "stable", "frozen"],
        Stability::code,
        Stability::from_code,
    );
    names_and_codes_round_trip(
        Safety::ALL,
        &["irreversible", "reversible", "harmless"],
        Safety::code,
        Safety::from_code,
    );
}

#[test]
fn contracts_are_read_back_from_their_text() {
    for contract in every_contract() {
        assert_eq!(contract.to_string().parse(), Ok(contract));
    }
    let parse = str::parse::<CapabilityContract>;
    assert_eq!(parse("network"), Ok(CapabilityContract::network()));
    assert_eq!(
        parse("read_write/small/frozen"),
        Ok(CapabilityContract::read_write()
            .with_band(ResourceBand::Small)
            .with_stability(Stability::Frozen))
    );
    for (text, dimension) in [
        ("", "capability class"),
        ("networks", "capability class"),
        ("network/", "resource band"),
        ("network/huge", "resource band"),
        ("network/tiny/new", "stability"),
        ("network/tiny/stable/safe", "safety"),
        ("network/tiny/stable/harmless/", "safety"),
    ] {
        assert_eq!(parse(text).unwrap_err().dimension(), dimension, "{text:?}");
    }
}

#[test]
fn a_hostile_name_is_cut_and_escaped() {
    let error = format!("\u{1b}[31m{}", "x".repeat(1_000_000))
        .parse::<CapabilityClass>()
        .unwrap_err();
    assert_eq!(error.given().chars().count(), 64);
    assert!(!error.to_string().contains('\u{1b}'));
}
