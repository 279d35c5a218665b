//! The list: files of a listing joined into a row a delivery, narrowed by a filter.

use super::{AttemptFacts, By, Facts, Verdict, delivery_of, made};
use crate::domain::delivery::DeliveryId;
use crate::domain::source::is_endpoint;
use std::collections::HashMap;

/// What a file of the inbox is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A delivery.
    Delivery(Facts),
    /// An attempt at its jobs.
    Attempt(AttemptFacts),
}

impl Kept {
    /// Of a file's name after the folder, with its group; none of what is not ours.
    #[must_use]
    pub fn of_name(name: &str) -> Option<(&str, Self)> {
        let (group, rest) = name.split_once('/')?;
        let kept = match rest.split_once('.')? {
            ("0", facts) => Self::Delivery(Facts::of_name(facts)?),
            ("1", facts) => Self::Attempt(AttemptFacts::of_name(facts)?),
            _ => return None,
        };
        Some((group, kept))
    }
}

/// How things stand with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All of its jobs are over.
    Done,
    /// There are jobs whose end nobody has told of yet.
    Pending,
    /// The last attempt failed, or it could not be received.
    Failed,
    /// There was nothing to do.
    Nothing,
    /// It was a handshake.
    Handshake,
    /// It was refused.
    Refused,
    /// It came to an endpoint, which only records.
    Recorded,
}

impl State {
    const ALL: [Self; 7] = [
        Self::Done,
        Self::Pending,
        Self::Failed,
        Self::Nothing,
        Self::Handshake,
        Self::Refused,
        Self::Recorded,
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Nothing => "nothing",
            Self::Handshake => "handshake",
            Self::Refused => "refused",
            Self::Recorded => "recorded",
        }
    }
}

/// A delivery in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: DeliveryId,
    /// What is known of it; none where it was not kept, and only its attempts were.
    pub facts: Option<Facts>,
    /// Oldest first.
    pub attempts: Vec<AttemptFacts>,
    /// An earlier one that is the same.
    pub duplicate_of: Option<DeliveryId>,
}

impl Row {
    /// When it came, in milliseconds since 1970.
    #[must_use]
    pub fn received(&self) -> u64 {
        made(self.id.0)
    }

    /// How things stand.
    #[must_use]
    pub fn state(&self) -> State {
        let planned = self.facts.as_ref().map_or(0, |facts| facts.jobs);
        // What was done before somebody had it received again counts no more.
        let begun = self.attempts.iter().rposition(|it| it.by == By::Replay);
        let round = &self.attempts[begun.unwrap_or_default()..];
        let good: usize = round.iter().map(|attempt| attempt.good).sum();
        let over = good >= planned.max(1);
        let dead = round.iter().any(|attempt| attempt.outcome == "dead");
        // A dead letter that was sent again may have been done since.
        let redriven = |attempt: &AttemptFacts| attempt.by == By::Redrive && attempt.is_good();
        let dead = dead && !(over && round.iter().any(redriven));
        match (round.last(), &self.facts) {
            (Some(last), _) if dead || matches!(last.outcome, "failed" | "dead") => State::Failed,
            (Some(_), _) if !over => State::Pending,
            // What is lost of it no attempt mends.
            (Some(_), Some(facts)) if facts.verdict == Verdict::Partial => State::Failed,
            (Some(_), _) => State::Done,
            (None, Some(facts)) => match facts.verdict {
                Verdict::Accepted | Verdict::Partial if facts.jobs > 0 => State::Pending,
                Verdict::Partial => State::Failed,
                Verdict::Accepted if facts.source.as_deref().is_some_and(is_endpoint) => {
                    State::Recorded
                }
                Verdict::Accepted => State::Nothing,
                Verdict::Handshake => State::Handshake,
                Verdict::Failed => State::Failed,
                _ => State::Refused,
            },
            (None, None) => State::Nothing,
        }
    }
}

