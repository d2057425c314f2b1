//! What a program is compiled against: the crates that cargo has built for the test itself.
//!
//! Cargo is asked to build the test once more, which it has done already, and says where everything is. A package made
//! for the purpose would need the versions, features, patches and settings of the one that is tested all over again,
//! and a build of its own.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What programs are compiled with.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) rustc: OsString,
    /// The package's folder, where the compiler runs.
    pub(super) folder: PathBuf,
    pub(super) edition: String,
    /// The platform, where it is not the default.
    pub(super) target: Option<String>,
    /// The names that a program can use, with their files.
    pub(super) externs: Vec<(String, PathBuf)>,
    /// Where the crates are that these use.
    pub(super) search: BTreeSet<PathBuf>,
}

/// Why nothing can be compiled.
#[derive(Debug, thiserror::Error)]
pub(super) enum BuildError {
    #[error(
        "the package is not known: run the test with `cargo test`, which sets CARGO_MANIFEST_DIR"
    )]
    NotUnderCargo,
    #[error("cannot run cargo: {0}")]
    Start(#[source] io::Error),
    #[error("`cargo {command}` failed:\n{stderr}")]
    Cargo { command: String, stderr: String },
    #[error("cargo describes no package in {}", .0.display())]
    NoPackage(PathBuf),
}

impl Build {
    /// Finds what the running test was built from. `more` are arguments for cargo that it was built with.
    pub(super) fn of_this_test(more: &[OsString]) -> Result<Self, BuildError> {
        let folder: PathBuf = env::var_os("CARGO_MANIFEST_DIR")
            .ok_or(BuildError::NotUnderCargo)?
            .into();
        let package = Package::find(&folder)?;
        let test = RunningTest::find();
        let mut arguments: Vec<OsString> = vec!["test".into(), "--no-run".into()];
        arguments.extend([
            "--message-format=json-render-diagnostics".into(),
            "--package".into(),
        ]);
        arguments.push(package.id.clone().into());
        if let Some(test) = test.name.filter(|name| package.tests.contains(name)) {
            arguments.extend(["--test".into(), test.into()]);
        }
        if let Some(profile) = test.profile {
            arguments.extend(["--profile".into(), profile.into()]);
        }
        if let Some(target) = &test.target {
            arguments.extend(["--target".into(), target.into()]);
        }
        arguments.extend(more.iter().cloned());
        let built = cargo(&folder, &arguments)?;
        let artifacts: Vec<Artifact> = built.lines().filter_map(Artifact::parse).collect();
        let search = artifacts.iter().flat_map(|artifact| &artifact.files);
        Ok(Self {
            rustc: env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()),
            search: search
                .filter_map(|file| file.parent().map(Path::to_owned))
                .collect(),
            externs: externs(&package, &artifacts),
            edition: package.edition,
            target: test.target,
            folder,
        })
    }
}

/// The package that is tested.
#[derive(Debug)]
struct Package {
    id: String,
    edition: String,
    /// What it names its dependencies, by the name of the package: `None` is that of the library itself.
    dependencies: Vec<(String, Option<String>)>,
    /// The names of its integration tests.
    tests: Vec<String>,
}

impl Package {
    fn find(folder: &Path) -> Result<Self, BuildError> {
        let arguments = ["metadata", "--no-deps", "--format-version=1"].map(OsString::from);
        let metadata = cargo(folder, &arguments)?;
        Self::parse(&metadata, folder).ok_or_else(|| BuildError::NoPackage(folder.to_owned()))
    }

    fn parse(metadata: &str, folder: &Path) -> Option<Self> {
        let metadata: Value = serde_json::from_str(metadata).ok()?;
        let manifest = folder.join("Cargo.toml");
        let package = metadata["packages"].as_array()?.iter().find(|package| {
            package["manifest_path"].as_str().map(Path::new) == Some(manifest.as_path())
        })?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let dependencies = package["dependencies"].as_array()?.iter();
        let targets = package["targets"].as_array()?.iter();
        Some(Self {
            id: text(&package["id"])?,
            edition: text(&package["edition"])?,
            dependencies: dependencies
                .filter_map(|dependency| {
                    Some((text(&dependency["name"])?, text(&dependency["rename"])))
                })
                .collect(),
            tests: targets
                .filter(|target| is_kind(target, &["test"]))
                .filter_map(|target| text(&target["name"]))
                .collect(),
        })
    }
}

/// What the path of the running program says: `target/x86_64-unknown-linux-gnu/release/deps/budgets-0123456789abcdef`.
/// Where folders lie otherwise, nothing is known and cargo's defaults are right or lead to one more build.
#[derive(Debug, Default, PartialEq, Eq)]
struct RunningTest {
    name: Option<String>,
    profile: Option<String>,
    target: Option<String>,
}

