use super::*;

const T0: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const MICRO: Duration = Duration::from_micros(1);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn limits(default: u64, max: u64) -> TtlLimits {
    TtlLimits::tuned(secs(default), secs(max))
}

fn new(terms: &TtlTerms, limits: TtlLimits) -> Granted {
    grant(terms, limits, T0, T0).unwrap()
}

#[test]
fn nothing_said_gives_the_mounts_default_and_else_the_systems() {
    let nothing = TtlTerms::default();
    assert_eq!(new(&nothing, TtlLimits::default()).ttl, SYSTEM_TTL);
    assert_eq!(new(&nothing, limits(60, 0)).ttl, secs(60));
    assert_eq!(new(&nothing, limits(0, 60)).ttl, secs(60));
    assert_eq!(limits(100, 60).default, secs(60));
}

#[test]
fn the_shortest_of_all_maxima_counts_and_the_cut_is_told() {
    let ask = |ttl, max_ttl, explicit| TtlTerms {
        ttl: secs(ttl),
        max_ttl: secs(max_ttl),
        explicit_max_ttl: secs(explicit),
        ..TtlTerms::default()
    };
    for (terms, expected) in [
        (ask(100, 0, 0), 90),
        (ask(100, 80, 0), 80),
        (ask(100, 0, 70), 70),
        (ask(100, 80, 70), 70),
        (ask(100, 200, 300), 90),
    ] {
        let granted = new(&terms, limits(30, 90));
        assert_eq!(granted.ttl, secs(expected), "{terms:?}");
        assert_eq!(granted.warnings.len(), 1, "{terms:?}");
    }
    assert_eq!(new(&ask(90, 0, 0), limits(30, 90)).warnings, [""; 0]);
    let cut = new(&ask(7200, 0, 0), limits(30, 5400));
    assert_eq!(
        cut.warnings,
        [
            "TTL of \"2h\" exceeded the effective max_ttl of \"1h30m\"; TTL value is capped accordingly"
        ]
    );
}

#[test]
fn a_period_goes_before_everything_and_is_capped() {
    let terms = TtlTerms {
        period: secs(50),
        ttl: secs(10),
        increment: secs(20),
        ..TtlTerms::default()
    };
    assert_eq!(new(&terms, limits(30, 90)).ttl, secs(50));
    let long = TtlTerms {
        period: secs(100),
        ..terms
    };
    let capped = new(&long, limits(30, 90));
    assert_eq!(capped.ttl, secs(90));
    assert_eq!(
        capped.warnings,
        [
            "period of \"1m40s\" exceeded the effective max_ttl of \"1m30s\"; period value is capped accordingly"
        ]
    );
}

#[test]
fn a_periodic_token_renews_by_its_period_long_after_the_maximum() {
    let terms = TtlTerms {
        period: secs(50),
        max_ttl: secs(60),
        ..TtlTerms::default()
    };
    let later = T0.plus(Duration::from_hours(10_000));
    assert_eq!(
        grant(&terms, limits(30, 90), T0, later).unwrap().ttl,
        secs(50)
    );
}

#[test]
fn not_even_a_periodic_token_outlives_an_explicit_maximum() {
    let terms = TtlTerms {
        period: secs(50),
        explicit_max_ttl: secs(80),
        ..TtlTerms::default()
    };
    for (age, expected) in [(0, 50), (30, 50), (31, 49), (79, 1)] {
        let granted = grant(&terms, limits(30, 90), T0, T0.plus(secs(age))).unwrap();
        assert_eq!(granted.ttl, secs(expected), "at {age}");
    }
    let end = T0.plus(secs(80));
    assert_eq!(
        grant(&terms, limits(30, 90), T0, end.minus(MICRO))
            .unwrap()
            .ttl,
        MICRO
    );
    for past in [end, end.plus(MICRO), end.plus(secs(1000))] {
        assert_eq!(grant(&terms, limits(30, 90), T0, past), Err(PastMax));
    }
}

