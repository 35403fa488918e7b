//! Encrypts four columns of a table of people, row by row bound to their place, and gives them a new key.
//!
//! Run it against `sealring dev`; `examples/README.md` explains each step. Where a step stands is seen from the
//! rows themselves (`key_version`), so a run that was interrupted goes on where it stopped.

mod file;
mod person;
mod table;
mod transit;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Parser;

use crate::person::{COLUMNS, Person};
use crate::table::{Row, Table};
use crate::transit::{Item, Transit};

/// Writes people to an SQLite file, encrypts them through Sealring, rotates the ring and rewraps everything.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where Sealring listens.
    #[arg(long, default_value = "http://127.0.0.1:8200")]
    addr: String,
    /// The file with the token; `sealring dev` writes it.
    #[arg(long, default_value = "./sealring-data/root-token")]
    token_file: PathBuf,
    /// How many people there are to be.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    rows: u32,
    /// How many rows one request carries, four values each.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=25_000))]
    batch_rows: u32,
    /// The SQLite file.
    #[arg(long, default_value = "people.sqlite")]
    db: PathBuf,
    /// The ring.
    #[arg(long, default_value = "people")]
    ring: String,
    /// Throw the file away and start from the beginning.
    #[arg(long)]
    fresh: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("people: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.fresh {
        file::remove(&arguments.db)?;
    }
    let transit = Transit::connect(&arguments.addr, &arguments.token_file, &arguments.ring)?;
    let table = Table::open(&arguments.db).await?;
    table
        .belongs_to(&transit.store_id().await?)
        .await
        .context("the file was encrypted by another store; --fresh starts over")?;
    let demo = Demo {
        arguments,
        transit,
        table,
    };
    demo.write_people().await?;
    demo.encrypt().await?;
    demo.rotate().await?;
    demo.rewrap().await?;
    demo.retire_old_versions().await?;
    demo.try_to_cheat().await?;
    demo.read_back().await?;
    demo.table.close().await;
    demo.look_for_plaintext()
}

struct Demo {
    arguments: Arguments,
    transit: Transit,
    table: Table,
}

impl Demo {
    async fn write_people(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let written = self.table.add_people(self.arguments.rows).await?;
        say("written", &format!("{written} people"), began, written);
        Ok(())
    }

    /// Encrypts the rows that are still in the clear.
    async fn encrypt(&self) -> anyhow::Result<()> {
        self.transit.create_ring().await?;
        let (began, mut done) = (Instant::now(), 0);
        loop {
            let rows = self.table.rows_below(1, self.arguments.batch_rows).await?;
            if rows.is_empty() {
                break;
            }
            let results = self.transit.encrypt(&items(&rows)).await?;
            self.table.replace(&rows, &results).await?;
            done += count(&rows);
        }
        let what = format!("{done} rows, {} columns each", COLUMNS.len());
        say("encrypted", &what, began, done);
        Ok(())
    }

    /// Rotates the ring, unless the rewrapping of an earlier run is still to be ended.
    async fn rotate(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let before = self.transit.latest_version().await?;
        if let [left, ..] = self.table.rows_below(before, 1).await?.as_slice() {
            self.table.keep_witness(left).await?;
            let what = format!("a rewrap to version {before} begun before");
            say("found", &what, began, 0);
            return Ok(());
        }
        let witness = self.table.row(1).await?;
        self.table.keep_witness(&witness).await?;
        let after = self.transit.rotate().await?;
        ensure!(after > before, "the ring is still at version {before}");
        say(
            "rotated",
            &format!("from version {before} to {after}"),
            began,
            0,
        );
        Ok(())
    }

    /// Gives every row of an older version the latest one; the plaintexts stay inside the service.
    async fn rewrap(&self) -> anyhow::Result<()> {
        let latest = self.transit.latest_version().await?;
        let (began, mut done) = (Instant::now(), 0);
        loop {
            let batch = self.arguments.batch_rows;
            let rows = self.table.rows_below(latest, batch).await?;
            if rows.is_empty() {
                break;
            }
            let results = self.transit.rewrap(&items(&rows)).await?;
            self.table.replace(&rows, &results).await?;
            done += count(&rows);
        }
        say(
            "rewrapped",
            &format!("{done} rows to version {latest}"),
            began,
            done,
        );
        Ok(())
    }

    /// Old versions are not needed any more: what was copied before the rewrap becomes useless.
    async fn retire_old_versions(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let latest = self.transit.latest_version().await?;
        ensure!(
            self.table.count_below(latest).await? == 0,
            "rows of older versions are left"
        );
        self.transit.raise_min_decryption(latest).await?;
        say(
            "retired",
            &format!("all versions before {latest}"),
            began,
            0,
        );
        Ok(())
    }

    /// An old ciphertext, and a ciphertext in a place that is not its own: neither may open.
    async fn try_to_cheat(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let witness = self.table.witness().await?;
        let old = self.transit.refusal(&Item::of(&witness, 0)).await?;
        say("refused", &format!("an old ciphertext: {old}"), began, 0);
        let mut moved = self.table.row(1).await?;
        moved.id = 2;
        let moved = self.transit.refusal(&Item::of(&moved, 0)).await?;
        say(
            "refused",
            &format!("row 1's e-mail in row 2: {moved}"),
            began,
            0,
        );
        Ok(())
    }

    /// Decrypts a sample and compares it with the people as they were made.
    async fn read_back(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut rows = Vec::new();
        for id in sample(self.arguments.rows) {
            rows.push(self.table.row(id).await?);
        }
        let opened = self.transit.decrypt(&items(&rows)).await?;
        for (row, values) in rows.iter().zip(opened.chunks(COLUMNS.len())) {
            let person = Person::number(row.id);
            ensure!(row.name == person.name, "row {} has another name", row.id);
            ensure!(
                values.iter().eq(&person.columns()),
                "row {} did not come back as it was",
                row.id
            );
        }
        let checked = count(&rows);
        say(
            "read back",
            &format!("{checked} rows, all as they were made"),
            began,
            checked,
        );
        Ok(())
    }

    /// What is encrypted must not lie about in the file in the clear as well.
    fn look_for_plaintext(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let people: Vec<Person> = sample(self.arguments.rows).map(Person::number).collect();
        let db = &self.arguments.db;
        let found = file::find_any(db, people.iter().flat_map(Person::columns))?;
        ensure!(found.is_none(), "{} holds a plaintext", db.display());
        say(
            "searched",
            "the file: no plaintext of the sample in it",
            began,
            0,
        );
        Ok(())
    }
}

/// Each row's encrypted columns with their place.
fn items(rows: &[Row]) -> Vec<Item> {
    rows.iter()
        .flat_map(|row| (0..COLUMNS.len()).map(|column| Item::of(row, column)))
        .collect()
}

/// Rows spread over the whole table.
fn sample(rows: u32) -> impl Iterator<Item = u32> {
    (1..=rows).step_by(usize::try_from(rows / SAMPLE).unwrap_or(1).max(1))
}

fn count(rows: &[Row]) -> u32 {
    u32::try_from(rows.len()).unwrap_or(u32::MAX)
}

fn say(verb: &str, what: &str, began: Instant, rows: u32) {
    let seconds = began.elapsed().as_secs_f64();
    if rows > 0 {
        let rate = f64::from(rows) / seconds;
        println!("{verb:<10} {what} in {seconds:.2} s, {rate:.0} rows/s");
    } else {
        println!("{verb:<10} {what}");
    }
}

/// How many rows are read back, about.
const SAMPLE: u32 = 200;
