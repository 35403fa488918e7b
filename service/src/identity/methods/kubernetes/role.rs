//! A role: which service accounts it takes, and what the tokens given to them are like.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::account::ServiceAccount;
use crate::identity::glob;
use crate::identity::token_params::{ParamsFault, TokenParams};

/// A role as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Role {
    /// The names of the service accounts, as globs.
    pub bound_service_account_names: Vec<String>,
    /// The namespaces they are in, as globs.
    pub bound_service_account_namespaces: Vec<String>,
    /// Whom tokens must be meant for; empty for the API server itself.
    pub audience: String,
    /// What the caller is called by.
    pub alias_name_source: AliasNameSource,
    /// What its tokens are like.
    pub token: TokenParams,
}

/// What a service account is called by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AliasNameSource {
    /// Its namespace and name.
    ServiceaccountName,
    /// Its uid, which nobody gets again.
    #[default]
    ServiceaccountUid,
}

impl AliasNameSource {
    /// The source with this name; the empty one means the default.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "" | "serviceaccount_uid" => Some(Self::ServiceaccountUid),
            "serviceaccount_name" => Some(Self::ServiceaccountName),
            _ => None,
        }
    }

    /// The protocol's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ServiceaccountName => "serviceaccount_name",
            Self::ServiceaccountUid => "serviceaccount_uid",
        }
    }
}

/// Why a role cannot be as it is asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleFault {
    /// All, and some of them.
    #[error("can not mix \"*\" with values")]
    Mixed,
    /// No name is bound.
    #[error("\"bound_service_account_names\" can not be empty")]
    NoNames,
    /// No namespace is bound.
    #[error("\"bound_service_account_namespaces\" can not be empty")]
    NoNamespaces,
    /// The token fields contradict each other.
    #[error(transparent)]
    Params(#[from] ParamsFault),
}

/// Why an account is not one of the role's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingFault {
    /// Its name is not.
    #[error("service account name not authorized")]
    Name,
    /// Its namespace is not.
    #[error("namespace not authorized")]
    Namespace,
}

impl Role {
    /// Whether it can be stored.
    pub fn check(&self) -> Result<(), RoleFault> {
        self.token.check()?;
        let bound = [
            (&self.bound_service_account_names, RoleFault::NoNames),
            (
                &self.bound_service_account_namespaces,
                RoleFault::NoNamespaces,
            ),
        ];
        for (globs, missing) in bound {
            if globs.is_empty() {
                return Err(missing);
            }
            if globs.len() > 1 && globs.iter().any(|glob| glob == "*") {
                return Err(RoleFault::Mixed);
            }
        }
        Ok(())
    }

    /// Whether the account is one of the role's.
    pub fn admit(&self, account: &ServiceAccount) -> Result<(), BindingFault> {
        if !glob::any_matches(&self.bound_service_account_names, &account.name) {
            return Err(BindingFault::Name);
        }
        if !glob::any_matches(&self.bound_service_account_namespaces, &account.namespace) {
            return Err(BindingFault::Namespace);
        }
        Ok(())
    }

    /// What the caller is called.
    pub fn alias(&self, account: &ServiceAccount) -> String {
        match self.alias_name_source {
            AliasNameSource::ServiceaccountName => {
                format!("{}/{}", account.namespace, account.name)
            }
            AliasNameSource::ServiceaccountUid => account.uid.clone(),
        }
    }
}

/// What is written to the token of an account that logged in to a role.
pub fn metadata(role: &str, account: &ServiceAccount) -> BTreeMap<String, String> {
    [
        ("role", role),
        ("service_account_name", &account.name),
        ("service_account_namespace", &account.namespace),
        ("service_account_secret_name", &account.secret_name),
        ("service_account_uid", &account.uid),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(names: &[&str], namespaces: &[&str]) -> Role {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Role {
            bound_service_account_names: own(names),
            bound_service_account_namespaces: own(namespaces),
            ..Role::default()
        }
    }

    fn account(namespace: &str, name: &str) -> ServiceAccount {
        let user = format!("system:serviceaccount:{namespace}:{name}");
        ServiceAccount::from_user(&user, "u").unwrap()
    }

    #[test]
    fn names_and_namespaces_must_both_match() {
        let bound = role(&["app", "job-*"], &["prod"]);
        for (namespace, name, expected) in [
            ("prod", "app", Ok(())),
            ("prod", "job-7", Ok(())),
            ("prod", "job", Err(BindingFault::Name)),
            ("prod", "app2", Err(BindingFault::Name)),
            ("test", "app", Err(BindingFault::Namespace)),
            ("test", "other", Err(BindingFault::Name)),
        ] {
            assert_eq!(
                bound.admit(&account(namespace, name)),
                expected,
                "{namespace} {name}"
            );
        }
        let any = role(&["*"], &["*"]);
        assert_eq!(any.admit(&account("any", "body")), Ok(()));
        assert!(Role::default().admit(&account("any", "body")).is_err());
    }

    #[test]
    fn a_star_stands_alone_and_nothing_is_empty() {
        assert_eq!(role(&["*"], &["*"]).check(), Ok(()));
        assert_eq!(role(&["a", "*"], &["b"]).check(), Err(RoleFault::Mixed));
        assert_eq!(role(&["a"], &["*", "b"]).check(), Err(RoleFault::Mixed));
        assert_eq!(role(&[], &["b"]).check(), Err(RoleFault::NoNames));
        assert_eq!(role(&["a"], &[]).check(), Err(RoleFault::NoNamespaces));
    }

    #[test]
    fn the_caller_is_called_by_uid_or_by_name() {
        let mut role = role(&["*"], &["*"]);
        let account = account("ns", "app");
        assert_eq!(role.alias(&account), "u");
        role.alias_name_source = AliasNameSource::parse("serviceaccount_name").unwrap();
        assert_eq!(role.alias(&account), "ns/app");
        assert_eq!(AliasNameSource::parse("name"), None);
        assert_eq!(metadata("r", &account)["service_account_secret_name"], "");
    }
}
