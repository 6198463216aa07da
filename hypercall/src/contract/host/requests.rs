//! What somebody at the host's controls asks for.

use alloc::vec;
use alloc::vec::Vec;

use super::{HostFixture, ends_soon};
use crate::contract::{Case, Verdict, ensure, needs};
use crate::{Host, HostRequest};

pub(super) fn cases<F: HostFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "request-none-unasked",
            clause: "take_request: None when nothing is asked",
            check: none_unasked,
        },
        Case {
            name: "request-oldest-first",
            clause: "take_request: oldest first",
            check: oldest_first,
        },
        Case {
            name: "request-given-once",
            clause: "take_request: each request is given once",
            check: given_once,
        },
        Case {
            name: "request-ends-the-wait",
            clause: "take_request: a new one ends wait",
            check: ends_the_wait,
        },
    ]
}

fn none_unasked<F: HostFixture>(fixture: &mut F) -> Verdict {
    let request = fixture.host().take_request();
    ensure(request.is_none(), "a request came that nobody made")
}

fn oldest_first<F: HostFixture>(fixture: &mut F) -> Verdict {
    needs(fixture.ask(HostRequest::Interrupt))?;
    needs(fixture.ask(HostRequest::Terminate))?;
    let host = fixture.host();
    let first = host.take_request();
    let second = host.take_request();
    ensure(
        first == Some(HostRequest::Interrupt) && second == Some(HostRequest::Terminate),
        "the requests came in another order",
    )
}

fn given_once<F: HostFixture>(fixture: &mut F) -> Verdict {
    needs(fixture.ask(HostRequest::Terminate))?;
    let host = fixture.host();
    let _ = host.take_request();
    ensure(host.take_request().is_none(), "one request came twice")
}

fn ends_the_wait<F: HostFixture>(fixture: &mut F) -> Verdict {
    needs(fixture.ask(HostRequest::Terminate))?;
    let host = fixture.host();
    let ended = ends_soon(host);
    let _ = host.take_request();
    ensure(ended, "a request did not end the wait")
}
