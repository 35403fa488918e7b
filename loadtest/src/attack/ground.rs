//! Prepares a service for attacks: tokens of little right, auth mounts, and somebody who logs in.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::Ground;
use crate::access::Access;
use crate::arguments::{Attack, Run};
use crate::connection::Connection;
use crate::http::{get, post};

/// Makes what is missing; what is there from an earlier run stays.
pub(super) async fn prepare(attack: &Attack, run: &Run, at: &Access) -> anyhow::Result<Ground> {
    let mut admin = Admin {
        at,
        connection: Connection::open(at.target).await?,
    };
    let rules = format!(
        "path \"{0}/keys/attack-*\" {{ capabilities = [\"create\", \"update\"] }}\n\
         path \"{0}/encrypt/*\" {{ capabilities = [\"update\"] }}",
        run.mount
    );
    admin
        .write(
            "sys/policies/acl/loadtest-attacker",
            json!({"policy": rules}),
        )
        .await?;
    for kind in ["userpass", "kubernetes", "approle"] {
        // One that is there already is refused.
        let body = json!({"type": kind}).to_string();
        admin
            .send(&format!("sys/auth/loadtest-{kind}"), &body)
            .await?;
    }
    let user = json!({"password": PASSWORD, "token_ttl": "10m"});
    admin
        .write("auth/loadtest-userpass/users/probe", user)
        .await?;
    admin
        .write(
            "auth/loadtest-approle/role/attacked",
            json!({"role_id": ROLE_ID}),
        )
        .await?;
    // From now on texts that somebody chose are looked for.
    let custom = json!({"secret_id": "loadtest-custom", "ttl": "10m"}).to_string();
    admin
        .send(
            "auth/loadtest-approle/role/attacked/custom-secret-id",
            &custom,
        )
        .await?;
    let account = json!({
        "bound_service_account_names": "*", "bound_service_account_namespaces": "*",
    });
    admin
        .write("auth/loadtest-kubernetes/role/known", account)
        .await?;
    let config = json!({
        "kubernetes_host": "http://127.0.0.1:1", "token_reviewer_jwt": "none",
        "disable_local_ca_jwt": true,
    });
    admin
        .write("auth/loadtest-kubernetes/config", config)
        .await?;
    Ok(Ground {
        target: at.target,
        from: attack.from,
        mount: run.mount.clone(),
        token: admin.token(&["loadtest-attacker"]).await?,
        weak_token: admin.token(&["default"]).await?,
        userpass: "loadtest-userpass".to_owned(),
        kubernetes: "loadtest-kubernetes".to_owned(),
        approle: "loadtest-approle".to_owned(),
        role_id: ROLE_ID.to_owned(),
    })
}

/// Whoever sets the service up.
struct Admin<'a> {
    at: &'a Access,
    connection: Connection,
}

impl Admin<'_> {
    async fn token(&mut self, policies: &[&str]) -> anyhow::Result<String> {
        let body = json!({"policies": policies, "ttl": "1h", "no_parent": true});
        let made = self.write("auth/token/create", body).await?;
        let token = made.pointer("/auth/client_token").and_then(Value::as_str);
        Ok(token.context("no token in the answer")?.to_owned())
    }

    async fn write(&mut self, path: &str, body: Value) -> anyhow::Result<Value> {
        let (status, answer) = self.send(path, &body.to_string()).await?;
        ensure!(
            (200..300).contains(&status),
            "{path}: status {status}: {answer}"
        );
        Ok(answer)
    }

    async fn send(&mut self, path: &str, body: &str) -> anyhow::Result<(u16, Value)> {
        let host = self.at.target.to_string();
        let request = post(&host, &format!("/v1/{path}"), &self.at.token, body);
        exchange(&mut self.connection, &request).await
    }
}

/// The status and the body of an answer; null if there is none.
pub(super) async fn exchange(
    connection: &mut Connection,
    request: &[u8],
) -> anyhow::Result<(u16, Value)> {
    let head = connection.exchange(request).await?;
    let body = connection.body(&head);
    let answer = serde_json::from_slice(body).unwrap_or_default();
    Ok((head.status, answer))
}

/// The bytes of a GET without a token.
pub(super) fn ask(host: &str, path: &str) -> Vec<u8> {
    get(host, path, "")
}

/// Whoever logs in while others attack.
pub(super) const PASSWORD: &str = "loadtest sesame";
const ROLE_ID: &str = "loadtest-attacked-role";
