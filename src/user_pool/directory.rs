//! Who is in the pool: users, their groups and roles, and app clients, prepared for lookup.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::digest::{SHA256, digest};

use super::random::uuid_text;
use crate::config::model::{
    DevelopmentClient, DevelopmentGrant, DevelopmentUser, DevelopmentUserPool, Secret,
};

/// Position of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct UserIndex(pub(super) usize);

/// Position of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ClientIndex(pub(super) usize);

/// A user with everything that goes into tokens.
#[derive(Debug)]
pub(super) struct User {
    pub(super) username: String,
    /// The same after every restart.
    pub(super) sub: String,
    pub(super) password: Secret,
    /// By precedence.
    pub(super) groups: Vec<String>,
    /// One for each group that has one, by precedence.
    pub(super) roles: Vec<String>,
    pub(super) preferred_role: Option<String>,
    pub(super) attributes: BTreeMap<String, String>,
}

/// Users and clients.
#[derive(Debug)]
pub(super) struct Directory {
    users: Vec<User>,
    clients: Vec<DevelopmentClient>,
    user_by_name: HashMap<String, UserIndex>,
    client_by_id: HashMap<String, ClientIndex>,
}

impl Directory {
    pub(super) fn new(configuration: &DevelopmentUserPool) -> Self {
        let users: Vec<User> =
            configuration.users.iter().map(|user| compile_user(configuration, user)).collect();
        let clients = configuration.clients.clone();
        let user_by_name =
            users.iter().enumerate().map(|(i, u)| (u.username.clone(), UserIndex(i))).collect();
        let client_by_id = clients
            .iter()
            .enumerate()
            .map(|(i, c)| (c.client_id.clone(), ClientIndex(i)))
            .collect();
        Self { users, clients, user_by_name, client_by_id }
    }

    pub(super) fn find_user(&self, username: &str) -> Option<(UserIndex, &User)> {
        let index = *self.user_by_name.get(username)?;
        Some((index, self.user(index)?))
    }

    pub(super) fn user(&self, index: UserIndex) -> Option<&User> {
        self.users.get(index.0)
    }

    pub(super) fn find_client(&self, client_id: &str) -> Option<(ClientIndex, &DevelopmentClient)> {
        let index = *self.client_by_id.get(client_id)?;
        Some((index, self.clients.get(index.0)?))
    }

    pub(super) fn first_user(&self) -> Option<&User> {
        self.users.first()
    }

    /// The client that a person signs in through when nobody says which.
    pub(super) fn first_client_for_users(&self) -> Option<&DevelopmentClient> {
        let takes_passwords = |c: &&DevelopmentClient| has_grant(c, DevelopmentGrant::UserPassword);
        self.clients.iter().find(takes_passwords).or_else(|| self.clients.first())
    }
}

/// Whether `client` may use `grant`.
pub(super) fn has_grant(client: &DevelopmentClient, grant: DevelopmentGrant) -> bool {
    client.grants.contains(&grant)
}

fn compile_user(configuration: &DevelopmentUserPool, user: &DevelopmentUser) -> User {
    let mut groups: Vec<_> =
        configuration.groups.iter().filter(|group| user.groups.contains(&group.name)).collect();
    groups.sort_by_key(|group| group.precedence);
    let with_role: Vec<_> =
        groups.iter().filter_map(|g| Some((g.precedence, g.role.clone()?))).collect();
    let best = with_role.first();
    let is_tied = best.is_some_and(|(precedence, role)| {
        with_role.iter().any(|(other, its)| other == precedence && its != role)
    });
    User {
        username: user.username.clone(),
        sub: sub_of(&configuration.user_pool_id, &user.username),
        password: user.password.clone(),
        groups: groups.iter().map(|group| group.name.clone()).collect(),
        preferred_role: best.filter(|_| !is_tied).map(|(_, role)| role.clone()),
        roles: with_role.into_iter().map(|(_, role)| role).collect(),
        attributes: user.attributes.clone(),
    }
}

/// A UUID that follows from pool and user name, so that it may be written into tests and docs.
fn sub_of(pool_id: &str, username: &str) -> String {
    let digest = digest(&SHA256, format!("portcullis user\n{pool_id}\n{username}").as_bytes());
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    uuid_text(bytes)
}
