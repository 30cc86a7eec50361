//! What became of cases: for people, as JSON, and as JUnit XML.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::cases::Difference;
use crate::cli::report::Colour;

/// The result of one case.
#[derive(Debug, Serialize)]
pub(super) struct CaseResult<'a> {
    pub(super) file: String,
    pub(super) name: &'a str,
    pub(super) passed: bool,
    pub(super) differences: Vec<Difference>,
    /// What would have to be expected; none where the settings were taken and nothing else was asked.
    #[serde(skip)]
    pub(super) answer: Option<Value>,
    #[serde(skip)]
    pub(super) time: Duration,
}

impl CaseResult<'_> {
    pub(super) fn text(&self, is_first: bool, colour: bool) -> String {
        let mut text = String::new();
        if is_first {
            text += &format!("{}\n", self.file);
        }
        let word = match self.passed {
            true => Colour::Green.paint(colour, "ok    "),
            false => Colour::Red.paint(colour, "FAILED"),
        };
        text += &format!("  {word}  {}\n", self.name);
        for Difference { field, expected, found } in &self.differences {
            text += &format!("            {field}: expected {}\n", lines(expected));
            text +=
                &format!("            {:indent$}   found {}\n", "", lines(found), indent = field.len() + 2);
        }
        text
    }
}

/// Lines below the first one begin where that one does.
fn lines(text: &str) -> String {
    let plain: String = text.chars().map(|it| if it.is_control() && it != '\n' { ' ' } else { it }).collect();
    plain.replace('\n', "\n                ")
}

/// The results as JUnit's XML: a suite for each file.
pub(super) fn junit(results: &[CaseResult<'_>]) -> String {
    let mut xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {}>\n", sums(results));
    for suite in results.chunk_by(|one, other| one.file == other.file) {
        let file = suite.first().map(|result| escaped(&result.file)).unwrap_or_default();
        let _ = writeln!(xml, "  <testsuite name=\"{file}\" {}>", sums(suite));
        for CaseResult { name, differences, time, passed, .. } in suite {
            let (name, time) = (escaped(name), time.as_secs_f64());
            let _ = write!(xml, "    <testcase classname=\"{file}\" name=\"{name}\" time=\"{time:.6}\"");
            match passed {
                true => xml += "/>\n",
                false => {
                    let fields: Vec<&str> = differences.iter().map(|it| it.field.as_str()).collect();
                    let _ = write!(xml, ">\n      <failure message=\"{}\">", escaped(&fields.join(", ")));
                    for Difference { field, expected, found } in differences {
                        let _ = writeln!(
                            xml,
                            "{}",
                            escaped(&format!("{field}: expected {expected}, found {found}"))
                        );
                    }
                    xml += "</failure>\n    </testcase>\n";
                }
            }
        }
        xml += "  </testsuite>\n";
    }
    xml + "</testsuites>\n"
}

fn sums(results: &[CaseResult<'_>]) -> String {
    let failures = results.iter().filter(|result| !result.passed).count();
    let time: f64 = results.iter().map(|result| result.time.as_secs_f64()).sum();
    format!("tests=\"{}\" failures=\"{failures}\" time=\"{time:.6}\"", results.len())
}

/// Text for XML, which has no control characters but blanks and line breaks.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' | '\t' => out.push(character),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            other => out.push(other),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn junit_has_a_suite_for_each_file_and_no_markup_of_a_policys_words() {
        let case_result = |file: &str, name, found: Option<&str>| CaseResult {
            file: file.to_owned(),
            name,
            passed: found.is_none(),
            differences: found
                .map(|found| Difference {
                    field: "message".into(),
                    expected: "nothing".into(),
                    found: found.into(),
                })
                .into_iter()
                .collect(),
            answer: None,
            time: Duration::from_micros(1500),
        };
        let results = [
            case_result("a.yaml", "one", None),
            case_result("a.yaml", "two & \"three\"", Some("</failure> \u{1b}[1m\u{0} & more")),
            case_result("b.yaml", "four", None),
        ];
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites tests="3" failures="1" time="0.004500">
              <testsuite name="a.yaml" tests="2" failures="1" time="0.003000">
                <testcase classname="a.yaml" name="one" time="0.001500"/>
                <testcase classname="a.yaml" name="two &amp; &quot;three&quot;" time="0.001500">
                  <failure message="message">message: expected nothing, found &lt;/failure&gt; �[1m� &amp; more
            </failure>
                </testcase>
              </testsuite>
              <testsuite name="b.yaml" tests="1" failures="0" time="0.001500">
                <testcase classname="b.yaml" name="four" time="0.001500"/>
              </testsuite>
            </testsuites>
        "#]]
        .assert_eq(&junit(&results));
    }
}
