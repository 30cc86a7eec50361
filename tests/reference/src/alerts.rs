//! The alerts, each under a heading of its own, to which its runbook's address leads.

use serde::Deserialize;

use super::Page;

/// An alert as the chart has it; the chart's template looks at the rest.
#[derive(Deserialize)]
struct Alert {
    alert: String,
    severity: String,
    #[serde(rename = "for")]
    holds_for: String,
    meaning: String,
    action: String,
}

/// All of them.
///
/// # Errors
/// The text is no list of alerts.
pub(super) fn write(alerts: &str, page: &mut Page) -> Result<(), String> {
    let alerts: Vec<Alert> = serde_saphyr::from_str(alerts).map_err(|error| error.to_string())?;
    page.text(
        "\n## Alerts\n\nRules of the chart (`monitoring.rules.enabled`). The time is how long each has to hold before it \
         fires; `monitoring.rules` has values for it.\n",
    );
    for Alert { alert, severity, holds_for, meaning, action } in alerts {
        page.text(&format!("\n### {alert}\n\n{severity}, after {holds_for}. {meaning}\n\n{action}\n"));
    }
    Ok(())
}
