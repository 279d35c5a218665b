//! What senders are answered: status and body for whatever became of a delivery.

use super::{as_json, inbox::encoded, status_without};
use crate::domain::bound::Bound;
use crate::domain::delivery::{DeliveryId, Rejection};
use crate::domain::handshake::Answer;
use crate::receipt::{About, Ended, Entry, Receipt, Refusal};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So long may the outcomes in an answer be, in bytes as Lambda counts them: it hands back 6 MB, and where that is too little the
/// sender is told a failure although the work is done.
static OUTCOMES_MAX: Bound<usize> = Bound::new("answer.outcomes", 1 << 20);

/// The answer to a handshake.
fn shaken(answer: Answer) -> Response {
    const OK: StatusCode = StatusCode::OK;
    match answer {
        Answer::Signature(signature) => as_json(OK, &json!({ "signature": signature })),
        Answer::ResponseToken(token) => as_json(OK, &json!({ "response_token": token })),
        // Never as anything that a browser would run.
        Answer::Echo(text) => {
            let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (OK, kind, text).into_response()
        }
        Answer::Allowed { origin, rate } => {
            let mut response = OK.into_response();
            let headers = response.headers_mut();
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            headers.insert("webhook-allowed-origin", origin);
            if let Some(rate) = rate {
                headers.insert("webhook-allowed-rate", rate.into());
            }
            response
        }
    }
}

/// Status and body for what became of a delivery.
pub(super) fn answer(id: DeliveryId, received: Result<Receipt, Refusal>) -> Response {
    let id = id.to_string();
    let (status, answer) = match received {
        Ok(Receipt::Answer(answer)) => return shaken(answer),
        Ok(Receipt::Confirmed) => (StatusCode::OK, json!({"delivery": id, "outcomes": []})),
        Ok(Receipt::Done { entries, queued }) => {
            let status = status_of(&entries);
            // Of what is well in the queue there is nothing more to say.
            let lost = |entry: &Entry| !matches!(entry.ended, Ended::Queued | Ended::Well(_));
            let says = queued == 0 || entries.iter().any(lost);
            let mut answer = json!({"delivery": id});
            if queued > 0 {
                answer["queued"] = json!(queued);
            }
            if says {
                let (outcomes, counts) = outcomes(&entries);
                answer["outcomes"] = json!(outcomes);
                if let Some(counts) = counts {
                    answer["counts"] = json!(counts);
                }
            }
            (status, answer)
        }
        Err(Refusal::Rejected(rejection)) => {
            let status = match rejection {
                Rejection::Malformed(_) => StatusCode::BAD_REQUEST,
                Rejection::Unauthentic => StatusCode::UNAUTHORIZED,
                Rejection::Forbidden | Rejection::Topic(_) => StatusCode::FORBIDDEN,
                Rejection::Unknown => StatusCode::NOT_FOUND,
                Rejection::Method => StatusCode::METHOD_NOT_ALLOWED,
            };
            (
                status,
                json!({"delivery": id, "error": rejection.to_string()}),
            )
        }
        Err(Refusal::NoBody(why)) => (
            status_without(why),
            json!({"delivery": id, "error": why.reason()}),
        ),
        Err(Refusal::TooMany(seconds)) => {
            let answer = json!({"delivery": id, "error": "too many deliveries"});
            let mut response = as_json(StatusCode::TOO_MANY_REQUESTS, &answer);
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, seconds.into());
            return response;
        }
        Err(Refusal::Failed(_)) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            json!({"delivery": id, "outcomes": []}),
        ),
    };
    as_json(status, &answer)
}

/// Every record was tried. Only what another delivery may mend asks for one: whatever is wrong with one record for good must not
/// hold up a sender that goes on with the next delivery when this one is acknowledged. What is wrong as a whole is told as such.
fn status_of(entries: &[Entry]) -> StatusCode {
    let all = |ended| !entries.is_empty() && entries.iter().all(|entry| entry.ended == ended);
    if all(Ended::Malformed) {
        StatusCode::BAD_REQUEST
    } else if entries.iter().any(|entry| entry.ended == Ended::Failed) {
        StatusCode::INTERNAL_SERVER_ERROR
    } else if all(Ended::Forbidden) {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::OK
    }
}

/// The outcomes, as many as an answer has room for; where that is not all of them, also how many there are of each.
fn outcomes(entries: &[Entry]) -> (Vec<Value>, Option<BTreeMap<&'static str, usize>>) {
    let mut room = OUTCOMES_MAX.get();
    let (mut listed, mut counts) = (Vec::new(), BTreeMap::new());
    let mut all = 0;
    for entry in entries {
        let Some(word) = word(entry.ended) else {
            continue;
        };
        *counts.entry(word).or_default() += 1;
        all += 1;
        let outcome = outcome(entry, word);
        let long = encoded(&outcome) + 1;
        // Once one has no room, those after it are left out, too: the first of them are listed.
        room = room.saturating_sub(long);
        if room > 0 {
            listed.push(outcome);
        }
    }
    let cut = listed.len() < all;
    (listed, cut.then_some(counts))
}

/// The word for how an entry ended; none while there is no outcome yet.
fn word(ended: Ended) -> Option<&'static str> {
    match ended {
        Ended::Queued => None,
        Ended::Well(outcome) => Some(outcome.word()),
        Ended::Failed | Ended::Final(_) => Some("failed"),
        Ended::Malformed => Some("malformed"),
        Ended::Forbidden => Some("ignored"),
    }
}

fn outcome(entry: &Entry, word: &str) -> Value {
    let mut outcome = match &entry.about {
        About::Object { bucket, key } => {
            json!({"job": "mirror", "bucket": bucket, "key": key, "outcome": word})
        }
        About::Measurement(measurement) => {
            json!({"job": "summary", "measurement": measurement, "outcome": word})
        }
        About::Forward { event, id } => {
            json!({"job": "forward", "event": event, "id": id, "outcome": word})
        }
        About::Nothing => json!({"outcome": word}),
    };
    if let Ended::Final(reason) = entry.ended {
        outcome["reason"] = json!(reason);
    }
    outcome
}
