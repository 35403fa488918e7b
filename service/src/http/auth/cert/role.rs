//! A role's fields.

use serde_json::{Value, json};

use crate::http::auth::role_entry::RoleEntry;
use crate::http::auth::settings::{pem, refuse, text, texts};
use crate::http::errors::Problem;
use crate::http::fields::Fields;
use crate::identity::methods::cert::role::Role;

impl RoleEntry for Role {
    fn update(before: Option<Self>, fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let mut role = before.unwrap_or_default();
        let ocsp = [
            "ocsp_ca_certificates",
            "ocsp_enabled",
            "ocsp_fail_open",
            "ocsp_query_all_servers",
            "ocsp_servers_override",
        ];
        refuse(
            fields,
            &ocsp,
            "revocation is not asked for; use certificates that end soon",
        )?;
        pem(fields, "certificate", &mut role.certificate)?;
        text(fields, "display_name", &mut role.display_name)?;
        for (field, globs) in role.lists() {
            texts(fields, field, globs)?;
        }
        let lease = fields.duration("lease")?;
        if let Some(lease) = lease.filter(|lease| !lease.is_zero()) {
            role.token.ttl = lease;
        }
        role.token.update(fields)?;
        role.check()?;
        Ok(role)
    }

    fn view(&self, name: &str) -> Value {
        let mut view = self.token.view();
        let own = json!({
            "allowed_common_names": self.allowed_common_names,
            "allowed_dns_sans": self.allowed_dns_sans,
            "allowed_email_sans": self.allowed_email_sans,
            "allowed_metadata_extensions": self.allowed_metadata_extensions,
            "allowed_names": self.allowed_names,
            "allowed_organizational_units": self.allowed_organizational_units,
            "allowed_uri_sans": self.allowed_uri_sans,
            "certificate": self.certificate,
            "display_name": self.called(name),
            "ocsp_ca_certificates": "",
            "ocsp_enabled": false,
            "ocsp_fail_open": false,
            "ocsp_query_all_servers": false,
            "ocsp_servers_override": [],
            "required_extensions": self.required_extensions,
        });
        view.extend(own.as_object().cloned().unwrap_or_default());
        Value::Object(view)
    }
}

impl Role {
    fn lists(&mut self) -> [(&'static str, &mut Vec<String>); 8] {
        [
            ("allowed_common_names", &mut self.allowed_common_names),
            ("allowed_dns_sans", &mut self.allowed_dns_sans),
            ("allowed_email_sans", &mut self.allowed_email_sans),
            (
                "allowed_metadata_extensions",
                &mut self.allowed_metadata_extensions,
            ),
            ("allowed_names", &mut self.allowed_names),
            (
                "allowed_organizational_units",
                &mut self.allowed_organizational_units,
            ),
            ("allowed_uri_sans", &mut self.allowed_uri_sans),
            ("required_extensions", &mut self.required_extensions),
        ]
    }
}
