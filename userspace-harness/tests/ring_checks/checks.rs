//! The checks, as they stand in the sources, and the code of somebody who trusts the device.

/// A check, and what would be there without it.
pub struct Check {
    /// What is checked.
    pub what: &'static str,
    /// Its file in the driver's crate.
    pub file: &'static str,
    /// Its code.
    pub code: &'static str,
    /// The code in its place, for which the device is always right.
    pub trusting: &'static str,
}

/// All of them.
pub const CHECKS: [Check; 15] = [
    Check {
        what: "used.idx follows from what was posted",
        file: "ring.rs",
        code: "if fresh > self.shadow.in_flight() {\n            return Err(Violation::UsedIndex);\n        }",
        trusting: "",
    },
    Check {
        what: "used.id has 16 bits",
        file: "shadow.rs",
        code: "u16::try_from(id).map_err(|_| Violation::UsedId)?",
        trusting: "id as u16",
    },
    Check {
        what: "used.id is below the queue size",
        file: "shadow.rs",
        code: ".ok_or(Violation::UsedId)?;\n        let chain",
        trusting: ".expect(\"the device is right\");\n        let chain",
    },
    Check {
        what: "used.id heads a chain in flight",
        file: "shadow.rs",
        code: "place.take().ok_or(Violation::UsedId)?",
        trusting: "place.take().unwrap_or(Chain { slot: head, descriptors: 1, last: head, room: u32::MAX })",
    },
    Check {
        what: "used.len is within the buffer",
        file: "shadow.rs",
        code: "room if written > room => Err(Violation::UsedLengthLarge),",
        trusting: "",
    },
    Check {
        what: "a queue is there",
        file: "layout.rs",
        code: "if maximum == 0 {\n            return Err(VirtioError::QueueMissing);\n        }",
        trusting: "",
    },
    Check {
        what: "a queue's size is one that virtio allows",
        file: "layout.rs",
        code: ".ok_or(VirtioError::QueueSize(maximum))?",
        trusting: ".unwrap_or(Self::MAX)",
    },
    Check {
        what: "used.len holds a frame's header",
        file: "net.rs",
        code: "if length < HEADER_LENGTH {",
        trusting: "if false {",
    },
    Check {
        what: "used.len holds a request's status",
        file: "blk.rs",
        code: "if written < chain::STATUS_LENGTH {",
        trusting: "if false {",
    },
    Check {
        what: "used.len holds a request's data",
        file: "blk.rs",
        code: "chain::STATUS_OK if written < chain.room() => Err(Violation::UsedLengthSmall),",
        trusting: "",
    },
    Check {
        what: "a request's status is one of virtio's",
        file: "blk.rs",
        code: "_ => Err(Violation::Status),",
        trusting: "_ => Ok(true),",
    },
    Check {
        what: "a request is finished in time",
        file: "blk.rs",
        code: "if first.is_some_and(|first| first <= now) {",
        trusting: "if false {",
    },
    Check {
        what: "a device asks for a reset",
        file: "device.rs",
        code: "return Err(Violation::NeedsReset);",
        trusting: "",
    },
    Check {
        what: "FEATURES_OK is taken",
        file: "device.rs",
        code: "Err(VirtioError::FeaturesRefused)",
        trusting: "Ok(())",
    },
    Check {
        what: "a configuration is read whole",
        file: "device.rs",
        code: "if transport.read_config_generation() == before {",
        trusting: "if transport.read_config_generation() == before || true {",
    },
];
