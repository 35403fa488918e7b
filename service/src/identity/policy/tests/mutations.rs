//! Policies with bytes changed, lost and doubled: an answer each, and a place in the text for every refusal.

use super::named;
use super::random::{Random, hcl, json};

const COUNT: usize = 20_000;
/// Stands in every text; no message may repeat it.
const MARK: &str = "Zq7";
const PIECES: [&str; 24] = [
    "\"", "\\", "{", "}", "[", "]", ",", "=", ":", "\n", "\0", "#", "//", "/*", "*/", "<<EOF\n",
    "EOF\n", "${", "{{", "+*", "\u{e9}", "-1", "1e9", "path",
];

#[test]
fn mutated_policies_are_read_or_refused_by_their_place() {
    let mut random = Random::new(13);
    let mut refused = 0;
    for round in 0..COUNT {
        let rules: Vec<_> = (0..=random.below(3)).map(|_| random.rule()).collect();
        let spell = if round % 2 == 0 { hcl } else { json };
        let mut text = spell(&rules).replace("\"1v\"", &format!("\"{MARK}\""));
        for _ in 0..=random.below(4) {
            mutate(&mut random, &mut text);
        }
        let Err(fault) = named("test", &text) else {
            continue;
        };
        refused += 1;
        let lines: Vec<&str> = text.split('\n').collect();
        let line = lines.get(fault.at.line - 1);
        let width = line.map(|line| line.chars().count());
        assert!(
            width.is_some_and(|width| (1..=width + 1).contains(&fault.at.column)),
            "{fault} in {text}"
        );
        assert!(!fault.to_string().contains(MARK), "{fault}");
    }
    assert!(refused > COUNT / 3, "{refused}");
}

fn mutate(random: &mut Random, text: &mut String) {
    let places: Vec<usize> = (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .collect();
    let (one, other) = (random.pick(&places), random.pick(&places));
    let (from, to) = (one.min(other), one.max(other));
    match random.below(6) {
        0 => text.truncate(to),
        1 => text.replace_range(from..to, ""),
        2 => {
            let doubled = text[from..to].to_owned();
            text.insert_str(to, &doubled);
        }
        _ => text.insert_str(from, random.pick(&PIECES)),
    }
}
