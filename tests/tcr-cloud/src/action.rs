//! The actions of TCR's API, version 2019-09-24: names, limits, parameters, effects.

mod definition;
mod domain;
mod endpoint;
mod instance;
mod namespace;
mod region;
mod service_account;
mod token;

pub(crate) use definition::Action;

/// The action of that name, which is case-sensitive.
pub(crate) fn find(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().copied().find(|action| action.name == name)
}

/// All of them.
pub(crate) const ACTIONS: &[&Action] = &[
    &token::CREATE,
    &token::DESCRIBE,
    &token::MODIFY,
    &token::DELETE,
    &instance::DESCRIBE,
    &instance::STATUS,
    &endpoint::DESCRIBE,
    &endpoint::DNS_STATUS,
    &domain::DESCRIBE,
    &namespace::DESCRIBE,
    &service_account::CREATE,
    &service_account::DESCRIBE,
    &service_account::MODIFY,
    &service_account::PASSWORD,
    &service_account::DELETE,
    &region::DESCRIBE,
];

#[cfg(test)]
mod tests;
