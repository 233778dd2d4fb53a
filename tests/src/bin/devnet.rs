//! `devnet up` runs the whole system until Ctrl-C; `devnet down` stops it from elsewhere. Behind `make up`, `make down`.
//! `devnet container …` are the steps of `docker-compose up` that no other program does.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use aurum_tests::{
    containers::Containers,
    ports::{Ports, check_free},
    report,
    system::System,
};
use clap::{Parser, Subcommand};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::signal::unix::{SignalKind, signal};

/// How long `down` waits for `up` to end.
const DOWN_LIMIT: Duration = Duration::from_secs(60);

/// What `up` runs.
const PROGRAMS: [&str; 3] = ["poa-node", "bridge-relayer", "bridge-ui"];

#[derive(Parser)]
#[command(about = "A whole Aurum system on this machine")]
struct Args {
    /// Folder of its data; kept between starts.
    #[arg(long, default_value = ".aurum", env = "AURUM_DEVNET_DIR", global = true)]
    dir: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start everything, print what to try, and run until Ctrl-C.
    Up {
        /// Added to every port, to run beside another system.
        #[arg(long, default_value_t = 0)]
        port_shift: u16,
    },
    /// Stop what `up` started.
    Down,
    /// One step of the system whose programs are containers.
    #[command(subcommand)]
    Container(Step),
}

#[derive(Subcommand)]
enum Step {
    /// The key ceremony and every program's configuration; what is there already stays.
    Keys,
    /// The token and the bridge, once both chains run; what is there already stays.
    Bridge,
    /// Print the endpoints.
    Endpoints,
    /// Carry a token to the home chain and part of it back.
    Try,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.verb {
        Verb::Up { port_shift } => up(&args.dir, Ports::shifted(port_shift)).await,
        Verb::Down => down(&args.dir),
        Verb::Container(step) => container(step).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn container(step: Step) -> Result<()> {
    let containers = Containers::default();
    match step {
        Step::Keys => containers.keys(),
        Step::Bridge => containers.bridge().await,
        Step::Endpoints => containers.endpoints().map(|text| println!("\n{text}")),
        Step::Try => containers.carry(|step| println!("{step}")).await,
    }
}

async fn up(dir: &Path, ports: Ports) -> Result<()> {
    let started = Instant::now();
    check_free(&ports.all(4)).context("if an earlier system still runs, `make down` stops it")?;
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let dir = dir.canonicalize()?;
    let pid_file = dir.join("pid");
    fs::write(&pid_file, std::process::id().to_string())?;
    let outcome = run(&dir, ports, started).await;
    fs::remove_file(&pid_file).ok();
    outcome
}

async fn run(dir: &Path, ports: Ports, started: Instant) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let progress = |step: &str| println!("[{:>5.1} s] {step}", started.elapsed().as_secs_f64());
    let mut system = tokio::select! {
        system = System::start(dir, ports, progress) => system?,
        _ = interrupt.recv() => bail!("interrupted; everything that had started was ended"),
        _ = terminate.recv() => bail!("stopped; everything that had started was ended"),
    };
    let took = started.elapsed().as_secs_f64();
    let headline = format!("Aurum is up ({took:.1} s). Ctrl-C or `make down` stops it; `make up` resumes.");
    let companies: Vec<_> = system.home.consortium.authorities.iter().map(|one| one.name.clone()).collect();
    println!("\n{}", report::endpoints(&headline, system.ports, &companies, &system.bridge));
    let mut watch = tokio::time::interval(Duration::from_secs(1));
    let ended = loop {
        tokio::select! {
            _ = interrupt.recv() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
            _ = watch.tick() => if let Err(error) = system.expect_running() { break Err(error) },
        }
    };
    println!("\nstopping; `make up` resumes where this ends");
    let stopped = tokio::task::spawn_blocking(move || system.stop()).await?;
    ended.and(stopped)
}

fn down(dir: &Path) -> Result<()> {
    let pid_file = dir.join("pid");
    let running = match fs::read_to_string(&pid_file) {
        Ok(text) => Some(Pid::from_raw(text.trim().parse().context("the pid file is not a number")?)),
        Err(_) => None,
    };
    if let Some(pid) = running.filter(|pid| is_devnet(*pid)) {
        stop(&[pid])?;
        println!("stopped; `make up` resumes where this ended");
        return Ok(());
    }
    let left = orphans(dir);
    stop(&left)?;
    if running.is_some() {
        fs::remove_file(&pid_file)?;
    }
    match left.len() {
        0 => println!("nothing runs here ({})", dir.display()),
        count => println!("stopped {count} programs that a killed `make up` had left; `make up` resumes"),
    }
    Ok(())
}

/// Asks all to end and waits until they have.
fn stop(pids: &[Pid]) -> Result<()> {
    for pid in pids {
        kill(*pid, Signal::SIGTERM).with_context(|| format!("cannot stop process {pid}"))?;
    }
    let deadline = Instant::now() + DOWN_LIMIT;
    for pid in pids {
        // A process that ended and was not waited for by its parent has a pid, and no program.
        while program_of(*pid).is_some() {
            if Instant::now() > deadline {
                bail!("process {pid} did not end within {} s", DOWN_LIMIT.as_secs());
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// Our programs that work on files below `dir`: what is left of an `up` that was killed.
fn orphans(dir: &Path) -> Vec<Pid> {
    let Ok(dir) = dir.canonicalize() else { return Vec::new() };
    let below = format!("{}/", dir.display());
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
        .filter(|pid| program_of(*pid).is_some_and(|name| PROGRAMS.contains(&name.as_str())))
        .filter(|pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(&below)))
        .collect()
}

/// Whether the process still is this program: a pid may have been given to another since.
fn is_devnet(pid: Pid) -> bool {
    let own = program_of(Pid::this());
    own.is_some() && own == program_of(pid)
}

/// File name of the program a process runs, also when the file was replaced by a newer build.
fn program_of(pid: Pid) -> Option<String> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let name = path.file_name()?.to_string_lossy();
    Some(name.trim_end_matches(" (deleted)").to_owned())
}
