//! Every public async function says what its caller loses by dropping its future half-way: a paragraph "Cancel safety".

use super::{Finding, Unit};

const CRATES: &[&str] =
    &["maniac", "maniac-http", "maniac-io", "maniac-raft", "maniac-runtime", "maniac-sync", "maniac-tls"];

pub(super) fn check(units: &[Unit<'_>]) -> Vec<Finding> {
    units.iter().filter(|unit| CRATES.contains(&unit.krate)).flat_map(check_unit).collect()
}

fn check_unit(unit: &Unit<'_>) -> Vec<Finding> {
    let is_public = |line: &str| {
        let line = line.trim_start();
        line.starts_with("pub async fn ") || line.starts_with("pub async unsafe fn ")
    };
    let silent = |index: &usize| is_public(&unit.code[*index]) && !says_cancel_safety(unit, *index);
    let message = "a public async fn has a paragraph \"Cancel safety\" in its documentation";
    (0..unit.code.len())
        .filter(silent)
        .map(|index| unit.finding("cancel", index, message.to_owned()))
        .collect()
}

/// Looks through the documentation above a function.
fn says_cancel_safety(unit: &Unit<'_>, index: usize) -> bool {
    unit.above(index).any(|at| unit.comments[at].to_lowercase().contains("cancel safety"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::lines;
    use super::*;

    #[test]
    fn public_async_functions_say_it() {
        let found = |text: &str| lines("crates/maniac-io/src/file.rs", text, |_, units| check(units));
        assert_eq!(
            found(
                "/// Reads.\n///\n/// # Cancel safety\n///\n/// Nothing is lost.\n#[must_use]\npub async fn read() {}"
            ),
            [0; 0]
        );
        assert_eq!(
            found("/// Reads.\npub async fn read() {}\nasync fn own() {}\npub(crate) async fn ours() {}"),
            [2]
        );
        assert_eq!(found("/// # Cancel safety\npub fn a() {}\npub async fn b() {}"), [3]);
        assert_eq!(
            found(
                "/// # Cancel safety\n///\n#[doc = example!(a,\n    \"b; [0]\"\n    \"c\"\n)]\npub async fn b() {}"
            ),
            [0; 0]
        );
        assert_eq!(
            found(
                "/// # Cancel safety\nfn a() {\n    f(\n    [0]\n}\n#[doc = x(\n    \"b\"\n)]\npub async fn b() {}"
            ),
            [9]
        );
        assert_eq!(
            lines("crates/maniac-driver/src/a.rs", "pub async fn b() {}", |_, units| check(units)),
            [0; 0]
        );
    }
}
