//! Who goes everywhere with secrets, and is right and wrong in every way.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::scanner::Secrets;
use crate::app::TestApp;
use crate::auth::issuer::Signer;
use crate::capabilities::endpoints;
use crate::client::{Answer, IntoBody};
use crate::of_full;

pub(super) struct Visit<'a> {
    app: &'a TestApp,
    pub(super) secrets: Secrets,
    /// Paths with what they said when they refused.
    pub(super) errors: Vec<(String, Vec<u8>)>,
}

impl<'a> Visit<'a> {
    pub(super) fn new(app: &'a TestApp) -> Self {
        Self {
            app,
            secrets: Secrets::default(),
            errors: Vec::new(),
        }
    }

    fn by(&mut self, token: Option<&str>, method: &str, path: &str, body: impl IntoBody) -> Answer {
        let mut request = self.app.anonymous(method, path);
        if let Some(token) = token {
            request = request.header("X-Vault-Token", token);
        }
        let answer = request.body(body).send();
        // A batch that failed in part answers what did not.
        if answer.body.starts_with(b"{\"errors\"") {
            self.errors.push((path.to_owned(), answer.body.clone()));
        }
        answer
    }

    fn send(&mut self, method: &str, path: &str, body: impl IntoBody) -> Answer {
        let token = self.app.token.clone();
        self.by(Some(&token), method, path, body)
    }

    fn post(&mut self, path: &str, body: impl IntoBody) -> Answer {
        self.send("POST", path, body)
    }

