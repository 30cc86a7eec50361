//! CreateInstanceToken, DescribeInstanceToken, ModifyInstanceToken, DeleteInstanceToken.

use serde_json::{Map, json};

use super::definition::Action;
use crate::{
    clock::beijing,
    envelope::{ApiError, Outcome, fields},
    parameter::{Kind, Parameters, optional, required},
    token::{TokenKind, TokenRecord},
    world::{Caller, World},
};

pub(super) static CREATE: Action = Action {
    name: "CreateInstanceToken",
    per_second: 100,
    form: &[
        required("RegistryId", Kind::String),
        optional("TokenType", Kind::String),
        optional("Desc", Kind::String),
    ],
    run: create,
};

pub(super) static DESCRIBE: Action = Action {
    name: "DescribeInstanceToken",
    per_second: 20,
    form: &[
        required("RegistryId", Kind::String),
        optional("Limit", Kind::Integer),
        optional("Offset", Kind::Integer),
    ],
    run: describe,
};

pub(super) static MODIFY: Action = Action {
    name: "ModifyInstanceToken",
    per_second: 20,
    form: &[
        required("TokenId", Kind::String),
        required("RegistryId", Kind::String),
        optional("Enable", Kind::Bool),
        optional("Desc", Kind::String),
        optional("ModifyFlag", Kind::Integer),
    ],
    run: modify,
};

pub(super) static DELETE: Action = Action {
    name: "DeleteInstanceToken",
    per_second: 20,
    form: &[required("RegistryId", Kind::String), required("TokenId", Kind::String)],
    run: delete,
};

fn create(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    let instance = world.running_instance(parameters.text("RegistryId"), caller)?.clone();
    let kind = match parameters.string("TokenType") {
        None | Some("temp") => TokenKind::Temp,
        Some("longterm") => TokenKind::Longterm,
        Some(other) => {
            return Err(ApiError::invalid_parameter(format!(
                "The value `{other}` of parameter `TokenType` is neither `longterm` nor `temp`."
            )));
        }
    };
    let description = parameters.string("Desc").unwrap_or_default();
    let token =
        TokenRecord::mint(&caller.account, &instance, kind, description, caller.now, &mut world.random);
    let answer = fields(json!({
        "Username": token.uin,
        "Token": token.secret.expose(),
        "ExpTime": token.expires_at.as_millisecond(),
        "TokenId": token.id,
    }));
    world.tokens.push(token);
    Ok(answer)
}

/// The greatest `Limit` is not documented; Terraform's provider asks for 200, so none is set here.
fn describe(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    let registry = parameters.text("RegistryId");
    world.instance(registry, caller)?;
    let tokens = world.listed_tokens(registry, caller);
    let page: Vec<_> = tokens
        .iter()
        .skip(parameters.count("Offset", 0)?)
        .take(parameters.count("Limit", 20)?)
        .map(|token| {
            json!({
                "Id": token.id,
                "Desc": token.description,
                "RegistryId": token.registry_id,
                "Enabled": token.enabled,
                "CreatedAt": beijing(token.created_at),
                "ExpiredAt": token.expires_at.as_millisecond(),
            })
        })
        .collect();
    Ok(fields(json!({"TotalCount": tokens.len(), "Tokens": page})))
}

/// One call does one thing, as `ModifyFlag` says: 1 sets the description, 2 (the default) the switch.
fn modify(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    world.running_instance(parameters.text("RegistryId"), caller)?;
    let flag = parameters.count("ModifyFlag", 2)?;
    let description = parameters.string("Desc");
    let enable = parameters.bool("Enable");
    let token = own_token(world, caller, parameters)?;
    match flag {
        1 => token.description = description.ok_or_else(|| ApiError::missing_parameter("Desc"))?.to_owned(),
        2 => token.enabled = enable.ok_or_else(|| ApiError::missing_parameter("Enable"))?,
        other => {
            return Err(ApiError::invalid_parameter(format!(
                "The value `{other}` of parameter `ModifyFlag` is neither 1 nor 2."
            )));
        }
    }
    Ok(Map::new())
}

fn delete(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    world.running_instance(parameters.text("RegistryId"), caller)?;
    own_token(world, caller, parameters)?.deleted_at = Some(caller.now);
    Ok(Map::new())
}

/// No not-found code is documented for tokens: of the documented ones, `InternalError.Unknown` is left,
/// so a client learns that a token is gone only by listing.
fn own_token<'a>(
    world: &'a mut World,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<&'a mut TokenRecord, ApiError> {
    let id = parameters.text("TokenId");
    world
        .token(parameters.text("RegistryId"), id, caller)
        .ok_or_else(|| ApiError::new("InternalError.Unknown", format!("The token `{id}` cannot be handled.")))
}
