use super::*;

fn set(names: &[&str]) -> PolicySet {
    PolicySet::new(names.iter().copied())
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct Case {
    wish: Wish,
    policies: PolicySet,
    is_sudo: bool,
    role: Option<TokenRole>,
}

/// A plain creator with the policies `default`, `app` and `ops`.
fn case(wish: Wish) -> Case {
    Case {
        wish,
        policies: set(&["default", "app", "ops"]),
        is_sudo: false,
        role: None,
    }
}

impl Case {
    fn sudo(self) -> Self {
        Self {
            is_sudo: true,
            ..self
        }
    }

    fn with(self, role: TokenRole) -> Self {
        Self {
            role: Some(role),
            ..self
        }
    }

    fn plan(self) -> Result<(NewToken, Vec<String>), CreateFault> {
        let block = [Cidr::parse("10.0.0.0/8").unwrap()];
        let creator = Creator {
            bound_cidrs: &block,
            counted: false,
            expires: true,
            hash: CredentialHash([1; 32]),
            is_initial: false,
            is_sudo: self.is_sudo,
            kind: TokenKind::Service,
            policies: &self.policies,
            remote: None,
        };
        plan(
            self.wish,
            &creator,
            self.role.as_ref().map(|role| ("r", role)),
        )
    }

    fn policies(self) -> Result<Vec<String>, CreateFault> {
        let (new, _) = self.plan()?;
        Ok(new.params.policies.iter().map(str::to_owned).collect())
    }
}

fn asking(policies: &[&str]) -> Wish {
    Wish {
        policies: Some(set(policies)),
        ..Wish::default()
    }
}

#[test]
fn a_child_has_what_its_parent_has_or_a_part_of_it() {
    assert_eq!(
        case(Wish::default()).policies().unwrap(),
        ["app", "default", "ops"]
    );
    assert_eq!(
        case(asking(&["App "])).policies().unwrap(),
        ["app", "default"]
    );
    assert_eq!(
        case(asking(&["app", "x"])).policies(),
        Err(CreateFault::Subset)
    );
    let without = Wish {
        no_default_policy: true,
        ..asking(&["app", "default"])
    };
    assert_eq!(case(without).policies().unwrap(), ["app"]);
    let mut poor = case(asking(&["app"]));
    poor.policies = set(&["app"]);
    assert_eq!(poor.policies().unwrap(), ["app"]);
}

#[test]
fn a_list_of_blanks_asks_for_default_and_not_for_what_the_creator_has() {
    for blanks in [&[""][..], &[" "], &["", "\t\u{a0}"]] {
        assert_eq!(case(asking(blanks)).policies().unwrap(), ["default"]);
        let by_root = || {
            let mut case = case(asking(blanks)).sudo();
            case.policies = PolicySet::root();
            case
        };
        assert_eq!(by_root().policies().unwrap(), ["default"]);
        let role = TokenRole {
            disallowed_policies: set(&["x"]),
            ..TokenRole::default()
        };
        let open = || by_root().with(role.clone());
        assert_eq!(open().policies().unwrap(), ["default"]);
        let limited = TokenRole {
            allowed_policies: set(&["app"]),
            ..role.clone()
        };
        let limited = by_root().with(limited);
        assert_eq!(limited.policies().unwrap(), ["default"]);
        let without = Wish {
            no_default_policy: true,
            ..asking(blanks)
        };
        assert_eq!(case(without).sudo().policies().unwrap(), [""; 0]);
    }
}

#[test]
fn sudo_gives_any_policy_but_root() {
    assert_eq!(
        case(asking(&["x"])).sudo().policies().unwrap(),
        ["default", "x"]
    );
    for root in ["root", "Root", " ROOT "] {
        assert_eq!(
            case(asking(&["x", root])).sudo().policies(),
            Err(CreateFault::Root)
        );
        assert_eq!(case(asking(&[root])).policies(), Err(CreateFault::Subset));
    }
}

#[test]
fn a_root_token_that_expires_makes_none_that_does_not() {
    let by_root = |wish| {
        let mut case = case(wish).sudo();
        case.policies = PolicySet::root();
        case
    };
    assert_eq!(
        by_root(Wish::default()).plan().map(drop),
        Err(CreateFault::ExpiringRoot)
    );
    let short = Wish {
        ttl: secs(1),
        ..Wish::default()
    };
    assert_eq!(by_root(short).policies().unwrap(), ["root"]);
}

#[test]
fn a_role_with_allowed_policies_goes_beyond_the_caller_and_not_beyond_itself() {
    let role = || TokenRole {
        allowed_policies: set(&["x", "y"]),
        allowed_policies_glob: set(&["team-*"]),
        disallowed_policies_glob: set(&["*-admin"]),
        ..TokenRole::default()
    };
    let ask = |policies: &[&str]| case(asking(policies)).with(role()).policies();
    let silent = case(Wish::default()).with(role());
    assert_eq!(silent.policies().unwrap(), ["default", "x", "y"]);
    assert_eq!(ask(&[]).unwrap(), ["default"]);
    assert_eq!(ask(&["x"]).unwrap(), ["default", "x"]);
    assert_eq!(ask(&["team-1"]).unwrap(), ["default", "team-1"]);
    assert_eq!(ask(&["app"]), Err(CreateFault::NotAllowed));
    assert_eq!(
        ask(&["team-admin"]),
        Err(CreateFault::Disallowed("team-admin".to_owned()))
    );
    let root = TokenRole {
        allowed_policies_glob: set(&["*"]),
        ..TokenRole::default()
    };
    assert_eq!(
        case(asking(&["root"])).with(root).policies(),
        Err(CreateFault::Root)
    );
}

#[test]
fn a_role_that_only_forbids_starts_from_the_caller() {
    let role = TokenRole {
        disallowed_policies: set(&["ops"]),
        ..TokenRole::default()
    };
    assert_eq!(
        case(Wish::default()).with(role.clone()).policies(),
        Err(CreateFault::Disallowed("ops".to_owned()))
    );
    assert_eq!(
        case(asking(&["x"])).with(role).policies().unwrap(),
        ["default", "x"]
    );
    let silent = TokenRole::default();
    assert_eq!(
        case(asking(&["x"])).with(silent).policies(),
        Err(CreateFault::Subset)
    );
}

#[test]
fn what_needs_sudo_is_refused_without() {
    let chosen = || {
        let bytes = keyring::secret::SecretBytes::new(b"mine".to_vec());
        Wish {
            chosen: TokenText::parse(bytes),
            ..Wish::default()
        }
    };
    let orphan = || Wish {
        no_parent: true,
        ..Wish::default()
    };
    let periodic = || Wish {
        period: secs(60),
        ..Wish::default()
    };
    assert_eq!(case(chosen()).plan().map(drop), Err(CreateFault::Choice));
    assert_eq!(case(orphan()).plan().map(drop), Err(CreateFault::Orphan));
    assert_eq!(case(periodic()).plan().map(drop), Err(CreateFault::Period));
    assert!(case(chosen()).sudo().plan().is_ok());
    assert_eq!(case(orphan()).sudo().plan().unwrap().0.parent, None);
    assert_eq!(
        case(periodic()).sudo().plan().unwrap().0.params.period,
        secs(60)
    );
}

#[test]
fn orphans_come_of_their_path_or_role_and_are_bound_like_nobody() {
    let (child, _) = case(Wish::default()).plan().unwrap();
    assert_eq!(child.parent, Some(CredentialHash([1; 32])));
    assert_eq!(child.params.bound_cidrs.len(), 1);
    let by_path = Wish {
        orphan_path: true,
        ..Wish::default()
    };
    let (orphan, _) = case(by_path).plan().unwrap();
    assert_eq!(orphan.parent, None);
    assert!(orphan.params.bound_cidrs.is_empty());
    let role = TokenRole {
        orphan: true,
        ..TokenRole::default()
    };
    assert_eq!(
        case(Wish::default()).with(role).plan().unwrap().0.parent,
        None
    );
}

#[test]
fn batch_tokens_and_counted_tokens_make_no_tokens() {
    let policies = set(&["app"]);
    let creator = |kind, counted| Creator {
        bound_cidrs: &[],
        counted,
        expires: true,
        hash: CredentialHash([1; 32]),
        is_initial: false,
        is_sudo: true,
        kind,
        policies: &policies,
        remote: None,
    };
    let by = |kind, counted| plan(Wish::default(), &creator(kind, counted), None).map(drop);
    assert_eq!(by(TokenKind::Batch, false), Err(CreateFault::BatchCreator));
    assert_eq!(
        by(TokenKind::Service, true),
        Err(CreateFault::CountedCreator)
    );
}

#[test]
fn batch_tokens_are_plain() {
    let batch = || Wish {
        token_type: TokenType::Batch,
        ..Wish::default()
    };
    let (new, _) = case(batch()).plan().unwrap();
    assert_eq!(new.params.token_type, TokenType::Batch);
    for (wish, what) in [
        (
            Wish {
                explicit_max_ttl: secs(1),
                ..batch()
            },
            "explicit_max_ttl",
        ),
        (
            Wish {
                num_uses: 1,
                ..batch()
            },
            "num_uses",
        ),
        (
            Wish {
                period: secs(1),
                ..batch()
            },
            "period",
        ),
    ] {
        assert_eq!(
            case(wish).sudo().plan().map(drop),
            Err(CreateFault::BatchHas(what))
        );
    }
    let odd = Wish {
        token_type: TokenType::DefaultBatch,
        ..Wish::default()
    };
    assert_eq!(case(odd).plan().map(drop), Err(CreateFault::Type));
}

#[test]
fn of_two_bounds_the_lesser_counts_and_is_told() {
    let role = TokenRole {
        params: TokenParams {
            explicit_max_ttl: secs(50),
            period: secs(20),
            num_uses: 5,
            ..TokenRole::default().params
        },
        renewable: false,
        path_suffix: "v01".to_owned(),
        ..TokenRole::default()
    };
    let wish = Wish {
        explicit_max_ttl: secs(60),
        period: secs(10),
        num_uses: 9,
        path: "auth/token/create/r".to_owned(),
        ..Wish::default()
    };
    let (new, warnings) = case(wish).sudo().with(role).plan().unwrap();
    assert_eq!(new.params.explicit_max_ttl, secs(50));
    assert_eq!(new.params.period, secs(10));
    assert_eq!(new.params.num_uses, 5);
    assert!(new.not_renewable);
    assert_eq!(new.path, "auth/token/create/r/v01");
    assert_eq!(new.role.as_deref(), Some("r"));
    assert_eq!(
        warnings,
        [
            "Explicit max TTL specified both during creation call and in role; using the lesser value of 50 seconds",
            "Period specified both during creation call and in role; using the lesser value of 10 seconds",
        ]
    );
}

#[test]
fn display_names_are_plain() {
    for (wished, shown) in [
        ("", "token"),
        ("ci", "token-ci"),
        ("a b/c", "token-a-b-c"),
        ("x!", "token-x"),
        ("é", "token-"),
    ] {
        assert_eq!(display_name(wished), shown);
    }
}

#[test]
fn entity_aliases_are_taken_only_through_a_role_that_lists_them() {
    let wish = || Wish {
        entity_alias: "Bob".to_owned(),
        ..Wish::default()
    };
    assert_eq!(
        case(wish()).plan().map(drop),
        Err(CreateFault::AliasWithoutRole)
    );
    let role = |alias: &str| TokenRole {
        allowed_entity_aliases: vec![alias.to_owned()],
        ..TokenRole::default()
    };
    assert!(case(wish()).with(role("b*")).plan().is_ok());
    assert_eq!(
        case(wish()).with(role("al*")).plan().map(drop),
        Err(CreateFault::Alias)
    );
}
