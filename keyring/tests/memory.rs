//! Keys that are no longer used are gone from the process's memory. Each test looks for them in a process of its
//! own, which nothing else disturbs.

use std::any::type_name;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use keyring::algorithm::{CipherType, KeyType};
use keyring::clock::SystemClock;
use keyring::hash::HashAlgorithm;
use keyring::mount::MountSettings;
use keyring::name::{KeyName, MountPath};
use keyring::policy::PolicyChange;
use keyring::secret::SecretBytes;
use keyring::signing::{TagInput, TagJob, TagKind};
use keyring::store::memory::MemoryStore;
use keyring::test_support::engine::{MemoryKek, TestEngine, by_hand, eventually, quick};
use keyring::test_support::entropy::RecordingEntropy;
use keyring::test_support::own_memory::occurrences;
use keyring::transit::{Address, NewRing, Settings};

/// Runs a test in a process of its own: the closure must be written in the test function itself, whose name it
/// tells.
fn alone<F: AsyncFnOnce()>(body: F) {
    let closure = type_name::<F>();
    let name = closure.split("::{{closure}}").next().expect("a name");
    let name = name.split_once("::").map_or(name, |(_, name)| name);
    if std::env::var_os(CHILD_VARIABLE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(body());
        eprintln!("{RAN}");
        return;
    }
    let program = std::env::current_exe().expect("a test knows its program");
    let output = Command::new(program)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD_VARIABLE, "1")
        .output()
        .expect("the test program can be started again");
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(
        output.status.success() && text.contains(RAN),
        "{name} failed in its own process:\n{text}"
    );
}

const CHILD_VARIABLE: &str = "SEALRING_ALONE";
const RAN: &str = "ran in its own process";

/// A node that remembers, masked, all secrets it made.
struct Open {
    node: TestEngine,
    entropy: Arc<RecordingEntropy>,
}

/// The secrets of one version, masked.
struct Secrets {
    dek: Vec<u8>,
    key: Vec<u8>,
    hmac_key: Vec<u8>,
}

impl Open {
    async fn with(settings: Settings) -> Self {
        let (store, kek) = (Arc::new(MemoryStore::new()), Arc::new(MemoryKek::new()));
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(RecordingEntropy::default()));
        let node = TestEngine::with_entropy(store, kek, clock, entropy.clone(), settings).await;
        Self { node, entropy }
    }

    async fn create(&self, name: &str, new: &NewRing) -> (Address, Secrets) {
        let before = self.entropy.masked_draws().len();
        let at = self.node.create(name, new).await;
        (at, self.drawn_since(before))
    }

    async fn rotate(&self, at: &Address) -> Secrets {
        let before = self.entropy.masked_draws().len();
        self.node.rotate(at).await;
        self.drawn_since(before)
    }

    /// A version's key, HMAC key and DEK are drawn one after the other, and last but for a nonce.
    fn drawn_since(&self, before: usize) -> Secrets {
        let draws = self.entropy.masked_draws().split_off(before);
        let last: [Vec<u8>; 4] = draws
            .last_chunk()
            .cloned()
            .expect("a version is made of four draws");
        let [key, hmac_key, dek, nonce] = last;
        assert_eq!((dek.len(), hmac_key.len(), nonce.len()), (32, 32, 12));
        Secrets { dek, key, hmac_key }
    }
}

async fn gone(what: &str, masked: &[u8]) {
    eventually(what, async || occurrences(masked) == 0).await;
}

fn kinds() -> impl Iterator<Item = NewRing> {
    CipherType::ALL.into_iter().flat_map(|key_type| {
        [false, true].map(|derived| NewRing {
            key_type: Some(key_type.into()),
            derived,
            convergent: derived,
            ..NewRing::default()
        })
    })
}

