//! Secret ids, passwords and signed tokens.

use serde_json::{Value, json};

use super::Visit;
use crate::auth::issuer::Signer;

impl Visit<'_> {
    pub(in crate::canary_scan) fn approle(&mut self) {
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

    pub(in crate::canary_scan) fn userpass(&mut self) {
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

    pub(in crate::canary_scan) fn signed_tokens(&mut self) {
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
            for (mount, role) in [("jwt", "r"), ("jwt", "nobody"), ("kubernetes", "r")] {
                let body = json!({"role": role, "jwt": jwt});
                let answer = self.by(None, "POST", &format!("auth/{mount}/login"), body);
                if answer.status == 200 {
                    logins += 1;
                    self.token_in("a token of a login", &answer.json());
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
}
