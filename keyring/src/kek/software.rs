//! A KEK in a file, for development and tests.
