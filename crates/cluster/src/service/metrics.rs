//! What the cluster counts.

use cidcast_catalog::ClusterLogUsage;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::event::ProofOutcome;
use crate::liveness::Liveness;
use crate::machine::{Health, MemberView};

type Label = [(&'static str, &'static str); 1];

/// The numbers of one member. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct ClusterMetrics {
    /// `cidcast_cluster_members`: by state: `alive`, `returning`, `silent`, `lost`.
    members: Family<Label, Gauge>,
    /// `cidcast_cluster_pins`: roots in the pinset.
    pins: Gauge,
    /// `cidcast_cluster_pins_under_replicated`: of them, those with too few copies.
    under_replicated: Gauge,
    /// `cidcast_cluster_pins_without_copy`: of them, those of which no copy is known.
    without_copy: Gauge,
    /// `cidcast_cluster_held`: roots that are kept here.
    held: Gauge,
    /// `cidcast_cluster_held_bytes`: their bytes.
    held_bytes: Gauge,
    /// `cidcast_cluster_queued`: roots that are to be here and are not begun.
    queued: Gauge,
    /// `cidcast_cluster_running`: roots on their way here.
    running: Gauge,
    /// `cidcast_cluster_capacity_bytes`, by whose: `own`, `all`.
    capacity: Family<Label, Gauge>,
    /// `cidcast_cluster_free_bytes`, by whose: `own`, `all`.
    free: Family<Label, Gauge>,
    /// `cidcast_cluster_log_entries`.
    entries: Gauge,
    /// `cidcast_cluster_log_bytes`.
    entries_bytes: Gauge,
    /// `cidcast_cluster_proofs_total`: challenges of this member by outcome: `proved`, `failed`,
    /// `unanswered`.
    proofs: Family<Label, Counter>,
    /// `cidcast_cluster_damaged_blocks_total`: that checks found here.
    damaged: Counter,
    /// `cidcast_cluster_repairs_total`: copies here that were made whole again.
    repairs: Counter,
    /// `cidcast_cluster_asked_total`: requests of others by outcome: `answered`, `refused`,
    /// `unreadable`.
    asked: Family<Label, Counter>,
}

impl ClusterMetrics {
    /// Makes the metrics and adds them to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        let under = registry.sub_registry_with_prefix("cidcast_cluster");
        under.register("members", "Members by state", all.members.clone());
        under.register("pins", "Roots in the pinset", all.pins.clone());
        let help = "Roots of the pinset with fewer copies than they need";
        under.register("pins_under_replicated", help, all.under_replicated.clone());
        let help = "Roots of the pinset of which no copy is known";
        under.register("pins_without_copy", help, all.without_copy.clone());
        under.register("held", "Roots kept here", all.held.clone());
        let bytes = Unit::Bytes;
        let help = "Bytes of the roots kept here";
        under.register_with_unit("held", help, bytes.clone(), all.held_bytes.clone());
        let help = "Roots that are to be here and are not begun";
        under.register("queued", help, all.queued.clone());
        under.register("running", "Roots on their way here", all.running.clone());
        let help = "Bytes that members offer";
        under.register_with_unit("capacity", help, bytes.clone(), all.capacity.clone());
        let help = "Bytes that members can still take";
        under.register_with_unit("free", help, bytes.clone(), all.free.clone());
        under.register("log_entries", "Entries of all logs", all.entries.clone());
        let help = "Bytes of all logs";
        under.register_with_unit("log", help, bytes, all.entries_bytes.clone());
        let help = "Challenges sent, by outcome";
        under.register("proofs", help, all.proofs.clone());
        let help = "Damaged or missing blocks that checks found here";
        under.register("damaged_blocks", help, all.damaged.clone());
        let help = "Copies here that were made whole again";
        under.register("repairs", help, all.repairs.clone());
        let help = "Requests of other nodes, by outcome";
        under.register("asked", help, all.asked.clone());
        all
    }

    pub(super) fn show(&self, health: &Health, members: &[MemberView]) {
        let states = [
            (Liveness::Alive, "alive"),
            (Liveness::Returning, "returning"),
            (Liveness::Silent, "silent"),
            (Liveness::Lost, "lost"),
        ];
        for (liveness, state) in states {
            let many = members.iter().filter(|member| member.liveness == liveness);
            let gauge = self.members.get_or_create(&[("state", state)]);
            gauge.set(signed(many.count() as u64));
        }
        self.pins.set(signed(health.pins));
        self.under_replicated.set(signed(health.under_replicated));
        self.without_copy.set(signed(health.without_copy));
        self.held.set(signed(health.held));
        self.held_bytes.set(signed(health.held_bytes));
        self.queued.set(signed(health.queued as u64));
        self.running.set(signed(health.running as u64));
        let sum = |field: fn(&MemberView) -> u64| {
            let there = members.iter().filter(|one| one.liveness != Liveness::Lost);
            there.map(field).fold(0, u64::saturating_add)
        };
        self.capacity
            .get_or_create(&[("of", "all")])
            .set(signed(sum(|member| member.capacity)));
        self.free
            .get_or_create(&[("of", "all")])
            .set(signed(sum(|member| member.free)));
    }

    pub(super) fn show_own(&self, capacity: u64, free: u64) {
        self.capacity
            .get_or_create(&[("of", "own")])
            .set(signed(capacity));
        self.free.get_or_create(&[("of", "own")]).set(signed(free));
    }

    pub(super) fn show_logs(&self, usage: ClusterLogUsage) {
        self.entries.set(signed(usage.entries));
        self.entries_bytes.set(signed(usage.bytes));
    }

    pub(super) fn proved(&self, outcome: ProofOutcome) {
        let outcome = match outcome {
            ProofOutcome::Proved { .. } => "proved",
            ProofOutcome::Failed => "failed",
            ProofOutcome::Unanswered => "unanswered",
        };
        self.proofs.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(super) fn damaged(&self, blocks: usize) {
        self.damaged.inc_by(blocks as u64);
    }

    pub(super) fn repaired(&self) {
        self.repairs.inc();
    }

    pub(super) fn asked(&self, outcome: &'static str) {
        self.asked.get_or_create(&[("outcome", outcome)]).inc();
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
