//! A file on a disk that is full: nothing is answered but what protects the store, and that is recorded.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::app::TestApp;
use crate::eventually;
use crate::set_up::Home;

/// A small disk of its own, unmounted when it is dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this process may not mount one.
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs"]);
        let mounted = mount.arg(&at).status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(at))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// Takes all but this many bytes that are left.
    fn fill_but(&self, name: &str, left: usize) {
        let mut file = File::create(self.0.join(name)).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len();
        let left = u64::try_from(left).unwrap();
        file.set_len(length.saturating_sub(left)).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn with_a_full_disk_tokens_are_revoked_and_the_store_is_sealed_on_record() {
    let home = Home::new();
    let Some(disk) = Disk::mount(home.path().join("audit")) else {
        eprintln!("SKIPPED: this process may not mount a disk");
        return;
    };
    // Room for the reserve and little more.
    disk.fill_but("first", 3 << 20);
    let log = disk.path().join("audit.log");
    let sink = format!(
        "[audit.file]\nkind = \"file\"\npath = \"{}\"",
        log.display()
    );
    let config = home.config_with_sinks(&sink);
    let token = config.init();
    let app = TestApp::start(&mut config.command(&["server"]), &token);
    let key = app.ring(json!({}));
    let made = app.post("auth/token/create", json!({"policies": ["default"]}));
    let made = made.json()["auth"]["client_token"].take();
    disk.fill_but("second", 0);
    let refused = eventually("a full disk", || {
        let answer = app.encrypt(&key, json!({"plaintext": ""}));
        (answer.status == 503).then_some(answer)
    });
    assert!(refused.text().contains("audit log"), "{}", refused.text());
    let created = app.create("another", json!({}));
    assert_eq!(created.status, 503, "{}", created.text());
    let denied = app
        .anonymous("POST", "auth/token/revoke-self")
        .header("X-Vault-Token", "wrong")
        .send();
    assert_eq!(denied.status, 503, "no refusal uses the reserve up");
    let revoked = app.post("auth/token/revoke", json!({"token": made}));
    assert_eq!(revoked.status, 204, "{}", revoked.text());
    assert_eq!(app.encrypt(&key, json!({"plaintext": ""})).status, 503);
    let sealed = app.request("PUT", "sys/seal").send();
    assert_eq!(sealed.status, 204, "{}", sealed.text());
    let text = fs::read_to_string(&log).unwrap();
    for operation in ["token_revoke", "seal"] {
        for kind in ["intent", "outcome"] {
            let has = |line: &str| {
                line.contains(&format!("\"kind\":\"{kind}\""))
                    && line.contains(&format!("\"operation\":\"{operation}\""))
            };
            assert!(text.lines().any(has), "{kind} of {operation}");
        }
    }
}
