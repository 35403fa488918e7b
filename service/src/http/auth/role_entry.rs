//! Roles that methods keep as entries: list, read, write, delete.

use keyring::name::KeyName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::endpoint::nowhere;
use super::named;
use crate::http::errors::Problem;
use crate::http::fields::Fields;
use crate::http::reply::{Answer, Reply};
use crate::http::request::Request;
use crate::http::route::{RouteFault, Verb};
use crate::identity::methods::entry_shelf::EntryShelf;
use crate::identity::methods::role_name;

/// What a method says of its roles.
pub(super) trait RoleEntry: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The role after what the fields say; what they do not say stays. `before` is absent if there is none yet.
    fn update(before: Option<Self>, fields: &mut Fields<'_>) -> Result<Self, Problem>;

    /// The role of this name as it is shown.
    fn view(&self, name: &str) -> Value;

    /// What whoever wrote it should know.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What is below `role`: `LIST` of all, and `:name`.
pub(super) async fn handle<T: RoleEntry>(
    request: &Request<'_>,
    shelf: &EntryShelf<T>,
    mount: &str,
    (verb, below): (Verb, &[&str]),
) -> Answer {
    match (verb, below) {
        (Verb::List, []) => Reply::names(request.id, &shelf.names(mount).await?),
        (_, [name]) => handle_one(request, shelf, mount, (verb, &named(name)?)).await,
        _ => Err(nowhere()),
    }
}

async fn handle_one<T: RoleEntry>(
    request: &Request<'_>,
    shelf: &EntryShelf<T>,
    mount: &str,
    (verb, name): (Verb, &KeyName),
) -> Answer {
    let name = role_name(name);
    match verb {
        Verb::Delete => {
            let (shelf, mount) = (shelf.clone(), mount.to_owned());
            let work = async move { shelf.delete(&mount, &name).await };
            request.detached(work).await??;
            Ok(Reply::nothing())
        }
        Verb::Read => {
            let role = shelf.read(mount, &name).await?.ok_or(Problem::absent())?;
            Ok(Reply::data(request.id, &role.view(&name), &[]))
        }
        Verb::Write => write(request, shelf, mount, name).await,
        Verb::List | Verb::Patch => Err(RouteFault::UnsupportedOperation.into()),
    }
}

async fn write<T: RoleEntry>(
    request: &Request<'_>,
    shelf: &EntryShelf<T>,
    mount: &str,
    name: String,
) -> Answer {
    let (shelf, mount) = (shelf.clone(), mount.to_owned());
    let body = request.body.copy();
    let work = async move {
        let mut warnings = Vec::new();
        let edit = |before| {
            let role = T::update(before, &mut body.fields()?)?;
            warnings = role.warnings();
            Ok::<_, Problem>(role)
        };
        shelf.put(&mount, &name, edit).await??;
        Ok::<_, Problem>(warnings)
    };
    let warnings = request.detached(work).await??;
    Ok(Reply::done(request.id, &warnings))
}
