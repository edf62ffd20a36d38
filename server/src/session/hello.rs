//! The beginning of a connection: who is there, and what for. Up to the session nothing is held that a stranger could
//! make grow, and no step takes long.

use std::sync::Arc;

use farkeep_codec::layout::Malformed;
use farkeep_engine::SlotId;
use farkeep_protocol::fault::Code;
use farkeep_protocol::fault::Fault;
use farkeep_protocol::field::JournalHash;
use farkeep_protocol::field::JournalHead;
use farkeep_protocol::field::List;
use farkeep_protocol::field::Name;
use farkeep_protocol::field::SessionId;
use farkeep_protocol::field::Text;
use farkeep_protocol::hello::Access;
use farkeep_protocol::hello::Create;
use farkeep_protocol::hello::Enroll;
use farkeep_protocol::hello::Enrolled;
use farkeep_protocol::hello::Hello;
use farkeep_protocol::hello::Open;
use farkeep_protocol::hello::Opened;
use farkeep_protocol::hello::Purpose;
use farkeep_protocol::hello::Rights;
use farkeep_protocol::hello::Role;
use farkeep_protocol::hello::Versions;
use farkeep_protocol::hello::Welcome;
use farkeep_protocol::identity::PublicKey;
use farkeep_protocol::kind::Body;
use farkeep_protocol::kind::Kind;
use farkeep_protocol::kind::Message;
use jiff::Timestamp;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::Instrument;

use super::House;
use super::Phase;
use super::actor::Owner;
use super::actor::Session;
use super::event::Attached;
use super::event::Event;
use super::event::Way;
use super::line::Outbox;
use super::wire::Wire;
use crate::bridge::Failure;
use crate::bridge::How;
use crate::bridge::Lease;
use crate::bridge::Reply;
use crate::observe;
use crate::registry::Client;
use crate::registry::RedeemError;
use crate::registry::Standing;

/// The epoch of this node: there has been no other one.
const EPOCH: u64 = 1;

/// Why a connection does not come to a session.
enum Turned {
    /// The client is told.
    Away(Failure),
    /// There is nobody to be told.
    Gone,
}

impl From<Failure> for Turned {
    fn from(failure: Failure) -> Self {
        Self::Away(failure)
    }
}

/// What a client said first.
struct Greeting {
    purpose: Purpose,
    version: u16,
    credit_bytes: u32,
}

/// Serves one connection from its first frame to its end. `passed` is told when it has come to a session.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    house: Arc<House>,
    stream: S,
    key: PublicKey,
    passed: impl FnOnce(),
) {
    let mut door =
        Door { wire: Wire::new(stream, Arc::clone(&house.config), Arc::clone(&house.observer)), house, key };
    match door.begin().await {
        Ok(Some(begun)) => {
            passed();
            begun.run(door).await;
        }
        Ok(None) => door.wire.finish().await,
        Err(Turned::Gone) => {}
        Err(Turned::Away(failure)) => {
            tracing::info!(client = %key, %failure, "a connection is turned away");
            door.house.observer.counters.fault(failure.code);
            let text = Text::beginning(&failure.text);
            let fault = Fault { code: failure.code, sequence: None, text };
            drop(door.say(&fault).await);
            door.wire.finish().await;
        }
    }
}

/// A connection that has come to its session.
struct Begun {
    attached: Attached,
    outbox: Outbox,
    answers: tokio::sync::mpsc::Receiver<super::answer::Answer>,
}

impl Begun {
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(self, door: Door<S>) {
        door.wire.run(&self.attached, self.outbox, self.answers).await;
    }
}

