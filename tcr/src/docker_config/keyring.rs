//! Which credentials a kubelet shows to a registry for an image, and in which order.
//!
//! As in Kubernetes' `pkg/credentialprovider/keyring.go`: the keys of all Secrets together, sorted backwards so
//! that a longer path comes before a shorter one; for equal keys the order of the Pod's list. The first that
//! works is used, and with none at all the image is pulled without a credential. What the node itself brings
//! along (a `config.json`, a credential provider) comes after these, and is not known here.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Login;
use super::key::{Location, canonical};
use crate::image_name::ImageName;

/// Docker's own registry has a key of its own.
const DEFAULT_KEY: &[u8] = b"index.docker.io";

/// A credential that is shown to the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential<'a> {
    /// The Secret that it is from.
    pub secret: &'a str,
    /// The key in `auths`, as it is written there.
    pub key: &'a str,
    /// User name and password.
    pub login: &'a Login,
}

/// The credentials for an image, in the order in which they are tried. `secrets` are in the order of the Pod's list.
pub fn credentials<'a>(
    secrets: impl IntoIterator<Item = (&'a str, &'a BTreeMap<String, Login>)>,
    image: &ImageName,
) -> Vec<Credential<'a>> {
    let mut all: Vec<(Vec<u8>, Credential<'a>)> = Vec::new();
    for (secret, logins) in secrets {
        let found = logins
            .iter()
            .filter_map(|(key, login)| Some((canonical(key)?, Credential { secret, key, login })));
        all.extend(found);
    }
    // Stable, so that equal keys stay in the order of the list.
    all.sort_by_key(|(key, _)| Reverse(key.clone()));
    let only = |wanted: &dyn Fn(&[u8]) -> bool| {
        let found = all.iter().filter(|(key, _)| wanted(key));
        found.map(|(_, credential)| *credential).collect::<Vec<_>>()
    };
    let found = match Location::parse(image.as_str().as_bytes()) {
        Some(target) => only(&|key| matches(key, &target)),
        None => Vec::new(),
    };
    if found.is_empty() && is_of_default_registry(image) { only(&|key| key == DEFAULT_KEY) } else { found }
}

/// Kubernetes looks only at the first component here: `localhost/app` counts as Docker's.
fn is_of_default_registry(image: &ImageName) -> bool {
    let first = image.as_str().split('/').next().unwrap_or_default();
    matches!(first, "docker.io" | "index.docker.io") || !first.contains(['.', ':'])
}

/// Whether a key is for the image: the same port, as many labels, each matching, and a path that it begins with.
fn matches(key: &[u8], target: &Location) -> bool {
    let Some(glob) = Location::parse(key) else { return false };
    let ((name, port), (target_name, target_port)) = (glob.name_and_port(), target.name_and_port());
    let labels = || name.split(|byte| *byte == b'.');
    let target_labels = || target_name.split(|byte| *byte == b'.');
    port == target_port
        && labels().count() == target_labels().count()
        && target.path.starts_with(&glob.path)
        && labels().zip(target_labels()).all(|(glob, label)| is_like(glob, label))
}

/// Go's `filepath.Match` for one label of letters that hosts of images have: `*`, and `[...]`, by which an IPv6 address
/// without a port matches one letter, and not itself.
fn is_like(glob: &[u8], text: &[u8]) -> bool {
    match (glob, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            (0..=text.len()).any(|from| is_like(rest, text.get(from..).unwrap_or_default()))
        }
        ([b'[', rest @ ..], [byte, text @ ..]) => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let (class, rest) = rest.split_at(end);
            class.contains(byte) && is_like(rest.get(1..).unwrap_or_default(), text)
        }
        ([a, glob @ ..], [b, text @ ..]) if a == b => is_like(glob, text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::sensitive::Sensitive;

    #[track_caller]
    fn check(image: &str, secrets: &[(&str, &[&str])], expected: Expect) {
        let login = || Login { username: "u".to_owned(), password: Sensitive::new("p"), ..Login::default() };
        let logins = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), login())).collect();
        let secrets: Vec<(&str, BTreeMap<String, Login>)> =
            secrets.iter().map(|(name, keys)| (*name, logins(keys))).collect();
        let secrets = secrets.iter().map(|(name, logins)| (*name, logins));
        let found = credentials(secrets, &image.parse().unwrap());
        let found: Vec<String> = found.iter().map(|it| format!("{} {}", it.secret, it.key)).collect();
        expected.assert_eq(&found.join(", "));
    }

    #[test]
    fn a_longer_path_comes_first_and_then_the_pods_order() {
        let keys: &[(&str, &[&str])] = &[
            ("a", &["demo.tencentcloudcr.com"]),
            ("b", &["https://demo.tencentcloudcr.com/v2/", "demo.tencentcloudcr.com/team"]),
            ("c", &["demo-vpc.tencentcloudcr.com", "demo.tencentcloudcr.com/other"]),
        ];
        check(
            "demo.tencentcloudcr.com/team/app:v1",
            keys,
            expect![
                "b demo.tencentcloudcr.com/team, a demo.tencentcloudcr.com, b https://demo.tencentcloudcr.com/v2/"
            ],
        );
        check("demo-vpc.tencentcloudcr.com/team/app", keys, expect!["c demo-vpc.tencentcloudcr.com"]);
        check("elsewhere.tencentcloudcr.com/team/app", keys, expect![""]);
    }

    #[test]
    fn a_path_is_a_prefix_of_letters_and_not_of_components() {
        let keys: &[(&str, &[&str])] = &[("a", &["demo.tencentcloudcr.com/team"])];
        check("demo.tencentcloudcr.com/teamwork/app", keys, expect!["a demo.tencentcloudcr.com/team"]);
        check("demo.tencentcloudcr.com/tea/app", keys, expect![""]);
    }

    #[test]
    fn a_namespace_with_its_slash_is_that_namespace_and_comes_before_the_whole_host() {
        let keys: &[(&str, &[&str])] = &[
            ("all", &["demo.tencentcloudcr.com"]),
            ("team", &["demo.tencentcloudcr.com/team/"]),
            ("team2", &["demo.tencentcloudcr.com/team2/"]),
        ];
        let of = |image: &str, expected| check(&format!("demo.tencentcloudcr.com/{image}"), keys, expected);
        of("team/app", expect!["team demo.tencentcloudcr.com/team/, all demo.tencentcloudcr.com"]);
        of("team2/deep/app:v1", expect!["team2 demo.tencentcloudcr.com/team2/, all demo.tencentcloudcr.com"]);
        of("team3/app", expect!["all demo.tencentcloudcr.com"]);
    }

    #[test]
    fn labels_may_be_globs_and_ports_must_be_the_same() {
        let keys: &[(&str, &[&str])] = &[
            ("any", &["*.tencentcloudcr.com"]),
            ("some", &["d*mo*.tencentcloudcr.com"]),
            ("few", &["*.com"]),
            ("port", &["demo.tencentcloudcr.com:5000"]),
        ];
        check(
            "demo.tencentcloudcr.com/a",
            keys,
            expect!["some d*mo*.tencentcloudcr.com, any *.tencentcloudcr.com"],
        );
        check("demo.tencentcloudcr.com:5000/a", keys, expect!["port demo.tencentcloudcr.com:5000"]);
    }

    #[test]
    fn dockers_own_registry_has_its_own_key() {
        let keys: &[(&str, &[&str])] = &[("hub", &["https://index.docker.io/v1/"])];
        check("nginx", keys, expect!["hub https://index.docker.io/v1/"]);
        check("demo.tencentcloudcr.com/nginx", keys, expect![""]);
    }
}
