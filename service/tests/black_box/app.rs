//! A running service, with one verb for each endpoint.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::client::{Answer, IntoBody, Request};
use crate::set_up::Home;

/// A running service, killed when it is dropped.
#[derive(Debug)]
pub(crate) struct TestApp {
    pub(crate) address: String,
    pub(crate) token: String,
    /// What it printed to its terminal, from the start on.
    pub(crate) greeting: String,
    process: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    /// Goes away after the process.
    home: Option<Home>,
}

impl TestApp {
    /// The service that all tests share which leave it as it is, apart from rings and mounts of their own.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<TestApp>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let fresh = Arc::new(Self::fresh(&[]));
            *shared = Arc::downgrade(&fresh);
            fresh
        })
    }

    /// A service in a new directory, which goes with it, with these settings from the environment.
    pub(crate) fn fresh(environment: &[(&str, &str)]) -> Self {
        let home = Home::new();
        let mut app = Self::dev(&home, environment);
        app.home = Some(home);
        app
    }

    /// `sealring dev` in this directory.
    pub(crate) fn dev(home: &Home, environment: &[(&str, &str)]) -> Self {
        let mut command = home.dev(&[]);
        let mut app = Self::start(command.envs(environment.iter().copied()), "");
        app.token = home.root_token();
        app
    }

    /// Starts a command that serves, and waits until it says where.
    pub(crate) fn start(command: &mut Command, token: &str) -> Self {
        Self::start_on(1, command, token)
    }

    /// The same for one that has this many listeners.
    pub(crate) fn start_on(listeners: usize, command: &mut Command, token: &str) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let reader = keep_log(&mut process, &log);
        let mut greeting = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let is_whole = |text: &str| {
            text.matches("listening on ").count() == listeners
                && (!text.contains("development") || text.contains("-d '"))
        };
        while !is_whole(&greeting) {
            let read = lines.read_line(&mut greeting).unwrap();
            assert!(read > 0, "it did not start: {}", log.lock().unwrap());
        }
        let plain = "listening on http://";
        let address = greeting
            .contains(plain)
            .then(|| between(&greeting, plain, "\n"));
        Self {
            address: address.unwrap_or_default(),
            token: token.to_owned(),
            greeting,
            process,
            log,
            reader: Some(reader),
            home: None,
        }
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Ends it as an operator would, and gives back what it logged.
    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        assert_eq!(self.wait().code(), Some(0), "{}", self.log());
        self.log()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.wait();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = self.process.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Verbs: one for each endpoint. Paths of keys are on the mount `transit` unless they begin with a slash.
