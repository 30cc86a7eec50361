//! Durations as Go's `time.ParseDuration` reads them, the form of durations in Kubernetes objects.

use core::time::Duration;

use crate::quoted::quoted;

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is not a duration: {reason}", quoted(text))]
pub struct GoDurationError {
    /// The text as it was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: GoDurationProblem,
}

/// What is wrong with a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoDurationProblem {
    /// Not numbers with units.
    #[error("write numbers with units, such as 2160h or 1h30m")]
    Form,
    /// A number without a unit.
    #[error("a unit is missing, such as h in {0}h")]
    NoUnit(String),
    /// Go has no days, weeks or years.
    #[error("it has no days or longer units; write {0}h")]
    LongUnit(u64),
    /// A unit that Go does not know.
    #[error("the unit {} is none of h, m, s, ms, us, ns", quoted(.0))]
    Unit(String),
    /// The duration is less than nothing.
    #[error("it is negative")]
    Negative,
    /// More than Go's 64 bits of nanoseconds.
    #[error("it is longer than 2562047h")]
    Long,
}

/// Reads a duration such as `2160h` or `1h30m`. The same texts as in Go, except that a negative
/// one is an error.
pub fn parse(text: &str) -> Result<Duration, GoDurationError> {
    nanoseconds(text)
        .map(Duration::from_nanos)
        .map_err(|reason| GoDurationError { text: text.to_owned(), reason })
}

fn nanoseconds(text: &str) -> Result<u64, GoDurationProblem> {
    let mut rest = match text.strip_prefix('-') {
        Some("0") => "0",
        Some(_) => return Err(GoDurationProblem::Negative),
        None => text.strip_prefix('+').unwrap_or(text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(GoDurationProblem::Form);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(GoDurationProblem::Form);
        }
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = split_at(after, end);
        // 19 digits hold every legal number; more are too long or vanish in the fraction.
        let number = whole.trim_start_matches('0');
        if number.len() > 19 {
            return Err(GoDurationProblem::Long);
        }
        let number: u64 =
            if number.is_empty() { 0 } else { number.parse().map_err(|_| GoDurationProblem::Long)? };
        let unit = unit_nanoseconds(unit, whole, number)?;
        total = number
            .checked_mul(unit)
            .and_then(|part| part.checked_add(part_of_unit(fraction, unit)))
            .and_then(|part| part.checked_add(total))
            .filter(|total| i64::try_from(*total).is_ok())
            .ok_or(GoDurationProblem::Long)?;
        rest = after;
    }
    Ok(total)
}

/// The value of the digits after the point, in floating point as in Go: less than a nanosecond is lost.
fn part_of_unit(fraction: &str, unit: u64) -> u64 {
    let (mut digits, mut scale) = (0.0, 1.0);
    for byte in fraction.bytes().take(18) {
        digits = digits * 10.0 + f64::from(byte - b'0');
        scale *= 10.0;
    }
    (digits * (unit as f64 / scale)) as u64
}

fn digits(text: &str) -> (&str, &str) {
    split_at(text, text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// `at` is on a boundary; the standard library's own says so in a kilobyte of wasm when it is not.
fn split_at(text: &str, at: usize) -> (&str, &str) {
    text.split_at_checked(at).unwrap_or((text, ""))
}

fn unit_nanoseconds(unit: &str, whole: &str, number: u64) -> Result<u64, GoDurationProblem> {
    let hours = match unit {
        "ns" => return Ok(1),
        // The micro sign and the Greek letter mu, as in Go.
        "us" | "\u{b5}s" | "\u{3bc}s" => return Ok(1_000),
        "ms" => return Ok(1_000_000),
        "s" => return Ok(1_000_000_000),
        "m" => return Ok(60_000_000_000),
        "h" => return Ok(3_600_000_000_000),
        "" => return Err(GoDurationProblem::NoUnit(whole.to_owned())),
        "d" | "day" | "days" => 24,
        "w" | "week" | "weeks" => 7 * 24,
        "y" | "year" | "years" => 365 * 24,
        _ => return Err(GoDurationProblem::Unit(unit.to_owned())),
    };
    Err(number.checked_mul(hours).map_or(GoDurationProblem::Long, GoDurationProblem::LongUnit))
}

#[cfg(test)]
mod tests;
