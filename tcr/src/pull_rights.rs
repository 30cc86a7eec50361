//! Which images a credential may pull, and which credentials a Pod needs for its images. Policy, controller and commands
//! all decide by this.

use crate::image_ref::registry_namespace_of;

#[cfg(test)]
mod tests;

/// A credential that is for the host of an image, and for its Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The registry namespaces that it pulls from; without any it pulls from all of its registry.
    pub registry_namespaces: &'a [String],
    /// Whether the Pod refers to its Secret already.
    pub is_listed: bool,
}

/// The Secrets that a Pod needs for one image, as indices in the list of candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needed {
    /// The candidates that may pull it; none where there is no candidate at all.
    All(Vec<usize>),
    /// No candidate may pull it. This one is the first that the Pod refers to, else the first: once its
    /// `registryNamespaces` contain the missing one, a Pod that refers to it pulls, without being created
    /// again.
    Lacks(usize),
}

/// Whether a credential for these registry namespaces of the image's host may pull it. It is a component of its own:
/// `team` is not `team2`, and an image that is in no registry namespace is in none of these.
pub fn may_pull(registry_namespaces: &[String], image: &str) -> bool {
    registry_namespaces.is_empty()
        || registry_namespace_of(image).is_some_and(|own| registry_namespaces.iter().any(|it| it == own))
}

/// Which of the credentials for the host of an image a Pod needs for it.
pub fn needed(image: &str, candidates: &[Candidate<'_>]) -> Needed {
    let (mut choice, mut all) = (Choice::default(), Vec::new());
    for (index, candidate) in candidates.iter().enumerate() {
        let may_pull = may_pull(candidate.registry_namespaces, image);
        choice.offer(index, may_pull, candidate.is_listed);
        if may_pull {
            all.push(index);
        }
    }
    choice.lacks().map_or(Needed::All(all), Needed::Lacks)
}

/// The same decision, from one candidate after another.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice {
    is_pulled: bool,
    /// The index of the candidate whose reference would help with more rights, and whether the Pod refers to
    /// it.
    lacking: Option<(usize, bool)>,
}

impl Choice {
    /// Takes in a candidate. One that may pull the image is needed for it, whatever others there are.
    pub fn offer(&mut self, index: usize, may_pull: bool, is_listed: bool) {
        self.is_pulled |= may_pull;
        if self.lacking.is_none_or(|(_, earlier)| is_listed && !earlier) {
            self.lacking = Some((index, is_listed));
        }
    }

    /// As [`Needed::Lacks`] says; none where a candidate may pull the image, or where there was none.
    pub fn lacks(self) -> Option<usize> {
        self.lacking.filter(|_| !self.is_pulled).map(|(index, _)| index)
    }
}

/// Why the credential of an ImagePullSecret may not pull an image of its host; what to do about it.
pub fn lacks(image_pull_secret: &str, image: &str) -> String {
    match registry_namespace_of(image) {
        Some(namespace) => format!(
            "registryNamespaces of ImagePullSecret {image_pull_secret} do not have {namespace:?}; add it there, or correct \
             the image"
        ),
        None => "it is in no registry namespace; correct the image".to_owned(),
    }
}
