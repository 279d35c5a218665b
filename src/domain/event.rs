//! What an authentic delivery says happened. An event of a bucket is a hint; the origin is the truth.

use super::forward::Forward;

/// One object of one origin bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// The source's name.
    pub source: String,
    /// The bucket as the source's allow-list spells it: `project/bucket` or `bucket`.
    pub origin: String,
    /// The key, decoded.
    pub key: String,
}

impl ObjectRef {
    /// The origin bucket as a mark names it.
    #[must_use]
    pub fn origin_id(&self) -> String {
        format!("{}/{}", self.source, self.origin)
    }

    /// The bucket's own name, without the project.
    #[must_use]
    pub fn bucket(&self) -> &str {
        bucket_of(&self.origin)
    }
}

/// The own name of a bucket that an allow-list spells `project/bucket` or `bucket`.
#[must_use]
pub fn bucket_of(origin: &str) -> &str {
    origin.rsplit_once('/').map_or(origin, |(_, bucket)| bucket)
}

/// One origin bucket of a source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginRef {
    /// The source's name.
    pub source: String,
    /// The bucket as the source's allow-list spells it.
    pub origin: String,
}

impl OriginRef {
    /// As a mark names it.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.source, self.origin)
    }
}

/// One measurement of an intdash project.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MeasurementRef {
    /// The source's name.
    pub source: String,
    /// UUID of the project.
    pub project: String,
    /// UUID of the measurement.
    pub measurement: String,
    /// By what it is known again that it has finished; none where an operator asks for a summary, or an early version did.
    pub occurrence: Option<String>,
}

/// What one record of a delivery says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something happened to this key. An encoding that the sender does not document gives a key two readings; looking at
    /// both is harmless.
    Object(Vec<ObjectRef>),
    /// A measurement has finished.
    Measurement(MeasurementRef),
    /// Something at a sender that we only hand on.
    Forward(Forward),
    /// Authentic, and nothing to do for it.
    Nothing {
        /// The bucket it names, if it does.
        bucket: Option<String>,
        /// The key it names, as on the wire.
        key: Option<String>,
        /// Why there is nothing to do, for the log.
        reason: String,
    },
    /// Names a project or bucket that is not on the allow-list.
    Forbidden {
        /// The bucket it names.
        bucket: String,
        /// The key it names, as on the wire.
        key: String,
    },
    /// A record without the fields that every dialect has. The sentence says what is missing.
    Malformed(String),
}

impl Event {
    /// There is nothing to do for all of a delivery.
    #[must_use]
    pub fn nothing(reason: String) -> Self {
        Self::Nothing {
            bucket: None,
            key: None,
            reason,
        }
    }
}
