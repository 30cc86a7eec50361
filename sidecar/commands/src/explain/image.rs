//! What becomes of one image, from everything that is known. Pure.

use tcr::docker_config::keyring::Credential;
use tcr::image_ref::{ImageRef, host_of};
use tcr::names::{TCR_ROOT_DOMAIN, derived_secret_name};
use tcr::registry_host::RegistryHost;
use tcr::rules::nearest;

use super::facts::{AskedFor, Content, Facts, ImageUse, Question, SecretFacts};
use super::findings::{AskedFinding, ImageFinding, Problem, Try, Verdict};
use super::kubelet::{self, Heard, PullError};
use super::problem;
use super::selection::{Selected, selected};
use crate::reader::{Controller, Seen};
use registry_client::PullAnswer;

/// What can be said: how sure it is, why not, and what should be known besides.
type Conclusion = (Verdict, Option<Problem>, Vec<String>);

/// One image of the Pod.
pub(super) struct Case<'a> {
    pub(super) facts: &'a Facts,
    /// The image as the Pod has it.
    pub(super) text: &'a str,
    pub(super) image: ImageRef,
    /// ImagePullSecrets that are for its host.
    pub(super) asked: Vec<(&'a AskedFor, Selected)>,
    /// Credentials that the kubelet shows, and what the registry says to each.
    tries: Vec<(Credential<'a>, Option<&'a PullAnswer>)>,
    /// What it says to nobody in particular.
    anonymous: Option<&'a PullAnswer>,
    /// What the kubelet's last pull failed by.
    pub(super) heard: Option<Heard>,
}

/// What is found out about an image; `used` is never empty.
pub(super) fn finding<'a>(image: &'a str, used: &[&ImageUse], facts: &'a Facts) -> ImageFinding {
    let users = used.iter().map(|it| it.user.clone()).collect();
    let empty = ImageFinding {
        image: image.to_owned(),
        users,
        registry: None,
        asked: Vec::new(),
        tries: Vec::new(),
        without_credential: None,
        verdict: Verdict::Fails,
        problem: None,
        notes: Vec::new(),
    };
    let parsed = match image.parse::<ImageRef>() {
        Ok(parsed) => parsed,
        Err(error) => {
            let to_do = "correct the image's name, and make the Pod again";
            let problem = Some(Problem::new("InvalidImage", error.to_string(), to_do));
            return ImageFinding { problem, ..empty };
        }
    };
    let case = Case::new(image, parsed, used, facts);
    let (mut verdict, mut problem, mut notes) = case.conclude();
    if let Some(problem) = problem.as_mut().filter(|it| it.reason == "ReferenceMissing")
        && used.iter().all(|it| it.user.starts_with("ephemeral container"))
    {
        problem.to_do = problem::debug_a_copy(facts, image);
    }
    if used.iter().all(|it| it.is_there) {
        // What happened counts for more than what would.
        if let Some(Problem { message, to_do, .. }) = problem.take() {
            notes.push(format!(
                "it is on the node already; the next pull fails: {message}. Before that: {to_do}"
            ));
        }
        verdict = Verdict::Pulls;
    }
    let asked = |(asked, selected): &(&AskedFor, Selected)| AskedFinding {
        name: asked.name.clone(),
        selected: *selected == Selected::Yes,
        says: selected.says(asked),
    };
    let one_try = |(credential, answer): &(Credential<'_>, Option<&PullAnswer>)| Try {
        secret: credential.secret.to_owned(),
        key: credential.key.to_owned(),
        username: credential.login.username.clone(),
        registry: answer.cloned(),
    };
    ImageFinding {
        registry: Some(case.image.host.to_string()),
        asked: case.asked.iter().map(asked).collect(),
        tries: case.tries.iter().map(one_try).collect(),
        without_credential: case.anonymous.cloned(),
        verdict,
        problem,
        notes,
        ..empty
    }
}

impl<'a> Case<'a> {
    fn new(text: &'a str, image: ImageRef, used: &[&ImageUse], facts: &'a Facts) -> Self {
        let host = image.host.as_str();
        let all = facts.asked.known().map(Vec::as_slice).unwrap_or_default();
        let asked = all.iter().filter(|it| it.hosts.iter().any(|it| it == host));
        let asked = asked.map(|it| (it, selected(it, facts))).collect();
        let answer = |credential| facts.answers.get(&Question { image: text.to_owned(), credential });
        let credentials = facts.credentials(text).into_iter();
        let tries =
            credentials.map(|it| (it, answer(Some((it.secret.to_owned(), it.key.to_owned()))))).collect();
        Self { facts, text, asked, tries, anonymous: answer(None), heard: heard(text, used, facts), image }
    }

