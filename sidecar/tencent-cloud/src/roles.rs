//! The roles that the operator allows, and a client for each instance that is called in one.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::api_credential::AssumedRole;
use super::client::Client;

/// A role that may be assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedRole {
    /// `qcs::cam::uin/NUMBER:roleName/NAME`.
    pub arn: String,
    /// The external id that its trust policy requires, if any.
    pub external_id: Option<String>,
    /// The OIDC provider by which its account knows the cluster: the controller's Pod then assumes the role
    /// with its own token.
    pub provider_id: Option<String>,
}

/// Unused clients that are kept at most: the next caller of one finds the role's key there.
const MOST_IDLE: usize = 64;

/// A client for each instance that is called in a role, made on first use. All callers for the same instance
/// share its keys.
#[derive(Debug)]
pub struct Clients {
    own: Arc<Client>,
    roles: Vec<AllowedRole>,
    made: Mutex<BTreeMap<Place, Made>>,
}

/// The role and instance of a client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    arn: String,
    region: String,
    instance_id: String,
}

#[derive(Debug)]
struct Made {
    client: Arc<Client>,
    asked_for: Instant,
}

impl Clients {
    /// Clients for roles that `own` assumes.
    pub fn new(own: Arc<Client>, roles: Vec<AllowedRole>) -> Self {
        Self { own, roles, made: Mutex::default() }
    }

    /// The client that signs as this process itself.
    pub fn own(&self) -> &Arc<Client> {
        &self.own
    }

    /// The client for an instance: in the role, where there is one. A role that is not allowed has a client
    /// too, whose calls fail with that error.
    pub fn of(&self, role_arn: Option<&str>, region: &str, instance_id: &str) -> Arc<Client> {
        let Some(arn) = role_arn else { return self.own.clone() };
        let place =
            Place { arn: arn.to_owned(), region: region.to_owned(), instance_id: instance_id.to_owned() };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let asked_for = Instant::now();
        if let Some(known) = made.get_mut(&place) {
            known.asked_for = asked_for;
            return known.client.clone();
        }
        let allowed = self.roles.iter().find(|role| role.arn == arn);
        let role = AssumedRole {
            arn: arn.to_owned(),
            external_id: allowed.and_then(|role| role.external_id.clone()),
            provider_id: allowed.and_then(|role| role.provider_id.clone()),
            is_allowed: allowed.is_some(),
            region: region.to_owned(),
            instance_id: instance_id.to_owned(),
        };
        let other = made.iter().find(|(known, _)| known.arn == arn).map(|(_, made)| &*made.client);
        let client = Arc::new(self.own.in_role(role, other));
        made.insert(place, Made { client: client.clone(), asked_for });
        forget_one(&mut made);
        client
    }
}

/// Drops the client that was unused for the longest, where too many are unused.
fn forget_one(made: &mut BTreeMap<Place, Made>) {
    let idle = made.iter().filter(|(_, made)| Arc::strong_count(&made.client) == 1);
    let idle: Vec<(Instant, &Place)> = idle.map(|(place, made)| (made.asked_for, place)).collect();
    if idle.len() > MOST_IDLE
        && let Some(oldest) = idle.into_iter().min().map(|(_, place)| place.clone())
    {
        made.remove(&oldest);
    }
}

/// `ARN`, `ARN;external-id=ID` or `ARN;provider-id=ID`.
impl FromStr for AllowedRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (arn, option) = match text.split_once(';') {
            Some((arn, option)) => (arn, Some(option)),
            None => (text, None),
        };
        if !is_role(arn) {
            return Err("a role is qcs::cam::uin/NUMBER:roleName/NAME".to_owned());
        }
        let role = Self { arn: arn.to_owned(), external_id: None, provider_id: None };
        match option.map(|option| option.split_once('=').unwrap_or((option, ""))) {
            None => Ok(role),
            Some(("external-id", id)) if has_form(id, 2, "_+=,.@:/-") => {
                Ok(Self { external_id: Some(id.to_owned()), ..role })
            }
            Some(("external-id", _)) => {
                Err("an external id has 2 to 128 letters, digits and _+=,.@:/-".to_owned())
            }
            Some(("provider-id", id)) if has_form(id, 1, "_.-") => {
                Ok(Self { provider_id: Some(id.to_owned()), ..role })
            }
            Some(("provider-id", _)) => Err("a provider has letters, digits and _.-".to_owned()),
            Some(_) => Err("one of ;external-id=ID and ;provider-id=ID may follow a role".to_owned()),
        }
    }
}

fn is_role(arn: &str) -> bool {
    let parts = arn.strip_prefix("qcs::cam::uin/").and_then(|rest| rest.split_once(":roleName/"));
    parts.is_some_and(|(uin, name)| {
        (1..=20).contains(&uin.len())
            && uin.bytes().all(|byte| byte.is_ascii_digit())
            && has_form(name, 1, "_+=,.@-")
    })
}

/// Whether the text has at least `least` characters and at most 128, all letters, digits or `others`.
fn has_form(text: &str, least: usize, others: &str) -> bool {
    (least..=128).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

#[cfg(test)]
mod tests {
    use super::super::api_credential::Chain;
    use super::super::client::Settings;
    use super::*;

    const ARN: &str = "qcs::cam::uin/100000000002:roleName/reader";

    #[test]
    fn a_role_is_an_arn_and_perhaps_how_it_is_taken_on() {
        let plain = AllowedRole { arn: ARN.to_owned(), external_id: None, provider_id: None };
        assert_eq!(ARN.parse(), Ok(plain.clone()));
        let with_id = AllowedRole { external_id: Some("a=b:1".to_owned()), ..plain.clone() };
        assert_eq!(format!("{ARN};external-id=a=b:1").parse(), Ok(with_id));
        let by_token = AllowedRole { provider_id: Some("cls-1".to_owned()), ..plain };
        assert_eq!(format!("{ARN};provider-id=cls-1").parse(), Ok(by_token));
        for bad in [
            "reader",
            "qcs::cam::uin/x:roleName/reader",
            "qcs::cam::uin/1:roleName/",
            "qcs::cam::uin/1:role/1",
            &format!("{ARN};external-id=a b"),
            &format!("{ARN};external-id=a"),
            &format!("{ARN};"),
            &format!("{ARN};id=1"),
            &format!("{ARN};provider-id="),
            &format!("{ARN};external-id=abc;provider-id=cls-1"),
        ] {
            assert!(bad.parse::<AllowedRole>().is_err(), "{bad}");
        }
    }

    #[test]
    fn few_clients_are_kept_for_nobody_and_none_is_dropped_that_somebody_has() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let own = Arc::new(Client::new(Settings::default(), Chain::over(|_| None)).unwrap());
        let clients = Clients::new(own.clone(), Vec::new());
        assert!(Arc::ptr_eq(&clients.of(None, "ap-guangzhou", "tcr-a"), &own));
        let held = clients.of(Some(ARN), "ap-guangzhou", "tcr-held");
        let first = Arc::downgrade(&clients.of(Some(ARN), "ap-guangzhou", "tcr-0"));
        for number in 1..=MOST_IDLE + 1 {
            clients.of(Some(ARN), "ap-guangzhou", &format!("tcr-{number}"));
        }
        assert!(first.upgrade().is_none(), "the oldest one goes");
        assert!(Arc::ptr_eq(&clients.of(Some(ARN), "ap-guangzhou", "tcr-held"), &held));
        assert_eq!(
            clients.made.lock().unwrap().len(),
            MOST_IDLE + 2,
            "with the last one, which somebody had then"
        );
    }
}
