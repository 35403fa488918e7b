//! Policies, good and broken, and wrapped answers.

use data_encoding::BASE64;
use serde_json::json;

use super::Visit;

impl Visit<'_> {
    pub(in crate::canary_scan) fn policies(&mut self) {
        let note = self.made("a comment in a policy");
        for (name, text) in [
            ("canary-hcl", format!("# {note}\npath \"a\" {{ capabilities = [\"read\"] }}\n/* {note} */")),
            ("canary-json", json!({"path": {"a": {"capabilities": ["read"], "comment": note}}}).to_string()),
            ("canary-values", json!({"path": {"a": {"capabilities": ["update"], "denied_parameters": {"x": [note]}}}}).to_string()),
        ] {
            for policy in [text.clone(), BASE64.encode(text.as_bytes())] {
                self.done(&format!("sys/policies/acl/{name}"), json!({"policy": policy}));
            }
            assert!(self.send("GET", &format!("sys/policies/acl/{name}"), "").text().contains(&note));
            self.done(&format!("sys/policy/{name}"), json!({"rules": text}));
            self.send("DELETE", &format!("sys/policies/acl/{name}"), "");
            self.done(&format!("sys/policies/acl/{name}"), json!({"policy": text}));
        }
        for broken in [
            format!("path \"a\" {{ capabilities = [\"{note}\"] }}"),
            format!("path \"a\" {{ {note} = 1 }}"),
            format!("path \"a/../{note}\" {{ capabilities = [\"read\"] }}"),
            format!("{note} {{"),
            format!("path \"{note}"),
            format!("{{\"path\": {{\"a\": {{\"capabilities\": [\"{note}\"]}}}}}}"),
            format!("{{\"path\": \"{note}\", "),
            format!("path \"{{{{{note}}}}}\" {{ capabilities = [\"read\"] }}"),
        ] {
            self.refused("sys/policies/acl/broken", &json!({"policy": broken}));
            self.refused("sys/policy/broken", &json!({"rules": broken}));
            self.refused(
                "sys/policies/acl/broken",
                &json!({"policy": BASE64.encode(broken.as_bytes())}),
            );
        }
    }

    pub(in crate::canary_scan) fn wrapping(&mut self) {
        let token = self.app.token.clone();
        let value = self.made("what was wrapped");
        for path in [
            "sys/wrapping/wrap",
            "auth/token/create",
            "transit/datakey/plaintext/canary-plain",
        ] {
            let request = self
                .app
                .request("POST", path)
                .header("X-Vault-Wrap-TTL", "60");
            let info = request
                .body(json!({"policies": "default", "value": value}))
                .send()
                .json();
            let mut wrapping = info["wrap_info"]["token"].as_str().unwrap().to_owned();
            self.secrets.token("a wrapping token", &wrapping);
            self.post("sys/wrapping/lookup", json!({"token": wrapping}));
            let again = self.done("sys/wrapping/rewrap", json!({"token": wrapping}));
            for _ in 0..2 {
                // The second time it is gone.
                self.post("sys/wrapping/rewrap", json!({"token": wrapping}));
                self.post("sys/wrapping/unwrap", json!({"token": wrapping}));
                self.by(Some(&wrapping), "POST", "sys/wrapping/unwrap", "");
                self.by(Some(&wrapping), "GET", "sys/wrapping/lookup", "");
                self.by(Some(&wrapping), "GET", "sys/mounts", "");
                self.send("GET", &format!("sys/wrapping/unwrap/{wrapping}"), "");
                again["wrap_info"]["token"]
                    .as_str()
                    .unwrap()
                    .clone_into(&mut wrapping);
                self.secrets.token("a wrapping token", &wrapping);
            }
            let invented = self.made("an invented wrapping token");
            for verb in ["lookup", "unwrap", "rewrap"] {
                self.refused(&format!("sys/wrapping/{verb}"), &json!({"token": invented}));
                self.by(
                    Some(&format!("hvs.{invented}")),
                    "POST",
                    &format!("sys/wrapping/{verb}"),
                    "",
                );
            }
        }
        for header in ["X-Vault-Wrap-TTL", "X-Vault-Namespace", "Authorization"] {
            let value = self.made("a header");
            let request = self
                .app
                .anonymous("GET", "sys/mounts")
                .header("X-Vault-Token", &token);
            let answer = request.header(header, &value).send();
            if answer.status >= 400 {
                self.errors.push((header.to_owned(), answer.body));
            }
        }
    }
}