impl RunningTest {
    fn find() -> Self {
        let path = env::current_exe().unwrap_or_default();
        // What cargo knows of the compiler; the folder of a platform within has none.
        let is_target_folder = |folder: &Path| folder.join(".rustc_info.json").exists();
        Self::of(&path, is_target_folder).unwrap_or_default()
    }

    fn of(path: &Path, is_target_folder: impl Fn(&Path) -> bool) -> Option<Self> {
        let (name, _hash) = path.file_stem()?.to_str()?.rsplit_once('-')?;
        let profile = path
            .parent()
            .filter(|deps| deps.file_name() == Some(OsStr::new("deps")))?
            .parent()?;
        let above = profile.parent()?;
        let target = match is_target_folder(above) {
            true => None,
            false => Some(above).filter(|_| above.parent().is_some_and(is_target_folder)),
        };
        let text = |path: &Path| path.file_name()?.to_str().map(str::to_owned);
        Some(Self {
            name: Some(name.to_owned()),
            // The folder of the profile `dev`.
            profile: text(profile).filter(|profile| profile != "debug"),
            target: target.and_then(text),
        })
    }
}

/// A library that cargo has built.
#[derive(Debug)]
struct Artifact {
    package_id: String,
    crate_name: String,
    files: Vec<PathBuf>,
    /// How it was compiled.
    profile: Value,
}

impl Artifact {
    fn parse(line: &str) -> Option<Self> {
        let mut message: Value = serde_json::from_str(line).ok()?;
        let is_library = message["reason"] == "compiler-artifact"
            && is_kind(&message["target"], &["lib", "rlib", "dylib", "proc-macro"])
            && message["profile"]["test"] == false;
        if !is_library {
            return None;
        }
        let files = message["filenames"].as_array()?.iter();
        Some(Self {
            package_id: message["package_id"].as_str()?.to_owned(),
            crate_name: message["target"]["name"].as_str()?.replace('-', "_"),
            files: files
                .filter_map(|file| Some(file.as_str()?.into()))
                .collect(),
            profile: message["profile"].take(),
        })
    }

    /// The file to give to the compiler: one that has code, where there is one.
    fn file(&self) -> Option<&Path> {
        let with = |extension: &str| {
            let mut files = self.files.iter();
            files.find(|file| file.extension() == Some(OsStr::new(extension)))
        };
        let dynamic = env::consts::DLL_EXTENSION;
        let file = ["rlib", dynamic, "rmeta"].into_iter().find_map(with);
        file.map(PathBuf::as_path)
    }
}

fn is_kind(target: &Value, kinds: &[&str]) -> bool {
    let of = target["kind"].as_array().map_or(&[][..], Vec::as_slice);
    of.iter().any(|kind| kinds.iter().any(|name| kind == name))
}

/// The package's own library, and what it depends on by name.
///
/// A crate may have been built twice, such as for a build script, too. Then the one that was compiled as the package's
/// own is meant; where that does not tell, the program has no such name.
fn externs(package: &Package, artifacts: &[Artifact]) -> Vec<(String, PathBuf)> {
    let own = artifacts
        .iter()
        .find(|artifact| artifact.package_id == package.id);
    let mut externs = Vec::new();
    let mut push = |name: String, artifact: &Artifact| {
        if let Some(file) = artifact.file() {
            externs.push((name, file.to_owned()));
        }
    };
    if let Some(own) = own {
        push(own.crate_name.clone(), own);
    }
    let mut dependencies = package.dependencies.clone();
    // One that is there for tests is there twice.
    dependencies.sort();
    dependencies.dedup();
    for (name, rename) in dependencies {
        let built: Vec<&Artifact> = artifacts
            .iter()
            .filter(|artifact| package_name(&artifact.package_id) == name)
            .collect();
        let alike = |artifact: &&&Artifact| own.is_some_and(|own| own.profile == artifact.profile);
        let found = match built[..] {
            [only] => Some(only),
            _ => {
                let mut alike = built.iter().filter(alike);
                alike.next().filter(|_| alike.next().is_none()).copied()
            }
        };
        if let Some(artifact) = found {
            let name = rename.map(|name| name.replace('-', "_"));
            push(
                name.unwrap_or_else(|| artifact.crate_name.clone()),
                artifact,
            );
        }
    }
    externs
}

/// The name in the id of a package: `registry+https://host/index#name@1.0.0`, or `path+file:///folder/name#1.0.0`.
fn package_name(id: &str) -> &str {
    let (url, fragment) = id.split_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None => url
            .rsplit('/')
            .next()
            .and_then(|name| name.split('?').next())
            .unwrap_or(url),
    }
}

