use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(references: &[&str], expect: Expect) {
    let lines = references.iter().map(|reference| match reference.parse::<ImageRef>() {
        Ok(image) => format!("{image}\n"),
        Err(error) => format!("{error}\n"),
    });
    expect.assert_eq(&lines.collect::<String>());
}

fn digest(algorithm: &str, digits: usize) -> String {
    format!("{algorithm}:{}", "0a".repeat(digits / 2))
}

#[test]
fn host_namespace_and_tag_have_defaults() {
    check(
        &[
            "nginx",
            "nginx:1.27",
            "team/app",
            "docker.io/nginx",
            "index.docker.io/nginx",
            "INDEX.Docker.io/nginx",
            "docker.io/team/app",
            "demo.tencentcloudcr.com/team/app",
            "demo.tencentcloudcr.com/app",
            "Demo.TencentCloudCR.com/team/app:V1",
            "localhost/app",
            "localhost:5000/app",
            // No slash: a tag, not a port.
            "localhost:5000",
            "demo.tencentcloudcr.com",
            "registry:5000/app",
            "10.0.0.7/app",
            "[2001:DB8::1]/app",
            "[::1]:5000/team/app:a",
            "library/nginx",
            "a/b/c/d",
            "xn--n3h.com/myimage:xn--n3h.com",
        ],
        expect![[r#"
            docker.io/library/nginx:latest
            docker.io/library/nginx:1.27
            docker.io/team/app:latest
            docker.io/library/nginx:latest
            docker.io/library/nginx:latest
            docker.io/library/nginx:latest
            docker.io/team/app:latest
            demo.tencentcloudcr.com/team/app:latest
            demo.tencentcloudcr.com/app:latest
            demo.tencentcloudcr.com/team/app:V1
            localhost/app:latest
            localhost:5000/app:latest
            docker.io/library/localhost:5000
            docker.io/library/demo.tencentcloudcr.com:latest
            registry:5000/app:latest
            10.0.0.7/app:latest
            [2001:db8::1]/app:latest
            [::1]:5000/team/app:a
            docker.io/library/nginx:latest
            docker.io/a/b/c/d:latest
            xn--n3h.com/myimage:xn--n3h.com
        "#]],
    );
}

#[test]
fn separators_and_tags_follow_the_grammar() {
    check(
        &[
            "a.b/c.d/e_f/g__h/i---j:_x",
            "demo.tencentcloudcr.com/a-b.c_d/e:A.b-C_9",
            &format!("a:{}", "t".repeat(128)),
        ],
        expect![[r#"
            a.b/c.d/e_f/g__h/i---j:_x
            demo.tencentcloudcr.com/a-b.c_d/e:A.b-C_9
            docker.io/library/a:tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt
        "#]],
    );
}

#[test]
fn a_digest_stands_alone_or_behind_a_tag() {
    check(
        &[
            &format!("demo.tencentcloudcr.com/team/app@{}", digest("sha256", 64)),
            &format!("team/app:1@{}", digest("sha384", 96)),
            &format!("app@{}", digest("sha512", 128)),
        ],
        expect![[r#"
            demo.tencentcloudcr.com/team/app@sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a
            docker.io/team/app:1@sha384:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a
            docker.io/library/app@sha512:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a
        "#]],
    );
}

#[test]
fn what_the_grammar_refuses_is_refused_with_the_reason() {
    check(
        &[
            "",
            " nginx",
            "nginx latest",
            "https://demo.tencentcloudcr.com/team/app",
            "https://robot:hunter2@demo.tencentcloudcr.com/team/app",
            "robot:hunter2@demo.tencentcloudcr.com/team/app",
            &"0a".repeat(32),
            "Nginx",
            "Team/app",
            "team/App:1",
            "demo.tencentcloudcr.com/Team/app",
            "demo.tencentcloudcr.com/",
            "demo.tencentcloudcr.com//app",
            "demo.tencentcloudcr.com/app/",
            "/app",
            "demo..com/app",
            "-demo.com/app",
            "demo_1.com/app",
            "demo.com:port/app",
            "[::1/app",
            "a..b",
            "a___b",
            "a._b",
            "-a",
            "a-",
            "a/b-/c",
            "ünicode",
            "a:",
            "a:.b",
            "a:-b",
            "a:b:c",
            "a:b/c",
            "a:é",
            &format!("a:{}", "t".repeat(129)),
            &format!("demo.com/{}", "r".repeat(256)),
            &"r".repeat(248),
            "a@",
            "a@sha256",
            "a@:00",
            "a@sha256:",
            "a@sha256:00",
            &format!("a@{}", digest("sha512", 64)),
            &format!("a@{}", digest("md5", 32)),
            &format!("a@{}", digest("SHA256", 64)),
            &format!("a@sha256:{}", "0A".repeat(32)),
            &format!("a@sha256:{}", "0g".repeat(32)),
            &format!("a@{0}@{0}", digest("sha256", 64)),
        ],
        expect![[r#"
            "" is not an image reference: it is empty
            " nginx" is not an image reference: it contains a blank
            "nginx latest" is not an image reference: it contains a blank
            "https://demo.tencentcloudcr.com/team/app" is not an image reference: leave out the scheme and its ://
            "https://[redacted]@demo.tencentcloudcr.com/team/app" is not an image reference: leave out the scheme and its ://
            "[redacted]@demo.tencentcloudcr.com/team/app" is not an image reference: "[redacted]@demo.tencentcloudcr.com" is not a registry host: leave out the user name and the @
            "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a" is not an image reference: 64 hexadecimal digits are an image's id; name the repository
            "Nginx" is not an image reference: the repository "Nginx" must be lower case
            "Team/app" is not an image reference: the repository "Team/app" must be lower case
            "team/App:1" is not an image reference: the repository "team/App" must be lower case
            "demo.tencentcloudcr.com/Team/app" is not an image reference: the repository "Team/app" must be lower case
            "demo.tencentcloudcr.com/" is not an image reference: no repository follows the host
            "demo.tencentcloudcr.com//app" is not an image reference: a component between the slashes of the repository is empty
            "demo.tencentcloudcr.com/app/" is not an image reference: a component between the slashes of the repository is empty
            "/app" is not an image reference: a component between the slashes of the repository is empty
            "demo..com/app" is not an image reference: "demo..com" is not a registry host: a label between its dots is empty
            "-demo.com/app" is not an image reference: "-demo.com" is not a registry host: a label begins or ends with a hyphen
            "demo_1.com/app" is not an image reference: "demo_1.com" is not a registry host: '_' is not allowed in a host; use letters, digits, hyphens and dots
            "demo.com:port/app" is not an image reference: "demo.com:port" is not a registry host: the port after the colon is a number from 1 to 65535, without leading zeros
            "[::1/app" is not an image reference: "[::1" is not a registry host: brackets enclose an IPv6 address, as in [2001:db8::1]
            "a..b" is not an image reference: "a..b" is no component of a repository; use lower-case letters and digits, separated by one dot, one or two underscores, or hyphens
            "a___b" is not an image reference: "a___b" is no component of a repository; use lower-case letters and digits, separated by one dot, one or two underscores, or hyphens
            "a._b" is not an image reference: "a._b" is no component of a repository; use lower-case letters and digits, separated by one dot, one or two underscores, or hyphens
            "-a" is not an image reference: "-a" is no component of a repository; use lower-case letters and digits, separated by one dot, one or two underscores, or hyphens
            "a-" is not an image reference: "a-" is no component of a repository; use lower-case letters and digits, separated by one dot, one or two underscores, or hyphens
            "a/b-/c" is not an image reference: "b-" is no component of a repository; use lower-case letters and digits, separated by one dot, one or two underscores, or hyphens
            "ünicode" is not an image reference: "ünicode" is no component of a repository; use lower-case letters and digits, separated by one dot, one or two underscores, or hyphens
            "a:" is not an image reference: "" is no tag; use letters, digits, dots, underscores and hyphens, not beginning with a dot or a hyphen
            "a:.b" is not an image reference: ".b" is no tag; use letters, digits, dots, underscores and hyphens, not beginning with a dot or a hyphen
            "a:-b" is not an image reference: "-b" is no tag; use letters, digits, dots, underscores and hyphens, not beginning with a dot or a hyphen
            "a:b:c" is not an image reference: "b:c" is no tag; use letters, digits, dots, underscores and hyphens, not beginning with a dot or a hyphen
            "a:b/c" is not an image reference: "a:b" is not a registry host: the port after the colon is a number from 1 to 65535, without leading zeros
            "a:é" is not an image reference: "é" is no tag; use letters, digits, dots, underscores and hyphens, not beginning with a dot or a hyphen
            "a:tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt..." is not an image reference: the tag has 129 characters, and 128 are allowed
            "demo.com/rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr..." is not an image reference: the repository has 256 characters, and 255 are allowed
            "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr..." is not an image reference: the repository has 256 characters, and 255 are allowed
            "a@" is not an image reference: the digest "" is not an algorithm, a colon and hexadecimal digits
            "a@sha256" is not an image reference: the digest "sha256" is not an algorithm, a colon and hexadecimal digits
            "a@:00" is not an image reference: the digest ":00" is not an algorithm, a colon and hexadecimal digits
            "a@sha256:" is not an image reference: a digest of sha256 has 64 hexadecimal digits, not 0
            "a@sha256:00" is not an image reference: a digest of sha256 has 64 hexadecimal digits, not 2
            "a@sha512:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a" is not an image reference: a digest of sha512 has 128 hexadecimal digits, not 64
            "a@md5:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a" is not an image reference: the digest's algorithm "md5" is unknown; use sha256, sha384 or sha512
            "a@SHA256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a" is not an image reference: the digest's algorithm "SHA256" is unknown; use sha256, sha384 or sha512
            "a@sha256:0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A" is not an image reference: a digest's digits are 0 to 9 and lower-case a to f, not 'A'
            "a@sha256:0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g" is not an image reference: a digest's digits are 0 to 9 and lower-case a to f, not 'g'
            "a@sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a@sha256..." is not an image reference: a digest's digits are 0 to 9 and lower-case a to f, not '@'
        "#]],
    );
}

#[test]
fn the_longest_repository_is_allowed() {
    // docker.io puts library/ before it, and that counts; a host does not.
    assert!("r".repeat(247).parse::<ImageRef>().is_ok());
    assert!(format!("demo.tencentcloudcr.com/{}", "r".repeat(255)).parse::<ImageRef>().is_ok());
}

#[test]
fn the_host_is_found_without_parsing_the_rest() {
    let cases = [
        ("nginx", "docker.io"),
        ("nginx:1.27", "docker.io"),
        ("team/app", "docker.io"),
        ("index.docker.io/team/app", "docker.io"),
        ("localhost:5000", "docker.io"),
        ("localhost/app", "localhost"),
        ("Demo.tencentcloudcr.com/app", "Demo.tencentcloudcr.com"),
        ("demo.tencentcloudcr.com:443/a/b@sha256:00", "demo.tencentcloudcr.com:443"),
        ("[::1]:5000/app", "[::1]:5000"),
        ("demo.tencentcloudcr.com/UPPER is not looked at", "demo.tencentcloudcr.com"),
        ("", "docker.io"),
    ];
    for (reference, host) in cases {
        assert_eq!(host_of(reference), host, "{reference}");
    }
}

#[test]
fn registry_namespace_of_is_the_first_of_several_components() {
    for (reference, namespace) in [
        ("demo.tencentcloudcr.com/team/app:v1", Some("team")),
        ("demo.tencentcloudcr.com:443/team/deep/app@sha256:00", Some("team")),
        ("demo.tencentcloudcr.com/app:v1", None),
        ("team/app", Some("team")),
        ("nginx", None),
        ("", None),
    ] {
        assert_eq!(registry_namespace_of(reference), namespace, "{reference}");
    }
}

fn plausible() -> impl Strategy<Value = String> {
    let host = r"([a-zA-Z0-9]{1,5}(\.[a-z0-9]{1,5}){0,2}(:[1-9][0-9]{0,3})?/)?";
    let repository = r"[a-z0-9]{1,4}((\.|_|__|-{1,3}|/)[a-z0-9]{1,4}){0,4}";
    (
        host,
        repository,
        proptest::option::of(r"[\w&&[:ascii:]][a-zA-Z0-9_.-]{0,8}"),
        proptest::option::of("[0-9a-f]{64}"),
    )
        .prop_map(|(host, repository, tag, digest)| {
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            let digest = digest.map(|digits| format!("@sha256:{digits}")).unwrap_or_default();
            format!("{host}{repository}{tag}{digest}")
        })
}

proptest! {
    #[test]
    fn a_reference_displays_as_what_parses_to_it(reference in plausible()) {
        match reference.parse::<ImageRef>() {
            Ok(image) => {
                let shown = image.to_string();
                prop_assert_eq!(&shown.parse::<ImageRef>().unwrap(), &image);
                prop_assert_eq!(host_of(&shown), image.host.as_str());
                prop_assert!(host_of(&reference).eq_ignore_ascii_case(image.host.as_str()));
            }
            // A first component with a dot is a host, and may be none by its characters.
            Err(error) => {
                prop_assert!(matches!(error.reason, ImageRefProblem::Host(_) | ImageRefProblem::UpperCase(_)));
            }
        }
    }

    #[test]
    fn any_text_is_a_reference_or_an_error(text in any::<String>()) {
        let _ = host_of(&text);
        let _ = text.parse::<ImageRef>().map_err(|error| error.to_string());
    }

    #[test]
    fn text_of_the_grammars_characters_round_trips_when_it_parses(text in r"[aB0./:@_\[\]-]{0,12}") {
        if let Ok(image) = text.parse::<ImageRef>() {
            prop_assert_eq!(&image.to_string().parse::<ImageRef>().unwrap(), &image);
        }
    }
}
