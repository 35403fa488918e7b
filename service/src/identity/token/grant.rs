//! What goes into a new token, and what its owner is told of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use keyring::store::identity::CredentialHash;

use super::text::TokenText;
use crate::identity::policy_set::PolicySet;
use crate::identity::token_params::{TokenKind, TokenParams, TokenType};
use crate::identity::ttl::TtlLimits;

/// What an auth mount says of the tokens it issues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuthMountLimits {
    /// How long they live.
    pub ttl: TtlLimits,
    /// What kind they are.
    pub token_type: TokenType,
}

/// A token to be made, by a login or by another token.
#[derive(Debug, Default)]
pub struct NewToken {
    /// Policies, lifetimes, bindings and the like; `default` is added to the policies unless they are `root` or the
    /// parameters say no.
    pub params: TokenParams,
    /// What it is to be called in histories and logs.
    pub display_name: String,
    /// What a login says of it.
    pub meta: Option<BTreeMap<String, String>>,
    /// The path that issues it: `auth/approle/login`.
    pub path: String,
    /// The accessor of the auth mount that issues it, with which it goes away; empty for tokens made by tokens.
    pub scope: String,
    /// Who logged in, by a name that nobody else has on that mount; empty for tokens made by tokens.
    pub owner: String,
    /// The token role it is made with, which renewals look up again.
    pub role: Option<String>,
    /// The token it is made from and goes away with.
    pub parent: Option<CredentialHash>,
    /// A text chosen for it; made at random otherwise.
    pub chosen: Option<TokenText>,
    /// Whether the root token of `init` makes it.
    pub root_child: bool,
    /// Whether it must not be renewed.
    pub not_renewable: bool,
    /// Where the request comes from, for tokens that are bound to that.
    pub remote: Option<IpAddr>,
}

/// What the owner of a token is told when it is issued or renewed.
#[derive(Debug)]
pub struct Issued {
    /// The token; absent where it was named by its accessor.
    pub text: Option<TokenText>,
    /// Its accessor; empty for batch tokens.
    pub accessor: String,
    /// What it may do.
    pub policies: PolicySet,
    /// What is said of it.
    pub meta: Option<BTreeMap<String, String>>,
    /// How long it lives from now on; zero if it never expires.
    pub ttl: Duration,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// What it is.
    pub kind: TokenKind,
    /// Whether it has no parent.
    pub orphan: bool,
    /// How many requests it is good for; zero for any number.
    pub num_uses: u32,
    /// What the owner should know.
    pub warnings: Vec<String>,
}
