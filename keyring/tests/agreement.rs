//! Rings of keys that two parties agree on: made and added to by several nodes at once, and left alone when set aside.

use std::sync::Arc;

use keyring::algorithm::{CipherType, PairType};
use keyring::error::Error;
use keyring::policy::RuleViolation;
use keyring::test_support::engine::{TestEngine, by_hand, quick};
use keyring::transfer::export::{ExportFormat, ExportKind};
use keyring::transit::{Address, Agreement, NewRing, VersionChoice};

async fn agree(engine: &TestEngine, with: &Address, peer: &str) -> Result<(), Error> {
    let agreement = Agreement {
        base: with.name.clone(),
        base_version: 0,
        peer_public_key: peer.to_owned(),
        key_type: CipherType::Aes256Gcm96,
    };
    let at = engine.at("agreed");
    engine.transit.agree(&at, agreement, &by_hand()).await
}

/// A ring of one's own, and the public key of a peer on the same curve.
async fn parties(engine: &TestEngine) -> (Address, String) {
    let pair = NewRing {
        key_type: Some(PairType::EcdsaP256.into()),
        ..NewRing::default()
    };
    let (own, peer) = (
        engine.create("own", &pair).await,
        engine.create("peer", &pair).await,
    );
    let what = (ExportKind::PublicKey, ExportFormat::Pem);
    let exported = engine.transit.export(&peer, what, VersionChoice::Latest);
    let (_, pem) = exported.await.expect("it is exported").keys.remove(0);
    let pem = String::from_utf8(pem.expose_secret().to_vec()).expect("PEM is ASCII");
    (own, pem)
}

#[tokio::test(flavor = "multi_thread")]
async fn agreements_on_several_nodes_at_once_each_become_a_version() {
    let engine = Arc::new(TestEngine::in_memory().await);
    let (own, peer) = parties(&engine).await;
    let mut nodes = vec![Arc::clone(&engine)];
    for _ in 0..3 {
        nodes.push(Arc::new(engine.another_node(quick()).await));
    }
    let agreements = nodes.iter().cycle().take(16).map(|node| {
        let (node, own, peer) = (Arc::clone(node), own.clone(), peer.clone());
        tokio::spawn(async move { agree(&node, &own, &peer).await })
    });
    for agreement in agreements.collect::<Vec<_>>() {
        let done = agreement.await.expect("nothing panics");
        assert!(done.is_ok(), "{done:?}");
    }
    let described = engine.transit.describe(&engine.at("agreed")).await;
    assert_eq!(described.expect("it is there").ring.latest.number(), 16);
}

#[tokio::test]
async fn a_ring_that_is_set_aside_takes_no_agreed_key() {
    let engine = TestEngine::in_memory().await;
    let (own, peer) = parties(&engine).await;
    agree(&engine, &own, &peer).await.expect("it is made");
    let at = engine.at("agreed");
    let set_aside = engine.transit.set_aside(&at, true, &by_hand()).await;
    set_aside.expect("it is set aside");
    let refused = agree(&engine, &own, &peer).await;
    assert!(
        matches!(refused, Err(Error::Rule(RuleViolation::SoftDeleted))),
        "{refused:?}"
    );
    let described = engine.transit.describe(&at).await.expect("it is there");
    assert_eq!(described.ring.latest.number(), 1);
}
