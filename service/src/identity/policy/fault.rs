//! Why a text is no policy, and where it stopped being one.

use super::syntax::Position;

/// What is wrong with a policy's text, and where. Says nothing of what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to parse policy: {mistake} at line {} column {}", .at.line, .at.column)]
pub struct PolicyFault {
    /// What is wrong.
    pub mistake: Mistake,
    /// Where.
    pub at: Position,
}

/// What can be wrong with a policy's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// A path block has a list of things that are not what it lists.
    #[error("expected a text in a list")]
    ExpectedItemText,
    /// A value is no list.
    #[error("expected a list in [ ]")]
    ExpectedList,
    /// A value is no object.
    #[error("expected a block in {{ }}")]
    ExpectedObject,
    /// A value is no text.
    #[error("expected a text")]
    ExpectedText,
    /// A comment, a text or a heredoc does not end.
    #[error("a comment, text or heredoc that does not end")]
    Endless,
    /// An escape that does not exist or spells no character.
    #[error("a broken escape in a text")]
    Escape,
    /// A text with `${`, which some programs would have replaced before.
    #[error("`${{` in a text: there is nothing here to replace it")]
    Interpolation,
    /// A key that path blocks have elsewhere and whose effect this server does not offer.
    #[error(
        "a key that this server does not offer (expiration, control_group, mfa_methods, pagination_limit, \
         list_scan_response_keys_filter_path)"
    )]
    NotOffered,
    /// A text without a single block: a file's name, or base64 that does not decode to text.
    #[error(
        "expected a block like `path \"transit/encrypt/orders\" {{ capabilities = [\"update\"] }}` \
         (the policy itself, not the name of a file)"
    )]
    NoPolicy,
    /// A number with a fraction or an exponent, or one that is too large.
    #[error("a number that is not a whole one")]
    Number,
    /// A value in a parameter's list that is not a text, whole number or bool.
    #[error("expected texts, whole numbers or bools in a parameter's list")]
    ParameterValue,
    /// A path with a character outside of printable ASCII, or an empty, `.` or `..` segment: no request has such a path.
    #[error("a path that no request can have: printable ASCII only, no empty, `.` or `..` segment")]
    Path,
    /// `+*` in a path.
    #[error("invalid use of wildcards in a path ('+*' is forbidden)")]
    PlusStar,
    /// The text breaks the grammar.
    #[error("syntax error")]
    Syntax,
    /// A path with `{{`.
    #[error("an identity template in a path: templates are not offered")]
    Template,
    /// Nested deeper than [`super::MAX_DEPTH`].
    #[error("nested more than {} deep", super::MAX_DEPTH)]
    TooDeep,
    /// A path longer than [`super::MAX_PATH_LEN`].
    #[error("a path of more than {} bytes", super::MAX_PATH_LEN)]
    TooLongPath,
    /// A text longer than [`super::MAX_TEXT_LEN`].
    #[error("more than {} bytes", super::MAX_TEXT_LEN)]
    TooLongText,
    /// More rules than [`super::MAX_RULES`].
    #[error("more than {} paths", super::MAX_RULES)]
    TooManyRules,
    /// More values than [`super::MAX_VALUES`].
    #[error("more than {} values", super::MAX_VALUES)]
    TooManyValues,
    /// A time to live that does not read as one, or is negative.
    #[error("a wrapping TTL that is neither seconds nor a duration like 90s or 1h30m")]
    Ttl,
    /// A `max_wrapping_ttl` below the `min_wrapping_ttl` of the same block.
    #[error("max_wrapping_ttl cannot be less than min_wrapping_ttl")]
    TtlsCrossed,
    /// A word that is no capability.
    #[error(
        "unknown capability (known: create, read, update, patch, delete, list, scan, sudo, deny)"
    )]
    UnknownCapability,
    /// A key that neither a policy nor a path block has.
    #[error("unknown key")]
    UnknownKey,
    /// A word of the old language that does not exist.
    #[error("unknown value of `policy` (known: read, write, sudo, deny)")]
    UnknownLegacyWord,
}
