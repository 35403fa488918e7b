//! What tokens may make of themselves: the rules of `auth/token/create`, pure.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use keyring::store::identity::CredentialHash;

use super::grant::NewToken;
use super::role::TokenRole;
use super::text::TokenText;
use crate::identity::cidr::Cidr;
use crate::identity::policy_set::PolicySet;
use crate::identity::token_params::{TokenKind, TokenParams, TokenType};

/// What is asked for.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a separate field of the protocol"
)]
pub struct Wish {
    /// A text chosen for it.
    pub chosen: Option<TokenText>,
    /// What it is to be called.
    pub display_name: String,
    /// An entity alias.
    pub entity_alias: String,
    /// The bound on the age it can ever reach; zero for none.
    pub explicit_max_ttl: Duration,
    /// What is to be said of it.
    pub meta: Option<BTreeMap<String, String>>,
    /// Whether `default` is not to be added.
    pub no_default_policy: bool,
    /// Whether it is to have no parent.
    pub no_parent: bool,
    /// Whether it must not be renewed.
    pub not_renewable: bool,
    /// How many requests it is to be good for; zero for any number.
    pub num_uses: u32,
    /// The path that was called: `auth/token/create`.
    pub path: String,
    /// Its lifetime at each renewal; zero if it is not to be periodic.
    pub period: Duration,
    /// What it is to do, be it nothing; `None` for what its creator, or the role, says.
    pub policies: Option<PolicySet>,
    /// Its lifetime; zero for the default.
    pub ttl: Duration,
    /// What it is to be; default for what the role says.
    pub token_type: TokenType,
    /// Whether the path that was called makes orphans.
    pub orphan_path: bool,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a separate fact about a token"
)]
pub struct Creator<'a> {
    /// Where its token may be used from.
    pub bound_cidrs: &'a [Cidr],
    /// Whether its token's uses are counted.
    pub counted: bool,
    /// Whether its token expires.
    pub expires: bool,
    /// Its token's hash.
    pub hash: CredentialHash,
    /// Whether its token was made by `init`.
    pub is_initial: bool,
    /// Whether it has root or sudo privileges on the path.
    pub is_sudo: bool,
    /// What its token is.
    pub kind: TokenKind,
    /// What its token may do.
    pub policies: &'a PolicySet,
    /// Where the request comes from.
    pub remote: Option<IpAddr>,
}

/// Why nobody may have such a token, in Vault's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateFault {
    /// The role does not allow this entity alias.
    #[error("invalid 'entity_alias' value")]
    Alias,
    /// Entity aliases are asked for through a role.
    #[error("'entity_alias' is only allowed in combination with token role")]
    AliasWithoutRole,
    /// A batch token asks.
    #[error("batch tokens cannot create more tokens")]
    BatchCreator,
    /// Batch tokens do not have this.
    #[error("batch tokens cannot have \"{0}\" set")]
    BatchHas(&'static str),
    /// A text is chosen without the right to.
    #[error("root or sudo privileges required to specify token id")]
    Choice,
    /// A token with counted uses asks.
    #[error("restricted use token cannot generate child tokens")]
    CountedCreator,
    /// The role keeps this policy from everybody.
    #[error("token policy \"{0}\" is disallowed by this role")]
    Disallowed(String),
    /// It would outlive its creator for ever.
    #[error("expiring root tokens cannot create non-expiring root tokens")]
    ExpiringRoot,
    /// The role does not allow these policies.
    #[error("token policies must be subset of the role's allowed policies or glob policies")]
    NotAllowed,
    /// An orphan is asked for without the right to.
    #[error("root or sudo privileges required to create orphan token")]
    Orphan,
    /// A periodic token is asked for without the right to.
    #[error("root or sudo privileges required to create periodic token")]
    Period,
    /// A root token is asked for by another.
    #[error("root tokens may not be created without parent token being root")]
    Root,
    /// More is asked for than the creator may do.
    #[error("child policies must be subset of parent")]
    Subset,
    /// The type is none a token can have.
    #[error("invalid 'token_type' value")]
    Type,
}

