//! Every fixture in `config/good` is read without a mistake; every one in `config/bad` gives exactly the text beside it.
//!
//! A fixture is a TOML file, with the environment in a `.env` file of the same name if it needs one. `FILE` stands for its path.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall fail where it stands"
)]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use service::config::listener::{ClientAuth, Place, TlsVersion};
use service::config::value::FileMode;
use service::config::{Config, Layers, Mistakes};

#[test]
fn good_files_have_no_mistakes() {
    for file in fixtures("good") {
        if let Err(mistakes) = read(&file) {
            panic!("{}:\n{mistakes}", file.display());
        }
    }
}

#[test]
fn every_mistake_of_a_bad_file_is_named_with_its_reason() {
    for file in fixtures("bad") {
        let mistakes = read(&file).expect_err(&file.display().to_string());
        let found = mistakes
            .to_string()
            .replace(&file.display().to_string(), "FILE");
        let expected = fs::read_to_string(file.with_extension("txt")).unwrap();
        assert_eq!(found, expected.trim_end(), "{}", file.display());
    }
}

#[test]
fn no_secret_appears_in_a_mistake_or_in_a_configuration() {
    for file in fixtures("bad") {
        assert!(!read(&file).unwrap_err().to_string().contains("hunter2"));
    }
    for file in fixtures("good") {
        assert!(!format!("{:?}", read(&file).unwrap()).contains("hunter2"));
    }
}

#[test]
fn strict_coherence_means_no_coasting() {
    let config = read(&directory("good").join("strict.toml")).unwrap();
    let settings = config.engine_settings();
    assert!(settings.encrypt_coast.is_zero());
    assert!(settings.decrypt_coast.is_zero());
}

#[test]
fn the_environment_stands_above_the_file() {
    let config = read(&directory("good").join("environment.toml")).unwrap();
    let Some(Place::Tcp { address, .. }) = config.listeners.first().map(|first| &first.place)
    else {
        panic!("{:?}", config.listeners);
    };
    assert_eq!(address.to_string(), "127.0.0.1:9999");
    assert_eq!(config.limits.worker_queue, 7);
}

#[test]
fn without_a_word_about_it_the_service_listens_on_loopback_and_nowhere_else() {
    let config = read(&directory("good").join("minimal.toml")).unwrap();
    let [only] = config.listeners.as_slice() else {
        panic!("{:?}", config.listeners);
    };
    assert_eq!(only.name, "default");
    let address = "127.0.0.1:8200".parse().unwrap();
    assert_eq!(only.place, Place::Tcp { address, tls: None });
}

#[test]
fn named_listeners_stand_in_place_of_the_default() {
    let config = read(&directory("good").join("listeners.toml")).unwrap();
    let names: Vec<&str> = config
        .listeners
        .iter()
        .map(|listener| listener.name.as_str())
        .collect();
    assert_eq!(names, ["agents", "local", "public"]);
    let [agents, local, public] = config.listeners.as_slice() else {
        panic!("{names:?}");
    };
    let tls = |place: &Place| match place {
        Place::Tcp { tls, .. } => tls.clone().unwrap(),
        Place::Unix { .. } => panic!("{place:?}"),
    };
    let agents_tls = tls(&agents.place);
    assert_eq!(
        agents_tls.client_auth,
        ClientAuth::Require("/tls/ca".into())
    );
    assert_eq!(agents_tls.min_version, TlsVersion::V1_3);
    let mode = FileMode(0o660);
    let path = "/run/sealring.sock".into();
    assert_eq!(local.place, Place::Unix { path, mode });
    assert_eq!(tls(&public.place).client_auth, ClientAuth::Off);
    assert_eq!(tls(&public.place).min_version, TlsVersion::V1_2);
    assert_eq!(public.trusted_proxies.len(), 2);
}

fn read(file: &Path) -> Result<Config, Mistakes> {
    let mut layers = Layers::from_file(file)?;
    let environment = fs::read_to_string(file.with_extension("env")).unwrap_or_default();
    let split = |line: &str| {
        let (name, value) = line.split_once('=').expect("a line NAME=value");
        (OsString::from(name), OsString::from(value))
    };
    layers.add_environment(environment.lines().map(split));
    Config::read(layers)
}

fn directory(kind: &str) -> PathBuf {
    Path::new("tests/config").join(kind)
}

fn fixtures(kind: &str) -> Vec<PathBuf> {
    let mut files = fs::read_dir(directory(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect::<Vec<_>>();
    files.sort();
    assert!(!files.is_empty());
    files
}
