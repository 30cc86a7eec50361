//! The question to a policy: an AdmissionReview's request, found in the bytes and passed on as it came.

use std::borrow::Cow;

use host_capabilities::{path_segment_fault, shortened};
use k8s_openapi::api::authentication::v1::UserInfo;

use crate::json::{JsonError, Outline, Scanner, unescape};

#[cfg(test)]
mod tests;

/// How much of a bad value a message shows, in bytes.
const SHOWN: usize = 60;

/// Why a text is not an admission request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The text is not UTF-8; the offset of the first bad byte.
    #[error("not UTF-8 at byte {0}")]
    NotUtf8(usize),
    /// The text is not JSON.
    #[error(transparent)]
    NotJson(#[from] JsonError),
    /// A field that every request has is not there.
    #[error("\"{0}\" is missing")]
    Missing(&'static str),
    /// A field is there twice: host and policy might not believe the same one.
    #[error("\"{0}\" is given twice")]
    Twice(String),
    /// A field has a value that Kubernetes never sends, and that must not be used.
    #[error("\"{field}\": \"{found}\" {fault}")]
    Value {
        /// The path of the field.
        field: &'static str,
        /// The value, shortened for a message.
        found: String,
        /// The fault of the value.
        fault: &'static str,
    },
    /// A field is of another type.
    #[error("\"{field}\": {reason}")]
    Type {
        /// The path of the field.
        field: &'static str,
        /// The requirement.
        reason: String,
    },
    /// A field that must be a string is something else.
    #[error("\"{field}\" must be a string, not {found}")]
    NotAString {
        /// The path of the field.
        field: &'static str,
        /// The value, as written.
        found: String,
    },
}

/// An admission request (`admission.k8s.io/v1`): where it lies in the text it came in, and the few
/// members that a host needs. What a host does not know is passed on to the policy untouched.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    text: &'a str,
    uid: Cow<'a, str>,
    operation: Cow<'a, str>,
    kind: Cow<'a, str>,
    name: Cow<'a, str>,
    namespace: Cow<'a, str>,
    object: Option<Outline<'a>>,
}

impl<'a> Request<'a> {
    /// Reads an AdmissionReview.
    ///
    /// # Errors
    /// When it is not JSON, or lacks one of the fields that Kubernetes always sends: `uid`, `kind`,
    /// `resource`, `operation` and `userInfo` (the same that Kubewarden's host insists on).
    pub fn from_review(review: &'a [u8]) -> Result<Self, RequestError> {
        let text = utf8(review)?;
        let mut scanner = Scanner::new(text);
        let mut request = None;
        let mut failure = None;
        let scanned = scanner.object(|key, scanner| match key {
            "request" => {
                once(&request, "request", &mut failure);
                request = Some(Self::scan(text, scanner, &mut failure)?);
                Ok(())
            }
            _ => scanner.value().map(drop),
        });
        finished(scanned.and_then(|()| scanner.end()), failure)?;
        request.ok_or(RequestError::Missing("request"))?.complete()
    }

    /// Reads a request without its AdmissionReview.
    ///
    /// # Errors
    /// As for [`Request::from_review`].
    pub fn from_request(request: &'a [u8]) -> Result<Self, RequestError> {
        let text = utf8(request)?;
        let mut scanner = Scanner::new(text);
        let mut failure = None;
        let scanned = Self::scan(text, &mut scanner, &mut failure);
        let request = finished(scanned.and_then(|request| scanner.end().map(|()| request)), failure)?;
        request.complete()
    }

