//! The warning Event about an object that another client keeps changing back.

use distribution::{Target, TargetKind};

/// The Event's message: the client, the object and what to do.
pub(crate) fn warning(target: &Target, rival: Option<&str>) -> String {
    let Target { namespace, kind, name } = target;
    let who = rival.unwrap_or("somebody");
    let kind_name = kind.as_str();
    let advice = advice(*kind);
    format!(
        "{who} keeps changing {kind_name} {namespace}/{name} back; it is repaired ever less often. {advice}"
    )
}

fn advice(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::ServiceAccount => {
            "Take imagePullSecrets out of the ServiceAccount where it is declared, or add the Secret to that list, or \
             leave the ServiceAccount out by spec.serviceAccounts"
        }
        TargetKind::Secret => "Stop what writes it, or leave its namespace out by spec.namespaces",
    }
}
