//! A program that runs in a node: its output, its end, and its being killed when the handle goes.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

use super::actor::Actor;
use super::child::{Child, Exit, Pipes, Reaped, Target};
use super::process::{Finished, ProcessError, printed};
use super::watched::Watched;

/// How long a killed program and the pipes of its children may take to go.
const DYING: Duration = Duration::from_secs(5);

/// Output beyond this is read and forgotten.
const KEPT_OUTPUT: usize = 16 << 20;

/// A program that was started in a node. Dropping it kills the program and all that it started.
#[derive(Debug)]
pub struct Running {
    command: String,
    target: Target,
    started: Instant,
    progress: Watched<Progress>,
    actor: Actor,
}

/// What is known of a program so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// How many of the two outputs have ended.
    closed: u8,
    reaped: Option<Reaped>,
}

impl Running {
    pub(super) fn new(
        actor: Actor,
        command: String,
        (started, target): (Instant, Target),
        progress: Watched<Progress>,
    ) -> Self {
        Self { command, target, started, progress, actor }
    }

    /// The process id.
    pub fn id(&self) -> i32 {
        self.target.pid().as_raw()
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        self.progress.look(|progress| String::from_utf8_lossy(&progress.stdout).into_owned())
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.progress.look(|progress| String::from_utf8_lossy(&progress.stderr).into_owned())
    }

    /// Sends it a signal by number, as in `libc::SIGTERM`. False when it has ended already.
    pub fn signal(&self, number: i32) -> bool {
        self.target.signal(number).is_ok()
    }

    /// Waits until it ends by itself. None when the deadline comes first; then it goes on.
    pub fn wait(&self, within: Duration) -> Option<Exit> {
        self.progress.wait_for(within, |progress| progress.reaped).map(|reaped| reaped.exit)
    }

    /// Waits until a line that contains `text` appears on either output.
    ///
    /// # Errors
    /// When it does not in time, or the program ends.
    pub fn wait_for_line(&self, text: &str, within: Duration) -> Result<(), ProcessError> {
        let found = self.progress.wait_for(within, |progress| {
            let seen = contains(&progress.stdout, text) || contains(&progress.stderr, text);
            let ended = progress.reaped.filter(|_| progress.closed == 2);
            if seen { Some(None) } else { ended.map(|reaped| Some(reaped.exit)) }
        });
        let program = self.command.clone();
        let waited_for = text.to_owned();
        let output = self.progress.look(|progress| printed(&progress.stdout, &progress.stderr));
        match found {
            Some(None) => Ok(()),
            Some(Some(exit)) => Err(ProcessError::EndedEarly { program, waited_for, exit, output }),
            None => Err(ProcessError::NotReady { program, waited_for, within, output }),
        }
    }

    /// Kills it and all that it started, without waiting.
    pub fn kill(&self) {
        self.actor.kill_processes();
    }

    /// Waits until it ends, or kills it when the deadline passes. What it started and left behind is killed.
    ///
    /// # Errors
    /// When it does not even end by being killed.
    pub fn finish(self, within: Duration) -> Result<Finished, ProcessError> {
        let timed_out = self.wait(within).is_none();
        self.kill();
        let reaped = self.progress.wait_for(DYING, |progress| progress.reaped);
        let elapsed = self.started.elapsed();
        let Some(Reaped { exit, cpu }) = reaped else {
            return Err(ProcessError::Unkillable { program: self.command });
        };
        // Whoever held the other ends of the pipes is dead.
        self.progress.wait_for(DYING, |progress| (progress.closed == 2).then_some(()));
        let (stdout, stderr) = self
            .progress
            .change(|progress| (std::mem::take(&mut progress.stdout), std::mem::take(&mut progress.stderr)));
        let Self { command, actor, .. } = self;
        actor.stop()?;
        Ok(Finished { command, exit, timed_out, stdout, stderr, elapsed, cpu })
    }
}

fn contains(output: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(output).lines().any(|line| line.contains(text))
}

/// Feeds a child, collects what it prints and waits for its end. Runs on the thread that started the child.
pub(super) async fn attend(
    mut child: Child,
    pipes: Pipes,
    input: Option<Vec<u8>>,
    progress: Watched<Progress>,
) -> Result<(), String> {
    let Pipes { stdin, stdout, stderr } = pipes;
    let exit = async {
        let reaped = child.exited().await.map_err(|error| format!("cannot reap a program: {error}"))?;
        progress.change(|progress| progress.reaped = Some(reaped));
        Ok(())
    };
    let collect = |pipe: Option<OwnedFd>, which: fn(&mut Progress) -> &mut Vec<u8>| {
        let progress = progress.clone();
        async move {
            // A broken pipe ends the output, as its closing does.
            let _ = drain(pipe, &progress, which).await;
            progress.change(|progress| progress.closed += 1);
        }
    };
    let (outcome, (), (), ()) = tokio::join!(
        exit,
        collect(stdout.map(Into::into), |progress| &mut progress.stdout),
        collect(stderr.map(Into::into), |progress| &mut progress.stderr),
        async {
            // A program need not read its input.
            let _ = feed(stdin.map(Into::into), input).await;
        },
    );
    outcome
}

async fn drain(
    pipe: Option<OwnedFd>,
    progress: &Watched<Progress>,
    which: fn(&mut Progress) -> &mut Vec<u8>,
) -> io::Result<()> {
    let mut pipe = pipe::Receiver::from_owned_fd(pipe.ok_or(ErrorKind::NotFound)?)?;
    let mut buffer = vec![0; 16 << 10];
    loop {
        let length = pipe.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let bytes = buffer.get(..length).unwrap_or_default();
        progress.change(|progress| {
            let kept = which(progress);
            let room = KEPT_OUTPUT.saturating_sub(kept.len());
            kept.extend(bytes.iter().take(room));
        });
    }
}

async fn feed(pipe: Option<OwnedFd>, input: Option<Vec<u8>>) -> io::Result<()> {
    let (Some(pipe), Some(input)) = (pipe, input) else { return Ok(()) };
    pipe::Sender::from_owned_fd(pipe)?.write_all(&input).await
}
