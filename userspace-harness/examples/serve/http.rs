//! HTTP/1.1 (RFC 9112) as far as a folder needs it: GET and HEAD, persistent and pipelined
//! requests, single byte ranges. Bytes in, bytes out: nothing here touches a socket or a file.

use std::ops::Range;

/// The longest path.
const PATH_MAX: usize = 1023;

/// A request head, parsed.
#[derive(PartialEq, Eq, Debug)]
pub struct Request {
    pub body: Body,
    pub keep_alive: bool,
    /// The method is one that is served: GET or HEAD.
    pub method_is_served: bool,
    /// Decoded; begins with a slash and leads nowhere above it.
    pub path: Vec<u8>,
    pub range: Option<RangeWanted>,
}

/// Whether the answer's body is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    Sent,
    /// For HEAD.
    LeftOut,
}

/// The bytes that a request asks for (RFC 9110, 14.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RangeWanted {
    /// From the first on, to the end.
    From(u64),
    /// Both included.
    Between(u64, u64),
    /// So many at the end.
    Last(u64),
}

/// Why there is no file in an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    BadRequest = 400,
    NotFound = 404,
    MethodNotAllowed = 405,
    ContentTooLarge = 413,
    HeadTooLarge = 431,
}

impl Status {
    fn reason(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad Request",
            Self::NotFound => "Not Found",
            Self::MethodNotAllowed => "Method Not Allowed",
            Self::ContentTooLarge => "Content Too Large",
            Self::HeadTooLarge => "Request Header Fields Too Large",
        }
    }

    /// Whether where the next request begins cannot be known.
    pub fn ends_the_connection(self) -> bool {
        matches!(
            self,
            Self::BadRequest | Self::ContentTooLarge | Self::HeadTooLarge
        )
    }
}

/// A file to answer with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Content {
    media_type: &'static str,
    size: u64,
}

impl Content {
    /// The file of this name and size.
    pub fn new(name: &[u8], size: u64) -> Self {
        Self {
            media_type: media_type(name),
            size,
        }
    }
}

/// How long the request head at the front of `input` is, if all of it is there.
pub fn head_length(input: &[u8]) -> Option<usize> {
    input
        .windows(4)
        .position(|end| end == b"\r\n\r\n")
        .map(|at| at + 4)
}

/// Reads a head, which ends with an empty line.
pub fn parse(head: &[u8]) -> Result<Request, Status> {
    let head = std::str::from_utf8(head).map_err(|_| Status::BadRequest)?;
    if head.contains('\0') {
        return Err(Status::BadRequest);
    }
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().splitn(3, ' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next())
    else {
        return Err(Status::BadRequest);
    };
    let minor = version
        .strip_prefix("HTTP/1.")
        .filter(|minor| minor.len() == 1);
    let persistent = minor.ok_or(Status::BadRequest)? >= "1";
    let mut request = Request {
        body: if method == "HEAD" {
            Body::LeftOut
        } else {
            Body::Sent
        },
        keep_alive: persistent,
        method_is_served: method == "GET" || method == "HEAD",
        path: decode_path(target).ok_or(Status::BadRequest)?,
        range: None,
    };
    let has_host = parse_fields(lines.take_while(|line| !line.is_empty()), &mut request)?;
    if persistent && !has_host {
        // RFC 9112, 3.2.
        return Err(Status::BadRequest);
    }
    Ok(request)
}

/// Reads the header fields. Returns whether Host was among them.
fn parse_fields<'a>(
    lines: impl Iterator<Item = &'a str>,
    request: &mut Request,
) -> Result<bool, Status> {
    let mut has_host = false;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Status::BadRequest)?;
        if name.is_empty() || name.contains([' ', '\t']) {
            // RFC 9112, 5.1: no white space before the colon.
            return Err(Status::BadRequest);
        }
        let value = value.trim_start_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "host" => has_host = true,
            "range" => request.range = parse_range(value),
            "connection" => match value.to_ascii_lowercase() {
                value if value.contains("close") => request.keep_alive = false,
                value if value.contains("keep-alive") => request.keep_alive = true,
                _ => {}
            },
            // No method here has use for a body.
            "transfer-encoding" => return Err(Status::ContentTooLarge),
            "content-length" if value != "0" => return Err(Status::ContentTooLarge),
            _ => {}
        }
    }
    Ok(has_host)
}

