//! Userpass: users, their passwords, and logins.

use keyring::name::KeyName;
use keyring::secret::SecretBytes;
use serde_json::Value;

use super::endpoint::{Endpoint, nowhere};
use super::login::{Proven, display_name, log_in};
use super::{methods, named};
use crate::http::errors::Problem;
use crate::http::fields::Fields;
use crate::http::reply::{Answer, Reply};
use crate::http::request::Request;
use crate::http::route::Verb;
use crate::identity::auth_mounts::mount::AuthMount;
use crate::identity::methods::userpass::password::PasswordRecord;
use crate::identity::methods::userpass::{Attempt, User};
use crate::identity::token_params::TokenParams;

/// All paths of the method.
pub(in crate::http) const TABLE: &[Endpoint] = {
    use Verb::{Delete, List, Read, Write};
    &[
        Endpoint::login("login/:name"),
        Endpoint::new("users", &[List]),
        Endpoint::new("users/:name", &[Delete, Read, Write]),
        Endpoint::new("users/:name/password", &[Write]),
        Endpoint::new("users/:name/policies", &[Write]),
    ]
};

/// Answers a request to a path that is in the table.
pub(super) async fn handle(
    request: &Request<'_>,
    mount: &AuthMount,
    verb: Verb,
    rest: &[&str],
) -> Answer {
    match (verb, rest) {
        (Verb::Write, ["login", name]) => login(request, mount, &named(name)?).await,
        (Verb::List, ["users"]) => list(request, mount).await,
        (Verb::Delete, ["users", name]) => delete(request, mount, &named(name)?).await,
        (Verb::Read, ["users", name]) => read(request, mount, &named(name)?).await,
        (Verb::Write, ["users", name]) => put(request, mount, &named(name)?).await,
        (Verb::Write, ["users", name, "password"]) => {
            set_password(request, mount, &named(name)?).await
        }
        (Verb::Write, ["users", name, "policies"]) => {
            set_policies(request, mount, &named(name)?).await
        }
        _ => Err(nowhere()),
    }
}

/// `POST login/:name`
async fn login(request: &Request<'_>, mount: &AuthMount, name: &KeyName) -> Answer {
    let password = password(&mut request.body.fields()?)?;
    let password = password.ok_or_else(|| Problem::multi("missing password"))?;
    let (name, remote, mount_of) = (name.clone(), request.remote, mount.clone());
    let path = format!("login/{}", name.as_str().to_ascii_lowercase());
    log_in(request, mount, &path, |identity| async move {
        let (users, rule) = (&identity.methods.users, mount_of.config.lockout());
        let attempt = Attempt {
            mount: &mount_of.accessor,
            name: &name,
            remote,
        };
        let login = users.log_in(attempt, rule, password).await?;
        let metadata = [("username".to_owned(), login.name.clone())];
        Ok(Proven {
            display_name: display_name(&mount_of, Some(&login.name)),
            metadata: metadata.into(),
            name: login.name,
            params: login.params,
            role: None,
        })
    })
    .await
}

/// `LIST users`
async fn list(request: &Request<'_>, mount: &AuthMount) -> Answer {
    let names = methods(request)?.users.names(&mount.accessor).await?;
    Reply::names(request.id, &names)
}

/// `GET users/:name`
async fn read(request: &Request<'_>, mount: &AuthMount, name: &KeyName) -> Answer {
    let user = methods(request)?.users.user(&mount.accessor, name).await?;
    let user = user.ok_or(Problem::absent())?;
    let data = Value::Object(user.token.view());
    Ok(Reply::data(request.id, &data, &[]))
}

/// `DELETE users/:name`: also fine if there is none.
async fn delete(request: &Request<'_>, mount: &AuthMount, name: &KeyName) -> Answer {
    let (methods, accessor, name) = (
        methods(request)?.clone(),
        mount.accessor.clone(),
        name.clone(),
    );
    let work = async move { methods.users.delete(&accessor, &name).await };
    request.detached(work).await??;
    Ok(Reply::nothing())
}

/// `POST users/:name`
async fn put(request: &Request<'_>, mount: &AuthMount, name: &KeyName) -> Answer {
    let mut fields = request.body.fields()?;
    let password = password(&mut fields)?;
    let edit = |user: Option<User>, record: Option<PasswordRecord>, fields: &mut Fields<'_>| {
        let (mut token, old) = match user {
            Some(user) => (user.token, Some(user.password)),
            None => (TokenParams::default(), None),
        };
        token.update(fields)?;
        let password = record
            .or(old)
            .ok_or_else(|| Problem::bad("missing password"))?;
        Ok(User { password, token })
    };
    write(request, mount, name, password, edit).await
}

/// `POST users/:name/password`
async fn set_password(request: &Request<'_>, mount: &AuthMount, name: &KeyName) -> Answer {
    let password = password(&mut request.body.fields()?)?;
    let password = password.ok_or_else(|| Problem::bad("missing password"))?;
    let edit = |user: Option<User>, record: Option<PasswordRecord>, _: &mut Fields<'_>| {
        let user = user.ok_or_else(no_user)?;
        let password = record.unwrap_or(user.password);
        Ok(User {
            password,
            token: user.token,
        })
    };
    write(request, mount, name, Some(password), edit).await
}

/// `POST users/:name/policies`
async fn set_policies(request: &Request<'_>, mount: &AuthMount, name: &KeyName) -> Answer {
    let edit = |user: Option<User>, _: Option<PasswordRecord>, fields: &mut Fields<'_>| {
        let mut user = user.ok_or_else(no_user)?;
        fields.keep(&["policies", "token_policies"]);
        user.token.update(fields)?;
        Ok(user)
    };
    write(request, mount, name, None, edit).await
}

/// Makes a user of what is there, the record of a new password if there is one, and the body's fields.
type Edit = fn(Option<User>, Option<PasswordRecord>, &mut Fields<'_>) -> Result<User, Problem>;

/// Writes what `edit` makes of a user, the record of the new password if there is one, and the body's fields.
async fn write(
    request: &Request<'_>,
    mount: &AuthMount,
    name: &KeyName,
    password: Option<SecretBytes>,
    edit: Edit,
) -> Answer {
    let (methods, accessor, name) = (
        methods(request)?.clone(),
        mount.accessor.clone(),
        name.clone(),
    );
    let (body, remote) = (request.body.copy(), request.remote);
    let work = async move {
        let record = match password {
            Some(password) => Some(methods.users.record(password, remote).await?),
            None => None,
        };
        let edit = |user| edit(user, record.clone(), &mut body.fields()?);
        methods.users.put(&accessor, &name, edit).await?
    };
    request.detached(work).await??;
    Ok(Reply::nothing())
}

/// A password that is not empty. Nobody can bring a hash of his own: those Vault takes are bcrypt's.
fn password(fields: &mut Fields<'_>) -> Result<Option<SecretBytes>, Problem> {
    let hash = fields.text("password_hash")?.unwrap_or_default();
    if !hash.as_str().is_empty() {
        return Err(Problem::bad(
            "password_hash is not offered: passwords are kept as Argon2id hashes made here",
        ));
    }
    let password = fields.text("password")?.unwrap_or_default();
    let bytes = password.as_str().as_bytes();
    Ok((!bytes.is_empty()).then(|| SecretBytes::new(bytes.to_vec())))
}

fn no_user() -> Problem {
    Problem::multi("username does not exist")
}
