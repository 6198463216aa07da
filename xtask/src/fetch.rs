//! Just enough HTTP to ask a server for a file and see all that it answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// How long a server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server's whole answer: head and body as they came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    bytes: Vec<u8>,
}

impl Answer {
    /// The status code, if this is an answer in HTTP at all.
    pub fn status(&self) -> Option<u16> {
        let line = self.bytes.split(|&byte| byte == b'\r').next()?;
        let line = str::from_utf8(line).ok()?;
        let code = line.strip_prefix("HTTP/1.1 ")?.split(' ').next()?;
        code.parse().ok()
    }
}

/// Asks the server at `address` for `path` and reads until it closes the connection.
pub fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    fetch(address, path).with_context(|| format!("http://{address}{path}"))
}

fn fetch(address: SocketAddr, path: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(Answer { bytes })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn an_answer_has_a_status_and_ends_with_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the listener is bound");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept()?;
            let mut request = [0; 512];
            let length = stream.read(&mut request)?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")?;
            Ok::<_, std::io::Error>(request[..length].to_vec())
        });
        let answer = get(address, "/page").expect("the server answers");
        assert_eq!(answer.status(), Some(200));
        assert!(answer.bytes.ends_with(b"\r\n\r\nhi"));
        let request = server.join().expect("the server ends").expect("it reads");
        assert!(request.starts_with(b"GET /page HTTP/1.1\r\n"));
    }

    #[test]
    fn what_is_no_answer_has_no_status() {
        let answer = Answer {
            bytes: b"SSH-2.0".to_vec(),
        };
        assert_eq!(answer.status(), None);
    }
}
