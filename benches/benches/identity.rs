//! Who may do what, warm: from a token's text to the decision on its request, beside bare seals of 64 bytes; with one
//! policy in the store and with ten thousand.

use std::hint::black_box;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use benches::identity::Node;
use benches::is_measuring;
use benches::time::{CpuTime, by_the_processor};
use criterion::{Criterion, criterion_group, criterion_main};
use service::identity::policy::{Asked, Capability, NoParameters};

fn resolve_and_decide(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("identity");
    let key = UnboundKey::new(&AES_256_GCM_SIV, &[7; 32]).expect("a key of 32 bytes");
    let key = LessSafeKey::new(key);
    let mut body = vec![7_u8; 64];
    group.bench_function("ten bare seals of 64 bytes", |b| {
        b.iter(|| {
            for _ in 0..10 {
                let nonce = Nonce::assume_unique_for_key([7; 12]);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from([7; 32]), &mut body);
                let _ = black_box(tag.expect("short enough"));
            }
        });
    });
    for policies in policy_counts() {
        let node = Node::with_policies(*policies);
        let token = node.token();
        group.bench_function(format!("token and decision, {policies} policies"), |b| {
            b.iter_custom(|times| {
                let time = node.time(times, async || {
                    let entry = node
                        .identity
                        .registry
                        .resolve(black_box(&token), None)
                        .await;
                    let entry = entry.expect("the token is known");
                    let acl = node.identity.policies.acl(&entry.powers).await;
                    let asked = Asked {
                        path: "transit/encrypt/orders",
                        parameters: &NoParameters,
                        wrap_ttl: None,
                    };
                    let acl = acl.expect("the policies are compiled");
                    let decision = acl.decide(Capability::Update, &asked);
                    assert!(decision.allowed);
                    black_box(Arc::strong_count(&entry));
                });
                time.cpu
            });
        });
    }
}

fn policy_counts() -> &'static [usize] {
    if is_measuring() { &[1, 10_000] } else { &[1] }
}

criterion_group! {
    name = benches;
    config = by_the_processor();
    targets = resolve_and_decide
}
criterion_main!(benches);
