//! Users by name and id, from the user database.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::HostError;
use super::account::Account;
use crate::config::{Config, SidecarUser};

/// The users that were asked for and exist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Users {
    named: BTreeMap<String, u32>,
    uids: BTreeSet<u32>,
}

impl Users {
    /// Users by name, for facts that do not come from a host.
    #[must_use]
    pub fn named<'a>(users: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let named: BTreeMap<_, _> = users.into_iter().map(|(name, uid)| (name.to_owned(), uid)).collect();
        Self { uids: named.values().copied().collect(), named }
    }

    /// The id of a user name.
    #[must_use]
    pub fn uid_of(&self, name: &str) -> Option<u32> {
        self.named.get(name).copied()
    }

    /// Whether any user has this id.
    #[must_use]
    pub fn has_uid(&self, uid: u32) -> bool {
        self.uids.contains(&uid)
    }
}

/// Looks up the configured user and those that Kuma falls back to.
pub(super) fn look_up(config: &Config) -> Result<Users, HostError> {
    let mut users = Users::default();
    let mut asked_uid = 5678;
    let mut names = vec!["kuma-dp".to_owned()];
    match &config.kuma_dp_user {
        Some(SidecarUser::Uid(uid)) => asked_uid = *uid,
        Some(SidecarUser::Name(name)) => names.push(name.clone()),
        None => {}
    }
    let failed = |user: String| move |error| HostError::User { user, error };
    if let Some(user) = Account::with_uid(asked_uid).map_err(failed(asked_uid.to_string()))? {
        users.uids.insert(user.uid);
    }
    for name in names {
        if let Some(user) = Account::named(&name).map_err(failed(name.clone()))? {
            users.uids.insert(user.uid);
            users.named.insert(name, user.uid);
        }
    }
    Ok(users)
}
