use super::*;

#[test]
fn only_logins_do_without_a_token_and_all_logins_do() {
    for kind in MethodKind::ALL {
        for row in table(kind) {
            let is_login = row.path.split('/').next() == Some("login");
            assert_eq!(row.needs_token, !is_login, "{kind} {}", row.path);
            assert!(!is_login || row.verbs == [Verb::Write]);
        }
        assert!(needs_token(kind, Verb::Write, &["nowhere"]));
        assert!(needs_token(kind, Verb::Read, &["login"]));
    }
}

#[test]
fn no_path_stands_in_a_table_twice() {
    for kind in MethodKind::ALL {
        let mut paths: Vec<_> = table(kind).iter().map(|row| row.path).collect();
        paths.sort_unstable();
        let count = paths.len();
        paths.dedup();
        assert_eq!(paths.len(), count, "{kind}");
    }
}