fn cargo(folder: &Path, arguments: &[OsString]) -> Result<String, BuildError> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(folder)
        .args(arguments)
        .output()
        .map_err(BuildError::Start)?;
    if !output.status.success() {
        let words = arguments.iter().map(|argument| argument.to_string_lossy());
        return Err(BuildError::Cargo {
            command: words.collect::<Vec<_>>().join(" "),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn running(path: &str) -> Option<RunningTest> {
        RunningTest::of(Path::new(path), |folder| folder.ends_with("target"))
    }

    #[test]
    fn the_path_of_a_test_says_how_it_was_built() {
        let test = |profile: Option<&str>, target: Option<&str>| {
            Some(RunningTest {
                name: Some("my_budgets".to_owned()),
                profile: profile.map(str::to_owned),
                target: target.map(str::to_owned),
            })
        };
        let hash = "my_budgets-0123456789abcdef";
        for (path, expected) in [
            (format!("/a/target/debug/deps/{hash}"), test(None, None)),
            (format!("/a/target/debug/deps/{hash}.exe"), test(None, None)),
            (
                format!("/a/target/release/deps/{hash}"),
                test(Some("release"), None),
            ),
            (
                format!("/a/target/arm/fast/deps/{hash}"),
                test(Some("fast"), Some("arm")),
            ),
            (format!("/elsewhere/debug/deps/{hash}"), test(None, None)),
            (format!("/a/target/debug/{hash}"), None),
            ("/a/target/debug/deps/plain".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(running(&path), expected, "{path}");
        }
    }

    #[test]
    fn ids_of_packages_have_names() {
        for (id, name) in [
            ("registry+https://host/index#serde@1.0.0", "serde"),
            ("path+file:///folder/cnv#0.1.0", "cnv"),
            ("path+file:///folder/other#cnv@0.1.0", "cnv"),
            ("git+https://host/owner/tool?branch=main#1.0.0", "tool"),
        ] {
            assert_eq!(package_name(id), name);
        }
    }

    fn artifact(id: &str, name: &str, file: &str, profile: &Value) -> Artifact {
        let message = json!({
            "reason": "compiler-artifact", "package_id": id, "profile": profile,
            "target": { "name": name, "kind": ["lib"] },
            "filenames": [format!("/deps/lib{file}.rmeta"), format!("/deps/lib{file}.rlib")],
        });
        Artifact::parse(&message.to_string()).unwrap()
    }

    /// One crate for the program and for a build script, one under another name, one that cannot be told.
    #[test]
    fn a_program_names_what_the_test_names() {
        let ours = json!({ "test": false, "opt_level": "0" });
        let scripts = json!({ "test": false, "opt_level": "1" });
        let package = Package {
            id: "path+file:///a#my-crate@0.1.0".to_owned(),
            edition: "2024".to_owned(),
            dependencies: [
                ("cnv", Some("frame-work")),
                ("both", None),
                ("twice", None),
                ("cnv", Some("frame-work")),
            ]
            .map(|(name, rename)| (name.to_owned(), rename.map(str::to_owned)))
            .to_vec(),
            tests: Vec::new(),
        };
        let artifacts = [
            artifact("registry+x#both@1.0.0", "both", "both-1", &scripts),
            artifact("registry+x#both@1.0.0", "both", "both-2", &ours),
            artifact("registry+x#twice@1.0.0", "twice", "twice-1", &ours),
            artifact("registry+x#twice@2.0.0", "twice", "twice-2", &ours),
            artifact("path+file:///b/cnv#0.1.0", "cnv", "cnv-1", &ours),
            artifact("registry+x#indirect@1.0.0", "indirect", "indirect-1", &ours),
            artifact(
                "path+file:///a#my-crate@0.1.0",
                "my-crate",
                "my_crate-1",
                &ours,
            ),
        ];
        let found = externs(&package, &artifacts);
        let found: Vec<_> = found
            .iter()
            .map(|(name, path)| (name.as_str(), path.to_str().unwrap()))
            .collect();
        let expected = [
            ("my_crate", "/deps/libmy_crate-1.rlib"),
            ("both", "/deps/libboth-2.rlib"),
            ("frame_work", "/deps/libcnv-1.rlib"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_library_compiled_as_a_test_is_no_library() {
        let message = json!({
            "reason": "compiler-artifact", "package_id": "a#1.0.0", "profile": { "test": true },
            "target": { "name": "a", "kind": ["lib"] }, "filenames": ["/deps/a-1"],
        });
        assert!(Artifact::parse(&message.to_string()).is_none());
        assert!(Artifact::parse("{\"reason\":\"build-finished\"}").is_none());
        assert!(Artifact::parse("Compiling").is_none());
    }
}
