//! Work of one kind, as fast as it goes, with the time that each piece of it took.
//!
//! Must never retry: a piece that failed is counted as that.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::query::{self, Asked, Query};
use super::{ActorError, Answer, Tally};
use crate::patience::patient;

/// How long one piece may take.
const EACH: Duration = Duration::from_secs(10);
/// What a round trip carries, in bytes.
const MESSAGE: usize = 64;
/// How much is written at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// A kind of work, of which each piece is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A connection, until its first answer is there.
    Connections,
    /// A message of 64 bytes there and back, on a connection that is kept.
    RoundTrips,
    /// A MiB there and back, on a connection that is kept.
    Bulk,
    /// A DNS query, from a socket of its own.
    Queries,
}

/// Work to be done.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Of which kind.
    pub kind: Kind,
    /// By whom.
    pub to: SocketAddr,
    /// How many pieces, all clients together.
    pub pieces: usize,
    /// How many clients work side by side.
    pub clients: usize,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// How many connections or queries ended how: by who answered, or by how they failed.
    pub tally: Tally,
    /// How long each piece took that was done, in ns, and exact: where a clock counts instructions, hundreds of them matter.
    pub took: Vec<u64>,
}

impl Work {
    /// How many connections it makes, or queries.
    #[must_use]
    pub fn flows(&self) -> usize {
        match self.kind {
            Kind::Connections | Kind::Queries => self.pieces,
            Kind::RoundTrips | Kind::Bulk => self.clients,
        }
    }
}

impl Done {
    /// With room for so many pieces, so that none of them pays for that.
    fn of(pieces: usize) -> Self {
        Self { tally: Tally(BTreeMap::new()), took: Vec::with_capacity(pieces) }
    }

    fn ended(&mut self, how: String) {
        *self.tally.0.entry(how).or_default() += 1;
    }

    fn took(&mut self, since: Instant) {
        self.took.push(u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }

    fn with(mut self, other: Self) -> Self {
        for (how, count) in other.tally.0 {
            *self.tally.0.entry(how).or_default() += count;
        }
        self.took.extend(other.took);
        self
    }
}

pub(super) async fn run(work: Work) -> Result<Done, ActorError> {
    let clients = work.clients.max(1);
    let share = |lane: usize| work.pieces / clients + usize::from(lane < work.pieces % clients);
    let lanes = (0..clients).map(|lane| one_client(work.kind, work.to, share(lane)));
    join_all(lanes).await.into_iter().try_fold(Done::default(), |all, lane| Ok(all.with(lane?)))
}

async fn one_client(kind: Kind, to: SocketAddr, pieces: usize) -> Result<Done, ActorError> {
    let mut done = Done::of(pieces);
    match kind {
        Kind::Connections => connections(to, pieces, &mut done).await,
        Kind::RoundTrips => kept(to, pieces, &[7; MESSAGE], &mut done).await,
        Kind::Bulk => kept(to, pieces, &vec![7; 1 << 20], &mut done).await,
        Kind::Queries => queries(to, pieces, &mut done).await?,
    }
    Ok(done)
}

async fn connections(to: SocketAddr, pieces: usize, done: &mut Done) {
    for _ in 0..pieces {
        let begun = Instant::now();
        match timeout(patient(EACH), answered(to)).await {
            Ok(Ok((_, who))) => {
                done.took(begun);
                done.ended(who);
            }
            failed => done.ended(failure(failed)),
        }
    }
}

/// A connection whose first answer is there, and who gave it.
async fn answered(to: SocketAddr) -> io::Result<(TcpStream, String)> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let mut stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    // Closed by a reset, so that thousands of ports are not kept waiting.
    stream.set_zero_linger()?;
    match Answer::read(&mut stream).await? {
        Ok(answer) => Ok((stream, answer.actor)),
        Err(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// One connection, and so many messages there and back.
async fn kept(to: SocketAddr, pieces: usize, message: &[u8], done: &mut Done) {
    let (mut stream, who) = match timeout(patient(EACH), answered(to)).await {
        Ok(Ok(answered)) => answered,
        failed => return done.ended(failure(failed)),
    };
    for _ in 0..pieces {
        let begun = Instant::now();
        match timeout(patient(EACH), there_and_back(&mut stream, message)).await {
            Ok(Ok(())) => done.took(begun),
            failed => return done.ended(failure(failed)),
        }
    }
    done.ended(who);
}

/// What comes back is counted, not compared: scenarios do that.
async fn there_and_back(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let hear = async {
        let mut buffer = vec![0; message.len().min(CHUNK)];
        let mut left = message.len();
        while left > 0 {
            let room = left.min(buffer.len());
            match reader.read(buffer.get_mut(..room).unwrap_or_default()).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                heard => left -= heard,
            }
        }
        Ok(())
    };
    tokio::try_join!(writer.write_all(message), hear).map(drop)
}

async fn queries(server: SocketAddr, pieces: usize, done: &mut Done) -> Result<(), ActorError> {
    let query = Query {
        name: "bench.mesh".to_owned(),
        server,
        from: None,
        port: None,
        connected: true,
        within: patient(EACH),
    };
    for _ in 0..pieces {
        let begun = Instant::now();
        match query::ask(query.clone()).await? {
            Asked::Answered { answer, .. } => {
                done.took(begun);
                done.ended(answer.actor);
            }
            Asked::Refused => done.ended("refused".to_owned()),
            Asked::TimedOut => done.ended("timed out".to_owned()),
            Asked::Unreachable(why) | Asked::Unintelligible(why) => done.ended(why),
        }
    }
    Ok(())
}

/// How a piece ended that was not done.
fn failure<T>(ended: Result<io::Result<T>, tokio::time::error::Elapsed>) -> String {
    match ended {
        Ok(Err(error)) => error.kind().to_string(),
        Ok(Ok(_)) | Err(_) => "timed out".to_owned(),
    }
}
