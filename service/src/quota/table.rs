//! All quotas at one time, ready to decide.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::spec::{Budget, Per, QuotaSpec};
use super::tracked::{Spending, Tracked};
use super::window::Unit;
use super::{Asked, Decision, QuotaIdentity, QuotaSettings, network};
use crate::http::Operation;

/// All quotas, compiled.
#[derive(Debug, Default)]
pub struct Table {
    quotas: Vec<Quota>,
    settings: QuotaSettings,
}

/// A quota, and what callers have spent of it.
#[derive(Debug)]
struct Quota {
    name: String,
    spec: QuotaSpec,
    /// What it is about; empty for everything.
    operations: Vec<Operation>,
    spent: Arc<Tracked>,
}

/// At what point of a request something is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// Before anything is known of its token.
    Arrival,
    /// Before its body is read.
    Request,
    /// Once a login's role is known.
    Login,
    /// Before items are worked on.
    Items(u64),
}

impl Table {
    /// How many quotas there may be: each may take 4 MiB when it has counted many callers.
    pub const MAX_QUOTAS: usize = 256;

    /// The table of these quotas, by name. What was spent of a quota that has not changed stays spent.
    pub fn compile(
        specs: impl IntoIterator<Item = (String, QuotaSpec)>,
        settings: QuotaSettings,
        previous: &Self,
    ) -> Self {
        let known: HashMap<&str, &Quota> = previous
            .quotas
            .iter()
            .map(|quota| (quota.name.as_str(), quota))
            .collect();
        let quota = |(name, spec): (String, QuotaSpec)| {
            let spent = match known.get(name.as_str()) {
                Some(quota) if quota.spec == spec => Arc::clone(&quota.spent),
                Some(_) | None => Arc::new(room_for(&spec)),
            };
            Quota {
                operations: operations(spec.budget.as_ref()),
                name,
                spec,
                spent,
            }
        };
        Self {
            quotas: specs.into_iter().map(quota).collect(),
            settings,
        }
    }

    /// Whether there is nothing to count.
    pub fn is_empty(&self) -> bool {
        self.quotas.is_empty()
    }

    /// Counts at this point, or refuses and counts nothing.
    pub(super) fn decide(&self, asked: &Asked<'_>, point: Point, now: u64) -> Decision {
        if self.settings.exempts(asked.path) {
            return Decision::Allowed;
        }
        let concerned = self.concerned(asked, point);
        let spend =
            |decision: Decision, quota: &&Quota| decision.worse(quota.spend(asked, point, now));
        // What one refuses must not be spent of another. Another thread may still come between the look and the spending; then
        // some have counted a request that is refused.
        let mut refusing = concerned
            .iter()
            .filter(|quota| quota.look(asked, point, now) != Decision::Allowed)
            .peekable();
        if concerned.len() > 1 && refusing.peek().is_some() {
            // Those that refuse hear of it, so that they may block.
            return refusing.fold(Decision::Allowed, spend);
        }
        concerned.iter().fold(Decision::Allowed, spend)
    }

    /// Refuses a request of which the token has not been looked at, if what counts by address alone refuses it whoever asks.
    /// Counts nothing of one that may go on.
    pub(super) fn refuse(&self, asked: &Asked<'_>, now: u64) -> Decision {
        if self.settings.exempts(asked.path) {
            return Decision::Allowed;
        }
        let point = Point::Arrival;
        let concerned = self.concerned(asked, point);
        let refusing = concerned
            .iter()
            .filter(|quota| quota.look(asked, point, now) != Decision::Allowed);
        // Those that refuse hear of it, so that they may block.
        refusing.fold(Decision::Allowed, |decision, quota| {
            decision.worse(quota.spend(asked, point, now))
        })
    }

    /// Every budget that matches, and of the rate limits the one that says most precisely that it means this request.
    fn concerned(&self, asked: &Asked<'_>, point: Point) -> SmallVec<[&Quota; 8]> {
        let matching = || self.quotas.iter().filter(|quota| quota.means(asked, point));
        let (rate_limits, budgets) = (
            matching().filter(|quota| quota.spec.budget.is_none()),
            matching().filter(|quota| quota.spec.budget.is_some()),
        );
        rate_limits
            .max_by_key(|quota| quota.spec.path.narrowness())
            .into_iter()
            .chain(budgets)
            .collect()
    }
}