#[test]
fn the_key_of_a_deleted_ring_is_gone_whatever_its_type() {
    alone(async || {
        let open = Open::with(quick()).await;
        for (number, new) in kinds().enumerate() {
            let (at, secrets) = open.create(&format!("ring{number}"), &new).await;
            for _ in 0..3 {
                use_once(&open.node, &at).await;
            }
            assert!(
                occurrences(&secrets.key) > 0,
                "{new:?}: the search finds what is there"
            );
            gone("the data key", &secrets.dek).await;
            delete(&open.node, &at).await;
            gone(&format!("the key of {new:?}"), &secrets.key).await;
            gone(&format!("the HMAC key of {new:?}"), &secrets.hmac_key).await;
        }
    });
}

#[test]
fn the_key_of_a_deleted_ring_of_type_hmac_is_gone() {
    alone(async || {
        let open = Open::with(quick()).await;
        let new = NewRing {
            key_type: Some(KeyType::Hmac),
            key_size: Some(48),
            ..NewRing::default()
        };
        let before = open.entropy.masked_draws().len();
        let at = open.node.create("ring", &new).await;
        let draws = open.entropy.masked_draws().split_off(before);
        let [key, dek, nonce] = draws.last_chunk().expect("a key, a DEK and a nonce");
        assert_eq!((key.len(), dek.len(), nonce.len()), (48, 32, 12));
        let job = TagJob {
            kind: TagKind::Hmac(HashAlgorithm::Sha2_256),
            key_version: 0,
            items: vec![TagInput::decode("c2VjcmV0", "")],
        };
        let made = open.node.transit.tag(&at, job).await.unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        assert!(occurrences(key) > 0, "the search finds what is there");
        gone("the data key", dek).await;
        delete(&open.node, &at).await;
        gone("the key", key).await;
    });
}

async fn delete(node: &TestEngine, at: &Address) {
    let deletable = PolicyChange {
        deletion_allowed: Some(true),
        ..PolicyChange::default()
    };
    node.configure(at, &deletable).await;
    let deleted = node.transit.delete(at, &by_hand()).await;
    deleted.expect("the ring is deleted");
}

async fn use_once(node: &TestEngine, at: &Address) {
    use keyring::job::{Job, OpenInput, SealInput};
    let mut job = Job::new();
    let context = "Y29udGV4dA==";
    job.push_plaintext(&SealInput {
        plaintext: "c2VjcmV0",
        context,
        ..SealInput::default()
    });
    let sealed = node.transit.encrypt(at, job).await.expect("the job runs");
    let done = sealed.iter().next().expect("one item").expect("encrypted");
    let mut job = Job::new();
    job.push_ciphertext(&OpenInput {
        ciphertext: done.text,
        context,
        ..OpenInput::default()
    });
    let opened = node.transit.decrypt(at, job).await.expect("the job runs");
    opened.iter().next().expect("one item").expect("decrypted");
}

#[test]
fn a_key_that_no_longer_decrypts_is_gone_and_the_newer_one_stays() {
    alone(async || {
        let open = Open::with(quick()).await;
        let other = open.node.another_node(quick()).await;
        let (at, old) = open.create("ring", &NewRing::default()).await;
        use_once(&other, &at).await;
        let new = open.rotate(&at).await;
        use_once(&other, &at).await;
        assert!(occurrences(&old.key) > 0);
        let minimums = PolicyChange {
            min_decryption: Some(2),
            min_encryption: Some(2),
            ..PolicyChange::default()
        };
        open.node.configure(&at, &minimums).await;
        gone("the old key, on both nodes", &old.key).await;
        open.node
            .transit
            .trim(&at, Some(2), &by_hand())
            .await
            .unwrap();
        use_once(&open.node, &at).await;
        assert!(occurrences(&new.key) > 0);
    });
}

