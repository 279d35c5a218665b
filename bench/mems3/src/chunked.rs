//! `aws-chunked`, in which some clients send a body: a line with the length before each piece, a trailer after the last.

use bytes::{Bytes, BytesMut};

#[derive(Default)]
enum Expect {
    #[default]
    Length,
    Data,
    LineEnd,
    Trailer,
}

#[derive(Default)]
pub struct Decoder {
    expect: Expect,
    line: BytesMut,
    left: usize,
}

impl Decoder {
    /// Takes what came, and adds the object's own bytes in it to the pieces.
    pub fn push(&mut self, mut bytes: Bytes, pieces: &mut Vec<Bytes>) {
        while !bytes.is_empty() {
            match self.expect {
                Expect::Trailer => return,
                Expect::Data => {
                    let piece = bytes.split_to(self.left.min(bytes.len()));
                    self.left -= piece.len();
                    pieces.push(piece);
                    if self.left == 0 {
                        self.expect = Expect::LineEnd;
                    }
                }
                Expect::Length | Expect::LineEnd => {
                    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                        return self.line.extend_from_slice(&bytes);
                    };
                    self.line.extend_from_slice(&bytes.split_to(end + 1));
                    let line = self.line.split();
                    if matches!(self.expect, Expect::LineEnd) {
                        self.expect = Expect::Length;
                        continue;
                    }
                    let text = String::from_utf8_lossy(&line);
                    let length = text.trim().split(';').next().unwrap_or_default();
                    self.left = usize::from_str_radix(length, 16).unwrap_or(0);
                    self.expect = if self.left == 0 {
                        Expect::Trailer
                    } else {
                        Expect::Data
                    };
                }
            }
        }
    }
}
