//! What an operator may get wrong: each mistake is named with what to do, before anything is made.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::app::{TestApp, between};
use crate::set_up::{ConfigFile, Home, Store, refused, sealring};

/// What `config check` finds.
fn found(config: &ConfigFile) -> String {
    let (status, sentence) = refused(&mut config.command(&["config", "check"]));
    assert_eq!(status, 78, "{sentence}");
    sentence
}

/// A command that fails for its standard output, and what it says.
fn fails(command: &mut Command, stdout: Stdio, status: i32) -> String {
    let out = command.stdout(stdout).output().unwrap();
    let sentence = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(status), "{sentence}");
    sentence
}

#[test]
fn init_makes_nothing_where_nobody_would_see_what_it_prints() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "");
    for device in ["/dev/full", "/dev/null"] {
        let device = OpenOptions::new().write(true).open(device).unwrap();
        let said = fails(&mut config.command(&["init"]), device.into(), 78);
        assert!(said.contains("nothing was made"), "{said}");
        assert!(!home.path().join("sealring.db").exists());
        assert!(!home.path().join("kek").exists());
    }
    let mut shell = Command::new("sh");
    let line = "exec \"$0\" init --config \"$1\" >&-";
    shell
        .args(["-c", line, env!("CARGO_BIN_EXE_sealring")])
        .arg(home.path().join("sealring.toml"));
    let said = fails(&mut shell, Stdio::inherit(), 78);
    assert!(said.contains("nothing was made"), "{said}");
    let token = config.init();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    fails(&mut config.command(&["root-token"]), full.into(), 78);
    let app = config.serve(&token);
    assert_eq!(app.create("demo", "").status, 200);
}

#[test]
fn one_share_of_several_is_refused_before_anything_is_made() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "");
    let mut init = config.command(&["init", "--shares", "3", "--threshold", "1"]);
    let (status, said) = refused(&mut init);
    assert_eq!(status, 64);
    assert!(said.contains("--threshold 2 or more"), "{said}");
    assert!(!home.path().join("sealring.db").exists());
}

#[test]
fn an_audit_sink_on_a_file_that_is_there_for_something_else_is_a_mistake() {
    let home = Home::new();
    let path = home.path();
    let token = home.config(&Store::Sqlite, "").init();
    std::os::unix::fs::symlink(path.join("kek"), path.join("link")).unwrap();
    fs::hard_link(path.join("kek"), path.join("second-name")).unwrap();
    let kek = fs::read(path.join("kek")).unwrap();
    for (file, other) in [
        ("kek", "kek.file"),
        ("link", "kek.file"),
        ("second-name", "kek.file"),
        ("../{}/kek", "kek.file"),
        ("sealring.db", "store.path"),
        ("sealring.db-wal", "store.path"),
        ("sealring.toml", "the configuration file"),
    ] {
        let name = path.file_name().unwrap().to_str().unwrap();
        let file = path.join(file.replace("{}", name));
        let sink = format!("[audit.a]\nkind = \"file\"\npath = \"{}\"", file.display());
        let config = home.config_with_sinks(&sink);
        let said = found(&config);
        assert!(said.contains("audit.a.path: names"), "{said}");
        assert!(said.contains(&format!("the file of {other}")), "{said}");
        assert_eq!(refused(&mut config.command(&["server"])).0, 78);
    }
    assert_eq!(fs::read(path.join("kek")).unwrap(), kek);
    let twice = "[audit.a]\nkind = \"file\"\npath = \"{}/x\"\n[audit.b]\nkind = \"file\"\npath = \"{}/./x\"";
    let twice = twice.replace("{}", &path.display().to_string());
    let said = found(&home.config_with_sinks(&twice));
    assert!(
        said.contains("audit.b.path: names") && said.contains("audit.a.path"),
        "{said}"
    );
    let app = home.config(&Store::Sqlite, "").serve(&token);
    assert_eq!(app.create("demo", "").status, 200);
}

