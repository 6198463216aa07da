//! The tool from outside, as its users meet it.

mod bake;
#[cfg(embedded_library)]
mod boot;
mod calls;
mod cc;
mod configuration;
#[cfg(embedded_library)]
mod failures;
mod guest;
mod inspect;
mod run;
#[cfg(embedded_library)]
mod tap;
mod workshop;
