//! The role fields common to all auth methods, as fields of a request and as data of an answer.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::http::errors::Problem;
use crate::http::fields::{FieldFault, Fields};
use crate::identity::cidr::Cidr;
use crate::identity::policy_set::PolicySet;
use crate::identity::token_params::{TokenParams, TokenType};

impl TokenParams {
    /// Takes what the fields say, in the names of today or, where those are absent, of old; what they do not say stays.
    pub(in crate::http) fn update(&mut self, fields: &mut Fields<'_>) -> Result<(), Problem> {
        self.update_lifetimes(fields)?;
        let policies = fields.comma_list("token_policies")?;
        let old = fields.comma_list("policies")?;
        if let Some(names) = policies.or(old) {
            self.policies = policy_set(&names)?;
        }
        let blocks = fields.restriction_list("token_bound_cidrs")?;
        let old = fields.restriction_list("bound_cidrs")?;
        if let Some(blocks) = blocks.or(old) {
            self.bound_cidrs = cidrs("token_bound_cidrs", &blocks)?;
        }
        if let Some(no_default) = fields.boolean("token_no_default_policy")? {
            self.no_default_policy = no_default;
        }
        if let Some(strictly) = fields.boolean("token_strictly_bind_ip")? {
            self.strictly_bind_ip = strictly;
        }
        if let Some(word) = fields.text("token_type")? {
            self.token_type =
                TokenType::parse(word.as_str()).ok_or_else(|| Problem::bad(BAD_TYPE))?;
        }
        let uses = fields.int("token_num_uses")?;
        let old = fields.int("num_uses")?;
        if let Some(uses) = uses.or(old) {
            self.num_uses = num_uses("token_num_uses", uses)?;
        }
        Ok(self.check()?)
    }

    fn update_lifetimes(&mut self, fields: &mut Fields<'_>) -> Result<(), FieldFault> {
        let mut either = |field, old| -> Result<Option<Duration>, FieldFault> {
            let said = fields.duration(field)?;
            Ok(said.or(fields.duration(old)?))
        };
        if let Some(ttl) = either("token_ttl", "ttl")? {
            self.ttl = ttl;
        }
        if let Some(max_ttl) = either("token_max_ttl", "max_ttl")? {
            self.max_ttl = max_ttl;
        }
        if let Some(bound) = either("token_explicit_max_ttl", "explicit_max_ttl")? {
            self.explicit_max_ttl = bound;
        }
        if let Some(period) = either("token_period", "period")? {
            self.period = period;
        }
        Ok(())
    }