    /// Takes any JSON as the request of a raw policy: one that judges something else than
    /// Kubernetes objects. The whole of it is what the policy may change.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn raw(request: &'a [u8]) -> Result<Self, RequestError> {
        let text = utf8(request)?;
        let mut scanner = Scanner::new(text);
        let object = scanner.outline()?;
        scanner.end()?;
        let text = object.text();
        let mut uid = Cow::Borrowed("");
        if text.starts_with('{') {
            Scanner::new(text).object(|key, scanner| {
                let value = scanner.value()?;
                if key == "uid" && value.starts_with('"') {
                    uid = unescape(value).unwrap_or_default();
                }
                Ok(())
            })?;
            check("uid", &uid, text_fault)?;
        }
        let none = || Cow::Borrowed("");
        Ok(Self {
            text,
            uid,
            operation: none(),
            kind: none(),
            name: none(),
            namespace: none(),
            object: Some(object),
        })
    }

    /// Takes `{"request": any JSON}`, as policy-server's `/validate_raw` does.
    ///
    /// # Errors
    /// When it is not JSON, or has no `request`.
    pub fn raw_from_body(body: &'a [u8]) -> Result<Self, RequestError> {
        let mut scanner = Scanner::new(utf8(body)?);
        let mut request = None;
        let mut failure = None;
        let scanned = scanner.object(|key, scanner| {
            let value = scanner.value()?;
            if key == "request" {
                once(&request, "request", &mut failure);
                request = Some(value);
            }
            Ok(())
        });
        finished(scanned.and_then(|()| scanner.end()), failure)?;
        Self::raw(request.ok_or(RequestError::Missing("request"))?.as_bytes())
    }

    /// The request as it came.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The identifier that the answer repeats.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`; empty for a raw request.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The object's kind, such as `Pod`; empty for a raw request.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The object's name; empty when the API server has yet to generate it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The object's namespace; empty for a cluster-scoped object.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The object that a policy may change, as it came; `None` when it is null or absent.
    pub fn object(&self) -> Option<&'a str> {
        self.outline().map(Outline::text)
    }

    pub(crate) fn outline(&self) -> Option<&Outline<'a>> {
        self.object.as_ref()
    }

    /// The guest's input: `{"request":…,"settings":…}`, or without settings.
    pub fn payload(&self, settings: Option<&str>) -> Vec<u8> {
        match settings {
            Some(settings) => {
                [r#"{"request":"#, self.text, r#","settings":"#, settings, "}"].concat().into_bytes()
            }
            None => [r#"{"request":"#, self.text, "}"].concat().into_bytes(),
        }
    }

    /// Reads the request that begins at the scanner. What is wrong with its fields goes to
    /// `failure`, so that the rest is still checked to be JSON.
    fn scan(
        text: &'a str,
        scanner: &mut Scanner<'a>,
        failure: &mut Option<RequestError>,
    ) -> Result<Parts<'a>, JsonError> {
        scanner.peek();
        let start = scanner.position();
        let mut parts = Parts::default();
        scanner.object(|key, scanner| {
            match key {
                "object" => {
                    once(&parts.object, "request.object", failure);
                    parts.object = Some(scanner.outline()?);
                    return Ok(());
                }
                "oldObject" => {
                    once(&parts.old_object, "request.oldObject", failure);
                    parts.old_object = Some(scanner.value()?);
                    return Ok(());
                }
                _ => {}
            }
            let value = scanner.value()?;
            let (field, place) = match key {
                "uid" => ("request.uid", &mut parts.uid),
                "operation" => ("request.operation", &mut parts.operation),
                "kind" => ("request.kind", &mut parts.kind),
                "resource" => ("request.resource", &mut parts.resource),
                "name" => ("request.name", &mut parts.name),
                "namespace" => ("request.namespace", &mut parts.namespace),
                "userInfo" => ("request.userInfo", &mut parts.user_info),
                "subResource" => ("request.subResource", &mut parts.sub_resource),
                "requestKind" => ("request.requestKind", &mut parts.request_kind),
                "requestResource" => ("request.requestResource", &mut parts.request_resource),
                "requestSubResource" => ("request.requestSubResource", &mut parts.request_sub_resource),
                "dryRun" => ("request.dryRun", &mut parts.dry_run),
                "options" => ("request.options", &mut parts.options),
                _ => return Ok(()),
            };
            once(place, field, failure);
            *place = Some(value);
            Ok(())
        })?;
        parts.text = &text[start..scanner.position()];
        Ok(parts)
    }
}

/// The members of a request as written.
#[derive(Default)]
struct Parts<'a> {
    text: &'a str,
    uid: Option<&'a str>,
    operation: Option<&'a str>,
    kind: Option<&'a str>,
    resource: Option<&'a str>,
    name: Option<&'a str>,
    namespace: Option<&'a str>,
    user_info: Option<&'a str>,
    sub_resource: Option<&'a str>,
    request_kind: Option<&'a str>,
    request_resource: Option<&'a str>,
    request_sub_resource: Option<&'a str>,
    dry_run: Option<&'a str>,
    options: Option<&'a str>,
    old_object: Option<&'a str>,
    object: Option<Outline<'a>>,
}

impl<'a> Parts<'a> {
    /// Also checks fields that no host needs: a policy that reads them relies on its host.
    fn check_types(&self) -> Result<(), RequestError> {
        let user_info = self.user_info.map(serde_json::from_str::<UserInfo>);
        if let Some(Err(error)) = user_info {
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            return Err(RequestError::Type { field: "request.userInfo", reason: shortened(reason, SHOWN) });
        }
        optional_string("request.subResource", self.sub_resource)?;
        optional_string("request.requestSubResource", self.request_sub_resource)?;
        let is_there = |written: &&str| *written != "null";
        if let Some(kind) = self.request_kind.filter(is_there) {
            let fields =
                ["request.requestKind.group", "request.requestKind.version", "request.requestKind.kind"];
            triple(Some(kind), fields)?;
        }
        if let Some(resource) = self.request_resource.filter(is_there) {
            let fields = [
                "request.requestResource.group",
                "request.requestResource.version",
                "request.requestResource.resource",
            ];
            triple(Some(resource), fields)?;
        }
        match self.dry_run {
            None | Some("null" | "true" | "false") => Ok(()),
            Some(other) => Err(RequestError::Type {
                field: "request.dryRun",
                reason: format!("must be true or false, not {}", shortened(other, SHOWN)),
            }),
        }
    }