/// Joins files, in the order of their names, into rows, newest first, and finds those that are the same as an earlier one. Both
/// were accepted: a refused delivery began nothing that another could repeat.
#[must_use]
pub fn rows<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (group, kept) in names.filter_map(Kept::of_name) {
        let Some(id) = delivery_of(group) else {
            continue;
        };
        if rows.last().is_none_or(|row| row.id != id) {
            rows.push(Row {
                id,
                facts: None,
                attempts: Vec::new(),
                duplicate_of: None,
            });
        }
        if let Some(row) = rows.last_mut() {
            match kept {
                Kept::Delivery(facts) => row.facts = Some(facts),
                Kept::Attempt(facts) => row.attempts.push(facts),
            }
        }
    }
    for row in &mut rows {
        row.attempts.sort_by_key(|attempt| attempt.id);
    }
    let mut first: HashMap<(Option<String>, String), DeliveryId> = HashMap::new();
    for row in rows.iter_mut().rev() {
        let Some(facts) = row.facts.as_ref().filter(|facts| facts.can_repeat()) else {
            continue;
        };
        let same = (facts.source.clone(), facts.same.clone());
        let known = *first.entry(same).or_insert(row.id);
        row.duplicate_of = (known != row.id).then_some(known);
    }
    rows
}

/// Whether a filter can ask for this status.
///
/// # Errors
/// A sentence that says what can be asked for.
pub fn known_status(word: &str) -> Result<(), String> {
    let states = State::ALL.map(State::word);
    let verdicts = Verdict::ALL.map(Verdict::word);
    if states.contains(&word) || verdicts.contains(&word) {
        return Ok(());
    }
    let mut known = states.to_vec();
    known.extend(verdicts.iter().filter(|word| !states.contains(word)));
    Err(format!("status: expected one of {}", known.join(", ")))
}

/// The words for states and verdicts that a delivery can have which nothing proves.
const OF_STRANGERS: [&str; 7] = [
    "refused",
    "handshake",
    "malformed",
    "unauthentic",
    "forbidden",
    "unknown",
    "too_large",
];

/// Which deliveries are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this source; `-` of none.
    pub source: Option<String>,
    /// With this state; a word that is no state is a verdict.
    pub status: Option<String>,
    /// With this text in source, id or title, in whatever case.
    pub text: Option<String>,
    /// Not older than this, in milliseconds since 1970.
    pub after: Option<u64>,
    /// Not newer than this, likewise.
    pub until: Option<u64>,
    /// None of those that nothing proves.
    pub without_strangers: bool,
}

impl Filter {
    /// Whether a delivery that nothing proves may be wanted. Else nobody needs to look among them, however many there are.
    #[must_use]
    pub fn wants_strangers(&self) -> bool {
        let status = self.status.as_deref();
        !self.without_strangers && status.is_none_or(|word| OF_STRANGERS.contains(&word))
    }

    /// Whether a delivery is wanted.
    #[must_use]
    pub fn wants(&self, row: &Row) -> bool {
        let facts = row.facts.as_ref();
        let source = facts.and_then(|facts| facts.source.as_deref());
        let right_source = self
            .source
            .as_deref()
            .is_none_or(|wanted| source.unwrap_or("-") == wanted);
        let right_status = self.status.as_deref().is_none_or(|wanted| {
            let is_state = State::ALL.iter().any(|state| state.word() == wanted);
            // A word that is both asks for how things stand now.
            if is_state {
                row.state().word() == wanted
            } else {
                facts.is_some_and(|facts| facts.verdict.word() == wanted)
            }
        });
        let has = |text: &str| {
            let title = facts.map_or("", |facts| &facts.title);
            [source.unwrap_or_default(), title, &row.id.to_string()]
                .iter()
                .any(|place| place.to_lowercase().contains(text))
        };
        let text = self.text.as_deref().map(str::to_lowercase);
        let at = row.received();
        right_source
            && right_status
            && text.is_none_or(|text| has(&text))
            && self.after.is_none_or(|after| at >= after)
            && self.until.is_none_or(|until| at <= until)
    }
}
