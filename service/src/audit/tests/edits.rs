//! Whatever is done to a log, the verifier says so.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::audit::chain::first_hash;
use crate::audit::line::{Line, push_group};
use keyring::audit_keys::ChainHash;

/// A real log: two chains in one file, with checkpoints, and the heads of both.
async fn written() -> (Vec<u8>, Vec<AuditHead>) {
    let room = Room::new();
    let mut heads = Vec::new();
    for records in [40, 25] {
        let (log, _) = room.start();
        for number in 0..records {
            put(&log, &request()).await.unwrap();
            if number % 11 == 0 {
                let id = Uuid::new_v4();
                for kind in [Kind::Intent, Kind::Outcome] {
                    log.submit_synced(&record(kind, id)).unwrap().await.unwrap();
                }
            }
        }
        let kept = log.heads();
        close(&log);
        heads.extend(kept.borrow().clone());
    }
    let report = verify(&[room.log()], &heads);
    assert_eq!(report.findings, []);
    assert_eq!(report.unsigned, 0);
    (room.log(), heads)
}

fn lines(log: &[u8]) -> Vec<Vec<u8>> {
    log.split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

/// Hashes anew what was edited, as somebody without the key can.
fn recomputed(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut hash = ChainHash::resume([0; 32]);
    let mut group = Vec::new();
    let mut records = 0;
    for with_end in lines {
        match Line::parse(with_end.strip_suffix(b"\n").unwrap_or(with_end)) {
            Line::Record(number) => {
                records = number;
                group.extend_from_slice(with_end);
                out.extend_from_slice(with_end);
            }
            Line::Group(..) => {
                hash.extend(&group);
                group.clear();
                push_group(&mut out, records, &hash.current());
            }
            Line::Signed(signed) => {
                if let Some(start) = signed.body::<line::Start>() {
                    hash = first_hash(&start.chain.0);
                } else {
                    hash.extend(with_end);
                }
                out.extend_from_slice(with_end);
            }
            Line::Foreign => {
                group.extend_from_slice(with_end);
                out.extend_from_slice(with_end);
            }
        }
    }
    out
}

#[derive(Clone, Copy, Debug)]
enum Edit {
    FlipBit,
    OverwriteByte,
    DeleteLines,
    SwapLines,
    RepeatLine,
    InsertLine,
    Truncate,
    Forge,
    DeleteAndForge,
    RenumberAndForge,
}

const EDITS: [Edit; 10] = [
    Edit::FlipBit,
    Edit::OverwriteByte,
    Edit::DeleteLines,
    Edit::SwapLines,
    Edit::RepeatLine,
    Edit::InsertLine,
    Edit::Truncate,
    Edit::Forge,
    Edit::DeleteAndForge,
    Edit::RenumberAndForge,
];

fn edited(log: &[u8], edit: Edit, random: &mut StdRng) -> Vec<u8> {
    let mut bytes = log.to_vec();
    let mut lines = lines(log);
    let at = random.random_range(0..lines.len());
    match edit {
        Edit::FlipBit => {
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..8);
            return bytes;
        }
        Edit::OverwriteByte => {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
            return bytes;
        }
        Edit::Truncate => {
            bytes.truncate(random.random_range(0..bytes.len()));
            return bytes;
        }
        Edit::DeleteLines => {
            let to = (at + random.random_range(1..4)).min(lines.len());
            lines.drain(at..to);
        }
        Edit::SwapLines => {
            let other = random.random_range(0..lines.len());
            lines.swap(at, other);
        }
        Edit::RepeatLine => {
            let line = lines[at].clone();
            lines.insert(random.random_range(0..=lines.len()), line);
        }
        Edit::InsertLine => {
            let line = *[
                &b"\n"[..],
                b"{}\n",
                b"{\"n\":1,\"time\":\"x\"}\n",
                b"\x00\xff\n",
            ]
            .choose_multiple_one(random);
            lines.insert(random.random_range(0..=lines.len()), line.to_vec());
        }
        Edit::Forge => {
            let record = record_line(&lines, random);
            let text = text(&lines[record]).replace("encrypt", "decrypt");
            lines[record] = text.into_bytes();
            return recomputed(&lines);
        }
        Edit::DeleteAndForge => {
            let record = record_line(&lines, random);
            lines.remove(record);
            return recomputed(&lines);
        }
        Edit::RenumberAndForge => {
            let record = record_line(&lines, random);
            lines.remove(record);
            return recomputed(&renumbered(&lines));
        }
    }
    lines.concat()
}

