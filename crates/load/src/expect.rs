//! What every answer must be, and the judgement on it.

use crate::fault::{Fault, show};

/// What every answer must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expect {
    pub(crate) status: u16,
    pub(crate) bytes: Option<u64>,
}

impl Expect {
    /// Holds an answer against what it must be. `sample` is how its body begins.
    ///
    /// # Errors
    /// When it is something else, with the answer.
    pub(crate) fn judge(self, status: u16, bytes: u64, sample: &[u8]) -> Result<(), Fault> {
        if status == self.status && self.bytes.is_none_or(|it| it == bytes) {
            return Ok(());
        }
        let expected = match self.bytes {
            Some(bytes) if status == self.status => format!("{bytes} bytes"),
            _ => self.status.to_string(),
        };
        let body = show(sample);
        let message = format!("expected {expected}, got {status} with {bytes} bytes: {body}");
        Err(Fault::failure(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_not_as_expected_are_shown() {
        let (status, any) = (200, None);
        let exact = Some(6);
        let judge = |bytes, answer: (u16, u64, &str)| {
            Expect { status, bytes }
                .judge(answer.0, answer.1, answer.2.as_bytes())
                .map_err(|fault| fault.to_string())
        };
        assert_eq!(judge(any, (200, 7, "hello!\n")), Ok(()));
        assert_eq!(judge(exact, (200, 6, "hello\n")), Ok(()));
        let told = judge(any, (401, 14, "Jwt is expired"));
        let expected = "expected 200, got 401 with 14 bytes: Jwt is expired";
        assert_eq!(told, Err(expected.to_owned()));
        let told = judge(exact, (200, 0, ""));
        assert_eq!(
            told,
            Err("expected 6 bytes, got 200 with 0 bytes: ".to_owned())
        );
        let told = judge(exact, (503, 6, "bad eyJh.eyJz.x"));
        let expected = "expected 200, got 503 with 6 bytes: bad [token]";
        assert_eq!(told, Err(expected.to_owned()));
    }
}
