//! One image of a Pod, with all that is known of it. Pure.

use tcr::docker_config::keyring::Credential;
use tcr::image_ref::ImageRef;

use super::conditions::Meaning;
use super::facts::{AskedFor, Facts};
use super::findings::{Problem, Verdict};
use super::kubelet::PullFailure;
use super::selection::Selected;
use registry_client::PullAnswer;

/// What can be said: how sure it is, why not, and what should be known besides.
pub(super) type Conclusion = (Verdict, Option<Problem>, Vec<String>);

/// One image of the Pod.
pub(super) struct Case<'a> {
    pub(super) facts: &'a Facts,
    /// The image as the Pod has it.
    pub(super) text: &'a str,
    /// Its registry, in lower case.
    pub(super) host: String,
    /// The image in full; or why its registry cannot be asked from here, though kubelets take it for an image.
    pub(super) image: Result<ImageRef, String>,
    /// ImagePullSecrets that are for its host.
    pub(super) asked: Vec<(&'a AskedFor, Selected)>,
    /// Credentials that the kubelet shows, and what the registry says to each.
    pub(super) tries: Vec<(Credential<'a>, Option<&'a PullAnswer>)>,
    /// What it says to nobody in particular.
    pub(super) anonymous: Option<&'a PullAnswer>,
    /// What the kubelet's last pull failed by.
    pub(super) failure: Option<PullFailure>,
}

impl Case<'_> {
    /// What else has to be known about the pull that failed.
    pub(super) fn meaning(&self) -> Option<Meaning> {
        self.failure.as_ref()?.meaning()
    }

    /// The image is there, and by it the container does not start.
    pub(super) fn is_of_start(&self) -> bool {
        self.failure.as_ref().is_some_and(PullFailure::is_of_start)
    }

    pub(super) fn is_registry(&self, host: &str) -> bool {
        let name = |host: &str| host.strip_suffix(":443").unwrap_or(host).to_owned();
        let own = name(&self.host);
        name(host) == own
            || (own == "docker.io" && matches!(host, "registry-1.docker.io" | "index.docker.io"))
    }

    /// The image in full, where it can be said.
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
