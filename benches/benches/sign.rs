//! Sign and verify by key type: `aws-lc-rs` on its own, the engine's pairs, and whole requests in process of one item
//! and of a hundred. At the end a table says how much of the bare speed each keeps.

use std::hint::black_box;
use std::time::Duration;

use benches::bare::Bare;
use benches::ratio::{Ratio, ratio};
use benches::time::{Began, CpuTime, by_the_processor};
use benches::{Fixture, bytes, check_job, is_measuring, plaintext, tag_job};
use criterion::{Criterion, criterion_group, criterion_main};
use keyring::algorithm::PairType;
use keyring::hash::HashAlgorithm;
use keyring::pair::{Pair, RsaScheme, SignatureOptions};
use keyring::signing::TagKind;
use keyring::transit::Address;

fn signatures(criterion: &mut Criterion<CpuTime>) {
    let fixture = Fixture::new();
    let cases: Vec<Case> = cases(&fixture).collect();
    for case in &cases {
        sign(criterion, &fixture, case);
    }
    for case in &cases {
        verify(criterion, &fixture, case);
    }
    if is_measuring() {
        println!("Processor time of aws-lc-rs alone, and that over what each of the others takes:");
        println!("                            bare    pair  one item  100 items");
        for case in &cases {
            print_sign_ratios(&fixture, case);
            print_verify_ratios(&fixture, case);
        }
    }
}

fn sign(criterion: &mut Criterion<CpuTime>, fixture: &Fixture, case: &Case) {
    let mut group = criterion.benchmark_group(format!("sign {}", case.name));
    group.bench_function("aws-lc-rs", |b| b.iter(|| case.sign_bare()));
    group.bench_function("pair", |b| b.iter(|| case.sign()));
    for items in BATCHES {
        let timed = |times| case.time_tags(fixture, times, items);
        group.bench_function(format!("engine, {items}"), |b| b.iter_custom(timed));
    }
}

fn verify(criterion: &mut Criterion<CpuTime>, fixture: &Fixture, case: &Case) {
    let (signature, tag) = (case.sign(), case.tag(fixture));
    let mut group = criterion.benchmark_group(format!("verify {}", case.name));
    group.bench_function("aws-lc-rs", |b| b.iter(|| case.verify_bare(&signature)));
    group.bench_function("pair", |b| b.iter(|| case.verify(&signature)));
    for items in BATCHES {
        let timed = |times| case.time_checks(fixture, &tag, times, items);
        group.bench_function(format!("engine, {items}"), |b| b.iter_custom(timed));
    }
}

fn print_sign_ratios(fixture: &Fixture, case: &Case) {
    let against =
        |other: &dyn Fn(u32) -> Duration| ratio(|times| repeat(times, || case.sign_bare()), other);
    let pair = against(&|times| repeat(times, || case.sign()));
    let engine = BATCHES.map(|items| {
        let requests = |times| case.time_tags(fixture, times, items);
        against(&|times| of_batches(items, times, requests))
    });
    print_row("sign", case.name, pair, engine);
}

fn print_verify_ratios(fixture: &Fixture, case: &Case) {
    let (signature, tag) = (case.sign(), case.tag(fixture));
    let against = |other: &dyn Fn(u32) -> Duration| {
        ratio(
            |times| repeat(times, || case.verify_bare(&signature)),
            other,
        )
    };
    let pair = against(&|times| repeat(times, || case.verify(&signature)));
    let engine = BATCHES.map(|items| {
        let requests = |times| case.time_checks(fixture, &tag, times, items);
        against(&|times| of_batches(items, times, requests))
    });
    print_row("verify", case.name, pair, engine);
}

fn print_row(verb: &str, name: &str, pair: Ratio, [one, many]: [Ratio; 2]) {
    let bare = pair.base.as_secs_f64() * 1e6;
    println!(
        "{verb:6} {name:14} {bare:>8.1} us  {:>6.2}  {:>8.2}  {:>9.2}",
        pair.kept, one.kept, many.kept
    );
}

fn repeat<T>(times: u32, step: impl Fn() -> T) -> Duration {
    let began = Began::now();
    for _ in 0..times {
        black_box(step());
    }
    began.elapsed().cpu
}

/// The time of so many items out of that of whole requests of so many each.
fn of_batches(items: usize, times: u32, requests: impl Fn(u64) -> Duration) -> Duration {
    let items = u32::try_from(items).expect("a small number");
    let whole = times.div_ceil(items);
    requests(whole.into()).mul_f64(f64::from(times) / f64::from(whole * items))
}

/// One way to sign: the same key in three hands.
struct Case {
    name: &'static str,
    bare: Bare,
    pair: Pair,
    /// A ring of the same type. Its key is another.
    at: Address,
    how: SignatureOptions,
    input: Vec<u8>,
}

impl Case {
    fn of(fixture: &Fixture, (name, pair_type, scheme): Named) -> Self {
        let pkcs8 = Pair::generate(pair_type).expect("a new key");
        let pkcs8 = pkcs8.expose_secret();
        let pair = Pair::from_pkcs8(pair_type, pkcs8).expect("a key");
        let how = SignatureOptions {
            hash: Some(hash(pair_type)),
            scheme,
            ..SignatureOptions::default()
        };
        Self {
            name,
            bare: Bare::new(pair_type, scheme, pkcs8, pair.public_key()),
            pair,
            at: fixture.ring(pair_type),
            how,
            input: bytes(INPUT),
        }
    }

