//! The commands of `farkeepd`.

use std::fs;
use std::io;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use farkeep_engine::Access;
use farkeep_engine::Engine;
use farkeep_engine::IndexKind;
use farkeep_engine::Options;
use farkeep_engine::Usage;
use farkeep_engine::disk::Backend;
use farkeep_engine::disk::RealDisk;
use farkeep_engine::disk::give_back_buffers;
use farkeep_protocol::field::Name;
use farkeep_protocol::hello::Role;
use farkeep_protocol::identity::EnrolmentString;
use farkeep_protocol::identity::Host;
use farkeep_protocol::identity::PublicKey;
use farkeep_protocol::limits::ENROLLED_REPOSITORIES_MAX;
use jiff::SignedDuration;
use jiff::Timestamp;
use tokio::runtime::Builder;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::config::Config;
use crate::config::FILE;
use crate::listen::Server;
use crate::observe;
use crate::observe::Follower;
use crate::registry::Client;
use crate::registry::Clients;
use crate::registry::Folder;
use crate::registry::Offer;
use crate::registry::Tokens;
use crate::tls;

#[cfg(test)]
mod tests;

/// The server of Farkeep: keeps repositories for agents and administrators.
#[derive(Debug, Parser)]
#[command(name = "farkeepd", version)]
pub struct Arguments {
    /// Folder with everything that the server keeps.
    #[arg(
        long,
        env = "FARKEEPD_DATA",
        default_value = "/var/lib/farkeepd",
        global = true,
        value_name = "DIR"
    )]
    data: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the data folder, with a new identity and a config.
    Init(Init),
    /// Serve until a signal says to stop.
    Serve(Serve),
    /// Print the string by which one client becomes known, once.
    Enroll(Enroll),
    /// List the clients that are known.
    #[command(visible_alias = "agents")]
    Clients,
    /// Shut a client out. Its sessions end at once.
    Revoke(Revoke),
    /// Print what happened, one line of JSON for each event.
    Events(Events),
    /// List the repositories, and what they take.
    Repositories,
    /// Say what there is, and whether a server runs.
    Status,
}

#[derive(Debug, Args)]
struct Init {
    /// Where clients connect to.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Host by which clients reach the server.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
}

#[derive(Debug, Args)]
struct Serve {
    /// Only say whether the config can be used.
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Args)]
struct Enroll {
    /// What the client is going to be called.
    name: String,
    /// What it may be used for.
    #[arg(long, default_value = "agent", value_parser = parse_role, value_name = "agent|reader|keeper|peer|monitor")]
    role: Role,
    /// A repository that is open to it; again for more.
    #[arg(long = "repository", required = true, value_name = "NAME")]
    repositories: Vec<String>,
    /// Host by which this client reaches the server.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// How long the string can be used.
    #[arg(long, default_value = "24h", value_name = "TIME")]
    valid: SignedDuration,
}

#[derive(Debug, Args)]
struct Events {
    /// Go on with what happens from now on.
    #[arg(long)]
    follow: bool,
}

#[derive(Debug, Args)]
struct Revoke {
    /// Name or key of the client.
    client: String,
}

impl Arguments {
    /// Does what was asked for, and writes what it comes to.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub fn run(self, out: &mut dyn Write) -> anyhow::Result<()> {
        let folder = Folder::open(&self.data);
        if !matches!(self.command, Command::Init(_)) {
            folder.seed().with_context(|| {
                let data = self.data.display();
                format!("{data} is no data folder; --data or FARKEEPD_DATA says where it is, `farkeepd init` makes one")
            })?;
        }
        match self.command {
            Command::Init(init) => init.run(&self.data, out),
            Command::Serve(serve) => serve.run(&folder, out),
            Command::Enroll(enroll) => enroll.run(&folder, out),
            Command::Clients => clients(&folder, out),
            Command::Revoke(revoke) => revoke.run(&folder, out),
            Command::Events(events) => events.run(&folder, out),
            Command::Repositories => repositories(&folder, out),
            Command::Status => status(&folder, out),
        }
    }
}

impl Init {
    fn run(self, data: &std::path::Path, out: &mut dyn Write) -> anyhow::Result<()> {
        let folder = Folder::create(data)?;
        let path = data.join(FILE);
        if !path.exists() {
            let mut lines = vec!["# Everything else has a default; see `farkeepd serve --check`.".to_owned()];
            lines.extend(self.listen.map(|listen| format!("listen = \"{listen}\"")));
            if let Some(host) = self.host {
                let host = Host::new(&host)?;
                lines.push(format!("public_host = \"{}\"", host.as_str()));
            }
            folder.write_small(&path, (lines.join("\n") + "\n").as_bytes())?;
        } else if self.listen.is_some() || self.host.is_some() {
            bail!("{} is there already: change it there", path.display());
        }
        let (_, key) = tls::acceptor(&*folder.seed()?)?;
        writeln!(out, "key {key}")?;
        Ok(())
    }
}

