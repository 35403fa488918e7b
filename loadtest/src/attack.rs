//! Good requests before and during attacks by another client, and whether what must always work does.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::runtime::Runtime;

use self::probes::Probes;
use crate::access::Access;
use crate::arguments::{Attack, AttackKind, Run};
use crate::load::{self, Load};
use crate::tally::Tally;

mod attackers;
mod ground;
mod probes;
mod report;

pub(crate) use report::Report;

/// What attackers know and use.
#[derive(Debug)]
struct Ground {
    target: SocketAddr,
    from: IpAddr,
    mount: String,
    /// A token with few rights: rings with a prefix of its own.
    token: String,
    /// A token with nothing but the policy `default`.
    weak_token: String,
    /// Auth mounts.
    userpass: String,
    kubernetes: String,
    approle: String,
    role_id: String,
}

/// What an attack did, and the word that it shall end.
#[derive(Debug, Default)]
struct Effort {
    is_over: AtomicBool,
    connections: AtomicU64,
    not_connected: AtomicU64,
    requests: AtomicU64,
    refused: AtomicU64,
}

impl Effort {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// One attack and what it did to others.
#[derive(Debug)]
struct Outcome {
    kind: AttackKind,
    before: Tally,
    during: Tally,
    probes: Probes,
    effort: Arc<Effort>,
}

/// Runs every attack that was asked for, one after the other.
pub(crate) fn run(attack: &Attack, run: &Run, at: &Access, good: &Load) -> anyhow::Result<Report> {
    let good = Load {
        duration: run.slice,
        ..good.clone()
    };
    let ground = runtime()?.block_on(ground::prepare(attack, run, at))?;
    let ground = Arc::new(ground);
    let mut outcomes = Vec::new();
    for kind in attack.kinds() {
        outcomes.push(one(*kind, at, &ground, &good)?);
        thread::park_timeout(SETTLES);
    }
    Ok(Report::new(run, &outcomes))
}

fn one(
    kind: AttackKind,
    at: &Access,
    ground: &Arc<Ground>,
    good: &Load,
) -> anyhow::Result<Outcome> {
    let before = load::run(good)?;
    let effort = Arc::<Effort>::default();
    let (during, probes) = thread::scope(|scope| {
        let attacker = scope.spawn(|| attackers::run(kind, ground, &effort));
        thread::park_timeout(LEAD);
        let probing = scope.spawn(|| probes::run(at, ground, &effort));
        let during = load::run(good);
        effort.is_over.store(true, Ordering::Relaxed);
        let probes = probing.join().map_err(|_| anyhow!("the probes panicked"));
        let ended = attacker.join().map_err(|_| anyhow!("the attack panicked"));
        ended?.context("the attack")?;
        anyhow::Ok((during?, probes??))
    })?;
    Ok(Outcome {
        kind,
        before,
        during,
        probes,
        effort,
    })
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting a runtime")
}

/// How long an attack goes on before good requests are measured beside it.
const LEAD: Duration = Duration::from_millis(1500);
/// How long the service is left alone after an attack.
const SETTLES: Duration = Duration::from_secs(2);