    fn complete(self) -> Result<Request<'a>, RequestError> {
        let kind = triple(self.kind, ["request.kind.group", "request.kind.version", "request.kind.kind"])?;
        triple(
            self.resource,
            ["request.resource.group", "request.resource.version", "request.resource.resource"],
        )?;
        if self.user_info.is_none_or(|value| !value.starts_with('{')) {
            return Err(RequestError::Missing("request.userInfo"));
        }
        self.check_types()?;
        let (uid, operation) =
            (string("request.uid", self.uid)?, string("request.operation", self.operation)?);
        check("request.uid", &uid, text_fault)?;
        check("request.operation", &operation, text_fault)?;
        let name = optional_string("request.name", self.name)?;
        let namespace = optional_string("request.namespace", self.namespace)?;
        for (field, value) in [("request.name", &name), ("request.namespace", &namespace)] {
            if !value.is_empty() {
                check(field, value, path_segment_fault)?;
            }
        }
        Ok(Request {
            text: self.text,
            uid,
            operation,
            kind,
            name,
            namespace,
            object: self.object.filter(|object| object.text() != "null"),
        })
    }
}

/// Checks that a group-version-kind (or -resource) has its three members; the last one's value.
fn triple<'a>(written: Option<&'a str>, fields: [&'static str; 3]) -> Result<Cow<'a, str>, RequestError> {
    let mut found = [None; 3];
    let mut failure = None;
    if let Some(text) = written.filter(|text| text.starts_with('{')) {
        Scanner::new(text).object(|key, scanner| {
            let value = scanner.value()?;
            for (field, place) in fields.iter().zip(&mut found) {
                if field.rsplit('.').next() == Some(key) {
                    once(place, field, &mut failure);
                    *place = Some(value);
                }
            }
            Ok(())
        })?;
    }
    finished(Ok(()), failure)?;
    let [group, version, last] = [0, 1, 2].map(|at| string(fields[at], found[at]));
    for (field, value) in fields.into_iter().zip([&group?, &version?, last.as_ref().map_err(Clone::clone)?]) {
        check(field, value, text_fault)?;
    }
    last
}

/// Checks a value that logs, metrics or the cluster are told of.
fn check(
    field: &'static str,
    value: &str,
    fault: fn(&str) -> Option<&'static str>,
) -> Result<(), RequestError> {
    match fault(value) {
        None => Ok(()),
        Some(fault) => Err(RequestError::Value { field, found: shortened(value, SHOWN), fault }),
    }
}

/// Why a text is no identifier, operation, group, version, kind or resource: those of Kubernetes are
/// much shorter than a DNS subdomain may be.
fn text_fault(text: &str) -> Option<&'static str> {
    if text.len() > 253 {
        return Some("must have at most 253 bytes");
    }
    text.contains(char::is_control).then_some("must not contain control characters")
}

fn string<'a>(field: &'static str, written: Option<&'a str>) -> Result<Cow<'a, str>, RequestError> {
    let written = written.ok_or(RequestError::Missing(field))?;
    let value = if written.starts_with('"') { unescape(written).ok() } else { None };
    value.ok_or_else(|| RequestError::NotAString { field, found: shortened(written, SHOWN) })
}

fn optional_string<'a>(field: &'static str, written: Option<&'a str>) -> Result<Cow<'a, str>, RequestError> {
    match written {
        None | Some("null") => Ok(Cow::Borrowed("")),
        written => string(field, written),
    }
}

fn once<T>(place: &Option<T>, field: &str, failure: &mut Option<RequestError>) {
    if place.is_some() {
        failure.get_or_insert_with(|| RequestError::Twice(field.to_owned()));
    }
}

fn finished<T>(scanned: Result<T, JsonError>, failure: Option<RequestError>) -> Result<T, RequestError> {
    let value = scanned?;
    failure.map_or(Ok(value), Err)
}

fn utf8(bytes: &[u8]) -> Result<&str, RequestError> {
    std::str::from_utf8(bytes).map_err(|error| RequestError::NotUtf8(error.valid_up_to()))
}
