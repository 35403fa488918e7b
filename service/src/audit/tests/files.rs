//! What somebody does to a log's file while the service runs, and a disk that is full.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::time::Instant;

use super::*;

#[tokio::test]
async fn a_deleted_file_is_made_again_before_anybody_is_answered() {
    let room = Room::new();
    let (log, _) = room.start();
    put(&log, &request()).await.unwrap();
    let before = room.log();
    remove(&room.path());
    let record = request();
    put(&log, &record).await.unwrap();
    let after = room.log();
    assert!(text(&after).contains(&record.request.to_string()));
    close(&log);
    assert_good(&[before, room.log()], 2);
    let report = verify(&[room.log()], &[]);
    assert!(
        report.findings[0].text.contains("deleted"),
        "{:?}",
        report.findings
    );
}

#[tokio::test]
async fn a_file_that_others_cut_short_or_wrote_to_is_set_aside() {
    for write in [false, true] {
        let room = Room::new();
        let (log, _) = room.start();
        put(&log, &request()).await.unwrap();
        let mut file = File::options().append(true).open(room.path()).unwrap();
        if write {
            file.write_all(b"{}\n").unwrap();
        } else {
            file.set_len(0).unwrap();
        }
        let record = request();
        put(&log, &record).await.unwrap();
        assert!(text(&room.log()).contains(&record.request.to_string()));
        close(&log);
        let files = room.files();
        assert_eq!(files.len(), 2);
        assert!(!verify(&files, &[]).findings.is_empty());
        assert!(!verify(&files[1..], &[]).findings.is_empty());
    }
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_made_again_at_once_when_asked_and_soon_by_itself() {
    let room = Room::new();
    let (log, _) = room.start();
    put(&log, &request()).await.unwrap();
    let mut files = Vec::new();
    for asked in [true, false] {
        let aside = room.directory.path().join(format!("aside-{asked}"));
        std::fs::rename(room.path(), &aside).unwrap();
        if asked {
            log.reopen();
        }
        until("the new file", || room.path().exists()).await;
        files.push(aside);
        put(&log, &request()).await.unwrap();
    }
    close(&log);
    files.push(room.path());
    let files: Vec<Vec<u8>> = files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    assert_good(&files, 3);
}

#[tokio::test]
async fn two_logs_cannot_write_to_one_file() {
    let room = Room::new();
    let (log, _) = room.start();
    let error = AuditLog::start(&room.settings, &basis()).unwrap_err();
    assert!(error.to_string().contains("another log"), "{error}");
    put(&log, &request()).await.unwrap();
    // One that was dropped without being closed is waited for.
    drop(log);
    let (log, _) = room.start();
    put(&log, &request()).await.unwrap();
    close(&log);
    assert_good(&[room.log()], 2);
}

#[test]
fn files_that_others_could_read_or_that_lead_elsewhere_are_refused() {
    let room = Room::new();
    let refused = |reason: &str| {
        let error = AuditLog::start(&room.settings, &basis())
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{error}");
        assert!(error.contains("file"), "{error}");
    };
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(room.path())
        .unwrap();
    refused("chmod 600");
    remove(&room.path());
    std::os::unix::fs::symlink("/dev/null", room.path()).unwrap();
    refused("symbolic link");
    remove(&room.path());
    std::fs::create_dir(room.path()).unwrap();
    refused("");
    std::fs::remove_dir(room.path()).unwrap();
    let (log, _) = room.start();
    let mode = std::fs::metadata(room.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    close(&log);
}

/// A directory that is a small file system of its own, until it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        let mut mount = std::process::Command::new("mount");
        let mount = mount
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(at);
        assert!(mount.status().unwrap().success());
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let status = std::process::Command::new("umount")
            .arg("--lazy")
            .arg(&self.0)
            .status();
        assert!(status.unwrap().success());
    }
}

#[tokio::test]
#[ignore = "mounts a file system, which only root can"]
async fn a_full_disk_keeps_room_for_outcomes_and_serves_again_when_there_is_room() {
    let room = Room::new();
    let _disk = SmallDisk::mount(room.directory.path());
    let (log, _) = room.start();
    let change = Uuid::new_v4();
    log.submit_synced(&record(Kind::Intent, change))
        .unwrap()
        .await
        .unwrap();
    let mut records = 1;
    let ballast = room.directory.path().join("ballast");
    std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    while let Ok(ticket) = log.submit(&request()) {
        ticket.await.unwrap();
        records += 1;
    }
    assert!(records > 1_000, "{records}");
    assert_eq!(state(&log, "file"), SinkState::Full);
    // Somebody else takes the rest.
    let rest = std::fs::write(room.directory.path().join("rest"), vec![0; 4 << 20]);
    assert!(rest.is_err());
    for _ in 0..100 {
        let outcome = log.submit_synced(&record(Kind::Outcome, change)).unwrap();
        assert_eq!(outcome.await, Ok(()));
        records += 1;
    }
    remove(&ballast);
    let began = Instant::now();
    until("room", || log.admits().is_ok()).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    put(&log, &request()).await.unwrap();
    close(&log);
    assert_good(&[room.log()], records + 1);
}
