//! Quantities as people write them, formatted alike at compile time and at run time.
//!
//! The compiler's messages are built in const evaluation, where `format!` does not exist, so the
//! formatter works on a fixed buffer. [`Quantity`] puts the same text into ordinary formatting.

use core::fmt;

use super::resource::{Resource, UNLIMITED};
use crate::const_text::Text;

impl<const N: usize> Text<N> {
    /// `amount / unit` with at most three decimals, which must be exact.
    const fn decimal(self, amount: u128, unit: u128) -> Self {
        let text = self.number(amount / unit);
        if amount.is_multiple_of(unit) {
            return text;
        }
        let mut decimals = (amount % unit) / (unit / 1000);
        let mut width = 3;
        while decimals.is_multiple_of(10) {
            decimals /= 10;
            width -= 1;
        }
        text.str(".").digits(decimals, width)
    }

    /// `amount` of `resource`, exactly: "600 KB", "1.5 ms", "100k", "none" for 0.
    pub(crate) const fn quantity(self, resource: Resource, amount: u128) -> Self {
        self.spaced_quantity(resource, amount, " ")
    }

    /// The same without the space, as it stands in an attribute: "600KB".
    pub(crate) const fn literal(self, resource: Resource, amount: u128) -> Self {
        self.spaced_quantity(resource, amount, "")
    }

    const fn spaced_quantity(self, resource: Resource, amount: u128, space: &str) -> Self {
        if amount == 0 {
            return self.str("none");
        }
        if amount == UNLIMITED as u128 {
            return self.str("unlimited");
        }
        let (unit, name) = match resource {
            Resource::Memory | Resource::Network => byte_unit(amount),
            Resource::Cpu => time_unit(amount),
            Resource::Io => return self.count(amount),
        };
        self.decimal(amount, unit).str(space).str(name)
    }

    const fn count(self, amount: u128) -> Self {
        if amount.is_multiple_of(1_000_000) {
            self.number(amount / 1_000_000).str("M")
        } else if amount.is_multiple_of(1_000) {
            self.number(amount / 1_000).str("k")
        } else {
            self.number(amount)
        }
    }
}

const BYTES: [(u128, &str); 4] = [
    (1_000_000_000_000, "TB"),
    (1_000_000_000, "GB"),
    (1_000_000, "MB"),
    (1_000, "KB"),
];

const BINARY_BYTES: [(u128, &str); 4] = [
    (1 << 40, "TiB"),
    (1 << 30, "GiB"),
    (1 << 20, "MiB"),
    (1 << 10, "KiB"),
];

const TIMES: [(u128, &str); 3] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];

/// The largest decimal unit that shows `bytes` with up to three decimals; a whole number of a
/// binary unit (1 GiB) before a decimal unit that needs four digits or more in front of the point.
const fn byte_unit(bytes: u128) -> (u128, &'static str) {
    let (unit, name) = largest_exact(&BYTES, bytes, "B");
    if bytes < 1000 * unit || unit == BYTES[0].0 {
        return (unit, name);
    }
    let mut i = 0;
    while i < BINARY_BYTES.len() {
        if bytes.is_multiple_of(BINARY_BYTES[i].0) {
            return BINARY_BYTES[i];
        }
        i += 1;
    }
    (unit, name)
}

const fn time_unit(ns: u128) -> (u128, &'static str) {
    const MINUTE: u128 = 60_000_000_000;
    if ns.is_multiple_of(MINUTE) {
        return (MINUTE, "min");
    }
    largest_exact(&TIMES, ns, "ns")
}