/// A connection before it has come to a session.
struct Door<S> {
    house: Arc<House>,
    wire: Wire<S>,
    key: PublicKey,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Door<S> {
    async fn begin(&mut self) -> Result<Option<Begun>, Turned> {
        let greeting = self.greet().await?;
        if *self.house.phase.borrow() != Phase::Running {
            return Err(Failure::new(Code::SERVER_STOPPING, "the server is being stopped").into());
        }
        match greeting.purpose {
            Purpose::Enroll => self.enroll().await.map(|()| None),
            Purpose::New => self.open(&greeting).await.map(Some),
            Purpose::Resume(session) => self.rejoin(&greeting, session, Way::Resume).await.map(Some),
            Purpose::Stripe(session) => self.rejoin(&greeting, session, Way::Stripe).await.map(Some),
        }
    }

    async fn greet(&mut self) -> Result<Greeting, Turned> {
        let greeting = self.hear(Kind::Hello, |body| {
            let hello = Hello::decode(body)?;
            Ok((hello.versions, hello.purpose, hello.credit_bytes, hello.epoch))
        });
        let (versions, purpose, credit_bytes, epoch) = greeting.await?;
        self.wire
            .state
            .lock()
            .hello(purpose)
            .map_err(|error| Failure::new(Code::UNEXPECTED_MESSAGE, error.to_string()))?;
        let Some(version) = Versions::OURS.agree(versions) else {
            return Err(Failure::new(Code::VERSION, "no version of the protocol is spoken by both").into());
        };
        if epoch > EPOCH {
            return Err(Failure::new(Code::EPOCH_OLD, "a newer epoch has begun elsewhere").into());
        }
        Ok(Greeting { purpose, version, credit_bytes })
    }

    /// What the client's key is known as.
    fn known(&self) -> Result<Arc<Client>, Failure> {
        match self.house.clients.standing(&self.key) {
            Standing::Known(client) => Ok(client),
            Standing::Revoked => Err(Failure::new(Code::REVOKED, "the key of this client was revoked")),
            Standing::Unknown => {
                Err(Failure::new(Code::NOT_ENROLLED, "the key of this client is not known here"))
            }
        }
    }

    async fn enroll(&mut self) -> Result<(), Turned> {
        let heard = self.hear(Kind::Enroll, |body| {
            let enroll = Enroll::decode(body)?;
            Ok((enroll.token.clone(), enroll.name.as_str().to_owned()))
        });
        let (token, name) = heard.await?;
        self.receive(Kind::Enroll)?;
        let (house, key) = (Arc::clone(&self.house), self.key);
        let redeem = move || house.tokens.redeem(&house.clients, &token, &key, &name, Timestamp::now());
        let client = self.house.pool.run(redeem).await?.map_err(|error| match error {
            RedeemError::Invalid => Failure::new(Code::TOKEN_INVALID, error.to_string()),
            RedeemError::Revoked => Failure::new(Code::REVOKED, error.to_string()),
            RedeemError::Folder(_) => {
                tracing::error!(%error, "a client was not enrolled");
                Failure::new(Code::INTERNAL, "the server could not write down who this client is")
            }
        })?;
        tracing::info!(client = %self.key, name = %client.name, role = client.role.name(), "a client is enrolled");
        self.house.observer.recorder.raise(observe::Event::Enrolled {
            client: client.name.clone(),
            key: self.key.to_string(),
            role: client.role.name().to_owned(),
        });
        let names = client.repositories.iter().filter_map(|name| Name::new(name).ok()).collect();
        let repositories =
            List::new(names).map_err(|error| Failure::new(Code::INTERNAL, error.to_string()))?;
        let name =
            Name::new(&client.name).map_err(|error| Failure::new(Code::INTERNAL, error.to_string()))?;
        self.say(&Enrolled { role: client.role, name, repositories }).await
    }

    async fn open(&mut self, greeting: &Greeting) -> Result<Begun, Turned> {
        let client = self.known()?;
        let (house, key, named) = (Arc::clone(&self.house), self.key, Arc::clone(&client));
        let account = self.house.pool.run(move || house.accounts.open(&key, &named)).await??;
        let seat = account.sit(self.house.config.limits.sessions_per_client)?;
        let place = self.house.sessions.reserve()?;
        let credit_bytes = self.house.sessions.share_bytes();
        self.welcome(greeting, client.role, (place.id, credit_bytes, 0)).await?;
        let (lease, access) = self.repository(&client).await?;
        let rights = Rights::of(client.role).for_access(access);
        let span = tracing::info_span!(
            "session",
            client = %client.name,
            role = client.role.name(),
            repository = lease.name()
        );
        let counted = self.house.observer.counters.role(client.role).hold();
        let owner = Owner { key: self.key, client, account, rights, _seat: seat, _counted: counted };
        let (outbox, answers) = Outbox::new(self.house.config.limits.session_requests);
        let credits = (credit_bytes, greeting.credit_bytes);
        let house = Arc::clone(&self.house);
        let begun = Session::begin(house, owner, place, lease.clone(), credits, outbox.clone());
        let (session, attached) = begun;
        // The session can be found before the client knows of it: a further connection may come at once.
        self.opened(&lease, rights).await?;
        tokio::spawn(session.run().instrument(span));
        Ok(Begun { attached, outbox, answers })
    }

    /// The repository that the client names, opened or made.
    async fn repository(&mut self, client: &Client) -> Result<(Lease, Access), Turned> {
        let awaited = self.wire.state.clone();
        let limit = self.house.config.deadlines.step;
        let next = self.wire.reader.next(|kind| awaited.lock().awaits(kind));
        let frame = timeout(limit, next).await.map_err(|_| late())?.map_err(|error| turned(&error))?;
        self.house.observer.counters.received(frame.kind, frame.body.len());
        let (kind, name, how, access) = match frame.kind {
            Kind::Create => {
                let create = Create::decode(frame.body).map_err(|error| malformed(&error))?;
                let how = How::Create {
                    parameters: create.parameters.to_vec(),
                    slot: SlotId::from_bytes(*create.slot.as_bytes()),
                    slot_bytes: create.slot_bytes.as_bytes().to_vec(),
                };
                (Kind::Create, create.repository.as_str().to_owned(), how, Access::Write)
            }
            Kind::Open => {
                let open = Open::decode(frame.body).map_err(|error| malformed(&error))?;
                (Kind::Open, open.repository.as_str().to_owned(), How::Open, open.access)
            }
            Kind::Fault => return Err(Turned::Gone),
            other => {
                let text = format!("{} is not awaited now", other.name());
                return Err(Failure::new(Code::UNEXPECTED_MESSAGE, text).into());
            }
        };
        self.receive(kind)?;
        if kind == Kind::Create && client.role != Role::Keeper {
            return Err(Failure::new(Code::ROLE, "only a keeper makes repositories").into());
        }
        if !client.repositories.contains(&name) {
            return Err(unknown(&name).into());
        }
        let lease = self.house.repositories.open(&name, how).await;
        // It is open to this client, which may know that there is none.
        let lease =
            lease.map_err(|f| if f.code == Code::REPOSITORY_UNKNOWN { not_made(&name) } else { f })?;
        lease.held_by(&client.name);
        Ok((lease, access))
    }

    async fn opened(&mut self, lease: &Lease, rights: Rights) -> Result<(), Turned> {
        let engine = lease.engine();
        let (parameters, head) = (engine.parameters(), engine.head());
        let hash = JournalHash::from_bytes(*head.chain.as_bytes());
        self.say(&Opened {
            repository: parameters.repository,
            rights,
            head: JournalHead { sequence: head.sequence, hash },
            parameters: &parameters.encode(),
        })
        .await
    }

    async fn rejoin(&mut self, greeting: &Greeting, id: SessionId, way: Way) -> Result<Begun, Turned> {
        let client = self.known()?;
        let unknown = || Failure::new(Code::SESSION_UNKNOWN, "there is no such session of this client");
        let events = self.house.sessions.find(&id, &self.key).ok_or_else(unknown)?;
        let (outbox, answers) = Outbox::new(self.house.config.limits.session_requests);
        let (sender, answer) = oneshot::channel();
        let reply = Reply::new(move |attached| drop(sender.send(attached)));
        let attach = Event::Attach { outbox: outbox.clone(), way, reply };
        events.send(attach).await.map_err(|_| unknown())?;
        let attached = answer.await.map_err(|_| unknown())??;
        if way == Way::Resume {
            attached.ties.outflow.reset(greeting.credit_bytes);
        }
        let about = (id, attached.credit_bytes, attached.acknowledged);
        if let Err(turned) = self.welcome(greeting, client.role, about).await {
            let ended = Event::Ended { line: attached.line, how: super::event::Ending::Cut };
            drop(attached.ties.events.send(ended).await);
            return Err(turned);
        }
        Ok(Begun { attached, outbox, answers })
    }

    async fn welcome(
        &mut self,
        greeting: &Greeting,
        role: Role,
        (session, credit_bytes, acknowledged): (SessionId, u32, u64),
    ) -> Result<(), Turned> {
        let is_stripe = matches!(greeting.purpose, Purpose::Stripe(_));
        let credit_requests = if is_stripe { 0 } else { self.house.config.limits.session_requests };
        let time = self.house.observer.now();
        let version = greeting.version;
        self.wire.state.lock().agree(version);
        self.say(&Welcome {
            version,
            session,
            time,
            role,
            credit_bytes,
            credit_requests,
            acknowledged,
            epoch: EPOCH,
        })
        .await
    }

    /// Reads the one message that is due.
    async fn hear<T>(
        &mut self,
        due: Kind,
        decode: impl FnOnce(&[u8]) -> Result<T, Malformed>,
    ) -> Result<T, Turned> {
        let state = self.wire.state.clone();
        let next = self.wire.reader.next(|kind| state.lock().awaits(kind));
        let frame = timeout(self.house.config.deadlines.step, next).await.map_err(|_| late())?;
        let frame = frame.map_err(|error| turned(&error))?;
        self.house.observer.counters.received(frame.kind, frame.body.len());
        if frame.kind != due {
            // A Fault, which may come at any time.
            return Err(Turned::Gone);
        }
        Ok(decode(frame.body).map_err(|error| malformed(&error))?)
    }

    fn receive(&self, kind: Kind) -> Result<(), Failure> {
        let received = self.wire.state.lock().receive(kind);
        received.map_err(|error| Failure::new(Code::UNEXPECTED_MESSAGE, error.to_string()))
    }

    async fn say<'a>(&mut self, message: &impl Body<'a>) -> Result<(), Turned> {
        self.wire.state.lock().send(message.kind()).map_err(|error| {
            tracing::error!(%error, "the server broke the order itself");
            Turned::Gone
        })?;
        let limit = self.house.config.deadlines.step;
        let write = async {
            self.wire.writer.feed(message).await?;
            self.wire.writer.flush().await
        };
        match timeout(limit, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Turned::Gone),
        }
    }
}

fn late() -> Failure {
    Failure::new(Code::DEADLINE, "the next step did not come in time")
}

fn malformed(error: &Malformed) -> Failure {
    Failure::new(Code::MALFORMED, error.to_string())
}

fn turned(error: &farkeep_protocol::stream::StreamError) -> Turned {
    error.code().map_or(Turned::Gone, |code| Turned::Away(Failure::new(code, error.to_string())))
}

fn not_made(name: &str) -> Failure {
    let text = format!("nobody has made the repository {name} yet: a keeper does by `farkeep init`");
    Failure::new(Code::REPOSITORY_UNKNOWN, text)
}

/// The same words whether there is none or none for this client.
fn unknown(name: &str) -> Failure {
    Failure::new(Code::REPOSITORY_UNKNOWN, format!("there is no repository {name}, or not for this client"))
}
