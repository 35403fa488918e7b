//! A name and a password.

pub mod lockout;
pub mod password;

use std::net::IpAddr;

use keyring::name::KeyName;
use keyring::secret::SecretBytes;
use serde::{Deserialize, Serialize};

use self::lockout::{Contender, LockoutRule, Lockouts};
use self::password::{HashError, PasswordHasher, PasswordRecord};
use super::origin::Origin;
use super::role_name;
use crate::identity::cidr::admits;
use crate::identity::entries::{EntryError, Shelf};
use crate::identity::parts::Parts;
use crate::identity::token_params::TokenParams;

/// The users of all mounts of that kind. Mounts are named by their accessors, users by their names in lower case.
#[derive(Debug)]
pub struct Users {
    parts: Parts,
    hasher: PasswordHasher,
    lockouts: Lockouts,
}

/// A user as stored.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct User {
    /// What the password is known by.
    pub password: PasswordRecord,
    /// What the user's tokens are like.
    pub token: TokenParams,
}

/// Somebody who claims to be a user.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The accessor of the auth mount.
    pub mount: &'a str,
    /// The name, however it is spelled.
    pub name: &'a KeyName,
    /// Where the caller is.
    pub remote: Option<IpAddr>,
}

/// Who logged in, and what the token is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserLogin {
    /// The user's name, in lower case.
    pub name: String,
    /// What the user's tokens are like.
    pub params: TokenParams,
}

/// Why nobody logged in. An unknown user, a wrong password, and a right one from a forbidden address are one and the same.
#[derive(Debug, thiserror::Error)]
pub enum UserLoginError {
    /// Too many failures lately, whatever the password.
    #[error("permission denied")]
    Denied,
    /// The store failed.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The password could not be checked.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No such user, another password, or an address the user's tokens are not for.
    #[error("invalid username or password")]
    Invalid,
}

impl Users {
    /// Nobody has tried to log in yet.
    pub fn new(parts: Parts, hasher: PasswordHasher) -> Self {
        Self {
            parts,
            hasher,
            lockouts: Lockouts::new(),
        }
    }

    /// The user of this name.
    pub async fn user(&self, mount: &str, name: &KeyName) -> Result<Option<User>, EntryError> {
        self.find(mount, &role_name(name)).await
    }

    /// The names of all users, in byte order.
    pub async fn names(&self, mount: &str) -> Result<Vec<String>, EntryError> {
        self.parts.entries.names(users(mount)).await
    }

    /// What a new password that comes from this address is to be known by.
    pub async fn record(
        &self,
        password: SecretBytes,
        remote: Option<IpAddr>,
    ) -> Result<PasswordRecord, HashError> {
        let turn = self.hasher.turn(Origin::of(remote)).await?;
        turn.hash(password, self.parts.entropy.as_ref()).await
    }

    /// Makes or changes a user by `edit`, which may run several times. What it refuses is refused.
    pub async fn put<E>(
        &self,
        mount: &str,
        name: &KeyName,
        edit: impl FnMut(Option<User>) -> Result<User, E>,
    ) -> Result<Result<(), E>, EntryError> {
        let name = role_name(name);
        let put = self.parts.entries.put(users(mount), &name, edit).await?;
        Ok(put.map(|_written| ()))
    }

    /// Deletes a user; whether there was one.
    pub async fn delete(&self, mount: &str, name: &KeyName) -> Result<bool, EntryError> {
        let name = role_name(name);
        self.parts.entries.delete(users(mount), &name).await
    }

    /// Logs a user in. The same work is done for a name that is nobody's as for a wrong password. A right password from an address
    /// that the user's tokens are not for counts as a wrong one, so that nobody finds out there that it is right.
    pub async fn log_in(
        &self,
        attempt: Attempt<'_>,
        rule: LockoutRule,
        password: SecretBytes,
    ) -> Result<UserLogin, UserLoginError> {
        let clock = self.parts.clock.as_ref();
        let who = Contender {
            mount: attempt.mount.to_owned(),
            name: role_name(attempt.name),
        };
        if self.lockouts.is_locked(&who, rule, clock) {
            return Err(UserLoginError::Denied);
        }
        let turn = self.hasher.turn(Origin::of(attempt.remote)).await?;
        // Asked again now that it is our turn: of many guesses at once only those that are being checked may be too many.
        if self.lockouts.is_locked(&who, rule, clock) {
            return Err(UserLoginError::Denied);
        }
        let user = self.find(attempt.mount, &who.name).await?;
        let record = user.as_ref().map(|user| user.password.clone());
        let (is_right, turn) = turn.check(password, record).await?;
        let may = |user: &&User| is_right && admits(&user.token.bound_cidrs, attempt.remote);
        let Some(user) = user.as_ref().filter(may) else {
            self.lockouts.failed(who, user.is_some(), rule, clock);
            drop(turn);
            return Err(UserLoginError::Invalid);
        };
        self.lockouts.succeeded(&who);
        Ok(UserLogin {
            name: who.name,
            params: user.token.clone(),
        })
    }

    async fn find(&self, mount: &str, name: &str) -> Result<Option<User>, EntryError> {
        let found = self.parts.entries.get(users(mount), name).await?;
        Ok(found.map(|entry| entry.value))
    }
}

const fn users(mount: &str) -> Shelf<'_> {
    Shelf {
        kind: "userpass-user",
        scope: mount,
    }
}

#[cfg(test)]
mod tests;
