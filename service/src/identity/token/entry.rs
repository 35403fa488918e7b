//! A token as nodes keep it in memory: what each request needs to know, and nothing it does not.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keyring::clock::Timestamp;
use keyring::store::identity::CredentialHash;

use super::body::TokenBody;
use crate::audit::{AuditLog, Who};
use crate::identity::cidr::{self, Cidr};
use crate::identity::powers::Powers;
use crate::identity::token_params::TokenKind;
use crate::identity::ttl;
use crate::quota::QuotaIdentity;

/// A token somebody presented.
#[derive(Debug)]
pub struct TokenEntry {
    /// Names the token without giving it away; empty for batch tokens.
    pub accessor: Box<str>,
    /// Where it may be used from; empty for anywhere.
    pub bound_cidrs: Box<[Cidr]>,
    /// Whether each request takes one of its uses: see [`Identity::spend`](crate::identity::Identity::spend).
    pub counted: bool,
    /// How many tokens it descends from.
    pub depth: u8,
    /// What the caller is called in histories and logs.
    pub display_name: Box<str>,
    /// When it expires, as far as this node knows; none if never.
    pub expires_at: Option<Timestamp>,
    /// Its keyed hash.
    pub hash: CredentialHash,
    /// Whether `init` made it: it is in no row of tokens, cannot expire and is revoked by replacing it.
    pub is_initial: bool,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// What it is.
    pub kind: TokenKind,
    /// Whose login gave it; none of a token made by a token.
    pub login: Option<Box<Login>>,
    /// The token it goes away with.
    pub parent: Option<CredentialHash>,
    /// What it may do; shared with all tokens of the same policies.
    pub powers: Arc<Powers>,
    /// What audit records say of it, written once.
    who: OnceLock<Who>,
    /// When it expires, as uptime: steps of the wall clock do not matter.
    deadline: Option<Duration>,
    /// When the read that brought it began, as uptime.
    read_at: Duration,
}

/// Somebody who logged in.
#[derive(Debug)]
pub struct Login {
    /// The accessor of the auth mount.
    mount: Box<str>,
    /// A name that nobody else has there.
    name: Box<str>,
}

impl Login {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.mount.len() + self.name.len()
    }
}

/// Tokens of earlier releases know the name they are called by only.
fn login_of(body: &TokenBody) -> Option<Box<Login>> {
    let name = match body.owner.as_str() {
        "" => &body.display_name,
        owner => owner,
    };
    (!body.scope.is_empty()).then(|| {
        Box::new(Login {
            mount: body.scope.as_str().into(),
            name: name.into(),
        })
    })
}

/// What time it is, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    pub(crate) uptime: Duration,
}

impl TokenEntry {
    /// The entry of a token that was read at this moment; `None` if it has expired by then.
    pub(crate) fn new(
        body: &TokenBody,
        hash: CredentialHash,
        parent: Option<CredentialHash>,
        powers: Arc<Powers>,
        read: Moment,
    ) -> Option<Self> {
        let deadline = match body.expires() {
            None => None,
            Some(at) => Some(read.uptime.saturating_add(ttl::left(at, read.now)?)),
        };
        Some(Self {
            accessor: body.accessor.as_str().into(),
            bound_cidrs: body.bound_cidrs.as_slice().into(),
            counted: body.num_uses > 0,
            depth: body.depth,
            display_name: body.display_name.as_str().into(),
            expires_at: body.expires(),
            hash,
            is_initial: false,
            issued_at: body.issued(),
            kind: body.kind,
            login: login_of(body),
            parent,
            powers,
            who: OnceLock::new(),
            deadline,
            read_at: read.uptime,
        })
    }

    /// The same entry, of a token that `init` made.
    pub(crate) fn initial(self) -> Self {
        Self {
            is_initial: true,
            ..self
        }
    }

    /// What audit records of this log say of it.
    pub fn who(&self, log: &AuditLog) -> &Who {
        self.who.get_or_init(|| {
            log.who(
                &self.accessor,
                &self.display_name,
                self.powers.policies().iter(),
            )
        })
    }

    /// Whom a budget is counted for: whoever logs in, however often, else the token.
    pub fn quota_identity(&self) -> QuotaIdentity<'_> {
        match &self.login {
            Some(login) => QuotaIdentity::Login {
                mount: &login.mount,
                name: &login.name,
            },
            None => QuotaIdentity::Token(self.hash.0),
        }
    }

    /// Whose share of work and room it draws on: whoever logs in, however often, else the token.
    pub fn owner(&self) -> String {
        match self.quota_identity() {
            QuotaIdentity::Login { mount, name } => format!("login {mount} {name}"),
            QuotaIdentity::Token(hash) => {
                format!("token {}", data_encoding::HEXLOWER.encode(&hash))
            }
        }
    }

    /// Whether it has not expired at this uptime.
    pub(crate) fn is_live(&self, uptime: Duration) -> bool {
        self.deadline.is_none_or(|deadline| uptime < deadline)
    }

    /// How long ago it was read.
    pub(crate) fn age(&self, uptime: Duration) -> Duration {
        uptime.saturating_sub(self.read_at)
    }

    /// Whether it may be used from this address.
    pub fn admits(&self, remote: Option<IpAddr>) -> bool {
        cidr::admits(&self.bound_cidrs, remote)
    }

    /// What it takes in memory, roughly, with its place in the cache.
    pub(crate) fn weight(&self) -> usize {
        CACHE_PLACE
            + size_of::<Self>()
            + self.accessor.len()
            + self.display_name.len()
            + self.login.as_ref().map_or(0, |login| login.weight())
            + size_of_val(&*self.bound_cidrs)
    }
}

/// Key, pointers and counters that the cache keeps for each entry, and what the allocator rounds up.
const CACHE_PLACE: usize = 240;