    fn sign_bare(&self) -> Vec<u8> {
        self.bare.sign(black_box(&self.input))
    }

    fn verify_bare(&self, signature: &[u8]) {
        self.bare.verify(black_box(&self.input), signature);
    }

    fn sign(&self) -> Vec<u8> {
        let signature = self.pair.sign(black_box(&self.input), &self.how);
        signature.expect("the pair signs")
    }

    fn verify(&self, signature: &[u8]) {
        let verified = self
            .pair
            .verify(black_box(&self.input), signature, &self.how);
        assert_eq!(verified, Ok(true), "{}", self.name);
    }

    fn kind(&self) -> TagKind {
        TagKind::Signature(self.how)
    }

    /// The text of a signature by the ring.
    fn tag(&self, fixture: &Fixture) -> String {
        let job = tag_job(&plaintext(INPUT), self.kind(), 1);
        let tags = fixture.engine.transit.tag(&self.at, job);
        let tags = fixture.runtime.block_on(tags).expect("the engine signs");
        let tag = tags.into_iter().next().expect("one for each item");
        tag.expect("the engine signs").text
    }

    fn time_tags(&self, fixture: &Fixture, times: u64, items: usize) -> Duration {
        let (transit, text) = (&fixture.engine.transit, plaintext(INPUT));
        let elapsed = fixture.time(times, async || {
            let job = tag_job(black_box(&text), self.kind(), items);
            let tags = transit.tag(&self.at, job).await.expect("the engine signs");
            assert!(tags.iter().all(Result::is_ok));
        });
        elapsed.cpu
    }

    fn time_checks(&self, fixture: &Fixture, tag: &str, times: u64, items: usize) -> Duration {
        let (transit, text) = (&fixture.engine.transit, plaintext(INPUT));
        let elapsed = fixture.time(times, async || {
            let job = check_job(black_box(&text), tag, self.kind(), items);
            let valid = transit.check(&self.at, job).await;
            let valid = valid.expect("the engine verifies");
            assert!(valid.iter().all(|valid| *valid == Ok(true)));
        });
        elapsed.cpu
    }
}

/// Every case, or without a measurement one of each kind: long RSA keys take a second to be made.
fn cases(fixture: &Fixture) -> impl Iterator<Item = Case> {
    let named = CASES.into_iter();
    let named = named.filter(|(_, pair_type, _)| is_measuring() || QUICK.contains(pair_type));
    named.map(|named| Case::of(fixture, named))
}

/// The one that `aws-lc-rs` signs with on each curve.
const fn hash(pair_type: PairType) -> HashAlgorithm {
    match pair_type {
        PairType::EcdsaP384 => HashAlgorithm::Sha2_384,
        PairType::EcdsaP521 => HashAlgorithm::Sha2_512,
        PairType::EcdsaP256
        | PairType::Ed25519
        | PairType::MlDsa44
        | PairType::MlDsa65
        | PairType::MlDsa87
        | PairType::Rsa2048
        | PairType::Rsa3072
        | PairType::Rsa4096 => HashAlgorithm::Sha2_256,
    }
}

type Named = (&'static str, PairType, RsaScheme);

/// The scheme matters to RSA alone.
const CASES: [Named; 13] = [
    ("ecdsa-p256", PairType::EcdsaP256, RsaScheme::Pss),
    ("ecdsa-p384", PairType::EcdsaP384, RsaScheme::Pss),
    ("ecdsa-p521", PairType::EcdsaP521, RsaScheme::Pss),
    ("ed25519", PairType::Ed25519, RsaScheme::Pss),
    ("rsa-2048 pss", PairType::Rsa2048, RsaScheme::Pss),
    ("rsa-2048 v1.5", PairType::Rsa2048, RsaScheme::Pkcs1v15),
    ("rsa-3072 pss", PairType::Rsa3072, RsaScheme::Pss),
    ("rsa-3072 v1.5", PairType::Rsa3072, RsaScheme::Pkcs1v15),
    ("rsa-4096 pss", PairType::Rsa4096, RsaScheme::Pss),
    ("rsa-4096 v1.5", PairType::Rsa4096, RsaScheme::Pkcs1v15),
    ("ml-dsa-44", PairType::MlDsa44, RsaScheme::Pss),
    ("ml-dsa-65", PairType::MlDsa65, RsaScheme::Pss),
    ("ml-dsa-87", PairType::MlDsa87, RsaScheme::Pss),
];
const QUICK: [PairType; 4] = [
    PairType::EcdsaP256,
    PairType::Ed25519,
    PairType::MlDsa44,
    PairType::Rsa2048,
];
const BATCHES: [usize; 2] = [1, 100];
/// Length of what is signed, in bytes.
const INPUT: usize = 64;

criterion_group! {
    name = benches;
    config = by_the_processor();
    targets = signatures
}
criterion_main!(benches);
