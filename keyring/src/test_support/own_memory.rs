//! Looks for secrets in the memory of the process itself, through `/proc`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use super::entropy::MASK;

/// How often these bytes, each `XORed` with [`MASK`], occur unmasked in the process's writable memory. Nothing
/// else may run meanwhile that makes copies.
pub fn occurrences(masked: &[u8]) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("a process knows its mappings");
    let memory = File::open("/proc/self/mem").expect("a process may read its memory");
    // Of one size from the start, and not looked through itself: what is read is copied here.
    let mut window = vec![0; WINDOW];
    let own = window.as_ptr().addr();
    let own = own..own + WINDOW;
    let mut found = 0;
    for (start, end) in maps.lines().filter_map(writable) {
        let mut at = start;
        while at < end {
            let length = (end - at).min(WINDOW);
            let read = window.get_mut(..length).and_then(|window| {
                let offset = u64::try_from(at).ok()?;
                memory.read_exact_at(window, offset).ok()?;
                Some(&*window)
            });
            let places = read
                .map(|window| places(window, masked))
                .unwrap_or_default();
            let elsewhere = places.iter().filter(|place| !own.contains(&(at + **place)));
            found += elsewhere.count();
            if length < WINDOW {
                break;
            }
            // What lies across the border of two windows is found as well, and nothing twice.
            at += length + 1 - masked.len();
        }
    }
    window.fill(0);
    found
}

/// Start and end of a mapping that can be read and written.
fn writable(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    fields.next()?.starts_with("rw").then_some(())?;
    let number = |digits| usize::from_str_radix(digits, 16).ok();
    Some((number(start)?, number(end)?))
}

fn places(window: &[u8], masked: &[u8]) -> Vec<usize> {
    let Some((first, rest)) = masked.split_first() else {
        return Vec::new();
    };
    let first = first ^ MASK;
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(next) = window
        .get(from..)
        .and_then(|window| window.iter().position(|byte| *byte == first))
    {
        let place = from + next;
        from = place + 1;
        let follows = window.get(from..from + rest.len());
        let is_it = follows.is_some_and(|follows| {
            follows
                .iter()
                .zip(rest)
                .all(|(byte, masked)| byte ^ MASK == *masked)
        });
        if is_it {
            places.push(place);
        }
    }
    places
}

const WINDOW: usize = 1 << 20;
