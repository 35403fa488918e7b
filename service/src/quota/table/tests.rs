use std::time::Duration;

use super::*;
use crate::quota::{QuotaPath, Window};

const SECOND: u64 = 1_000_000_000;

fn asked(path: &str) -> Asked<'_> {
    Asked {
        path,
        operation: Some(Operation::Decrypt),
        address: Some("192.0.2.1".parse().unwrap()),
        identity: Some(login("approle", "app")),
        key: Some(("transit", "pii")),
        role: None,
    }
}

fn login<'a>(mount: &'a str, name: &'a str) -> QuotaIdentity<'a> {
    QuotaIdentity::Login { mount, name }
}

fn rate(mount: &str, suffix: &str, limit: u64) -> QuotaSpec {
    QuotaSpec {
        inheritable: true,
        path: QuotaPath {
            mount: mount.to_owned(),
            suffix: suffix.to_owned(),
        },
        role: String::new(),
        windows: vec![window(Unit::Requests, limit)],
        block_seconds: 0,
        budget: None,
    }
}

fn budget(unit: Unit, limit: u64, per: &[Per]) -> QuotaSpec {
    QuotaSpec {
        inheritable: true,
        windows: vec![window(unit, limit)],
        budget: Some(Budget {
            per: per.to_vec(),
            operations: Vec::new(),
        }),
        ..rate("", "", 1)
    }
}

fn window(unit: Unit, limit: u64) -> Window {
    Window::new(unit, limit * 1000, Duration::from_hours(1)).unwrap()
}

fn table(specs: &[QuotaSpec]) -> Table {
    Table::compile(named(specs), QuotaSettings::default(), &Table::default())
}

fn named(specs: &[QuotaSpec]) -> Vec<(String, QuotaSpec)> {
    let numbered = specs.iter().enumerate();
    numbered
        .map(|(number, spec)| (format!("quota-{number}"), spec.clone()))
        .collect()
}

/// How many of these may pass.
fn passes(table: &Table, asked: &Asked<'_>) -> usize {
    let allowed = |_: &usize| table.decide(asked, Point::Request, SECOND) == Decision::Allowed;
    (0..20).filter(allowed).count()
}

#[test]
fn of_the_rate_limits_the_narrowest_counts() {
    let table = table(&[
        rate("", "", 2),
        rate("transit", "", 4),
        rate("transit", "decrypt/*", 6),
        rate("transit", "decrypt/p*", 8),
        rate("transit", "decrypt/pii", 10),
    ]);
    for (path, passing) in [
        ("sys/mounts", 2),
        ("transit/keys/a", 4),
        ("transit/decrypt/a", 6),
        ("transit/decrypt/photos", 8),
        ("transit/decrypt/pii", 10),
        // The global limit is of an address, not of a path: it was spent above.
        ("sys/policies", 0),
    ] {
        assert_eq!(passes(&table, &asked(path)), passing, "{path}");
    }
}

#[test]
fn a_rate_limit_is_for_each_address_and_an_ipv6_customer_has_one() {
    let table = table(&[rate("", "", 3)]);
    for (address, passing) in [
        (Some("192.0.2.1"), 3),
        (Some("192.0.2.2"), 3),
        (Some("2001:db8:0:1::1"), 3),
        (Some("2001:db8:0:1:ffff::2"), 0),
        (Some("2001:db8:0:2::1"), 3),
        (None, 3),
        (Some("192.0.2.1"), 0),
    ] {
        let asked = Asked {
            address: address.map(|text| text.parse().unwrap()),
            ..asked("transit/decrypt/a")
        };
        assert_eq!(passes(&table, &asked), passing, "{address:?}");
    }
}

#[test]
fn every_budget_that_matches_counts_beside_the_rate_limit() {
    let about_encrypt = QuotaSpec {
        inheritable: true,
        budget: Some(Budget {
            per: Vec::new(),
            operations: vec!["encrypt".to_owned()],
        }),
        ..budget(Unit::Requests, 1, &[])
    };
    let table = table(&[
        rate("transit", "", 9),
        budget(Unit::Requests, 5, &[Per::Identity]),
        budget(Unit::Requests, 7, &[Per::Key]),
        about_encrypt,
    ]);
    let first = asked("transit/decrypt/pii");
    assert_eq!(passes(&table, &first), 5);
    let second = Asked {
        identity: Some(login("approle", "other")),
        ..first
    };
    // What the identity was refused was not taken from the key.
    assert_eq!(passes(&table, &second), 2);
    let elsewhere = Asked {
        key: Some(("transit", "photos")),
        ..second
    };
    assert_eq!(passes(&table, &elsewhere), 2, "the rate limit has 9 in all");
    let encrypt = Asked {
        operation: Some(Operation::Encrypt),
        address: None,
        identity: Some(login("approle", "third")),
        key: Some(("transit", "third")),
        ..first
    };
    assert_eq!(passes(&table, &encrypt), 1);
}