#[test]
fn an_audit_sink_refuses_a_file_that_is_neither_empty_nor_a_log() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "");
    let token = config.init();
    let log = home.path().join("audit.log");
    for text in [
        "shares and other notes\n",
        "{\"other\":1}\n",
        "SQLite format 3\0",
    ] {
        fs::write(&log, text).unwrap();
        fs::set_permissions(&log, Permissions::from_mode(0o600)).unwrap();
        let (status, said) = refused(&mut config.command(&["server"]));
        assert_eq!(status, 78);
        for part in [
            "file",
            &log.display().to_string(),
            "neither empty nor an audit log",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert!(found(&config).contains("neither empty nor an audit log"));
        assert_eq!(fs::read_to_string(&log).unwrap(), text);
    }
    fs::write(&log, "").unwrap();
    config.serve(&token).stop();
    config.serve(&token);
}

#[test]
fn config_check_looks_at_the_files_too() {
    let home = Home::new();
    let path = home.path().display();
    let sinks = format!(
        "[audit.file]\nkind = \"file\"\npath = \"{path}/nowhere/audit.log\"\n\
         [listener.tls]\naddress = \"127.0.0.1:0\"\ntls_cert_file = \"{path}/cert\"\ntls_key_file = \"{path}/key\""
    );
    let said = found(&home.config_with_sinks(&sinks));
    for part in [
        "audit.file.path: needs the directory",
        "/nowhere",
        "listener.tls.tls_cert_file",
        "/cert",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let pkcs11 = format!(
        "kind = \"pkcs11\"\nmodule = \"{path}/module.so\"\ntoken_label = \"a\"\npin = \"1\"\nkey_id = \"01\"\n\
         state_dir = \"{path}/deep/state\""
    );
    let said = found(&home.config_with_kek(&Store::Sqlite, &pkcs11, ""));
    for part in [
        "kek.module: ",
        "/module.so",
        "kek.state_dir: needs the directory",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let config = home.config(&Store::Sqlite, "");
    fs::write(home.path().join("kek"), "x").unwrap();
    fs::set_permissions(home.path().join("kek"), Permissions::from_mode(0o644)).unwrap();
    let said = found(&config);
    assert!(said.contains("kek.file") && said.contains("0644"), "{said}");
}

#[test]
fn a_secret_in_a_file_that_others_can_read_is_a_mistake() {
    let home = Home::new();
    let pin = home.path().join("pin");
    fs::write(&pin, "hunter2").unwrap();
    fs::set_permissions(&pin, Permissions::from_mode(0o644)).unwrap();
    let path = home.path().display();
    let kek = format!(
        "kind = \"pkcs11\"\nmodule = \"{path}/module.so\"\ntoken_label = \"a\"\npin_file = \"{path}/pin\"\n\
         key_id = \"01\"\nstate_dir = \"{path}/state\""
    );
    let config = home.config_with_kek(&Store::Sqlite, &kek, "");
    for words in [&["config", "check"][..], &["init"], &["server"]] {
        let (status, said) = refused(&mut config.command(words));
        assert_eq!(status, 78);
        assert!(
            said.contains("kek.pin_file") && said.contains("0644"),
            "{said}"
        );
        assert!(!said.contains("hunter2"));
    }
}

#[test]
fn a_mistyped_variable_or_parameter_is_a_mistake() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "");
    let mut check = config.command(&["config", "check"]);
    let (status, said) = refused(check.env("SEALRING_KEK_PIN", "hunter2"));
    assert_eq!(status, 78);
    assert!(said.contains("SEALRING_KEK_PIN: is no setting"), "{said}");
    assert!(!said.contains("hunter2"));
    for parameter in [
        "sslmod=verify-full",
        "sslMode=require",
        "tls=yes",
        "hunter2",
    ] {
        let url = format!("postgres://u:p@localhost/d?{parameter}");
        let said = found(&home.config(&Store::Postgres(url), ""));
        assert!(
            said.contains("store.url: has a parameter that is not known"),
            "{said}"
        );
        assert!(!said.contains("hunter2"));
    }
}

#[test]
fn a_server_before_init_says_so_whatever_else_is_missing() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "");
    for word in ["server", "root-token"] {
        let (status, said) = refused(&mut config.command(&[word]));
        assert_eq!(status, 78);
        assert!(said.contains("run `sealring init` once"), "{said}");
    }
}

