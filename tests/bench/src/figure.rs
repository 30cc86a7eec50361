//! One measured number, and the limit it should keep.

use std::io::Write as _;

/// One measured number.
pub(crate) struct Figure {
    /// The benchmark.
    pub(crate) name: &'static str,
    /// What was measured.
    pub(crate) metric: &'static str,
    /// The number.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The largest value that is good enough; none where the figure is for information.
    pub(crate) limit: Option<f64>,
}

impl Figure {
    /// Whether the limit is missed.
    pub(crate) fn is_missed(&self) -> bool {
        self.limit.is_some_and(|limit| self.value > limit)
    }
}

/// Prints the figures on stdout, and on stderr those that miss their limit.
pub(crate) fn print(figures: &[Figure]) {
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
pub(crate) fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}
