//! A role's fields.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::http::auth::role_entry::RoleEntry;
use crate::http::auth::settings::{refuse, text, texts};
use crate::http::errors::Problem;
use crate::http::fields::{FieldFault, Fields};
use crate::http::json::Value as Json;
use crate::http::weak;
use crate::identity::methods::jwt::bound_claims::{BoundClaims, BoundClaimsType};
use crate::identity::methods::jwt::role::Role;

impl RoleEntry for Role {
    fn update(before: Option<Self>, fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let mut role = before.unwrap_or_default();
        check_type(fields)?;
        refuse(fields, &["verbose_oidc_logging", "max_age"], BROWSER_ONLY)?;
        role.update_claims(fields)?;
        texts(fields, "bound_audiences", &mut role.bound_audiences)?;
        texts(
            fields,
            "allowed_redirect_uris",
            &mut role.allowed_redirect_uris,
        )?;
        texts(fields, "oidc_scopes", &mut role.oidc_scopes)?;
        text(fields, "bound_subject", &mut role.bound_subject)?;
        text(fields, "groups_claim", &mut role.groups_claim)?;
        text(fields, "user_claim", &mut role.user_claim)?;
        if let Some(is_pointer) = fields.boolean("user_claim_json_pointer")? {
            role.user_claim_json_pointer = is_pointer;
        }
        let leeways = &mut role.leeways;
        leeway(fields, "clock_skew_leeway", &mut leeways.clock_skew)?;
        leeway(fields, "expiration_leeway", &mut leeways.expiration)?;
        leeway(fields, "not_before_leeway", &mut leeways.not_before)?;
        role.token.update(fields)?;
        role.check()?;
        Ok(role)
    }

    fn view(&self, _: &str) -> Value {
        let mut view = self.token.view();
        let own = json!({
            "allowed_redirect_uris": self.allowed_redirect_uris,
            "bound_audiences": self.bound_audiences,
            "bound_claims": self.bound_claims,
            "bound_claims_type": self.bound_claims_type.word(),
            "bound_subject": self.bound_subject,
            "claim_mappings": self.claim_mappings,
            "clock_skew_leeway": self.leeways.clock_skew,
            "expiration_leeway": self.leeways.expiration,
            "groups_claim": self.groups_claim,
            "max_age": 0,
            "not_before_leeway": self.leeways.not_before,
            "oidc_scopes": self.oidc_scopes,
            "role_type": "jwt",
            "user_claim": self.user_claim,
            "user_claim_json_pointer": self.user_claim_json_pointer,
            "verbose_oidc_logging": false,
        });
        view.extend(own.as_object().cloned().unwrap_or_default());
        Value::Object(view)
    }
}

const BROWSER_ONLY: &str = "it says something about logins through a browser only";

/// Roles are for tokens. Vault takes a role that does not say for one of its logins through a browser.
fn check_type(fields: &mut Fields<'_>) -> Result<(), Problem> {
    let kind = fields.text("role_type")?.unwrap_or_default();
    match kind.as_str() {
        "" | "jwt" => Ok(()),
        "oidc" => Err(Problem::bad(
            "'role_type' oidc is not offered: logins through a browser are not; use jwt",
        )),
        _ => Err(Problem::bad("invalid 'role_type'; it must be jwt")),
    }
}

impl Role {
    fn update_claims(&mut self, fields: &mut Fields<'_>) -> Result<(), Problem> {
        if let Some(word) = fields.text("bound_claims_type")? {
            let kind = BoundClaimsType::parse(word.as_str());
            self.bound_claims_type = kind.ok_or_else(|| {
                Problem::bad("invalid 'bound_claims_type'; it must be string or glob")
            })?;
        }
        match fields.take(BOUND_CLAIMS) {
            None => {}
            Some(Json::Null) => self.bound_claims = BoundClaims::default(),
            Some(Json::Object(entries)) => self.bound_claims = BoundClaims(values(entries)?),
            Some(
                Json::Bool(_)
                | Json::Fraction(_)
                | Json::Integer(_)
                | Json::List(_)
                | Json::Text(_),
            ) => return Err(FieldFault::unreadable(BOUND_CLAIMS).into()),
        }
        if let Some(mappings) = fields.pairs("claim_mappings")? {
            self.claim_mappings = mappings;
        }
        if self.bound_claims.0.len() > MAX_CLAIMS || self.claim_mappings.len() > MAX_CLAIMS {
            return Err(Problem::bad(format!(
                "a role can name at most {MAX_CLAIMS} claims"
            )));
        }
        Ok(())
    }
}

const BOUND_CLAIMS: &str = "bound_claims";
const MAX_CLAIMS: usize = 64;

fn values(
    entries: Vec<(std::borrow::Cow<'_, str>, Json<'_>)>,
) -> Result<BTreeMap<String, Value>, Problem> {
    let pairs = entries.into_iter().map(|(name, value)| {
        let value = value_of(value).ok_or(FieldFault::unreadable(BOUND_CLAIMS))?;
        Ok((name.into_owned(), value))
    });
    pairs.collect()
}

