//! What only the software KEK promises: how it keeps its file.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use keyring::kek::Kek as _;
use keyring::kek::software::SoftwareKek;

use crate::fixtures::block_on;
use crate::outcomes::assert_refused;
use crate::samples::{binding, entropy, wrapped_by};

#[test]
fn a_created_key_opens_again_under_the_same_id() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kek");
        let created = SoftwareKek::create(&path, entropy()).unwrap();
        let wrapped = wrapped_by(&created).await;
        let opened = SoftwareKek::open(&path, entropy()).unwrap();
        assert_eq!(opened.id(), created.id());
        opened
            .unwrap_dek(&wrapped, &binding(&created))
            .await
            .unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
    });
}

#[test]
fn the_id_is_short_and_not_part_of_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kek");
    let kek = SoftwareKek::create(&path, entropy()).unwrap();
    let digits = kek.id().as_str().strip_prefix("software:").unwrap();
    assert_eq!(digits.len(), 16);
    assert!(!fs::read_to_string(&path).unwrap().contains(digits));
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let (_directory, path) = created();
    let before = fs::read(&path).unwrap();
    assert_refused(SoftwareKek::create(&path, entropy()), "already exists");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_others_can_reach_is_refused() {
    let (_directory, path) = created();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_refused(
            SoftwareKek::open(&path, entropy()),
            &format!("mode {mode:04o}"),
        );
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    SoftwareKek::open(&path, entropy()).unwrap();
}

#[test]
fn a_file_of_another_user_is_refused() {
    let (_directory, path) = created();
    if std::os::unix::fs::chown(&path, Some(65_534), None).is_err() {
        let _ = writeln!(io::stderr(), "SKIPPED: only root can give a file away");
        return;
    }
    assert_refused(SoftwareKek::open(&path, entropy()), "belongs to user 65534");
}

#[test]
fn a_symbolic_link_is_not_followed() {
    let (directory, path) = created();
    let link = directory.path().join("link");
    symlink(&path, &link).unwrap();
    assert_refused(SoftwareKek::open(&link, entropy()), "symbolic link");
    let dangling = directory.path().join("dangling");
    symlink(directory.path().join("nowhere"), &dangling).unwrap();
    assert_refused(SoftwareKek::create(&dangling, entropy()), "already exists");
}

#[test]
fn a_file_that_holds_anything_else_is_refused() {
    let (_directory, path) = created();
    let good = fs::read_to_string(&path).unwrap();
    let cut = good[..good.len() - 2].to_owned();
    let wrong = [
        String::new(),
        good.trim_end().to_owned(),
        good.replace("kek-1", "kek-2"),
        good.replace('\n', "\r\n"),
        format!("{cut}\n"),
        format!("{cut}g\n"),
        format!("{cut}+\n"),
        format!("{good}\n"),
    ];
    let key = good[30..60].to_owned();
    for text in wrong {
        fs::write(&path, &text).unwrap();
        let error = SoftwareKek::open(&path, entropy()).unwrap_err().to_string();
        assert!(
            error.contains("does not hold a KEK") || error.contains("is longer"),
            "{error}"
        );
        assert!(!error.contains(&key), "the sentence holds part of the key");
    }
}

#[test]
fn a_missing_file_and_a_directory_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = SoftwareKek::open(&directory.path().join("none"), entropy());
    assert_refused(missing, "does not exist");
    assert_refused(
        SoftwareKek::open(directory.path(), entropy()),
        "not a regular file",
    );
}

fn created() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kek");
    SoftwareKek::create(&path, entropy()).unwrap();
    (directory, path)
}