#[test]
fn the_key_of_a_ring_nobody_uses_is_gone() {
    alone(async || {
        let settings = Settings {
            cache_idle: Duration::from_millis(500),
            ..quick()
        };
        let open = Open::with(settings).await;
        let (at, secrets) = open.create("ring", &NewRing::default()).await;
        use_once(&open.node, &at).await;
        gone("the key", &secrets.key).await;
        use_once(&open.node, &at).await;
        assert!(occurrences(&secrets.key) > 0);
        gone("the key again", &secrets.key).await;
    });
}

#[test]
fn keys_that_find_no_room_in_the_cache_are_gone() {
    alone(async || {
        let settings = Settings {
            cache_rings: 8,
            cache_bytes: 8 * 4096,
            ..quick()
        };
        let open = Open::with(settings).await;
        let mut keys = Vec::new();
        for number in 0..64 {
            let (at, secrets) = open
                .create(&format!("ring{number}"), &NewRing::default())
                .await;
            use_once(&open.node, &at).await;
            keys.push(secrets.key);
        }
        let held = || keys.iter().filter(|key| occurrences(key) > 0).count();
        eventually("most keys", async || held() <= 8).await;
        assert!(held() > 0);
    });
}

#[test]
fn the_keys_of_a_disabled_mount_are_gone_on_every_node() {
    alone(async || {
        let open = Open::with(quick()).await;
        let other = open.node.another_node(quick()).await;
        let path = MountPath::parse("team").unwrap();
        let settings = MountSettings::default();
        open.node
            .transit
            .enable_mount(path.clone(), settings)
            .await
            .unwrap();
        let mounts = open.node.transit.mounts();
        let mount = mounts.iter().find(|mount| mount.path == path).unwrap().id;
        eventually("the other node sees it", async || {
            other.transit.mounts().len() == 2
        })
        .await;
        let before = open.entropy.masked_draws().len();
        let name = KeyName::parse("ring").unwrap();
        let at = Address { mount, name };
        let (new, by) = (NewRing::default(), by_hand());
        open.node.transit.create(&at, &new, &by).await.unwrap();
        let secrets = open.drawn_since(before);
        use_once(&other, &at).await;
        assert!(open.node.transit.disable_mount(path).await.unwrap());
        gone("the key", &secrets.key).await;
    });
}

#[test]
fn nothing_of_a_store_is_left_after_it_is_sealed() {
    alone(async || {
        let open = Open::with(quick()).await;
        // The store's own secrets and the DEKs around them; shares of one are the unlock key itself.
        let drawn = open.entropy.masked_draws();
        let mut secrets: Vec<_> = drawn.into_iter().filter(|draw| draw.len() == 32).collect();
        assert!(secrets.len() >= 12, "{}", secrets.len());
        let store_secret = secrets[0].clone();
        let (at, version) = open.create("ring", &NewRing::default()).await;
        use_once(&open.node, &at).await;
        secrets.extend([version.dek, version.key, version.hmac_key]);
        let identity = open.node.transit.identity_keys();
        let sealed = identity.seal(b"place", &SecretBytes::default()).unwrap();
        identity.open(b"place", &sealed).unwrap();
        identity.check(b"text");
        drop(identity);
        open.node.transit.audit_keys().sign(b"message");
        assert!(occurrences(&store_secret) > 0);

        let Open { node, entropy } = open;
        let store = Arc::clone(&node.parts.store);
        store.seal().await.unwrap();
        node.transit.shutdown().await;
        drop(node);
        for (number, secret) in secrets.iter().enumerate() {
            gone(&format!("secret {number}"), secret).await;
        }
        drop((entropy, store));
    });
}

#[test]
fn no_key_is_left_after_a_shutdown() {
    alone(async || {
        let open = Open::with(quick()).await;
        let mut keys = Vec::new();
        for number in 0..10 {
            let (at, secrets) = open
                .create(&format!("ring{number}"), &NewRing::default())
                .await;
            use_once(&open.node, &at).await;
            keys.push(secrets.key);
        }
        open.node.transit.shutdown().await;
        for key in keys {
            gone("the key", &key).await;
        }
    });
}
