//! Texts from outside that histories, logs and people are shown as names.

/// Whether a text has no control characters and nothing else that hides or reorders what stands beside it: line and paragraph
/// separators, marks of writing direction, spaces without width.
pub fn is_plain(text: &str) -> bool {
    let hides = |c: char| {
        matches!(
            c,
            '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
    };
    !text.chars().any(|c| c.is_control() || hides(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_script_are_plain_and_what_does_not_show_is_not() {
        for plain in [
            "",
            "ada",
            "Ada Lovelace",
            "\u{430}\u{434}\u{430}",
            "a/b-c@d",
            "\u{1f512}",
        ] {
            assert!(is_plain(plain), "{plain:?}");
        }
        for other in [
            "a\0b",
            "a\nb",
            "\tada",
            "ada\r",
            "\u{1b}[2J",
            "a\u{7f}",
            "a\u{85}",
            "a\u{2028}b",
            "a\u{202e}b",
            "a\u{200b}b",
            "\u{feff}ada",
            "a\u{2066}b",
        ] {
            assert!(!is_plain(other), "{other:?}");
        }
    }
}
