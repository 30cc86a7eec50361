//! CreateServiceAccount, DescribeServiceAccounts, ModifyServiceAccount, ModifyServiceAccountPassword,
//! DeleteServiceAccount.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::definition::Action;
use crate::{
    clock::beijing,
    envelope::{ApiError, Outcome, fields},
    instance::Instance,
    parameter::{Field, Kind, Parameters, optional, required},
    service_account::{ACTIONS, Permission, ServiceAccountRecord, full_name},
    world::{Caller, World},
};

const PERMISSION: &[Field] = &[required("Resource", Kind::String), required("Actions", Kind::Strings)];
const FILTER: &[Field] = &[required("Name", Kind::String), required("Values", Kind::Strings)];

pub(super) static CREATE: Action = Action {
    name: "CreateServiceAccount",
    per_second: 20,
    form: &[
        required("RegistryId", Kind::String),
        required("Name", Kind::String),
        required("Permissions", Kind::Objects(PERMISSION)),
        optional("Description", Kind::String),
        optional("Duration", Kind::Integer),
        optional("ExpiresAt", Kind::Integer),
        optional("Disable", Kind::Bool),
    ],
    run: create,
};

pub(super) static DESCRIBE: Action = Action {
    name: "DescribeServiceAccounts",
    per_second: 20,
    form: &[
        required("RegistryId", Kind::String),
        optional("All", Kind::Bool),
        optional("EmbedPermission", Kind::Bool),
        optional("Filters", Kind::Objects(FILTER)),
        optional("Offset", Kind::Integer),
        optional("Limit", Kind::Integer),
    ],
    run: describe,
};

pub(super) static MODIFY: Action = Action {
    name: "ModifyServiceAccount",
    per_second: 20,
    form: &[
        required("RegistryId", Kind::String),
        required("Name", Kind::String),
        optional("Description", Kind::String),
        optional("Duration", Kind::Integer),
        optional("ExpiresAt", Kind::Integer),
        optional("Disable", Kind::Bool),
        optional("Permissions", Kind::Objects(PERMISSION)),
    ],
    run: modify,
};

pub(super) static PASSWORD: Action = Action {
    name: "ModifyServiceAccountPassword",
    per_second: 20,
    form: &[
        required("RegistryId", Kind::String),
        required("Name", Kind::String),
        required("Random", Kind::Bool),
        optional("Password", Kind::String),
    ],
    run: set_password,
};

pub(super) static DELETE: Action = Action {
    name: "DeleteServiceAccount",
    per_second: 20,
    form: &[required("RegistryId", Kind::String), required("Name", Kind::String)],
    run: delete,
};

/// The longest name is not documented; a longer one than a user name of Harbor is refused here.
const LONGEST_NAME: usize = 255;

fn create(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    let instance = switched_on(world, caller, parameters)?.clone();
    let name = full_name(parameters.text("Name"));
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let plain = name.strip_prefix("tcr$").unwrap_or_default();
    if plain.is_empty() || name.len() > LONGEST_NAME || !plain.chars().all(is_letter) {
        return Err(ApiError::invalid_parameter("The value of parameter `Name` is not valid."));
    }
    let permissions = permissions(parameters, &instance)?.unwrap_or_default();
    let expires_at = end(parameters, caller.now)?;
    let accounts = world.listed_accounts(&instance.id);
    // Which code says so is not documented.
    if accounts.iter().any(|account| account.name == name) {
        return Err(ApiError::new(
            "OperationDenied",
            format!("The service account `{name}` already exists."),
        ));
    }
    if accounts.len() >= usize::try_from(instance.service_account_quota).unwrap_or(usize::MAX) {
        return Err(ApiError::new(
            "OperationDenied.QuotaOverLimit",
            "The number of service accounts exceeds the quota.",
        ));
    }
    let account = ServiceAccountRecord::create(
        &instance,
        name,
        parameters.string("Description").unwrap_or_default(),
        permissions,
        // Whether it never ends then is not documented.
        expires_at.unwrap_or(Timestamp::MAX),
        parameters.bool("Disable").unwrap_or(false),
        caller.now,
        &mut world.random,
    );
    let answer = fields(json!({
        "Name": account.name,
        "Password": account.secret.expose(),
        "ExpiresAt": milliseconds(account.expires_at),
        "CreateTime": beijing(account.created_at),
    }));
    world.service_accounts.push(account);
    Ok(answer)
}

/// All of the instance, no matter who made them: they belong to it, and to no CAM identity. A greater `Limit` than 100 counts
/// as 100.
fn describe(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    let registry = switched_on(world, caller, parameters)?.id.clone();
    let filters: Vec<Parameters> = parameters.objects("Filters").collect();
    if let Some(filter) = filters.iter().find(|filter| filter.text("Name") != "ServiceAccountName") {
        return Err(ApiError::invalid_parameter(format!(
            "The filter `{}` is not supported: `ServiceAccountName` is.",
            filter.text("Name")
        )));
    }
    let is_asked_for = |account: &&ServiceAccountRecord| {
        filters
            .iter()
            .all(|filter| filter.strings("Values").iter().any(|name| full_name(name) == account.name))
    };
    let accounts = world.listed_accounts(&registry).into_iter().filter(is_asked_for);
    let accounts: Vec<&ServiceAccountRecord> = accounts.collect();
    let (offset, limit) = match parameters.bool("All") {
        Some(true) => (0, usize::MAX),
        _ => (parameters.count("Offset", 0)?, parameters.count("Limit", 20)?.min(100)),
    };
    let embeds = parameters.bool("EmbedPermission").unwrap_or(false);
    let page: Vec<Value> =
        accounts.iter().skip(offset).take(limit).map(|account| entry(account, embeds)).collect();
    Ok(fields(json!({"TotalCount": accounts.len(), "ServiceAccounts": page})))
}

