//! One folder of pages, served from three homes: `examples/httpd` as a Linux process and, the same
//! file, booted; and `serve`, the Rust server on our components in a process. Every answer is the
//! same, byte for byte.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use test_homes::{Compiled, example, workspace};

use crate::server::Server;
use crate::support::{Interface, in_network_namespace};
use crate::tap;

/// Each TAP interface has a network of its own, of which the kernel has one address and the server
/// the other.
const BOOTED: [Ipv4Addr; 2] = [
    Ipv4Addr::new(192, 168, 71, 1),
    Ipv4Addr::new(192, 168, 71, 2),
];
const SERVE: [Ipv4Addr; 2] = [
    Ipv4Addr::new(192, 168, 72, 1),
    Ipv4Addr::new(192, 168, 72, 2),
];
const PORT: u16 = 8080;
const READY: &str = "httpd: serving";
/// How many connections are open at once.
const AT_ONCE: usize = 300;
/// More than a server can hand over at once.
const LARGE: usize = 1_000_000;

/// Requests about a file of `{path}` whose first bytes are there.
const REQUESTS: &[&str] = &[
    "GET {path} HTTP/1.0\r\n\r\n",
    "HEAD {path} HTTP/1.0\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET {path} HTTP/1.0\r\nRange: bytes=0-9\r\n\r\n",
    "GET {path} HTTP/1.0\r\nRange: bytes=-7\r\n\r\n",
    "GET {path} HTTP/1.0\r\nRange: bytes=20-\r\n\r\n",
    "GET {path} HTTP/1.0\r\nRange: bytes=99999999-\r\n\r\n",
    "GET {path}?query HTTP/1.0\r\n\r\n",
    // Keep-alive, pipelined.
    "GET {path} HTTP/1.1\r\nHost: x\r\n\r\nHEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n\
     GET {path}-missing HTTP/1.1\r\nHost: x\r\n\r\n\
     GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET {path} HTTP/1.0\r\n\r\n",
];

/// Requests that lead to no file.
const REFUSED: &[&str] = &[
    "GET /missing HTTP/1.0\r\n\r\n",
    "GET /guide/missing/page HTTP/1.0\r\n\r\n",
    "GET /index.html/below HTTP/1.0\r\n\r\n",
    "GET /../etc/passwd HTTP/1.0\r\n\r\n",
    "GET /%zz HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "nonsense\r\n\r\n",
    "POST / HTTP/1.0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.0\r\n\r\n",
];

/// A conversation whose requests come in single bytes.
const BYTE_BY_BYTE: &[u8] = b"GET /style.css HTTP/1.1\r\nHost: x\r\n\r\n\
    HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[test]
fn three_homes_answer_the_same() {
    let pages = pages();
    let httpd = Compiled::new("examples/httpd/httpd.c");
    let serve = example("serve");
    in_network_namespace(move || {
        Interface::named("lo").set_up(true);
        let linux = start_on_linux(&httpd, pages.path());
        let booted = start_booted(&httpd, pages.path());
        let serve = start_serve(&serve, pages.path());
        let others = [booted, serve];
        let paths = paths(pages.path());
        println!("{paths:?}");
        let about_files = paths.iter().flat_map(|path| {
            let requests = REQUESTS.iter();
            requests.map(move |request| request.replace("{path}", path))
        });
        let refused = REFUSED.iter().map(|request| (*request).to_owned());
        for conversation in about_files.chain(refused) {
            let expected = linux.talk(conversation.as_bytes());
            for other in &others {
                let found = other.talk(conversation.as_bytes());
                assert_same(other.home, &conversation, &found, &expected);
            }
        }
        assert!(
            linux
                .talk(b"GET / HTTP/1.0\r\n\r\n")
                .starts_with(b"HTTP/1.1 200 OK\r\n")
        );
        let expected = linux.talk_byte_by_byte(BYTE_BY_BYTE);
        for other in &others {
            let found = other.talk_byte_by_byte(BYTE_BY_BYTE);
            assert_same(other.home, "byte by byte", &found, &expected);
        }
        for server in others.iter().chain([&linux]) {
            many_at_once(server);
        }
        others.into_iter().for_each(Server::end);
        linux.end();
        drop((pages, httpd));
    });
}

