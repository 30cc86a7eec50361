//! Workloads: their Pod templates are never changed, because a list in a template switches off
//! the ServiceAccount's own. Templates that do by hand what the policy does on Pods are warned of
//! or refused, as the setting `declared` says.

use std::borrow::Cow;

use tcr::sentence::joined;

use crate::error::Error;
use crate::json::{Malformed, Scanner, Span};
use crate::needs::{Told, needs};
use crate::pod_spec::{Metadata, Pod, PodSpec};
use crate::registry::{Wanted, hosts_of, names_of};
use crate::request::Operation;
use crate::review::{Review, Selected};
use crate::settings::{Level, Settings};
use crate::text_set::TextSet;
use crate::verdict::{Answer, short};

#[cfg(test)]
mod tests;

/// Entries of a template's list that are looked at; no node reads as many.
const MOST_LISTED: usize = 512;

/// Something that a template declares and should not.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Declared<'a> {
    /// An entry for a Secret that is put on Pods anyway.
    Managed { index: usize, secret: Cow<'a, str>, image: Option<String> },
    /// Nothing but entries of its own, for an image whose registry's Secret is put on Pods.
    Own {
        entry: Cow<'a, str>,
        image: String,
        secret: String,
        /// Another image may be what the entries are for.
        perhaps_needed: bool,
    },
}

/// Decides about a workload whose template is at the path `template`.
pub(crate) fn decide(review: &Review<'_>, template: &[&str]) -> Result<Answer, Error> {
    let mut answer = Answer::accept();
    let request = &review.request;
    let judged = matches!(request.operation, Operation::Create | Operation::Update);
    let Some(object) = request.object.filter(|_| judged && request.sub_resource.is_empty()) else {
        return Ok(answer);
    };
    let (metadata, pod) = read(review.payload, object, template)?;
    let Some(Pod { metadata: of_template, spec: Some(spec), .. }) = pod else { return Ok(answer) };
    // The owner's template was judged; the owned one only repeats it.
    if metadata.owned || metadata.deleting || of_template.opted_out {
        return Ok(answer);
    }
    Review::warn_of_images_left_out(&spec, &mut answer);
    if spec.images.is_empty() {
        return Ok(answer);
    }
    let hosts = hosts_of(&spec.images);
    let names = names_of(spec.pull_secrets.names.iter().map(|(_, name)| name.as_ref()).take(MOST_LISTED));
    let wanted = Wanted { hosts: hosts.as_slice(), names: names.as_slice(), ..Wanted::default() };
    let settings = review.settings(&wanted, &mut answer)?;
    if settings.declared != Level::Off {
        judge(review, template, &spec, &settings, &mut answer)?;
    }
    if settings.registries.iter().any(|registry| !registry.registry_namespaces.is_empty()) {
        let told = Told { notes: false, warnings: true };
        needs(review, &settings, &spec, &spec.images, told, &mut answer)?;
    }
    review.warn_of_unknown_hosts(&spec.images, &hosts, &settings, &mut answer)?;
    Ok(answer)
}

fn judge(
    review: &Review<'_>,
    template: &[&str],
    spec: &PodSpec<'_>,
    settings: &Settings<'_>,
    answer: &mut Answer,
) -> Result<(), Error> {
    let found = declared(review, spec, settings, answer)?;
    if found.is_empty() {
        return Ok(());
    }
    // What was there before the setting was must not block every later change of the object.
    let mut before = Vec::new();
    if let Some(old) = review.request.old_object
        && settings.declared == Level::Reject
        && let (_, Some(Pod { spec: Some(old), .. })) = read(review.payload, old, template)?
    {
        before = declared(review, &old, settings, &mut Answer::accept())?;
    }
    let list = format!("{}.spec.imagePullSecrets", joined(template, "."));
    let mut reasons = Vec::new();
    for declared in &found {
        let refused = settings.declared == Level::Reject
            && !declared.perhaps_needed()
            && !before.iter().any(|earlier| earlier.is_same(declared));
        if refused {
            reasons.push(declared.sentence(&list));
        } else {
            answer.warn(declared.sentence(&list));
        }
    }
    if !reasons.is_empty() {
        answer.refuse(403, joined(&reasons, "; "));
    }
    Ok(())
}

fn declared<'s>(
    review: &Review<'_>,
    spec: &PodSpec<'s>,
    settings: &Settings<'_>,
    answer: &mut Answer,
) -> Result<Vec<Declared<'s>>, Error> {
    let mut found = Vec::new();
    // Each is found where it stands first.
    let mut managed: TextSet<'_> =
        settings.registries.iter().map(|registry| registry.secret.as_str()).collect();
    for (index, name) in &spec.pull_secrets.names {
        if managed.take(name)
            && let Some(registry) = settings.registries.iter().find(|registry| registry.secret == *name)
        {
            let image = registry.images(&spec.images).next().map(short);
            found.push(Declared::Managed { index: *index, secret: name.clone(), image });
        }
    }
    let Some((_, entry)) = spec.pull_secrets.names.first() else { return Ok(found) };
    if !found.is_empty() {
        return Ok(found);
    }
    let of_a_registry =
        |image: &Cow<'_, str>| settings.registries.iter().any(|registry| registry.pulls(image));
    let perhaps_needed = !spec.images.iter().all(of_a_registry);
    for registry in &settings.registries {
        let Some(image) = registry.images(&spec.images).next() else { continue };
        if let Selected::Yes = review.selects(registry, &spec.service_account, settings, answer)? {
            found.push(Declared::Own {
                entry: entry.clone(),
                image: short(image),
                secret: registry.secret.clone(),
                perhaps_needed,
            });
        }
    }
    Ok(found)
}

impl Declared<'_> {
    fn perhaps_needed(&self) -> bool {
        matches!(self, Declared::Own { perhaps_needed: true, .. })
    }

    /// Whether both declare the same, wherever it stands.
    fn is_same(&self, other: &Declared<'_>) -> bool {
        match (self, other) {
            (Declared::Managed { secret, .. }, Declared::Managed { secret: other, .. }) => secret == other,
            (
                Declared::Own { entry, secret, .. },
                Declared::Own { entry: other_entry, secret: other_secret, .. },
            ) => entry == other_entry && secret == other_secret,
            _ => false,
        }
    }

    fn sentence(&self, list: &str) -> String {
        match self {
            Declared::Managed { index, secret, image: Some(image) } => format!(
                "{list}[{index}]: {secret:?} is put on Pods with image {image:?} by tcr-assistant; remove the entry"
            ),
            Declared::Managed { index, secret, image: None } => format!(
                "{list}[{index}]: {secret:?} is managed by tcr-assistant, and no image here needs it; remove the entry"
            ),
            Declared::Own { entry, image, secret, .. } => format!(
                "{list}: {entry:?} is listed for image {image:?}, whose Pods get {secret:?} from tcr-assistant; \
                 remove it unless another image needs it"
            ),
        }
    }
}

fn read<'a>(
    payload: &'a [u8],
    object: Span,
    template: &[&str],
) -> Result<(Metadata, Option<Pod<'a>>), Malformed> {
    let mut metadata = Metadata::default();
    let mut pod = None;
    let Some((first, rest)) = template.split_first() else { return Ok((metadata, pod)) };
    Scanner::new(payload, object.start).object(|key, value| {
        match key {
            b"metadata" => metadata = Metadata::read(value)?,
            key if key == first.as_bytes() => pod = value.at_path(rest, Pod::read)?,
            _ => value.pass()?,
        }
        Ok(())
    })?;
    Ok((metadata, pod))
}
