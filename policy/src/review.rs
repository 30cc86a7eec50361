//! One request under review: what it says, what the settings say about it, and what the cluster
//! has to add. Each question to the cluster is asked at most once.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde_json::Value;
use tcr::image_ref::host_of;
use tcr::registry_host::RegistryHost;
use tcr::rules::nearest;

use crate::cluster::{self, Cluster};
use crate::error::Error;
use crate::json::{Malformed, Scanner};
use crate::pod_spec::{LONGEST_IMAGE, MOST_IMAGES, PodSpec};
use crate::registry::{Entry, Image, Registry, Wanted};
use crate::request::Request;
use crate::settings::{self, Settings, Text};
use crate::text_set::TextSet;
use crate::verdict::{Answer, short};

/// Images of unknown hosts that are named, each with the nearest host.
const MOST_HINTS: usize = 8;

/// A request under review.
pub(crate) struct Review<'a> {
    /// The text that all offsets are into.
    pub(crate) payload: &'a [u8],
    pub(crate) request: Request<'a>,
    settings: settings::Source<'a>,
    cluster: &'a dyn Cluster,
    labels: OnceCell<Result<BTreeMap<String, String>, String>>,
    listing: OnceCell<Result<Vec<u8>, String>>,
}

/// Whether a registry's Secret is for a Pod or a ServiceAccount.
pub(crate) enum Selected {
    Yes,
    No(String),
}

impl<'a> Review<'a> {
    pub(crate) fn new(
        payload: &'a [u8],
        request: Request<'a>,
        settings: settings::Source<'a>,
        cluster: &'a dyn Cluster,
    ) -> Self {
        Self { payload, request, settings, cluster, labels: OnceCell::new(), listing: OnceCell::new() }
    }

