use expect_test::{Expect, expect};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::*;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn params(name: &str, is_authority: bool, years: (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params
}

fn authority(name: &str) -> Issuer {
    CertifiedIssuer::self_signed(params(name, true, (2000, 2090)), KeyPair::generate().unwrap()).unwrap()
}

fn between(name: &str, issuer: &Issuer) -> Issuer {
    CertifiedIssuer::signed_by(params(name, true, (2000, 2090)), KeyPair::generate().unwrap(), issuer)
        .unwrap()
}

fn leaf(issuer: &Issuer) -> Certificate {
    let key = KeyPair::generate().unwrap();
    let certificate = params("leaf.example", false, (2010, 2020)).signed_by(&key, issuer).unwrap();
    Certificate { encoding: Encoding::Der, data: certificate.der().to_vec() }
}

fn pem(issuer: &Issuer) -> Certificate {
    Certificate { encoding: Encoding::Pem, data: issuer.pem().into_bytes() }
}

#[track_caller]
fn check(cert: Certificate, chain: Option<Vec<Certificate>>, not_after: Option<&str>, expected: Expect) {
    let not_after = not_after.map(str::to_owned);
    let answer = answer(&CertificateTrust { cert, cert_chain: chain, not_after });
    expected.assert_eq(&answer.map_or_else(|error| error, |bytes| String::from_utf8(bytes).unwrap()));
}

const VALID: Option<&str> = Some("2015-06-01T12:00:00+02:00");

#[test]
fn a_certificate_is_trusted_through_the_chain_while_it_is_valid() {
    let (root, other) = (authority("root"), authority("other"));
    let middle = between("middle", &root);
    let trusted = || expect![[r#"{"reason":"","trusted":true}"#]];
    check(leaf(&root), Some(vec![pem(&root)]), VALID, trusted());
    check(leaf(&middle), Some(vec![pem(&middle), pem(&root)]), VALID, trusted());
    let untrusted =
        || expect![[r#"{"reason":"Certificate is not trusted by the provided cert chain","trusted":false}"#]];
    check(leaf(&middle), Some(vec![pem(&root)]), VALID, untrusted());
    check(leaf(&root), Some(vec![pem(&other)]), VALID, untrusted());
    check(leaf(&root), Some(Vec::new()), VALID, untrusted());
    check(leaf(&root), None, VALID, untrusted());
    check(
        leaf(&root),
        Some(vec![pem(&root)]),
        None,
        expect![[r#"{"reason":"Certificate is being used after its expiration date","trusted":false}"#]],
    );
    check(
        leaf(&root),
        Some(vec![pem(&root)]),
        Some("2005-01-01T00:00:00Z"),
        expect![[r#"{"reason":"Certificate is being used before its validity date","trusted":false}"#]],
    );
}

#[test]
fn what_is_no_certificate_or_time_is_told() {
    let root = authority("root");
    let of = |encoding, data: &[u8]| Certificate { encoding, data: data.to_vec() };
    check(
        of(Encoding::Pem, b"text"),
        None,
        VALID,
        expect!["Certificate PEM data is not valid: no items found"],
    );
    check(
        of(Encoding::Der, b"text"),
        None,
        VALID,
        expect!["Certificate is not a valid end-entity certificate: TrailingData(SignedData)"],
    );
    check(
        leaf(&root),
        Some(vec![pem(&root)]),
        Some("tomorrow"),
        expect!["Timestamp not_after is not in RFC3339 format"],
    );
}
