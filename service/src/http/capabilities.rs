//! What tokens may do on paths: `sys/capabilities`, `-self` and `-accessor`.

use serde_json::{Map, Value, json};

use super::auth::token::{by_accessor, meant, text};
use super::errors::Problem;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::route::identity::Which;
use crate::identity::policy_set::PolicySet;
use crate::identity::token::lookup::Found;

/// `POST sys/capabilities`, `sys/capabilities-self` and `sys/capabilities-accessor`
pub(super) async fn answer(request: &Request<'_>, which: Which) -> Answer {
    let identity = request.identity()?;
    let mut fields = request.body.fields()?;
    let policies = match which {
        Which::Own => {
            fields.ignore(&["token"]);
            request.known_caller()?.token.powers.policies().clone()
        }
        Which::ByAccessor => {
            let found = by_accessor(identity, &mut fields).await?;
            policies_of(found.ok_or_else(|| Problem::bad("invalid accessor"))?)
        }
        Which::ByText => {
            let token = meant(&mut fields)?;
            if token.is_empty() {
                return Err(Problem::multi("no token found"));
            }
            let found = identity.find(text(&token)).await?;
            policies_of(found.ok_or_else(|| Problem::bad("invalid token"))?)
        }
    };
    let paths = non_empty(fields.comma_list("paths")?);
    let paths = paths.or(non_empty(fields.comma_list("path")?));
    let paths = paths.ok_or_else(|| Problem::bad("paths must be supplied"))?;
    let powers = identity.policies.powers(&policies);
    let acl = identity.policies.acl(&powers).await?;
    let mut data: Map<String, Value> = paths
        .iter()
        .map(|path| (path.clone(), json!(acl.capabilities(path))))
        .collect();
    if let [only] = paths.as_slice() {
        data.insert("capabilities".to_owned(), json!(acl.capabilities(only)));
    }
    Ok(Reply::data_twice(request.id, &Value::Object(data)))
}

fn policies_of(found: Found) -> PolicySet {
    match found {
        Found::Batch(body) => body.policies,
        Found::Initial(_) => PolicySet::root(),
        Found::Service(stored) => stored.body.policies,
    }
}

fn non_empty(paths: Option<Vec<String>>) -> Option<Vec<String>> {
    let paths: Vec<_> = paths?.into_iter().filter(|path| !path.is_empty()).collect();
    (!paths.is_empty()).then_some(paths)
}
