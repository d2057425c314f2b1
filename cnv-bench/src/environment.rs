//! Where figures were measured: they mean nothing without it.

use std::collections::BTreeMap;

use cnv::frame::simd::level::Level;
use serde::{Deserialize, Serialize};

/// The machine, the compiler, and what was compiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// As the operating system calls it.
    pub cpu: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// What cnv's kernels use.
    pub simd_level: String,
    /// Features that the whole program is compiled for: those of `-C target-cpu`, if any is given.
    pub target_features: Vec<String>,
    /// What `rustc --version` says.
    pub rustc: String,
    /// Whether this is an unoptimised build, of which no figure is of use.
    pub is_debug_build: bool,
    /// Versions of everything that is compared.
    pub crates: BTreeMap<String, String>,
}

/// What is compared.
const CRATES: [&str; 17] = [
    "bincode",
    "biscuit-auth",
    "bitcode",
    "bytemuck",
    "cnv",
    "crc-fast",
    "crc32c",
    "ed25519-dalek",
    "flatbuffers",
    "musli-zerocopy",
    "postcard",
    "prost",
    "rkyv",
    "serde",
    "serde_json",
    "wincode",
    "zerocopy",
];

impl Environment {
    /// This process's.
    pub fn here() -> Self {
        Self {
            cpu: cpu(),
            processors: std::thread::available_parallelism().map_or(1, Into::into),
            simd_level: format!("{:?}", Level::current()),
            target_features: target_features(),
            rustc: env!("CNV_BENCH_RUSTC").into(),
            is_debug_build: cfg!(debug_assertions),
            crates: versions(include_str!("../../Cargo.lock"), &CRATES),
        }
    }

    /// In one line.
    pub fn summary(&self) -> String {
        let Self {
            cpu,
            processors,
            simd_level,
            rustc,
            ..
        } = self;
        let features = self.target_features.join(" ");
        let debug = if self.is_debug_build {
            "; UNOPTIMISED BUILD: the figures say nothing"
        } else {
            ""
        };
        format!(
            "{cpu}, {processors} processors; kernels {simd_level}; compiled for {features}; {rustc}{debug}"
        )
    }
}

fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    model
        .map(|name| name.trim_start_matches([' ', '\t', ':']))
        .unwrap_or(std::env::consts::ARCH)
        .into()
}

fn target_features() -> Vec<String> {
    macro_rules! features {
        ($($name:literal)*) => {
            [$(($name, cfg!(target_feature = $name))),*]
        };
    }
    let known = features!("neon" "sse2" "ssse3" "sse4.2" "pclmulqdq" "avx" "avx2" "bmi2" "avx512f" "avx512bw" "avx512vl" "vpclmulqdq");
    let on = known.iter().filter(|(_, is_on)| *is_on);
    on.map(|(name, _)| (*name).into()).collect()
}

/// Name and version of those packages of a `Cargo.lock` that are in `names`.
fn versions(lock: &str, names: &[&str]) -> BTreeMap<String, String> {
    let quoted = |line: &str, key: &str| -> Option<String> {
        let value = line.strip_prefix(key)?.strip_prefix(" = \"")?;
        Some(value.strip_suffix('"')?.into())
    };
    let mut found = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let name = package.lines().find_map(|line| quoted(line, "name"));
        let version = package.lines().find_map(|line| quoted(line, "version"));
        if let (Some(name), Some(version)) = (name, version)
            && names.contains(&name.as_str())
        {
            found.insert(name, version);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_that_is_compared_has_a_version() {
        let environment = Environment::here();
        for name in CRATES {
            assert!(environment.crates.contains_key(name), "{name}");
        }
        assert_eq!(environment.crates["cnv"], env!("CARGO_PKG_VERSION"));
        assert!(environment.rustc.starts_with("rustc "));
    }

    #[test]
    fn versions_are_those_of_the_packages_asked_for() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.2.3\"\ndependencies = [\n \"b\",\n]\n\n[[package]]\nname = \"b\"\nversion = \"0.1.0\"\n";
        let versions = versions(lock, &["a"]);
        assert_eq!(versions.len(), 1);
        assert_eq!(versions["a"], "1.2.3");
    }
}