    fn conclude(&self) -> Conclusion {
        if let Some((name, why)) = self.broken() {
            return fails(Problem::new(
                "SecretBroken",
                format!("the Pod refers to the Secret {name}, by which every pull of it fails: {why}"),
                format!("correct the Secret {name}"),
            ));
        }
        if let Some(conclusion) = self.node_says() {
            return conclusion;
        }
        if let Some(problem) = self.capitals() {
            return fails(problem);
        }
        let working = self.tries.iter().position(|(_, answer)| matches!(answer, Some(PullAnswer::Pulls)));
        if let Some(position) = working {
            return self.reachable(self.refused_before(position));
        }
        if self.tries.is_empty() {
            return match self.anonymous {
                Some(PullAnswer::Pulls) => self.reachable(vec!["it needs no credential".to_owned()]),
                _ => self.without_credential(),
            };
        }
        if let Some((_, Some(PullAnswer::NotFound(why)))) =
            self.tries.iter().find(|(_, answer)| matches!(answer, Some(PullAnswer::NotFound(_))))
        {
            return fails(self.not_found(why));
        }
        if let Some(problem) = self.without_password() {
            return fails(problem);
        }
        let is_no = |answer: &Option<&PullAnswer>| {
            matches!(answer, Some(PullAnswer::Refused(_) | PullAnswer::NotAllowed(_)))
        };
        if self.tries.iter().all(|(_, answer)| is_no(answer)) {
            return fails(self.refused());
        }
        self.unasked()
    }

    fn error(&self) -> Option<PullError> {
        self.heard.as_ref().map(|it| it.error)
    }

    /// What the node says, and neither a credential nor an answer of the registry changes.
    fn node_says(&self) -> Option<Conclusion> {
        let heard = self.heard.as_ref()?;
        match heard.error {
            PullError::NeverPulled => Some(fails(problem::never_pulled())),
            PullError::Node(condition) => Some(fails(problem::condition(self, condition, heard))),
            PullError::Unknown => {
                Some((Verdict::Unknown, Some(problem::unknown_words(self, heard)), Vec::new()))
            }
            PullError::BackOff => None,
            error => {
                if let Some(host) = heard.host.as_deref().filter(|host| !self.is_registry(host)) {
                    // A token service may have a host of its own: its refusal is about the credential.
                    let is_its_own =
                        heard.is_of_layer || matches!(error, PullError::Network | PullError::Certificate);
                    return is_its_own.then(|| fails(problem::other_host(self, host, heard)));
                }
                match error {
                    _ if self.tries.is_empty() => None,
                    PullError::Network => Some(fails(problem::cannot_reach(self))),
                    PullError::Certificate => Some(fails(problem::certificate(self))),
                    _ => None,
                }
            }
        }
    }

    fn is_registry(&self, host: &str) -> bool {
        let name = |host: &str| host.strip_suffix(":443").unwrap_or(host).to_owned();
        let own = name(self.image.host.as_str());
        name(host) == own
            || (own == "docker.io" && matches!(host, "registry-1.docker.io" | "index.docker.io"))
    }

