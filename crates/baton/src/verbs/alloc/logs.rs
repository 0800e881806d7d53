//! `baton alloc logs [-f] [-stderr] ID [TASK]`

use std::io::Write as _;

use anyhow::{Result, bail};
use baton_model::Allocation;
use clap::Args;

use crate::cli::api::{Api, segment};
use crate::cli::{Connection, resolve};

/// Show the logs of an allocation's task.
///
/// Standard output is shown unless --stderr is given; with -f and neither, both streams are followed.
#[derive(Debug, Args)]
pub struct Logs {
    /// Go on as the task writes
    #[arg(short, long)]
    follow: bool,
    /// Show standard error
    #[arg(long)]
    stderr: bool,
    /// Show standard output
    #[arg(long)]
    stdout: bool,
    /// Show the end only: the last 10 lines, or as -n or -c say
    #[arg(long)]
    tail: bool,
    /// How many lines of the end
    #[arg(short, value_name = "LINES")]
    n: Option<u64>,
    /// How many bytes of the end
    #[arg(short, value_name = "BYTES")]
    c: Option<u64>,
    /// Which task, if there are several
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// The argument is a job: take one of its running allocations
    #[arg(long)]
    job: bool,
    #[command(flatten)]
    connection: Connection,
    /// Allocation id or its beginning
    alloc: String,
    /// Which task, if there are several
    task_name: Option<String>,
}

/// How many bytes a line is taken to have at most when the last N lines are asked for.
const LINE_BYTES: u64 = 120;

impl Logs {
    pub fn run(self) -> Result<u8> {
        crate::cli::block_on(async {
            let api = Api::new(&self.connection)?;
            let alloc = if self.job { self.of_job(&api).await? } else { resolve::alloc(&api, &self.alloc).await? };
            let task = self.task(&alloc)?;
            let both = self.follow && !self.stderr && !self.stdout && !self.tail;
            if both {
                tokio::try_join!(
                    self.copy(&api, &alloc.id, &task, "stdout"),
                    self.copy(&api, &alloc.id, &task, "stderr")
                )?;
            } else {
                self.copy(&api, &alloc.id, &task, if self.stderr { "stderr" } else { "stdout" }).await?;
            }
            Ok(0)
        })
    }

    async fn of_job(&self, api: &Api) -> Result<Allocation> {
        let job = resolve::job(api, &self.alloc).await?;
        let allocs: Vec<crate::verbs::alloc::table::AllocStub> =
            api.get(&format!("/v1/job/{}/allocations", segment(&job.id))).await?;
        let running = allocs.iter().find(|alloc| alloc.client_status == baton_model::AllocClientStatus::Running);
        let Some(alloc) = running.or(allocs.first()) else { bail!("job {:?} has no allocations", job.id) };
        api.get(&format!("/v1/allocation/{}", alloc.id)).await
    }

    fn task(&self, alloc: &Allocation) -> Result<String> {
        let group = alloc.job.as_ref().and_then(|job| job.group(&alloc.task_group));
        let names: Vec<&str> =
            group.map(|group| group.tasks.iter().map(|task| task.name.as_str()).collect()).unwrap_or_default();
        match (self.task.as_ref().or(self.task_name.as_ref()), &names[..]) {
            (Some(name), _) if names.contains(&name.as_str()) => Ok(name.clone()),
            (Some(name), _) => bail!("allocation has no task {name:?}; it has {}", names.join(", ")),
            (None, [one]) => Ok((*one).to_owned()),
            (None, _) => bail!("the allocation has several tasks, name one: {}", names.join(", ")),
        }
    }

    async fn copy(&self, api: &Api, alloc: &str, task: &str, stream: &str) -> Result<()> {
        let wants_end = self.tail || self.n.is_some() || self.c.is_some();
        let bytes = self.c.unwrap_or_else(|| self.n.unwrap_or(10) * LINE_BYTES);
        let (origin, offset) = if wants_end { ("end", bytes) } else { ("start", 0) };
        let path = format!(
            "/v1/client/fs/logs/{alloc}?task={}&type={stream}&follow={}&origin={origin}&offset={offset}&plain=true",
            segment(task),
            self.follow
        );
        let mut answer = api.stream(&path).await?;
        let mut lines = (self.tail || self.n.is_some()) && self.c.is_none();
        while let Some(chunk) = answer.chunk().await? {
            let mut chunk = &chunk[..];
            if std::mem::take(&mut lines) {
                chunk = last_lines(chunk, self.n.unwrap_or(10));
            }
            let mut out: Box<dyn std::io::Write> = if stream == "stderr" && !self.stderr {
                Box::new(std::io::stderr())
            } else {
                Box::new(std::io::stdout())
            };
            out.write_all(chunk)?;
            out.flush()?;
        }
        Ok(())
    }
}

/// The last `count` lines of a text.
fn last_lines(text: &[u8], count: u64) -> &[u8] {
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let mut left = count;
    for (at, byte) in body.iter().enumerate().rev() {
        if *byte == b'\n' {
            left -= 1;
            if left == 0 {
                return &text[at + 1..];
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_last_lines() {
        assert_eq!(last_lines(b"a\nb\nc\n", 2), b"b\nc\n");
        assert_eq!(last_lines(b"a\nb\nc", 1), b"c");
        assert_eq!(last_lines(b"a\n", 5), b"a\n");
        assert_eq!(last_lines(b"", 5), b"");
    }
}
