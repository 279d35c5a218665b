//! What a test's own thread logs.

use serde_json::Value;
use std::sync::{Arc, Mutex};

/// What this thread logs, as long as this lives.
pub(crate) struct Logs {
    lines: Arc<Mutex<Vec<u8>>>,
    _until: tracing::subscriber::DefaultGuard,
}

struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Logs {
    pub(crate) fn new() -> Self {
        let lines = Arc::<Mutex<Vec<u8>>>::default();
        let to = Arc::clone(&lines);
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_writer(move || Lines(Arc::clone(&to)))
            .finish();
        let _until = tracing::subscriber::set_default(subscriber);
        Self { lines, _until }
    }

    /// All that was logged so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.lines.lock().unwrap().clone()).unwrap()
    }

    /// The lines with this message since the last look; the others are gone.
    pub(crate) fn lines(&self, message: &str) -> Vec<Value> {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        let lines = String::from_utf8(lines).unwrap();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["message"] == message)
            .collect()
    }
}
