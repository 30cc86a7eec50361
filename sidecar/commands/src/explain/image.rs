//! The findings about one image. Pure.

use tcr::docker_config::keyring::Credential;
use tcr::image_name::ImageName;
use tcr::image_ref::{ImageRef, ImageRefProblem, host_of};

use super::admission::shown_as_any;
use super::case::{Case, Conclusion, fails};
use super::conditions::Meaning;
use super::facts::{AskedFor, Facts, ImageUse, Question};
use super::findings::{AskedFinding, ImageFinding, Problem, Try, Verdict};
use super::kubelet::PullError;
use super::problem::{self, reach};
use super::selection::{Selected, selected};
use registry_client::PullAnswer;

mod credentials;
mod failure;
mod unknown_host;

/// The finding about an image; `used` is never empty.
pub(super) fn finding<'a>(image: &'a str, used: &[&ImageUse], facts: &'a Facts) -> ImageFinding {
    let users = used.iter().map(|it| it.user.clone()).collect();
    let empty = ImageFinding {
        image: image.to_owned(),
        users,
        registry: None,
        on_node: used.iter().all(|it| it.is_there),
        asked: Vec::new(),
        tries: Vec::new(),
        without_credential: None,
        verdict: Verdict::Fails,
        problem: None,
        notes: Vec::new(),
    };
    let parsed = match named(image) {
        Ok(parsed) => parsed,
        Err(why) => {
            let to_do = "correct the image's name, and make the Pod again";
            let problem = Some(Problem::new("InvalidImage", why, to_do));
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
    if empty.on_node && !case.is_of_start() {
        // The kubelet's real error takes precedence over the registry's answer.
        if let Some(Problem { message, to_do, .. }) = problem.take() {
            notes.push(format!(
                "it is on the node already; the next pull fails: {message}. Before that: {to_do}"
            ));
        }
        verdict = Verdict::Pulls;
    }
    notes.extend(failure::does_not_start(used));
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
    let is_any = used.iter().any(|it| it.is_any);
    ImageFinding {
        image: if is_any { shown_as_any(image) } else { image.to_owned() },
        registry: Some(case.host.clone()),
        asked: case.asked.iter().map(asked).collect(),
        tries: case.tries.iter().map(one_try).collect(),
        without_credential: case.anonymous.cloned(),
        verdict,
        problem,
        notes,
        ..empty
    }
}

/// The image reference in full, or why its registry cannot be asked from here. Fails where kubelets do not
/// accept the image either.
fn named(image: &str) -> Result<Result<ImageRef, String>, String> {
    match (image.parse::<ImageRef>(), image.parse::<ImageName>()) {
        (Ok(parsed), _) => Ok(Ok(parsed)),
        (Err(error), Ok(_)) if matches!(error.reason, ImageRefProblem::Host(_)) => Ok(Err(error.to_string())),
        (Err(error), _) => Err(error.to_string()),
    }
}

impl<'a> Case<'a> {
    fn new(text: &'a str, image: Result<ImageRef, String>, used: &[&ImageUse], facts: &'a Facts) -> Self {
        let host =
            image.as_ref().map_or_else(|_| host_of(text).to_ascii_lowercase(), |it| it.host.to_string());
        let all = facts.asked.known().map(Vec::as_slice).unwrap_or_default();
        let asked = all.iter().filter(|it| it.hosts.contains(&host));
        let asked = asked.map(|it| (it, selected(it, facts))).collect();
        let answer = |credential| facts.answers.get(&Question { image: text.to_owned(), credential });
        let credentials = facts.credentials(text).into_iter();
        let tries =
            credentials.map(|it| (it, answer(Some((it.secret.to_owned(), it.key.to_owned()))))).collect();
        Self {
            facts,
            text,
            asked,
            tries,
            anonymous: answer(None),
            failure: failure::last_failure(text, used, facts),
            host,
            image,
        }
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

    /// Credentials that are refused before the one at `position` is tried.
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

    /// The host that the failed pull did not reach or trust.
    fn unreached(&self) -> Option<Problem> {
        let failure = self.failure.as_ref()?;
        let condition = failure.condition()?;
        match condition.meaning {
            Meaning::Network => Some(reach::cannot_reach(self, condition, failure)),
            Meaning::Certificate => Some(reach::certificate(self, condition, failure)),
            Meaning::Final | Meaning::Start | Meaning::Credential | Meaning::NotFound => None,
        }
    }

    /// The conclusion where the registry, asked from here, would allow the pull.
    fn reachable(&self, mut notes: Vec<String>) -> Conclusion {
        if let Some(problem) = self.unreached() {
            return fails(problem);
        }
        let Some(failure) = &self.failure else { return (Verdict::Pulls, None, notes) };
        if failure.error == PullError::BackOff {
            notes.push("the kubelet waits after pulls that failed, and does not say why they did".to_owned());
            return (Verdict::Likely, None, notes);
        }
        notes.push(format!(
            "the kubelet's last pull failed, and it tries again within five minutes: {}",
            failure.words
        ));
        (Verdict::Pulls, None, notes)
    }

    /// The conclusion where at least one credential could not be tried from here: the error of the failed
    /// pull decides.
    fn unasked(&self) -> Conclusion {
        if let Some(problem) = self.invalid().or_else(|| self.unreached()).or_else(|| self.shown_in_vain()) {
            return fails(problem);
        }
        match self.meaning() {
            Some(Meaning::NotFound) => return fails(self.not_found("the kubelet says so")),
            Some(Meaning::Credential) => return fails(self.refused()),
            _ => {}
        }
        let whys = self.tries.iter().filter_map(|(_, answer)| match answer {
            Some(PullAnswer::Unknown(why)) => Some(why),
            _ => None,
        });
        let note = match whys.into_iter().next().or(self.image.as_ref().err()) {
            Some(why) => format!("the registry could not be asked from here: {why}"),
            None => "the registry was not asked".to_owned(),
        };
        (Verdict::Likely, None, vec![note])
    }

    /// The conclusion where no readable Secret is for this image.
    fn without_credential(&self) -> Conclusion {
        let unread = self.facts.pod.references.iter().find_map(|name| {
            let why = self.facts.secrets.get(name)?.missing()?;
            Some(format!("the Secret {name} could not be read: {why}"))
        });
        // An unreadable Secret may be for it, unless the kubelet already tried it without success.
        let is_sure = unread.is_none() || self.meaning() == Some(Meaning::Credential);
        if let Some(problem) = self.without_hosts() {
            return fails(problem);
        }
        if let Some(problem) = self.missing().filter(|_| is_sure) {
            return fails(problem);
        }
        if let Some(unread) = unread {
            if let Some(problem) = self.unreached() {
                return fails(problem);
            }
            return match self.meaning() {
                Some(Meaning::NotFound) => fails(self.not_found("the kubelet says so")),
                Some(Meaning::Credential) => {
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
        let host = &self.host;
        if let Some(PullAnswer::NotFound(why)) = self.anonymous {
            return fails(self.not_found(why));
        }
        if let Some(PullAnswer::NotAllowed(why)) = self.anonymous {
            return fails(self.own_secret().unwrap_or_else(|| problem::no_credential(self.facts, host, why)));
        }
        if let Some(problem) = self.unreached() {
            return fails(problem);
        }
        match (self.meaning(), self.facts.asked.missing()) {
            (Some(Meaning::NotFound), _) => fails(self.not_found("the kubelet says so")),
            (Some(Meaning::Credential), None) => fails(self.own_secret().unwrap_or_else(|| {
                problem::no_credential(self.facts, host, "the registry asked the kubelet for one")
            })),
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

    fn not_found(&self, why: &str) -> Problem {
        Problem::new(
            "ImageNotFound",
            format!("there is no image {}: {why}", self.name()),
            "correct the image's name or tag, or push it",
        )
    }
}
