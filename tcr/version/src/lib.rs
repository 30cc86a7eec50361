//! Which release and build a program is, and whether the chart that started it is of the same release.
//!
//! A crate of its own: a release's commit is in its programs, and nothing else is compiled anew for it.

use std::sync::LazyLock;

/// The release's number, which programs, chart and policy share.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");

/// The environment variable with the chart's release.
pub const CHART_VERSION_VARIABLE: &str = "TCR_ASSISTANT_CHART_VERSION";

/// The build of a release: `commit 0123456789ab, linux/amd64, rustc 1.95.0`. No time, so that it is the same each time.
const BUILD: Option<&str> = option_env!("TCR_ASSISTANT_BUILD");

/// The output of `--version` after the program's name: the number and the build.
pub fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| text(BUILD));
    &LONG
}

fn text(build: Option<&str>) -> String {
    format!("{NUMBER} ({})", build.unwrap_or("development build"))
}

/// The chart that started a program is of a release that does not fit it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot run in this chart: the image is of release {NUMBER}, and the chart ({CHART_VERSION_VARIABLE}) of \"{chart}\"; \
     they fit where the first two numbers are the same. Name an image of the chart's release by image.tag or image.digest \
     (hostsUpdater.image for the node agent), or leave both unset and install the chart of release {NUMBER}"
)]
pub struct ChartMismatch {
    /// The chart's release, shortened.
    chart: String,
}

/// Whether the chart that the environment names fits this program. Without a chart every program does.
///
/// # Errors
/// The chart is of another release: its templates may mean something else to this program.
pub fn check_chart() -> Result<(), ChartMismatch> {
    std::env::var_os(CHART_VERSION_VARIABLE).map_or(Ok(()), |chart| fits(&chart.to_string_lossy()))
}

/// Releases with the same first two numbers take each other's flags, files and values.
fn fits(chart: &str) -> Result<(), ChartMismatch> {
    match (series(chart), series(NUMBER)) {
        (Some(chart), Some(own)) if chart == own => Ok(()),
        _ => Err(ChartMismatch { chart: chart.chars().take(LONGEST).collect() }),
    }
}

/// No version is longer; a value from elsewhere may be.
const LONGEST: usize = 64;

/// The first two numbers of a semantic version.
fn series(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.split(['-', '+']).next()?.split('.');
    let mut next = || numbers.next()?.parse().ok();
    let (major, minor, _patch): (u64, u64, u64) = (next()?, next()?, next()?);
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn a_version_says_the_build_of_a_release_and_that_there_is_none() {
        let check = |build, expected: Expect| {
            expected.assert_eq(text(build).strip_prefix(NUMBER).expect("the number comes first"));
        };
        check(None, expect![" (development build)"]);
        check(
            Some("commit 0123456789ab, linux/amd64, rustc 1.95.0"),
            expect![" (commit 0123456789ab, linux/amd64, rustc 1.95.0)"],
        );
    }

    #[test]
    fn a_chart_fits_where_the_first_two_numbers_are_the_same() {
        let (major, minor) = series(NUMBER).expect("it is a version");
        for chart in ["0", "7", "0-before", "0-rc.1+build"] {
            let chart = format!("{major}.{minor}.{chart}");
            assert_eq!(fits(&chart), Ok(()), "{chart}");
        }
        let (next_major, next_minor) =
            (format!("{}.{minor}.0", major + 1), format!("{major}.{}.0", minor + 1));
        let no_version = ["", "1", "v", "latest", "0.1", "-1.1.0"].map(str::to_owned);
        for chart in [next_major, next_minor, format!("v{NUMBER}")].into_iter().chain(no_version) {
            assert!(fits(&chart).is_err(), "{chart}");
        }
    }

    #[test]
    fn a_mismatch_names_both_and_what_to_set() {
        let error = fits("99.0.0").unwrap_err().to_string();
        for part in [NUMBER, "\"99.0.0\"", "image.tag", "hostsUpdater.image"] {
            assert!(error.contains(part), "no {part} in: {error}");
        }
        let long = fits(&"9".repeat(10_000)).unwrap_err().to_string();
        assert!(long.len() < 1000, "{} bytes", long.len());
    }
}
