//! The emulated machine: qemu, a kernel, and an initial file system that runs the tests and switches off.

use super::{Debian, Machine, Tools, succeed};
use crate::Outcome;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How often the torture preempts there, unless `MANIAC_PREEMPTIONS` says otherwise: some minutes beside other work.
const PREEMPTIONS: &str = "2000";
/// Nanoseconds between two signals: what the slowest of the machines bears beside other work.
const TICK: u32 = 1_000_000;
/// What the last line says when all tests passed.
const PASSED: &str = "guest: passed";
/// Seconds that the machine may be on.
const LIMIT: &str = "5400";

/// The folder in which qemu is unpacked, with RISC-V's firmware. Newer than the stable one: older ones lack vectors of two of the machines.
pub(super) fn qemu(debian: &Debian) -> Result<PathBuf, String> {
    debian.unpacked(("bookworm-backports", "amd64"), "opensbi", |_| {
        let parts = ["arm", "misc", "riscv", "data"].map(|part| format!("qemu-system-{part}"));
        parts.into_iter().chain([String::from("opensbi")]).collect()
    })
}

/// Which qemu it is. It takes shared libraries from the system, so that it may not run although it is there.
pub(super) fn version(machine: &Machine, qemu: &Path) -> Result<String, String> {
    let said = succeed(Command::new(program(machine, qemu)).arg("--version"))?;
    let said = String::from_utf8_lossy(&said);
    Ok(format!("{}, -cpu {}", said.lines().next().unwrap_or_default(), machine.cpu))
}

fn program(machine: &Machine, qemu: &Path) -> PathBuf {
    qemu.join(format!("usr/bin/qemu-system-{}", machine.arch))
}

pub(super) fn run(machine: &Machine, folder: &Path, tools: &Tools, tests: &[PathBuf]) -> Outcome {
    let image = image(machine, folder, &tools.busybox, tests)?;
    let share = tools.qemu.join("usr/share/qemu");
    println!("{}", tools.version);
    let mut command = Command::new("timeout");
    command.arg(LIMIT).arg(program(machine, &tools.qemu));
    command.arg("-L").arg(&share).args(["-M", "virt", "-cpu", machine.cpu, "-smp", "2", "-m", "1024"]);
    if machine.arch == "riscv64" {
        command.arg("-bios").arg(tools.qemu.join("usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"));
    }
    command.args(["-display", "none", "-serial", "stdio", "-monitor", "none", "-nic", "none", "-no-reboot"]);
    command.arg("-kernel").arg(&tools.kernel).arg("-initrd").arg(image);
    command.arg("-append").arg(format!("console={} quiet panic=-1", machine.console));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("qemu cannot be run: {error}"))?;
    let mut passed = false;
    for line in BufReader::new(child.stdout.take().expect("a pipe")).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        println!("{}", line.trim_end());
        passed |= line.trim_end() == PASSED;
    }
    let status = child.wait().map_err(|error| format!("qemu: {error}"))?;
    Ok(passed && status.success())
}

/// A kernel that qemu can boot, and a busybox for the machine.
pub(super) fn kernel(
    machine: &Machine,
    debian: &Debian,
    folder: &Path,
) -> Result<(PathBuf, PathBuf), String> {
    let package = format!("linux-image-{}", machine.debian);
    let root = debian.unpacked((machine.suite, machine.debian), &package, |known| {
        // The package that this one stands for; newer suites keep the kernel itself in another.
        let version = known.split([' ', ',', '\n']).find_map(|word| {
            word.strip_prefix("linux-image-")
                .filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        });
        let kind = if machine.suite == "forky" { "binary" } else { "image" };
        vec![format!("linux-{kind}-{}", version.unwrap_or("unknown")), String::from("busybox-static")]
    })?;
    // Newer suites keep it beside its modules.
    let places = [root.join("boot")].into_iter().chain(entries(&root.join("usr/lib/modules")));
    let is_kernel =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"vmlinu"));
    let file = places
        .flat_map(|place| entries(&place))
        .find(is_kernel)
        .ok_or_else(|| format!("no kernel in {}", root.display()))?;
    let busybox = ["usr/bin/busybox", "bin/busybox"].map(|path| root.join(path));
    let busybox = busybox.into_iter().find(|path| path.exists()).ok_or("no busybox in its package")?;
    Ok((bootable(file, folder)?, busybox))
}

/// What a folder holds; nothing if it is not there.
fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// Takes the kernel out of an image that only firmware can unpack.
fn bootable(file: PathBuf, folder: &Path) -> Result<PathBuf, String> {
    let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    if bytes.get(4..8) != Some(b"zimg") {
        return Ok(file);
    }
    let word = |at: usize| bytes[at..at + 4].try_into().map(u32::from_le_bytes).unwrap_or(0) as usize;
    let packed = folder.join("kernel.zst");
    std::fs::write(&packed, &bytes[word(8)..word(8) + word(12)])
        .map_err(|error| format!("{}: {error}", packed.display()))?;
    let plain = folder.join("kernel");
    succeed(Command::new("zstd").args(["-d", "-q", "-f"]).arg(&packed).arg("-o").arg(&plain))?;
    Ok(plain)
}

/// An initial file system with the tests in it.
fn image(machine: &Machine, folder: &Path, busybox: &Path, tests: &[PathBuf]) -> Result<PathBuf, String> {
    let root = folder.join(format!("root-{}", machine.arch));
    let image = folder.join(format!("{}.cpio.gz", machine.arch));
    let preemptions = std::env::var("MANIAC_PREEMPTIONS").unwrap_or_else(|_| PREEMPTIONS.to_owned());
    let init = format!(
        "#!/bin/busybox sh\n\
         /bin/busybox mount -t proc p /proc; /bin/busybox mount -t sysfs s /sys; /bin/busybox mount -t tmpfs t /tmp; /bin/busybox mount -t devtmpfs d /dev\n\
         export MANIAC_PREEMPTIONS={preemptions} MANIAC_TICK={TICK} RUST_BACKTRACE=0\n\
         /bin/busybox uname -rm; all=1\n\
         for test in /tests/*; do $test --nocapture --test-threads=1 || all=0; done\n\
         [ $all = 1 ] && echo '{PASSED}'\n\
         /bin/busybox poweroff -f\n"
    );
    let script = format!(
        "set -e; rm -rf '{root}'; mkdir -p '{root}'/bin '{root}'/proc '{root}'/sys '{root}'/dev '{root}'/tmp '{root}'/tests\n\
         cp '{busybox}' '{root}/bin/busybox'; cp \"$@\" '{root}/tests'; cat > '{root}/init'; chmod +x '{root}/init'\n\
         cd '{root}'; find . | cpio -o -H newc --quiet | gzip -1 > '{image}'",
        root = root.display(),
        busybox = busybox.display(),
        image = image.display()
    );
    let mut shell = Command::new("bash");
    shell.args(["-c", &script, "image"]).args(tests).stdin(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = shell.spawn().map_err(|error| format!("bash cannot be run: {error}"))?;
    let written = std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), init.as_bytes());
    let status = child.wait().map_err(|error| format!("bash: {error}"))?;
    match written {
        Ok(()) if status.success() => Ok(image),
        _ => Err("the initial file system could not be made; cpio and gzip are needed".to_owned()),
    }
}
