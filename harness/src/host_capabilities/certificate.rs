//! `crypto/v1/is_certificate_trusted`: whether a certificate is valid and leads to an authority.
//!
//! The texts are Kubewarden's. Where no chain is given, the authorities are the machine's own.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use serde_json::json;
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};

use super::{Certificate, CertificateTrust, Encoding};

#[cfg(test)]
mod tests;

/// The answer for the guest.
pub(super) fn answer(trust: &CertificateTrust) -> Result<Vec<u8>, String> {
    let certificate = der(&trust.cert)?;
    let certificate = EndEntityCert::try_from(&certificate)
        .map_err(|error| format!("Certificate is not a valid end-entity certificate: {error}"))?;
    let time = time(trust.not_after.as_deref())?;
    let (authorities, between) = match &trust.cert_chain {
        Some(chain) => chain_of(chain)?,
        None => (of_machine()?, Vec::new()),
    };
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    let verified =
        certificate.verify_for_usage(algorithms, &authorities, &between, time, AnyUsage, None, None);
    let reason = verified.err().map(|error| reason(&error));
    let answer = json!({"trusted": reason.is_none(), "reason": reason.unwrap_or_default()});
    Ok(answer.to_string().into_bytes())
}

fn reason(error: &Error) -> String {
    match error {
        Error::CertExpired { .. } => "Certificate is being used after its expiration date".to_owned(),
        Error::CertNotValidYet { .. } => "Certificate is being used before its validity date".to_owned(),
        Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => {
            "Certificate is not trusted by the provided cert chain".to_owned()
        }
        other => format!("Certificate not trusted: {other}"),
    }
}

fn der(certificate: &Certificate) -> Result<CertificateDer<'_>, String> {
    match certificate.encoding {
        Encoding::Der => Ok(CertificateDer::from_slice(&certificate.data)),
        Encoding::Pem => CertificateDer::from_pem_slice(&certificate.data)
            .map_err(|error| format!("Certificate PEM data is not valid: {error}")),
    }
}

fn time(not_after: Option<&str>) -> Result<UnixTime, String> {
    let time = match not_after {
        None => Timestamp::now(),
        Some(text) => text.parse().map_err(|_| "Timestamp not_after is not in RFC3339 format".to_owned())?,
    };
    Ok(UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0))))
}

/// The last one is the authority, whose own validity is not checked.
fn chain_of(chain: &[Certificate]) -> Result<(Vec<TrustAnchor<'_>>, Vec<CertificateDer<'_>>), String> {
    let mut certificates = chain.iter().map(der).collect::<Result<Vec<_>, _>>()?;
    let Some(authority) = certificates.pop() else { return Ok((Vec::new(), Vec::new())) };
    let anchor = anchor_from_trusted_cert(&authority)
        .map_err(|error| format!("the last certificate of cert_chain is no authority's: {error}"))?;
    Ok((vec![anchor.to_owned()], certificates))
}

fn of_machine() -> Result<Vec<TrustAnchor<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    let anchors: Vec<_> = found
        .certs
        .iter()
        .filter_map(|certificate| anchor_from_trusted_cert(certificate).ok().map(|anchor| anchor.to_owned()))
        .collect();
    match (anchors.is_empty(), found.errors.first()) {
        (true, Some(error)) => Err(format!("cannot read the machine's authorities: {error}")),
        _ => Ok(anchors),
    }
}

/// For whatever purpose.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}
