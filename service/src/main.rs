//! Start-up: guard the process, do what the command line asks, and say how it ended.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use service::cli::Cli;
use service::{failure, process};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Without an output there is still the status.
            drop(error.print());
            return failure::of_command_line(&error);
        }
    };
    match process::harden().and_then(|()| cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Without a standard error there is still the status.
            drop(writeln!(io::stderr(), "{failure}"));
            failure.exit_code()
        }
    }
}
