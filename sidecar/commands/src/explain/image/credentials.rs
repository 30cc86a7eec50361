//! Which credential is meant for an image, and the faults of the existing ones.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tcr::docker_config::keyring::Credential;
use tcr::image_ref::host_of;
use tcr::names::{TCR_ROOT_DOMAIN, derived_secret_name};
use tcr::registry_host::RegistryHost;

use super::super::case::Case;
use super::super::conditions::Meaning;
use super::super::facts::{AskedFor, Content, SecretFacts};
use super::super::findings::Problem;
use super::super::problem;
use super::super::selection::{Selected, selected, then_again};
use crate::reader::{Controller, Seen};
use custom_resource::condition::ConditionType;
use registry_client::PullAnswer;

impl<'a> Case<'a> {
    /// Kubelets compare hosts case-sensitively, and keys of credentials are in lower case.
    pub(super) fn capitals(&self) -> Option<Problem> {
        let host = host_of(self.text);
        let lower = host.to_ascii_lowercase();
        let is_public = self.failure.is_none() && matches!(self.anonymous, Some(PullAnswer::Pulls));
        if host == lower || !self.tries.is_empty() || is_public {
            return None;
        }
        let would_match = !self.facts.credentials(&self.text.replacen(host, &lower, 1)).is_empty();
        (would_match || !self.asked.is_empty()).then(|| {
            Problem::new(
                "HostNotLowerCase",
                format!("kubelets compare hosts as they are written and find no credential for {host}"),
                format!("write the image's host in lower case, {lower}, and make the Pod again"),
            )
        })
    }

    /// Every entry for it is unusable for kubelets.
    pub(super) fn without_password(&self) -> Option<Problem> {
        let (Credential { secret, key, login }, answer) =
            self.tries.iter().find(|(it, _)| it.login.password.is_empty() || it.login.is_not_utf8)?;
        if !self.tries.iter().all(|(it, _)| it.login.password.is_empty() || it.login.is_not_utf8) {
            return None;
        }
        let is_no = |answer: &Option<&PullAnswer>| {
            matches!(answer, Some(PullAnswer::Refused(_) | PullAnswer::NotAllowed(_)))
        };
        // With an empty entry a public image is pulled anonymously.
        let is_anonymous = login.username.is_empty() && !login.is_not_utf8;
        if is_anonymous && !is_no(answer) && self.meaning() != Some(Meaning::Credential) {
            return None;
        }
        let entry = format!("the entry {key} of Secret {secret}");
        let message = if login.is_not_utf8 {
            format!("{entry} is not UTF-8, and container runtimes take nothing else")
        } else if login.has_identity_token {
            format!(
                "{entry} has an identity token, which kubelets do not know: they show the user {:?} with an empty \
                 password",
                login.username
            )
        } else if login.username.is_empty() {
            format!(
                "{entry} is empty: what it stands for is in a credential store (credsStore) of the machine that it \
                 was made on, and nodes do not have it"
            )
        } else {
            format!("{entry} has the user {:?} and no password", login.username)
        };
        let to_do = format!("write a user name and a password for {} into Secret {secret}", self.host);
        Some(Problem::new("CredentialWithoutPassword", message, to_do))
    }

    /// The first Secret of the Pod's list that makes every pull fail.
    pub(super) fn broken(&self) -> Option<(&'a str, &'a str)> {
        self.facts.pod.references.iter().find_map(|name| match self.secret(name)?.content {
            Content::Broken(ref why) => Some((name.as_str(), why.as_str())),
            Content::Logins(_) | Content::Ignored(_) => None,
        })
    }

