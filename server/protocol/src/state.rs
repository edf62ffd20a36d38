//! Which message may come when: one table of states, as each side sees it.
//!
//! A side asks before it reads a body ([`ServerState::awaits`]), so that what is not awaited is not even read, and
//! tells what it sends, so that it cannot break the order itself. PROTOCOL.md, "States".

use thiserror::Error;

use crate::hello::Purpose;
use crate::kind::Kind;
use crate::kind::Side;
use crate::limits::VERSION_LEAST;

#[cfg(test)]
mod tests;

/// A message that may not come now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{} may not come {when}", kind.name())]
pub struct Unexpected {
    /// What came, or was to be sent.
    pub kind: Kind,
    /// How far the connection is.
    pub when: &'static str,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The Hello is due.
    Fresh,
    /// The Welcome to a new session is due.
    Greeted,
    /// The Welcome back into a session is due.
    Rejoining,
    /// The Enroll is due.
    Stranger,
    /// The Enrolled is due.
    Enrolling,
    /// The Open or the Create is due.
    Welcomed,
    /// The Opened is due.
    Opening,
    /// Requests and answers come and go.
    Session { client: Standing, server: Standing },
    /// Nothing comes any more.
    Ended,
}

/// Whether a side said goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Here,
    Leaving,
}

impl Phase {
    const SESSION: Self = Self::Session { client: Standing::Here, server: Standing::Here };

    fn after_hello(purpose: Purpose) -> Self {
        match purpose {
            Purpose::New => Self::Greeted,
            Purpose::Resume(_) | Purpose::Stripe(_) => Self::Rejoining,
            Purpose::Enroll => Self::Stranger,
        }
    }

    /// How far the connection is once `sender` has sent a message of this kind; `None` if it may not.
    fn after(self, sender: Side, kind: Kind) -> Option<Self> {
        match (self, sender, kind) {
            (Self::Ended, _, _) | (Self::Fresh, Side::Client, _) => None,
            (_, _, Kind::Fault) => Some(Self::Ended),
            (Self::Greeted, Side::Server, Kind::Welcome) => Some(Self::Welcomed),
            (Self::Rejoining, Side::Server, Kind::Welcome) => Some(Self::SESSION),
            (Self::Stranger, Side::Client, Kind::Enroll) => Some(Self::Enrolling),
            (Self::Enrolling, Side::Server, Kind::Enrolled) => Some(Self::Ended),
            (Self::Welcomed, Side::Client, Kind::Open | Kind::Create) => Some(Self::Opening),
            (Self::Opening, Side::Server, Kind::Opened) => Some(Self::SESSION),
            (Self::Session { client, server }, _, _) => Self::in_session(client, server, sender, kind),
            _ => None,
        }
    }

    fn in_session(client: Standing, server: Standing, sender: Side, kind: Kind) -> Option<Self> {
        let own = if sender == Side::Client { client } else { server };
        match kind {
            Kind::Goodbye if own == Standing::Leaving => None,
            Kind::Goodbye => Some(match sender {
                Side::Client if server == Standing::Leaving => Self::Ended,
                Side::Server if client == Standing::Leaving => Self::Ended,
                Side::Client => Self::Session { client: Standing::Leaving, server },
                Side::Server => Self::Session { client, server: Standing::Leaving },
            }),
            _ => {
                let asks_late = kind.is_request() && own == Standing::Leaving;
                let belongs = kind.is_in_session() && kind.is_sent_by(sender);
                (belongs && !asks_late).then_some(Self::Session { client, server })
            }
        }
    }

    fn when(self) -> &'static str {
        match self {
            Self::Fresh => "before the Hello",
            Self::Greeted | Self::Rejoining => "before the Welcome",
            Self::Stranger => "before the Enroll",
            Self::Enrolling => "before the Enrolled",
            Self::Welcomed => "before the Open",
            Self::Opening => "before the Opened",
            Self::Session { client: Standing::Here, server: Standing::Here } => "in a session",
            Self::Session { .. } => "after a Goodbye",
            Self::Ended => "after the end",
        }
    }

    fn advance(&mut self, sender: Side, kind: Kind) -> Result<(), Unexpected> {
        *self = self.after(sender, kind).ok_or(Unexpected { kind, when: self.when() })?;
        Ok(())
    }
}