fn entry(account: &ServiceAccountRecord, embeds: bool) -> Value {
    let mut entry = json!({
        "Name": account.name,
        "Description": account.description,
        "Disable": account.disabled,
        "ExpiresAt": milliseconds(account.expires_at),
        "CreateTime": beijing(account.created_at),
        "UpdateTime": beijing(account.updated_at),
        "Permissions": [],
    });
    if embeds {
        let permission = |it: &Permission| json!({"Resource": it.resource, "Actions": it.actions});
        entry["Permissions"] = account.permissions.iter().map(permission).collect();
    }
    entry
}

/// What is not given stays, which is not documented.
fn modify(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    let instance = switched_on(world, caller, parameters)?.clone();
    let permissions = permissions(parameters, &instance)?;
    let expires_at = end(parameters, caller.now)?;
    let description = parameters.string("Description").map(str::to_owned);
    let disabled = parameters.bool("Disable");
    let account = account(world, parameters)?;
    account.updated_at = caller.now;
    account.description = description.unwrap_or_else(|| account.description.clone());
    account.permissions = permissions.unwrap_or_else(|| account.permissions.clone());
    account.expires_at = expires_at.unwrap_or(account.expires_at);
    account.disabled = disabled.unwrap_or(account.disabled);
    Ok(Map::new())
}

fn set_password(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    switched_on(world, caller, parameters)?;
    let password = match (parameters.bool("Random"), parameters.string("Password")) {
        (Some(true), _) => ServiceAccountRecord::password(&mut world.random),
        (_, Some(own)) if is_password(own) => own.to_owned(),
        _ => return Err(ApiError::invalid_parameter("The value of parameter `Password` is not valid.")),
    };
    let account = account(world, parameters)?;
    account.updated_at = caller.now;
    account.secret = crate::secret::Secret::new(password.clone());
    Ok(fields(json!({"Password": password})))
}

fn is_password(text: &str) -> bool {
    let has = |is: fn(&char) -> bool| text.chars().any(|c| is(&c));
    (8..=20).contains(&text.len())
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_digit)
}

fn delete(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    switched_on(world, caller, parameters)?;
    account(world, parameters)?.deleted_at = Some(caller.now);
    Ok(Map::new())
}

/// The instance, where it runs and the feature is on.
fn switched_on<'a>(
    world: &'a World,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<&'a Instance, ApiError> {
    let instance = world.running_instance(parameters.text("RegistryId"), caller)?;
    match instance.service_accounts {
        true => Ok(instance),
        false => Err(ApiError::new("UnsupportedOperation", "The feature is in beta and not enabled.")),
    }
}

/// None of the documented codes says that an account is not there: here it is `OperationDenied`.
fn account<'a>(
    world: &'a mut World,
    parameters: &Parameters,
) -> Result<&'a mut ServiceAccountRecord, ApiError> {
    let name = full_name(parameters.text("Name"));
    world.service_account(parameters.text("RegistryId"), &name).ok_or_else(|| {
        ApiError::new("OperationDenied", format!("The service account `{name}` is not there."))
    })
}

/// When it ends: `Duration`, in days, wins over `ExpiresAt`, in milliseconds.
fn end(parameters: &Parameters, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    if let Some(days) = parameters.integer("Duration") {
        if days <= 0 {
            return Err(ApiError::invalid_parameter("The value of parameter `Duration` must be positive."));
        }
        let life = SignedDuration::from_hours(days.saturating_mul(24).min(24 * 36_500));
        return Ok(Some(now.checked_add(life).unwrap_or(Timestamp::MAX)));
    }
    let Some(end) = parameters.integer("ExpiresAt") else { return Ok(None) };
    match Timestamp::from_millisecond(end) {
        Ok(end) if end > now => Ok(Some(end)),
        _ => Err(ApiError::invalid_parameter("The value of parameter `ExpiresAt` is in the past.")),
    }
}

/// The rights that are asked for: not empty, each on a namespace that there is. Whether a wildcard would do is not
/// documented: here it is refused.
fn permissions(parameters: &Parameters, instance: &Instance) -> Result<Option<Vec<Permission>>, ApiError> {
    if !parameters.has("Permissions") {
        return Ok(None);
    }
    let asked: Vec<Permission> = parameters
        .objects("Permissions")
        .map(|it| Permission {
            resource: it.text("Resource").to_owned(),
            actions: it.strings("Actions").into_iter().map(str::to_owned).collect(),
        })
        .collect();
    let invalid = |message: String| Err(ApiError::invalid_parameter(message));
    if asked.is_empty() {
        return invalid("custom account's permission can not be empty".to_owned());
    }
    for Permission { resource, actions } in &asked {
        if !instance.namespaces.contains(resource) {
            return invalid(format!("The namespace `{resource}` is not found."));
        }
        if actions.is_empty() {
            return invalid("custom account's permission can not be empty".to_owned());
        }
        if let Some(action) = actions.iter().find(|action| !ACTIONS.contains(&action.as_str())) {
            return invalid(format!("not support action: {action}"));
        }
    }
    Ok(Some(asked))
}

fn milliseconds(time: Timestamp) -> i64 {
    time.as_millisecond()
}
