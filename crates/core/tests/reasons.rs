//! Every reason code has its line in `docs/reasons.md`, and every line its code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use countersign_core::Reason;

#[test]
fn codes_and_their_page_agree() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reasons.md");
    let text = fs::read_to_string(page).expect("docs/reasons.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let all = Reason::all();
    let codes: BTreeSet<&str> = all.iter().map(Reason::code).collect();
    assert_eq!(documented, codes);
}

#[test]
fn refusals_of_tokens_challenge_and_nothing_else_does() {
    for reason in Reason::all() {
        let status = reason.status().as_u16();
        let about_tokens = matches!(status, 401 | 403)
            && reason != Reason::TokenLapsed
            && !reason.is_authorization();
        assert_eq!(reason.challenge().is_some(), about_tokens, "{reason:?}");
    }
}
