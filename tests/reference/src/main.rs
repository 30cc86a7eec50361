//! Prints `docs/reference.md`: conditions, reasons, Events, metrics, settings, chart values, flags and exit codes, each
//! from the code or file that gives it its name. With the name of another file, prints `docs/pull-failures.md`, or a file
//! that repeats the policy's settings, as it should be. `./justw generate` writes them, and `./justw check` compares them.
//! `reference --man FOLDER` writes the manual pages of `kubectl tcr`, which a release has.
//!
//! Something without a sentence is an error: it is named, and nothing is printed.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory as _;
use custom_resource::condition::{ConditionReason, ConditionType, EventReason, RequestState};

mod alerts;
mod chart_values;
mod flags;
mod json;
mod man;
mod metrics;
mod settings;

/// Why pulls fail in broken clusters.
const PULL_FAILURES: &str = "docs/pull-failures.md";
/// Where the policy's settings are documented.
const README: &str = "policy/README.md";
/// Where the chart says what its values may be.
const SCHEMA: &str = "artifacts/chart/values.schema.json";
/// Where the page has the settings from.
const WEB_MODULE: &str = "artifacts/web/src/settings.ts";
/// Where the chart's values and their comments are, from the top of the repository.
const VALUES: &str = "artifacts/chart/values.yaml";
/// Where its alerts are.
const ALERTS: &str = "artifacts/chart/alerts.yaml";

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the page is what it is for")]
fn main() -> ExitCode {
    let file = std::env::args().nth(1);
    let printed = match file.as_deref() {
        None | Some("docs/reference.md") => page(),
        Some(PULL_FAILURES) => Ok(broken_clusters::page()),
        Some(README) => {
            read(README).and_then(|text| settings::readme(&text)).map_err(|problem| vec![problem])
        }
        Some(SCHEMA) => {
            read(SCHEMA).and_then(|text| settings::chart_schema(&text)).map_err(|problem| vec![problem])
        }
        Some(WEB_MODULE) => Ok(settings::web_module()),
        Some("--man") => match std::env::args_os().nth(2) {
            Some(folder) => {
                man::write(Path::new(&folder)).map(|()| String::new()).map_err(|problem| vec![problem])
            }
            None => Err(vec!["--man needs the folder of the pages".to_owned()]),
        },
        Some(other) => Err(vec![format!(
            "{other} is not printed from here; docs/reference.md, {PULL_FAILURES}, {README}, {SCHEMA} and {WEB_MODULE} are"
        )]),
    };
    match printed {
        Ok(page) => {
            print!("{page}");
            ExitCode::SUCCESS
        }
        Err(problems) => {
            for problem in problems {
                eprintln!("reference: {problem}");
            }
            ExitCode::FAILURE
        }
    }
}

fn read(file: &str) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))
}

fn page() -> Result<String, Vec<String>> {
    let read = |file: &str| read(file).map_err(|problem| vec![problem]);
    let (values, alerts) = (read(VALUES)?, read(ALERTS)?);
    let mut page = Page::default();
    page.text(
        "# Reference\n\nPrinted by `./justw generate` from what gives each thing its name; what is not here has no \
         promise behind it.\n",
    );
    page.text("\n## Conditions of an ImagePullSecret\n\nIn `status.conditions`; `kubectl tcr status` shows those that do not hold.\n");
    let row =
        |name: &str, meaning: &str, action: &str| vec![code(name), meaning.to_owned(), action.to_owned()];
    let types = ConditionType::ALL.iter().map(|it| row(it.as_str(), it.meaning(), it.action()));
    page.table(["Condition", "True means", "If it does not hold"], types);
    page.text("\n## Reasons of conditions\n");
    let reasons = ConditionReason::ALL.iter().map(|it| row(it.as_str(), it.meaning(), it.action()));
    page.table(["Reason", "Meaning", "What to do"], reasons);
    page.text("\n## Requests\n\nIn `status.request`: how far is what `kubectl tcr rotate`, `revoke` or `instances` asked for.\n");
    let states = RequestState::ALL.iter().map(|it| row(it.as_str(), it.meaning(), it.action()));
    page.table(["State", "Meaning", "What to do"], states);
    page.text("\n## Events\n\nOn ImagePullSecrets, and on Pods where the last row says so. A step that fails has an Event with the reason of its condition.\n");
    let events = EventReason::ALL.iter().map(|it| row(it.as_str(), it.meaning(), it.action()));
    page.table(["Reason", "Meaning", "What to do"], events);
    page.text("\n## Metrics\n");
    for (program, metrics) in metrics::BY_PROGRAM {
        page.text(&format!("\n### {program}\n"));
        let rows = metrics
            .iter()
            .copied()
            .flatten()
            .map(|it| vec![code(it.name), it.kind.name().to_owned(), it.help.to_owned()]);
        page.table(["Metric", "Type", "Meaning"], rows);
    }
    alerts::write(&alerts, &mut page).map_err(|error| vec![format!("cannot read {ALERTS}: {error}")])?;
    page.text("\n## Settings of the policy\n");
    page.table(["Setting", "Default", "Meaning"], settings::rows().into_iter().map(Vec::from));
    page.text("\n## Values of the chart\n");
    let values = chart_values::read(&values).into_iter();
    page.table(
        ["Value", "Default", "Meaning"],
        values.map(|it| vec![code(&it.path), code(&it.default), it.meaning]),
    );
    for mut command in
        [sidecar::args::Args::command(), harness::cli::Cli::command(), hosts_agent::args::Args::command()]
    {
        command.build();
        flags::commands(&command, &mut page);
    }
    page.text("\n## JSON of commands\n\nWhat `-o json` prints. Fields that a release adds are no break; a name stays what it is.\n");
    for (title, schema) in json::documents() {
        page.text(&format!("\n### {title}\n"));
        page.table(["Field", "Type", "Meaning"], json::rows(&schema));
    }
    page.finish()
}

/// The page, and what it lacks.
#[derive(Default)]
struct Page {
    text: String,
    problems: Vec<String>,
}

impl Page {
    fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// A table whose first cell names a thing and whose second or third says what it is: a row without any is a
    /// problem.
    fn table<const N: usize>(&mut self, head: [&str; N], rows: impl IntoIterator<Item = Vec<String>>) {
        let _ = writeln!(self.text, "\n| {} |\n|{}", head.join(" | "), "---|".repeat(N));
        for row in rows {
            if row.iter().skip(1).all(|cell| !cell.contains(' ')) {
                self.problems.push(format!(
                    "{} has no sentence that says what it is",
                    row.first().map_or("", |it| it)
                ));
            }
            let cells: Vec<String> =
                row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
            let _ = writeln!(self.text, "| {} |", cells.join(" | "));
        }
    }

    fn finish(self) -> Result<String, Vec<String>> {
        if self.problems.is_empty() { Ok(self.text) } else { Err(self.problems) }
    }
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}
