//! One image of a Pod, with all facts about it. Pure.

use tcr::docker_config::keyring::Credential;
use tcr::image_ref::ImageRef;

use super::conditions::Meaning;
use super::facts::{AskedFor, Facts};
use super::findings::{Problem, Verdict};
use super::kubelet::PullFailure;
use super::selection::Selected;
use registry_client::PullAnswer;

/// The conclusion: the verdict, the problem if there is one, and notes.
pub(super) type Conclusion = (Verdict, Option<Problem>, Vec<String>);

/// One image of the Pod.
pub(super) struct Case<'a> {
    pub(super) facts: &'a Facts,
    /// The image as the Pod has it.
    pub(super) text: &'a str,
    /// Its registry, in lower case.
    pub(super) host: String,
    /// The image reference in full; or why its registry cannot be asked from here, although kubelets accept
    /// the image.
    pub(super) image: Result<ImageRef, String>,
    /// ImagePullSecrets that are for its host.
    pub(super) asked: Vec<(&'a AskedFor, Selected)>,
    /// Credentials that the kubelet tries, and the registry's answer to each.
    pub(super) tries: Vec<(Credential<'a>, Option<&'a PullAnswer>)>,
    /// The registry's answer to an anonymous request.
    pub(super) anonymous: Option<&'a PullAnswer>,
    /// The error of the kubelet's last pull.
    pub(super) failure: Option<PullFailure>,
}

impl Case<'_> {
    /// Which other facts explain the failed pull.
    pub(super) fn meaning(&self) -> Option<Meaning> {
        self.failure.as_ref()?.meaning()
    }

    /// The image was pulled, and because of it the container does not start.
    pub(super) fn is_of_start(&self) -> bool {
        self.failure.as_ref().is_some_and(PullFailure::is_of_start)
    }

    pub(super) fn is_registry(&self, host: &str) -> bool {
        let name = |host: &str| host.strip_suffix(":443").unwrap_or(host).to_owned();
        let own = name(&self.host);
        name(host) == own
            || (own == "docker.io" && matches!(host, "registry-1.docker.io" | "index.docker.io"))
    }

    /// The image reference in full, where there is one.
    pub(super) fn name(&self) -> String {
        self.image.as_ref().map_or_else(|_| self.text.to_owned(), ToString::to_string)
    }

    pub(super) fn repository(&self) -> &str {
        self.image.as_ref().map_or(self.text, |it| it.repository.as_str())
    }
}

pub(super) fn fails(problem: Problem) -> Conclusion {
    (Verdict::Fails, Some(problem), Vec::new())
}