    /// Kubelets compare hosts as they are written, and keys of credentials are in lower case.
    fn capitals(&self) -> Option<Problem> {
        let host = host_of(self.text);
        let lower = host.to_ascii_lowercase();
        let is_public = self.heard.is_none() && matches!(self.anonymous, Some(PullAnswer::Pulls));
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

    /// Every entry for it is one that kubelets can make nothing of.
    fn without_password(&self) -> Option<Problem> {
        let (Credential { secret, key, login }, answer) =
            self.tries.iter().find(|(it, _)| it.login.password.is_empty() || it.login.is_not_utf8)?;
        if !self.tries.iter().all(|(it, _)| it.login.password.is_empty() || it.login.is_not_utf8) {
            return None;
        }
        let is_no = |answer: &Option<&PullAnswer>| {
            matches!(answer, Some(PullAnswer::Refused(_) | PullAnswer::NotAllowed(_)))
        };
        // With an empty entry a public image is pulled as with none.
        let is_anonymous = login.username.is_empty() && !login.is_not_utf8;
        if is_anonymous && !is_no(answer) && self.error() != Some(PullError::Credential) {
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
        let to_do = format!("write a user name and a password for {} into Secret {secret}", self.image.host);
        Some(Problem::new("CredentialWithoutPassword", message, to_do))
    }

    /// The first Secret of the Pod's list by which every pull fails.
    fn broken(&self) -> Option<(&'a str, &'a str)> {
        self.facts.pod.references.iter().find_map(|name| match self.secret(name)?.content {
            Content::Broken(ref why) => Some((name.as_str(), why.as_str())),
            Content::Logins(_) | Content::Ignored(_) => None,
        })
    }

    /// A Secret that was read and is there.
    fn secret(&self, name: &str) -> Option<&'a SecretFacts> {
        self.facts.secrets.get(name)?.known()?.as_ref()
    }

    /// Credentials that are shown in vain before the one at `position`.
    fn refused_before(&self, position: usize) -> Vec<String> {
        let before = self.tries.iter().take(position);
        let refused = before.filter_map(|(credential, answer)| match answer {
            Some(PullAnswer::Refused(why) | PullAnswer::NotAllowed(why) | PullAnswer::NotFound(why)) => {
                Some(format!(
                    "each pull shows the credential of Secret {} in vain first ({why}): correct it, or take it out",
                    credential.secret
                ))
            }
            _ => None,
        });
        refused.collect()
    }

    /// The registry would let it be pulled, asked from here.
    fn reachable(&self, mut notes: Vec<String>) -> Conclusion {
        let Some(heard) = &self.heard else { return (Verdict::Pulls, None, notes) };
        match heard.error {
            PullError::Network => fails(problem::cannot_reach(self)),
            PullError::Certificate => fails(problem::certificate(self)),
            PullError::BackOff => {
                notes.push(
                    "the kubelet waits after pulls that failed, and does not say why they did".to_owned(),
                );
                (Verdict::Likely, None, notes)
            }
            _ => {
                notes.push(format!(
                    "the kubelet's last pull failed, and it tries again within five minutes: {}",
                    heard.words
                ));
                (Verdict::Pulls, None, notes)
            }
        }
    }

    /// At least one credential could not be tried here: what the kubelet heard decides.
    fn unasked(&self) -> Conclusion {
        if let Some(problem) = self.invalid() {
            return fails(problem);
        }
        match self.error() {
            Some(PullError::Network) => return fails(problem::cannot_reach(self)),
            Some(PullError::Certificate) => return fails(problem::certificate(self)),
            Some(PullError::NotFound) => return fails(self.not_found("the kubelet says so")),
            Some(PullError::Credential) => return fails(self.refused()),
            _ => {}
        }
        let whys = self.tries.iter().filter_map(|(_, answer)| match answer {
            Some(PullAnswer::Unknown(why)) => Some(why),
            _ => None,
        });
        let note = match whys.into_iter().next() {
            Some(why) => format!("the registry could not be asked from here: {why}"),
            None => "the registry was not asked".to_owned(),
        };
        (Verdict::Likely, None, vec![note])
    }

    /// No Secret that could be read is for this image.
    fn without_credential(&self) -> Conclusion {
        let unread = self.facts.pod.references.iter().find_map(|name| {
            let why = self.facts.secrets.get(name)?.missing()?;
            Some(format!("the Secret {name} could not be read: {why}"))
        });
        // One that could not be read may be for it, unless the kubelet tried it in vain.
        let is_sure = unread.is_none() || self.error() == Some(PullError::Credential);
        if let Some(problem) = self.missing().filter(|_| is_sure) {
            return fails(problem);
        }
        if let Some(unread) = unread {
            return match self.error() {
                Some(PullError::Network) => fails(problem::cannot_reach(self)),
                Some(PullError::Certificate) => fails(problem::certificate(self)),
                Some(PullError::NotFound) => fails(self.not_found("the kubelet says so")),
                Some(PullError::Credential) => {
                    let refused = "the kubelet's last pull was refused".to_owned();
                    (Verdict::Unknown, None, vec![unread, refused])
                }
                _ => (Verdict::Unknown, None, vec![unread]),
            };
        }
        if !self.asked.is_empty() {
            return (Verdict::Unknown, None, self.selection_unknown());
        }
        if let Some(problem) = self.unknown_host() {
            return fails(problem);
        }
        let host = &self.image.host;
        if let Some(PullAnswer::NotFound(why)) = self.anonymous {
            return fails(self.not_found(why));
        }
        if let Some(PullAnswer::NotAllowed(why)) = self.anonymous {
            return fails(problem::no_credential(self.facts, host, why));
        }
        match (self.error(), self.facts.asked.missing()) {
            (Some(PullError::Network), _) => fails(problem::cannot_reach(self)),
            (Some(PullError::Certificate), _) => fails(problem::certificate(self)),
            (Some(PullError::NotFound), _) => fails(self.not_found("the kubelet says so")),
            (Some(PullError::Credential), None) => {
                fails(problem::no_credential(self.facts, host, "the registry asked the kubelet for one"))
            }
            (_, Some(why)) => {
                (Verdict::Unknown, None, vec![format!("ImagePullSecrets could not be read: {why}")])
            }
            (_, None) => {
                let note = format!(
                    "no Secret is for {host}: it is pulled without a credential, as public images are"
                );
                (Verdict::Likely, None, vec![note])
            }
        }
    }

    fn selection_unknown(&self) -> Vec<String> {
        let unknown = self.asked.iter().filter_map(|(_, selected)| match selected {
            Selected::Unknown(why) => Some(why.clone()),
            Selected::Yes | Selected::No(_) => None,
        });
        unknown.collect()
    }

    /// The ImagePullSecret whose Secret would be the Pod's: one that selects it before one that does not.
    fn best(&self) -> Option<(&'a AskedFor, &Selected)> {
        let rank = |selected: &Selected| match selected {
            Selected::Yes => 0,
            Selected::Unknown(_) => 1,
            Selected::No(_) => 2,
        };
        let best = self.asked.iter().min_by_key(|(_, selected)| rank(selected));
        best.map(|(asked, selected)| (*asked, selected))
    }

    /// Why the Secret that is meant for it does not help; none when that is not known.
    fn missing(&self) -> Option<Problem> {
        let (asked, selected) = self.best()?;
        match selected {
            Selected::No(problem) => return Some(problem.clone()),
            Selected::Unknown(_) => return None,
            Selected::Yes => {}
        }
        let secret = derived_secret_name(&asked.name);
        let is_listed = self.facts.pod.references.contains(&secret);
        // A reference to what does not exist would not help.
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

    /// What the controller says about the credential that is meant for it, when that is no good.
    fn invalid(&self) -> Option<Problem> {
        let (asked, selected) = self.best()?;
        let condition =
            asked.conditions.iter().find(|it| it.type_ == "CredentialValid" && it.status == "False");
        condition.filter(|_| *selected == Selected::Yes).map(|it| problem::credential_invalid(asked, it))
    }

    fn is_away(&self) -> bool {
        self.facts.controller == Seen::Known(Controller::Away)
    }

    /// Every credential that is shown is refused.
    fn refused(&self) -> Problem {
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
                    asked.name, self.image.repository
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

    /// Somebody's own credential is refused, and there is none of ours on the Pod.
    fn refused_own(&self) -> Problem {
        let own = self.tries.iter().map(|(credential, _)| credential.secret).collect::<Vec<_>>();
        let mut own = own;
        own.dedup();
        let names = own.join(", ");
        let message = format!("the registry refuses the credential of Secret {names}");
        let correct = format!("correct the credential in Secret {names}");
        match self.missing() {
            // It would be the Pod's, had it not been for something.
            Some(Problem { reason, message: ours, to_do })
                if self.best().is_some_and(|(_, selected)| *selected == Selected::Yes) =>
            {
                Problem { reason, message: format!("{message}; {ours}"), to_do }
            }
            Some(Problem { message: ours, to_do, .. }) => Problem::new(
                "CredentialRefused",
                format!("{message}; {ours}"),
                format!("{correct}; or {to_do}"),
            ),
            None => Problem::new("CredentialRefused", message, correct),
        }
    }

    fn not_found(&self, why: &str) -> Problem {
        Problem::new(
            "ImageNotFound",
            format!("there is no image {}: {why}", self.image),
            "correct the image's name or tag, or push it",
        )
    }

    /// The host is none of those that ImagePullSecrets are for, and looks as if it should be.
    fn unknown_host(&self) -> Option<Problem> {
        let host = &self.image.host;
        let all = self.facts.asked.known()?;
        let known: Vec<(&AskedFor, RegistryHost)> = all
            .iter()
            .flat_map(|asked| asked.hosts.iter().filter_map(move |host| Some((asked, host.parse().ok()?))))
            .collect();
        for (asked, other) in &known {
            let twin = if other.vpc().as_ref() == Some(host) {
                "vpc"
            } else if host.vpc().as_ref() == Some(other) {
                "default"
            } else {
                continue;
            };
            return Some(Problem::new(
                "DomainNotListed",
                format!(
                    "ImagePullSecret {} is for {other}, and not for {host}, the {twin} domain of the same instance",
                    asked.name
                ),
                format!("add {twin} to spec.tcr.domains of ImagePullSecret {}", asked.name),
            ));
        }
        let names: Vec<&str> = known.iter().map(|(_, host)| host.as_str()).collect();
        if let Some(near) = nearest_host(host.as_str(), &names) {
            return Some(Problem::new(
                "RegistryUnknown",
                format!("no ImagePullSecret is for {host}; the nearest registry is {near}"),
                format!("correct the image's host to {near}, and make the Pod again"),
            ));
        }
        host.is_under(TCR_ROOT_DOMAIN).then(|| {
            let others = if names.is_empty() {
                "there is none".to_owned()
            } else {
                format!("they are for {}", names.join(", "))
            };
            Problem::new(
                "RegistryUnknown",
                format!("no ImagePullSecret is for {host}: {others}"),
                format!("make an ImagePullSecret for the instance of {host}, or correct the image's host"),
            )
        })
    }
}

fn fails(problem: Problem) -> Conclusion {
    (Verdict::Fails, Some(problem), Vec::new())
}

/// What the kubelet's last pull failed by, while it waits to try again.
fn heard(image: &str, used: &[&ImageUse], facts: &Facts) -> Option<Heard> {
    let is_pull = |reason: &str| {
        matches!(
            reason,
            "ErrImagePull"
                | "ImagePullBackOff"
                | "ErrImageNeverPull"
                | "RegistryUnavailable"
                | "SignatureValidationFailed"
                | "InvalidImageName"
                | "ImageInspectError"
        )
    };
    let waiting = used.iter().filter_map(|it| it.waiting.as_ref()).filter(|(reason, _)| is_pull(reason));
    let waiting: Vec<Heard> =
        waiting.map(|(reason, message)| kubelet::hear(&format!("{reason}: {message}"))).collect();
    // Nothing waits for a volume but the Pod as a whole.
    let is_volume = used.iter().any(|it| !it.is_there && it.user.starts_with("volume "));
    if waiting.is_empty() && !is_volume {
        return None;
    }
    if let Some(said) = waiting.iter().find(|it| it.error != PullError::BackOff) {
        return Some(said.clone());
    }
    let events = facts.events.known().map(Vec::as_slice).unwrap_or_default();
    let failed = events.iter().filter(|it| it.reason == "Failed" && it.message.contains(image));
    let said = failed.map(|it| kubelet::hear(&it.message)).find(|it| it.error != PullError::BackOff);
    said.or_else(|| waiting.into_iter().next())
}

/// The known host that is meant: under the same domain one with a label like it, else one that is like it as a whole.
fn nearest_host<'a>(host: &str, known: &[&'a str]) -> Option<&'a str> {
    let (label, domain) = host.split_once('.')?;
    let beside = known.iter().filter_map(|it| it.split_once('.').filter(|(_, other)| *other == domain));
    let labels: Vec<&str> = beside.map(|(label, _)| label).collect();
    if let Some(near) = nearest(label, &labels) {
        return known.iter().find(|it| it.split_once('.') == Some((near, domain))).copied();
    }
    let elsewhere: Vec<&str> =
        known.iter().copied().filter(|it| it.split_once('.').is_none_or(|(_, it)| it != domain)).collect();
    // A third of a long name may be wrong to be near, which is another name here.
    nearest(host, &elsewhere)
        .filter(|it| it.split('.').next() == Some(label) || it.len().abs_diff(host.len()) <= 2)
}
