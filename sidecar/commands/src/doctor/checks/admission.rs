//! Whether Pods get references at admission.

use jiff::SignedDuration;
use tcr::names::{MUTATING_WEBHOOK, SYSTEM_NAMESPACE, WEBHOOK_CERTIFICATE, WEBHOOK_DEPLOYMENT};

use super::super::check::{Check, Found};
use super::super::facts::{DryRun, Facts, Registration};
use controller::webhook_certificate::ends_and_is_signed;

pub(super) const CHECKS: &[Check] = &[
    Check { name: "registration", about: "The webhook that runs is registered.", run: registration },
    Check { name: "ca-bundle", about: "API servers have an authority to trust the webhook by.", run: bundle },
    Check {
        name: "certificate",
        about: "The webhook's certificate is there, valid and trusted.",
        run: certificate,
    },
    Check {
        name: "trial-pod",
        about: "A Pod that is created for a trial comes back with the reference.",
        run: dry_run,
    },
];

/// The certificate is renewed long before.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

fn runs(facts: &Facts) -> bool {
    facts.webhook.known().is_some_and(Option::is_some)
}

fn registration(facts: &Facts) -> Vec<Found> {
    match facts.registration.known() {
        Some(None) if runs(facts) => Found::alone(
            format!("MutatingWebhookConfiguration {MUTATING_WEBHOOK}"),
            "there is none, so that the API server does not ask the webhook and Pods get no reference",
            "install it again: helm upgrade",
        ),
        _ => Vec::new(),
    }
}

fn bundle(facts: &Facts) -> Vec<Found> {
    match facts.registration.known() {
        Some(Some(Registration { bundle: None, failure_policy })) => {
            let fate = if failure_policy == "Ignore" { "stay without a reference" } else { "are refused" };
            Found::alone(
                format!("MutatingWebhookConfiguration {MUTATING_WEBHOOK}"),
                format!("it has no caBundle, so that API servers trust no webhook and Pods {fate}"),
                "a controller that leads puts it in: see that one does, and in its log whether a policy refuses the write",
            )
        }
        _ => Vec::new(),
    }
}

fn certificate(facts: &Facts) -> Vec<Found> {
    let place = format!("Secret {SYSTEM_NAMESPACE}/{WEBHOOK_CERTIFICATE}");
    let anew = format!(
        "kubectl -n {SYSTEM_NAMESPACE} delete secret {WEBHOOK_CERTIFICATE}: a controller that leads makes another one"
    );
    let (Some(certificate), Some(Some(registration))) =
        (facts.certificate.known(), facts.registration.known())
    else {
        return Vec::new();
    };
    let Some(certificate) = certificate else {
        return match runs(facts) {
            true => Found::alone(
                place,
                "there is none, so that the webhook cannot serve",
                "a controller that leads makes it: see that one does",
            ),
            false => Vec::new(),
        };
    };
    let bundle = registration.bundle.as_deref().unwrap_or_default();
    match ends_and_is_signed(certificate, bundle) {
        None => Found::alone(place, "its tls.crt is no certificate", anew),
        Some((end, _)) if end <= facts.now => Found::alone(
            place,
            format!("the webhook's certificate ended at {end}, so that API servers refuse it"),
            anew,
        ),
        Some((end, _)) if end.duration_since(facts.now) < SOON => Found::alone(
            place,
            format!(
                "the webhook's certificate ends at {end} and was not renewed, as it is after two thirds of its life"
            ),
            "see in the controller's log why",
        ),
        Some((_, false)) if registration.bundle.is_some() => Found::alone(
            place,
            format!(
                "no authority in the caBundle of {MUTATING_WEBHOOK} has signed the webhook's certificate"
            ),
            "a controller that leads puts the right one in: see in its log why it is refused, or who changes it back",
        ),
        Some(_) => Vec::new(),
    }
}

fn dry_run(facts: &Facts) -> Vec<Found> {
    let webhook = facts.registration.known().is_some_and(Option::is_some);
    let logs = format!("kubectl -n {SYSTEM_NAMESPACE} logs deploy/{WEBHOOK_DEPLOYMENT}");
    match &facts.dry_run {
        DryRun::Unpatched { namespace, host } if webhook => Found::alone(
            format!("Namespace {namespace}"),
            format!(
                "a Pod with an image of {host} comes back without the reference: the API server does not reach the webhook, or the policy leaves it alone"
            ),
            format!(
                "see that API servers reach the Service's Pods (security groups, NetworkPolicies, hostNetwork: true) and that policy.mode is not monitor: {logs}"
            ),
        ),
        DryRun::Refused { namespace, message } if message.contains("failed calling webhook") => {
            let ours = message.contains("tcr.tencentcloudcr.com");
            let to_do = match ours {
                true => format!(
                    "see that the webhook's Pods are ready and API servers reach them (security groups, NetworkPolicies, webhook.hostNetwork): {logs}"
                ),
                false => "mend the webhook that it names: it keeps every Pod from being created".to_owned(),
            };
            Found::alone(format!("Namespace {namespace}"), format!("Pods are refused: {message}"), to_do)
        }
        DryRun::Refused { namespace, message } if message.contains("exceeded quota") => Found::alone(
            format!("Namespace {namespace}"),
            format!("Pods are refused: {message}"),
            "raise the quota, or delete Pods there",
        ),
        _ => Vec::new(),
    }
}
