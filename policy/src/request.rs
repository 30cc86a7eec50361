//! The admission request, as far as the policy looks at it.

use std::borrow::Cow;

use tcr::names::{API_GROUP, IMAGE_PULL_SECRET_KIND};

use crate::json::{Malformed, Scanner, Span};
use crate::pod_spec::Pod;
use crate::registry::strings;

#[cfg(test)]
mod tests;

/// The operation on an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
    /// Connect, or one that is yet to be invented.
    #[default]
    Other,
}

/// The kinds that the policy has rules for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    Pod,
    ServiceAccount,
    Secret,
    ImagePullSecret,
    /// A workload, with the path of its Pod template.
    Workload(&'static [&'static str]),
    #[default]
    Other,
}

/// An admission request. Members that it does not have are empty, as Kubernetes means it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) operation: Operation,
    pub(crate) kind: Kind,
    /// The kind as it is written, for sentences.
    pub(crate) kind_name: Cow<'a, str>,
    pub(crate) sub_resource: Cow<'a, str>,
    pub(crate) namespace: Cow<'a, str>,
    /// Empty at the creation of an object whose name is generated.
    pub(crate) name: Cow<'a, str>,
    pub(crate) username: Cow<'a, str>,
    /// The position of the user, from which the groups are read where they are needed.
    user_at: Option<usize>,
    pub(crate) object: Option<Span>,
    pub(crate) old_object: Option<Span>,
    /// The object, if it is a Pod: read in the same pass, because this is the hot path.
    pub(crate) pod: Option<Pod<'a>>,
}

impl<'a> Request<'a> {
    /// Reads the request that the scanner stands before. `payload` is the scanned text.
    pub(crate) fn read(payload: &'a [u8], scanner: &mut Scanner<'a>) -> Result<Self, Malformed> {
        let mut request = Request::default();
        let mut group = Cow::default();
        scanner.object(|key, value| {
            match key {
                b"kind" => {
                    (group, request.kind_name) = group_and_kind(value)?;
                    request.kind = kind_of(&group, &request.kind_name);
                }
                b"operation" => request.operation = operation_of(&value.string_or_empty()?),
                b"subResource" => request.sub_resource = value.string_or_empty()?,
                b"namespace" => request.namespace = value.string_or_empty()?,
                b"name" => request.name = value.string_or_empty()?,
                b"userInfo" => {
                    request.user_at = Some(value.position());
                    request.username = username(value)?;
                }
                b"object" => {
                    request.pod = None;
                    if request.kind == Kind::Pod && value.peek() == Some(b'{') {
                        let pod = Pod::read(value)?;
                        request.object = Some(pod.span);
                        request.pod = Some(pod);
                    } else {
                        request.object = object_span(value)?;
                    }
                }
                b"oldObject" => request.old_object = object_span(value)?,
                _ => {
                    value.pass()?;
                }
            }
            Ok(())
        })?;
        // An object that is written before its kind is read in a second pass.
        if request.kind != Kind::Pod {
            request.pod = None;
        } else if let (None, Some(span)) = (&request.pod, request.object) {
            request.pod = Some(Pod::read(&mut Scanner::new(payload, span.start))?);
        }
        Ok(request)
    }

    /// The groups that the user is in.
    pub(crate) fn groups(&self, payload: &'a [u8]) -> Result<Vec<Cow<'a, str>>, Malformed> {
        let Some(at) = self.user_at else { return Ok(Vec::new()) };
        Ok(Scanner::new(payload, at).at_path(&["groups"], strings)?.unwrap_or_default())
    }
}

fn kind_of(group: &str, kind: &str) -> Kind {
    match (group, kind) {
        ("", "Pod") => Kind::Pod,
        ("", "ServiceAccount") => Kind::ServiceAccount,
        ("", "Secret") => Kind::Secret,
        ("", "ReplicationController") => Kind::Workload(&["spec", "template"]),
        ("", "PodTemplate") => Kind::Workload(&["template"]),
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") | ("batch", "Job") => {
            Kind::Workload(&["spec", "template"])
        }
        ("batch", "CronJob") => Kind::Workload(&["spec", "jobTemplate", "spec", "template"]),
        (API_GROUP, IMAGE_PULL_SECRET_KIND) => Kind::ImagePullSecret,
        _ => Kind::Other,
    }
}

fn operation_of(name: &str) -> Operation {
    match name {
        "CREATE" => Operation::Create,
        "UPDATE" => Operation::Update,
        "DELETE" => Operation::Delete,
        _ => Operation::Other,
    }
}

fn group_and_kind<'a>(scanner: &mut Scanner<'a>) -> Result<(Cow<'a, str>, Cow<'a, str>), Malformed> {
    let (mut group, mut kind) = (Cow::default(), Cow::default());
    scanner.object(|key, value| {
        match key {
            b"group" => group = value.string_or_empty()?,
            b"kind" => kind = value.string_or_empty()?,
            _ => value.pass()?,
        }
        Ok(())
    })?;
    Ok((group, kind))
}

fn username<'a>(scanner: &mut Scanner<'a>) -> Result<Cow<'a, str>, Malformed> {
    let mut username = Cow::default();
    scanner.object(|key, value| {
        match key {
            b"username" => username = value.string_or_empty()?,
            _ => value.pass()?,
        }
        Ok(())
    })?;
    Ok(username)
}

fn object_span(scanner: &mut Scanner<'_>) -> Result<Option<Span>, Malformed> {
    let is_object = scanner.peek() == Some(b'{');
    let span = scanner.skip()?;
    Ok(is_object.then_some(span))
}
