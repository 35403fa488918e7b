//! Seal and open by size: `aws-lc-rs` and `aes-gcm-siv` on their own, the engine's ciphers, and whole requests in
//! process, from base64 to base64.

use std::hint::black_box;

use aes_gcm_siv::{AeadInOut, Aes256GcmSiv, KeyInit};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use benches::time::{CpuTime, by_the_processor};
use benches::{Fixture, bytes, is_measuring, open_job, plaintext};
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use keyring::aead::Cipher;
use keyring::algorithm::CipherType;
use keyring::transit::Address;

fn seal(criterion: &mut Criterion<CpuTime>) {
    let fixture = Fixture::new();
    let rings = CipherType::ALL.map(|key_type| fixture.ring(key_type));
    for &size in sizes() {
        let mut group = group(criterion, "seal", size);
        let mut body = bytes(size);
        let bare = bare();
        group.bench_function("aws-lc-rs aes256-gcm-siv", |b| {
            b.iter(|| seal_bare(&bare, black_box(&mut body)));
        });
        let other = Aes256GcmSiv::new(&KEY.into());
        group.bench_function("RustCrypto aes256-gcm-siv", |b| {
            b.iter(|| {
                other.encrypt_inout_detached(
                    &SHORT_NONCE.into(),
                    &ASSOCIATED_DATA,
                    black_box(&mut *body).into(),
                )
            });
        });
        for key_type in CipherType::ALL {
            let cipher = Ready::new(key_type);
            group.bench_function(format!("cipher {key_type}"), |b| {
                b.iter(|| cipher.seal(black_box(&mut body)));
            });
        }
        for at in &rings {
            engine_seal(&mut group, &fixture, at, size);
        }
    }
}

fn open(criterion: &mut Criterion<CpuTime>) {
    let fixture = Fixture::new();
    let rings = CipherType::ALL.map(|key_type| fixture.ring(key_type));
    for &size in sizes() {
        // Everything opens in place, so everything begins with a fresh copy of the ciphertext.
        let mut group = group(criterion, "open", size);
        let mut buffer = Vec::new();
        let bare = bare();
        let mut sealed = bytes(size);
        let tag = seal_bare(&bare, &mut sealed);
        sealed.extend_from_slice(&tag);
        group.bench_function("aws-lc-rs aes256-gcm-siv", |b| {
            b.iter(|| {
                buffer.clone_from(&sealed);
                let nonce = Nonce::assume_unique_for_key(SHORT_NONCE);
                let opened =
                    bare.open_in_place(nonce, Aad::from(ASSOCIATED_DATA), black_box(&mut buffer));
                opened.expect("the tag fits").len()
            });
        });
        let other = Aes256GcmSiv::new(&KEY.into());
        group.bench_function("RustCrypto aes256-gcm-siv", |b| {
            b.iter(|| {
                buffer.clone_from(&sealed);
                buffer.truncate(size);
                let opened = other.decrypt_inout_detached(
                    &SHORT_NONCE.into(),
                    &ASSOCIATED_DATA,
                    black_box(&mut *buffer).into(),
                    &tag.into(),
                );
                opened.expect("the tag fits");
            });
        });
        for key_type in CipherType::ALL {
            let cipher = Ready::new(key_type);
            let mut sealed = bytes(size);
            let tag = cipher.seal(&mut sealed);
            sealed.extend_from_slice(&tag);
            group.bench_function(format!("cipher {key_type}"), |b| {
                b.iter(|| {
                    buffer.clone_from(&sealed);
                    cipher.open(black_box(&mut buffer))
                });
            });
        }
        for at in &rings {
            engine_open(&mut group, &fixture, at, size);
        }
    }
}

fn engine_seal(group: &mut Group<'_>, fixture: &Fixture, at: &Address, size: usize) {
    let text = plaintext(size);
    group.bench_function(format!("engine {}", at.name), |b| {
        b.iter_custom(|times| fixture.time_seals(times, at, &text, 1).cpu);
    });
}

fn engine_open(group: &mut Group<'_>, fixture: &Fixture, at: &Address, size: usize) {
    let transit = &fixture.engine.transit;
    let message = bytes(size);
    let sealed = fixture.engine.encrypt(at, &message);
    let sealed = fixture.runtime.block_on(sealed).expect("it encrypts");
    group.bench_function(format!("engine {}", at.name), |b| {
        b.iter_custom(|times| {
            let opened = fixture.time(times, async || {
                let job = open_job(black_box(&sealed), 1);
                let outcomes = transit.decrypt(at, job).await;
                black_box(outcomes.expect("the engine decrypts").text_len());
            });
            opened.cpu
        });
    });
}

fn bare() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &KEY).expect("the key fits"))
}

fn seal_bare(key: &LessSafeKey, body: &mut [u8]) -> [u8; 16] {
    let nonce = Nonce::assume_unique_for_key(SHORT_NONCE);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(ASSOCIATED_DATA), body);
    let tag = tag.expect("the message is short");
    tag.as_ref().try_into().expect("a tag has 16 bytes")
}

/// One of the engine's ciphers with a nonce that fits it.
struct Ready {
    cipher: Cipher,
    nonce: Vec<u8>,
}

impl Ready {
    fn new(key_type: CipherType) -> Self {
        let key = bytes(key_type.key_len());
        Self {
            cipher: Cipher::new(key_type, &key).expect("the key fits"),
            nonce: bytes(key_type.nonce_len()),
        }
    }

    fn seal(&self, body: &mut [u8]) -> [u8; 16] {
        let tag = self.cipher.seal(&self.nonce, &ASSOCIATED_DATA, body);
        tag.expect("the nonce fits")
    }

    fn open(&self, sealed: &mut [u8]) -> usize {
        let length = self.cipher.open(&self.nonce, &ASSOCIATED_DATA, sealed);
        length.expect("the tag fits")
    }
}

type Group<'a> = BenchmarkGroup<'a, CpuTime>;

fn group<'a>(criterion: &'a mut Criterion<CpuTime>, verb: &str, size: usize) -> Group<'a> {
    let mut group = criterion.benchmark_group(format!("{verb} {size} B"));
    let bytes = u64::try_from(size).expect("a size");
    group.throughput(Throughput::Bytes(bytes.max(1)));
    group
}

fn sizes() -> &'static [usize] {
    const SIZES: [usize; 5] = [0, 64, 1 << 10, 64 << 10, 1 << 20];
    if is_measuring() { &SIZES } else { &[0, 64] }
}

const KEY: [u8; 32] = [7; 32];
const SHORT_NONCE: [u8; 12] = [9; 12];
/// As long as what the engine binds into AES-GCM-SIV ciphertexts.
const ASSOCIATED_DATA: [u8; 34] = [5; 34];

criterion_group! {
    name = benches;
    config = by_the_processor();
    targets = seal, open
}
criterion_main!(benches);
