//! The state in words and numbers, for people and programs: everything that is read from the outside.
//!
//! The names of the fields are the keys of the JSON that other programs read: they are added to, never renamed.
mod against_view;
mod attention;
mod clock_change;
mod counters;
mod course;
mod diagnosis;
mod explain;
mod feed;
mod freeze_words;
mod histogram;
mod history;
mod line;
mod line_words;
mod notice_states;
mod periodic;
mod plan_view;
mod rollout;
mod runs;
mod seconds;
mod status;
mod upcoming;
mod when;
mod wishes;

pub use against_view::{AgainstView, ChangeView, NoticeView, PeriodicView, SideView, StepName};
pub use attention::{AttentionItem, FailingOnHosts, Matter};
pub use clock_change::{clock_change, unusual};
pub use counters::Counters;
pub use course::Course;
pub use diagnosis::{Diagnosis, Mail, WindowState, Windows};
pub use explain::{Explanation, HostExplanation, Link, NextRun, Question, Rule, explain};
pub use feed::{Entry, EntryJob, Feed, Standing, feed, feed_plan};
pub use freeze_words::{FreezeView, SpanView, freezes};
pub use histogram::Histogram;
pub use history::{Row, rows};
pub use line::{Happening, Line, event};
pub use notice_states::notice_states;
pub use periodic::{Failing, Last, Periodic, Waits};
pub use plan_view::{HookView, PlanView, RunView, SessionView, StepView, UnplannedView};
pub use rollout::Rollout;
pub use runs::Runs;
pub use status::{AppState, AppStatus, Counts, Daemon, Lock, RunningItem, Shell, Status, status};
pub use upcoming::{Announcement, Next, NextJob};
pub use when::{counted, relative, span, when};
pub use wishes::{PauseItem, RequestItem};
