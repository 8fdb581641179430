//! The protocol of all actors: whoever accepts a connection writes one line of JSON that says who it is and what
//! it saw, then echoes what it receives until the end.

use std::io;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Longer than any answer: reading stops there, whoever talks.
const LONGEST: u64 = 64 << 10;

/// Who answered, and what the connection looked like to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Answer {
    /// The name of who answers: `app`, `peer`, `sidecar-inbound`, `sidecar-outbound` or one of the caller's.
    pub actor: String,
    /// The address at which the connection arrived.
    pub local: SocketAddr,
    /// The address from which it came.
    pub client: SocketAddr,
    /// Where it was going before it was redirected, for those who ask the kernel.
    pub original_destination: Option<SocketAddr>,
}

impl Answer {
    /// Writes the answer, then echoes until the other side has said all.
    pub(super) async fn give(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        // What is echoed must not wait for the acknowledgement of what was before.
        stream.set_nodelay(true)?;
        let (mut reader, mut writer) = stream.split();
        writer.write_all(&line).await?;
        tokio::io::copy(&mut reader, &mut writer).await?;
        writer.shutdown().await
    }

    /// Reads an answer, after which nothing comes until the reader has spoken. The bytes come back when they are
    /// none.
    pub(super) async fn read(stream: impl AsyncRead + Unpin) -> io::Result<Result<Self, Vec<u8>>> {
        let mut line = Vec::new();
        BufReader::new(stream.take(LONGEST)).read_until(b'\n', &mut line).await?;
        Ok(serde_json::from_slice(&line).map_err(|_| line))
    }
}
