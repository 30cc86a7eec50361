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
    /// An unknown unit.
    #[error("the unit {} is none of h, m, s, ms, us, ns", quoted(.0))]
    Unit(String),
    /// Less than nothing.
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
    let mut total: u128 = 0;
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
        let (unit, after) = after.split_at(end);
        // 19 digits hold every legal number; more are too long or vanish in the fraction.
        let number = whole.trim_start_matches('0');
        if number.len() > 19 {
            return Err(GoDurationProblem::Long);
        }
        let number: u128 =
            if number.is_empty() { 0 } else { number.parse().map_err(|_| GoDurationProblem::Long)? };
        let unit = unit_nanoseconds(unit, whole, number)?;
        let fraction = &fraction[..fraction.len().min(18)];
        let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
        let part: u128 =
            if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| GoDurationProblem::Form)? };
        total += number * unit + part * unit / scale;
        if total > i64::MAX as u128 {
            return Err(GoDurationProblem::Long);
        }
        rest = after;
    }
    u64::try_from(total).map_err(|_| GoDurationProblem::Long)
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit_nanoseconds(unit: &str, whole: &str, number: u128) -> Result<u128, GoDurationProblem> {
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
    let hours = u64::try_from(number.saturating_mul(hours)).map_err(|_| GoDurationProblem::Long)?;
    Err(GoDurationProblem::LongUnit(hours))
}

#[cfg(test)]
mod tests;
