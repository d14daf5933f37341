//! How long until the next attempt.

use std::time::Duration;

use super::COOLDOWN;

/// A `Cache-Control: max-age` below this counts as this.
const SHORTEST_REFRESH: Duration = Duration::from_secs(300);
/// Longest pause between attempts while they fail.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);
/// Failures after which a source without keys is asked less often.
const SOON: u32 = 30;

/// Between 80 and 100 percent of `pause`.
fn jittered(pause: Duration, random: u64) -> Duration {
    let percent = 80 + u32::try_from(random % 21).unwrap_or(0);
    pause * percent / 100
}

/// What the issuer says, but no less than five minutes and no more than the file says.
pub(super) fn refresh_pause(refresh: Duration, max_age: Option<Duration>, random: u64) -> Duration {
    let asked = max_age.map_or(refresh, |age| age.max(SHORTEST_REFRESH).min(refresh));
    jittered(asked, random).max(COOLDOWN)
}

/// Doubles from the cooldown on. Without any keys there is nothing to lose by asking again soon,
/// for some minutes: the second issuer form of most Cognito pools never answers.
pub(super) fn back_off(failures: u32, has_keys: bool, cooldown: Duration, random: u64) -> Duration {
    if !has_keys && failures <= SOON {
        return cooldown;
    }
    let doubled = cooldown.saturating_mul(1 << failures.saturating_sub(1).min(8));
    jittered(doubled.min(LONGEST_BACK_OFF), random).max(cooldown)
}
