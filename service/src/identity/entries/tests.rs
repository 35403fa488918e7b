use std::convert::Infallible;

use keyring::store::identity::EntryStore as _;
use keyring::store::memory::MemoryStore;

use super::*;
use crate::identity::fixtures::keys;

const SHELF: Shelf<'static> = Shelf {
    kind: "thing",
    scope: "here",
};

fn entries() -> (Arc<MemoryStore>, Entries) {
    let store = Arc::new(MemoryStore::new());
    let entries = Entries::new(Arc::<MemoryStore>::clone(&store), keys());
    (store, entries)
}

async fn put(entries: &Entries, name: &str, value: u32) -> Generation {
    let written = entries.put(SHELF, name, |_| Ok::<_, Infallible>(value));
    let Ok(entry) = written.await.unwrap();
    entry.generation
}

#[tokio::test]
async fn what_is_put_is_there_until_it_is_deleted() {
    let (_, entries) = entries();
    assert_eq!(entries.get::<u32>(SHELF, "a").await.unwrap(), None);
    assert_eq!(put(&entries, "a", 1).await, Generation(1));
    assert_eq!(put(&entries, "a", 2).await, Generation(2));
    let read = entries.get::<u32>(SHELF, "a").await.unwrap().unwrap();
    assert_eq!((read.value, read.generation), (2, Generation(2)));
    assert!(entries.delete(SHELF, "a").await.unwrap());
    assert!(!entries.delete(SHELF, "a").await.unwrap());
    assert_eq!(entries.get::<u32>(SHELF, "a").await.unwrap(), None);
}

#[tokio::test]
async fn names_come_in_order_and_all_of_them() {
    let (_, entries) = entries();
    for number in (0..2500).rev() {
        put(&entries, &format!("{number:04}"), number).await;
    }
    let names = entries.names(SHELF).await.unwrap();
    assert_eq!(names.len(), 2500);
    assert!(names.is_sorted());
    let page = entries.list::<u32>(SHELF, Some("0009"), 2).await.unwrap();
    let values: Vec<_> = page.iter().map(|entry| entry.value).collect();
    assert_eq!(values, [10, 11]);
}

#[tokio::test]
async fn a_refusal_writes_nothing() {
    let (_, entries) = entries();
    put(&entries, "a", 1).await;
    let refused = entries.put(SHELF, "a", |old: Option<u32>| Err::<u32, _>(old));
    assert_eq!(refused.await.unwrap().unwrap_err(), Some(1));
    let read = entries.get::<u32>(SHELF, "a").await.unwrap().unwrap();
    assert_eq!(read.generation, Generation(1));
}

#[tokio::test]
async fn of_many_edits_at_once_none_is_lost() {
    let (_, entries) = entries();
    put(&entries, "a", 0).await;
    let edit = async || {
        let add = |old: Option<u32>| Ok::<_, Infallible>(old.unwrap_or_default() + 1);
        entries.put(SHELF, "a", add).await.unwrap()
    };
    futures_util::future::join_all((0..8).map(|_| edit())).await;
    let read = entries.get::<u32>(SHELF, "a").await.unwrap().unwrap();
    assert_eq!(read.value, 8);
}

#[tokio::test]
async fn a_row_in_another_place_says_nothing() {
    let (store, entries) = entries();
    put(&entries, "a", 1).await;
    let row = store.entry(&SHELF.place("a")).await.unwrap().unwrap();
    let moved = StoredEntry {
        place: SHELF.place("b"),
        ..row
    };
    store.put_entry(&moved, None).await.unwrap();
    let read = entries.get::<u32>(SHELF, "b").await;
    assert!(matches!(read, Err(EntryError::Tampered("thing"))));
    let wrong = entries.get::<String>(SHELF, "a").await;
    assert!(matches!(wrong, Err(EntryError::Tampered("thing"))));
}
