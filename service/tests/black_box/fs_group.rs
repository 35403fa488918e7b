//! A data directory on a Kubernetes volume with `fsGroup`, where the kubelet gives everything to that group.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::set_up::{Home, Store, printed, refused};

const SPOOL: &str = "
[audit.siem]
kind = \"socket\"
address = \"unix:DIR/nobody-listens\"
spool = \"DIR/spool\"
";

#[test]
fn a_volume_given_to_its_group_is_taken_back_by_the_charts_container() {
    let home = Home::new();
    let place = home.path().display().to_string();
    let config = home.config(&Store::Sqlite, &SPOOL.replace("DIR", &place));
    let token = config.init();
    let app = config.serve(&token);
    let key = app.ring(json!({}));
    let sealed = app.seal(&key, "aGVsbG8=");
    app.stop();

    // What of it matters is refused, so that the rest of this test means something.
    give_to_group(home.path());
    let (status, sentence) = refused(&mut config.command(&["server"]));
    assert_eq!(status, 78, "{sentence}");
    assert!(sentence.contains("kek"), "{sentence}");

    take_back(home.path());
    for name in ["kek", "sealring.db", "audit.log", "spool"] {
        let mode = fs::metadata(home.path().join(name)).unwrap().mode();
        assert_eq!(mode & 0o6077, 0, "{name} has mode {mode:o}");
    }
    let app = config.serve(&token);
    assert_eq!(app.open(&key, &sealed), "aGVsbG8=");
    app.stop();
}

#[test]
fn the_charts_container_follows_no_links_leaves_the_volume_itself_and_makes_what_is_not_there() {
    let home = Home::new();
    let volume = home.path().join("volume");
    let outside = home.path().join("outside");
    fs::create_dir(&volume).unwrap();
    fs::write(&outside, "").unwrap();
    std::os::unix::fs::symlink(&outside, volume.join("link")).unwrap();
    give_to_group(home.path());
    take_back(&volume);
    let new = home.path().join("new");
    take_back(&new);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&volume) & 0o2770, 0o2770);
    assert_eq!(mode(&outside) & 0o060, 0o060);
    assert_eq!(mode(&new) & 0o777, 0o700);
}

/// As the kubelet's `SetVolumeOwnership` does: the group, and for it reading and writing; on directories the group sticks.
fn give_to_group(path: &Path) {
    let stat = fs::symlink_metadata(path).unwrap();
    if stat.is_symlink() {
        return;
    }
    // Only root can give files to a group that is not its own.
    let group = if stat.uid() == 0 {
        FS_GROUP
    } else {
        stat.gid()
    };
    chown(path, None, Some(group)).unwrap();
    let added = if stat.is_dir() { 0o2770 } else { 0o660 };
    let mode = (stat.mode() & 0o7777) | added;
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    if stat.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_to_group(&entry.unwrap().path());
        }
    }
}

/// Runs what the chart's first container runs.
fn take_back(volume: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../helm/files/private.sh");
    printed(Command::new("sh").arg(script).arg(volume));
}

const FS_GROUP: u32 = 10001;
