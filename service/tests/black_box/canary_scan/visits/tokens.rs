//! Tokens, good and invented, wherever a token can be presented.

use serde_json::json;

use super::Visit;

impl Visit<'_> {
    pub(in crate::canary_scan) fn tokens(&mut self) {
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
}
