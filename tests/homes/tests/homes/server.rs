//! A web server in some home, and conversations with it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use test_homes::LIMIT;
use test_support::{Feed, Process};

/// How long a connection may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one attempt to connect may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// A running server. Dropping it ends it.
pub struct Server {
    /// Where it runs, for messages.
    pub home: &'static str,
    process: Process,
    address: SocketAddr,
}

impl Server {
    /// Starts `command` and waits until it says `ready` on standard output.
    pub fn start(home: &'static str, command: Command, ready: &str, address: SocketAddrV4) -> Self {
        // Several tests of their own length go on while it serves.
        let process = Process::start(command, Feed::Silence, 2 * LIMIT);
        process.wait_for_output(ready);
        Self {
            home,
            process,
            address: address.into(),
        }
    }

    /// A new connection.
    pub fn connect(&self) -> TcpStream {
        let client = self.connect_in_time();
        client.set_read_timeout(Some(PATIENCE)).expect("a time");
        client.set_write_timeout(Some(PATIENCE)).expect("a time");
        client.set_nodelay(true).expect("a connection");
        client
    }

    fn connect_in_time(&self) -> TcpStream {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match TcpStream::connect_timeout(&self.address, ATTEMPT) {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < deadline, "{}: {error}", self.home),
            }
        }
    }

    /// Everything that is answered to `requests`, the last of which ends the connection.
    pub fn talk(&self, requests: &[u8]) -> Vec<u8> {
        let mut client = self.connect();
        client.write_all(requests).expect("connected");
        self.rest(&mut client)
    }

    /// Everything that is answered when each byte of `requests` comes by itself.
    pub fn talk_byte_by_byte(&self, requests: &[u8]) -> Vec<u8> {
        let mut client = self.connect();
        for byte in requests.chunks(1) {
            client.write_all(byte).expect("connected");
        }
        self.rest(&mut client)
    }

    /// Everything that comes until the server closes the connection.
    pub fn rest(&self, client: &mut TcpStream) -> Vec<u8> {
        let mut answer = Vec::new();
        match client.read_to_end(&mut answer) {
            // A server that ends a connection whose requests it has not all read resets it
            // (RFC 9293, 3.10.4); what came before that counts.
            Err(error) if error.kind() != ErrorKind::ConnectionReset => {
                panic!("{}: {error}", self.home)
            }
            _ => answer,
        }
    }

    /// Asks the server to end, which it must do in good order.
    pub fn end(self) {
        self.process.signal(libc::SIGTERM);
        let outcome = self.process.finish();
        assert_eq!(outcome.status, 0, "{}: {outcome:?}", self.home);
        println!("{}: {}", self.home, outcome.text().trim_end());
    }
}