fn record_line(lines: &[Vec<u8>], random: &mut StdRng) -> usize {
    let records = (0..lines.len()).filter(|at| lines[*at].starts_with(b"{\"n\":"));
    let records: Vec<usize> = records.collect();
    records[random.random_range(0..records.len())]
}

fn renumbered(lines: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut number = 0;
    let mut out = Vec::new();
    for line in lines {
        let line = text(line);
        if line.starts_with("{\"start\"") {
            number = 0;
        }
        out.push(match line.strip_prefix("{\"n\":") {
            Some(rest) => {
                number += 1;
                let (_, rest) = rest.split_once(',').unwrap();
                format!("{{\"n\":{number},{rest}").into_bytes()
            }
            None => line.into_bytes(),
        });
    }
    out
}

trait ChooseOne<T> {
    fn choose_multiple_one(&self, random: &mut StdRng) -> &T;
}

impl<T, const N: usize> ChooseOne<T> for [T; N] {
    fn choose_multiple_one(&self, random: &mut StdRng) -> &T {
        &self[random.random_range(0..N)]
    }
}

#[tokio::test]
async fn random_edits_are_all_found() {
    let full = std::env::var_os("SEALRING_FULL").is_some();
    let count = if full { 10_000 } else { 600 };
    let (log, heads) = written().await;
    let seed = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let mut done = 0;
    for round in 0.. {
        if done == count {
            break;
        }
        let edit = EDITS[round % EDITS.len()];
        let changed = edited(&log, edit, &mut random);
        if changed == log {
            continue;
        }
        done += 1;
        let report = verify(&[&changed], &heads);
        assert!(
            !report.findings.is_empty(),
            "seed {seed}, round {round}, {edit:?}"
        );
    }
}

#[tokio::test]
async fn the_finding_names_the_place() {
    let (log, _) = written().await;
    let mut lines = lines(&log);
    let at = (0..lines.len())
        .find(|at| lines[*at].starts_with(b"{\"n\":7,"))
        .unwrap();
    lines[at] = text(&lines[at]).replace("orders", "orderz").into_bytes();
    let report = verify(&[lines.concat()], &[]);
    let [finding] = report.findings.as_slice() else {
        panic!("{:?}", report.findings);
    };
    let (first, last) = finding.place.lines;
    let line = u64::try_from(at).unwrap() + 1;
    assert!((first..=last).contains(&line), "{finding}");
    assert_eq!(finding.place.records, Some((7, 7)));
}

#[tokio::test]
async fn a_log_signed_by_another_key_is_not_the_pinned_keys() {
    let (log, _) = written().await;
    let other = Some([9; 32]);
    let mut verifier = Verifier::new(other, Chains::default());
    verifier.read("log", log.as_slice(), false, |_| {}).unwrap();
    assert!(verifier.finish().0.findings[0].text.contains("another key"));
    let mut verifier = Verifier::new(None, Chains::default());
    verifier.read("log", log.as_slice(), false, |_| {}).unwrap();
    let (report, key) = verifier.finish();
    assert_eq!(report.findings, []);
    assert_eq!(key, Some(keys().public_key()));
}

#[tokio::test]
async fn whole_chains_that_are_gone_are_missed_by_their_heads() {
    let (log, heads) = written().await;
    let second = text(&log).rfind("{\"start\"").unwrap();
    let first = &log[..second];
    assert_eq!(verify(&[first], &heads[..1]).findings, []);
    let report = verify(&[first], &heads);
    assert!(
        report.findings[0].text.contains("is missing"),
        "{:?}",
        report.findings
    );
    let report = verify(&[&log[second..]], &heads);
    assert_eq!(report.findings, []);
    assert!(report.notes.iter().any(|note| note.contains("older")));
    assert!(!verify(&[b""], &heads).findings.is_empty());
}

