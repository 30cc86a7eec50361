//! One measured number, and the limit it should keep.

use std::fmt;
use std::io::Write as _;

#[derive(Clone, Debug)]
pub struct Figure {
    pub name: &'static str,
    /// What was measured.
    pub metric: &'static str,
    pub value: f64,
    pub unit: &'static str,
    /// What is good enough; none where the figure is for information.
    pub limit: Option<Limit>,
}

/// The last value that is good enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Smaller is better.
    AtMost(f64),
    /// Larger is better.
    AtLeast(f64),
}

impl Figure {
    /// Whether the limit is missed.
    pub fn is_missed(&self) -> bool {
        self.limit.is_some_and(|limit| match limit {
            Limit::AtMost(limit) => self.value > limit,
            Limit::AtLeast(limit) => self.value < limit,
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "{limit}"),
            Self::AtLeast(limit) => write!(f, "at least {limit}"),
        }
    }
}

/// Prints the figures on stdout, and on stderr those that miss their limit.
pub fn print(figures: &[Figure]) {
    let mut out = std::io::stdout().lock();
    for figure in figures {
        let Figure { name, metric, value, unit, limit } = figure;
        // A closed pipe is the reader's choice.
        let _ = writeln!(out, "bench {name} {metric} {value:.3} {unit}");
        if let (true, Some(limit)) = (figure.is_missed(), limit) {
            eprintln!("missed: {name} {metric} is {value:.3} {unit}, the limit is {limit}");
        }
    }
}

/// The median; 0 of nothing.
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

/// The value that 99 of 100 samples do not exceed; 0 of nothing.
pub fn p99(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get((samples.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_missed_beyond_it() {
        let missed = |value, limit| {
            let limit = Some(limit);
            Figure { name: "n", metric: "m", value, unit: "u", limit }.is_missed()
        };
        assert!(!missed(2.0, Limit::AtMost(2.0)) && missed(2.1, Limit::AtMost(2.0)));
        assert!(!missed(2.0, Limit::AtLeast(2.0)) && missed(1.9, Limit::AtLeast(2.0)));
    }

    #[test]
    fn the_middle_and_the_tail_of_samples() {
        let samples = || (1..=200).rev().map(f64::from).collect::<Vec<_>>();
        assert_eq!((median(samples()), p99(samples())), (101.0, 198.0));
        assert_eq!((median(vec![3.0]), p99(vec![3.0])), (3.0, 3.0));
        assert_eq!((median(Vec::new()), p99(Vec::new())), (0.0, 0.0));
    }
}