#[test]
fn operator_commands_say_what_is_missing() {
    for address in ["nonsense", "localhost:8200", "ftp://host", "http://"] {
        let (status, said) = refused(&mut sealring(&["operator", "status", "--address", address]));
        assert_eq!(status, 64, "{said}");
        assert!(said.contains("--address must be the URL"), "{said}");
    }
    let mut status_of = sealring(&["operator", "status"]);
    let (status, said) = refused(status_of.env("VAULT_ADDR", "nonsense"));
    assert_eq!((status, said.contains("VAULT_ADDR must be")), (64, true));
    let mut seal = sealring(&["operator", "seal", "--address", "http://127.0.0.1:9"]);
    let (status, said) = refused(seal.env_remove("VAULT_TOKEN"));
    assert_eq!((status, said.contains("set VAULT_TOKEN")), (78, true));
}

#[test]
fn a_policy_that_is_the_name_of_a_file_is_answered_with_what_a_policy_is() {
    let app = TestApp::shared();
    for policy in ["path", "policy.hcl", "/etc/policies/app.hcl"] {
        let body = json!({"policy": policy});
        let (status, text) = app.post("sys/policies/acl/misnamed", body).refusal();
        assert_eq!(status, 400);
        assert!(
            text.contains("capabilities = [") && text.contains("not the name of a file"),
            "{text}"
        );
    }
    assert_eq!(app.get("sys/policies/acl/misnamed").status, 404);
}

#[test]
fn a_root_token_of_dev_that_was_revoked_stays_revoked_and_dev_says_so() {
    let home = Home::new();
    let app = TestApp::dev(&home, &[]);
    assert_eq!(app.post("auth/token/revoke-self", "").status, 204);
    app.stop();
    let app = TestApp::dev(&home, &[]);
    assert!(app.greeting.contains("was revoked"), "{}", app.greeting);
    assert_eq!(app.create("demo", "").status, 403);
    app.stop();
    let app = TestApp::start(&mut home.dev(&["--root-token", "another"]), "another");
    assert!(!app.greeting.contains("was revoked"));
    assert_eq!(app.create("demo", "").status, 200);
}

/// The example as it is but for the port, which other tests may have.
#[test]
fn the_example_starts_as_it_is() {
    let home = Home::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/sealring.toml");
    fs::copy(example, home.path().join("sealring.toml")).unwrap();
    let command = |word: &str| {
        let mut command = sealring(&[word, "--config", "sealring.toml"]);
        command
            .current_dir(home.path())
            .env("SEALRING_SERVER__LISTEN", "127.0.0.1:0");
        command
    };
    let out = command("init").output().unwrap();
    assert!(out.status.success());
    let printed = String::from_utf8(out.stdout).unwrap();
    let token = between(&printed, "root token: ", "\n");
    let app = TestApp::start(&mut command("server"), &token);
    assert_eq!(app.create("demo", "").status, 200);
}

#[test]
fn a_search_says_when_it_was_given_no_log_or_no_operation() {
    let home = Home::new();
    let app = TestApp::dev(&home, &[]);
    app.create("demo", "{}").data();
    app.stop();
    let log = fs::read_to_string(home.data().join("audit.log")).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = home.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let prefixed = log
        .lines()
        .flat_map(|line| ["Dec  1 host sealring: ", line, "\n"]);
    let syslog = file("syslog", prefixed.collect::<String>().as_bytes());
    for path in [
        file("log.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c"),
        file("random", &[0xe7; 4096]),
        syslog.clone(),
    ] {
        let (status, said) = refused(sealring(&["audit", "search"]).arg(&path));
        assert_eq!(status, 65, "{said}");
        assert!(said.contains("is not an audit log") && said.contains(path.to_str().unwrap()));
    }
    let mut search = sealring(&["audit", "search", "--prefixed", "--key", "demo"]);
    let out = search.arg(&syslog).output().unwrap();
    assert!(
        out.status.success()
            && String::from_utf8(out.stdout)
                .unwrap()
                .contains("key_create")
    );
    let mut search = sealring(&["audit", "search", "--operation", "decript"]);
    let (status, said) = refused(search.arg(home.data().join("audit.log")));
    assert_eq!(status, 64, "{said}");
    assert!(
        said.contains("decrypt") && said.contains("key_rotate"),
        "{said}"
    );
}
