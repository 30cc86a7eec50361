//! Reads a cluster with the user's own rights, and reports missing rights.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::ListParams;
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use tcr::names::{LEADER_LEASE, SYSTEM_NAMESPACE, WRITE_LIMITS_ANNOTATION};
use tcr::write_limits::{Kind, WriteLimits};

use custom_resource::ImagePullSecret;
use kubernetes::api_error::{ApiError, within};

/// A Lease that expired this long ago is not held any more, even where this machine's clock differs from the
/// controller's.
const SLACK: SignedDuration = SignedDuration::from_secs(60);
/// Objects in one page of a list.
const PAGE: u32 = 500;

/// The result of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<T> {
    /// It was read, and is this.
    Known(T),
    /// The user may not read it.
    Denied(Right),
    /// It could not be read.
    Failed(String),
}

/// A right that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// The verb that is not allowed: `get` or `list`.
    pub verb: &'static str,
    /// The resource, as RBAC names it.
    pub resource: &'static str,
    /// The namespace; none for the whole cluster.
    pub namespace: Option<String>,
}

/// The controller, by its Lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Controller {
    /// A controller leads at the moment.
    Leads {
        /// The holder of the Lease: a Pod's name.
        holder: String,
        /// Whether policies restrict its writes; none while that is not known. In JSON `writesLimited`, with
        /// the kinds without a policy in force in `unlimitedWrites`.
        #[serde(flatten, serialize_with = "serialize_write_limits")]
        write_limits: Option<WriteLimits>,
    },
    /// There is a Lease that was released or has expired.
    Away,
    /// There is no Lease: leader election is off, or there never was one.
    Unknown,
}

/// Reads what the commands show of a cluster.
#[derive(Clone)]
pub struct Reader {
    /// With the user's own rights.
    pub client: Client,
    /// Longest time for one call.
    pub deadline: Duration,
}

impl<T> Seen<T> {
    /// The value, if it was read.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Denied(_) | Self::Failed(_) => None,
        }
    }

    /// Why it was not read.
    pub fn missing(&self) -> Option<String> {
        match self {
            Self::Known(_) => None,
            Self::Denied(right) => Some(format!("you may not {right}")),
            Self::Failed(why) => Some(why.clone()),
        }
    }

    /// The value, for a caller that cannot go on without it.
    ///
    /// # Errors
    /// It could not be read: `cannot read WHAT`, and why.
    pub fn required(self, what: &str) -> anyhow::Result<T> {
        match self {
            Self::Known(value) => Ok(value),
            missing => anyhow::bail!("cannot read {what}: {}", missing.missing().unwrap_or_default()),
        }
    }

    /// The same result with the value converted.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Known(value) => Seen::Known(change(value)),
            Self::Denied(right) => Seen::Denied(right),
            Self::Failed(why) => Seen::Failed(why),
        }
    }
}

impl Right {
    /// To get objects of a namespace.
    pub fn get(resource: &'static str, namespace: &str) -> Self {
        Self { verb: "get", resource, namespace: Some(namespace.to_owned()) }
    }

    /// To list objects of the whole cluster.
    pub fn list_all(resource: &'static str) -> Self {
        Self { verb: "list", resource, namespace: None }
    }

