//! What arguments of several commands mean: times to live, moments and names of what is revoked.

use std::str::FromStr;

use cnv::attestation::{AttestationId, KeyId, Timestamp};

/// A time to live: a whole number and `s`, `min`, `h` or `d`.
#[derive(Debug, Clone, Copy)]
pub struct TimeToLive {
    pub(crate) seconds: u64,
}

/// What was written is no time to live.
#[derive(Debug, thiserror::Error)]
#[error("write a whole number and a unit, from 1s to 3650d, such as 15min, 8h or 7d")]
pub struct NoTimeToLive;

/// Ten years.
const MAX_TTL_SECONDS: u64 = 3650 * 24 * 60 * 60;

impl FromStr for TimeToLive {
    type Err = NoTimeToLive;

    fn from_str(text: &str) -> Result<Self, NoTimeToLive> {
        let split = text.find(|c: char| !c.is_ascii_digit());
        let (number, unit) = text.split_at(split.unwrap_or(text.len()));
        let unit_seconds = match unit {
            "s" => 1,
            "min" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return Err(NoTimeToLive),
        };
        let number: u64 = number.parse().map_err(|_| NoTimeToLive)?;
        let seconds = number.checked_mul(unit_seconds).ok_or(NoTimeToLive)?;
        // None at all would be expired at once, and more outlives every key.
        (1..=MAX_TTL_SECONDS)
            .contains(&seconds)
            .then_some(Self { seconds })
            .ok_or(NoTimeToLive)
    }
}

/// A time span as people say it, in its two largest units.
pub(crate) fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit_seconds, unit) in units {
        if rest >= unit_seconds && parts.len() < 2 {
            parts.push(format!("{} {unit}", rest / unit_seconds));
        } else if !parts.is_empty() {
            break;
        }
        rest %= unit_seconds;
    }
    match parts.is_empty() {
        true => "0 s".to_owned(),
        false => parts.join(" "),
    }
}

/// A moment, written as every moment is shown.
#[derive(Debug, Clone, Copy)]
pub struct Moment(pub(crate) Timestamp);

/// What was written is no moment.
#[derive(Debug, thiserror::Error)]
#[error("write a time in UTC as it is shown, such as 2026-11-22T22:17:56Z")]
pub struct NoMoment;

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        moment_of(text).map(Self).ok_or(NoMoment)
    }
}

/// The moment that is written `YYYY-MM-DDThh:mm:ssZ`.
fn moment_of(text: &str) -> Option<Timestamp> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years count from March, so that the leap day is the last of its year.
    let (years, months) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let leap_days = years / 4 - years / 100 + years / 400;
    let days = years * 365 + leap_days + (153 * months + 2) / 5 + day - 1;
    let days_since_1970 = days.checked_sub(719_468)?;
    let seconds = ((days_since_1970 * 24 + hour) * 60 + minute) * 60 + second;
    let moment = Timestamp::from_unix_seconds(seconds);
    // Refuses the 30th of February, the 61st minute, and every other spelling.
    (moment.to_string() == text).then_some(moment)
}

/// `KEY_ID` or `KEY_ID=TIME`.
#[derive(Debug, Clone, Copy)]
pub struct IssuedBefore {
    pub(crate) issuer: KeyId,
    /// The present moment where none was given.
    pub(crate) before: Option<Timestamp>,
}

/// What was written is no key id with a time.
#[derive(Debug, thiserror::Error)]
#[error(
    "write a key id (32 hexadecimal digits), alone for now or with `=` and a time such as 2026-11-22T22:17:56Z"
)]
pub struct NoIssuedBefore;

impl FromStr for IssuedBefore {
    type Err = NoIssuedBefore;

    fn from_str(text: &str) -> Result<Self, NoIssuedBefore> {
        let (issuer, before) = match text.split_once('=') {
            Some((issuer, moment)) => (issuer, Some(moment_of(moment).ok_or(NoIssuedBefore)?)),
            None => (text, None),
        };
        let issuer = issuer.parse().map_err(|_| NoIssuedBefore)?;
        Ok(Self { issuer, before })
    }
}

/// The id of a link, or of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id {
    /// 64 digits.
    Link(AttestationId),
    /// 32 digits.
    Key(KeyId),
}

/// What was written is no id.
#[derive(Debug, thiserror::Error)]
#[error(
    "write the id of a link (64 hexadecimal digits) or of a key (32), as `cnv revocation show --entries` shows it"
)]
pub struct NoId;

impl FromStr for Id {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let link = text.parse().map(Self::Link).ok();
        link.or_else(|| text.parse().map(Self::Key).ok())
            .ok_or(NoId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live_have_units() {
        let seconds = |text: &str| text.parse::<TimeToLive>().ok().map(|ttl| ttl.seconds);
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("15min"), Some(900));
        assert_eq!(seconds("3650d"), Some(MAX_TTL_SECONDS));
        assert_eq!(seconds("7d"), Some(604_800));
        for wrong in [
            "",
            "1",
            "h",
            "-1h",
            "1.5h",
            "1 h",
            "1m",
            "0h",
            "3651d",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn spans_have_at_most_two_units_that_stand_beside_each_other() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min 59 s"),
            (3600, "1 h"),
            (3605, "1 h"),
            (90_061, "1 d 1 h"),
            (u64::MAX, "213503982334601 d 7 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn times_are_read_as_they_are_shown() {
        for seconds in [0, 68_255_999, 951_827_696, 4_107_542_399, 253_402_300_799] {
            let moment = Timestamp::from_unix_seconds(seconds);
            assert_eq!(moment_of(&moment.to_string()), Some(moment));
        }
        for wrong in [
            "",
            "now",
            "2026-11-22",
            "2026-02-29T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T22:60:00Z",
            "2026-11-22T22:17:56",
            "2026-11-22T22:17:56z",
            "2026-11-22 22:17:56Z",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T22:17:56Zx",
            "+026-11-22T22:17:56Z",
        ] {
            assert_eq!(moment_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_issuer_and_a_time() {
        let id = "0123456789abcdef0123456789abcdef";
        let given: IssuedBefore = id.parse().unwrap();
        assert_eq!(
            (given.issuer.to_string().as_str(), given.before),
            (id, None)
        );
        let given: IssuedBefore = format!("{id}=2000-02-29T12:34:56Z").parse().unwrap();
        assert_eq!(
            given.before,
            Some(Timestamp::from_unix_seconds(951_827_696))
        );
        for wrong in ["", "x", "0123=2000-02-29T12:34:56Z", &format!("{id}=")] {
            assert!(wrong.parse::<IssuedBefore>().is_err(), "{wrong}");
        }
    }
}