    /// What must succeed.
    fn done(&mut self, path: &str, body: impl IntoBody) -> Value {
        let answer = self.post(path, body);
        assert!(
            answer.status < 300,
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
        if answer.body.is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }

    /// What must be refused, with a token and without.
    fn refused(&mut self, path: &str, body: &Value) {
        let answer = self.post(path, body);
        assert!(answer.status >= 400, "{path}: {}", answer.text());
        self.by(None, "POST", path, body);
    }

    fn made(&mut self, what: &'static str) -> String {
        self.secrets.made(what)
    }

    /// A secret in base64, as transit takes it.
    fn coded(&mut self, what: &'static str) -> String {
        BASE64.encode(self.secrets.made(what).as_bytes())
    }

    fn token_in(&mut self, what: &'static str, answer: &Value) -> String {
        let token = answer["auth"]["client_token"].as_str().unwrap().to_owned();
        self.secrets.token(what, &token);
        token
    }

    pub(super) fn rings(&mut self) {
        self.done("transit/keys/canary-key", json!({"derived": true}));
        self.done("transit/keys/canary-plain", json!({}));
        for _ in 0..3 {
            let (plaintext, context) = (self.coded("a plaintext"), self.coded("a context"));
            let data = self.coded("associated data");
            let item = json!({"plaintext": plaintext, "context": context, "associated_data": data});
            let sealed = self.done("transit/encrypt/canary-key", item.clone())["data"].take();
            let ciphertext = sealed["ciphertext"].as_str().unwrap().to_owned();
            self.secrets.add("a ciphertext", ciphertext[9..].as_bytes());
            let open =
                json!({"ciphertext": ciphertext, "context": context, "associated_data": data});
            for verb in ["decrypt", "rewrap"] {
                let path = format!("transit/{verb}/canary-key");
                let answer = self.done(&path, open.clone());
                if let Some(again) = answer["data"]["ciphertext"].as_str() {
                    self.secrets.add("a ciphertext", again[9..].as_bytes());
                }
                for (field, wrong) in [
                    ("context", json!(self.coded("a wrong context"))),
                    (
                        "context",
                        json!(self.made("a context that is no base64") + "!"),
                    ),
                    (
                        "associated_data",
                        json!(self.coded("wrong associated data")),
                    ),
                    (
                        "ciphertext",
                        json!(format!("vault:v1:{}", self.coded("a forged ciphertext"))),
                    ),
                    ("ciphertext", json!(self.made("no ciphertext"))),
                    ("ciphertext", json!([self.made("a list of ciphertexts")])),
                ] {
                    let mut body = open.clone();
                    body[field] = wrong;
                    self.refused(&path, &body);
                    self.post(&path, json!({"batch_input": [open, body]}));
                }
            }
            for (field, wrong) in [
                (
                    "plaintext",
                    json!(self.made("a plaintext that is no base64") + "!"),
                ),
                (
                    "plaintext",
                    json!({"a": self.made("a plaintext in an object")}),
                ),
                (
                    "context",
                    json!(self.made("a context that is no base64") + "!"),
                ),
                ("context", Value::Null),
                ("key_version", json!(self.made("a version"))),
                ("batch_input", json!([self.made("an item")])),
            ] {
                let mut body = item.clone();
                body[field] = wrong;
                self.refused("transit/encrypt/canary-key", &body);
                self.post(
                    "transit/encrypt/canary-key",
                    json!({"batch_input": [item, body]}),
                );
            }
            self.refused("transit/encrypt/absent", &item);
            self.refused("transit/decrypt/absent", &open);
            let made =
                self.done("transit/datakey/plaintext/canary-plain", json!({}))["data"].take();
            let key = BASE64
                .decode(made["plaintext"].as_str().unwrap().as_bytes())
                .unwrap();
            self.secrets.add("a data key", &key);
            let path = "transit/datakey/plaintext/canary-key";
            self.done(path, json!({"context": context}));
            let wrong = self.made("a context that is no base64") + "!";
            self.refused(path, &json!({"context": wrong}));
        }
    }

    pub(super) fn tokens(&mut self) {
        self.done(
            "auth/token/roles/canary-role",
            json!({"allowed_policies": "default"}),
        );
        let id = self.made("a token somebody chose");
        let mut tokens = Vec::new();
        for (path, more) in [
            ("create", json!({"type": "service"})),
            ("create", json!({"type": "batch"})),
            ("create", json!({"id": id})),
            ("create-orphan", json!({})),
            ("create/canary-role", json!({"policies": "default"})),
        ] {
            let mut body =
                json!({"policies": "default", "meta": {"note": self.made("metadata of a token")}});
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            let made = self.done(&format!("auth/token/{path}"), body);
            tokens.push(self.token_in("a token", &made));
        }
        let garbage = [
            self.made("an invented token"),
            format!("hvs.{}", self.made("an invented token")),
            format!("hvb.{}", self.made("an invented token")),
        ];
        for token in tokens.iter().chain(&garbage) {
            for verb in [
                "lookup",
                "renew",
                "revoke-orphan",
                "sys/capabilities",
                "revoke",
            ] {
                let path = if verb.contains('/') {
                    verb.to_owned()
                } else {
                    format!("auth/token/{verb}")
                };
                self.post(&path, json!({"token": token, "path": "x"}));
                self.by(None, "POST", &path, json!({"token": token}));
                self.by(Some(token), "POST", &path, json!({"token": token}));
                self.by(Some(token), "GET", &format!("{path}?token={token}"), "");
                // The paths of long ago.
                self.send("GET", &format!("{path}/{token}"), "");
                self.post(&format!("{path}/{token}"), "");
            }
            for verb in ["lookup-self", "renew-self", "revoke-self"] {
                self.by(Some(token), "POST", &format!("auth/token/{verb}"), "");
            }
            let bearer = self.app.anonymous("GET", "sys/mounts");
            let answer = bearer
                .header("Authorization", &format!("Bearer {token}"))
                .send();
            self.errors.push(("sys/mounts".to_owned(), answer.body));
            let accessor = json!({"accessor": token});
            for verb in ["lookup-accessor", "renew-accessor", "revoke-accessor"] {
                self.post(&format!("auth/token/{verb}"), &accessor);
            }
        }
        for (field, value) in [
            ("id", "no id !"),
            ("ttl", ""),
            ("type", ""),
            ("num_uses", ""),
            ("meta", ""),
        ] {
            let wrong = self.made("a wrong field of a token") + value;
            self.post("auth/token/create", json!({field: wrong}));
        }
    }

    pub(super) fn approle(&mut self) {
        self.done("sys/auth/approle", json!({"type": "approle"}));
        let role_id = self.made("a role id");
        self.done(
            "auth/approle/role/canary-app",
            json!({"role_id": role_id, "token_policies": "default"}),
        );
        let metadata = json!({"note": self.made("metadata of a secret id")}).to_string();
        let path = "auth/approle/role/canary-app";
        let made =
            self.done(&format!("{path}/secret-id"), json!({"metadata": metadata}))["data"].take();
        let given = made["secret_id"].as_str().unwrap().to_owned();
        self.secrets.add("a secret id", given.as_bytes());
        let custom = self.made("a secret id somebody chose");
        self.done(
            &format!("{path}/custom-secret-id"),
            json!({"secret_id": custom}),
        );
        self.refused(
            &format!("{path}/custom-secret-id"),
            &json!({"secret_id": custom}),
        );
        let wrong = self.made("an invented secret id");
        let mut logins = 0;
        for secret_id in [&given, &custom, &wrong] {
            for role in [role_id.clone(), self.made("an invented role id")] {
                let body = json!({"role_id": role, "secret_id": secret_id});
                let answer = self.by(None, "POST", "auth/approle/login", body);
                if answer.status == 200 {
                    logins += 1;
                    self.token_in("a token of a login", &answer.json());
                }
            }
            for verb in ["lookup", "destroy"] {
                self.post(
                    &format!("{path}/secret-id/{verb}"),
                    json!({"secret_id": secret_id}),
                );
                let accessor = json!({"secret_id_accessor": secret_id});
                self.post(&format!("{path}/secret-id-accessor/{verb}"), accessor);
            }
        }
        assert_eq!(logins, 2);
    }

    pub(super) fn userpass(&mut self) {
        self.done("sys/auth/userpass", json!({"type": "userpass"}));
        let password = self.made("a password");
        self.done("auth/userpass/users/ada", json!({"password": password}));
        let login = "auth/userpass/login/ada";
        let answer = self.by(None, "POST", login, json!({"password": password}));
        self.token_in("a token of a login", &answer.json());
        for _ in 0..7 {
            let wrong = self.made("a wrong password");
            self.by(None, "POST", login, json!({"password": wrong}));
            self.by(
                None,
                "POST",
                "auth/userpass/login/nobody",
                json!({"password": wrong}),
            );
            self.by(
                None,
                "POST",
                &format!("{login}/{wrong}"),
                json!({"password": [wrong]}),
            );
        }
        let changed = self.made("a new password");
        self.done(
            "auth/userpass/users/ada/password",
            json!({"password": changed}),
        );
        let hash = self.made("a password hash");
        self.refused("auth/userpass/users/ada", &json!({"password_hash": hash}));
    }

    pub(super) fn signed_tokens(&mut self) {
        let (signer, stranger) = (Signer::new("k"), Signer::new("k"));
        for kind in ["jwt", "kubernetes", "cert"] {
            self.done(&format!("sys/auth/{kind}"), json!({"type": kind}));
        }
        self.done(
            "auth/jwt/config",
            json!({"jwt_validation_pubkeys": signer.public_pem()}),
        );
        let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": "a", "token_policies": "default"});
        self.done("auth/jwt/role/r", role);
        let claims = |more: &Value| {
            let mut claims = json!({"sub": "ada", "aud": "a"});
            claims
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            claims
        };
        let note = self.made("a claim");
        let mut presented = vec![
            signer.sign(&claims(&json!({"note": note}))),
            signer.sign(&claims(&json!({"exp": 1}))),
            signer.sign(&claims(&json!({"aud": note}))),
            signer.sign(&claims(&json!({"sub": 7}))),
            stranger.sign(&claims(&json!({}))),
        ];
        for jwt in &presented {
            let signature = jwt.rsplit('.').next().unwrap();
            self.secrets
                .add("a signature of a JWT", signature.as_bytes());
        }
        presented.push(self.made("no JWT"));
        presented.push(format!("{0}.{0}.{0}", self.made("no JWT")));
        let mut logins = 0;
        for jwt in &presented {
            for mount in ["jwt", "kubernetes"] {
                let login = format!("auth/{mount}/login");
                for role in ["r", "nobody"] {
                    let answer = self.by(None, "POST", &login, json!({"role": role, "jwt": jwt}));
                    if answer.status == 200 {
                        logins += 1;
                        self.token_in("a token of a login", &answer.json());
                    }
                }
            }
        }
        assert_eq!(logins, 1);
        let reviewer = self.made("the token of a reviewer");
        let config = json!({"kubernetes_host": "http://127.0.0.1:1", "token_reviewer_jwt": reviewer, "disable_local_ca_jwt": true});
        self.done("auth/kubernetes/config", config);
        let role = json!({"bound_service_account_names": "*", "bound_service_account_namespaces": "*", "audience": "a"});
        self.done("auth/kubernetes/role/r", role);
        for jwt in &presented {
            self.by(
                None,
                "POST",
                "auth/kubernetes/login",
                json!({"role": "r", "jwt": jwt}),
            );
        }
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            self.coded("a key that is none")
        );
        self.refused("auth/jwt/config", &json!({"jwt_validation_pubkeys": pem}));
        self.refused(
            "auth/kubernetes/config",
            &json!({"kubernetes_host": "https://h", "pem_keys": pem}),
        );
        self.refused("auth/cert/certs/c", &json!({"certificate": pem}));
        let name = self.made("the name of a certificate");
        self.by(None, "POST", "auth/cert/login", json!({"name": name}));
    }

