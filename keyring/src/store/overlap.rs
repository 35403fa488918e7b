//! The rule that keeps two mounts from answering for the same request.

/// Whether the paths are one, or one contains the other: `a` and `a/b`, but not `a` and `ab`.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    contains(one, other) || contains(other, one)
}

fn contains(outer: &str, inner: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_overlap_at_whole_segments_only() {
        for (one, other, expected) in [
            ("a", "a", true),
            ("a", "a/b", true),
            ("a/b/c", "a/b", true),
            ("a", "ab", false),
            ("a/b", "a/bc", false),
            ("a/b", "a/c", false),
        ] {
            assert_eq!(overlap(one, other), expected, "{one} {other}");
        }
    }
}
