//! Who asked, written once per token and then only copied.

use super::correlation::Correlation;
use super::encode::push_text;

/// A token's accessor, display name and policies, the way records show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who(Box<[u8]>);

impl Who {
    pub(super) fn new<'p>(
        correlation: &Correlation,
        accessor: &str,
        display_name: &str,
        policies: impl IntoIterator<Item = &'p str>,
    ) -> Self {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(b",\"accessor\":");
        correlation.push_name(&mut out, correlation.accessor, accessor);
        out.extend_from_slice(b",\"display_name\":");
        correlation.push_name(&mut out, correlation.display_name, display_name);
        out.extend_from_slice(b",\"policies\":[");
        for (index, policy) in policies.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_text(&mut out, policy);
        }
        out.push(b']');
        Self(out.into())
    }

    /// The fields, each with a comma before it.
    pub(super) fn fields(&self) -> &[u8] {
        &self.0
    }
}
