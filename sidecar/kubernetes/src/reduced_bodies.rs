//! Answers of the API server with objects that any user may have made, reduced by a [`Projection`] before
//! they are parsed: lists and watches of all namespaces, and the answers to patches.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Body, Frame};
use tcr::names::{
    API_GROUP, API_VERSION, IMAGE_PULL_SECRET_LABEL, INJECT_ANNOTATION, MANAGED_BY_LABEL, MARK_ANNOTATION,
    PASSWORD_LABEL, REQUEST_ANNOTATION, SECRET_PREFIX, SYSTEM_NAMESPACE,
};

use crate::projection::{Keep, Projection, Shape, all, some};

/// The custom resource, as paths name it.
const IMAGE_PULL_SECRETS: &str = "imagepullsecrets";
/// Bytes that are kept of an object.
const MOST: usize = 64 * 1024;
/// Bytes that are kept of objects that must never be left out, because their absence would be acted on: more
/// than etcd accepts.
const WHOLE: usize = 3 * 1024 * 1024;

/// The kept members of a list, of each event of a watch, and of the Status in a watch's error event.
macro_rules! body_of {
    ($object:ident) => {
        const {
            &[
                all("apiVersion"),
                all("kind"),
                some("metadata", LIST_METADATA),
                some("items", $object),
                all("type"),
                some("object", $object),
            ]
        }
    };
}

/// The kept members of every object, or of the Status of an event.
macro_rules! object {
    (metadata: [$($metadata:expr),*], $($member:expr),*) => {
        &[
            all("apiVersion"),
            all("kind"),
            some(
                "metadata",
                &[
                    all("name"),
                    all("namespace"),
                    all("uid"),
                    all("resourceVersion"),
                    all("deletionTimestamp"),
                    $($metadata),*
                ],
            ),
            some("status", STATUS),
            all("code"),
            all("message"),
            all("reason"),
            $($member),*
        ]
    };
}

const LIST_METADATA: Keep = &[all("resourceVersion"), all("continue"), all("remainingItemCount")];
const NAME: Keep = &[all("name")];
const CONTAINERS: Keep = &[all("name"), all("image")];
const CONTAINER_STATUSES: Keep = &[all("name"), some("state", &[some("waiting", &[all("reason")])])];
const STATUS: Keep =
    &[some("initContainerStatuses", CONTAINER_STATUSES), some("containerStatuses", CONTAINER_STATUSES)];
const OUR_LABELS: Keep = &[all(MANAGED_BY_LABEL), all(IMAGE_PULL_SECRET_LABEL)];

const NAMESPACE: Keep = object!(metadata: [all("labels")],);
const ACCOUNT: Keep = object!(metadata: [], some("imagePullSecrets", NAME));
const SECRET: Keep = object!(
    metadata: [some("labels", OUR_LABELS), some("annotations", &[all(MARK_ANNOTATION)])],
    all("type"),
    all("data"),
    all("immutable")
);
const SECRET_METADATA: Keep =
    object!(metadata: [some("labels", OUR_LABELS), some("annotations", &[all(MARK_ANNOTATION)])],);
/// A Secret with passwords.
const PASSWORDS: Keep = object!(metadata: [], all("data"));
const IMAGE_PULL_SECRET_METADATA: Keep = &[
    all("name"),
    all("uid"),
    all("resourceVersion"),
    all("generation"),
    all("finalizers"),
    all("deletionTimestamp"),
    some("annotations", &[all(REQUEST_ANNOTATION)]),
];
/// Of the annotations only the request: the one of `kubectl apply` contains a second copy of the password.
/// Managed fields are left out.
const IMAGE_PULL_SECRET: Keep = &[
    all("apiVersion"),
    all("kind"),
    some("metadata", IMAGE_PULL_SECRET_METADATA),
    all("spec"),
    all("status"),
    all("code"),
    all("message"),
    all("reason"),
];
/// The answer to a patch of its finalizers or its status.
const PATCHED_IMAGE_PULL_SECRET: Keep =
    &[all("apiVersion"), all("kind"), some("metadata", IMAGE_PULL_SECRET_METADATA)];
const POD: Keep = object!(
    metadata: [some("annotations", &[all(INJECT_ANNOTATION)])],
    some(
        "spec",
        &[
            all("serviceAccountName"),
            some("imagePullSecrets", NAME),
            some("initContainers", CONTAINERS),
            some("containers", CONTAINERS),
        ]
    )
);