impl TestApp {
    /// A request with the root token.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        self.anonymous(method, path)
            .header("X-Vault-Token", &self.token)
    }

    /// A request without a token.
    pub(crate) fn anonymous(&self, method: &str, path: &str) -> Request {
        let path = match path.strip_prefix('/') {
            Some(absolute) => format!("/{absolute}"),
            None => format!("/v1/{path}"),
        };
        Request::new(&self.address, method, &path)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    pub(crate) fn post(&self, path: &str, body: impl IntoBody) -> Answer {
        self.request("POST", path).body(body).send()
    }

    pub(crate) fn create(&self, key: &str, body: impl IntoBody) -> Answer {
        self.post(&format!("transit/keys/{key}"), body)
    }

    pub(crate) fn read(&self, key: &str) -> Answer {
        self.get(&format!("transit/keys/{key}"))
    }

    pub(crate) fn list(&self, mount: &str, query: &str) -> Answer {
        self.request("LIST", &format!("{mount}/keys{query}")).send()
    }

    pub(crate) fn delete(&self, key: &str) -> Answer {
        self.request("DELETE", &format!("transit/keys/{key}"))
            .send()
    }

    pub(crate) fn configure(&self, key: &str, body: impl IntoBody) -> Answer {
        self.post(&format!("transit/keys/{key}/config"), body)
    }

    pub(crate) fn rotate(&self, key: &str, body: impl IntoBody) -> Answer {
        self.post(&format!("transit/keys/{key}/rotate"), body)
    }

    pub(crate) fn trim(&self, key: &str, body: impl IntoBody) -> Answer {
        self.post(&format!("transit/keys/{key}/trim"), body)
    }

    pub(crate) fn history(&self, key: &str, query: &str) -> Answer {
        self.get(&format!("transit/keys/{key}/history{query}"))
    }

    pub(crate) fn encrypt(&self, key: &str, body: impl IntoBody) -> Answer {
        self.post(&format!("transit/encrypt/{key}"), body)
    }

    pub(crate) fn decrypt(&self, key: &str, body: impl IntoBody) -> Answer {
        self.post(&format!("transit/decrypt/{key}"), body)
    }

    pub(crate) fn rewrap(&self, key: &str, body: impl IntoBody) -> Answer {
        self.post(&format!("transit/rewrap/{key}"), body)
    }

    pub(crate) fn data_key(&self, form: &str, key: &str, body: impl IntoBody) -> Answer {
        self.post(&format!("transit/datakey/{form}/{key}"), body)
    }

    pub(crate) fn enable_mount(&self, path: &str, body: impl IntoBody) -> Answer {
        self.post(&format!("sys/mounts/{path}"), body)
    }

    pub(crate) fn tune_mount(&self, path: &str, body: impl IntoBody) -> Answer {
        self.post(&format!("sys/mounts/{path}/tune"), body)
    }

    pub(crate) fn disable_mount(&self, path: &str) -> Answer {
        self.request("DELETE", &format!("sys/mounts/{path}")).send()
    }

    /// True if part of a body is there whose rest is still to come; such a request has no place yet.
    pub(crate) fn awaits_a_body(&self) -> bool {
        let metrics = self.metrics();
        let mut held = metrics
            .lines()
            .filter(|line| line.starts_with("sealring_http_admission_held{"));
        held.any(|line| line.contains("resource=\"body_bytes\"") && !line.ends_with(" 0"))
    }

    pub(crate) fn metrics(&self) -> String {
        let answer = self.get("sys/metrics?format=prometheus");
        assert_eq!(answer.status, 200);
        answer.text().to_owned()
    }
}

/// What most tests do on the way.
impl TestApp {
    /// A new ring under a name nobody else uses.
    pub(crate) fn ring(&self, body: Value) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ring-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.create(&name, body).data();
        name
    }

    /// The ciphertext of a plaintext in base64.
    pub(crate) fn seal(&self, key: &str, plaintext: &str) -> String {
        let data = self.encrypt(key, json!({"plaintext": plaintext})).data();
        data["ciphertext"].as_str().unwrap().to_owned()
    }

    /// The plaintext of a ciphertext, in base64.
    pub(crate) fn open(&self, key: &str, ciphertext: &str) -> String {
        let data = self.decrypt(key, json!({"ciphertext": ciphertext})).data();
        data["plaintext"].as_str().unwrap().to_owned()
    }

    /// The latest version.
    pub(crate) fn latest(&self, key: &str) -> u64 {
        self.read(key).data()["latest_version"].as_u64().unwrap()
    }

    /// The events of a short history.
    pub(crate) fn events(&self, key: &str) -> Vec<Value> {
        let data = self.history(key, "?limit=1000").data();
        data["events"].as_array().unwrap().clone()
    }
}

pub(crate) fn between(text: &str, before: &str, after: &str) -> String {
    let (_, rest) = text.split_once(before).unwrap();
    rest.split_once(after).unwrap().0.to_owned()
}

fn keep_log(process: &mut Child, log: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let mut lines = BufReader::new(process.stderr.take().unwrap());
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 {
            log.lock().unwrap().push_str(&line);
            line.clear();
        }
    })
}
