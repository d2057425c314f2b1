//! Quantities as people write them: `"1.5MB"`, `"200us"`, `100`, `"100k"`. Exact integer
//! arithmetic throughout: a quantity that is not a whole number of bytes, nanoseconds or operations
//! is refused, never rounded.

use syn::{Expr, ExprLit, Lit, spanned::Spanned};

use crate::args::listed;
use crate::errors::nearest;

/// What a quantity counts, with its units and how many of the smallest each holds.
pub(crate) struct Dimension {
    /// As in "unknown memory size unit".
    noun: &'static str,
    /// What the attribute says, as in "the budget can be read at the function".
    attribute: &'static str,
    /// The key of the attribute, for the advice.
    key: &'static str,
    example: &'static str,
    units: &'static [(&'static str, u64)],
    /// Whether a bare integer is a quantity, as it is for counts. Zero needs no unit anywhere.
    bare: bool,
}

impl Dimension {
    /// The same for `key` of another attribute.
    pub(crate) const fn of_policy(self, key: &'static str, example: &'static str) -> Self {
        Self {
            attribute: "policy",
            key,
            example,
            ..self
        }
    }
}

const BYTE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

pub(crate) const MEMORY: Dimension = Dimension {
    noun: "memory size",
    attribute: "budget",
    key: "memory",
    example: "1MB",
    units: BYTE_UNITS,
    bare: false,
};

pub(crate) const RETAINED: Dimension = Dimension {
    key: "retains",
    ..MEMORY
};

pub(crate) const CPU: Dimension = Dimension {
    noun: "time",
    attribute: "budget",
    key: "cpu",
    example: "1ms",
    units: &[
        ("ns", 1),
        ("us", 1_000),
        // People type either of the two letters that look like this.
        ("\u{b5}s", 1_000),
        ("\u{3bc}s", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("min", 60_000_000_000),
    ],
    bare: false,
};

pub(crate) const IO: Dimension = Dimension {
    noun: "count",
    attribute: "budget",
    key: "io",
    example: "100k",
    units: &[("", 1), ("k", 1_000), ("M", 1_000_000)],
    bare: true,
};

/// The rounds of a loop.
pub(crate) const ROUNDS: Dimension = Dimension {
    key: "max",
    example: "100",
    ..IO
};

pub(crate) const NETWORK: Dimension = Dimension {
    noun: "network size",
    attribute: "budget",
    key: "network",
    example: "100KB",
    units: BYTE_UNITS,
    bare: false,
};

/// `u64::MAX` stands for "unlimited", so the largest quantity is one less.
pub(crate) const UNLIMITED: u64 = u64::MAX;

/// Reads the literal, or says what is wrong with it under the literal itself.
pub(crate) fn parse_quantity(value: &Expr, dimension: &Dimension) -> syn::Result<u64> {
    let Dimension {
        attribute,
        key,
        example,
        ..
    } = dimension;
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => parse_text(&text.value(), dimension)
            .map_err(|message| syn::Error::new(text.span(), message)),
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) if !number.suffix().is_empty() => {
            let (digits, suffix) = (number.base10_digits(), number.suffix());
            let is_type = suffix.starts_with(['u', 'i']) && suffix != "us";
            let (what, instead) = match (is_type, dimension.bare) {
                (true, true) => ("number without a type", digits.to_owned()),
                (true, false) => ("string", format!("\"{digits}{}\"", dimension.units[0].0)),
                (false, _) => ("string", format!("\"{number}\"")),
            };
            Err(syn::Error::new(
                number.span(),
                format!("`{key}` takes a {what}: write `{key} = {instead}`"),
            ))
        }
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) if dimension.bare || number.base10_digits() == "0" => match number.base10_parse() {
            Ok(count) if count != UNLIMITED => Ok(count),
            _ => Err(syn::Error::new(
                number.span(),
                format!(
                    "`{number}` is too large for `{key}`; the largest count is 18446744073709551614"
                ),
            )),
        },
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => Err(syn::Error::new(
            number.span(),
            format!(
                "`{key}` needs a unit: write `{key} = \"{number}{}\"`",
                dimension.units[0].0
            ),
        )),
        Expr::Lit(ExprLit {
            lit: Lit::Float(number),
            ..
        }) => Err(syn::Error::new(
            number.span(),
            match number.suffix() {
                "" => format!("`{key}` takes a string: write `{key} = \"{example}\"`"),
                _ => format!("`{key}` takes a string: write `{key} = \"{number}\"`"),
            },
        )),
        other => Err(syn::Error::new(
            other.span(),
            format!(
                "`{key}` takes a literal, so that the {attribute} can be read at the function: write `{key} = \"{example}\"`"
            ),
        )),
    }
}

fn parse_text(text: &str, dimension: &Dimension) -> Result<u64, String> {
    let Dimension { noun, example, .. } = dimension;
    if text == "unlimited" {
        return Ok(UNLIMITED);
    }
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number = number.replace('_', "");
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
        return Err(format!(
            "`{text}` is not a {noun}; write it as \"{example}\""
        ));
    }
    let factor = unit_factor(unit, text, dimension)?;
    let too_large = || {
        format!(
            "`{text}` is too large; the largest {noun} is 18446744073709551614 of the smallest unit"
        )
    };
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    let whole = whole.checked_mul(factor).ok_or_else(too_large)?;
    let part = exact_fraction(fraction, factor)
        .ok_or_else(|| format!("`{text}`: more decimals than the unit can hold exactly"))?;
    match whole.checked_add(part) {
        Some(quantity) if quantity != UNLIMITED => Ok(quantity),
        _ => Err(too_large()),
    }
}