#[tokio::test]
async fn lines_of_syslog_verify_without_their_prefixes() {
    let (log, heads) = written().await;
    let prefixed: Vec<u8> = lines(&log)
        .iter()
        .flat_map(|line| [&b"Mar  3 10:00:00 host sealring[7]: "[..], line].concat())
        .collect();
    let mut verifier = Verifier::new(None, Chains::new(heads));
    verifier
        .read("log", prefixed.as_slice(), true, |_| {})
        .unwrap();
    assert_eq!(verifier.finish().0.findings, []);
    assert!(!verify(&[prefixed], &[]).findings.is_empty());
}

/// A log of one chain in several files, as a collector gets it, and the line that says that something comes again.
async fn in_files() -> (
    Vec<Vec<u8>>,
    impl Fn(&str, Option<line::ResumedAt>) -> Vec<u8>,
) {
    let mut room = Room::new();
    let SinkKind::File(file) = &mut room.settings.sinks[0].kind else {
        panic!("a file");
    };
    file.rotate_bytes = 8 << 10;
    let (log, _) = room.start();
    for _ in 0..80 {
        put(&log, &request()).await.unwrap();
    }
    close(&log);
    let files = room.files();
    assert!(files.len() >= 4, "{}", files.len());
    let origin = start::origin(&room.settings, &basis()).unwrap();
    let resent = move |sink: &str, from| origin.resent_line(sink, SystemClock.now(), from);
    (files, resent)
}

#[tokio::test]
async fn what_is_sent_again_may_go_back_and_never_ahead() {
    let (files, resent) = in_files().await;
    let again = resent("file", None);
    let whole = files.concat();
    let back = [whole.as_slice(), &again, &files[2], &files[3..].concat()].concat();
    assert_eq!(verify(&[back], &[]).findings, []);
    let early = [&files[0][..], &files[1], &again, &whole].concat();
    assert_eq!(verify(&[early], &[]).findings, []);
    let ahead = [&files[0][..], &again, &files[2..].concat()].concat();
    let report = verify(&[ahead], &[]);
    let found = &report.findings[0].text;
    assert!(
        found.contains("missing before what is sent again"),
        "{found}"
    );
}

#[tokio::test]
async fn a_line_that_says_what_comes_again_is_for_one_sink_and_one_place() {
    let (files, resent) = in_files().await;
    let whole = files.concat();
    let Line::Signed(header) = Line::parse(files[2].split(|byte| *byte == b'\n').next().unwrap())
    else {
        panic!("a header");
    };
    let header: line::Continued = header.body().unwrap();
    let from = |records| {
        Some(line::ResumedAt {
            chain: header.chain,
            records,
        })
    };
    let with = |again: Vec<u8>| {
        let log = [whole.clone(), again, files[2..].concat()].concat();
        verify(&[log], &[]).findings
    };
    assert_eq!(with(resent("file", from(header.records))), []);
    let found = with(resent("file", from(header.records - 1)));
    assert!(found[0].text.contains("does not begin where"), "{found:?}");
    let found = with(resent("other", from(header.records)));
    assert!(found[0].text.contains("another sink"), "{found:?}");
}

#[tokio::test]
async fn what_is_sent_again_must_be_what_was_sent_before() {
    let (files, resent) = in_files().await;
    // All that no checkpoint has signed yet can be computed anew.
    let forged = recomputed(&lines(
        &text(&files[0]).replace("orders", "orderz").into_bytes(),
    ));
    assert_eq!(verify(&[&forged], &[]).findings, []);
    let log = [forged, resent("file", None), files.concat()].concat();
    let found = verify(&[log], &[]).findings;
    assert!(found[0].text.contains("not what was sent"), "{found:?}");
}

#[tokio::test]
async fn several_chains_may_come_again_in_a_row() {
    let (log, heads) = written().await;
    let room = Room::new();
    let origin = start::origin(&room.settings, &basis()).unwrap();
    let again = origin.resent_line("file", SystemClock.now(), None);
    let twice = [&log, &again, &log].map(Vec::as_slice).concat();
    assert_eq!(verify(&[twice], &heads).findings, []);
    let second = text(&log).rfind("{\"start\"").unwrap();
    let unseen = [&log[..second / 2], b"\n", &again, &log[second..]].concat();
    assert!(!verify(&[unseen], &heads).findings.is_empty());
}

/// A log with so many more records than are signed, as after a kill.
async fn crashed(room: &Room, records: u64) -> Vec<u8> {
    let (log, _) = room.start();
    for _ in 0..records {
        put(&log, &request()).await.unwrap();
    }
    let bytes = room.log();
    close(&log);
    bytes
}

