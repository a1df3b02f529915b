//! The command line.
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

/// Maintenance in the windows you declare: announced, locked, bounded in time.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "offhours",
    version,
    max_term_width = 100,
    propagate_version = true
)]
pub struct Cli {
    /// The configuration [default: ./windows.toml, else /etc/offhours/windows.toml]
    #[arg(
        long,
        short,
        global = true,
        env = "OFFHOURS_CONFIG",
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colour; NO_COLOR is obeyed
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorWhen,
    /// As on a terminal of that width: what the daemon prints for others
    #[arg(long, global = true, hide = true, value_name = "N")]
    pub columns: Option<u16>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Validate the configuration
    Check(CheckArgs),
    /// List the occurrences of windows
    Windows(WindowsArgs),
    /// List the instants of a crontab expression
    Cron(CronArgs),
    /// Show what will happen
    Plan(PlanArgs),
    /// Why a job does not run now, and when it will
    Explain(ExplainArgs),
    /// Play the daemon in virtual time, with made-up outcomes and faults
    Simulate(SimulateArgs),
    /// Run the daemon
    Run(RunArgs),
    /// Play one session of an app now
    Rehearse(RehearseArgs),
    /// Have a maintenance job run in the next window it can be announced for
    Request(RequestArgs),
    /// Let a requested job run that waits for another's consent
    Approve(ApproveArgs),
    /// End a session, or take back a request
    Cancel(CancelArgs),
    /// Put a session off to the next window, or a later one
    Postpone(PostponeArgs),
    /// Let nothing begin, of one app or at all
    Pause(PauseArgs),
    /// End a pause
    Resume(ResumeArgs),
    /// Bring an app back that is in maintenance
    Leave(LeaveArgs),
    /// Try what a night depends on: mail servers, hosts, hooks, locks, disk, clock; nothing is changed or sent
    Doctor(DoctorArgs),
    /// Start the daemon anew once nothing is under way: after an upgrade, say
    Restart(RestartArgs),
    /// Show what is, and what waits for a person
    Status(StatusArgs),
    /// One line and an exit code for Nagios, Icinga, Sensu, Checkmk: 0 good, 1 warning, 2 critical, 3 unknown
    Monitor(MonitorArgs),
    /// Show what was
    History(HistoryArgs),
    /// Show what a run printed
    Logs(LogsArgs),
    /// Look at notices, and try whether they arrive
    #[command(subcommand)]
    Notice(NoticeCommand),
    /// Names for the completions of shells
    #[command(hide = true)]
    InternalNames(NamesArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder
    Man(ManArgs),
}

#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Look at the year that begins then
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub from: String,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
}

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("end").args(["count", "until"]))]
pub struct WindowsArgs {
    /// Only these windows
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Occurrences that are open then, or open later
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub from: String,
    /// This many of each window [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: Option<u32>,
    /// Those that open before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub struct CronArgs {
    /// Five fields, or @hourly, @daily, @weekly, @monthly, @yearly
    #[arg(value_name = "EXPR")]
    pub expr: String,
    /// IANA name [default: that of the configuration, else UTC]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Strictly after this
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub from: String,
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
}

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("end").args(["days", "until"]))]
pub struct PlanArgs {
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub from: String,
    /// How many days ahead [default: 7]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub days: Option<u32>,
    /// What begins before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// What replacing this configuration would do: sessions, and mails at once; exits as diff does
    #[arg(long, value_name = "OLD")]
    pub against: Option<PathBuf>,
    #[command(flatten)]
    pub limit: Limit,
}

#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// A maintenance or periodic job
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Only on this host
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// As if it were then
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub at: String,
}

#[derive(Clone, Debug, Args)]
pub struct SimulateArgs {
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub from: String,
    /// How many days of 24 hours
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub days: u32,
    /// The same seed plays the same
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub seed: u64,
    /// What goes wrong
    #[arg(long, value_enum, default_value_t)]
    pub faults: FaultsArg,
    /// Every event in words, as the daemon's log has it
    #[arg(long)]
    pub events: bool,
    #[command(flatten)]
    pub limit: Limit,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FaultsArg {
    /// Nothing: every command succeeds, every mail is accepted
    #[default]
    None,
    /// Commands fail and hang, hooks break, locks are held, mails are refused or unanswered
    Some,
    /// The daemon is killed, clocks jump, the machine sleeps and the disk fills up as well
    All,
}

#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Perform nothing; say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Move the state aside, run every app's leave hooks, begin anew
    #[arg(long, conflicts_with = "dry_run")]
    pub fresh_state: bool,
}

#[derive(Clone, Debug, Args)]
pub struct RehearseArgs {
    /// Which app is taken out of service and brought back
    pub app: String,
    /// Whether the hooks are run
    #[arg(long, value_enum, default_value_t)]
    pub hooks: HooksWhen,
    /// Run the jobs too
    #[arg(long)]
    pub with_jobs: bool,
    /// Why the window and the notice are overridden; recorded
    #[arg(long)]
    pub reason: String,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Clone, Debug, Args)]
pub struct Because {
    /// Why; recorded, and told to those who are told
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Only say what would come of it, and who would be told
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, Args)]
pub struct RequestArgs {
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Only on these of its hosts, or those of them in a group: @GROUP
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    pub hosts: Vec<String>,
    /// Now, whatever window and freeze say; people are told now, and not waited for
    #[arg(long)]
    pub emergency: bool,
    #[command(flatten)]
    pub because: Because,
}