/// The projection of the answer to a call; none where all of it is kept.
fn kept(method: &Method, path: &str, query: &str) -> Option<Projection> {
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let (of_all, most): (Keep, usize) = match (method, &parts[..]) {
        (&Method::GET, ["api", "v1", "namespaces"]) => (body_of!(NAMESPACE), MOST),
        (&Method::GET, ["api", "v1", "serviceaccounts"]) => (body_of!(ACCOUNT), MOST),
        (&Method::GET, ["api", "v1", "secrets"]) => (body_of!(SECRET_METADATA), MOST),
        (&Method::GET, ["api", "v1", "pods"]) => (body_of!(POD), MOST),
        (&Method::GET, ["api", "v1", "namespaces", SYSTEM_NAMESPACE, "secrets"])
            if is_of_passwords(query) =>
        {
            (body_of!(PASSWORDS), WHOLE)
        }
        (&Method::GET, ["apis", API_GROUP, API_VERSION, IMAGE_PULL_SECRETS]) => {
            (body_of!(IMAGE_PULL_SECRET), WHOLE)
        }
        (&Method::PATCH, ["api", "v1", "namespaces", _, "serviceaccounts", _]) => {
            return Some(Projection::new(Shape::Objects, ACCOUNT, MOST));
        }
        (&Method::PATCH, ["api", "v1", "namespaces", _, "secrets", name])
            if name.starts_with(SECRET_PREFIX) =>
        {
            return Some(Projection::new(Shape::Objects, SECRET, WHOLE));
        }
        (&Method::PATCH, ["apis", API_GROUP, API_VERSION, IMAGE_PULL_SECRETS, _, ..]) => {
            return Some(Projection::new(Shape::Objects, PATCHED_IMAGE_PULL_SECRET, WHOLE));
        }
        _ => return None,
    };
    let is_watch = query.split('&').any(|part| matches!(part, "watch=true" | "watch=1"));
    let shape = if is_watch { Shape::Objects } else { Shape::List };
    Some(Projection::new(shape, of_all, most))
}

/// Whether the call asks for the Secrets with the label for passwords of ImagePullSecrets.
fn is_of_passwords(query: &str) -> bool {
    let selectors = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "labelSelector");
    selectors.into_iter().any(|(_, selector)| selector == format!("{PASSWORD_LABEL}=true"))
}

/// A service that reduces its answers.
#[derive(Clone, Debug)]
pub struct Reducing<S>(pub(super) S);

impl<S, A, B> tower::Service<Request<A>> for Reducing<S>
where
    S: tower::Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<Reduced<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let uri = request.uri();
        let path = uri.path().to_owned();
        let projection = kept(request.method(), &path, uri.query().unwrap_or_default());
        let answer = self.0.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            // An error's answer is kept whole, because it tells why the call failed.
            let projection = projection.filter(|_| answer.status().is_success());
            Ok(answer.map(|body| Reduced { body, projection, path, left_out: 0 }))
        })
    }
}

