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
///
/// ```
/// #[maniac::main(workers = 2)]
/// async fn main() {
///     let answer = maniac::spawn(async { 6 * 7 }).await;
///     assert_eq!(answer.unwrap(), 42);
/// }
/// ```
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(arguments.into(), item.into(), entry::Kind::Main).into()
}

/// Runs an `async fn` test in a runtime of its own; arguments as for `main`, `workers = 1` by default, and `start_paused` for virtual time
/// (`single_threaded` then).
///
/// ```
/// use maniac::time::{Duration, Instant, sleep};
///
/// async fn a_day_passes() {
///     let start = Instant::now();
///     sleep(Duration::from_secs(86_400)).await;
///     assert!(start.elapsed() >= Duration::from_secs(86_400));
/// }
///
/// #[maniac::test(start_paused)]
/// async fn a_day_passes_at_once() {
///     a_day_passes().await;
/// }
/// # // An example is compiled without its tests: here is what that one does.
/// # maniac::runtime::Runtime::new_single_threaded()?.block_on(async {
/// #     maniac::time::pause();
/// #     a_day_passes().await;
/// # });
/// # Ok::<(), maniac::runtime::BuildError>(())
/// ```
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(arguments.into(), item.into(), entry::Kind::Test).into()
}

/// Waits for several futures at once and goes on with the first that is done; the others are dropped.
///
/// ```
/// use maniac::time::{Duration, sleep};
///
/// #[maniac::main]
/// async fn main() {
///     let (send, receive) = maniac::sync::oneshot::channel();
///     send.send(7).unwrap();
///     let said = maniac::select! {
///         answer = receive => answer.unwrap(),
///         () = sleep(Duration::from_secs(3600)) => panic!("an hour without an answer"),
///     };
///     assert_eq!(said, 7);
/// }
/// ```
#[proc_macro]
pub fn select(input: TokenStream) -> TokenStream {
    select::expand(input.into()).into()
}

/// Waits for several futures at once, until all are done; gives their values as a tuple.
///
/// ```
/// #[maniac::main]
/// async fn main() {
///     let (ask, asked) = maniac::sync::oneshot::channel();
///     let sum = async { asked.await.unwrap() + 1 };
///     let (sent, sum) = maniac::join!(async { ask.send(6) }, sum);
///     assert_eq!((sent, sum), (Ok(()), 7));
/// }
/// ```
#[proc_macro]
pub fn join(input: TokenStream) -> TokenStream {
    join::expand(input.into(), join::Kind::All).into()
}

/// As `join!` for futures of `Result`s: gives the values, or the first error, and drops what is left then.
///
/// ```
/// #[maniac::main]
/// async fn main() {
///     let parse = async |text: &str| text.parse::<u32>();
///     assert_eq!(maniac::try_join!(parse("6"), parse("7")), Ok((6, 7)));
///     assert!(maniac::try_join!(parse("six"), std::future::pending::<Result<(), _>>()).is_err());
/// }
/// ```
#[proc_macro]
pub fn try_join(input: TokenStream) -> TokenStream {
    join::expand(input.into(), join::Kind::UntilError).into()
}