#[test]
fn who_is_not_known_is_not_counted_by_it() {
    let table = table(&[budget(Unit::Requests, 1, &[Per::Identity, Per::Key])]);
    let known = asked("transit/decrypt/pii");
    assert_eq!(passes(&table, &known), 1);
    for unknown in [
        Asked {
            identity: None,
            ..known
        },
        Asked { key: None, ..known },
    ] {
        assert_eq!(passes(&table, &unknown), 20);
    }
}

#[test]
fn items_are_counted_when_they_are_known_and_apart_from_requests() {
    let table = table(&[budget(Unit::Items, 1000, &[Per::Identity])]);
    let asked = asked("transit/decrypt/pii");
    assert_eq!(passes(&table, &asked), 20);
    let items = |count| table.decide(&asked, Point::Items(count), SECOND);
    assert_eq!(items(1001), Decision::TooMany);
    assert_eq!(items(600), Decision::Allowed);
    assert!(matches!(items(600), Decision::Refused { .. }));
    assert_eq!(items(400), Decision::Allowed);
}

#[test]
fn a_roles_limit_counts_logins_of_that_role() {
    let of_role = QuotaSpec {
        inheritable: true,
        role: "app".to_owned(),
        ..rate("auth/approle", "", 2)
    };
    let table = table(&[of_role]);
    let login = |role| Asked {
        role,
        ..asked("auth/approle/login")
    };
    let at_login = |role| table.decide(&login(role), Point::Login, SECOND);
    assert_eq!(at_login(Some("app")), Decision::Allowed);
    assert_eq!(at_login(Some("other")), Decision::Allowed);
    assert_eq!(at_login(Some("app")), Decision::Allowed);
    assert!(matches!(at_login(Some("app")), Decision::Refused { .. }));
    assert_eq!(at_login(Some("other")), Decision::Allowed);
    assert_eq!(
        passes(&table, &login(None)),
        20,
        "a role's limit is for logins"
    );
}

#[test]
fn exempt_paths_are_not_counted() {
    let table = table(&[rate("", "", 1)]);
    assert_eq!(passes(&table, &asked("sys/health")), 20);
    assert_eq!(passes(&table, &asked("sys/mounts")), 1);
}

#[test]
fn what_was_spent_of_an_unchanged_quota_stays_spent() {
    let first = table(&[rate("transit", "", 3), rate("", "", 4)]);
    assert_eq!(passes(&first, &asked("transit/a")), 3);
    assert_eq!(passes(&first, &asked("sys/a")), 4);
    let changed = named(&[rate("transit", "", 3), rate("", "", 5)]);
    let second = Table::compile(changed, QuotaSettings::default(), &first);
    assert_eq!(passes(&second, &asked("transit/a")), 0);
    assert_eq!(passes(&second, &asked("sys/a")), 5);
}

#[test]
fn among_several_only_those_that_refuse_block() {
    let blocking = QuotaSpec {
        inheritable: true,
        block_seconds: 7200,
        ..budget(Unit::Requests, 1, &[Per::Identity])
    };
    let table = table(&[blocking, budget(Unit::Requests, 10, &[Per::Key])]);
    let asked = asked("transit/decrypt/pii");
    assert_eq!(passes(&table, &asked), 1);
    let later = table.decide(&asked, Point::Request, SECOND * 3700);
    let retry_after = Duration::from_secs(7200 + 1 - 3700);
    assert_eq!(later, Decision::Refused { retry_after });
}

#[test]
fn before_the_token_is_known_only_addresses_are_refused_and_nothing_is_counted() {
    let table = table(&[
        rate("", "", 3),
        budget(Unit::Requests, 1, &[Per::Key]),
        budget(Unit::Requests, 1, &[]),
        budget(Unit::Requests, 1, &[Per::Address, Per::Identity]),
    ]);
    let asked = Asked {
        identity: None,
        ..asked("transit/decrypt/pii")
    };
    for _ in 0..10 {
        assert_eq!(table.refuse(&asked, SECOND), Decision::Allowed);
    }
    for _ in 0..3 {
        let counted = table.decide(&asked, Point::Arrival, SECOND);
        assert_eq!(counted, Decision::Allowed);
    }
    assert_ne!(table.refuse(&asked, SECOND), Decision::Allowed);
    let other = Asked {
        address: None,
        ..asked
    };
    assert_eq!(table.refuse(&other, SECOND), Decision::Allowed);
    assert_eq!(passes(&table, &other), 1, "the ring's budget is whole");
}
