//! Which credentials a kubelet shows to a registry for an image, and in which order. Pure.
//!
//! As in Kubernetes' `pkg/credentialprovider/keyring.go`: the keys of all Secrets together, sorted backwards so
//! that a longer path comes before a shorter one; for equal keys the order of the Pod's list. The first that
//! works is used, and with none at all the image is pulled without a credential. What the node itself brings
//! along (a `config.json`, a credential provider) comes after these, and is not known here.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tcr::docker_config::Login;
use tcr::image_ref::ImageRef;

/// Docker's own registry has a key of its own.
const DEFAULT_KEY: &str = "index.docker.io";

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
    image: &ImageRef,
) -> Vec<Credential<'a>> {
    let mut all: Vec<(String, Credential<'a>)> = Vec::new();
    for (secret, logins) in secrets {
        let found = logins.iter().map(|(key, login)| (canonical(key), Credential { secret, key, login }));
        all.extend(found);
    }
    // Stable, so that equal keys stay in the order of the list.
    all.sort_by_key(|(key, _)| Reverse(key.clone()));
    let target = format!("{}/{}", image.host, image.repository);
    let found: Vec<_> = all.iter().filter(|(key, _)| matches(key, &target)).map(|(_, it)| *it).collect();
    if found.is_empty() && image.host.as_str() == "docker.io" {
        return all.iter().filter(|(key, _)| key == DEFAULT_KEY).map(|(_, it)| *it).collect();
    }
    found
}

/// A key without its scheme, and without the `/v1/` or `/v2/` that Docker writes.
fn canonical(key: &str) -> String {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let path = match path.strip_prefix("/v1").or_else(|| path.strip_prefix("/v2")) {
        Some(shorter) if shorter.starts_with('/') => shorter,
        _ => path,
    };
    if path == "/" { host.to_owned() } else { format!("{host}{path}") }
}

/// Whether a key is for `HOST/REPOSITORY`: the same port, as many labels, each matching, and a path that it begins with.
fn matches(key: &str, target: &str) -> bool {
    let (host, path) = split(key);
    let (target_host, target_path) = split(target);
    let ((name, port), (target_name, target_port)) = (split_port(host), split_port(target_host));
    let (labels, target_labels) = (name.split('.'), target_name.split('.'));
    port == target_port
        && labels.clone().count() == target_labels.clone().count()
        && target_path.starts_with(path)
        && labels.zip(target_labels).all(|(glob, label)| is_like(glob.as_bytes(), label.as_bytes()))
}

fn split(url: &str) -> (&str, &str) {
    url.find('/').map_or((url, ""), |at| url.split_at(at))
}

fn split_port(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        // An IPv6 address without a port has its colons in brackets.
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (host, ""),
    }
}

/// Go's `filepath.Match` for one label, with `*` and `?`.
fn is_like(glob: &[u8], text: &[u8]) -> bool {
    match (glob, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|from| is_like(rest, &text[from..])),
        ([b'?', glob @ ..], [_, text @ ..]) => is_like(glob, text),
        ([a, glob @ ..], [b, text @ ..]) if a == b => is_like(glob, text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use tcr::sensitive::Sensitive;

    use super::*;

    #[track_caller]
    fn check(image: &str, secrets: &[(&str, &[&str])], expected: Expect) {
        let login = || Login { username: "u".to_owned(), password: Sensitive::new("p") };
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
    fn labels_may_be_globs_and_ports_must_be_the_same() {
        let keys: &[(&str, &[&str])] = &[
            ("any", &["*.tencentcloudcr.com"]),
            ("some", &["d?mo*.tencentcloudcr.com"]),
            ("few", &["*.com"]),
            ("port", &["demo.tencentcloudcr.com:5000"]),
        ];
        check(
            "demo.tencentcloudcr.com/a",
            keys,
            expect!["some d?mo*.tencentcloudcr.com, any *.tencentcloudcr.com"],
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
