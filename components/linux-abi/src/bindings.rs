//! Structures and numbers of the Linux x86-64 ABI.
//!
//! They are generated from C headers (`components/linux-abi/generate`) and bear the headers'
//! names. A test compares them with what the system's C compiler makes of its headers.

mod call_names;
#[expect(missing_docs, reason = "the headers explain what bears their names")]
#[expect(
    non_camel_case_types,
    non_upper_case_globals,
    reason = "the headers' names"
)]
mod kernel;
#[expect(missing_docs, reason = "the headers explain what bears their names")]
#[expect(non_camel_case_types, reason = "the headers' names")]
mod libc;

pub use call_names::CALL_NAMES;
pub use kernel::*;
pub use libc::*;
