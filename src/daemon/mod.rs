//! The daemon: the loop that turns events into facts and effects, and the real world around it.
//!
//! | file | holds |
//! |---|---|
//! | `turns` | the loop: hear, decide, record, perform. Also what `simulate` and dry runs call |
//! | `world` | what the loop needs of the world |
//! | `degraded` | what happens while the state cannot be written |
//! | `real` | the world as it is: processes, mail, clocks |
//! | `heard` | what runs say, as the core hears it |
//! | `hosts` | what runs on other machines |
//! | `lock_watch` | how long runs wait for locks |
//! | `letters` | from what the core says to what is mailed |
//! | `startup` | locks, survivors, state: everything before the first turn |
//! | `anew` | a state begun anew: every app is brought back first |
//! | `letters`, `templates` | what is mailed, and by which texts |
//! | `alive` | that all is well, told to others |
//! | `announce` | events in words, for the log and for those who listen |
pub mod alive;
mod anew;
pub mod announce;
mod degraded;
mod heard;
mod hosts;
pub mod letters;
mod lock_watch;
pub mod real;
pub mod startup;
pub mod templates;
pub mod turns;
pub mod world;

pub use turns::{Ended, Turns};
pub use world::{Heard, World};
