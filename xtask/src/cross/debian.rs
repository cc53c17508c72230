//! Packages of other suites and architectures of Debian, unpacked beside the system, which knows nothing of them.

use super::succeed;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where packages come from and go to.
pub(super) struct Debian {
    folder: PathBuf,
    mirror: String,
}

const SOURCES: &str = "/etc/apt/sources.list.d/debian.sources";
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

fn at(path: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

impl Debian {
    /// With the system's own mirror, if it is a Debian.
    pub(super) fn new(folder: &Path) -> Result<Debian, String> {
        if !Path::new(KEYS).exists() {
            return Err(format!("there is no {KEYS}: install debian-archive-keyring"));
        }
        let sources = std::fs::read_to_string(SOURCES).unwrap_or_default();
        let uris = sources.lines().find_map(|line| line.strip_prefix("URIs:"));
        let mirror =
            uris.and_then(|uris| uris.split_whitespace().next()).unwrap_or("http://deb.debian.org/debian");
        Ok(Debian { folder: folder.to_owned(), mirror: mirror.to_owned() })
    }

    /// The folder in which the packages that `choose` names are unpacked; `choose` is given what apt-cache knows of `asked`.
    pub(super) fn unpacked(
        &self,
        (suite, arch): (&str, &str),
        asked: &str,
        choose: impl FnOnce(&str) -> Vec<String>,
    ) -> Result<PathBuf, String> {
        let place = self.folder.join(format!("{suite}-{arch}"));
        let done = place.join(format!("root-{asked}"));
        if done.exists() {
            return Ok(done);
        }
        for part in ["lists/partial", "cache/archives/partial", "etc"] {
            let part = place.join(part);
            std::fs::create_dir_all(&part).map_err(at(&part))?;
        }
        let source = place.join("etc/here.sources");
        let text = format!(
            "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\nSigned-By: {KEYS}\n",
            self.mirror
        );
        std::fs::write(&source, text).map_err(at(&source))?;
        let status = place.join("status");
        std::fs::write(&status, "").map_err(at(&status))?;
        self.apt(&place, arch, "apt-get", &["update"])?;
        let known =
            String::from_utf8_lossy(&self.apt(&place, arch, "apt-cache", &["show", asked])?).into_owned();
        let packages = choose(&known);
        let mut words = vec!["download"];
        words.extend(packages.iter().map(String::as_str));
        self.apt(&place, arch, "apt-get", &words)?;
        let unpacked = place.join("unpacking");
        for entry in std::fs::read_dir(&place).map_err(at(&place))? {
            let file = entry.map_err(at(&place))?.path();
            if file.extension().is_some_and(|extension| extension == "deb") {
                succeed(Command::new("dpkg").arg("-x").args([&file, &unpacked]))?;
                std::fs::remove_file(&file).map_err(at(&file))?;
            }
        }
        std::fs::rename(&unpacked, &done).map_err(at(&done))?;
        Ok(done)
    }

    /// Runs a command of apt's with a state of its own.
    fn apt(&self, place: &Path, arch: &str, program: &str, words: &[&str]) -> Result<Vec<u8>, String> {
        let options = [
            format!("APT::Architecture={arch}"),
            format!("APT::Architectures={arch}"),
            format!("Dir::State::Lists={}", place.join("lists").display()),
            format!("Dir::State::status={}", place.join("status").display()),
            format!("Dir::Etc::sourceparts={}", place.join("etc").display()),
            format!("Dir::Cache={}", place.join("cache").display()),
            String::from("Dir::Etc::sourcelist=/dev/null"),
            String::from("Acquire::Languages=none"),
            String::from("APT::Sandbox::User=root"),
        ];
        let mut command = Command::new(program);
        command.current_dir(place).args(options.iter().flat_map(|option| ["-o", option])).args(words);
        succeed(&mut command)
    }
}
