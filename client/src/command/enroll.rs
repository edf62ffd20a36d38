//! `farkeep enroll`

use clap::Args;
use farkeep_codec::key::AGENT_SECRET_BYTES;
use farkeep_codec::key::AgentIdentity;
use farkeep_protocol::hello::Role;
use farkeep_protocol::identity::EnrolmentString;
use farkeep_protocol::limits::NAME_BYTES_MAX;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::session::Session;
use super::session::agent_code_for;
use crate::config::Address;
use crate::config::Location;
use crate::config::enrolment::Enrolment;
use crate::output::exit::Exit;
use crate::output::line;
use crate::repository::RepositoryError;
use crate::repository::enroll;

/// Make this host known to a server
///
/// `farkeepd enroll` prints the string, which is good once. A host that is enrolled as an agent also needs the agent code
/// of the repository that it writes to, which `farkeep key agent` prints: it is asked for, or taken from
/// FARKEEP_AGENT_CODE, FARKEEP_AGENT_CODE_FILE or FARKEEP_AGENT_CODE_COMMAND.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  farkeep enroll fk1:backup.example:7717:KEY:TOKEN
  farkeep backup --repo farkeep://backup.example/main /home
  farkeep enroll farkeep://backup.example/main    give the agent code later, or another one")]
pub(super) struct Enroll {
    /// The string that `farkeepd enroll` printed, or the address of a repository whose agent code is to be given
    #[arg(value_name = "STRING")]
    string: String,
    /// What this host calls itself, if not by its own name; what the server calls it was said there, and is printed
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The repository that the agent code is for, where the host is enrolled for several
    #[arg(long, value_name = "NAME")]
    repository: Option<String>,
}

impl Enroll {
    pub(super) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        if let Ok(Location::Server(address)) = Location::named(Some((&self.string).into())) {
            let enrolment = Session::enrolment(&address)?;
            return add_code(session, enrolment, &address.repository);
        }
        let string: EnrolmentString =
            self.string.trim().parse().map_err(|source| Failure::EnrolmentString { source })?;
        let name = self.name.clone().unwrap_or_else(own_name);
        let before = Enrolment::read(&Session::config_folder(), &string.host, string.port).ok();
        // Whoever enrols again stays who they were: what an agent signed goes on to be its own.
        let before = before.filter(|before| before.server == string.server);
        let identity = before.as_ref().map_or_else(new_identity, |before| before.identity.clone());
        let mut enrolment = enroll(&string, &name, identity).map_err(RepositoryError::from)?;
        enrolment.codes = before.map(|before| before.codes).unwrap_or_default();
        // The string is used up: what it brought is kept before anything else can fail.
        let file = enrolment.write(&Session::config_folder())?;
        session.output.summary(&line::Enrolled {
            server: format!("{}:{}", enrolment.host, enrolment.port),
            role: enrolment.role.name(),
            name: enrolment.name.clone(),
            repositories: enrolment.repositories.clone(),
            file: file.to_string_lossy().into_owned(),
        })?;
        let repository = match (&self.repository, enrolment.repositories.as_slice()) {
            (Some(named), _) => named.clone(),
            (None, [only]) => only.clone(),
            (None, _) => return Ok(Exit::Done),
        };
        if enrolment.role != Role::Agent || enrolment.codes.contains_key(&repository) {
            return Ok(Exit::Done);
        }
        add_code(session, enrolment, &repository)
    }
}

/// Keeps the agent code of a repository.
fn add_code(session: &Session, mut enrolment: Enrolment, repository: &str) -> Result<Exit, Failure> {
    let address =
        Address { host: enrolment.host.clone(), port: enrolment.port, repository: repository.to_owned() };
    let code = agent_code_for(&address)?;
    enrolment.codes.insert(repository.to_owned(), code);
    enrolment.write(&Session::config_folder())?;
    session.output.note(&format!("This host can write to {address} now."));
    Ok(Exit::Done)
}

fn new_identity() -> AgentIdentity {
    let mut seed = Zeroizing::new([0; AGENT_SECRET_BYTES]);
    getrandom::fill(seed.as_mut_slice()).expect("the system has random numbers");
    AgentIdentity::from_bytes(&seed)
}

/// The name of this host, as far as it can be a name at a server.
fn own_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = host.chars().filter(allowed).take(NAME_BYTES_MAX).collect();
    name.trim_start_matches(['.', '_', '-']).to_owned()
}
