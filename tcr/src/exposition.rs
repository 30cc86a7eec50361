//! Metrics in Prometheus' text format, version 0.0.4.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>. Not OpenMetrics, whose counters
//! have another name in `# TYPE` than in the sample, and which ends with a line of its own: dashboards use
//! the names of this format.

use std::fmt::{Display, Write as _};

/// The content type of a text that [`Exposition`] makes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricType {
    /// It only grows while the process lives.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts of values up to each bound.
    Histogram,
}

impl MetricType {
    /// The name in `# TYPE`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric, declared once: the text, and the reference page, are made from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, with the unit and, for a counter, `_total` at the end.
    pub name: &'static str,
    /// What it counts; one sentence.
    pub help: &'static str,
    /// The type of its values.
    pub kind: MetricType,
}

impl Metric {
    /// A metric that only grows.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: MetricType::Counter }
    }

    /// A metric that goes up and down.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: MetricType::Gauge }
    }

    /// A metric with buckets.
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: MetricType::Histogram }
    }
}

/// Labels of a sample: names and values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// A text that grows metric by metric.
#[derive(Clone, Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins `metric`: its samples come next.
    pub fn metric(&mut self, metric: &Metric) -> Samples<'_> {
        let Metric { name, help, kind } = metric;
        let text = &mut self.0;
        text.push_str("# HELP ");
        text.push_str(name);
        text.push(' ');
        escape(help, &[('\\', "\\\\"), ('\n', "\\n")], text);
        // Writing to a String does not fail, here and below.
        let _ = writeln!(text, "\n# TYPE {name} {}", kind.name());
        Samples { text, name }
    }

    /// One metric with one sample without labels.
    pub fn value(&mut self, metric: &Metric, value: impl Display) {
        self.metric(metric).value(value);
    }

    /// A text that another exposition made.
    pub fn append(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// All that was written, as a text.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// Takes the samples of one metric.
#[derive(Debug)]
pub struct Samples<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Samples<'_> {
    /// The one value of a metric without labels.
    pub fn value(&mut self, value: impl Display) {
        self.put("", &[], None, value);
    }

    /// Writes a sample with its labels.
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.put("", labels, None, value);
    }

    /// A value with labels, which [`series`] has formatted.
    pub fn series(&mut self, series: &str, value: impl Display) {
        let Self { text, name } = self;
        let _ = writeln!(text, "{name}{{{series}}} {value}");
    }

    /// The buckets, sum and count of a histogram: `at_most` says for each bound how many values are at most that
    /// large.
    pub fn buckets(
        &mut self,
        labels: Labels<'_>,
        at_most: impl IntoIterator<Item = (f64, u64)>,
        sum: f64,
        count: u64,
    ) {
        for (bound, values) in at_most {
            self.put("_bucket", labels, Some(&bound), values);
        }
        self.put("_bucket", labels, Some(&"+Inf"), count);
        self.put("_sum", labels, None, sum);
        self.put("_count", labels, None, count);
    }

    fn put(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&dyn Display>, value: impl Display) {
        let Self { text, name } = self;
        text.push_str(name);
        text.push_str(suffix);
        if !labels.is_empty() || bound.is_some() {
            text.push('{');
            put_labels(labels, text);
            if let Some(bound) = bound {
                let _ = write!(text, "{}le=\"{bound}\"", if labels.is_empty() { "" } else { "," });
            }
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }
}

/// Labels as they stand between a sample's braces: the key under which a sample is counted.
pub fn series(labels: Labels<'_>) -> String {
    let mut text = String::new();
    put_labels(labels, &mut text);
    text
}

fn put_labels(labels: Labels<'_>, text: &mut String) {
    for (index, (label, value)) in labels.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(label);
        text.push_str("=\"");
        escape(value, &[('\\', "\\\\"), ('"', "\\\""), ('\n', "\\n")], text);
        text.push('"');
    }
}

fn escape(value: &str, escapes: &[(char, &str)], text: &mut String) {
    for c in value.chars() {
        match escapes.iter().find(|(escaped, _)| *escaped == c) {
            Some((_, escape)) => text.push_str(escape),
            None => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn values_labels_and_buckets_read_as_a_scraper_reads_them() {
        let mut text = Exposition::default();
        text.value(&Metric::gauge("depth", "What waits."), 3);
        let mut calls = text.metric(&Metric::counter("calls_total", "Calls\\\nof \"it\"."));
        calls.sample(&[("verb", "get"), ("code", "a\"} 1\n\\b")], 2);
        calls.sample(&[], 0.5);
        let mut seconds = text.metric(&Metric::histogram("took_seconds", "Time."));
        seconds.buckets(&[], [(0.5, 1), (10.0, 2)], 4.25, 3);
        seconds.buckets(&[("policy", "p")], [(0.5, 0)], 0.0, 0);
        expect![[r#"
            # HELP depth What waits.
            # TYPE depth gauge
            depth 3
            # HELP calls_total Calls\\\nof "it".
            # TYPE calls_total counter
            calls_total{verb="get",code="a\"} 1\n\\b"} 2
            calls_total 0.5
            # HELP took_seconds Time.
            # TYPE took_seconds histogram
            took_seconds_bucket{le="0.5"} 1
            took_seconds_bucket{le="10"} 2
            took_seconds_bucket{le="+Inf"} 3
            took_seconds_sum 4.25
            took_seconds_count 3
            took_seconds_bucket{policy="p",le="0.5"} 0
            took_seconds_bucket{policy="p",le="+Inf"} 0
            took_seconds_sum{policy="p"} 0
            took_seconds_count{policy="p"} 0
        "#]]
        .assert_eq(&text.into_text());
    }
}