impl Serve {
    fn run(self, folder: &Folder, out: &mut dyn Write) -> anyhow::Result<()> {
        let config = Config::read(folder.path())?;
        if self.check {
            folder.seed()?;
            write!(out, "{}", toml::to_string(&config)?)?;
            return Ok(());
        }
        observe::log();
        give_back_buffers();
        let threads = config.limits.threads + config.limits.verifications;
        let runtime = Builder::new_multi_thread().max_blocking_threads(threads + 2).enable_all().build()?;
        runtime.block_on(async {
            let (mut interrupt, mut terminate) =
                (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            let server = Server::start(folder.path(), config).await?;
            writeln!(out, "listening on {}", server.address())?;
            out.flush()?;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            server.stop().await;
            Ok(())
        })
    }
}

impl Enroll {
    fn run(self, folder: &Folder, out: &mut dyn Write) -> anyhow::Result<()> {
        for name in self.repositories.iter().chain([&self.name]) {
            Name::new(name).with_context(|| format!("{name:?} cannot be a name"))?;
        }
        if self.repositories.len() > ENROLLED_REPOSITORIES_MAX {
            bail!("a client has at most {ENROLLED_REPOSITORIES_MAX} repositories");
        }
        if !self.valid.is_positive() {
            bail!("the string must be valid for some time");
        }
        let config = Config::read(folder.path())?;
        if config.listen.port() == 0 {
            bail!("set a port in the config: clients must find the server again");
        }
        let (_, server) = tls::acceptor(&*folder.seed()?)?;
        let host = match self.host.or(config.public_host) {
            Some(host) => Host::new(&host)?,
            None => default_host(config.listen)?,
        };
        let offer = Offer {
            name: self.name,
            role: self.role,
            repositories: self.repositories,
            expires: Timestamp::now().checked_add(self.valid)?,
        };
        let token = Tokens::open(folder).issue(&offer)?;
        let enrolment = EnrolmentString { host, port: config.listen.port(), server, token };
        writeln!(out, "{enrolment}")?;
        Ok(())
    }
}

impl Revoke {
    fn run(self, folder: &Folder, out: &mut dyn Write) -> anyhow::Result<()> {
        let clients = Clients::open(folder)?;
        let key: Option<PublicKey> = self.client.parse().ok();
        let is_meant = |(known, client): &(PublicKey, _)| {
            let client: &std::sync::Arc<Client> = client;
            Some(*known) == key || client.name == self.client
        };
        let meant: Vec<_> = clients.all().into_iter().filter(is_meant).collect();
        if meant.is_empty() {
            bail!("no client is called {} or has that key", self.client);
        }
        for (key, client) in meant {
            if client.revoked.is_none() {
                clients.write(&key, &Client { revoked: Some(Timestamp::now()), ..(*client).clone() })?;
            }
            writeln!(out, "revoked {} {key}", client.name)?;
        }
        Ok(())
    }
}

/// How often whoever follows looks for more.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

impl Events {
    fn run(self, folder: &Folder, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut follower = Follower::begin(folder.path(), out)?;
        if !self.follow {
            return Ok(());
        }
        loop {
            thread::sleep(FOLLOW_EVERY);
            follower.next(out)?;
        }
    }
}

fn parse_role(name: &str) -> Result<Role, String> {
    let names: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    Role::from_name(name).ok_or_else(|| format!("a role is one of {}", names.join(", ")))
}

/// The host that clients are told when nobody has set one.
fn default_host(listen: SocketAddr) -> anyhow::Result<Host> {
    if !listen.ip().is_unspecified() {
        return Ok(Host::new(&listen.ip().to_string())?);
    }
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Host::new(&name).context("set public_host in the config, or use --host")
}

fn clients(folder: &Folder, out: &mut dyn Write) -> anyhow::Result<()> {
    for (key, client) in Clients::open(folder)?.all() {
        let state = match client.revoked {
            Some(revoked) => format!("revoked {revoked:.0}"),
            None => format!("enrolled {:.0}", client.enrolled),
        };
        let repositories = client.repositories.join(",");
        writeln!(out, "{}\t{}\t{repositories}\t{state}\t{key}", client.name, client.role.name())?;
    }
    Ok(())
}

/// Names of all repositories.
fn names(folder: &Folder) -> anyhow::Result<Vec<String>> {
    let path = folder.repositories();
    let listed = fs::read_dir(&path).with_context(|| format!("cannot list {}", path.display()))?;
    let entries = listed.collect::<Result<Vec<_>, io::Error>>()?;
    let mut names: Vec<String> =
        entries.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| Name::new(name).is_ok());
    names.sort();
    Ok(names)
}

fn usage(folder: &Folder, name: &str) -> anyhow::Result<(Usage, usize)> {
    let folder = folder.repositories().join(name);
    let disk = RealDisk::open(&folder, Backend::Auto)?;
    let options = Options::new(IndexKind::Rocks(folder.join("index")))?;
    let engine = Engine::open(std::sync::Arc::new(disk), Access::Read, options)?;
    Ok((engine.usage()?, engine.snapshots()?.len()))
}

fn repositories(folder: &Folder, out: &mut dyn Write) -> anyhow::Result<()> {
    for name in names(folder)? {
        match usage(folder, &name) {
            Ok((usage, snapshots)) => writeln!(
                out,
                "{name}\t{snapshots} snapshots\t{} objects\t{} bytes",
                usage.objects, usage.bytes
            )?,
            Err(error) => writeln!(out, "{name}\tcannot be read: {error:#}")?,
        }
    }
    Ok(())
}

fn status(folder: &Folder, out: &mut dyn Write) -> anyhow::Result<()> {
    let config = Config::read(folder.path())?;
    let (_, key) = tls::acceptor(&*folder.seed()?)?;
    let all = Clients::open(folder)?.all();
    let revoked = all.iter().filter(|(_, client)| client.revoked.is_some()).count();
    let state = if folder.lock().is_ok() { "stopped" } else { "running" };
    writeln!(out, "server\t{state}")?;
    writeln!(out, "listen\t{}", config.listen)?;
    writeln!(out, "key\t{key}")?;
    writeln!(out, "clients\t{}, of which {revoked} revoked", all.len())?;
    writeln!(out, "tokens\t{}", Tokens::open(folder).count()?)?;
    writeln!(out, "repositories\t{}", names(folder)?.len())?;
    Ok(())
}
