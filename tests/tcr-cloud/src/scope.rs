//! What a client asks a token service for, and what is left of that by its rights.
//!
//! The grammar is that of <https://distribution.github.io/distribution/spec/auth/scope/>.

use serde::Serialize;

/// One scope: `repository:team/app:pull,push`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// `repository`, `registry`, with a class in parentheses.
    kind: String,
    name: String,
    actions: Vec<String>,
}

/// What somebody may do in the repositories of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) pull: bool,
    pub(crate) push: bool,
}

/// What was granted on one resource; empty actions grant nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// `repository`; the client's own word for anything else.
    #[serde(rename = "type")]
    pub kind: String,
    /// The repository, `team/app`.
    pub name: String,
    /// Some of `pull` and `push`.
    pub actions: Vec<String>,
}

impl Scope {
    /// Reads one scope. The name may have colons, as in a host with a port. None when the form is another.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let well_formed = is_kind(kind)
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_graphic())
            && actions.split(',').all(is_action);
        well_formed.then(|| Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            actions: actions.split(',').filter(|action| !action.is_empty()).map(str::to_owned).collect(),
        })
    }

    /// The repository, or what else it is about.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What of it is within the rights: each action once, in the order asked for.
    pub(crate) fn narrow(self, rights: Rights) -> Access {
        let Self { kind, name, actions } = self;
        let mut granted: Vec<String> = Vec::new();
        // Only repositories: the catalogue and the like are for administrators, whom nothing here mints.
        if kind == "repository" && is_repository(&name) {
            for action in actions {
                if rights.allow(&action) && !granted.contains(&action) {
                    granted.push(action);
                }
            }
        }
        Access { kind, name, actions: granted }
    }
}

impl Rights {
    /// Both together.
    pub(crate) fn or(self, other: Self) -> Self {
        Self { pull: self.pull || other.pull, push: self.push || other.push }
    }

    /// No other action exists for repositories of TCR: `*` and `delete` are nobody's.
    fn allow(self, action: &str) -> bool {
        match action {
            "pull" => self.pull,
            "push" => self.push,
            _ => false,
        }
    }
}

/// Letters and digits, and perhaps a class: `repository(plugin)`.
fn is_kind(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((kind, class)) => word(kind) && word(class),
        None => word(text),
    }
}

/// Lower-case letters, none of them too, or the asterisk.
fn is_action(text: &str) -> bool {
    text == "*" || text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// A namespace of TCR and a repository in it, which may have further slashes.
fn is_repository(name: &str) -> bool {
    let alphanumeric =
        |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let component = |part: &str| {
        alphanumeric(part.bytes().next())
            && alphanumeric(part.bytes().last())
            && part.bytes().all(|byte| alphanumeric(Some(byte)) || matches!(byte, b'.' | b'_' | b'-'))
    };
    name.contains('/') && name.split('/').all(component)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const PULL: Rights = Rights { pull: true, push: false };
    const PUSH: Rights = Rights { pull: true, push: true };

    /// Each text, and what is granted of it.
    #[track_caller]
    fn check(rights: Rights, texts: &[&str], expected: Expect) {
        let lines = texts.iter().map(|text| match Scope::parse(text).map(|scope| scope.narrow(rights)) {
            None => format!("{text} -> malformed\n"),
            Some(Access { kind, name, actions }) => format!("{text} -> {kind} {name} {actions:?}\n"),
        });
        expected.assert_eq(&lines.collect::<String>());
    }

    #[test]
    fn scopes_have_a_type_a_name_and_actions() {
        check(
            PUSH,
            &[
                "repository:team/app:pull",
                "repository:team/app:pull,push",
                "repository:a/b/c.d_e-f:pull",
                "repository(plugin):team/app:pull",
                "repository:host:5000/team/app:pull",
                "registry:catalog:*",
                "repository:team/app:",
                "repository:team/app",
                "repository",
                "",
                ":team/app:pull",
                "repository::pull",
                "Repository:team/app:pull",
                "repository():team/app:pull",
                "repository:team/ app:pull",
                "repository:team/app:Pull",
                "repository:team/app:pull push",
            ],
            expect![[r#"
                repository:team/app:pull -> repository team/app ["pull"]
                repository:team/app:pull,push -> repository team/app ["pull", "push"]
                repository:a/b/c.d_e-f:pull -> repository a/b/c.d_e-f ["pull"]
                repository(plugin):team/app:pull -> repository(plugin) team/app []
                repository:host:5000/team/app:pull -> repository host:5000/team/app []
                registry:catalog:* -> registry catalog []
                repository:team/app: -> repository team/app []
                repository:team/app -> malformed
                repository -> malformed
                 -> malformed
                :team/app:pull -> malformed
                repository::pull -> malformed
                Repository:team/app:pull -> malformed
                repository():team/app:pull -> malformed
                repository:team/ app:pull -> malformed
                repository:team/app:Pull -> malformed
                repository:team/app:pull push -> malformed
            "#]],
        );
    }

    #[test]
    fn nothing_is_granted_beyond_the_rights_or_the_question() {
        let asked = [
            "repository:team/app:pull",
            "repository:team/app:push,pull",
            "repository:team/app:pull,pull,delete,*",
            "repository:app:pull",
            "repository:team/:pull",
            "repository:team/App:pull",
            "repository:team/-app:pull",
        ];
        check(
            PULL,
            &asked,
            expect![[r#"
                repository:team/app:pull -> repository team/app ["pull"]
                repository:team/app:push,pull -> repository team/app ["pull"]
                repository:team/app:pull,pull,delete,* -> repository team/app ["pull"]
                repository:app:pull -> repository app []
                repository:team/:pull -> repository team/ []
                repository:team/App:pull -> repository team/App []
                repository:team/-app:pull -> repository team/-app []
            "#]],
        );
        check(
            PUSH,
            &asked[..3],
            expect![[r#"
                repository:team/app:pull -> repository team/app ["pull"]
                repository:team/app:push,pull -> repository team/app ["push", "pull"]
                repository:team/app:pull,pull,delete,* -> repository team/app ["pull"]
            "#]],
        );
        check(
            Rights::default(),
            &asked[..2],
            expect![[r#"
                repository:team/app:pull -> repository team/app []
                repository:team/app:push,pull -> repository team/app []
            "#]],
        );
    }
}
