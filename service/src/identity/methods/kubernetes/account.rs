//! A service account of a cluster, once somebody has vouched for it.

use serde_json::Value;

use crate::identity::methods::jose::claims::Claims;

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Tells it from one of the same name that was there before.
    pub uid: String,
    /// The secret that holds its token, if that is one of the old kind that lies in a secret.
    pub secret_name: String,
}

/// How long each of these may be: Kubernetes has names of at most 253 characters.
const MAX_LENGTH: usize = 253;

impl ServiceAccount {
    /// The account of a user name as the API server spells it: `system:serviceaccount:<namespace>:<name>`.
    pub fn from_user(user: &str, uid: &str) -> Option<Self> {
        let names = user.strip_prefix("system:serviceaccount:")?;
        let (namespace, name) = names.split_once(':')?;
        Self::new(namespace, name, uid, "")
    }

    /// The account that verified claims tell of: in `kubernetes.io`, or flat in tokens of the old kind. The subject, which
    /// is always there, must name the same.
    pub fn from_claims(claims: &Claims) -> Option<Self> {
        let account = if let Some(nested) = claims.named("kubernetes.io") {
            let text = |pointer: &str| nested.pointer(pointer).and_then(Value::as_str);
            let (namespace, name) = (text("/namespace")?, text("/serviceaccount/name")?);
            Self::new(namespace, name, text("/serviceaccount/uid")?, "")?
        } else {
            let text = |name: &str| {
                let name = format!("kubernetes.io/serviceaccount/{name}");
                claims.named(&name).and_then(Value::as_str)
            };
            let (namespace, name) = (text("namespace")?, text("service-account.name")?);
            let secret = text("secret.name").unwrap_or_default();
            Self::new(namespace, name, text("service-account.uid")?, secret)?
        };
        (account.user() == claims.subject()).then_some(account)
    }

    fn new(namespace: &str, name: &str, uid: &str, secret_name: &str) -> Option<Self> {
        let is_name = |text: &str| {
            let plain = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
            };
            text.len() <= MAX_LENGTH && text.bytes().all(plain)
        };
        let is_there = !namespace.is_empty() && !name.is_empty() && !uid.is_empty();
        let names = [namespace, name, secret_name];
        let is_uid = uid.len() <= MAX_LENGTH && uid.bytes().all(|byte| byte.is_ascii_graphic());
        (is_there && is_uid && names.into_iter().all(is_name)).then(|| Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            secret_name: secret_name.to_owned(),
        })
    }

    /// Its user name as the API server spells it.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn account(secret_name: &str) -> ServiceAccount {
        ServiceAccount {
            namespace: "ns".to_owned(),
            name: "app".to_owned(),
            uid: "u-1".to_owned(),
            secret_name: secret_name.to_owned(),
        }
    }

    fn read(claims: Value) -> Option<ServiceAccount> {
        let Value::Object(fields) = claims else {
            panic!("not an object")
        };
        ServiceAccount::from_claims(&Claims::read(fields).unwrap())
    }

    #[test]
    fn a_user_name_is_of_a_service_account_or_of_nobody() {
        let user = "system:serviceaccount:ns:app";
        assert_eq!(ServiceAccount::from_user(user, "u-1"), Some(account("")));
        assert_eq!(account("").user(), user);
        for other in [
            "",
            "system:serviceaccount:ns",
            "system:serviceaccount:ns:",
            "system:serviceaccount::app",
            "system:serviceaccount:ns:app:x",
            "system:node:ns:app",
            "system:serviceaccounts:ns:app",
            "admin",
            "x:system:serviceaccount:ns:app",
            "system:serviceaccount:ns:a/p",
            "system:serviceaccount:ns:APP",
            "system:serviceaccount:ns:*",
        ] {
            assert_eq!(ServiceAccount::from_user(other, "u-1"), None, "{other}");
        }
        assert_eq!(ServiceAccount::from_user(user, ""), None);
        assert_eq!(ServiceAccount::from_user(user, "a b"), None);
        let long = format!("system:serviceaccount:ns:{}", "a".repeat(254));
        assert_eq!(ServiceAccount::from_user(&long, "u-1"), None);
    }

    #[test]
    fn claims_of_both_kinds_tell_of_an_account() {
        let projected = json!({
            "sub": "system:serviceaccount:ns:app",
            "kubernetes.io": {
                "namespace": "ns",
                "pod": {"name": "p", "uid": "u-2"},
                "serviceaccount": {"name": "app", "uid": "u-1"},
            },
        });
        assert_eq!(read(projected.clone()), Some(account("")));
        let old = json!({
            "sub": "system:serviceaccount:ns:app",
            "kubernetes.io/serviceaccount/namespace": "ns",
            "kubernetes.io/serviceaccount/service-account.name": "app",
            "kubernetes.io/serviceaccount/service-account.uid": "u-1",
            "kubernetes.io/serviceaccount/secret.name": "app-token",
        });
        assert_eq!(read(old.clone()), Some(account("app-token")));
        for (claims, name, value) in [
            (&projected, "sub", json!("system:serviceaccount:ns:admin")),
            (&projected, "sub", json!("")),
            (&projected, "kubernetes.io", json!({})),
            (&projected, "kubernetes.io", json!("ns")),
            (&projected, "kubernetes.io", json!({"namespace": ["ns"]})),
            (&old, "kubernetes.io/serviceaccount/namespace", json!(1)),
            (&old, "kubernetes.io", json!({"namespace": "kube-system"})),
            (
                &old,
                "kubernetes.io/serviceaccount/secret.name",
                json!("A b"),
            ),
        ] {
            let mut changed = claims.clone();
            changed[name] = value;
            assert_eq!(read(changed.clone()), None, "{changed}");
        }
        assert_eq!(read(json!({"sub": "system:serviceaccount:ns:app"})), None);
    }
}
