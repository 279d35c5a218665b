//! What the original programs answered, as `tests/originals/record.py` wrote it down.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub(super) type Objects = BTreeMap<String, String>;

#[derive(Deserialize)]
pub(super) struct Recorded {
    pub(super) reasons: BTreeMap<String, Reason>,
    pub(super) programs: BTreeMap<String, Program>,
}

/// Why the answers may differ.
#[derive(Deserialize)]
pub(super) struct Reason {
    /// `wrong`: a defect of the original; `interface`: ours is stricter, or told otherwise, by intent.
    pub(super) of: String,
    pub(super) says: String,
}

#[derive(Deserialize)]
pub(super) struct Program {
    pub(super) from: From,
    pub(super) rows: Vec<Value>,
}

#[derive(Deserialize)]
pub(super) struct From {
    pub(super) repository: String,
    pub(super) commit: String,
}

/// What every row has.
#[derive(Deserialize)]
pub(super) struct Row<Of> {
    pub(super) name: String,
    pub(super) differs: Option<String>,
    pub(super) request: Request,
    #[serde(flatten)]
    pub(super) of: Of,
}

#[derive(Deserialize)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) host: String,
    pub(super) headers: Map<String, Value>,
    pub(super) body: Option<String>,
    pub(super) body_base64: Option<String>,
    #[serde(default)]
    pub(super) base64: bool,
}

#[derive(Deserialize)]
pub(super) struct OfS3 {
    pub(super) allowed: String,
    pub(super) registered: Option<String>,
    pub(super) origin: Objects,
    pub(super) backup: Objects,
    pub(super) fails: Vec<String>,
    pub(super) original: S3Answer,
}

#[derive(Deserialize)]
pub(super) struct S3Answer {
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) body: String,
    /// Bucket, key, action, and how it ended.
    pub(super) calls: Vec<[String; 4]>,
}

#[derive(Deserialize)]
pub(super) struct OfIntdash {
    pub(super) secret_file: String,
    pub(super) points: Option<Vec<f64>>,
    pub(super) reading_fails: bool,
    pub(super) publishing_fails: bool,
    pub(super) right_signature_hex: String,
    pub(super) original: IntdashAnswer,
}

#[derive(Deserialize)]
pub(super) struct IntdashAnswer {
    pub(super) status: u16,
    pub(super) published: Vec<String>,
    pub(super) logs_the_body: bool,
    pub(super) logs_the_signature: bool,
}

pub(super) fn recorded() -> Recorded {
    serde_json::from_str(include_str!("../../data/originals.json")).unwrap()
}

pub(super) fn rows<Of: for<'de> Deserialize<'de>>(program: &Program) -> Vec<Row<Of>> {
    let rows = program.rows.iter();
    rows.map(|row| Row::deserialize(row).unwrap()).collect()
}