fn unit_factor(unit: &str, text: &str, dimension: &Dimension) -> Result<u64, String> {
    let Dimension { noun, key, .. } = dimension;
    if let Some((_, factor)) = dimension.units.iter().find(|(name, _)| *name == unit) {
        return Ok(*factor);
    }
    if unit.is_empty() {
        if text.bytes().all(|byte| byte == b'0') {
            return Ok(1);
        }
        let smallest = dimension.units[0].0;
        return Err(format!(
            "`{key}` needs a unit: write `{key} = \"{text}{smallest}\"`"
        ));
    }
    let names: Vec<&str> = dimension
        .units
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.is_empty())
        .collect();
    // `k` of something that has bytes; otherwise a single letter is near to every other one.
    let with_bytes = format!("{}B", unit.to_ascii_uppercase());
    let mut known = names.iter().copied();
    let near = match unit.chars().count() {
        1 => known.find(|name| *name == with_bytes || name.eq_ignore_ascii_case(unit)),
        _ => nearest(unit, &names),
    };
    Err(match near {
        Some(near) => format!("unknown {noun} unit `{unit}`; did you mean `{near}`?"),
        None => format!(
            "unknown {noun} unit `{unit}`; the units are {}",
            listed(&names)
        ),
    })
}

/// `0.fraction * factor`, if that is a whole number.
fn exact_fraction(fraction: &str, factor: u64) -> Option<u64> {
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        return Some(0);
    }
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let scaled = fraction
        .parse::<u128>()
        .ok()?
        .checked_mul(u128::from(factor))?;
    if scaled % scale == 0 {
        u64::try_from(scaled / scale).ok()
    } else {
        None
    }
}

/// A time as people write it, exactly: "1.5 s".
pub(crate) fn shown_time(ns: u64) -> String {
    let units = CPU.units.iter().rev().filter(|(name, _)| name.is_ascii());
    for (name, factor) in units {
        let (whole, part) = (ns / factor, ns % factor);
        let thousandths = u128::from(part) * 1000;
        if whole == 0 || !thousandths.is_multiple_of(u128::from(*factor)) {
            continue;
        }
        if part == 0 {
            return format!("{whole} {name}");
        }
        let decimals = format!("{:03}", thousandths / u128::from(*factor));
        return format!("{whole}.{} {name}", decimals.trim_end_matches('0'));
    }
    format!("{ns} ns")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(text: &str) -> Result<u64, String> {
        parse_text(text, &MEMORY)
    }

    #[test]
    fn quantities_are_exact() {
        assert_eq!(memory("1MB"), Ok(1_000_000));
        assert_eq!(memory("1.5 KiB"), Ok(1536));
        assert_eq!(memory("0.001KB"), Ok(1));
        assert_eq!(memory("1_000B"), Ok(1000));
        assert_eq!(memory("unlimited"), Ok(UNLIMITED));
        assert_eq!(parse_text("1.000001ms", &CPU), Ok(1_000_001));
        assert_eq!(parse_text("2\u{b5}s", &CPU), Ok(2_000));
        assert_eq!(parse_text("2\u{3bc}s", &CPU), Ok(2_000));
        assert_eq!(parse_text("100k", &IO), Ok(100_000));
    }

    #[test]
    fn times_are_shown_exactly() {
        let shown = [
            (0, "0 ns"),
            (1, "1 ns"),
            (1_500, "1.5 us"),
            (150_000_000, "150 ms"),
            (1_000_000_000, "1 s"),
            (1_234_000_000, "1.234 s"),
            (1_234_500_000, "1234.5 ms"),
            (90_000_000_000, "1.5 min"),
        ];
        for (ns, text) in shown {
            assert_eq!(shown_time(ns), text);
        }
    }

    #[test]
    fn what_is_not_exact_or_not_known_is_refused() {
        let refused = [
            (
                memory("1mb"),
                "unknown memory size unit `mb`; did you mean `MB`?",
            ),
            (
                memory("1.5B"),
                "`1.5B`: more decimals than the unit can hold exactly",
            ),
            (
                parse_text("1.0000001ms", &CPU),
                "`1.0000001ms`: more decimals than the unit can hold exactly",
            ),
            (
                memory("12"),
                "`memory` needs a unit: write `memory = \"12B\"`",
            ),
            (
                memory("MB"),
                "`MB` is not a memory size; write it as \"1MB\"",
            ),
            (
                memory("1.2.3MB"),
                "`1.2.3MB` is not a memory size; write it as \"1MB\"",
            ),
        ];
        for (result, message) in refused {
            assert_eq!(result, Err(message.to_owned()));
        }
        for large in [
            "18446744073709551615B",
            "99999999999999999999B",
            "20000000000TB",
        ] {
            assert!(memory(large).unwrap_err().contains("too large"), "{large}");
        }
        assert_eq!(memory("18446744073709551614B"), Ok(u64::MAX - 1));
    }
}