/// Without any right: QEMU's own network, and a port that leads there.
#[test]
fn a_forwarded_port_serves_the_same() {
    let pages = pages();
    let httpd = Compiled::new("examples/httpd/httpd.c");
    let port = free_port();
    let mut command = httpd.booted();
    command.arg("--root").arg(pages.path());
    command.args(["--net", "user", "-p", &format!("127.0.0.1:{port}:{PORT}")]);
    let booted = Server::start("booted", command, READY, local(port));
    let linux_port = free_port();
    let mut command = httpd.on_linux();
    command.arg("-r").arg(pages.path());
    command.args(["-p", &linux_port.to_string()]);
    let linux = Server::start("Linux", command, READY, local(linux_port));
    for path in paths(pages.path()) {
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        let expected = linux.talk(request.as_bytes());
        assert!(expected.starts_with(b"HTTP/1.1 200 OK\r\n"));
        let found = booted.talk(request.as_bytes());
        assert_same("booted", &request, &found, &expected);
    }
    booted.end();
    linux.end();
}

/// Opens many connections, asks on each, and only then reads.
fn many_at_once(server: &Server) {
    let request = b"GET /style.css HTTP/1.0\r\n\r\n";
    let expected = server.talk(request);
    let mut clients: Vec<_> = (0..AT_ONCE).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(request).expect("connected");
    }
    for client in &mut clients {
        assert_same(server.home, "many at once", &server.rest(client), &expected);
    }
}

/// The pages of `examples/httpd`, and what they lack.
pub fn pages() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    copy(&workspace().join("examples/httpd/pages"), folder.path());
    let large: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
    fs::write(folder.path().join("large.bin"), large).expect("room");
    fs::write(folder.path().join("empty.txt"), "").expect("room");
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("a folder");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).expect("room");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("room");
        }
    }
}

/// The path of every file in `folder` and of every folder with an index, as a client asks for it.
fn paths(folder: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut folders = vec![(folder.to_owned(), "/".to_owned())];
    while let Some((folder, path)) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("a folder");
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            if entry.path().is_dir() {
                folders.push((entry.path(), format!("{path}{name}/")));
            } else {
                paths.push(format!("{path}{name}"));
            }
        }
        paths.push(path);
    }
    paths.sort();
    paths
}

fn start_on_linux(httpd: &Compiled, pages: &Path) -> Server {
    let mut command = httpd.on_linux();
    command.arg("-r").arg(pages);
    Server::start("Linux", command, READY, local(PORT))
}

fn start_booted(httpd: &Compiled, pages: &Path) -> Server {
    let [kernel, guest] = BOOTED;
    tap::make("booted0");
    let interface = Interface::named("booted0");
    interface.set_address(kernel);
    interface.set_up(true);
    let mut command = httpd.booted();
    command.arg("--root").arg(pages);
    command.args(["--net", "tap=booted0", "--ip", &format!("{guest}/24")]);
    Server::start("booted", command, READY, SocketAddrV4::new(guest, PORT))
}

fn start_serve(serve: &Path, pages: &Path) -> Server {
    let [kernel, ours] = SERVE;
    let mut command = Command::new(serve);
    command.args(["--tap", "serve0", "--address", &format!("{ours}/24")]);
    command.args(["--port", &PORT.to_string()]).arg(pages);
    let server = Server::start("serve", command, "serve: ", SocketAddrV4::new(ours, PORT));
    let interface = Interface::named("serve0");
    interface.set_address(kernel);
    interface.set_up(true);
    server
}

fn local(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

/// A port of this machine that nobody uses now.
fn free_port() -> u16 {
    let listener = TcpListener::bind(local(0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

fn assert_same(home: &str, conversation: &str, found: &[u8], expected: &[u8]) {
    let shown = |answer: &[u8]| answer[..answer.len().min(600)].escape_ascii().to_string();
    assert!(
        !expected.is_empty() && found == expected,
        "{home}: {conversation:?}\nexpected {} bytes: {}\nfound {} bytes: {}",
        expected.len(),
        shown(expected),
        found.len(),
        shown(found)
    );
}
