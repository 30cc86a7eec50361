//! The webhook's certificate: when it is renewed, and how without one failed admission.
//!
//! # Expected flow of a renewal
//! 1. A new CA signs a new certificate. Both are stored beside those in use: `ca.crt` holds both CAs, and
//!    the new certificate waits under `next.crt` and `next.key`.
//! 2. Both webhook configurations get both CAs. API servers follow within moments.
//! 3. After [`OVERLAP`], the new certificate replaces the old one, and servers load it.
//!
//! At any moment API servers trust the certificate that is served. A CA's key is never kept: the CA signs
//! once.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tcr::names::SYSTEM_NAMESPACE;
use tcr::sensitive::Sensitive;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

mod configuration;
pub mod connections;
pub mod keeper;
mod plan;

/// How long API servers are given to load a new CA.
pub const OVERLAP: SignedDuration = SignedDuration::from_secs(15);
/// How long a certificate is valid.
const LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);
/// A new certificate is valid from a little earlier, because clocks differ.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);
/// CAs kept in the bundle: the new and the previous one.
const MOST_CAS: usize = 2;

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, in PEM.
    pub certificate: String,
    /// Its key, in PEM.
    pub key: Sensitive,
}

/// The content of the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The certificate that is served.
    pub served: Pair,
    /// The CAs that API servers trust, the newest first, in PEM.
    pub bundle: String,
    /// The certificate that waits to be served, and since when.
    pub next: Option<(Pair, Timestamp)>,
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a certificate at once: there is no usable one.
    Make,
    /// Make a certificate and let it wait.
    Stage,
    /// Serve the certificate that waits.
    Promote,
    /// Do nothing until this time.
    Wait(Timestamp),
}

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the webhook's certificate: {0}")]
pub struct MakeError(#[from] rcgen::Error);

/// The next step. `trusted`: both configurations hold the bundle.
pub fn decide(now: Timestamp, held: Option<&Held>, service: &str, trusted: bool) -> Step {
    let Some((held, life)) = held.and_then(|held| Some((held, Life::of(&held.served.certificate)?))) else {
        return Step::Make;
    };
    if life.end <= now
        || life.names != names(service)
        || !is_signed_by_one_of(&held.served.certificate, &held.bundle)
    {
        return Step::Make;
    }
    if let Some((next, since)) = &held.next {
        let usable =
            Life::of(&next.certificate).is_some_and(|life| life.end > now && life.names == names(service));
        let ready = since.checked_add(OVERLAP).unwrap_or(now);
        return match usable {
            false => Step::Stage,
            true if trusted && ready <= now => Step::Promote,
            // Until both configurations hold the bundle, there is nothing else to do.
            true => Step::Wait(ready.max(now.checked_add(SignedDuration::from_secs(1)).unwrap_or(now))),
        };
    }
    let renewal = life.start.checked_add(life.end.duration_since(life.start) / 3 * 2).unwrap_or(life.end);
    if renewal <= now { Step::Stage } else { Step::Wait(renewal) }
}

/// The names by which API servers call the Service.
pub fn names(service: &str) -> Vec<String> {
    let name = format!("{service}.{SYSTEM_NAMESPACE}.svc");
    vec![name.clone(), format!("{name}.cluster.local")]
}

/// A certificate for the Service, and the CA that signed it, in PEM.
///
/// # Errors
/// No key can be generated.
pub fn make(service: &str, now: Timestamp) -> Result<(Pair, String), MakeError> {
    let mut ca = rcgen::CertificateParams::default();
    validity(&mut ca, now);
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    ca.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::DigitalSignature];
    // Each CA has its own name, so that a verifier with two CAs finds the right one.
    let common_name = format!("tcr-assistant webhook CA {}", now.as_millisecond());
    ca.distinguished_name.push(rcgen::DnType::CommonName, common_name);
    let ca = rcgen::CertifiedIssuer::self_signed(ca, rcgen::KeyPair::generate()?)?;

    let mut leaf = rcgen::CertificateParams::new(names(service))?;
    validity(&mut leaf, now);
    leaf.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    leaf.distinguished_name.push(rcgen::DnType::CommonName, format!("{service}.{SYSTEM_NAMESPACE}.svc"));
    let key = rcgen::KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &ca)?.pem();
    Ok((Pair { certificate, key: Sensitive::new(key.serialize_pem()) }, ca.pem()))
}

/// The new CA in front of the newest earlier one.
pub fn bundle(new: &str, before: &str) -> String {
    let mut all = pems(new);
    all.extend(pems(before).into_iter().filter(|pem| !pems(new).contains(pem)));
    all.truncate(MOST_CAS);
    all.concat()
}

/// How long to wait for a time, at most an hour at once: the clock may be set meanwhile.
pub fn wait(now: Timestamp, until: Timestamp) -> Duration {
    until.duration_since(now).unsigned_abs().clamp(Duration::from_millis(200), Duration::from_secs(3600))
}

fn validity(params: &mut rcgen::CertificateParams, now: Timestamp) {
    let at = |by: SignedDuration| std::time::SystemTime::from(now.checked_add(by).unwrap_or(now)).into();
    params.not_before = at(-BACKDATED);
    params.not_after = at(LIFE);
}

struct Life {
    start: Timestamp,
    end: Timestamp,
    names: Vec<String>,
}

impl Life {
    fn of(pem: &str) -> Option<Self> {
        let pem = Pem::iter_from_buffer(pem.as_bytes()).next()?.ok()?;
        let certificate = pem.parse_x509().ok()?;
        let validity = certificate.validity();
        let names = certificate.subject_alternative_name().ok()??.value.general_names.iter();
        let names = names.filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        });
        Some(Self {
            start: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            end: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
            names: names.collect(),
        })
    }
}

/// When a certificate ends, and whether a CA of this bundle signed it; none if it cannot be parsed.
pub fn ends_and_is_signed(certificate: &str, bundle: &str) -> Option<(Timestamp, bool)> {
    Some((Life::of(certificate)?.end, is_signed_by_one_of(certificate, bundle)))
}

/// Compares names only: that detects a bundle that was replaced or lost, and an attacker who can write the
/// bundle can write the certificate too.
fn is_signed_by_one_of(certificate: &str, bundle: &str) -> bool {
    let leaf = Pem::iter_from_buffer(certificate.as_bytes()).next().and_then(Result::ok);
    let Some(issuer) = leaf.as_ref().and_then(|pem| pem.parse_x509().ok()).map(|it| it.issuer().to_string())
    else {
        return false;
    };
    let is_it = |pem: Pem| pem.parse_x509().is_ok_and(|ca| ca.subject().to_string() == issuer);
    Pem::iter_from_buffer(bundle.as_bytes()).filter_map(Result::ok).any(is_it)
}

fn pems(text: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let whole = |part: &str| {
        part.find("-----BEGIN CERTIFICATE-----").map(|start| format!("{}{END}\n", &part[start..]))
    };
    text.split(END).filter_map(whole).collect()
}

#[cfg(test)]
mod tests;