    /// A Secret that exists and was read.
    pub(super) fn secret(&self, name: &str) -> Option<&'a SecretFacts> {
        self.facts.secrets.get(name)?.known()?.as_ref()
    }

    /// The ImagePullSecret whose Secret the Pod should have: one that selects the Pod before one that does
    /// not, and of those the one that lacks least.
    pub(super) fn best(&self) -> Option<(&'a AskedFor, &Selected)> {
        let is_listed =
            |asked: &AskedFor| self.facts.pod.references.contains(&derived_secret_name(&asked.name));
        let rank = |asked: &AskedFor, selected: &Selected| match selected {
            Selected::Yes => 0,
            Selected::Unknown(_) => 1,
            // It selected the Pod when the Pod was created.
            Selected::No(_) if is_listed(asked) => 2,
            Selected::No(problem) => match problem.reason {
                "ServiceAccountNotSelected" => 3,
                "ServiceAccountExcluded" => 4,
                "NamespaceNotSelected" => 5,
                "NamespaceExcluded" => 6,
                _ => 7,
            },
        };
        // An ImagePullSecret that selects the Pod is meant for it, whatever it may pull; of the others one
        // that may pull the image.
        let rank = |asked: &AskedFor, selected: &Selected| {
            (matches!(selected, Selected::No(_)), !asked.may_pull(self.text), rank(asked, selected))
        };
        let best = self.asked.iter().min_by_key(|(asked, selected)| rank(asked, selected));
        best.map(|(asked, selected)| (*asked, selected))
    }

    /// Why the Secret that is meant for it does not help; none when that is not known.
    pub(super) fn missing(&self) -> Option<Problem> {
        let (asked, selected) = self.best()?;
        match selected {
            Selected::No(problem) => return Some(problem.clone()),
            Selected::Unknown(_) => return None,
            Selected::Yes => {}
        }
        if let Some(problem) = self.lacking() {
            return Some(problem);
        }
        let secret = derived_secret_name(&asked.name);
        let is_listed = self.facts.pod.references.contains(&secret);
        // A reference to a missing Secret would not help.
        match self.facts.secrets.get(&secret)? {
            Seen::Known(None) => {
                if let Some(problem) = self.invalid() {
                    return Some(problem);
                }
                if is_listed || self.is_away() {
                    return Some(problem::secret_missing(self, asked, self.is_away()));
                }
            }
            Seen::Known(Some(found)) if !found.is_for(self.text) => {
                return Some(problem::secret_useless(self, asked, found, self.is_away()));
            }
            Seen::Known(Some(_)) => {}
            Seen::Denied(_) | Seen::Failed(_) if is_listed => return None,
            Seen::Denied(_) | Seen::Failed(_) => {}
        }
        (!is_listed).then(|| problem::not_listed(self.facts, asked, &secret))
    }

    /// By their ImagePullSecrets, none of the credentials that are meant for the Pod may pull the image.
    pub(super) fn lacking(&self) -> Option<Problem> {
        let selected = |it: &&(&'a AskedFor, Selected)| it.1 == Selected::Yes;
        let mut here = self.asked.iter().filter(selected).peekable();
        here.peek()?;
        if here.any(|(asked, _)| asked.may_pull(self.text)) {
            return None;
        }
        let is_listed = |it: &&&(&'a AskedFor, Selected)| {
            self.facts.pod.references.contains(&derived_secret_name(&it.0.name))
        };
        let here = || self.asked.iter().filter(selected);
        let (asked, _) = here().find(|it| is_listed(&it)).or(here().next())?;
        let elsewhere = self.asked.iter().find_map(|(other, selected)| match selected {
            Selected::No(problem) if other.may_pull(self.text) => Some(problem.message.as_str()),
            _ => None,
        });
        Some(problem::registry_namespace_lacking(self.facts, asked, self.text, elsewhere))
    }

    /// Every credential that is tried belongs to an ImagePullSecret whose rights do not include the image.
    pub(super) fn shown_in_vain(&self) -> Option<Problem> {
        let may_not = |credential: &Credential<'_>| {
            let of = |asked: &AskedFor| derived_secret_name(&asked.name) == credential.secret;
            self.asked.iter().any(|(asked, _)| of(asked) && !asked.may_pull(self.text))
        };
        let is_in_vain =
            !self.tries.is_empty() && self.tries.iter().all(|(credential, _)| may_not(credential));
        self.lacking().filter(|_| is_in_vain)
    }

    /// The controller's condition about the credential that is meant for the image, where that is not valid.
    pub(super) fn invalid(&self) -> Option<Problem> {
        let (asked, selected) = self.best()?;
        is_invalid(asked)
            .filter(|_| *selected == Selected::Yes)
            .map(|it| problem::credential_invalid(asked, it))
    }

    /// An ImagePullSecret that selects the Pod and has so little from the cloud that its hosts are not known:
    /// it may be the one for this image, where no other is.
    pub(super) fn without_hosts(&self) -> Option<Problem> {
        let is_of_tcr = self.host.parse::<RegistryHost>().is_ok_and(|host| host.is_under(TCR_ROOT_DOMAIN));
        if !is_of_tcr || self.best().is_some_and(|(_, selected)| *selected == Selected::Yes) {
            return None;
        }
        let mut all =
            self.facts.asked.known()?.iter().filter(|it| it.hosts.is_empty() && it.spec.tcr.is_some());
        all.find_map(|asked| {
            let condition = is_invalid(asked)?;
            let problem = problem::credential_invalid(asked, condition);
            let again = then_again(self.facts, &derived_secret_name(&asked.name));
            (selected(asked, self.facts) == Selected::Yes).then(|| Problem {
                message: format!(
                    "{}; so its hosts are not known, and {} may be one",
                    problem.message, self.host
                ),
                to_do: format!("{}{again}", problem.to_do),
                ..problem
            })
        })
    }

    pub(super) fn is_away(&self) -> bool {
        self.facts.controller == Seen::Known(Controller::Away)
    }

    /// Every credential that is tried is refused.
    pub(super) fn refused(&self) -> Problem {
        if let Some(problem) = self.shown_in_vain() {
            return problem;
        }
        let managed = self.asked.iter().find_map(|(asked, _)| {
            let secret = derived_secret_name(&asked.name);
            let (_, answer) = self.tries.iter().find(|(credential, _)| credential.secret == secret)?;
            Some((*asked, secret, *answer))
        });
        let Some((asked, secret, answer)) = managed else {
            return self.refused_own();
        };
        if let Some(PullAnswer::NotAllowed(why)) = answer {
            return Problem::new(
                "NotAllowed",
                format!("the credential of Secret {secret} is let in and may not pull: {why}"),
                format!(
                    "correct the image's name, or let the identity behind ImagePullSecret {} pull {} \
                     (tcr:PullRepository)",
                    asked.name,
                    self.repository()
                ),
            );
        }
        if let Some(found) = self.secret(&secret)
            && (!found.is_ours || found.edited_by.is_some())
        {
            return problem::secret_useless(self, asked, found, self.is_away());
        }
        if let Some(problem) = self.invalid() {
            return problem;
        }
        let why = match answer {
            Some(PullAnswer::Refused(why)) => why.as_str(),
            _ => "the registry refused it when the kubelet pulled",
        };
        problem::credential_refused(asked, &secret, why, self.is_away())
    }

    /// The Pod's own credential is refused, and it has none of ours.
    fn refused_own(&self) -> Problem {
        let own = self.tries.iter().map(|(credential, _)| credential.secret).collect::<Vec<_>>();
        let mut own = own;
        own.dedup();
        let names = own.join(", ");
        let message = format!("the registry refuses the credential of Secret {names}");
        let correct = format!("correct the credential in Secret {names}");
        match self.missing() {
            // Our Secret would be on the Pod, but for this problem.
            Some(Problem { reason, message: ours, to_do, who })
                if self.best().is_some_and(|(_, selected)| *selected == Selected::Yes) =>
            {
                Problem { reason, message: format!("{message}; {ours}"), to_do, who }
            }
            Some(Problem { message: ours, to_do, .. }) => Problem::new(
                "CredentialRefused",
                format!("{message}; {ours}"),
                format!("{correct}; or {to_do}"),
            ),
            None => Problem::new("CredentialRefused", message, correct),
        }
    }
}

/// The condition by which the controller reports that there is no valid credential.
fn is_invalid(asked: &AskedFor) -> Option<&Condition> {
    let is_it = |it: &&Condition| it.type_ == ConditionType::CredentialValid.as_str() && it.status == "False";
    asked.conditions.iter().find(is_it)
}
