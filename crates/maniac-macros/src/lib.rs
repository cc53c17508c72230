//! The macros of the maniac runtime: `#[main]`, `#[test]`, `select!`, `join!`, `try_join!`.
//!
//! Programs use them through the crate `maniac`, whose documentation shows them at work; what they expand to names `::maniac` only.
#![forbid(unsafe_code)]

mod entry;
mod join;
mod select;

use proc_macro::TokenStream;

/// Runs an `async fn main` in a runtime.
///
/// Arguments: `workers = 4` (default: as many as processors), `single_threaded`, `unsafe(coroutines)` (the contract of
/// `RuntimeBuilder::coroutines`). The body runs on the main thread, the tasks that it spawns on the workers.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(arguments.into(), item.into(), entry::Kind::Main).into()
}

/// Runs an `async fn` test in a runtime of its own; arguments as for `main`, `workers = 1` by default, and `start_paused` for virtual time
/// (`single_threaded` then).
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(arguments.into(), item.into(), entry::Kind::Test).into()
}

/// Waits for several futures at once and goes on with the first that is done; the others are dropped.
#[proc_macro]
pub fn select(input: TokenStream) -> TokenStream {
    select::expand(input.into()).into()
}

/// Waits for several futures at once, until all are done; gives their values as a tuple.
#[proc_macro]
pub fn join(input: TokenStream) -> TokenStream {
    join::expand(input.into(), join::Kind::All).into()
}

/// As `join!` for futures of `Result`s: gives the values, or the first error, and drops what is left then.
#[proc_macro]
pub fn try_join(input: TokenStream) -> TokenStream {
    join::expand(input.into(), join::Kind::UntilError).into()
}
