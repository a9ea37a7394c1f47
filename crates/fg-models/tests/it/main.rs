//! The models from the outside: against closed forms, on files, and as the programs a user runs.

mod command_line;
mod files;
mod linear;
mod two_layer;