/// The token that comes of a wish, and what its owner should know.
pub fn plan(
    wish: Wish,
    creator: &Creator<'_>,
    role: Option<(&str, &TokenRole)>,
) -> Result<(NewToken, Vec<String>), CreateFault> {
    check_creator(&wish, creator, role)?;
    let kind = kind_of(&wish, role)?;
    let policies = policies_of(&wish, creator, role)?;
    let eternal = policies.is_root()
        && wish.ttl.is_zero()
        && wish.period.is_zero()
        && wish.explicit_max_ttl.is_zero()
        && role.is_none_or(|(_, role)| {
            role.params.period.is_zero() && role.params.explicit_max_ttl.is_zero()
        });
    if eternal && creator.expires {
        return Err(CreateFault::ExpiringRoot);
    }
    let is_orphan = match role {
        Some((_, role)) => role.orphan,
        None => wish.no_parent || wish.orphan_path,
    };
    if role.is_none() && wish.no_parent && !creator.is_sudo {
        return Err(CreateFault::Orphan);
    }
    if !wish.period.is_zero() && !creator.is_sudo {
        return Err(CreateFault::Period);
    }
    let mut warnings = Vec::new();
    let (explicit_max_ttl, period) = bounds_of(&wish, kind, role, &mut warnings);
    let new = NewToken {
        params: TokenParams {
            bound_cidrs: blocks_of(creator, role, is_orphan),
            explicit_max_ttl,
            max_ttl: Duration::ZERO,
            // What is to be added has been added.
            no_default_policy: true,
            num_uses: uses_of(&wish, role),
            period,
            policies,
            strictly_bind_ip: false,
            ttl: wish.ttl,
            token_type: match kind {
                TokenKind::Batch => TokenType::Batch,
                TokenKind::Service => TokenType::Service,
            },
        },
        display_name: display_name(&wish.display_name),
        meta: wish.meta,
        path: path_of(wish.path, role),
        scope: String::new(),
        owner: String::new(),
        role: role.map(|(name, _)| name.to_owned()),
        parent: (!is_orphan && !creator.is_initial).then_some(creator.hash),
        chosen: wish.chosen,
        root_child: !is_orphan && creator.is_initial,
        not_renewable: wish.not_renewable || role.is_some_and(|(_, role)| !role.renewable),
        remote: creator.remote,
    };
    Ok((new, warnings))
}

type Role<'a> = Option<(&'a str, &'a TokenRole)>;

fn check_creator(wish: &Wish, creator: &Creator<'_>, role: Role<'_>) -> Result<(), CreateFault> {
    if creator.kind == TokenKind::Batch {
        return Err(CreateFault::BatchCreator);
    }
    if creator.counted {
        return Err(CreateFault::CountedCreator);
    }
    if wish.chosen.is_some() && !creator.is_sudo {
        return Err(CreateFault::Choice);
    }
    match role {
        _ if wish.entity_alias.is_empty() => Ok(()),
        None => Err(CreateFault::AliasWithoutRole),
        Some((_, role)) if role.allows_alias(&wish.entity_alias) => Ok(()),
        Some(_) => Err(CreateFault::Alias),
    }
}

fn kind_of(wish: &Wish, role: Role<'_>) -> Result<TokenKind, CreateFault> {
    let asked = match wish.token_type {
        TokenType::Batch | TokenType::Default | TokenType::Service => wish.token_type,
        TokenType::DefaultBatch | TokenType::DefaultService => return Err(CreateFault::Type),
    };
    let ruled = role.map_or(TokenType::DefaultService, |(_, role)| {
        role.params.token_type
    });
    let kind = ruled.kind(asked);
    if kind == TokenKind::Service {
        return Ok(kind);
    }
    if !wish.explicit_max_ttl.is_zero() {
        return Err(CreateFault::BatchHas("explicit_max_ttl"));
    }
    if wish.num_uses > 0 {
        return Err(CreateFault::BatchHas("num_uses"));
    }
    if !wish.period.is_zero() {
        return Err(CreateFault::BatchHas("period"));
    }
    Ok(kind)
}