    /// The fields as a role's data.
    pub(in crate::http) fn view(&self) -> Map<String, Value> {
        let fields = [
            ("token_bound_cidrs", json!(self.bound_cidrs)),
            (
                "token_explicit_max_ttl",
                json!(self.explicit_max_ttl.as_secs()),
            ),
            ("token_max_ttl", json!(self.max_ttl.as_secs())),
            ("token_no_default_policy", json!(self.no_default_policy)),
            ("token_num_uses", json!(self.num_uses)),
            ("token_period", json!(self.period.as_secs())),
            ("token_policies", json!(self.policies)),
            ("token_strictly_bind_ip", json!(self.strictly_bind_ip)),
            ("token_ttl", json!(self.ttl.as_secs())),
            ("token_type", json!(self.token_type.word())),
        ];
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

/// The set of these policy names.
pub(in crate::http) fn policy_set(names: &[String]) -> Result<PolicySet, Problem> {
    let short = |name: &String| name.len() <= MAX_NAME;
    if names.len() > MAX_POLICIES || !names.iter().all(short) {
        return Err(Problem::bad(
            "at most 256 policies with names of at most 512 bytes can be given",
        ));
    }
    Ok(PolicySet::new(names.iter().map(String::as_str)))
}

/// The address blocks these texts spell.
pub(in crate::http) fn cidrs(field: &'static str, texts: &[String]) -> Result<Vec<Cidr>, Problem> {
    let blocks: Option<Vec<_>> = texts.iter().map(|text| Cidr::parse(text)).collect();
    blocks
        .filter(|blocks| blocks.len() <= MAX_BLOCKS)
        .ok_or_else(|| {
            Problem::bad(format!(
                "'{field}' must be a list of at most {MAX_BLOCKS} addresses or CIDR blocks"
            ))
        })
}

/// A count of uses; zero for any number.
pub(in crate::http) fn num_uses(field: &'static str, uses: i64) -> Result<u32, Problem> {
    if uses < 0 {
        return Err(Problem::bad(format!("'{field}' cannot be negative")));
    }
    // The store's column is a signed integer.
    u32::try_from(uses)
        .ok()
        .filter(|uses| i32::try_from(*uses).is_ok())
        .ok_or_else(|| Problem::bad(format!("'{field}' is too large")))
}

const BAD_TYPE: &str = "invalid 'token_type' value; it must be one of default, service, batch, default-service and \
                        default-batch";
const MAX_POLICIES: usize = 256;
const MAX_NAME: usize = 512;
const MAX_BLOCKS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::errors::Message;

    fn update(params: &mut TokenParams, body: &str) -> Result<(), String> {
        let mut fields = Fields::from_json(body.as_bytes()).unwrap();
        params
            .update(&mut fields)
            .map_err(|problem| match problem.message {
                Message::Plain(text) | Message::Multi(text) => text.into_owned(),
                Message::Empty | Message::WithRequestId(_) => String::new(),
            })?;
        assert_eq!(fields.warnings(), [""; 0], "{body}");
        Ok(())
    }

    #[test]
    fn fields_that_are_absent_change_nothing() {
        let mut params = TokenParams::default();
        let body = r#"{"token_ttl":"1h","token_max_ttl":7200,"token_policies":"b, A","token_num_uses":"3",
            "token_bound_cidrs":["10.0.0.0/8"],"token_no_default_policy":true,"token_type":"service"}"#;
        update(&mut params, body).unwrap();
        let before = params.clone();
        update(&mut params, "{}").unwrap();
        assert_eq!(params, before);
        update(&mut params, r#"{"token_policies":[],"token_ttl":0}"#).unwrap();
        assert!(params.policies.is_empty() && params.ttl.is_zero());
        assert_eq!(params.max_ttl, Duration::from_hours(2));
        let view = Value::Object(before.view());
        assert_eq!(view["token_policies"], json!(["a", "b"]));
        assert_eq!(view["token_bound_cidrs"], json!(["10.0.0.0/8"]));
        assert_eq!(view["token_ttl"], json!(3600));
        assert_eq!(view["token_type"], json!("service"));
        assert_eq!(view.as_object().unwrap().len(), 10);
    }

    #[test]
    fn the_names_of_old_are_taken_where_those_of_today_are_absent() {
        let mut params = TokenParams::default();
        let body = r#"{"policies":["x"],"ttl":60,"max_ttl":120,"period":0,"num_uses":2,"bound_cidrs":"::1"}"#;
        update(&mut params, body).unwrap();
        assert!(params.policies.contains("x"));
        assert_eq!((params.ttl.as_secs(), params.num_uses), (60, 2));
        update(&mut params, r#"{"ttl":1,"token_ttl":2}"#).unwrap();
        assert_eq!(params.ttl, Duration::from_secs(2));
    }

    #[test]
    fn what_cannot_be_is_refused_and_not_repeated() {
        for body in [
            r#"{"token_type":"canary"}"#,
            r#"{"token_num_uses":-1}"#,
            r#"{"token_num_uses":4294967296}"#,
            r#"{"token_bound_cidrs":"canary"}"#,
            r#"{"token_ttl":2,"token_max_ttl":1}"#,
            r#"{"token_type":"batch","token_period":1}"#,
            r#"{"token_ttl":-1}"#,
            r#"{"token_bound_cidrs":[""]}"#,
            r#"{"bound_cidrs":[null," "]}"#,
            r#"{"token_bound_cidrs":" , "}"#,
        ] {
            let text = update(&mut TokenParams::default(), body).unwrap_err();
            assert!(
                !text.is_empty() && !text.contains("canary"),
                "{body}: {text}"
            );
        }
    }
}
