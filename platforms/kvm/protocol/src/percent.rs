//! Percent-encoding (RFC 3986 section 2.1), so that a word can carry any byte.

use alloc::string::String;

/// Whether `byte` stands for itself: it means nothing to a boot loader or to a shell.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~/=:,+@".contains(&byte)
}

/// Appends `bytes` to `text`, encoded where needed.
pub fn encode(bytes: &[u8], text: &mut String) {
    for &byte in bytes {
        if is_plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
        }
    }
}

/// The hexadecimal digit of `nibble`, which is below 16.
fn digit(nibble: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(nibble)])
}

/// The bytes that `text` stands for. A `%` without two hexadecimal digits stands for itself, as
/// a person may type one.
pub fn decode(text: &str) -> impl Iterator<Item = u8> {
    let mut rest = text.as_bytes();
    core::iter::from_fn(move || {
        let (byte, after) = match *rest {
            [] => return None,
            [b'%', high, low, ..] => match (value(high), value(low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => (b'%', 1),
            },
            [byte, ..] => (byte, 1),
        };
        rest = &rest[after..];
        Some(byte)
    })
}

/// The value of a hexadecimal digit.
fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn encoded(bytes: &[u8]) -> String {
        let mut text = String::new();
        encode(bytes, &mut text);
        text
    }

    #[test]
    fn every_byte_returns_and_none_splits_a_word() {
        let all: Vec<u8> = (0..=255).collect();
        let text = encoded(&all);
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
        assert_eq!(decode(&text).collect::<Vec<_>>(), all);
    }

    #[test]
    fn ordinary_text_stays_readable() {
        assert_eq!(encoded(b"--port=80,/a_b.c"), "--port=80,/a_b.c");
        assert_eq!(encoded(b"a b%\"$"), "a%20b%25%22%24");
    }

    #[test]
    fn a_percent_sign_without_digits_stands_for_itself() {
        assert!(decode("100%").eq(*b"100%"));
        assert!(decode("%4").eq(*b"%4"));
        assert!(decode("%zz%41").eq(*b"%zzA"));
    }
}
