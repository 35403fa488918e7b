//! The openssl command line, in a folder of its own.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use tempfile::TempDir;

/// The pairs that openssl 3.0 knows, and what it makes such a key with.
pub(super) const PAIRS: [(&str, &[&str]); 7] = [
    ("ecdsa-p256", &["EC", "ec_paramgen_curve:P-256"]),
    ("ecdsa-p384", &["EC", "ec_paramgen_curve:P-384"]),
    ("ecdsa-p521", &["EC", "ec_paramgen_curve:P-521"]),
    ("ed25519", &["ED25519"]),
    ("rsa-2048", &["RSA", "rsa_keygen_bits:2048"]),
    ("rsa-3072", &["RSA", "rsa_keygen_bits:3072"]),
    ("rsa-4096", &["RSA", "rsa_keygen_bits:4096"]),
];

/// Openssl with a folder for its files, which goes with it.
#[derive(Debug)]
pub(super) struct OpenSsl(TempDir);

impl OpenSsl {
    /// `None`, said aloud, where it is not installed. With `SEALRING_REQUIRE_BACKENDS` that is a failure.
    pub(super) fn found() -> Option<Self> {
        let Err(error) = Command::new("openssl").arg("version").output() else {
            return Some(Self(TempDir::new().unwrap()));
        };
        assert!(
            env::var_os("SEALRING_REQUIRE_BACKENDS").is_none_or(|value| value != "1"),
            "openssl is not installed, and SEALRING_REQUIRE_BACKENDS is 1"
        );
        // Not by eprintln, which the test harness keeps to itself when a test passes.
        let _ = writeln!(io::stderr(), "SKIPPED: tests with openssl: {error}");
        None
    }

    /// What it prints, as it must succeed.
    pub(super) fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether it succeeds.
    pub(super) fn accepts(&self, arguments: &[&str]) -> bool {
        self.output(arguments).status.success()
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("openssl");
        let command = command.args(arguments).current_dir(self.folder());
        command.output().unwrap()
    }

    /// A new private key in `key.pem` and `key.der`, as PKCS#8, and its public key in `public.pem`, given as text.
    pub(super) fn generate(&self, how: &[&str]) -> String {
        let (algorithm, options) = how.split_first().unwrap();
        let mut arguments = vec!["genpkey", "-algorithm", algorithm, "-out", "key.pem"];
        for option in options {
            arguments.extend(["-pkeyopt", option]);
        }
        self.run(&arguments);
        let to_der = ["pkcs8", "-topk8", "-nocrypt", "-in", "key.pem"];
        self.run(&[&to_der[..], &["-outform", "DER", "-out", "key.der"]].concat());
        let public = self.run(&["pkey", "-in", "key.pem", "-pubout"]);
        self.write("public.pem", &public);
        public
    }

    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.folder().join(name), bytes).unwrap();
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder().join(name)).unwrap()
    }

    pub(super) fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }
}
