//! The rules of the architecture, as functions from what was found to what is wrong with it.
//!
//! `tests/workspace.rs` applies each rule to this workspace; the tests beside each rule apply it
//! to a small example that breaks it, so that a rule that has gone blind is noticed.
//!
//! - [`edges`]: which crate may depend on which.
//! - [`wiring`]: which files may name a component and a platform.
//! - [`globals`]: components have no state outside their values.
//! - [`safety`]: where components may be unsafe.
//! - [`traits`]: how many methods a hypercall trait may have.
//! - [`words`]: what no file may say.
//! - [`licences`]: what we may ship.
#![forbid(unsafe_code)]

pub mod edges;
pub mod globals;
pub mod licences;
pub mod safety;
pub mod source;
pub mod traits;
pub mod wiring;
pub mod words;
