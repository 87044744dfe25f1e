//! Durations as NiFi writes them: "5 secs", "5 mins", "1500 millis".

use alloc::string::String;
use core::fmt;
use core::time::Duration;

/// A duration that is printed as NiFi writes it: exactly, in the largest unit that takes no decimals.
///
/// Whatever is printed, [`parse_duration`] reads back as the same duration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NifiDuration(pub Duration);

/// Reads a duration as NiFi does: a number, perhaps with decimals, perhaps a space, and a unit from nanoseconds to
/// weeks in any of its spellings and cases. There is no default unit.
///
/// `None` for anything else, and for what is longer than a [`Duration`] can be. What decimals say about fractions of a
/// nanosecond is dropped.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?);
    let unit = parse_unit(unit.trim_start())?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let whole = match whole {
        "" if decimals.is_empty() => return None,
        "" => 0,
        whole => whole.parse::<u128>().ok()?,
    };
    let nanos = whole.checked_mul(unit)?.checked_add(parse_decimals(decimals, unit)?)?;
    let seconds = u64::try_from(nanos / SECOND).ok()?;
    let rest = u32::try_from(nanos % SECOND).ok()?;
    Some(Duration::new(seconds, rest))
}

impl fmt::Display for NifiDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0 secs");
        }
        let fits = |(size, _, _): &&(u128, &str, &str)| nanos.is_multiple_of(*size);
        let (size, one, many) = UNITS_PRINTED.iter().find(fits).expect("nanoseconds fit every duration");
        let count = nanos / size;
        write!(f, "{count} {}", if count == 1 { one } else { many })
    }
}

/// The nanoseconds in `0.decimals` units, rounded down. Horner's rule from the last digit on: rounding each step down
/// rounds the sum down, and no step is larger than ten units.
fn parse_decimals(decimals: &str, unit: u128) -> Option<u128> {
    decimals.bytes().rev().try_fold(0, |nanos, digit| {
        digit.is_ascii_digit().then(|| (u128::from(digit - b'0') * unit + nanos) / 10)
    })
}

/// The nanoseconds in a unit of this name.
fn parse_unit(name: &str) -> Option<u128> {
    let mut lower = String::from(name);
    lower.make_ascii_lowercase();
    match lower.as_str() {
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => Some(1),
        "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => Some(MILLI),
        "s" | "sec" | "secs" | "second" | "seconds" => Some(SECOND),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(MINUTE),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some(HOUR),
        "d" | "day" | "days" => Some(DAY),
        "w" | "wk" | "wks" | "week" | "weeks" => Some(WEEK),
        _ => None,
    }
}

const MILLI: u128 = 1_000_000;
const SECOND: u128 = 1_000 * MILLI;
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;
const DAY: u128 = 24 * HOUR;
const WEEK: u128 = 7 * DAY;

/// Nanoseconds and names of the units, largest first.
const UNITS_PRINTED: [(u128, &str, &str); 7] = [
    (WEEK, "week", "weeks"),
    (DAY, "day", "days"),
    (HOUR, "hour", "hours"),
    (MINUTE, "min", "mins"),
    (SECOND, "sec", "secs"),
    (MILLI, "milli", "millis"),
    (1, "nano", "nanos"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, duration: Duration) {
        assert_eq!(parse_duration(text), Some(duration), "{text:?}");
    }

    #[track_caller]
    fn check_none(text: &str) {
        assert_eq!(parse_duration(text), None, "{text:?}");
    }

    #[track_caller]
    fn check_printed(duration: Duration, text: &str) {
        assert_eq!(NifiDuration(duration).to_string(), text);
        check(text, duration);
    }

    #[test]
    fn every_spelling_of_every_unit_is_read() {
        let spellings: [(&[&str], u64); 7] = [
            (&["ns", "nano", "nanos", "nanosecond", "nanoseconds"], 1),
            (&["ms", "milli", "millis", "millisecond", "milliseconds"], 1_000_000),
            (&["s", "sec", "secs", "second", "seconds"], 1_000_000_000),
            (&["m", "min", "mins", "minute", "minutes"], 60_000_000_000),
            (&["h", "hr", "hrs", "hour", "hours"], 3_600_000_000_000),
            (&["d", "day", "days"], 86_400_000_000_000),
            (&["w", "wk", "wks", "week", "weeks"], 604_800_000_000_000),
        ];
        for (names, nanos) in spellings {
            for name in names {
                check(&alloc::format!("3 {name}"), Duration::from_nanos(3 * nanos));
                check(&alloc::format!("3{}", name.to_uppercase()), Duration::from_nanos(3 * nanos));
            }
        }
    }

    #[test]
    fn spaces_around_and_before_the_unit_do_not_matter() {
        for text in ["5secs", "5 secs", "5   secs", "  5\tsecs  "] {
            check(text, Duration::from_secs(5));
        }
    }

    #[test]
    fn decimals_are_exact() {
        check("1.5 secs", Duration::from_millis(1_500));
        check("0.1 ms", Duration::from_micros(100));
        check(".5 mins", Duration::from_secs(30));
        check("5. mins", Duration::from_secs(300));
        check("0.000000001 secs", Duration::from_nanos(1));
        check("0.99999999999999999999999999999999999999999999 secs", Duration::from_nanos(999_999_999));
        check("1.9 nanos", Duration::from_nanos(1));
    }

    #[test]
    fn what_is_no_duration_is_none() {
        for text in
            ["", " ", "5", "secs", ". secs", "5 apples", "5 secs ago", "-5 secs", "+5 secs", "1.2.3 secs"]
        {
            check_none(text);
        }
        for text in ["5,5 secs", "5e3 secs", "5 micros", "18446744073709551616 secs", "\u{0665} secs"] {
            check_none(text);
        }
        check_none(&alloc::format!("{} ns", "9".repeat(60)));
    }

    #[test]
    fn durations_print_in_the_largest_unit_that_fits() {
        check_printed(Duration::ZERO, "0 secs");
        check_printed(Duration::from_secs(5), "5 secs");
        check_printed(Duration::from_millis(1_500), "1500 millis");
        check_printed(Duration::from_secs(300), "5 mins");
        check_printed(Duration::from_secs(90), "90 secs");
        check_printed(Duration::from_secs(60), "1 min");
        check_printed(Duration::from_secs(7_200), "2 hours");
        check_printed(Duration::from_secs(86_400), "1 day");
        check_printed(Duration::from_secs(14 * 86_400), "2 weeks");
        check_printed(Duration::from_nanos(1), "1 nano");
        check_printed(Duration::MAX, "18446744073709551615999999999 nanos");
    }

    proptest! {
        #[test]
        fn printed_durations_read_back(seconds: u64, nanos in 0u32..1_000_000_000) {
            for duration in [Duration::new(seconds, nanos), Duration::from_secs(seconds), Duration::new(0, nanos)] {
                prop_assert_eq!(parse_duration(&NifiDuration(duration).to_string()), Some(duration));
            }
        }

        #[test]
        fn any_text_can_be_tried(text in ".{0,40}", near in "[0-9.]{0,50} ?[a-z]{0,4}") {
            let _ = (parse_duration(&text), parse_duration(&near));
        }
    }
}
