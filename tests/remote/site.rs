//! A server that runs as a process of its own, and the hosts that are enrolled there.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering;

use farkeep_server::observe::LOG;
use rustix::process::Pid;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::world::Program;
use crate::world::Ran;

/// Ports that the system gives to nobody who does not ask for just them: connections have theirs above.
const PORTS: Range<u16> = 10_000..32_000;

/// A port that is free, and that no other test of this process is given. A server that is started again finds it free still.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    // Other processes begin elsewhere.
    let first = std::process::id().wrapping_mul(997) % u32::from(count);
    loop {
        let next = (u32::from(NEXT.fetch_add(1, Ordering::Relaxed)) + first) % u32::from(count);
        let port = PORTS.start + u16::try_from(next).expect("there are fewer ports");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A server with its data.
pub(crate) struct Site {
    data: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Site {
    /// A server that nobody has used, and that runs.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// The same, with more in its configuration.
    pub(crate) fn with(more: &str) -> Self {
        let data = TempDir::new().expect("a temporary folder can be made");
        let port = free_port();
        let mut site = Self { data, port, process: None };
        let listen = format!("127.0.0.1:{port}");
        Ran::of(site.command("init").args(["--listen", &listen, "--host", "127.0.0.1"]).output()).expect(0);
        site.configure(more);
        site.start();
        site
    }

    /// A server over the data of another one that has ended. It does not run yet.
    pub(crate) fn over(data: TempDir, more: &str) -> Self {
        let site = Self { data, port: free_port(), process: None };
        let listen = format!("listen = \"127.0.0.1:{}\"\n", site.port);
        fs::write(site.config(), listen).expect("there is room");
        site.configure(more);
        site
    }

    fn config(&self) -> PathBuf {
        self.data.path().join("farkeepd.toml")
    }

    /// Has the server show its metrics on a port that nobody else asks for.
    fn configure(&self, more: &str) {
        let path = self.config();
        let config = fs::read_to_string(&path).expect("init wrote it");
        fs::write(path, format!("{config}observe = \"127.0.0.1:0\"\n{more}")).expect("there is room");
    }

    /// Starts the server, and waits until it listens.
    pub(crate) fn start(&mut self) {
        let mut serve = self.command("serve");
        // What it says of every connection would bury what a failing test says.
        serve.env(LOG, "error");
        let mut process = serve.stdout(Stdio::piped()).spawn().expect("the program was built");
        let mut line = String::new();
        let output = process.stdout.take().expect("it was asked for a pipe");
        BufReader::new(output).read_line(&mut line).expect("it can be read");
        assert!(line.starts_with("listening"), "{line:?}");
        self.process = Some(process);
    }

    /// Has the server end in order.
    pub(crate) fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Ends the server as a crash would.
    pub(crate) fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut process) = self.process.take() {
            rustix::process::kill_process(Pid::from_child(&process), signal).expect("it runs");
            process.wait().expect("it ends");
        }
    }

    /// The server's program with one of its commands.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farkeepd-tested"));
        command.arg("--data").arg(self.data.path()).arg(name).stdin(Stdio::null());
        command
    }

    /// The string by which a host becomes known.
    pub(crate) fn offer(&self, name: &str, role: &str) -> String {
        let ran = self.command("enroll").args([name, "--role", role, "--repository", "main"]).output();
        Ran::of(ran).expect(0).results.trim().to_owned()
    }

    /// Where the repository is for clients.
    pub(crate) fn location(&self) -> String {
        format!("farkeep://127.0.0.1:{}/main", self.port)
    }

    /// Where the repository is for clients that reach the server by another port, and has the host know it.
    pub(crate) fn lead(&self, host: &Program, port: u16) -> String {
        let servers = host.path("home").join(".config/farkeep/servers");
        let known = servers.join(format!("127.0.0.1_{}.toml", self.port));
        let text = fs::read_to_string(known).expect("it is enrolled");
        let path = servers.join(format!("127.0.0.1_{port}.toml"));
        fs::write(&path, text.replace(&format!("port = {}", self.port), &format!("port = {port}")))
            .expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        format!("farkeep://127.0.0.1:{port}/main")
    }

    /// The address on which the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The port on which the server listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where the repository lies.
    pub(crate) fn repository(&self) -> PathBuf {
        self.data.path().join("repositories").join("main")
    }

    /// A host that may do everything, and made the repository.
    pub(crate) fn keeper(&self) -> Program {
        let keeper = Program::at(self.location());
        keeper.run("enroll", [self.offer("admin", "keeper")]).expect(0);
        keeper.init(&self.location());
        keeper
    }

    /// A host that backs itself up.
    pub(crate) fn agent(&self, keeper: &Program, name: &str) -> Program {
        let code = keeper.json("key", ["agent"])[0]["code"].as_str().expect("a code").to_owned();
        let agent = Program::at(self.location());
        let mut enroll = agent.command("enroll");
        enroll.arg(self.offer(name, "agent")).env("FARKEEP_AGENT_CODE", code);
        Ran::of(enroll.output()).expect(0);
        agent
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.kill();
    }
}