impl Quota {
    fn means(&self, asked: &Asked<'_>, point: Point) -> bool {
        let role_fits = match point {
            Point::Login => Some(self.spec.role.as_str()) == asked.role && asked.role != Some(""),
            Point::Arrival => self.spec.role.is_empty() && self.is_by_address(),
            Point::Request | Point::Items(_) => self.spec.role.is_empty(),
        };
        role_fits
            && self.counts(point.unit())
            && self.is_about(asked.operation)
            && self.tells_apart(asked)
            && self.spec.path.matches(asked.path)
    }

    fn counts(&self, unit: Unit) -> bool {
        self.spec.windows.iter().any(|window| window.unit == unit)
    }

    fn is_about(&self, operation: Option<Operation>) -> bool {
        match &self.spec.budget {
            Some(budget) if !budget.operations.is_empty() => {
                operation.is_some_and(|operation| self.operations.contains(&operation))
            }
            Some(_) | None => true,
        }
    }

    /// Whether the request has all that callers are told apart by.
    fn tells_apart(&self, asked: &Asked<'_>) -> bool {
        self.per().iter().all(|per| match per {
            Per::Address => true,
            Per::Identity => asked.identity.is_some(),
            Per::Key => asked.key.is_some(),
        })
    }

    /// Whether callers are told apart by their addresses alone: what counts by ring, or all callers together, counts for those
    /// only who have a token.
    fn is_by_address(&self) -> bool {
        self.per().iter().all(|per| *per == Per::Address) && !self.per().is_empty()
    }

    fn per(&self) -> &[Per] {
        match &self.spec.budget {
            Some(budget) => &budget.per,
            None => &[Per::Address],
        }
    }

    fn spend(&self, asked: &Asked<'_>, point: Point, now: u64) -> Decision {
        let (who, spending) = (self.who(asked), self.spending(point, now));
        self.spent.spend(&who, &self.spec.windows, &spending)
    }

    fn look(&self, asked: &Asked<'_>, point: Point, now: u64) -> Decision {
        let (who, spending) = (self.who(asked), self.spending(point, now));
        self.spent.look(&who, &self.spec.windows, &spending)
    }

    fn who<'a>(&self, asked: &Asked<'a>) -> Who<'a> {
        let has = |wanted| self.per().contains(&wanted);
        (
            asked.address.filter(|_| has(Per::Address)).map(network),
            asked.identity.filter(|_| has(Per::Identity)),
            asked.key.filter(|_| has(Per::Key)),
        )
    }

    fn spending(&self, point: Point, now: u64) -> Spending {
        Spending {
            unit: point.unit(),
            count: point.count(),
            now,
            block: self.spec.block_seconds.saturating_mul(NANOS_PER_SECOND),
        }
    }
}

type Who<'a> = (
    Option<IpAddr>,
    Option<QuotaIdentity<'a>>,
    Option<(&'a str, &'a str)>,
);

impl Point {
    const fn unit(self) -> Unit {
        match self {
            Self::Arrival | Self::Request | Self::Login => Unit::Requests,
            Self::Items(_) => Unit::Items,
        }
    }

    const fn count(self) -> u64 {
        match self {
            Self::Arrival | Self::Request | Self::Login => 1,
            Self::Items(count) => count,
        }
    }
}

fn room_for(spec: &QuotaSpec) -> Tracked {
    match &spec.budget {
        Some(budget) if budget.per.is_empty() => Tracked::one(),
        Some(_) | None => Tracked::many(),
    }
}

/// Those that this version knows; a budget about none of them counts nothing.
fn operations(budget: Option<&Budget>) -> Vec<Operation> {
    let words = budget.map_or(&[][..], |budget| &budget.operations);
    let known = Operation::ALL.iter().copied();
    known
        .filter(|operation| words.iter().any(|word| word == operation.word()))
        .collect()
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests;
