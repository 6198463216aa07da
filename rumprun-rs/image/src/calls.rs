//! The system calls, each a function of its own that nothing but a linker script names.

use linux_abi::{Call, Outcome};

use crate::wiring::{ImageHandler, ImageProgram};

/// Exports what does the call of a number.
macro_rules! export_call {
    ($symbol:literal $name:ident $number:literal) => {
        #[unsafe(export_name = $symbol)]
        fn $name(program: &mut ImageProgram, call: &mut Call<'_>) -> Outcome {
            const HANDLER: ImageHandler = match ImageProgram::handler($number) {
                Some(handler) => handler,
                None => panic!("the build script names implemented calls only"),
            };
            HANDLER(program, call)
        }
    };
}

include!(concat!(env!("OUT_DIR"), "/calls.rs"));