#[derive(Clone, Debug, Args)]
pub struct CancelArgs {
    /// A session as `status` and `plan` show it, or a job that was asked for
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub because: Because,
}

#[derive(Clone, Debug, Args)]
pub struct PostponeArgs {
    /// A session as `status` and `plan` show it
    #[arg(value_name = "ID")]
    pub id: String,
    /// Not before a window that opens then or later [default: the next]
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    #[command(flatten)]
    pub because: Because,
}

#[derive(Clone, Debug, Args)]
pub struct PauseArgs {
    /// Only this app [default: everything]
    #[arg(value_name = "APP")]
    pub app: Option<String>,
    /// It ends by itself then [default: never]
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    #[command(flatten)]
    pub because: Because,
}

#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Only these hosts, or those in a group: @GROUP
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    pub hosts: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub struct RestartArgs {
    /// Wait until no app is in maintenance and nothing runs
    #[arg(long)]
    pub when_idle: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ApproveArgs {
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Why; recorded
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// Only say what would come of it
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ResumeArgs {
    /// The pause of this app [default: that of everything]
    #[arg(value_name = "APP")]
    pub app: Option<String>,
    /// Why; recorded
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// Only say what would come of it
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, Args)]
pub struct LeaveArgs {
    #[arg(value_name = "APP")]
    pub app: String,
    /// Run its leave hooks of the configuration now: for when the state is damaged and no daemon can run
    #[arg(long)]
    pub without_state: bool,
    /// Why; recorded, and told to those who are told
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// Only say what would come of it
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum HooksWhen {
    /// The real ones
    #[default]
    Real,
    None,
}

#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Show it again whenever something happens, with progress bars, until interrupted
    #[arg(long, short)]
    pub follow: bool,
    /// Progress bars, without following
    #[arg(long, hide = true, conflicts_with = "follow")]
    pub bars: bool,
}

#[derive(Clone, Debug, Args)]
pub struct MonitorArgs {
    /// Warn where a notice has waited for so long
    #[arg(long, value_name = "DURATION", default_value = "30m")]
    pub notices_warning: String,
    /// Critical where a notice has waited for so long
    #[arg(long, value_name = "DURATION", default_value = "4h")]
    pub notices_critical: String,
}

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NamesOf {
    Jobs,
    Maintenance,
    Apps,
    Windows,
    Hosts,
    Sessions,
    Runs,
}

#[derive(Clone, Debug, Args)]
pub struct NamesArgs {
    #[arg(value_enum)]
    pub of: NamesOf,
}

#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// Made where it is not there
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// Only this job
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    /// The same as JOB
    #[arg(long = "job", value_name = "JOB", conflicts_with = "job")]
    pub of: Option<String>,
    /// Only this session: APP/WINDOW/DATE
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// Only what was done on this host
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Not older than this
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what somebody should look at
    #[arg(long)]
    pub failed: bool,
    #[command(flatten)]
    pub limit: Limit,
}

impl HistoryArgs {
    pub fn job(&self) -> Option<&str> {
        self.job.as_deref().or(self.of.as_deref())
    }
}

#[derive(Clone, Debug, Args)]
pub struct LogsArgs {
    /// The number of a run, RUN.ATTEMPT, or a job (its latest run), on one of its hosts: JOB@HOST
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Go on while it runs, to its end; of output beyond the limit the end comes when it is over
    #[arg(long, short)]
    pub follow: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub enum NoticeCommand {
    /// Show the mail about an app's next session, as it would be sent
    Preview(PreviewArgs),
    /// Send a mail that says it is a test, and show what the server answers
    Test(TestArgs),
}

#[derive(Clone, Debug, Args)]
pub struct PreviewArgs {
    #[arg(value_name = "APP")]
    pub app: String,
    /// On what occasion
    #[arg(long, value_enum, default_value_t)]
    pub kind: KindArg,
    /// In this language [default: that of the first who is told]
    #[arg(long, value_enum)]
    pub language: Option<LanguageArg>,
    #[arg(long, value_enum, default_value_t)]
    pub format: FormatArg,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    #[default]
    Advance,
    Changed,
    Cancelled,
    Postponed,
    Started,
    Finished,
    Failed,
    /// What comes in a week, in one mail
    Digest,
    /// To the operators
    Operators,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LanguageArg {
    En,
    De,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// Subject and plain text
    #[default]
    Text,
    Html,
    /// The whole message
    Eml,
}

#[derive(Clone, Debug, Args)]
pub struct TestArgs {
    /// A role of the contacts, or an address
    #[arg(value_name = "ROLE_OR_ADDRESS")]
    pub to: String,
}

/// How much of a long listing is shown.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Limit {
    /// Show no more than this [default: 50 for people, all with --json]
    #[arg(long, value_name = "N", conflicts_with = "all")]
    pub limit: Option<usize>,
    /// Show all
    #[arg(long)]
    pub all: bool,
}

impl Limit {
    /// What people are shown when they do not say.
    pub const DEFAULT: usize = 50;

    pub fn for_people(self) -> usize {
        match self.limit {
            Some(limit) => limit,
            None if self.all => usize::MAX,
            None => Self::DEFAULT,
        }
    }

    pub fn for_programs(self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_span_has_one_end() {
        let both = [
            "offhours",
            "windows",
            "--count",
            "3",
            "--until",
            "2026-12-01",
        ];
        assert!(Cli::try_parse_from(both).is_err());
    }
}