    /// To list objects of a namespace.
    pub fn list(resource: &'static str, namespace: &str) -> Self {
        Self { verb: "list", ..Self::get(resource, namespace) }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => write!(f, " in the cluster"),
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Reader {
    /// An object; none when there is none.
    pub async fn object<K>(&self, api: &Api<K>, name: &str, right: Right) -> Seen<Option<K>>
    where
        K: Clone + DeserializeOwned + fmt::Debug,
    {
        seen(right, within(self.deadline, api.get_opt(name)).await)
    }

    /// Passes each object of a list to a function, page by page, so that at most one page is held: of `page`
    /// objects, few where each may be large.
    pub async fn each<K>(
        &self,
        api: &Api<K>,
        params: ListParams,
        page: u32,
        right: Right,
        mut take: impl FnMut(K),
    ) -> Seen<()>
    where
        K: Clone + DeserializeOwned + fmt::Debug,
    {
        let mut params = params.limit(page);
        loop {
            let list = match within(self.deadline, api.list(&params)).await {
                Ok(list) => list,
                Err(error) => return seen(right, Err(error)),
            };
            list.items.into_iter().for_each(&mut take);
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Seen::Known(()),
            }
        }
    }

    pub async fn image_pull_secrets(&self) -> Seen<Vec<ImagePullSecret>> {
        let objects: Api<ImagePullSecret> = Api::all(self.client.clone());
        let resource = "imagepullsecrets.tcr.tencentcloudcr.com";
        let right = Right { verb: "list", resource, namespace: None };
        let mut all = Vec::new();
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = match within(self.deadline, objects.list(&params)).await {
                Ok(page) => page,
                Err(error) if error.is_not_found() => {
                    let why = "the cluster has no such resource: the add-on is not installed";
                    return Seen::Failed(why.to_owned());
                }
                Err(error) => return seen(right, Err(error)),
            };
            all.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Seen::Known(all),
            }
        }
    }

    /// Whether a controller leads.
    pub async fn controller(&self) -> Seen<Controller> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), SYSTEM_NAMESPACE);
        let right = Right::get("leases.coordination.k8s.io", SYSTEM_NAMESPACE);
        self.object(&leases, LEADER_LEASE, right).await.map(|lease| match lease {
            Some(lease) => {
                let annotations = lease.metadata.annotations.unwrap_or_default();
                // Another release may write another form.
                let limits = annotations.get(WRITE_LIMITS_ANNOTATION).and_then(|text| text.parse().ok());
                controller(lease.spec.unwrap_or_default(), limits, Timestamp::now())
            }
            None => Controller::Unknown,
        })
    }
}

/// The result of a read from a call's result.
pub fn seen<T>(right: Right, result: Result<T, ApiError>) -> Seen<T> {
    match result {
        Ok(value) => Seen::Known(value),
        Err(error) if matches!(error.code(), Some(401 | 403)) => Seen::Denied(right),
        Err(error) => Seen::Failed(format!("cannot {right}: {error}")),
    }
}

fn serialize_write_limits<S: Serializer>(
    limits: &Option<WriteLimits>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let unlimited: Vec<&str> = match limits {
        Some(WriteLimits::Absent(kinds)) => kinds.iter().map(|kind| kind.resource()).collect(),
        Some(WriteLimits::Unsupported) => Kind::ALL.iter().map(|kind| kind.resource()).collect(),
        Some(WriteLimits::InForce) | None => Vec::new(),
    };
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("writesLimited", &limits.as_ref().map(|limits| *limits == WriteLimits::InForce))?;
    if !unlimited.is_empty() {
        map.serialize_entry("unlimitedWrites", &unlimited)?;
    }
    map.end()
}

fn controller(lease: LeaseSpec, write_limits: Option<WriteLimits>, now: Timestamp) -> Controller {
    let holder = lease.holder_identity.filter(|holder| !holder.is_empty());
    let lasts = SignedDuration::from_secs(i64::from(lease.lease_duration_seconds.unwrap_or_default()));
    let is_fresh = lease.renew_time.is_some_and(|renewed| now.duration_since(renewed.0) < lasts + SLACK);
    match holder.filter(|_| is_fresh) {
        Some(holder) => Controller::Leads { holder, write_limits },
        None => Controller::Away,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;

    #[test]
    fn a_lease_that_ran_out_has_no_holder() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let after = |holder: &str, seconds: i64| {
            let lease = LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: Some(15),
                renew_time: Some(MicroTime(now - SignedDuration::from_secs(seconds))),
                ..LeaseSpec::default()
            };
            controller(lease, Some(WriteLimits::InForce), now)
        };
        let leads = Controller::Leads { holder: "a".to_owned(), write_limits: Some(WriteLimits::InForce) };
        assert_eq!(after("a", 2), leads);
        assert_eq!(after("a", 70), leads, "clocks differ");
        assert_eq!(after("a", 80), Controller::Away);
        assert_eq!(after("", 2), Controller::Away, "it was given back");
    }

    #[test]
    fn json_names_the_kinds_that_no_policy_limits() {
        let check = |write_limits, expected: expect_test::Expect| {
            let leads = Controller::Leads { holder: "a".to_owned(), write_limits };
            expected.assert_eq(&serde_json::to_string(&leads).unwrap());
        };
        check(None, expect![[r#"{"state":"leads","holder":"a","writesLimited":null}"#]]);
        check(
            Some(WriteLimits::InForce),
            expect![[r#"{"state":"leads","holder":"a","writesLimited":true}"#]],
        );
        check(
            Some(WriteLimits::Absent(vec![Kind::Pods])),
            expect![[r#"{"state":"leads","holder":"a","writesLimited":false,"unlimitedWrites":["pods"]}"#]],
        );
    }
}
