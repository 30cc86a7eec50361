//! How a registry wants to be authenticated to: the header `WWW-Authenticate` of
//! <https://distribution.github.io/distribution/spec/auth/token/> in the grammar of RFC 9110, section 11.6.1.

/// An authentication scheme that a registry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// With a token of the service at `realm`.
    Bearer {
        /// The URL of the token service.
        realm: String,
        /// The service to name to it.
        service: Option<String>,
    },
    /// With user name and password.
    Basic,
}

/// The best challenge in a header's value; none when it has none that is supported.
pub fn parse(header: &str) -> Option<Challenge> {
    let challenges = challenges(header);
    let named = |scheme: &str| challenges.iter().find(|it| it.scheme.eq_ignore_ascii_case(scheme));
    let bearer = named("bearer").and_then(|challenge| {
        let parameter = |name: &str| {
            let found = challenge.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        Some(Challenge::Bearer { realm: parameter("realm")?, service: parameter("service") })
    });
    bearer.or_else(|| named("basic").map(|_| Challenge::Basic))
}

#[derive(Debug)]
struct OneChallenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

fn challenges(header: &str) -> Vec<OneChallenge> {
    let mut found: Vec<OneChallenge> = Vec::new();
    let mut rest = header.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (word, after) = token(rest);
        if word.is_empty() {
            return found;
        }
        let after = after.trim_start();
        match (after.strip_prefix('='), found.last_mut()) {
            (Some(value), Some(challenge)) => {
                let (value, after) = parameter(value.trim_start());
                challenge.parameters.push((word.to_owned(), value));
                rest = after;
            }
            (Some(_), None) => return found,
            (None, _) => {
                found.push(OneChallenge { scheme: word.to_owned(), parameters: Vec::new() });
                rest = after;
            }
        }
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    found
}

fn token(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)));
    text.split_at(end.unwrap_or(text.len()))
}

/// A token or a quoted string, and the text after it.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        // Some servers leave out the quotes around a URL.
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &quoted[at + 1..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(header: &str, expected: Expect) {
        expected.assert_eq(&format!("{:?}", parse(header)));
    }

    #[test]
    fn a_token_service_and_what_to_tell_it() {
        check(
            r#"Bearer realm="https://demo.tencentcloudcr.com/service/token",service="harbor-registry""#,
            expect![[
                r#"Some(Bearer { realm: "https://demo.tencentcloudcr.com/service/token", service: Some("harbor-registry") })"#
            ]],
        );
        check(
            r#"bearer  Realm = "https://h/t" , scope="a,b" , error="invalid \"token\"""#,
            expect![[r#"Some(Bearer { realm: "https://h/t", service: None })"#]],
        );
        check(
            "Bearer realm=https://h/t",
            expect![[r#"Some(Bearer { realm: "https://h/t", service: None })"#]],
        );
    }

    #[test]
    fn of_several_challenges_the_token_service_is_the_better() {
        check(
            r#"Basic realm="r", Bearer realm="https://h/t""#,
            expect![[r#"Some(Bearer { realm: "https://h/t", service: None })"#]],
        );
        check(r#"Basic realm="registry""#, expect!["Some(Basic)"]);
        check(r#"Bearer service="s", Basic realm="r""#, expect!["Some(Basic)"]);
    }

    #[test]
    fn what_cannot_be_met_is_none() {
        check("", expect!["None"]);
        check("Negotiate", expect!["None"]);
        check("Bearer", expect!["None"]);
        check(r#"realm="x""#, expect!["None"]);
    }

    proptest! {
        #[test]
        fn any_header_is_read_to_its_end(header in "[ -~\u{e9}]{0,80}") {
            parse(&header);
        }
    }
}
