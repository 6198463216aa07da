//! Which crate may depend on which.
//!
//! `{tools, tests, examples} -> {components, platforms} -> hypercall`. A component may use
//! components beside it; a platform uses no other platform and no component, and no component
//! uses a platform. Each third-party stack enters by one component.

use cargo_metadata::Metadata;
use cargo_metadata::camino::Utf8Path;

/// Third-party stacks, and the one component that each may enter by.
const STACKS: [(&str, &str); 2] = [("smoltcp", "net"), ("virtio-drivers", "virtio")];
/// What the vocabulary itself may be made of.
const HYPERCALL_USES: [&str; 3] = ["bitflags", "embedded-io", "thiserror"];

/// Where a crate stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layer {
    /// `hypercall`: the words that components and platforms share.
    Hypercall,
    /// `platforms/kvm/protocol`: the words that images and the tools that run them share. It holds
    /// constants and their formats, and uses no crate of the workspace.
    Protocol,
    /// A host-independent subsystem.
    Component,
    /// A home.
    Platform,
    /// A tool, a test, an example: whoever puts the others together.
    Product,
}

/// A crate and what it names in its manifest, development and build dependencies included.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its layer.
    pub layer: Layer,
    /// The crates it depends on.
    pub dependencies: Vec<String>,
}

/// The workspace's crates as cargo knows them.
pub fn packages(metadata: &Metadata) -> Vec<Package> {
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| Package {
            name: package.name.to_string(),
            layer: layer(&metadata.workspace_root, &package.manifest_path),
            dependencies: package
                .dependencies
                .iter()
                .map(|dependency| dependency.name.clone())
                .collect(),
        })
        .collect()
}

fn layer(root: &Utf8Path, manifest: &Utf8Path) -> Layer {
    let path = manifest.strip_prefix(root).unwrap_or(manifest);
    if path.starts_with("hypercall") {
        Layer::Hypercall
    } else if path.starts_with("platforms/kvm/protocol") {
        Layer::Protocol
    } else if path.starts_with("components") {
        Layer::Component
    } else if path.starts_with("platforms") {
        Layer::Platform
    } else {
        Layer::Product
    }
}

/// The edges that must not be, each as a line.
pub fn violations(packages: &[Package]) -> Vec<String> {
    let layer_of = |name: &str| {
        let found = packages.iter().find(|package| package.name == name);
        found.map(|package| package.layer)
    };
    let mut violations = Vec::new();
    for package in packages {
        for dependency in &package.dependencies {
            let allowed = match layer_of(dependency) {
                Some(layer) => may_use(package.layer, layer),
                None => may_use_outside(package, dependency),
            };
            if !allowed {
                violations.push(format!("{} must not use {dependency}", package.name));
            }
        }
    }
    violations
}

fn may_use(user: Layer, used: Layer) -> bool {
    match user {
        Layer::Hypercall | Layer::Protocol => false,
        Layer::Component => matches!(used, Layer::Hypercall | Layer::Component),
        Layer::Platform => matches!(used, Layer::Hypercall | Layer::Protocol),
        Layer::Product => true,
    }
}

fn may_use_outside(user: &Package, used: &str) -> bool {
    if user.layer == Layer::Hypercall {
        return HYPERCALL_USES.contains(&used);
    }
    let stack = STACKS.iter().find(|(stack, _)| *stack == used);
    stack.is_none_or(|(_, component)| user.name == *component)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, layer: Layer, dependencies: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            layer,
            dependencies: dependencies.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    /// A workspace in which `changed` replaces the crate of its name.
    fn workspace_with(changed: Package) -> Vec<Package> {
        let mut packages = vec![
            package("hypercall", Layer::Hypercall, &["thiserror"]),
            package("protocol", Layer::Protocol, &[]),
            package("fs", Layer::Component, &["hypercall"]),
            package("net", Layer::Component, &["hypercall", "smoltcp"]),
            package("kvm", Layer::Platform, &["hypercall", "protocol"]),
            package("linux", Layer::Platform, &["hypercall", "libc"]),
            package("tool", Layer::Product, &["fs", "net", "kvm", "clap"]),
        ];
        packages.retain(|package| package.name != changed.name);
        packages.push(changed);
        packages
    }

    #[test]
    fn a_layered_workspace_is_in_order() {
        let same = package("fs", Layer::Component, &["hypercall", "net"]);
        assert!(violations(&workspace_with(same)).is_empty());
    }

    #[test]
    fn every_forbidden_edge_is_named() {
        for (changed, edge) in [
            (
                package("fs", Layer::Component, &["linux"]),
                "fs must not use linux",
            ),
            (
                package("fs", Layer::Component, &["tool"]),
                "fs must not use tool",
            ),
            (
                package("fs", Layer::Component, &["protocol"]),
                "fs must not use protocol",
            ),
            (
                package("fs", Layer::Component, &["smoltcp"]),
                "fs must not use smoltcp",
            ),
            (
                package("kvm", Layer::Platform, &["fs"]),
                "kvm must not use fs",
            ),
            (
                package("kvm", Layer::Platform, &["linux"]),
                "kvm must not use linux",
            ),
            (
                package("kvm", Layer::Platform, &["virtio-drivers"]),
                "kvm must not use virtio-drivers",
            ),
            (
                package("tool", Layer::Product, &["smoltcp"]),
                "tool must not use smoltcp",
            ),
            (
                package("hypercall", Layer::Hypercall, &["libc"]),
                "hypercall must not use libc",
            ),
            (
                package("protocol", Layer::Protocol, &["hypercall"]),
                "protocol must not use hypercall",
            ),
        ] {
            assert_eq!(violations(&workspace_with(changed)), [edge]);
        }
    }
}