/// The largest of `units` that is no larger than `amount` and shows it exactly with three decimals.
const fn largest_exact(
    units: &[(u128, &'static str)],
    amount: u128,
    base: &'static str,
) -> (u128, &'static str) {
    let mut i = 0;
    while i < units.len() {
        let unit = units[i].0;
        if amount >= unit && amount.is_multiple_of(unit / 1000) {
            return units[i];
        }
        i += 1;
    }
    (1, base)
}

/// An amount of a resource, formatted exactly and in the largest unit that can.
pub(super) struct Quantity {
    resource: Resource,
    amount: u64,
}

impl Quantity {
    pub(super) const fn new(resource: Resource, amount: u64) -> Self {
        Self { resource, amount }
    }

    /// The amount to three significant digits, for what was measured rather than declared.
    #[cfg(any(feature = "std", test))]
    pub(super) const fn rounded(resource: Resource, amount: u64) -> Self {
        let mut step = 1;
        while amount / step >= 1000 {
            step *= 10;
        }
        let half = step / 2;
        let amount = (amount / step + (amount % step >= half && step > 1) as u64) as u128;
        // Rounding may carry past `u64::MAX`; the largest round number below it will do.
        let amount = amount * step as u128;
        let amount = if amount >= UNLIMITED as u128 {
            18_400_000_000_000_000_000
        } else {
            amount as u64
        };
        Self { resource, amount }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Text::<64>::new().quantity(self.resource, self.amount as u128);
        f.pad(text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(resource: Resource, amount: u128) -> String {
        Text::<64>::new()
            .quantity(resource, amount)
            .as_str()
            .to_owned()
    }

    #[test]
    fn bytes_take_the_largest_unit_that_is_exact() {
        for (bytes, text) in [
            (0, "none"),
            (1, "1 B"),
            (999, "999 B"),
            (1_000, "1 KB"),
            (1_001, "1.001 KB"),
            (1_010, "1.01 KB"),
            (1_100, "1.1 KB"),
            (1_024, "1.024 KB"),
            (262_144, "262.144 KB"),
            (999_999, "999.999 KB"),
            (1_000_000, "1 MB"),
            (1_000_001, "1000.001 KB"),
            (1_048_576, "1 MiB"),
            (1_500_000, "1.5 MB"),
            (1_234_567, "1234.567 KB"),
            (1_073_741_824, "1 GiB"),
            (64_000_000, "64 MB"),
            (999_999_999_999, "999999999.999 KB"),
            (1_000_000_000_000, "1 TB"),
            (5_000_000_000_000_000, "5000 TB"),
            (1 << 40, "1 TiB"),
            (u64::MAX as u128 - 1, "18446744073709551.614 KB"),
            (u64::MAX as u128, "unlimited"),
        ] {
            assert_eq!(exact(Resource::Memory, bytes), text, "{bytes}");
            assert_eq!(exact(Resource::Network, bytes), text, "{bytes}");
        }
    }

    #[test]
    fn times_take_the_largest_unit_that_is_exact() {
        for (ns, text) in [
            (0, "none"),
            (1, "1 ns"),
            (999, "999 ns"),
            (1_000, "1 us"),
            (1_001, "1.001 us"),
            (200_000, "200 us"),
            (999_999, "999.999 us"),
            (1_000_000, "1 ms"),
            (1_500_000, "1.5 ms"),
            (1_000_001, "1000.001 us"),
            (2_000_000_000, "2 s"),
            (59_999_000_000, "59.999 s"),
            (60_000_000_000, "1 min"),
            (90_000_000_000, "90 s"),
            (u64::MAX as u128, "unlimited"),
        ] {
            assert_eq!(exact(Resource::Cpu, ns), text, "{ns}");
        }
    }

    #[test]
    fn counts_are_shortened_only_where_exact() {
        for (count, text) in [
            (0, "none"),
            (1, "1"),
            (999, "999"),
            (1_000, "1k"),
            (1_001, "1001"),
            (100_000, "100k"),
            (1_000_000, "1M"),
            (1_001_000, "1001k"),
            (u64::MAX as u128, "unlimited"),
        ] {
            assert_eq!(exact(Resource::Io, count), text, "{count}");
        }
    }

    #[test]
    fn products_larger_than_a_limit_can_be_are_still_shown() {
        let product = u128::from(u64::MAX - 1) * u128::from(u64::MAX);
        assert!(exact(Resource::Cpu, product).ends_with(" us"));
        assert_eq!(
            exact(Resource::Io, u128::MAX),
            "340282366920938463463374607431768211455"
        );
    }

    #[test]
    fn measured_amounts_are_rounded_to_three_digits() {
        for (bytes, text) in [
            (0, "none"),
            (999, "999 B"),
            (1_234_567, "1.23 MB"),
            (1_235_000, "1.24 MB"),
            (999_499, "999 KB"),
            (999_500, "1 MB"),
            (12_345, "12.3 KB"),
            (u64::MAX, "18400000 TB"),
        ] {
            assert_eq!(
                Quantity::rounded(Resource::Memory, bytes).to_string(),
                text,
                "{bytes}"
            );
        }
    }

    #[test]
    fn a_literal_is_what_an_attribute_accepts() {
        assert_eq!(
            Text::<64>::new().literal(Resource::Network, 4_000).as_str(),
            "4KB"
        );
    }
}
