//! Pods and Pod templates: their images, their ServiceAccount, and the pull secrets they list.

use std::borrow::Cow;

use tcr::names::{INJECT_ANNOTATION, MIRROR_POD_ANNOTATION};

use crate::inject::Slot;
use crate::json::{Malformed, Scanner, Span};
use crate::text_set::TextSet;

#[cfg(test)]
mod tests;

/// Images of an object that are read, without those of ephemeral containers. A node runs no Pod with as many
/// containers; reading further ones costs time, and a warning reports them.
pub(crate) const MOST_IMAGES: usize = 128;
/// No image that can be pulled is longer: 255 bytes of name, 128 of tag, 135 of digest.
pub(crate) const LONGEST_IMAGE: usize = 1024;

/// A Pod, or the template of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pod<'a> {
    pub(crate) span: Span,
    pub(crate) metadata: Metadata,
    /// `None` when there is no spec, or none that is an object.
    pub(crate) spec: Option<PodSpec<'a>>,
}

/// The relevant part of an object's metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The annotation that opts a Pod out is there and says "false".
    pub(crate) opted_out: bool,
    /// The kubelet made the object to show a static Pod.
    pub(crate) mirror: bool,
    /// Another object owns this one, so the request comes from a controller, and no person would read a
    /// warning.
    pub(crate) owned: bool,
    /// The object is being deleted.
    pub(crate) deleting: bool,
}

/// The part of a Pod's spec that decides about pull secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodSpec<'a> {
    /// Images of containers, init containers and image volumes, in the order they are written.
    pub(crate) images: Vec<Cow<'a, str>>,
    /// Images of ephemeral containers, which only arrive in running Pods.
    pub(crate) ephemeral_images: Vec<Cow<'a, str>>,
    /// How many images are in neither list: those past the first [`MOST_IMAGES`], and longer ones than
    /// can be pulled.
    pub(crate) images_left_out: usize,
    pub(crate) service_account: Cow<'a, str>,
    pub(crate) pull_secrets: PullSecrets<'a>,
}

/// The list `imagePullSecrets` of a Pod's spec or a ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PullSecrets<'a> {
    /// Names of the entries that have one, with their index.
    pub(crate) names: Vec<(usize, Cow<'a, str>)>,
    /// The place for a new entry.
    pub(crate) slot: Slot,
}

impl<'a> Pod<'a> {
    /// Reads the Pod or template that the scanner stands before.
    pub(crate) fn read(scanner: &mut Scanner<'a>) -> Result<Self, Malformed> {
        let mut metadata = Metadata::default();
        let mut spec = None;
        let start = scanner.position();
        let container = scanner.object(|key, value| {
            match key {
                b"metadata" => metadata = Metadata::read(value)?,
                b"spec" => spec = PodSpec::read(value)?,
                _ => value.pass()?,
            }
            Ok(())
        })?;
        let span = container.map_or(Span { start, end: start }, |container| container.span);
        Ok(Pod { span, metadata, spec })
    }
}

impl Metadata {
    /// Reads the `metadata` that the scanner stands before.
    pub(crate) fn read(scanner: &mut Scanner<'_>) -> Result<Self, Malformed> {
        let mut metadata = Metadata::default();
        scanner.object(|key, value| {
            match key {
                b"annotations" => {
                    (metadata.opted_out, metadata.mirror) = (false, false);
                    value.object(|key, value| {
                        if key == INJECT_ANNOTATION.as_bytes() {
                            metadata.opted_out = value.string()?.as_deref() == Some("false");
                        } else if key == MIRROR_POD_ANNOTATION.as_bytes() {
                            metadata.mirror = value.string()?.is_some();
                        } else {
                            value.pass()?;
                        }
                        Ok(())
                    })?;
                }
                b"ownerReferences" => {
                    metadata.owned = value.array(|owner| owner.pass())?.is_some_and(|list| !list.empty);
                }
                b"deletionTimestamp" => metadata.deleting = value.string()?.is_some(),
                _ => value.pass()?,
            }
            Ok(())
        })?;
        Ok(metadata)
    }
}