    /// The settings with the registries that are wanted: those of the settings in their order,
    /// then those that the cluster adds.
    pub(crate) fn settings(&self, wanted: &Wanted<'_>, answer: &mut Answer) -> Result<Settings<'a>, Error> {
        let mut settings = self.settings.settings(wanted)?;
        if settings.discover && may_be_discovered(wanted, &settings) {
            match self.listing() {
                Ok(listing) => self.add_discovered(listing, wanted, &mut settings)?,
                Err(cause) => {
                    let what = format!("cannot list the ImagePullSecrets: {}", short(cause));
                    undecided(&settings, answer, what, "what they say is not applied to this request")?;
                }
            }
        }
        Ok(settings)
    }

    /// Whose ImagePullSecrets may say what.
    pub(crate) fn tenants(&self) -> Result<Vec<Value>, Malformed> {
        self.settings.tenants()
    }

    fn add_discovered(
        &self,
        listing: &[u8],
        wanted: &Wanted<'_>,
        settings: &mut Settings<'_>,
    ) -> Result<(), Error> {
        let own = settings.registries.len();
        for entry in Entry::in_cluster(&mut Scanner::new(listing, 0), wanted)? {
            // An object that cannot be carried out selects nothing; its own conditions say why.
            if let Ok(registry) = entry.into_registry(listing) {
                settings.registries.push(registry);
            }
        }
        self.settings.without_own(&mut settings.registries, own)?;
        Ok(())
    }

    /// Whether a registry's Secret is for a ServiceAccount of the request's namespace. When the
    /// Namespace cannot be read and that may be, the answer is yes: a reference to a Secret that
    /// is not there is harmless, and a Pod without a reference never gets one.
    pub(crate) fn selects(
        &self,
        registry: &Registry,
        service_account: &str,
        settings: &Settings<'_>,
        answer: &mut Answer,
    ) -> Result<Selected, Error> {
        let (namespace, secret) = (&self.request.namespace, &registry.secret);
        let selection = &registry.selection;
        if !selection.namespaces.selects(namespace) {
            return Ok(Selected::No(format!("{secret} is not for the namespace {namespace:?}")));
        }
        if !selection.selects_service_account(service_account) {
            return Ok(Selected::No(format!("{secret} is not for the ServiceAccount {service_account:?}")));
        }
        if !selection.needs_namespace_labels() {
            return Ok(Selected::Yes);
        }
        match self.labels.get_or_init(|| cluster::namespace_labels(self.cluster, namespace)) {
            Ok(labels) if selection.selects_namespace(namespace, labels) => Ok(Selected::Yes),
            Ok(_) => {
                Ok(Selected::No(format!("{secret} is not for the labels of the namespace {namespace:?}")))
            }
            Err(cause) => {
                let what = format!("cannot read the labels of the namespace {namespace:?}: {}", short(cause));
                undecided(
                    settings,
                    answer,
                    what,
                    &format!("{secret:?}, which selects by them, is taken as if they matched"),
                )?;
                Ok(Selected::Yes)
            }
        }
    }

    /// Tells of images that were not looked at.
    pub(crate) fn warn_of_images_left_out(spec: &PodSpec<'_>, answer: &mut Answer) {
        if spec.images_left_out > 0 {
            answer.warn(format!(
                "{} of its images get no pull secret: the first {MOST_IMAGES}, of at most {LONGEST_IMAGE} bytes, are looked at",
                spec.images_left_out
            ));
        }
    }

    /// What the Pod's ServiceAccount says about pull secrets, if it can be read.
    pub(crate) fn service_account(&self, name: &str) -> Option<cluster::ServiceAccountView> {
        cluster::service_account(self.cluster, &self.request.namespace, name).ok()
    }

    /// The cluster's ImagePullSecrets as JSON, or why they cannot be listed.
    pub(crate) fn listing(&self) -> Result<&[u8], &str> {
        let listing = self.listing.get_or_init(|| cluster::image_pull_secrets(self.cluster));
        listing.as_deref().map_err(String::as_str)
    }

    /// Warns of images that look like TCR but belong to no registry that was named. `hosts` are
    /// those of the images.
    pub(crate) fn warn_of_unknown_hosts(
        &self,
        images: &[Image<'_>],
        hosts: &TextSet<'_>,
        settings: &Settings<'_>,
        answer: &mut Answer,
    ) -> Result<(), Error> {
        warn_of_hosts_as_written(images, settings, answer);
        // Those of a registry that was found are known; all others cost a look at every registry.
        let candidates: Vec<&str> = hosts
            .as_slice()
            .iter()
            .copied()
            .filter(|host| !settings.registries.iter().any(|registry| registry.has(host)))
            .filter(|host| is_under_a_root(host, settings))
            .collect();
        if candidates.is_empty() {
            return Ok(());
        }
        let mut known = Vec::new();
        self.settings.each_host(&mut |host| known.push(host.to_ascii_lowercase()))?;
        let mut complete = true;
        if settings.discover {
            let Ok(listing) = self.listing() else { return Ok(()) };
            Entry::hosts_in_cluster(&mut Scanner::new(listing, 0), |host| match host {
                Some(host) => known.push(host.to_ascii_lowercase()),
                None => complete = false,
            })?;
        }
        // Where nothing is configured, or an instance's hosts are still to be found out, an
        // unknown host is no mistake.
        if known.is_empty() || !complete {
            return Ok(());
        }
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let mut told = 0;
        for image in images.iter().filter(|image| candidates.contains(&image.host)) {
            let host = image.host.to_ascii_lowercase();
            if known.contains(&host.as_str()) {
                continue;
            }
            // The nearest name is looked for among all: these are enough to see what is wrong.
            if told == MOST_HINTS {
                answer.warn("more images get no pull secret, because no registry has their hosts".to_owned());
                break;
            }
            told += 1;
            let hint = match nearest(&host, &known) {
                Some(near) => format!("did you mean {near}?"),
                None => "add the registry, or correct the image".to_owned(),
            };
            let image = short(image.reference);
            answer.warn(format!(
                "image {image:?} gets no pull secret, because no registry has its host; {hint}"
            ));
        }
        Ok(())
    }
}

/// Warns of images that get no credential, whatever refers to it: kubelets compare hosts as they are written.
fn warn_of_hosts_as_written(images: &[Image<'_>], settings: &Settings<'_>, answer: &mut Answer) {
    for Image { reference: image, host } in images.iter().copied() {
        // What stands before the slashes of a scheme is taken for a host.
        let rest = if host.ends_with(':') { image.get(host.len() + 2..).unwrap_or_default() } else { image };
        let meant = host_of(rest).to_ascii_lowercase();
        let is_ours = || {
            settings.registries.iter().any(|registry| registry.has(&meant))
                || is_under_a_root(&meant, settings)
        };
        if meant != host && is_ours() {
            let image = short(image);
            answer.warn(format!("image {image:?}: kubelets find no credential by its host; write {meant}"));
        }
    }
}

/// Whether the cluster may add one of the wanted registries. The hosts of ImagePullSecrets are
/// under the allowed roots, or those of aliases, so most images need no question.
fn may_be_discovered(wanted: &Wanted<'_>, settings: &Settings<'_>) -> bool {
    wanted.all
        || wanted.instance.is_some()
        || !wanted.names.is_empty()
        || wanted
            .hosts
            .iter()
            .any(|host| is_under_a_root(host, settings) || is_under(host, settings, Text::AllowedAliases))
}

/// Whether it looks like a registry's. Under the roots of aliases there is much else.
fn is_under_a_root(host: &str, settings: &Settings<'_>) -> bool {
    is_under(host, settings, Text::AllowedRoots)
}

fn is_under(host: &str, settings: &Settings<'_>, roots: Text) -> bool {
    host.parse::<RegistryHost>().is_ok_and(|host| settings.texts(roots).any(|root| host.is_under(root)))
}

/// Warns, or ends the review, as the settings want it.
fn undecided(settings: &Settings<'_>, answer: &mut Answer, what: String, so: &str) -> Result<(), Error> {
    if settings.refuse_undecided {
        return Err(Error::Undecided(format!("{what}; try again, or ask the cluster's administrator")));
    }
    answer.warn(format!("{what}; {so}"));
    answer.note("undecided", what);
    Ok(())
}