    pub(super) fn policies(&mut self) {
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

    pub(super) fn wrapping(&mut self) {
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
                wrapping = again["wrap_info"]["token"].as_str().unwrap().to_owned();
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

    /// Secrets in every field, and in broken bodies, at every path.
    pub(super) fn everything(&mut self) {
        // Whoever revokes himself goes nowhere after that.
        for path in endpoints::paths().filter(|path| !path.ends_with("revoke-self")) {
            // A ring's history and the like have these as their own.
            let path = path.replace("/k/", "/canary-key/");
            for _ in 0..of_full(FIELDS.len()) {
                let field = FIELDS[rand::random_range(0..FIELDS.len())];
                let value = self.made("a field");
                self.post(&path, json!({field: value}));
                self.post(&path, json!({field: [value, {"a": value}]}));
                self.by(None, "POST", &path, json!({field: value}));
            }
            let value = self.made("a broken body");
            self.post(&path, format!("{{\"token\": \"{value}\""));
            self.post(&path, value.as_str());
            self.post(&path, json!({&value: &value}));
            for method in ["GET", "LIST", "DELETE", "PATCH"] {
                // What is enabled shall stay.
                if !(method == "DELETE" && path.starts_with("sys/")) {
                    self.send(
                        method,
                        &format!("{path}?token={value}&after={value}&plaintext={value}"),
                        "",
                    );
                }
            }
        }
        for (path, field) in [
            ("sys/quotas/rate-limit/q", "rate"),
            ("sys/quotas/rate-limit/q", "windows"),
            ("sys/init", "secret_shares"),
            ("sys/mounts/x", "config"),
            ("sys/auth/x", "type"),
        ] {
            let value = self.made("a setting");
            self.refused(path, &json!({field: value}));
        }
    }

    /// Seals, and opens again with right shares after wrong ones.
    pub(super) fn sealing(&mut self, shares: &[String]) {
        assert_eq!(self.send("PUT", "sys/seal", "").status, 204);
        let token = self.app.token.clone();
        let body = json!({"plaintext": self.coded("a plaintext")});
        self.by(Some(&token), "POST", "transit/encrypt/canary-key", body);
        let (_, text) = shares[0].split_once(':').unwrap();
        for wrong in [
            self.made("a wrong share"),
            format!("sealring-share-1:{}", self.made("a wrong share")),
            format!(
                "sealring-share-1:{}",
                text.chars().rev().collect::<String>()
            ),
            format!("sealring-share-2:{text}"),
            text.to_owned(),
        ] {
            self.by(None, "PUT", "sys/unseal", json!({"key": wrong}));
            self.by(None, "PUT", "sys/unseal", json!({"key": [wrong]}));
            self.by(None, "PUT", "sys/unseal", format!("{{\"key\": \"{wrong}\""));
        }
        self.by(None, "PUT", "sys/unseal", json!({"reset": true}));
        for share in &shares[..2] {
            self.by(None, "PUT", "sys/unseal", json!({"key": share}));
        }
    }
}

/// Fields that may hold what nobody else shall know.
const FIELDS: [&str; 29] = [
    "associated_data",
    "batch_input",
    "bound_claims",
    "certificate",
    "ciphertext",
    "context",
    "id",
    "input",
    "jwt",
    "jwt_validation_pubkeys",
    "key",
    "keys",
    "kubernetes_ca_cert",
    "metadata",
    "new_associated_data",
    "nonce",
    "password",
    "pem_keys",
    "plaintext",
    "policy",
    "public_key",
    "rules",
    "secret_id",
    "share",
    "token",
    "ttl",
    "token_reviewer_jwt",
    "value",
    "wrapping_token",
];