#[tokio::test]
async fn records_that_only_the_next_start_signed_are_noted() {
    let room = Room::new();
    let bytes = crashed(&room, 3).await;
    std::fs::write(room.path(), bytes).unwrap();
    let (log, _) = room.start();
    close(&log);
    let report = assert_good(&[room.log()], 3);
    let noted = |note: &String| note.contains("signs its last 3 records");
    assert!(report.notes.iter().any(noted), "{:?}", report.notes);
}

#[tokio::test]
async fn records_after_the_end_of_a_chain_are_found_also_if_a_start_covers_them() {
    let room = Room::new();
    let crashed = crashed(&room, 3).await;
    let log = room.log();
    assert!(text(&log).contains(",\"closed\":true}"));
    // One who can write to the disk goes on with the chain.
    let lines = lines(&[&log[..], b"{\"n\":4,\"time\":\"x\"}\n{\"group\":4}\n"].concat());
    let mut hash = ChainHash::resume(last_hash(&crashed));
    hash.extend(&lines[lines.len() - 3]);
    hash.extend(&lines[lines.len() - 2]);
    let mut added = [log, lines[lines.len() - 2].clone()].concat();
    push_group(&mut added, 4, &hash.current());
    let found = verify(&[&added], &[]).findings;
    assert!(found[0].text.contains("closed their chain"), "{found:?}");
    std::fs::write(room.path(), added).unwrap();
    let (log, _) = room.start();
    close(&log);
    assert!(!verify(&[room.log()], &[]).findings.is_empty());
}

/// The hash in the last line that ends a group.
fn last_hash(log: &[u8]) -> [u8; 32] {
    let mut lines = lines(log).into_iter().rev();
    let found = lines.find_map(|line| match Line::parse(line.strip_suffix(b"\n")?) {
        Line::Group(_, hash) => Some(hash),
        Line::Record(_) | Line::Signed(_) | Line::Foreign => None,
    });
    found.unwrap()
}

#[tokio::test]
async fn a_chain_whose_records_are_all_signed_is_closed_by_a_checkpoint_of_its_own() {
    let room = Room::new();
    let (log, _) = room.start();
    put(&log, &request()).await.unwrap();
    let kept = log.heads();
    until("a checkpoint", || kept.borrow().is_some()).await;
    let before = kept.borrow().clone().unwrap();
    close(&log);
    let after = kept.borrow().clone().unwrap();
    assert_eq!(before.records, after.records);
    for head in [before, after] {
        assert_eq!(verify(&[room.log()], &[head]).findings, []);
    }
}

#[tokio::test]
async fn a_store_that_keeps_no_head_of_the_last_chain_is_told() {
    let (log, heads) = written().await;
    let found = |heads: &[AuditHead], log: &[u8]| {
        let chains = Chains::new(heads.iter().cloned());
        let mut verifier = Verifier::new(Some(keys().public_key()), chains);
        verifier.read("log", log, false, |_| {}).unwrap();
        verifier.finish().0.findings
    };
    for heads in [&heads[..1], &[]] {
        let found = found(heads, &log);
        assert!(found[0].text.contains("keeps no head"), "{found:?}");
    }
    // A chain that has hardly begun has none.
    let second = text(&log).rfind("{\"start\"").unwrap();
    let end = second + text(&log[second..]).find('\n').unwrap() + 1;
    assert_eq!(found(&heads[..1], &log[..end]), []);
}

#[tokio::test]
async fn lines_and_groups_longer_than_any_are_found_and_not_kept() {
    let (log, _) = written().await;
    let line = [vec![b'x'; 5 << 20], b"\n".to_vec()].concat();
    let found = verify(&[[log.clone(), line].concat()], &[]).findings;
    assert!(found[0].text.contains("longer than any"), "{found:?}");
    let mut verifier = Verifier::new(None, Chains::default());
    verifier.read("log", log.as_slice(), false, |_| {}).unwrap();
    let line = [vec![b'x'; 3 << 20], b"\n".to_vec()].concat();
    for _ in 0..86 {
        verifier
            .read("more", line.as_slice(), false, |_| {})
            .unwrap();
    }
    let found = verifier.finish().0.findings;
    assert!(found[0].text.contains("any group holds"), "{found:?}");
}
