//! Prints what a live token takes in a node's memory: resident memory with 100,000 of them resolved, less that before.
//!
//! `cargo run --release -p benches --bin token_memory [-- TOKENS]`

use std::io::{self, Write as _};

use benches::identity::Node;
use benches::memory::resident;

fn main() {
    let tokens: u32 = std::env::args()
        .nth(1)
        .map_or(100_000, |count| count.parse().expect("a number of tokens"));
    let node = Node::with_policies(1);
    let texts: Vec<String> = (0..tokens).map(|_| node.token()).collect();
    // The store in memory has them all by now; only what resolving adds is the node's.
    node.resolve(texts.first().expect("a token"));
    let before = resident();
    for text in &texts {
        node.resolve(text);
    }
    let after = resident();
    let (held, weight) = node.identity.registry.inner().size();
    let each = after.saturating_sub(before) / u64::from(tokens.max(1));
    let line = format!(
        "{held} tokens held: {} MiB resident, {each} bytes each; {} MiB as the cache reckons\n",
        after.saturating_sub(before) >> 20,
        weight >> 20,
    );
    drop(io::stdout().write_all(line.as_bytes()));
}