/// Whether a kind belongs to the version that both speak.
fn expect_spoken(kind: Kind, version: u16) -> Result<(), Unexpected> {
    match kind.since() <= version {
        true => Ok(()),
        false => Err(Unexpected { kind, when: "in the version that was agreed on" }),
    }
}

/// A connection as the server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerState {
    phase: Phase,
    version: u16,
}

impl Default for ServerState {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerState {
    /// A connection on which nothing was said yet.
    pub fn new() -> Self {
        Self { phase: Phase::Fresh, version: VERSION_LEAST }
    }

    /// Both sides speak this version from now on.
    pub fn agree(&mut self, version: u16) {
        self.version = version;
    }

    /// Whether a message of this kind may come now.
    pub fn awaits(&self, kind: Kind) -> bool {
        match self.phase {
            Phase::Fresh => kind == Kind::Hello,
            phase => phase.after(Side::Client, kind).is_some() && kind.since() <= self.version,
        }
    }

    /// The client said Hello for this purpose.
    ///
    /// # Errors
    /// [`Unexpected`] if it did so before.
    pub fn hello(&mut self, purpose: Purpose) -> Result<(), Unexpected> {
        if self.phase != Phase::Fresh {
            return Err(Unexpected { kind: Kind::Hello, when: self.phase.when() });
        }
        self.phase = Phase::after_hello(purpose);
        Ok(())
    }

    /// The client sent a message of this kind, other than Hello.
    ///
    /// # Errors
    /// [`Unexpected`] if it may not come now: the client is told so, and the connection ends.
    pub fn receive(&mut self, kind: Kind) -> Result<(), Unexpected> {
        expect_spoken(kind, self.version)?;
        self.phase.advance(Side::Client, kind)
    }

    /// The server is about to send a message of this kind.
    ///
    /// # Errors
    /// [`Unexpected`] if it may not: the server has a fault.
    pub fn send(&mut self, kind: Kind) -> Result<(), Unexpected> {
        expect_spoken(kind, self.version)?;
        self.phase.advance(Side::Server, kind)
    }

    /// Whether nothing comes any more.
    pub fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }
}

/// A connection as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientState {
    phase: Phase,
    version: u16,
}

impl ClientState {
    /// A connection on which the client says Hello for this purpose.
    pub fn new(purpose: Purpose) -> Self {
        Self { phase: Phase::after_hello(purpose), version: VERSION_LEAST }
    }

    /// Both sides speak this version from now on.
    pub fn agree(&mut self, version: u16) {
        self.version = version;
    }

    /// Whether a message of this kind may come now.
    pub fn awaits(&self, kind: Kind) -> bool {
        self.phase.after(Side::Server, kind).is_some() && kind.since() <= self.version
    }

    /// The server sent a message of this kind.
    ///
    /// # Errors
    /// [`Unexpected`] if it may not come now.
    pub fn receive(&mut self, kind: Kind) -> Result<(), Unexpected> {
        expect_spoken(kind, self.version)?;
        self.phase.advance(Side::Server, kind)
    }

    /// The client is about to send a message of this kind, other than Hello.
    ///
    /// # Errors
    /// [`Unexpected`] if it may not: too early, or the server said goodbye and takes no more requests.
    pub fn send(&mut self, kind: Kind) -> Result<(), Unexpected> {
        if let Phase::Session { server: Standing::Leaving, .. } = self.phase
            && kind.is_request()
        {
            return Err(Unexpected { kind, when: self.phase.when() });
        }
        expect_spoken(kind, self.version)?;
        self.phase.advance(Side::Client, kind)
    }

    /// Whether nothing comes any more.
    pub fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }
}