/// A body of which only the kept part is passed on.
#[derive(Debug)]
pub struct Reduced<B> {
    body: B,
    projection: Option<Projection>,
    path: String,
    /// Objects that were left out and logged.
    left_out: u64,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Reduced<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        loop {
            let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
            let Some(projection) = &mut this.projection else { return Poll::Ready(frame) };
            let bytes = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => bytes,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                other => return Poll::Ready(other),
            };
            let kept = projection.feed(&bytes);
            if projection.left_out() > this.left_out {
                this.left_out = projection.left_out();
                tracing::warn!(
                    path = this.path,
                    objects = this.left_out,
                    "more than {} KiB would be kept of an object: it is left alone",
                    MOST / 1024
                );
            }
            if !kept.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(kept.into()))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn objects_that_anybody_may_have_made_are_reduced_and_nothing_else_is() {
        let is_reduced = |method: Method, path: &str, query: &str| kept(&method, path, query).is_some();
        for kind in ["namespaces", "serviceaccounts", "secrets", "pods"] {
            assert!(is_reduced(Method::GET, &format!("/api/v1/{kind}"), "limit=100"), "{kind}");
            assert!(is_reduced(Method::GET, &format!("/api/v1/{kind}"), "&watch=true"), "{kind}");
        }
        assert!(is_reduced(Method::PATCH, "/api/v1/namespaces/shop/serviceaccounts/default", ""));
        assert!(is_reduced(Method::PATCH, "/api/v1/namespaces/shop/secrets/tcr.ipsdemo", ""));
        assert!(!is_reduced(Method::GET, "/api/v1/namespaces/shop", ""));
        assert!(!is_reduced(Method::GET, "/api/v1/namespaces/shop/secrets/tcr.ipsdemo", ""));
        assert!(!is_reduced(Method::GET, "/api/v1/namespaces/tcr-assistant-system/secrets", ""));
        assert!(!is_reduced(Method::PATCH, "/api/v1/namespaces/tcr-assistant-system/secrets/other", ""));
        assert!(is_reduced(Method::GET, "/apis/tcr.tencentcloudcr.com/v1/imagepullsecrets", ""));
        assert!(!is_reduced(Method::GET, "/apis/tcr.tencentcloudcr.com/v1/imagepullsecrets/demo", ""));
    }

    #[track_caller]
    fn check(method: Method, path: &str, query: &str, body: &str, expected: Expect) {
        let mut projection = kept(&method, path, query).unwrap();
        expected.assert_eq(&String::from_utf8(projection.feed(body.as_bytes())).unwrap());
    }

    #[test]
    fn of_what_holds_a_password_there_is_one_copy() {
        let path = "/apis/tcr.tencentcloudcr.com/v1/imagepullsecrets";
        let object = r#"{"apiVersion":"v1","kind":"X","metadata":{"name":"demo","uid":"u","generation":2,
            "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"a password",
            "tcr.tencentcloudcr.com/request":"rotate x"},"labels":{"a":"b"},
            "finalizers":["f"],"managedFields":[{"fieldsV1":{"f:spec":{}}}]},
            "spec":{"docker":{"server":"s","password":"a password"}},"status":{"hosts":["s"]}}"#;
        let list = format!(r#"{{"kind":"List","metadata":{{"resourceVersion":"7"}},"items":[{object}]}}"#);
        check(
            Method::GET,
            path,
            "limit=10",
            &list,
            expect![[
                r#"{"kind":"List","metadata":{"resourceVersion":"7"},"items":[{"apiVersion":"v1","kind":"X","metadata":{"name":"demo","uid":"u","generation":2,"annotations":{"tcr.tencentcloudcr.com/request":"rotate x"},"finalizers":["f"]},"spec":{"docker":{"server":"s","password":"a password"}},"status":{"hosts":["s"]}}]}"#
            ]],
        );
        for part in ["", "/status"] {
            check(
                Method::PATCH,
                &format!("{path}/demo{part}"),
                "",
                object,
                expect![[
                    r#"{"apiVersion":"v1","kind":"X","metadata":{"name":"demo","uid":"u","generation":2,"annotations":{"tcr.tencentcloudcr.com/request":"rotate x"},"finalizers":["f"]}}"#
                ]],
            );
        }
        let secret = r#"{"metadata":{"name":"p","resourceVersion":"3","annotations":{"last":"cA=="}},"data":{"k":"cA=="}}"#;
        check(
            Method::GET,
            "/api/v1/namespaces/tcr-assistant-system/secrets",
            "&labelSelector=tcr.tencentcloudcr.com%2Fpassword%3Dtrue&watch=true",
            &format!(r#"{{"type":"ADDED","object":{secret}}}"#),
            expect![[
                r#"{"type":"ADDED","object":{"metadata":{"name":"p","resourceVersion":"3"},"data":{"k":"cA=="}}}"#
            ]],
        );
    }

    #[test]
    fn an_object_whose_absence_would_be_acted_on_is_never_left_out() {
        let path = "/apis/tcr.tencentcloudcr.com/v1/imagepullsecrets";
        let mut projection = kept(&Method::GET, path, "").unwrap();
        let namespaces = "x".repeat(2 << 20);
        let body = format!(r#"{{"items":[{{"metadata":{{}},"spec":{{"namespaces":"{namespaces}"}}}}]}}"#);
        assert_eq!(projection.feed(body.as_bytes()).len(), body.len());
        assert_eq!(projection.left_out(), 0);
    }

    #[test]
    fn what_a_watch_tells_of_an_error_comes_through() {
        let line = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\
                    \"status\":\"Failure\",\"message\":\"too old\",\"reason\":\"Expired\",\"code\":410}}\n";
        let mut projection = kept(&Method::GET, "/api/v1/pods", "watch=true").unwrap();
        assert_eq!(String::from_utf8(projection.feed(line.as_bytes())).unwrap(), line);
    }
}
