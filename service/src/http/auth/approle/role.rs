//! Roles as a whole, and their role ids.

use keyring::name::KeyName;
use serde_json::{Value, json};

use super::secret_id::prefixed;
use crate::http::auth::methods;
use crate::http::auth::token_params::{cidrs, num_uses};
use crate::http::body::BodyCopy;
use crate::http::errors::Problem;
use crate::http::fields::Fields;
use crate::http::reply::{Answer, Reply};
use crate::http::request::Request;
use crate::http::route::{RouteFault, Verb};
use crate::identity::auth_mounts::mount::AuthMount;
use crate::identity::methods::approle::Draft;
use crate::identity::methods::approle::role::Role;

/// `LIST role`
pub(super) async fn list(request: &Request<'_>, mount: &AuthMount) -> Answer {
    let names = methods(request)?.approles.names(&mount.accessor).await?;
    Reply::names(request.id, &names)
}

/// `role/:name`
pub(super) async fn handle(
    request: &Request<'_>,
    mount: &AuthMount,
    verb: Verb,
    name: &KeyName,
) -> Answer {
    match verb {
        Verb::Delete => delete(request, mount, name).await,
        Verb::Read => {
            let role = found(request, mount, name).await?;
            Ok(Reply::data(request.id, &view(&role), &[]))
        }
        Verb::Write => {
            let edit = |draft, fields: &mut Fields<'_>| {
                let (mut role, is_new) = match draft {
                    Draft::New(role) => (role, true),
                    Draft::Old(role) => (role, false),
                };
                update(&mut role, fields, is_new)?;
                Ok(role)
            };
            put(request, mount, name, edit).await
        }
        Verb::List | Verb::Patch => Err(RouteFault::UnsupportedOperation.into()),
    }
}

/// `role/:name/role-id`
pub(super) async fn handle_role_id(
    request: &Request<'_>,
    mount: &AuthMount,
    verb: Verb,
    name: &KeyName,
) -> Answer {
    if verb != Verb::Write {
        let role = found(request, mount, name).await?;
        let data = json!({"role_id": role.role_id});
        return Ok(Reply::data(request.id, &data, &[]));
    }
    let edit = |draft, fields: &mut Fields<'_>| {
        let mut role = existing(draft)?;
        if !fields.keep(&["role_id"]) {
            return Err(Problem::bad("missing role_id"));
        }
        update(&mut role, fields, false)?;
        if role.role_id.is_empty() {
            return Err(Problem::bad("missing role_id"));
        }
        Ok(role)
    };
    put(request, mount, name, edit).await
}

/// The role, to be read.
pub(super) async fn found(
    request: &Request<'_>,
    mount: &AuthMount,
    name: &KeyName,
) -> Result<Role, Problem> {
    let roles = &methods(request)?.approles;
    let found = roles.role(&mount.accessor, name).await?;
    found.ok_or(Problem::absent())
}

/// A role that is to be there already.
pub(super) fn existing(draft: Draft) -> Result<Role, Problem> {
    match draft {
        Draft::New(_) => Err(RouteFault::UnsupportedPath.into()),
        Draft::Old(role) => Ok(role),
    }
}

/// Makes or changes a role by what `edit` makes of the body's fields.
pub(super) async fn put(
    request: &Request<'_>,
    mount: &AuthMount,
    name: &KeyName,
    edit: impl Fn(Draft, &mut Fields<'_>) -> Result<Role, Problem> + Send + Sync + 'static,
) -> Answer {
    let methods = methods(request)?.clone();
    let (accessor, name) = (mount.accessor.clone(), name.clone());
    let body: BodyCopy = request.body.copy();
    let work = async move {
        let edit = |draft| edit(draft, &mut body.fields()?);
        let put = methods.approles.put(&accessor, &name, edit).await?;
        put?;
        Ok::<_, Problem>(())
    };
    request.detached(work).await??;
    Ok(Reply::nothing())
}

async fn delete(request: &Request<'_>, mount: &AuthMount, name: &KeyName) -> Answer {
    let methods = methods(request)?.clone();
    let (accessor, name) = (mount.accessor.clone(), name.clone());
    let work = async move { methods.approles.delete(&accessor, &name).await };
    request.detached(work).await??;
    Ok(Reply::nothing())
}

/// Takes what the fields say of a role; what they do not say stays.
pub(super) fn update(
    role: &mut Role,
    fields: &mut Fields<'_>,
    is_new: bool,
) -> Result<(), Problem> {
    if let Some(local) = fields.boolean("local_secret_ids")? {
        if !is_new {
            return Err(Problem::bad(
                "local_secret_ids can only be modified during role creation",
            ));
        }
        role.local_secret_ids = local;
    }
    fields.ignore(&["enable_local_secret_ids"]);
    if let Some(id) = fields.text("role_id")? {
        id.as_str().trim().clone_into(&mut role.role_id);
    }
    if let Some(bind) = fields.boolean("bind_secret_id")? {
        role.bind_secret_id = bind;
    }
    let blocks = fields.restriction_list("secret_id_bound_cidrs")?;
    let old = fields.restriction_list("bound_cidr_list")?;
    if let Some(blocks) = blocks.or(old) {
        role.secret_id_bound_cidrs = cidrs("secret_id_bound_cidrs", &blocks)?;
    }
    if let Some(uses) = fields.int("secret_id_num_uses")? {
        role.secret_id_num_uses = num_uses("secret_id_num_uses", uses)?;
    }
    if let Some(ttl) = fields.duration("secret_id_ttl")? {
        role.secret_id_ttl = ttl;
    }
    role.token.update(fields)
}

/// A role as `GET role/:name` shows it.
fn view(role: &Role) -> Value {
    let mut fields = role.token.view();
    fields.insert("bind_secret_id".to_owned(), json!(role.bind_secret_id));
    fields.insert("local_secret_ids".to_owned(), json!(role.local_secret_ids));
    let blocks = prefixed(&role.secret_id_bound_cidrs);
    let blocks = (!blocks.is_empty()).then_some(blocks);
    fields.insert("secret_id_bound_cidrs".to_owned(), json!(blocks));
    let uses = json!(role.secret_id_num_uses);
    fields.insert("secret_id_num_uses".to_owned(), uses);
    let ttl = json!(role.secret_id_ttl.as_secs());
    fields.insert("secret_id_ttl".to_owned(), ttl);
    Value::Object(fields)
}