fn policies_of(
    wish: &Wish,
    creator: &Creator<'_>,
    role: Role<'_>,
) -> Result<PolicySet, CreateFault> {
    let policies = match role {
        Some((_, role)) if role.rules_policies() => policies_by_role(wish, creator, role)?,
        Some(_) | None => policies_by_creator(wish.policies.as_ref(), creator)?,
    };
    let policies = if wish.no_default_policy {
        policies.without_default()
    } else {
        policies
    };
    if policies.is_root() && !creator.policies.is_root() {
        return Err(CreateFault::Root);
    }
    Ok(policies)
}

fn policies_by_creator(
    wished: Option<&PolicySet>,
    creator: &Creator<'_>,
) -> Result<PolicySet, CreateFault> {
    let Some(wished) = wished else {
        // What the creator has, `default` included only if it has that.
        return Ok(creator.policies.clone());
    };
    if creator.is_sudo {
        return Ok(wished.with_default());
    }
    if !wished.is_subset_of(creator.policies) {
        return Err(CreateFault::Subset);
    }
    if creator.policies.contains("default") {
        Ok(wished.with_default())
    } else {
        Ok(wished.clone())
    }
}

fn policies_by_role(
    wish: &Wish,
    creator: &Creator<'_>,
    role: &TokenRole,
) -> Result<PolicySet, CreateFault> {
    let adds_default = !wish.no_default_policy && role.adds_default();
    let completed = |set: &PolicySet| {
        if adds_default {
            set.with_default()
        } else {
            set.clone()
        }
    };
    let limited = !role.allowed_policies.is_empty() || !role.allowed_policies_glob.is_empty();
    let policies = if let Some(wished) = &wish.policies {
        completed(wished)
    } else if limited {
        completed(&role.allowed_policies)
    } else {
        completed(creator.policies)
    };
    let allowed = |policy: &str| role.allows(policy) || (adds_default && policy == "default");
    if limited && !policies.iter().all(allowed) {
        return Err(CreateFault::NotAllowed);
    }
    if let Some(policy) = policies.iter().find(|policy| role.disallows(policy)) {
        return Err(CreateFault::Disallowed(policy.to_owned()));
    }
    Ok(policies)
}

/// Explicit maximum and period, the lesser ones where both wish and role have one.
fn bounds_of(
    wish: &Wish,
    kind: TokenKind,
    role: Role<'_>,
    warnings: &mut Vec<String>,
) -> (Duration, Duration) {
    let Some((_, role)) = role.filter(|_| kind == TokenKind::Service) else {
        return (wish.explicit_max_ttl, wish.period);
    };
    let mut lesser = |what: &str, wished: Duration, ruled: Duration| {
        if wished.is_zero() || ruled.is_zero() {
            return wished.max(ruled);
        }
        let lesser = wished.min(ruled);
        warnings.push(format!(
            "{what} specified both during creation call and in role; using the lesser value of {} seconds",
            lesser.as_secs()
        ));
        lesser
    };
    (
        lesser(
            "Explicit max TTL",
            wish.explicit_max_ttl,
            role.params.explicit_max_ttl,
        ),
        lesser("Period", wish.period, role.params.period),
    )
}

/// Roles say where their tokens are used; without one, children are bound like their parents.
fn blocks_of(creator: &Creator<'_>, role: Role<'_>, is_orphan: bool) -> Vec<Cidr> {
    match role {
        Some((_, role)) => role.params.bound_cidrs.clone(),
        None if is_orphan => Vec::new(),
        None => creator.bound_cidrs.to_vec(),
    }
}

/// The lesser number of uses; zero is any number, and so the greatest.
fn uses_of(wish: &Wish, role: Role<'_>) -> u32 {
    let ruled = role.map_or(0, |(_, role)| role.params.num_uses);
    let given = [wish.num_uses, ruled].into_iter().filter(|uses| *uses > 0);
    given.min().unwrap_or_default()
}

fn path_of(path: String, role: Role<'_>) -> String {
    match role {
        Some((_, role)) if !role.path_suffix.is_empty() => format!("{path}/{}", role.path_suffix),
        Some(_) | None => path,
    }
}

/// `token`, or `token-` and the name in letters, digits and dashes.
fn display_name(wished: &str) -> String {
    if wished.is_empty() {
        return "token".to_owned();
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let full: String = "token-".chars().chain(wished.chars()).map(plain).collect();
    full.strip_suffix('-').unwrap_or(&full).to_owned()
}

#[cfg(test)]
mod tests;
