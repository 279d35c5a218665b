//! SNS's query protocol: fields of a request, errors, XML.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use uuid::Uuid;

pub(super) const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// The fields of a query-protocol request.
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    pub(super) fn parse(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// `MessageAttributes.entry.<n>.Name` with its `.Value.DataType` and `.Value.StringValue`.
    pub(super) fn attributes(&self) -> Vec<Attribute> {
        let attribute = |(field, name): (&String, &String)| {
            let entry = field.strip_suffix(".Name")?;
            entry.strip_prefix("MessageAttributes.entry.")?;
            let of = |part: &str| self.text(&format!("{entry}.Value.{part}"));
            Some(Attribute {
                name: name.clone(),
                kind: of("DataType").unwrap_or("String").to_owned(),
                value: of("StringValue")?.to_owned(),
            })
        };
        self.0.iter().filter_map(attribute).collect()
    }
}

/// A message attribute.
pub(super) struct Attribute {
    pub(super) name: String,
    kind: String,
    pub(super) value: String,
}

impl Attribute {
    /// What it counts of the message's bytes.
    pub(super) fn bytes(&self) -> usize {
        self.name.len() + self.kind.len() + self.value.len()
    }

    pub(super) fn is_number(&self) -> bool {
        self.kind == "Number"
    }

    /// A finite number of at most 38 digits.
    pub(super) fn is_legal_number(&self) -> bool {
        let digits = self.value.bytes().filter(u8::is_ascii_digit).count();
        digits <= 38 && self.value.parse::<f64>().is_ok_and(f64::is_finite)
    }
}

/// An error of the query protocol.
pub(super) struct Fault {
    status: u16,
    code: &'static str,
    message: &'static str,
}

impl Fault {
    pub(super) fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self {
            status,
            code,
            message,
        }
    }

    pub(super) fn response(&self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let side = if status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        let error = format!(
            "<Error><Type>{side}</Type><Code>{}</Code><Message>{}</Message></Error>",
            self.code, self.message
        );
        xml(
            status,
            format!(
                "<ErrorResponse xmlns=\"{NAMESPACE}\">{error}<RequestId>{}</RequestId></ErrorResponse>",
                Uuid::now_v7()
            ),
        )
    }
}

pub(super) fn xml(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}
