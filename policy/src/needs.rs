//! Which registries' Secrets the images of a Pod need, where several are for its hosts.

use std::borrow::Cow;

use tcr::image_ref::host_of;
use tcr::pull_rights::{Choice, lacks};

use crate::error::Error;
use crate::pod_spec::PodSpec;
use crate::registry::Registry;
use crate::review::{Review, Selected};
use crate::settings::Settings;
use crate::verdict::{Answer, short};

#[cfg(test)]
mod tests;

/// A registry whose Secret is for a Pod.
pub(crate) struct Need<'s, 'i> {
    pub(crate) registry: &'s Registry,
    /// The Pod refers to the Secret already.
    pub(crate) is_listed: bool,
    /// The first image that the Secret is needed for.
    pub(crate) image: Option<&'i str>,
}

impl Need<'_, '_> {
    /// Whether the Pod needs a reference that it does not have.
    pub(crate) fn is_missing(&self) -> bool {
        self.image.is_some() && !self.is_listed
    }
}

/// What is told about what images need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Notes say why a registry's Secret is not for the Pod.
    pub(crate) notes: bool,
    /// Warnings name the images that no credential for the Pod may pull.
    pub(crate) warnings: bool,
}

/// What `images` need of the registries whose Secrets the Pod lists, or which select it, in the order of the settings.
pub(crate) fn needs<'s, 'i>(
    review: &Review<'_>,
    settings: &'s Settings<'_>,
    spec: &PodSpec<'_>,
    images: &'i [Cow<'_, str>],
    told: Told,
    answer: &mut Answer,
) -> Result<Vec<Need<'s, 'i>>, Error> {
    let mut needs = Vec::new();
    let listed = spec.pull_secrets.among(settings.secrets());
    for registry in &settings.registries {
        let is_listed = listed.has(&registry.secret);
        if is_listed {
            if told.notes {
                answer.note("listed", registry.secret.clone());
            }
        } else if let Selected::No(reason) =
            review.selects(registry, &spec.service_account, settings, answer)?
        {
            if told.notes {
                answer.note("skipped", reason);
            }
            continue;
        }
        needs.push(Need { registry, is_listed, image: None });
    }
    for image in images {
        let image = image.as_ref();
        let mut choice = Choice::default();
        for (index, need) in needs.iter_mut().enumerate() {
            let registry = need.registry;
            if registry.has(host_of(image)) {
                let may_pull = registry.pulls(image);
                choice.offer(index, may_pull, need.is_listed);
                if may_pull {
                    need.image.get_or_insert(image);
                }
            }
        }
        let Some(need) = choice.lacks().and_then(|index| needs.get_mut(index)) else { continue };
        need.image.get_or_insert(image);
        if told.warnings {
            answer.warn(format!("image {:?}: {}", short(image), lacks(&need.registry.name, image)));
        }
    }
    Ok(needs)
}