impl<'a> PodSpec<'a> {
    fn read(scanner: &mut Scanner<'a>) -> Result<Option<Self>, Malformed> {
        let (mut containers, mut init_containers) = (Vec::new(), Vec::new());
        let (mut volumes, mut ephemeral_images) = (Vec::new(), Vec::new());
        let (mut service_account, mut old_service_account) = (Cow::default(), Cow::default());
        let mut list = None;
        let object = scanner.object(|key, value| {
            match key {
                b"containers" => containers = container_images(value)?,
                b"initContainers" => init_containers = container_images(value)?,
                b"ephemeralContainers" => ephemeral_images = container_images(value)?,
                b"volumes" => volumes = volume_images(value)?,
                b"serviceAccountName" => service_account = value.string_or_empty()?,
                b"serviceAccount" => old_service_account = value.string_or_empty()?,
                b"imagePullSecrets" => list = Some(PullSecrets::read(value)?),
                _ => value.pass()?,
            }
            Ok(())
        })?;
        let Some(object) = object else { return Ok(None) };
        // The name before 2015, which the API server still copies.
        if service_account.is_empty() {
            service_account = old_service_account;
        }
        if service_account.is_empty() {
            service_account = Cow::Borrowed("default");
        }
        let mut images = containers;
        images.append(&mut init_containers);
        images.append(&mut volumes);
        let images_left_out = bound(&mut images) + bound(&mut ephemeral_images);
        let pull_secrets = list.unwrap_or_else(|| PullSecrets::absent(Slot::member_of(object)));
        Ok(Some(PodSpec { images, ephemeral_images, images_left_out, service_account, pull_secrets }))
    }
}

impl<'a> PullSecrets<'a> {
    /// Reads the list that the scanner stands before.
    pub(crate) fn read(scanner: &mut Scanner<'a>) -> Result<Self, Malformed> {
        let mut names = Vec::new();
        let mut index = 0;
        if scanner.peek() == Some(b'n') {
            return Ok(PullSecrets { names, slot: Slot::Null(scanner.skip()?) });
        }
        let list = scanner.array(|element| {
            let mut name = None;
            element.object(|key, value| {
                match key {
                    b"name" => name = value.string()?,
                    _ => value.pass()?,
                }
                Ok(())
            })?;
            names.extend(name.map(|name| (index, name)));
            index += 1;
            Ok(())
        })?;
        // A list of another type is the API server's to refuse.
        let slot = list.map_or(Slot::Unusable, Slot::element_of);
        Ok(PullSecrets { names, slot })
    }

    /// The list of an object that has none.
    pub(crate) fn absent(slot: Slot) -> Self {
        PullSecrets { names: Vec::new(), slot }
    }

    /// Which of the Secrets are listed. An object may list any number, while the Secrets are few.
    pub(crate) fn among<'s>(&'s self, secrets: impl Iterator<Item = &'s str>) -> TextSet<'s> {
        let secrets: TextSet<'_> = secrets.collect();
        self.names.iter().map(|(_, name)| name.as_ref()).filter(|name| secrets.has(name)).collect()
    }
}

/// Drops images beyond those that are read; returns how many.
fn bound(images: &mut Vec<Cow<'_, str>>) -> usize {
    let all = images.len();
    images.retain(|image| image.len() <= LONGEST_IMAGE);
    images.truncate(MOST_IMAGES);
    all - images.len()
}

fn container_images<'a>(scanner: &mut Scanner<'a>) -> Result<Vec<Cow<'a, str>>, Malformed> {
    images(scanner, |image| image.string())
}

/// The images of image volumes: `volumes[].image.reference`.
fn volume_images<'a>(scanner: &mut Scanner<'a>) -> Result<Vec<Cow<'a, str>>, Malformed> {
    images(scanner, |image| {
        let mut reference = None;
        image.object(|key, value| {
            match key {
                b"reference" => reference = value.string()?,
                _ => value.pass()?,
            }
            Ok(())
        })?;
        Ok(reference)
    })
}

/// The results of `read` for the member `image` of each element of a list.
fn images<'a>(
    scanner: &mut Scanner<'a>,
    read: impl Fn(&mut Scanner<'a>) -> Result<Option<Cow<'a, str>>, Malformed>,
) -> Result<Vec<Cow<'a, str>>, Malformed> {
    let mut images = Vec::new();
    scanner.array(|element| {
        let mut image = None;
        element.object(|key, value| {
            match key {
                b"image" => image = read(value)?,
                _ => value.pass()?,
            }
            Ok(())
        })?;
        images.extend(image.filter(|image| !image.is_empty()));
        Ok(())
    })?;
    Ok(images)
}
