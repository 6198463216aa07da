//! `examples/serve` over a TAP interface answers what `examples/httpd` answers on Linux itself, byte
//! for byte.

#[path = "../../platforms/linux/tests/support/mod.rs"]
mod support;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use support::Interface;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PATIENCE: Duration = Duration::from_secs(20);
/// Larger than any buffer on its way.
const LARGE: usize = 5_000_000;

/// What the answers to one connection are compared of: requests, the last of which ends it.
const CONVERSATIONS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET /style.css HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET /guide HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET //guide/?query HTTP/1.0\r\n\r\n",
    "GET /gui%64e/index.html HTTP/1.0\r\n\r\n",
    "GET /large HTTP/1.0\r\n\r\n",
    "GET /empty HTTP/1.0\r\n\r\n",
    "HEAD /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET /missing HTTP/1.0\r\n\r\n",
    "HEAD /missing HTTP/1.0\r\n\r\n",
    "GET /folder-without-index HTTP/1.0\r\n\r\n",
    "GET /index.html/below HTTP/1.0\r\n\r\n",
    "GET /large HTTP/1.0\r\nRange: bytes=10-19\r\n\r\n",
    "GET /large HTTP/1.0\r\nRange: bytes=4999990-\r\n\r\n",
    "GET /large HTTP/1.0\r\nRange: bytes=-7\r\n\r\n",
    "GET /large HTTP/1.0\r\nRange: bytes=4999999-9999999\r\n\r\n",
    "GET /large HTTP/1.0\r\nRange: bytes=5000000-\r\n\r\n",
    "GET /style.css HTTP/1.0\r\nRange: bytes=9-1\r\n\r\n",
    "GET /style.css HTTP/1.0\r\nRange: bytes=1-2,4-5\r\n\r\n",
    "GET /style.css HTTP/1.0\r\nRange: lines=1-2\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD /style.css HTTP/1.1\r\nHost: x\r\n\r\n\
     GET /missing HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\n\r\n\
     GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\
     GET /guide/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET /../etc/passwd HTTP/1.0\r\n\r\n",
    "GET /%2e%2e/etc/passwd HTTP/1.0\r\n\r\n",
    "GET /%zz HTTP/1.0\r\n\r\n",
    "GET no-slash HTTP/1.0\r\n\r\n",
    "GET / HTTP/2.0\r\n\r\n",
    "nonsense\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
];

#[test]
fn both_servers_answer_the_same() {
    let folder = folder();
    let Some(httpd) = build_httpd(folder.path()) else {
        println!("SKIPPED: there is no C compiler");
        return;
    };
    let pages = folder.path().join("pages");
    support::in_network_namespace(move || {
        Interface::named("lo").set_up(true);
        let oracle = Server::start(
            Command::new(httpd).args(["-p", "8080", "-r"]).arg(&pages),
            SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080),
        );
        let serve = start_serve(&pages);
        for conversation in CONVERSATIONS {
            let expected = oracle.talk(conversation);
            assert!(!expected.is_empty(), "{conversation:?}");
            let found = serve.talk(conversation);
            assert!(found == expected, "{conversation:?}:\n{}", shown(&found));
        }
        assert_eq!(serve.end(libc::SIGTERM), "serve: 35 requests served\n");
        oracle.end(libc::SIGINT);
        drop(folder);
    });
}

#[test]
fn many_clients_at_once() {
    let folder = folder();
    support::in_network_namespace(move || {
        let serve = start_serve(&folder.path().join("pages"));
        let mut clients: Vec<_> = (0..400).map(|_| serve.connect()).collect();
        let expected = serve.talk("GET /style.css HTTP/1.0\r\n\r\n");
        for client in &mut clients {
            client
                .write_all(b"GET /style.css HTTP/1.0\r\n\r\n")
                .expect("connected");
        }
        for client in &mut clients {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).expect("an answer");
            assert!(answer == expected);
        }
        assert_eq!(serve.end(libc::SIGINT), "serve: 401 requests served\n");
    });
}

/// A folder with `pages`: those of `examples/httpd`, and what they lack.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a place for files");
    let pages = folder.path().join("pages");
    copy(&httpd_source().join("pages"), &pages).expect("room");
    fs::create_dir(pages.join("folder-without-index")).expect("room");
    fs::write(pages.join("empty"), "").expect("room");
    let large: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
    fs::write(pages.join("large"), large).expect("room");
    folder
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn httpd_source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/httpd")
}

/// `examples/httpd` as a Linux program in `folder`, if there is a C compiler.
fn build_httpd(folder: &Path) -> Option<PathBuf> {
    let program = folder.join("httpd");
    let mut compiler = Command::new("cc");
    compiler
        .arg("-O1")
        .arg("-o")
        .arg(&program)
        .arg(httpd_source().join("httpd.c"));
    let status = compiler.status().ok()?;
    assert!(status.success(), "httpd does not compile");
    Some(program)
}

/// `examples/serve` for `pages`, and the kernel's end of its TAP.
fn start_serve(pages: &Path) -> Server {
    // Examples lie beside the folder in which tests are.
    let test = std::env::current_exe().expect("this program has a path");
    let target = test.ancestors().nth(2).expect("target/PROFILE/deps");
    let mut command = Command::new(target.join("examples/serve"));
    command
        .args([
            "--tap",
            "serve0",
            "--address",
            "10.0.0.2/24",
            "--port",
            "80",
        ])
        .arg(pages);
    let server = Server::start(&mut command, SocketAddrV4::new(SERVER, 80));
    let interface = Interface::named("serve0");
    interface.set_address(KERNEL);
    interface.set_up(true);
    server
}

/// A running server. Dropping it ends it.
struct Server {
    process: Child,
    output: BufReader<ChildStdout>,
    address: SocketAddrV4,
}

impl Server {
    /// Starts `command` and waits for its first line.
    fn start(command: &mut Command, address: SocketAddrV4) -> Self {
        let mut process = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("text");
        assert!(!line.is_empty(), "the server ended");
        Self {
            process,
            output,
            address,
        }
    }

    fn connect(&self) -> TcpStream {
        let client =
            TcpStream::connect_timeout(&self.address.into(), PATIENCE).expect("it listens");
        client.set_read_timeout(Some(PATIENCE)).expect("a time");
        client
    }

    /// Everything that is answered to `requests`.
    fn talk(&self, requests: &str) -> Vec<u8> {
        let mut client = self.connect();
        client.write_all(requests.as_bytes()).expect("connected");
        let mut answer = Vec::new();
        // A server that ends a connection whose requests it has not all read resets it; what came
        // before that counts.
        match client.read_to_end(&mut answer) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => answer,
        }
    }

    /// Asks the server to end, and returns its last words.
    fn end(mut self, signal: libc::c_int) -> String {
        let process = i32::try_from(self.process.id()).expect("a process number");
        // SAFETY: the child has not been waited for, so the number is still its own.
        assert_eq!(unsafe { libc::kill(process, signal) }, 0);
        let mut words = String::new();
        self.output.read_to_string(&mut words).expect("text");
        assert!(self.process.wait().expect("it is our child").success());
        words
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The front of an answer, for a message.
fn shown(answer: &[u8]) -> String {
    String::from_utf8_lossy(&answer[..answer.len().min(600)]).into_owned()
}