#[test]
fn a_renewal_around_the_maximum_gives_what_is_left_to_the_microsecond_or_nothing() {
    let terms = TtlTerms {
        increment: secs(60),
        ..TtlTerms::default()
    };
    let end = T0.plus(secs(90));
    let at = |now| grant(&terms, limits(30, 90), T0, now).map(|granted| granted.ttl);
    assert_eq!(at(end.minus(secs(60)).minus(MICRO)), Ok(secs(60)));
    assert_eq!(at(end.minus(secs(60))), Ok(secs(60)));
    assert_eq!(
        at(end.minus(secs(60)).plus(MICRO)),
        Ok(Duration::from_micros(59_999_999))
    );
    assert_eq!(at(end.minus(MICRO)), Ok(MICRO));
    assert_eq!(at(end), Err(PastMax));
    assert_eq!(at(end.plus(MICRO)), Err(PastMax));
}

#[test]
fn what_is_left_is_never_shown_as_for_ever() {
    assert_eq!(shown_seconds(MICRO), 1);
    assert_eq!(shown_seconds(secs(1)), 1);
    assert_eq!(shown_seconds(secs(1) + MICRO), 2);
    assert_eq!(left(T0, T0), None);
    assert_eq!(left(T0, T0.plus(MICRO)), None);
    assert_eq!(left(T0.plus(MICRO), T0), Some(MICRO));
}

#[test]
fn durations_print_as_gos_do_without_zero_parts() {
    for (seconds, text) in [
        (0, "0s"),
        (1, "1s"),
        (60, "1m"),
        (90, "1m30s"),
        (3600, "1h"),
        (3601, "1h1s"),
        (2_764_800, "768h"),
    ] {
        assert_eq!(go_duration(secs(seconds)), text);
    }
}

/// The next of a fixed sequence of numbers: the same trees in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// Nothing said, half of the time.
    fn maybe(&mut self, sides: u64) -> Duration {
        if self.roll(2) == 0 {
            Duration::ZERO
        } else {
            Duration::from_micros(self.roll(sides * 1_000_000))
        }
    }
}

#[test]
fn no_token_of_any_tree_lives_past_its_bounds_however_it_is_renewed() {
    let mut dice = Dice(0x5eed_5eed_5eed_5eed);
    for _ in 0..100_000 {
        let limits = TtlLimits::tuned(dice.maybe(40), dice.maybe(60));
        let terms = TtlTerms {
            increment: Duration::ZERO,
            ttl: dice.maybe(50),
            period: dice.maybe(20),
            max_ttl: dice.maybe(50),
            explicit_max_ttl: dice.maybe(50),
        };
        let end = last_instant(&terms, limits);
        let mut now = T0;
        let mut expires = T0.plus(new(&terms, limits).ttl);
        for _ in 0..dice.roll(8) {
            // Between now and just after its expiry.
            let span = expires.micros() - now.micros() + 2;
            now = now.plus(Duration::from_micros(dice.roll(span.unsigned_abs())));
            if left(expires, now).is_none() {
                break;
            }
            let renewal = TtlTerms {
                increment: dice.maybe(100),
                ..terms
            };
            let Ok(granted) = grant(&renewal, limits, T0, now) else {
                break;
            };
            assert!(!granted.ttl.is_zero() && granted.ttl <= limits.max);
            expires = now.plus(granted.ttl);
            assert!(end.is_none_or(|end| expires <= end), "{terms:?}");
        }
    }
}

/// The instant that no renewal may get past; none for a periodic token without an explicit maximum.
fn last_instant(terms: &TtlTerms, limits: TtlLimits) -> Option<Timestamp> {
    let said = |bound: Duration| (!bound.is_zero()).then_some(bound);
    if terms.period.is_zero() {
        let bounds = [
            Some(limits.max),
            said(terms.max_ttl),
            said(terms.explicit_max_ttl),
        ];
        bounds.into_iter().flatten().min().map(|max| T0.plus(max))
    } else {
        said(terms.explicit_max_ttl).map(|max| T0.plus(max))
    }
}
