//! Container images made of nothing but one file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};

/// An image in an archive, to be pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// What `docker save` writes.
    DockerArchive(PathBuf),
    /// An OCI layout in a tar file.
    OciArchive(PathBuf),
}

impl Image {
    /// Writes a docker archive at `path`: one layer with one executable, `/app`, which is the entry point. The program
    /// must be linked statically to run, there is nothing else in the image. Any bytes make an image to pull.
    ///
    /// # Errors
    /// The archive cannot be written, or a tar file cannot hold it (8 GiB).
    pub fn of_program(path: &Path, program: &[u8]) -> Result<Self> {
        Self::write(path, program, &["/app"], None)
    }

    /// The same, with a command line and a name, by which a node that imports it knows it.
    ///
    /// # Errors
    /// As [`Image::of_program`].
    pub fn named(path: &Path, program: &[u8], command: &[&str], name: &str) -> Result<Self> {
        Self::write(path, program, command, Some(name))
    }

    fn write(path: &Path, program: &[u8], command: &[&str], name: Option<&str>) -> Result<Self> {
        let write = || {
            let layer = tar(&[("app", 0o755, program)])?;
            let config = json!({
                "architecture": architecture(),
                "os": "linux",
                "config": {"Entrypoint": command},
                "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&Sha256::digest(&layer)))]},
            });
            let names = name.map(|name| [name]);
            let manifest = json!([{"Config": "config.json", "RepoTags": names, "Layers": ["layer.tar"]}]);
            let archive = tar(&[
                ("manifest.json", 0o644, manifest.to_string().as_bytes()),
                ("config.json", 0o644, config.to_string().as_bytes()),
                ("layer.tar", 0o644, &layer),
            ])?;
            Ok::<_, anyhow::Error>(fs::write(path, archive)?)
        };
        write().with_context(|| format!("cannot write the image {}", path.display()))?;
        Ok(Self::DockerArchive(path.to_owned()))
    }

    /// Writes an OCI archive with an index that has the program for one architecture only, in Go's name for it.
    ///
    /// # Errors
    /// As [`Image::of_program`].
    pub fn for_architecture(path: &Path, program: &[u8], architecture: &str) -> Result<Self> {
        let write = || {
            let layer = tar(&[("app", 0o755, program)])?;
            let config = json!({
                "architecture": architecture, "os": "linux", "config": {"Entrypoint": ["/app"]},
                "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&Sha256::digest(&layer)))]},
            });
            let kind = |name: &str| format!("application/vnd.oci.image.{name}.v1+json");
            let mut blobs: Vec<(String, Vec<u8>)> = Vec::new();
            let mut keep = |media_type: &str, bytes: Vec<u8>| {
                let digest = hex(&Sha256::digest(&bytes));
                let descriptor = json!({"mediaType": media_type, "size": bytes.len(), "digest": format!("sha256:{digest}")});
                blobs.push((format!("blobs/sha256/{digest}"), bytes));
                descriptor
            };
            let layer = keep("application/vnd.oci.image.layer.v1.tar", layer);
            let config = keep(&kind("config"), config.to_string().into_bytes());
            let manifest = json!({"schemaVersion": 2, "mediaType": kind("manifest"), "config": config, "layers": [layer]});
            let mut manifest = keep(&kind("manifest"), manifest.to_string().into_bytes());
            manifest["platform"] = json!({"architecture": architecture, "os": "linux"});
            let index = json!({"schemaVersion": 2, "mediaType": kind("index"), "manifests": [manifest]});
            let index = keep(&kind("index"), index.to_string().into_bytes());
            let top = json!({"schemaVersion": 2, "manifests": [index]}).to_string();
            let mut files: Vec<(&str, u32, &[u8])> = vec![
                ("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#),
                ("index.json", 0o644, top.as_bytes()),
            ];
            files.extend(blobs.iter().map(|(name, bytes)| (name.as_str(), 0o644, bytes.as_slice())));
            Ok::<_, anyhow::Error>(fs::write(path, tar(&files)?)?)
        };
        write().with_context(|| format!("cannot write the image {}", path.display()))?;
        Ok(Self::OciArchive(path.to_owned()))
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::DockerArchive(path) | Self::OciArchive(path) => path,
        }
    }

    /// As skopeo names it.
    pub(crate) fn reference(&self) -> String {
        match self {
            Self::DockerArchive(path) => format!("docker-archive:{}", path.display()),
            Self::OciArchive(path) => format!("oci-archive:{}", path.display()),
        }
    }
}

/// Go's name of this machine's architecture.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A tar file (ustar) of regular files of root's, made in 1970: the same bytes for the same content.
fn tar(files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>> {
    let mut archive = Vec::new();
    for (name, mode, content) in files {
        let size = content.len();
        ensure!(name.len() < 100 && size < 1 << 33, "{name} of {size} bytes does not fit into a tar file");
        let mut header = [0; 512];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, name);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{size:011o}"));
        put(136, "00000000000");
        // The checksum is that of a header with blanks in its place.
        put(148, "        ");
        put(156, "0");
        put(257, "ustar");
        put(263, "00");
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    Ok(archive)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_layer_is_what_tar_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("layer.tar");
        for size in [0, 1, 511, 512, 513] {
            let content = vec![b'x'; size];
            fs::write(&path, tar(&[("app", 0o755, &content), ("empty", 0o600, b"")]).unwrap()).unwrap();
            let tar = |args: &[&str]| {
                let output = Command::new("tar").args(args).arg(&path).args(["app"]).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                output.stdout
            };
            assert_eq!(tar(&["-xOf"]), content);
            let listed =
                String::from_utf8(tar(&["--utc", "--full-time", "--numeric-owner", "-tvf"])).unwrap();
            assert!(listed.starts_with("-rwxr-xr-x 0/0") && listed.contains("1970-01-01"), "{listed}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let name = "a".repeat(100);
        let error = tar(&[(&name, 0o644, b"")]).unwrap_err().to_string();
        assert_eq!(error, format!("{name} of 0 bytes does not fit into a tar file"));
    }
}