/// The path of a request target; `None` if it is malformed, too long, or leads out of the folder.
fn decode_path(target: &str) -> Option<Vec<u8>> {
    let mut bytes = target.split('?').next()?.bytes();
    let mut path = Vec::new();
    while let Some(byte) = bytes.next() {
        path.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            byte => byte,
        });
    }
    let leads_up = path.split(|byte| *byte == b'/').any(|name| name == b"..");
    let valid = path.starts_with(b"/") && path.len() <= PATH_MAX && !path.contains(&0);
    (valid && !leads_up).then_some(path)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// Reads `bytes=...` (RFC 9110, 14.2). What is not a single range is ignored, as the RFC lets a
/// server do.
fn parse_range(value: &str) -> Option<RangeWanted> {
    let (unit, range) = value.split_once('=')?;
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())?
    };
    match (unit.eq_ignore_ascii_case("bytes"), first, last) {
        (false, ..) | (true, "", "") => None,
        (true, "", last) => Some(RangeWanted::Last(number(last)?)),
        (true, first, "") => Some(RangeWanted::From(number(first)?)),
        (true, first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(RangeWanted::Between(first, last))
        }
    }
}

/// The head of an answer with a file, and which part of it follows; `None` if there is no such
/// part.
pub fn answer(request: &Request, content: Content, closing: bool) -> (Vec<u8>, Option<Range<u64>>) {
    let Content { media_type, size } = content;
    let part = match request.range {
        None => 0..size,
        Some(RangeWanted::From(first)) => first..size,
        Some(RangeWanted::Between(first, last)) => first..size.min(last.saturating_add(1)),
        Some(RangeWanted::Last(count)) => size.saturating_sub(count)..size,
    };
    if request.range.is_some() && part.is_empty() {
        let mut head = status_line("416 Range Not Satisfiable", closing);
        head += &format!("Content-Range: bytes */{size}\r\nContent-Length: 0\r\n\r\n");
        return (head.into_bytes(), None);
    }
    let status = if request.range.is_some() {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    let mut head = status_line(status, closing);
    head += &format!("Content-Type: {media_type}\r\nAccept-Ranges: bytes\r\n");
    if request.range.is_some() {
        let (first, last) = (part.start, part.end - 1);
        head += &format!("Content-Range: bytes {first}-{last}/{size}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", part.end - part.start);
    (head.into_bytes(), Some(part))
}

/// An answer that says why there is no file.
pub fn refusal(status: Status, closing: bool, body: Body) -> Vec<u8> {
    let line = format!("{} {}", status as u16, status.reason());
    let mut answer = status_line(&line, closing);
    if status == Status::MethodNotAllowed {
        answer += "Allow: GET, HEAD\r\n";
    }
    let length = line.len() + 1;
    answer += &format!("Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n");
    if body == Body::Sent {
        answer += &line;
        answer.push('\n');
    }
    answer.into_bytes()
}

/// The status line and what all answers have. The name is that of `examples/httpd`, so that both
/// answer the same.
fn status_line(status: &str, closing: bool) -> String {
    let connection = if closing { "Connection: close\r\n" } else { "" };
    format!("HTTP/1.1 {status}\r\nServer: httpd\r\n{connection}")
}

fn media_type(name: &[u8]) -> &'static str {
    let extension = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    match extension.to_ascii_lowercase().as_slice() {
        b"html" => "text/html; charset=utf-8",
        b"css" => "text/css; charset=utf-8",
        b"js" => "text/javascript",
        b"txt" => "text/plain; charset=utf-8",
        b"svg" => "image/svg+xml",
        b"png" => "image/png",
        b"jpg" => "image/jpeg",
        b"json" => "application/json",
        _ => "application/octet-stream",
    }
}
