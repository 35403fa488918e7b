//! vaultrs: it fails where a field is missing or has another type, so that every answer it gives is a whole one.

mod transit;

use std::collections::HashMap;

use tokio::runtime::Runtime;
use vaultrs::api::auth::approle::requests::{
    GenerateNewSecretIDRequest, SetAppRoleRequest, SetAppRoleRequestBuilder,
};
use vaultrs::api::token::requests::{
    CreateRoleTokenRequest, CreateTokenRequest, CreateTokenRequestBuilder, SetTokenRoleRequest,
};
use vaultrs::auth::approle::{self, role};
use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};
use vaultrs::error::ClientError;
use vaultrs::sys::{auth, policy};
use vaultrs::token;

use crate::app::TestApp;

fn client(app: &TestApp, token: &str) -> VaultClient {
    let settings = VaultClientSettingsBuilder::default()
        .address(format!("http://{}", app.address))
        .token(token)
        .build();
    VaultClient::new(settings.unwrap()).unwrap()
}

fn run(test: impl Future<Output = ()>) {
    Runtime::new().unwrap().block_on(test);
}

fn status<T>(answer: Result<T, ClientError>) -> u16 {
    match answer {
        Ok(_) => 200,
        Err(ClientError::APIError { code, .. }) => code,
        Err(other) => panic!("{other:?}"),
    }
}

fn an_hour(policies: &[&str]) -> CreateTokenRequestBuilder {
    let policies: Vec<String> = policies.iter().map(|&name| name.to_owned()).collect();
    let mut request = CreateTokenRequest::builder();
    request.ttl("1h").policies(policies);
    request
}

#[test]
fn tokens_are_made_looked_up_renewed_and_revoked() {
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        let meta = HashMap::from([("team".to_owned(), "blue".to_owned())]);
        let made = token::new(&root, Some(an_hour(&["default"]).meta(meta.clone()))).await;
        let made = made.unwrap();
        assert_eq!((made.lease_duration, made.renewable), (3600, true));
        assert_eq!(made.token_policies, ["default"]);
        let own = client(&app, &made.client_token);
        let found = token::lookup_self(&own).await.unwrap();
        assert_eq!((&found.id, found.meta), (&made.client_token, Some(meta)));
        let by_accessor = token::lookup_accessor(&root, &made.accessor).await.unwrap();
        assert_eq!(
            (by_accessor.id.as_str(), by_accessor.creation_ttl),
            ("", 3600)
        );
        let renewed = token::renew(&root, &made.client_token, Some("2h")).await;
        assert_eq!(renewed.unwrap().lease_duration, 7200);
        token::renew_self(&own, None).await.unwrap();
        token::revoke_accessor(&root, &made.accessor).await.unwrap();
        assert_eq!(status(token::lookup_self(&own).await), 403);
        assert_eq!(status(token::lookup(&root, &made.client_token).await), 403);
        let forever = token::lookup_self(&root).await.unwrap();
        assert_eq!((forever.ttl, forever.expire_time), (0, None));
    });
}

#[test]
fn roles_of_tokens_are_kept() {
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        let mut settings = SetTokenRoleRequest::builder();
        settings.allowed_policies(vec!["default".to_owned()]);
        settings.orphan(true).token_period("10m");
        token::role::set(&root, "typed", Some(&mut settings))
            .await
            .unwrap();
        let read = token::role::read(&root, "typed").await.unwrap();
        assert_eq!((read.orphan, read.token_period), (true, 600));
        assert!(read.disallowed_policies.is_empty());
        let listed = token::role::list(&root).await.unwrap();
        assert!(listed.keys.contains(&"typed".to_owned()));
        let mut request = CreateRoleTokenRequest::builder();
        let made = token::new_role(&root, "typed", Some(&mut request))
            .await
            .unwrap();
        assert_eq!((made.orphan, made.lease_duration), (true, 600));
        token::role::delete(&root, "typed").await.unwrap();
        assert_eq!(status(token::role::read(&root, "typed").await), 404);
    });
}

#[test]
fn app_roles_give_tokens() {
    const MOUNT: &str = "typed-approle";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        auth::enable(&root, MOUNT, "approle", None).await.unwrap();
        let listed = auth::list(&root).await.unwrap();
        assert_eq!(listed[&format!("{MOUNT}/")].mount_type, "approle");
        let mut settings: SetAppRoleRequestBuilder = SetAppRoleRequest::builder();
        settings.token_policies(vec!["default".to_owned()]);
        settings.token_ttl("10m").secret_id_ttl("1h");
        role::set(&root, MOUNT, "web", Some(&mut settings))
            .await
            .unwrap();
        let read = role::read(&root, MOUNT, "web").await.unwrap();
        assert_eq!((read.token_ttl, read.secret_id_ttl), (600, 3600));
        assert!(read.token_bound_cidrs.is_empty());
        assert_eq!(role::list(&root, MOUNT).await.unwrap().keys, ["web"]);
        let role_id = role::read_id(&root, MOUNT, "web").await.unwrap().role_id;
        let mut request = GenerateNewSecretIDRequest::builder();
        let secret = role::secret::generate(&root, MOUNT, "web", Some(&mut request)).await;
        let secret = secret.unwrap();
        let known = role::secret::read(&root, MOUNT, "web", &secret.secret_id).await;
        assert_eq!(known.unwrap().secret_id_accessor, secret.secret_id_accessor);
        let accessors = role::secret::list(&root, MOUNT, "web").await.unwrap().keys;
        assert_eq!(accessors, [secret.secret_id_accessor.as_str()]);
        let nobody = client(&app, "");
        let login = approle::login(&nobody, MOUNT, &role_id, &secret.secret_id).await;
        let login = login.unwrap();
        assert_eq!((login.lease_duration, login.orphan), (600, true));
        token::lookup_self(&client(&app, &login.client_token))
            .await
            .unwrap();
        let gone = role::secret::delete(&root, MOUNT, "web", &secret.secret_id).await;
        gone.unwrap();
        let late = approle::login(&nobody, MOUNT, &role_id, &secret.secret_id).await;
        assert_eq!(status(late), 400);
        auth::disable(&root, MOUNT).await.unwrap();
        let dead = client(&app, &login.client_token);
        assert_eq!(status(token::lookup_self(&dead).await), 403);
    });
}

#[test]
fn policies_are_kept_and_obeyed() {
    const POLICY: &str = r#"path "sys/policy/typed" { capabilities = ["read"] }"#;
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        policy::set(&root, "typed", POLICY).await.unwrap();
        assert_eq!(policy::read(&root, "typed").await.unwrap().rules, POLICY);
        let listed = policy::list(&root).await.unwrap().policies;
        assert!(listed.contains(&"typed".to_owned()) && listed.contains(&"root".to_owned()));
        let made = token::new(&root, Some(&mut an_hour(&["typed"])))
            .await
            .unwrap();
        assert_eq!(made.policies, ["default", "typed"]);
        let holder = client(&app, &made.client_token);
        policy::read(&holder, "typed").await.unwrap();
        assert_eq!(status(policy::read(&holder, "default").await), 403);
        assert_eq!(status(policy::list(&holder).await), 403);
        policy::delete(&root, "typed").await.unwrap();
        assert_eq!(status(policy::read(&root, "typed").await), 404);
    });
}
