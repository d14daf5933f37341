//! ALB's security policies by name (alb.md 2.3), and what of each can be had here.
//!
//! TLS 1.0 and 1.1, CBC suites and RSA key exchange are not spoken, so a policy that allows them is
//! taken less those. Which suites and groups are meant by what is left is known to `tls`.

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecurityPolicy {
    /// AWS's name for it.
    pub name: &'static str,
    /// Whether TLS 1.2 is spoken, with the four ECDHE GCM suites.
    pub tls_1_2: bool,
    /// Whether TLS 1.3 is spoken, with its three suites.
    pub tls_1_3: bool,
    /// Whether key exchange may be hybrid with ML-KEM.
    pub post_quantum: bool,
    /// What else AWS has in it, in words; empty when it is whole.
    pub left_out: &'static str,
}

const OLD_TLS: &str = "TLS 1.0 and 1.1, and CBC suites";
const OLD_TLS_AND_RSA: &str = "TLS 1.0 and 1.1, CBC suites, and RSA key exchange";
const TLS_1_1: &str = "TLS 1.1 and CBC suites";
const TLS_1_1_AND_RSA: &str = "TLS 1.1, CBC suites, and RSA key exchange";
const CBC: &str = "CBC suites";
const CBC_AND_RSA: &str = "CBC suites and RSA key exchange";

const fn both(name: &'static str, left_out: &'static str) -> SecurityPolicy {
    SecurityPolicy { name, tls_1_2: true, tls_1_3: true, post_quantum: false, left_out }
}

const fn hybrid(name: &'static str, left_out: &'static str) -> SecurityPolicy {
    SecurityPolicy { post_quantum: true, ..both(name, left_out) }
}

const fn without_1_2(policy: SecurityPolicy) -> SecurityPolicy {
    SecurityPolicy { tls_1_2: false, ..policy }
}

const fn without_1_3(name: &'static str, left_out: &'static str) -> SecurityPolicy {
    SecurityPolicy { tls_1_3: false, ..both(name, left_out) }
}

/// All that are known, the default first.
const ALL: [SecurityPolicy; 24] = [
    SecurityPolicy::DEFAULT,
    both("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", ""),
    without_1_2(hybrid("ELBSecurityPolicy-TLS13-1-3-PQ-2025-09", "")),
    without_1_2(both("ELBSecurityPolicy-TLS13-1-3-2021-06", "")),
    hybrid("ELBSecurityPolicy-TLS13-1-2-PQ-2025-09", CBC),
    both("ELBSecurityPolicy-TLS13-1-2-2021-06", CBC),
    hybrid("ELBSecurityPolicy-TLS13-1-2-Ext1-PQ-2025-09", CBC_AND_RSA),
    both("ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06", CBC_AND_RSA),
    hybrid("ELBSecurityPolicy-TLS13-1-2-Ext2-PQ-2025-09", CBC_AND_RSA),
    both("ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06", CBC_AND_RSA),
    both("ELBSecurityPolicy-TLS13-1-1-2021-06", TLS_1_1_AND_RSA),
    hybrid("ELBSecurityPolicy-TLS13-1-0-PQ-2025-09", OLD_TLS_AND_RSA),
    both("ELBSecurityPolicy-TLS13-1-0-2021-06", OLD_TLS_AND_RSA),
    without_1_3("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", CBC_AND_RSA),
    without_1_3("ELBSecurityPolicy-TLS-1-2-2017-01", CBC_AND_RSA),
    without_1_3("ELBSecurityPolicy-TLS-1-1-2017-01", TLS_1_1_AND_RSA),
    without_1_3("ELBSecurityPolicy-2016-08", OLD_TLS_AND_RSA),
    without_1_3("ELBSecurityPolicy-2015-05", OLD_TLS_AND_RSA),
    without_1_3("ELBSecurityPolicy-FS-1-2-Res-2020-10", ""),
    without_1_3("ELBSecurityPolicy-FS-1-2-Res-2019-08", CBC),
    without_1_3("ELBSecurityPolicy-FS-1-2-2019-08", CBC),
    without_1_3("ELBSecurityPolicy-FS-1-1-2019-08", TLS_1_1),
    without_1_3("ELBSecurityPolicy-FS-2018-06", OLD_TLS),
    without_1_3("ELBSecurityPolicy-TLS-1-0-2015-04", OLD_TLS_AND_RSA),
];

impl SecurityPolicy {
    /// What AWS's console has chosen since 2025: TLS 1.2 and 1.3 with forward secrecy and GCM or
    /// ChaCha20 only, and hybrid key exchange.
    pub const DEFAULT: Self = hybrid("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", "");

    /// The policy of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|policy| policy.name == name)
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|policy| policy.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_policy_has_one_name_and_leaves_a_version_to_speak() {
        let names: HashSet<_> = SecurityPolicy::names().collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|policy| policy.tls_1_2 || policy.tls_1_3));
        assert!(ALL.iter().all(|policy| policy.post_quantum == policy.name.contains("-PQ-")));
        assert!(ALL.iter().all(|policy| policy.tls_1_3 == policy.name.contains("-TLS13-")));
    }

    #[test]
    fn a_policy_that_says_restricted_or_1_3_only_is_whole() {
        for policy in ALL {
            let is_modern = policy.name.contains("-TLS13-1-2-Res-")
                || policy.name.contains("-TLS13-1-3-")
                || policy.name == "ELBSecurityPolicy-FS-1-2-Res-2020-10";
            assert_eq!(policy.left_out.is_empty(), is_modern, "{}", policy.name);
        }
    }
}