/// What claims are compared with; `None` for numbers with a fraction, which are equal to nothing.
fn value_of(value: Json<'_>) -> Option<Value> {
    Some(match value {
        Json::Bool(value) => value.into(),
        Json::Fraction(_) | Json::Object(_) => return None,
        Json::Integer(number) => i64::try_from(number).ok()?.into(),
        Json::List(items) => items.into_iter().map(value_of).collect::<Option<_>>()?,
        Json::Null => Value::Null,
        Json::Text(text) => text.into_owned().into(),
    })
}

/// Seconds that may be below zero; `null` counts as absent.
fn leeway(fields: &mut Fields<'_>, field: &'static str, into: &mut i64) -> Result<(), FieldFault> {
    let seconds = match fields.take(field) {
        None | Some(Json::Null) => return Ok(()),
        Some(Json::Integer(number)) => i64::try_from(number).ok(),
        Some(Json::Text(text)) => match text.strip_prefix('-') {
            Some(magnitude) => seconds(magnitude).map(|seconds| -seconds),
            None => seconds(&text),
        },
        Some(Json::Bool(_) | Json::Fraction(_) | Json::List(_) | Json::Object(_)) => None,
    };
    let most = -MAX_LEEWAY..=MAX_LEEWAY;
    *into = seconds
        .filter(|seconds| most.contains(seconds))
        .ok_or(FieldFault::unreadable(field))?;
    Ok(())
}

/// No clocks differ by more than a day.
const MAX_LEEWAY: i64 = 86_400;

fn seconds(text: &str) -> Option<i64> {
    let span = weak::go_duration(text).ok()?;
    i64::try_from(span.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::errors::Message;

    fn update(before: Option<Role>, body: &str) -> Result<Role, String> {
        let mut fields = Fields::from_json(body.as_bytes()).unwrap();
        let updated = Role::update(before, &mut fields);
        let role = updated.map_err(|problem| match problem.message {
            Message::Plain(text) | Message::Multi(text) => text.into_owned(),
            Message::Empty | Message::WithRequestId(_) => String::new(),
        })?;
        assert_eq!(fields.warnings(), [""; 0], "{body}");
        Ok(role)
    }

    /// As hvac writes it.
    const HVAC: &str = r#"{"name_":null,"role_type":"jwt","bound_audiences":["a","b"],"user_claim":"sub",
        "bound_claims":{"/x/y":["p","q"],"n":3,"b":true},"bound_claims_type":"string","groups_claim":"g",
        "claim_mappings":{"/a":"b"},"oidc_scopes":["s"],"allowed_redirect_uris":["http://x"],
        "verbose_oidc_logging":false,"clock_skew_leeway":"-1","expiration_leeway":-1,"not_before_leeway":"5m",
        "token_ttl":60,"token_policies":["p"],"user_claim_json_pointer":true}"#;

    fn hvac() -> String {
        HVAC.replace("\"name_\":null,", "")
    }

    #[test]
    fn what_hvac_writes_reads_back() {
        let role = update(None, &hvac()).unwrap();
        let view = role.view("r");
        for (field, expected) in [
            ("bound_audiences", json!(["a", "b"])),
            (
                "bound_claims",
                json!({"/x/y": ["p", "q"], "n": 3, "b": true}),
            ),
            ("claim_mappings", json!({"/a": "b"})),
            ("clock_skew_leeway", json!(-1)),
            ("expiration_leeway", json!(-1)),
            ("not_before_leeway", json!(300)),
            ("role_type", json!("jwt")),
            ("token_policies", json!(["p"])),
            ("user_claim", json!("sub")),
            ("user_claim_json_pointer", json!(true)),
        ] {
            assert_eq!(view[field], expected, "{field}");
        }
        let again = update(Some(role.clone()), r#"{"token_ttl":120}"#).unwrap();
        assert_eq!(again.bound_claims, role.bound_claims);
        assert_eq!(again.token.ttl.as_secs(), 120);
        let emptied = update(Some(role), r#"{"bound_claims":null,"claim_mappings":{}}"#).unwrap();
        assert!(emptied.bound_claims.is_empty() && emptied.claim_mappings.is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused_and_not_repeated() {
        for body in [
            r#"{"role_type":"oidc","user_claim":"s","bound_subject":"s"}"#,
            r#"{"role_type":"canary","user_claim":"s","bound_subject":"s"}"#,
            r#"{"user_claim":"s"}"#,
            r#"{"bound_subject":"s"}"#,
            r#"{"user_claim":"s","bound_claims":"canary"}"#,
            r#"{"user_claim":"s","bound_claims":{"a":1.5}}"#,
            r#"{"user_claim":"s","bound_claims":{"a":{"b":"canary"}}}"#,
            r#"{"user_claim":"s","bound_subject":"s","bound_claims_type":"canary"}"#,
            r#"{"user_claim":"s","bound_subject":"s","clock_skew_leeway":"canary"}"#,
            r#"{"user_claim":"s","bound_subject":"s","clock_skew_leeway":86401}"#,
            r#"{"user_claim":"s","bound_subject":"s","verbose_oidc_logging":true}"#,
            r#"{"user_claim":"s","bound_subject":"s","claim_mappings":{"a":"role"}}"#,
        ] {
            let text = update(None, body).unwrap_err();
            assert!(
                !text.is_empty() && !text.contains("canary"),
                "{body} {text}"
            );
        }
    }
}
