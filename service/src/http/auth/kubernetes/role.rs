//! A role's fields.

use serde_json::{Value, json};

use crate::http::auth::role_entry::RoleEntry;
use crate::http::auth::settings::{refuse, text, texts};
use crate::http::errors::Problem;
use crate::http::fields::Fields;
use crate::identity::methods::kubernetes::role::{AliasNameSource, Role};

impl RoleEntry for Role {
    fn update(before: Option<Self>, fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let mut role = before.unwrap_or_default();
        let selector = ["bound_service_account_namespace_selector"];
        refuse(
            fields,
            &selector,
            "labels of namespaces are not looked up; name the namespaces",
        )?;
        texts(
            fields,
            "bound_service_account_names",
            &mut role.bound_service_account_names,
        )?;
        texts(
            fields,
            "bound_service_account_namespaces",
            &mut role.bound_service_account_namespaces,
        )?;
        text(fields, "audience", &mut role.audience)?;
        if let Some(source) = fields.text("alias_name_source")? {
            let source = AliasNameSource::parse(source.as_str());
            role.alias_name_source = source.ok_or_else(|| {
                Problem::bad(
                    "invalid alias_name_source; it must be serviceaccount_uid or serviceaccount_name",
                )
            })?;
        }
        role.token.update(fields)?;
        role.check()?;
        Ok(role)
    }

    fn view(&self, _: &str) -> Value {
        let mut view = self.token.view();
        let own = json!({
            "alias_name_source": self.alias_name_source.word(),
            "bound_service_account_names": self.bound_service_account_names,
            "bound_service_account_namespace_selector": "",
            "bound_service_account_namespaces": self.bound_service_account_namespaces,
        });
        view.extend(own.as_object().cloned().unwrap_or_default());
        if !self.audience.is_empty() {
            view.insert("audience".to_owned(), json!(self.audience));
        }
        Value::Object(view)
    }

    fn warnings(&self) -> Vec<String> {
        if !self.audience.is_empty() {
            return Vec::new();
        }
        let warning = "The role has no audience: only tokens that are meant for the Kubernetes API itself can log in, \
                       and none where pem_keys alone verify them.";
        vec![warning.to_owned()]
    }
}
