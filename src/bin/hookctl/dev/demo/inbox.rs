//! The last step: what was delivered in the steps before is in the inbox, for who has its token and for nobody else.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{LIMIT, Local, Proof, until};

/// What the steps have delivered at least: whose, how it stands, how many.
const EXPECTED: [(&str, &str, usize); 4] = [
    ("vk", "handshake", 1),
    // Two objects, a removal, and a removal that never was.
    ("vk", "done", 4),
    ("intdash", "done", 1),
    ("intdash", "rejected", 1),
];

pub(super) async fn has_it_all(local: &mut Local) -> Result<Proof> {
    let url = format!("{}/inbox/api/deliveries?limit=50", local.url);
    let ask = || local.http.get(&url).timeout(LIMIT);
    let stranger = ask().send().await?.status();
    ensure!(stranger == 401, "a stranger is answered {stranger}");
    let counted = until("what was delivered is not in it", async || {
        let answer = ask().bearer_auth(&local.inbox_token).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status == 200, "GET {url} answered {status} {text:?}");
        let counted = counted(&serde_json::from_str(&text)?);
        let has = |(source, state, least): (&str, &str, usize)| {
            let found = counted.get(&(source.to_owned(), state.to_owned()));
            found.is_some_and(|found| *found >= least)
        };
        Ok(EXPECTED.into_iter().all(has).then_some(counted))
    })
    .await?;
    let told: Vec<_> = counted
        .iter()
        .map(|((source, state), count)| format!("{count} of {source} {state}"))
        .collect();
    Ok(Proof::of([
        ("deliveries", told.join(", ")),
        ("a stranger", "is answered 401".to_owned()),
    ]))
}

/// How many there are of each source in each state.
fn counted(list: &Value) -> BTreeMap<(String, String), usize> {
    let mut counted = BTreeMap::new();
    for row in list["deliveries"].as_array().into_iter().flatten() {
        let word = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
        *counted.entry((word("source"), word("state"))).or_default() += 1;
    }
    counted
}
